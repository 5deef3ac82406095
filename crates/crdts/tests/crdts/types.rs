//! Every type of the crate with its alphabet: the one list for the exhaustive, random and law
//! tests. A new type gets a line in [`every_type`] and an alphabet.

pub(crate) mod alphabets;

use rejoin_crdts::{
    BoundedCounter, DisableWinsFlag, EnableWinsFlag, GCounter, GSet, LwwRegister, MaxRegister,
    MinRegister, MvRegister, OrMap, OrSet, PnCounter, RwSet, TwoPhaseSet,
};

pub(crate) use crate::world::{Record, Shop};

pub(crate) type Flag = OrSet<String>;
pub(crate) type Stock = PnCounter;
pub(crate) type Note = LwwRegister<String>;
pub(crate) type Visits = GCounter;
pub(crate) type Title = MvRegister<String>;
pub(crate) type Best = MaxRegister<String>;
pub(crate) type Least = MinRegister<String>;
pub(crate) type Paid = EnableWinsFlag;
pub(crate) type Consent = DisableWinsFlag;
pub(crate) type Words = GSet<String>;
pub(crate) type Members = RwSet<String>;
pub(crate) type Tickets = TwoPhaseSet<String>;
pub(crate) type Seats = BoundedCounter;
pub(crate) type Lines = OrMap<String, PnCounter>;
pub(crate) type Tags = OrMap<String, OrSet<String>>;
pub(crate) type Notes = OrMap<String, LwwRegister<String>>;
pub(crate) type VisitsOf = OrMap<String, Visits>;
pub(crate) type Titles = OrMap<String, Title>;
pub(crate) type Scores = OrMap<String, Best>;
pub(crate) type PaidBy = OrMap<String, Paid>;
pub(crate) type ConsentOf = OrMap<String, Consent>;
pub(crate) type Vocabularies = OrMap<String, Words>;
pub(crate) type Groups = OrMap<String, Members>;
pub(crate) type Events = OrMap<String, Tickets>;
pub(crate) type Shelves = OrMap<String, OrMap<String, PnCounter>>;
pub(crate) type Records = OrMap<String, Record>;
pub(crate) type Boxes = OrMap<String, OrMap<String, OrSet<String>>>;
pub(crate) type Clubs = OrMap<String, Groups>;

/// Makes one test per type out of a generic function over (type, alphabet).
macro_rules! every_type {
    ($run:ident) => {
        crate::types::every_type! { $run;
            or_set: Flag, lww_register: Note, pn_counter: Stock, g_counter: Visits,
            undone_counter: Stock, undone_counts: Stock,
            mv_register: Title, max_register: Best, min_register: Least,
            enable_wins_flag: Paid, disable_wins_flag: Consent, g_set: Words, rw_set: Members,
            two_phase_set: Tickets, bounded_counter: Seats, reclaimed_rights: Seats,
            map_of_counters: Lines, map_of_sets: Tags, map_of_registers: Notes,
            map_of_g_counters: VisitsOf, map_of_mv_registers: Titles,
            map_of_max_registers: Scores, map_of_enable_flags: PaidBy,
            map_of_disable_flags: ConsentOf, map_of_g_sets: Vocabularies, map_of_rw_sets: Groups,
            map_of_two_phase_sets: Events, map_of_maps_of_counters: Shelves,
            map_of_maps_of_sets: Boxes, map_of_maps_of_rw_sets: Clubs,
            kept_registers: Notes, kept_shelves: Shelves, kept_groups: Groups,
            record: Record, map_of_records: Records, shop: Shop,
        }
    };
    ($run:ident; $($name:ident: $subject:ident,)*) => {$(
        #[test]
        fn $name() {
            $run::<crate::types::$subject>(&crate::types::alphabets::$name());
        }
    )*};
}
pub(crate) use every_type;
