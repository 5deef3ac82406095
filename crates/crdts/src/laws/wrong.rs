//! Every law, broken once on purpose by a tiny value that no simpler law catches.
//!
//! The value is a set of small numbers. Without a flaw it keeps every law; `Bits<LAW>` has the one
//! flaw that only `LAW` is there to catch. [`Law::Delivery`] is all laws at work, so given time it
//! sees many of the flaws that they see; a flaw that it alone sees is in its own test.

use std::string::ToString;
use std::vec::Vec;

use rejoin_vclock::ReplicaId;

use super::law::Law;
use super::subject::DeltaCrdt;
use super::world::id;
use super::{Laws, compare_versions};

/// No flaw.
const RIGHT: usize = usize::MAX;
/// `load` indexes into bytes that may not be there.
const PANICS: usize = 1000;

const COMMUTATIVE: usize = Law::Commutative as usize;
const ASSOCIATIVE: usize = Law::Associative as usize;
const IDEMPOTENT: usize = Law::Idempotent as usize;
const IDENTITY: usize = Law::Identity as usize;
const DELTA_IS_MUTATION: usize = Law::DeltaIsMutation as usize;
const DELTA_AGAIN: usize = Law::DeltaAgain as usize;
const INFLATION: usize = Law::Inflation as usize;
const TRUTHFUL: usize = Law::Truthful as usize;
const ORDER: usize = Law::Order as usize;
const CONCURRENT_ORDER: usize = Law::ConcurrentOrder as usize;
const EQUAL_BYTES: usize = Law::EqualBytes as usize;
const ROUND_TRIP: usize = Law::RoundTrip as usize;
const STRICT_BYTES: usize = Law::StrictBytes as usize;
const DELIVERY: usize = Law::Delivery as usize;

/// The bit that is set where a flaw shows as a number too many.
const POISON: u16 = 1 << 15;

#[derive(Clone, Copy, PartialEq, Debug)]
struct Delta {
    origin: ReplicaId,
    count: u8,
    bits: u16,
}

/// A set of numbers below eight, with the state that its flaw needs.
#[derive(Clone)]
struct Bits<const LAW: usize> {
    id: ReplicaId,
    bits: u16,
    /// A mark from the copy that began it: zero at the copies that the laws make themselves.
    mark: u8,
    /// Number of edits heard of, per copy.
    heard: Vec<(ReplicaId, u8)>,
    /// The delta that was applied last. It is no part of the state.
    last: Option<Delta>,
}

/// Decides by rock, paper, scissors: it is commutative and idempotent, and depends on who meets
/// first.
fn winner(x: u8, y: u8) -> u8 {
    match (x, y) {
        (x, 0) => x,
        (0, y) => y,
        (1, 2) | (2, 1) => 2,
        (2, 3) | (3, 2) => 3,
        (1, 3) | (3, 1) => 1,
        _ => x,
    }
}

impl<const LAW: usize> Bits<LAW> {
    fn has_marks() -> bool {
        matches!(LAW, COMMUTATIVE | ASSOCIATIVE | IDEMPOTENT | IDENTITY)
    }

    fn merged_mark(&self, theirs: &Self) -> u8 {
        let (x, y) = (self.mark, theirs.mark);
        match LAW {
            COMMUTATIVE if x > 0 => x,
            ASSOCIATIVE => winner(x, y),
            IDEMPOTENT => x.wrapping_add(y),
            IDENTITY if x.min(y) == 0 => 0,
            _ => x.max(y),
        }
    }

    fn state(&self) -> (u16, u8) {
        (self.bits, self.mark)
    }
}

impl<const LAW: usize> DeltaCrdt for Bits<LAW> {
    type Op = u8;
    type Delta = Delta;
    type View = Vec<u8>;

    fn new(own: ReplicaId) -> Self {
        let mark = (1..=3).find(|&number| id(number.into()) == own && Self::has_marks());
        Self { id: own, bits: 0, mark: mark.unwrap_or(0), heard: Vec::new(), last: None }
    }

    fn fork(&self, id: ReplicaId) -> Self {
        Self { id, last: None, ..self.clone() }
    }

    fn edit(&mut self, number: &u8) -> Option<Delta> {
        if LAW == INFLATION && *number == 2 && self.bits & 1 == 1 {
            self.bits &= !1;
            return None;
        }
        let origin = self.id;
        let before = self.heard.iter().filter(|(id, _)| *id == origin).map(|(_, count)| *count);
        let count = 1 + before.max().unwrap_or(0);
        let bits = if LAW == DELTA_IS_MUTATION && *number == 2 { 0 } else { 1 << number };
        self.bits |= 1 << number;
        self.heard.push((origin, count));
        Some(Delta { origin, count, bits })
    }

