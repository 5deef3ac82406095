//! A queue in a list: the cost of a job does not depend on the number of jobs before it. No clock
//! measures that, but a value that counts the cells it shows does.

use rejoin_crdts::ordered::ListEditor;
use rejoin_crdts::{EditError, List, LwwRegister, Replica};

use crate::costs::Watched;
use crate::world::fresh;

type Jobs = List<LwwRegister<u64>>;
type Queue = Replica<Watched<Jobs>>;

/// Takes the first of ten items out, and adds another one.
fn job(queue: &mut ListEditor<'_, LwwRegister<u64>>) -> Result<(), EditError> {
    queue.remove(0)?;
    queue.push()?.set(7_u64)
}

/// A queue of ten items through which 300 have gone.
fn queue() -> Queue {
    let mut queue = Queue::new(fresh(1));
    queue.edit(|queue| (0..10_u64).try_for_each(|number| queue.push()?.set(number))).unwrap();
    for _ in 0..300 {
        queue.edit(job).unwrap();
    }
    queue.take_shown();
    queue
}

fn jobs(queue: &Queue) -> Vec<Option<u64>> {
    queue.read(|queue| queue.items().unwrap().iter().map(|(_, job)| job.get().unwrap()).collect())
}

#[test]
fn a_job_looks_at_what_it_changes() {
    let mut queue = queue();
    queue.edit(job).unwrap();
    let shown = queue.take_shown();
    assert!(shown <= 10, "{shown} cells");
}

#[test]
fn many_jobs_in_one_transaction_look_at_what_they_change() {
    let mut queue = queue();
    queue.edit(|queue| (0..100).try_for_each(|_| job(queue))).unwrap();
    let shown = queue.take_shown();
    assert!(shown <= 1_000, "{shown} cells");
}

#[test]
fn a_transaction_that_read_and_gave_up_leaves_the_order() {
    let mut queue = queue();
    let refused = queue.edit(|queue| {
        let len = queue.len()?;
        queue.remove(len)
    });
    assert!(matches!(refused, Err(EditError::OutOfRange { index: 10, len: 10, .. })));
    queue.edit(job).unwrap();
    let shown = queue.take_shown();
    assert!(shown <= 10, "{shown} cells");
}

#[test]
fn a_transaction_that_wrote_and_gave_up_is_not_seen() {
    let mut queue = queue();
    let before = jobs(&queue);
    let refused = queue.edit(|queue| {
        queue.insert(3)?.set(99_u64)?;
        queue.move_to(0, 5)?;
        queue.remove(usize::MAX)
    });
    assert!(refused.is_err());
    queue.edit(|queue| queue.push()?.set(100_u64)).unwrap();
    let mut after = jobs(&queue);
    assert_eq!(after.pop(), Some(Some(100)));
    assert_eq!(after, before);
}

#[test]
fn what_others_did_is_looked_at_alone() {
    let mut queue = queue();
    let mut other = queue.fork(fresh(2));
    let delta = other.edit(job).unwrap();
    queue.apply(&delta);
    queue.take_shown();
    queue.edit(job).unwrap();
    let shown = queue.take_shown();
    assert!(shown <= 20, "{shown} cells");
}
