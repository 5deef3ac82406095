//! A transaction with the outcomes that the oracle predicts, compared with those of the editor.

use rejoin_crdts::{EditError, ReplicaId};

use super::act::{Act, What};
use super::subject::Subject;

/// The outcome of an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It changes something.
    Done,
    /// It is allowed and has no effect.
    Nothing,
    /// The element was removed for ever.
    Gone,
    /// Its replica holds too few rights; others may hold some.
    Lacks { held: u64, others: Vec<(ReplicaId, u64)> },
    /// A replica was declared retired, and another has its rights.
    Retired { id: ReplicaId, heir: ReplicaId },
}

impl Verdict {
    pub(super) const fn of(changes: bool) -> Self {
        if changes { Self::Done } else { Self::Nothing }
    }
}

/// One operation of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(super) act: Act,
    pub(super) verdict: Verdict,
    /// Its effects that history records.
    pub(crate) performed: Vec<Act>,
}

/// Performs a plan. An operation that the plan says is refused must be refused, for that reason,
/// and is left out.
pub(crate) fn carry_out<S: Subject>(
    editor: &mut S::Editor<'_>,
    plan: &[Step],
) -> Result<(), EditError> {
    for Step { act, verdict, .. } in plan {
        let result = S::perform(editor, act.place, act.what);
        match (verdict, result) {
            (Verdict::Done | Verdict::Nothing, result) => result?,
            (Verdict::Gone, Err(EditError::RemovedForEver { .. })) => {}
            (&Verdict::Retired { id, heir }, Err(error)) => {
                assert_eq!(error, EditError::Retired { id, heir });
            }
            (Verdict::Lacks { held, others }, Err(error)) => {
                let (What::Spend(needed) | What::Pass(needed, _)) = act.what else {
                    panic!("{act:?} takes no rights")
                };
                let (held, holders) = (*held, others.clone());
                let former = Vec::new();
                assert_eq!(error, EditError::NotEnoughRights { needed, held, holders, former });
            }
            (_, result) => panic!("{act:?}: {result:?}, and the oracle says {verdict:?}"),
        }
    }
    Ok(())
}

/// True if a type refuses operations by its contract with this error.
pub(super) const fn is_refusal(error: &EditError) -> bool {
    use EditError::{NotEnoughRights, RemovedForEver, Retired};
    matches!(error, RemovedForEver { .. } | NotEnoughRights { .. } | Retired { .. })
}
