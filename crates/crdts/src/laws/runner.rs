//! Searches for a counter-example, shrinks it, and prints it.

use std::any::{Any, type_name};
use std::format;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::String;
use std::vec::Vec;

use core::fmt::{self, Debug};
use core::marker::PhantomData;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use super::algebra::Operands;
use super::any_op::AnyOp;
use super::bytes::{equal_bytes, round_trip, strict_bytes};
use super::counterexample::{Broken, Counterexample, Held};
use super::delivery;
use super::law::Law;
use super::shrink::{by_names, shortest};
use super::subject::DeltaCrdt;
use super::world::{Event, Story, World, script};

/// The laws of one type, with the operations that its copies are edited by.
///
/// [`check_all`](super::check_all) is enough for most uses; this is for checking a single law, for
/// another number of cases, and for the counter-example as a value.
pub struct Laws<C: DeltaCrdt> {
    operations: BoxedStrategy<AnyOp>,
    cases: Option<u32>,
    subject: PhantomData<fn() -> C>,
}

/// One history on which a law is checked.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) script: Vec<Event>,
    pub(super) edits: [AnyOp; 3],
}

impl<C: DeltaCrdt> Laws<C> {
    /// The laws, with a strategy for the operations that copies are edited by.
    pub fn new(operations: impl Strategy<Value = C::Op> + 'static) -> Self {
        let operations = operations.prop_map(AnyOp::new).boxed();
        Self { operations, cases: None, subject: PhantomData }
    }

    /// Sets the number of histories on which each law is checked: 256, or the value of the
    /// environment variable `PROPTEST_CASES`, unless set here.
    #[must_use]
    pub const fn cases(mut self, cases: u32) -> Self {
        self.cases = Some(cases);
        self
    }

    /// Checks every law of [`Law::ALL`], one after the other, up to the first that is broken.
    ///
    /// # Errors
    /// The shortest history on which it is broken.
    pub fn check_all(&self) -> Result<(), Counterexample> {
        Law::ALL.into_iter().try_for_each(|law| self.check(law))
    }

    /// Checks one law. [`Law::Versions`] needs two types ([`check_matrix`](super::check_matrix)),
    /// and holds for a single one.
    ///
    /// # Errors
    /// The shortest history on which it is broken.
    pub fn check(&self, law: Law) -> Result<(), Counterexample> {
        let (copies, steps) = size(law);
        let cases = histories(&self.operations, copies, steps);
        let judge = |case: &Case, story: &Story| judge::<C>(law, case, story);
        let shorten = |case: Case| {
            let breaks = |case: &Case| is_broken(&|| judge(case, &Story::silent()));
            let named = by_names::<C>(copies, &case.script);
            let named = Case { script: named, edits: case.edits.clone() };
            shortest(copies, case, named, &breaks)
        };
        search(law, type_name::<C>(), self.cases, &cases, &judge, &shorten)
    }
}

impl<C: DeltaCrdt> Debug for Laws<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Laws").field("of", &type_name::<C>()).finish_non_exhaustive()
    }
}

/// Generates scripts, each with three operations for the law itself to perform.
fn histories(
    operations: &BoxedStrategy<AnyOp>,
    copies: usize,
    steps: usize,
) -> BoxedStrategy<Case> {
    let edits = proptest::array::uniform3(operations.clone());
    let cases = (script(operations, copies, steps), edits);
    cases.prop_map(|(script, edits)| Case { script, edits }).boxed()
}

/// Returns the number of copies of a law's history, and the maximum number of its steps.
const fn size(law: Law) -> (usize, usize) {
    match law {
        Law::Delivery => (4, 32),
        _ => (3, 16),
    }
}

/// Plays one case and checks the law on it.
fn judge<C: DeltaCrdt>(law: Law, case: &Case, story: &Story) -> Held {
    let mut world = World::<C>::new(size(law).0, story);
    if law == Law::Delivery {
        return delivery::play(&mut world, &case.script);
    }
    case.script.iter().for_each(|event| _ = world.perform(event));
    let [a, b, c] = world.copies.as_slice() else { return Ok(()) };
    let edits = case.edits.each_ref().map(|op| op.get::<C::Op>().clone());
    let operands = Operands { a, b, c, edits: &edits };
    match law {
        Law::Commutative => operands.commutative(),
        Law::Associative => operands.associative(),
        Law::Idempotent => operands.idempotent(),
        Law::Identity => operands.identity(),
        Law::DeltaIsMutation => operands.delta_is_mutation(),
        Law::DeltaAgain => operands.delta_again(),
        Law::Inflation => operands.inflation(),
        Law::Truthful => operands.truthful(),
        Law::Order => operands.order(),
        Law::ConcurrentOrder => operands.concurrent_order(),
        Law::EqualBytes => equal_bytes(a, b),
        Law::RoundTrip => round_trip(a),
        Law::StrictBytes => strict_bytes(a),
        Law::Delivery | Law::Versions => Ok(()),
    }
}

/// Tries cases until one breaks the law, shrinks that one, and plays it again, recording the story.
pub(super) fn search<S: Strategy>(
    law: Law,
    subject: &'static str,
    cases: Option<u32>,
    strategy: &S,
    judge: &dyn Fn(&S::Value, &Story) -> Held,
    shorten: &dyn Fn(S::Value) -> S::Value,
) -> Result<(), Counterexample> {
    let default = Config::default();
    let config = Config {
        cases: cases.unwrap_or(default.cases),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..default
    };
    let broke = |_| TestCaseError::fail("a law is broken");
    let found =
        TestRunner::new(config).run(strategy, |case| judge(&case, &Story::silent()).map_err(broke));
    let (story, broken) = match found {
        Ok(()) => return Ok(()),
        Err(TestError::Abort(reason)) => {
            (Story::default(), Broken::new(format!("no case could be made: {reason}")))
        }
        Err(TestError::Fail(_, case)) => {
            let (case, story) = (shorten(case), Story::default());
            let told = catch_unwind(AssertUnwindSafe(|| judge(&case, &story)));
            let broken = match told {
                Ok(Err(broken)) => broken,
                Ok(Ok(())) => Broken::new(
                    "the law was broken, and was not when the same happened again: something \
                     random or global is at work",
                ),
                Err(panic) => Broken::new(format!("the type panics: {}", message(&*panic))),
            };
            (story, broken)
        }
    };
    Err(Counterexample::new(law, subject, story.lines(), broken))
}

/// True if a check fails or panics.
fn is_broken(check: &dyn Fn() -> Held) -> bool {
    !matches!(catch_unwind(AssertUnwindSafe(check)), Ok(Ok(())))
}

/// Returns the message of a panic.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("(no message)").into()
}

/// Ends a test with the counter-example, if there is one.
pub(super) fn or_panic(checked: Result<(), Counterexample>) {
    if let Err(counterexample) = checked {
        panic!("\n{counterexample}");
    }
}
