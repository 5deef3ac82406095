//! The kinds of faults. A new kind takes one line here and, unless it is like another one, a
//! function of the world.

mod clock;
mod copies;
mod disk;
mod harm;
mod network;
mod partition;
mod process;

use std::fmt;

use super::application::Application;
use super::disk::Harm;
use super::recovery::Survives;
use super::rng::{Purpose, Rng};
use super::summary::named;
use super::violation::{Checked, Step};
use super::world::{Event, Phase, World};

/// A fault that is about to happen, with the random stream that decides its details.
#[derive(Debug)]
pub(super) struct Blow {
    pub fault: Fault,
    pub item: u32,
    /// The number of the step; some faults happen in several.
    pub step: u32,
    pub rng: Rng,
}

/// Each kind: its name, and the function that strikes; `?` if that may find a broken promise.
macro_rules! faults {
    ($($(#[doc = $doc:literal])* $kind:ident, $name:literal,
        $strike:ident($($argument:expr),*) $(, $may_break:tt)?;)*) => {
        named! {
            /// A kind of fault.
            Fault: $($(#[doc = $doc])* $kind, $name;)*
        }

        impl<A: Application> World<A> {
            fn strike(&mut self, blow: Blow) -> Checked {
                match blow.fault {
                    $(Fault::$kind => self.$strike(blow $(, $argument)*) $($may_break)?,)*
                }
                Ok(())
            }
        }
    };
}

faults! {
    /// A connection loses all bytes from the middle of a frame on, unnoticed.
    Stall, "stall", lose(|_| usize::MAX);
    /// A connection loses some bytes in the middle and goes on.
    Hole, "hole", lose(|rng| rng.index(60) + 1);
    /// Whole messages come twice.
    Duplicate, "duplicate", relay(|relay| relay.duplicates += 3);
    /// Whole messages are overtaken by others.
    Reorder, "reorder", relay(|relay| relay.swaps += 3);
    /// A link is slow, up to slower than the idle timeout.
    Delay, "delay", delay();
    /// A link carries few bytes per second.
    SlowLink, "slow link", slow_link();
    /// New connections of a link take a detour: older ones overtake them.
    Detour, "detour", detour();
    /// A connection is closed from one side.
    HangUp, "hang-up", hang_up();
    /// All connections everywhere break, several times in a row.
    ConnectionStorm, "connection storm", connection_storm();
    /// A link goes down and comes back, several times in a row.
    Flapping, "flapping link", flapping();
    /// A link lets one direction through.
    OneWay, "one-way partition", one_way();
    /// A link lets nothing through.
    LinkDown, "link partition", link_down();
    /// One site reaches nobody.
    CutOff, "site cut off", cut_off();
    /// Two groups do not reach each other.
    Split, "split", split();
    /// Two groups do not reach each other; one site reaches both.
    Bridge, "bridge partition", bridge();
    /// Nobody reaches anybody.
    Alone, "everyone alone", alone();
    /// The power goes; nothing that is not synced survives.
    Crash, "power loss", stop_some(Survives::Synced), ?;
    /// The power goes in the middle of a write: unsynced batches are lost from some point on.
    TornWrite, "torn write", stop_some(Survives::Some), ?;
    /// A process is killed; what it wrote is with the operating system and survives.
    Kill, "kill", stop_some(Survives::Written), ?;
    /// A crash, and another one while the site recovers from it.
    DoubleCrash, "double crash", double_crash(), ?;
    /// The power goes at every site at once.
    Outage, "outage", outage(), ?;
    /// A process freezes and resumes, with all that has come in meanwhile.
    Pause, "pause", pause();
    /// A site joins after the others have worked for a while.
    LateJoiner, "late joiner", late_joiner();
    /// Syncs take seconds.
    SlowDisk, "slow disk", slow_disk();
    /// A disk has no room: a commit fails before anything is written.
    DiskFull, "disk full", disk_full();
    /// A write fails, and the store gives up.
    WriteError, "write error", next_fails("write", |trouble| &mut trouble.next_write_fails);
    /// A sync fails; what it was to sync may be lost, and the store gives up.
    SyncError, "fsync error", next_fails("sync", |trouble| &mut trouble.next_sync_fails);
    /// A wall clock is wrong by less than the skew bound.
    Skew, "clock skew", skew();
    /// A wall clock jumps ahead by minutes to decades.
    JumpForward, "clock jump forward", jump(1);
    /// A wall clock jumps back by minutes to decades.
    JumpBack, "clock jump back", jump(-1);
    /// A wall clock stands still.
    FrozenClock, "frozen clock", frozen_clock();
    /// A disk is replaced by an earlier copy of itself.
    RestoredSnapshot, "restored snapshot", restored_snapshot(), ?;
    /// Bits flip on a disk: in log records, in flushed state, or in both.
    BitFlip, "bit flips", bit_flips(), ?;
    /// Log records of a disk are gone.
    LostRecords, "lost records", harm(Harm::Lost), ?;
    /// A site's disk is replaced by a copy of another site's disk.
    ClonedDisk, "cloned disk", cloned_disk(), ?;
    /// The users of one site send many requests at once.
    Burst, "burst of load", burst(), ?;
}

impl<A: Application> World<A> {
    /// Carries out a step of a planned fault, unless the safety phase is over.
    pub(super) fn fault(&mut self, fault: Fault, item: u32, step: u32) -> Checked {
        if self.phase != Phase::Safety {
            return Ok(());
        }
        let number = u64::from(item) << 32 | u64::from(step);
        let rng = Rng::of(self.seed, Purpose::Item, number);
        self.strike(Blow { fault, item, step, rng })
    }

    /// Schedules the next step of a fault after a pause.
    fn again(&mut self, blow: &Blow, pause: u64) {
        let &Blow { fault, item, step, .. } = blow;
        self.schedule.after(pause, Event::Fault { fault, item, step: step + 1 });
    }

    /// Notes that a fault took effect and lasts until then, and adds it to the story.
    pub(super) fn felt(&mut self, blow: &Blow, until: u64, what: fmt::Arguments<'_>) {
        let now = self.schedule.now();
        self.summary.coverage.felt(blow.fault, now, until);
        self.tell(blow.item, true, format_args!("{}: {what}", blow.fault.name()));
    }

    /// Adds what an item of the plan did to the story, if there is one.
    pub(super) fn tell(&mut self, item: u32, is_fault: bool, what: fmt::Arguments<'_>) {
        if self.tells {
            let at_millis = self.schedule.now();
            let what = what.to_string();
            self.story.push(Step { item, at_millis, is_fault, what });
        }
    }
}
