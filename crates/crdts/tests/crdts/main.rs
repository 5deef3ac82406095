//! The worlds, the laws and the hostile bytes of rejoin-crdts.
//!
//! | module | what it checks |
//! |---|---|
//! | `exhaustive`, `random` | a naive oracle after every step, in small worlds and large |
//! | `laws` | joins commute, associate, only grow; a delta joined in is the mutation |
//! | `failures` | one named test for each failure of another system |
//! | `rights` | a bounded counter is never spent below zero, however copies are cut off |
//! | `held_back` | deltas that come too early wait, within a bound |
//! | `dishonest` | origins that lie do not divide the honest |
//! | `hostile_bytes` | canonical both ways; bytes from strangers neither panic nor allocate |
//! | `hostile_corrections` | the same, for counters with undos |
//! | `removals` | moves, and removals that hide, have one spelling |
//! | `fault_18_*` | changed states are refused or mean themselves; no walk is endless |
//! | `fault_21_removal` | a removal looks only at the cells below it |
//! | `at_once` | every read sees one moment |
//! | `atoms`, `paths` | order, canonical form, limits |
//! | `kinds` | one name, several kinds; old readers and new data |
//! | `fault_02_kinds_on_every_read` | every pair of kinds: none is read as empty |
//! | `editing`, `given_up` | transactions are all or nothing, and see themselves |
//! | `saved` | one state, one saved byte string, in columns or not; older ones load |
//! | `recent` | remembered deltas lead to what a merge leads to |
//! | `costs` | a delta's cost depends on the change, not on the value |
//! | `conflicts`, `conflicts_on_both_sides` | the report of a merge about its decisions |
//! | `lists_by_id` | items named by their ids, as by their indexes |
//! | `ranges` | keys and elements within a range |
//! | `json`, `json_typed` | JSON in: exact, minimal, all or nothing; documents, and every kind |
//! | `undo` | operations on counters are undone once, whoever undoes them how often |
//! | `with_serde` | readable as text, canonical as bytes, and no way around the decoders |

mod at_once;
mod atoms;
mod conflicts;
mod conflicts_on_both_sides;
mod costs;
mod dice;
mod dishonest;
mod editing;
mod edits;
mod exhaustive;
mod failures;
mod fault_02_kinds_on_every_read;
mod fault_13_queue_in_a_list;
mod fault_18_changed_bytes;
mod fault_18_every_type;
mod fault_21_removal;
mod forge;
mod given_up;
mod held_back;
mod hostile_bytes;
mod hostile_corrections;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "json")]
mod json_typed;
mod kinds;
mod laws;
mod lists_by_id;
mod paths;
mod random;
mod ranges;
mod recent;
mod removals;
mod rights;
mod samples;
mod saved;
mod types;
mod undo;
#[cfg(feature = "serde")]
mod with_serde;
mod world;