    fn apply(&mut self, delta: &Delta) -> bool {
        let before = self.state();
        let last = self.last.replace(*delta);
        let Delta { origin, count, bits } = *delta;
        if LAW == DELTA_AGAIN && last == Some(*delta) {
            self.bits |= POISON;
        }
        if LAW == CONCURRENT_ORDER && last.is_some_and(|last| last.bits < bits) {
            self.bits |= POISON;
        }
        // A delta that overtakes an earlier one of its origin hides it.
        let known = |&(id, heard): &(ReplicaId, u8)| id == origin && heard >= count;
        if !(LAW == DELIVERY && self.heard.iter().any(known)) {
            self.bits |= bits;
            self.heard.push((origin, count));
        }
        LAW == TRUTHFUL || self.state() != before
    }

    fn merge(&mut self, theirs: &Self) -> bool {
        let before = self.state();
        self.mark = self.merged_mark(theirs);
        self.bits |= theirs.bits;
        self.heard.extend(theirs.heard.iter().copied());
        self.heard.sort_unstable();
        self.heard.dedup();
        self.last = None;
        self.state() != before
    }

    fn save(&self) -> Vec<u8> {
        let mut bytes = self.bits.to_be_bytes().to_vec();
        bytes.push(self.mark);
        if LAW == EQUAL_BYTES {
            bytes.extend(self.id.to_bytes());
        }
        bytes
    }

    fn load(bytes: &[u8], id: ReplicaId) -> Option<Self> {
        let len = if LAW == EQUAL_BYTES { 19 } else { 3 };
        if bytes.len() != len && !matches!(LAW, PANICS | STRICT_BYTES) {
            return None;
        }
        if LAW != PANICS && bytes.len() < len {
            return None;
        }
        let mut bits = u16::from_be_bytes([bytes[0], bytes[1]]);
        if LAW == ROUND_TRIP {
            bits &= !(1 << 2);
        }
        (bytes.len() == len || LAW == STRICT_BYTES).then(|| Self {
            id,
            bits,
            mark: bytes[2],
            heard: Vec::new(),
            last: None,
        })
    }

    fn view(&self) -> Vec<u8> {
        (0..16).filter(|number| self.bits >> number & 1 == 1).collect()
    }

    fn is_covered_by(&self, other: &Self) -> Option<bool> {
        match LAW {
            ORDER => Some(self.bits <= other.bits),
            _ if Self::has_marks() => None,
            _ => Some(self.bits & !other.bits == 0),
        }
    }
}

fn laws<const LAW: usize>() -> Laws<Bits<LAW>> {
    Laws::new(0..3_u8)
}

/// Returns every single law that is found broken.
fn caught_by<const LAW: usize>() -> Vec<Law> {
    let single = Law::ALL.into_iter().filter(|&law| law != Law::Delivery);
    single.filter(|&law| laws::<LAW>().check(law).is_err()).collect()
}

#[test]
fn a_right_value_keeps_every_law() {
    assert_eq!(caught_by::<RIGHT>(), []);
    assert_eq!(laws::<RIGHT>().check_all(), Ok(()));
}

#[test]
fn only_commutativity_catches_a_mark_that_the_first_keeps() {
    assert_eq!(caught_by::<COMMUTATIVE>(), [Law::Commutative]);
}

#[test]
fn only_associativity_catches_rock_paper_scissors() {
    assert_eq!(caught_by::<ASSOCIATIVE>(), [Law::Associative]);
}

#[test]
fn only_idempotence_catches_a_merge_that_adds() {
    assert_eq!(caught_by::<IDEMPOTENT>(), [Law::Idempotent]);
}

#[test]
fn only_identity_catches_a_new_copy_that_wipes_out() {
    assert_eq!(caught_by::<IDENTITY>(), [Law::Identity]);
}

#[test]
fn only_delta_is_mutation_catches_a_delta_that_leaves_out() {
    assert_eq!(caught_by::<DELTA_IS_MUTATION>(), [Law::DeltaIsMutation]);
}

#[test]
fn only_delta_again_catches_a_duplicate_that_counts() {
    assert_eq!(caught_by::<DELTA_AGAIN>(), [Law::DeltaAgain]);
}

#[test]
fn only_inflation_catches_a_quiet_removal() {
    assert_eq!(caught_by::<INFLATION>(), [Law::Inflation]);
}

#[test]
fn only_truthful_catches_an_answer_that_is_always_yes() {
    assert_eq!(caught_by::<TRUTHFUL>(), [Law::Truthful]);
}

#[test]
fn only_order_catches_a_comparison_by_number() {
    assert_eq!(caught_by::<ORDER>(), [Law::Order]);
}

#[test]
fn only_concurrent_order_catches_what_remembers_the_one_before() {
    assert_eq!(caught_by::<CONCURRENT_ORDER>(), [Law::ConcurrentOrder]);
}

