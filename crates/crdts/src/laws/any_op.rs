//! Operations whose type is forgotten, so that scripts, their generation and their shrinking are
//! compiled once and not again for each type under test.

use std::any::Any;
use std::rc::Rc;

use core::fmt::{self, Debug};

/// An operation of some type.
#[derive(Clone)]
pub(super) struct AnyOp {
    op: Rc<dyn Any>,
    show: fn(&dyn Any, &mut fmt::Formatter<'_>) -> fmt::Result,
}

impl AnyOp {
    pub(super) fn new<Op: Debug + 'static>(op: Op) -> Self {
        Self {
            op: Rc::new(op),
            show: |op, f| op.downcast_ref::<Op>().map_or(Ok(()), |op| op.fmt(f)),
        }
    }

    /// The operation, as the type that it was made of.
    pub(super) fn get<Op: 'static>(&self) -> &Op {
        let op = self.op.downcast_ref();
        op.unwrap_or_else(|| unreachable!("one type's operations stay in that type's scripts"))
    }
}

impl Debug for AnyOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.show)(&*self.op, f)
    }
}
