//! Two versions of a type, each reading data that the other has written.

use std::any::type_name;
use std::boxed::Box;
use std::format;
use std::vec::Vec;

use proptest::prelude::*;
use rejoin_vclock::ReplicaId;

use super::algebra::{join, same};
use super::counterexample::{Broken, Counterexample, Held};
use super::law::Law;
use super::runner::search;
use super::subject::DeltaCrdt;
use super::world::{READER, Story, id};

/// One thing that happens between an old program and a new one.
#[derive(Clone, Debug)]
enum Step<O, N> {
    OldEdits(O),
    NewEdits(N),
    OldMergesNew,
    NewMergesOld,
}

/// As [`check_matrix`](super::check_matrix), with the counter-example as a value.
///
/// # Errors
/// The shortest history on which data are lost.
pub fn compare_versions<Old: DeltaCrdt, New: DeltaCrdt>(
    old: impl Strategy<Value = Old::Op> + 'static,
    new: impl Strategy<Value = New::Op> + 'static,
) -> Result<(), Counterexample> {
    let old = old.boxed();
    let step = prop_oneof![
        3 => old.clone().prop_map(Step::OldEdits),
        3 => new.prop_map(Step::NewEdits),
        1 => Just(Step::OldMergesNew),
        1 => Just(Step::NewMergesOld),
    ];
    let cases = (prop::collection::vec(step, 0..=12), old);
    let judge =
        |(script, edit): &(Vec<_>, Old::Op), story: &Story| judge::<Old, New>(script, edit, story);
    search(Law::Versions, type_name::<Old>(), None, &cases, &judge, &|case| case)
}

fn judge<Old: DeltaCrdt, New: DeltaCrdt>(
    script: &[Step<Old::Op, New::Op>],
    edit: &Old::Op,
    story: &Story,
) -> Held {
    let mut old = Old::new(id(1));
    let mut new = New::new(id(2));
    for (step, number) in script.iter().zip(16..) {
        match step {
            Step::OldEdits(op) => {
                story.tell(|| format!("the old program: {op:?}"));
                old.edit(op);
            }
            Step::NewEdits(op) => {
                story.tell(|| format!("the new program: {op:?}"));
                new.edit(op);
            }
            Step::OldMergesNew => {
                story.tell(|| "the old program merges what the new one saved".into());
                old.merge(&read::<Old, New>("old", &new, id(number))?);
            }
            Step::NewMergesOld => {
                story.tell(|| "the new program merges what the old one saved".into());
                new.merge(&read::<New, Old>("new", &old, id(number))?);
            }
        }
    }
    keeps::<Old, New>("old", "new", &new)?;
    keeps::<New, Old>("new", "old", &old)?;
    merges_alike(&old, &new)?;
    keeps_while_editing(edit, &old, &new)
}

/// Loads the state that `theirs` saved with the other program.
fn read<R: DeltaCrdt, W: DeltaCrdt>(
    reader: &str,
    theirs: &W,
    id: ReplicaId,
) -> Result<R, Box<Broken>> {
    R::load(&theirs.save(), id).ok_or_else(|| {
        Broken::new(format!("the {reader} program refuses what the other has saved"))
            .operand("saved", theirs)
    })
}

/// Checks that a round trip through the other program changes nothing.
fn keeps<R: DeltaCrdt, W: DeltaCrdt>(reader: &str, writer: &str, theirs: &W) -> Held {
    let through: R = read(reader, theirs, READER)?;
    let back: W = read(writer, &through, READER)?;
    let before = theirs.fork(READER);
    if through.save() == before.save() && same(&before, &back) {
        return Ok(());
    }
    let claim = format!("the {reader} program loses what the {writer} one had saved");
    let broken = Broken::new(claim).operand(&format!("the {reader} program"), &through);
    let broken = broken.compare(&format!("what the {writer} program saved"), &before);
    Err(broken.compare("the same, back from the other", &back))
}

/// Checks that either program merges two states to the same bytes.
fn merges_alike<Old: DeltaCrdt, New: DeltaCrdt>(old: &Old, new: &New) -> Held {
    let by_old = join(old, &read::<Old, New>("old", new, READER)?);
    let by_new = join(new, &read::<New, Old>("new", old, READER)?);
    if by_old.save() == by_new.save() {
        return Ok(());
    }
    let broken = Broken::new("what is merged depends on which program merges");
    let broken = broken.operand("the old program", old).operand("the new program", new);
    Err(broken.compare("merged by the old one", &by_old).compare("by the new one", &by_new))
}

/// Checks that the old program can edit the new one's data and nothing of them is lost.
fn keeps_while_editing<Old: DeltaCrdt, New: DeltaCrdt>(op: &Old::Op, old: &Old, new: &New) -> Held {
    let mut through: Old = read("old", new, id(3))?;
    through.edit(op);
    through.merge(old);
    let back: New = read("new", &through, READER)?;
    let again = join(&back, new);
    if same(&back, &again) {
        return Ok(());
    }
    let broken = Broken::new("the old program edits the new one's data and loses some of them");
    let broken = broken.operand("the new program", new).note("edit by the old program", op);
    let broken = broken.compare("afterwards", &back);
    Err(broken.compare("with what was lost", &again))
}
