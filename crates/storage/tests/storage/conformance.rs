//! The backends of this crate keep the contract, and the suite finds those that do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rejoin_storage::conformance::{Broken, Duty, Medium, check};
use rejoin_storage::{Storage, StorageError};

use crate::wrong::Wrong;

mod memory {
    use crate::media::InMemory;
    rejoin_storage::storage_conformance!(InMemory::default);
}

mod redb {
    use crate::media::InFile;
    rejoin_storage::storage_conformance!(InFile::new);
}

mod fjall {
    use crate::media::InDirectory;
    rejoin_storage::storage_conformance!(InDirectory::new);
}

/// For each duty a wrong backend breaks exactly that one, and the suite names it.
#[test]
fn every_duty_is_caught_when_it_is_broken() {
    for duty in Duty::ALL {
        let fresh = || -> Box<dyn Medium> { Box::new(Wrong::new(duty)) };
        let Err(Broken { duty: named, what, .. }) = check(duty, &fresh) else {
            panic!("a backend that breaks {duty:?} passes")
        };
        assert_eq!(named, duty);
        assert!(!what.is_empty() && !what.contains("an error where none was due"), "{what}");
    }
}

#[test]
fn a_failure_says_which_duty_was_broken_and_how() {
    let fresh = || -> Box<dyn Medium> { Box::new(Wrong::new(Duty::LogEnd)) };
    let broken = check(Duty::LogEnd, &fresh).expect_err("it is off by one").to_string();
    assert_eq!(
        broken,
        "duty LogEnd (the log ends behind its last record) is broken: the end of the log of space \
         1: 0 was read, 1 was written"
    );
}

/// The suite asks for one damage after the other until there are no more.
#[test]
fn damages_are_asked_for_until_there_are_none() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    struct Counted(crate::media::InMemory);
    impl Medium for Counted {
        fn open(&self) -> Result<Arc<dyn Storage>, StorageError> {
            self.0.open()
        }
        fn damaged(&self, number: u32) -> Option<Box<dyn Medium>> {
            ASKED.fetch_max(number, Ordering::Relaxed);
            (number < 5).then(|| -> Box<dyn Medium> { Box::new(Wrong::refusing()) })
        }
    }
    let fresh = || -> Box<dyn Medium> { Box::new(Counted(crate::media::InMemory::default())) };
    check(Duty::Damage, &fresh).expect("what is refused is no broken duty");
    assert_eq!(ASKED.load(Ordering::Relaxed), 5);
}