#[test]
fn only_equal_bytes_catches_an_id_that_is_saved() {
    assert_eq!(caught_by::<EQUAL_BYTES>(), [Law::EqualBytes]);
}

#[test]
fn only_round_trip_catches_a_load_that_leaves_out() {
    assert_eq!(caught_by::<ROUND_TRIP>(), [Law::RoundTrip]);
}

#[test]
fn only_strict_bytes_catches_bytes_that_are_ignored() {
    assert_eq!(caught_by::<STRICT_BYTES>(), [Law::StrictBytes]);
}

#[test]
fn only_delivery_catches_an_edit_that_is_overtaken() {
    assert_eq!(caught_by::<DELIVERY>(), []);
    let found = laws::<DELIVERY>().check(Law::Delivery).unwrap_err();
    // Two edits, and the second arrives first: no shorter history breaks it.
    assert_eq!(found.story().len(), 3, "{found}");
    assert!(found.story()[2].contains("gets the delta of line 2"), "{found}");
}

#[test]
fn a_panic_of_the_type_is_a_counter_example() {
    assert_eq!(caught_by::<PANICS>(), [Law::StrictBytes]);
    let found = laws::<PANICS>().check_all().unwrap_err().to_string();
    assert!(found.contains("but here  the type panics: index out of bounds"), "{found}");
    assert!(found.contains("nothing: all copies are new"), "{found}");
}

#[test]
fn one_case_is_too_few_for_a_rare_flaw() {
    let tries = (0..4).filter(|_| laws::<ROUND_TRIP>().cases(1).check(Law::RoundTrip).is_err());
    assert!(tries.count() < 4, "the number of cases is heeded");
}

/// Numbers below four; it does not know greater ones, and loses them if `LOSES`.
#[derive(Clone)]
struct Old<const LOSES: bool>(Bits<RIGHT>);

impl<const LOSES: bool> DeltaCrdt for Old<LOSES> {
    type Op = u8;
    type Delta = Delta;
    type View = Vec<u8>;

    fn new(id: ReplicaId) -> Self {
        Self(Bits::new(id))
    }

    fn edit(&mut self, number: &u8) -> Option<Delta> {
        self.0.edit(number)
    }

    fn apply(&mut self, delta: &Delta) -> bool {
        self.0.apply(delta)
    }

    fn merge(&mut self, theirs: &Self) -> bool {
        self.0.merge(&theirs.0)
    }

    fn save(&self) -> Vec<u8> {
        self.0.save()
    }

    fn load(bytes: &[u8], id: ReplicaId) -> Option<Self> {
        let mut loaded = Bits::load(bytes, id)?;
        if LOSES {
            loaded.bits &= 0b1111;
        }
        Some(Self(loaded))
    }

    fn view(&self) -> Vec<u8> {
        self.0.view().into_iter().filter(|number| *number < 4).collect()
    }
}

#[test]
fn an_old_reader_that_keeps_what_it_does_not_know_passes() {
    assert_eq!(compare_versions::<Old<false>, Bits<RIGHT>>(0..4_u8, 0..8_u8), Ok(()));
    assert_eq!(compare_versions::<Bits<RIGHT>, Old<false>>(0..8_u8, 0..4_u8), Ok(()));
}

#[test]
fn only_versions_catches_an_old_reader_that_loses() {
    assert_eq!(Laws::<Old<true>>::new(0..4_u8).check_all(), Ok(()));
    let found = compare_versions::<Old<true>, Bits<RIGHT>>(0..4_u8, 0..8_u8).unwrap_err();
    assert_eq!(found.law(), Law::Versions);
    let said = found.to_string();
    assert!(said.contains("the old program loses what the new one had saved"), "{said}");
    assert_eq!(found.story(), ["the new program: 4"]);
    let reversed = compare_versions::<Bits<RIGHT>, Old<true>>(0..8_u8, 0..4_u8).unwrap_err();
    assert!(reversed.to_string().contains("the new program loses what the old one had saved"));
}

#[test]
fn a_counter_example_is_told_in_full() {
    let found = laws::<DELTA_IS_MUTATION>().check_all().unwrap_err().to_string();
    let lines: Vec<&str> = found.lines().map(str::trim).collect();
    for line in [
        "the law: a delta is its edit",
        "it says   applying an edit's delta gives what the edit gave",
        "if not    copies that sync by deltas drift from the one that edited",
        "but here  the delta does not do what the edit did",
        "nothing: all copies are new",
        "edit: 2",
        "a after the edit  shows [2]",
        "saved 00 04 00",
        "a + delta         shows []",
    ] {
        assert!(lines.contains(&line), "{line:?} is not in:\n{found}");
    }
}
