//! Enums that merge: one variant stands, chosen by a rule that the enum declares.

use alloc::collections::BTreeSet;
use core::cmp::Reverse;
use core::ops::ControlFlow;

#[doc(hidden)]
pub use alloc::{string::String, vec::Vec};

use crate::crdt::Crdt;
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::path::{Kind, RawAtom};
use crate::register::{LwwRegister, MvRegister};

/// Name of the register in every copy; no variant can have this name.
const REGISTER: &str = "variant";

/// An enum with a declared rule for concurrent variants; made by `#[derive(Crdt)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` declares no variants to choose from",
    note = "put `#[derive(Crdt, Default)]` and `#[crdt(concurrent = \"latest\")]` on an enum; \
            every other type that merges is a field as it is, without `OneOf`"
)]
pub trait Variants: Sized {
    /// The type that merges: the choice, and the fields of every variant.
    type Choice: Crdt;

    /// Names of the variants in every copy, in the order of their declaration.
    const NAMES: &'static [&'static str];

    /// The variant that stands, with its fields; the default before anybody has chosen.
    ///
    /// # Errors
    /// [`ReadError::UnknownVariant`] for one of a newer version; otherwise when the choice cannot
    /// be read.
    fn standing(choice: &<Self::Choice as Crdt>::Reader<'_>) -> Result<Self, ReadError>;

    /// Returns the name of this variant in every copy.
    fn name(&self) -> &'static str;
}

/// A value that is one of an enum's variants.
///
/// # The content of a copy
/// ```text
/// #[derive(Crdt, Default)]
/// #[crdt(concurrent = "latest")]
/// enum Payment { #[default] Open, Card { last_four: LwwRegister<String> } }
///
/// struct Order { payment: OneOf<Payment> }     {"payment": {"variant": "Card",
///                                                           "Card": {"last_four": "4242"}}}
/// ```
/// The documentation of `#[derive(Crdt)]` shows how it is used.
///
/// # Two people choose at once. Which variant is it?
/// ```text
/// phone   choose "Card"    (10:00) --+--> latest: Invoice; first declared: Card
///                                    x
/// laptop  choose "Invoice" (10:01) --+--> the same, and both can be seen until somebody chooses
/// ```
///
/// # Semantics
/// An enum's value holds one variant, and a merge may not drop data that others wrote into another.
/// So the enum is the declaration and the snapshot, and [`OneOf`] is the type that merges: a map of
/// a register, `variant`, that holds the name of the variant, and of a map for each variant that
/// has fields, under that name. The variant that stands among concurrent choices is a view, by
/// [`Precedence`].
///
/// Choosing another variant than the one that stands first takes away everything that all others
/// hold, as far as it is seen: a variant is empty when somebody comes back to it. Choosing the
/// variant that stands asserts it and takes nothing away.
///
/// # Anomalies
/// If a field's variant is left here and the field is changed there at the same time, the change
/// stays: it does not show while another variant stands, and is there again when somebody comes
/// back.
///
/// # Complexity
/// | operation | time | metadata | delta |
/// |---|---|---|---|
/// | choose | O(cells of the variants that are left) | 16 bytes per live choice | name, resets |
/// | who stands | O(live choices) | | |
pub type OneOf<E> = <E as Variants>::Choice;

/// Reads a variant and its fields as they are at one moment.
///
/// # Errors
/// Those of `read`; otherwise as the source.
#[doc(hidden)]
pub fn at_once<R>(
    view: &View<'_>,
    read: impl FnOnce(&View<'_>) -> Result<R, ReadError>,
) -> Result<R, ReadError> {
    view.at_once(read)
}

/// The rule by which one of several concurrently chosen variants stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Precedence {
    /// The one that was chosen last, by hybrid timestamp, then replica id.
    Latest,
    /// The one that the enum declares first.
    FirstDeclared,
    /// The one that the enum declares last.
    LastDeclared,
}

impl Precedence {
    /// The live choices, each once, the one that stands first.
    ///
    /// `live` are the register's values in its own order, `declared` the names of
    /// [`Variants::NAMES`]. A name that is not among them comes from a newer version and counts as
    /// declared after all others, where a new variant belongs.
    #[must_use]
    pub fn rank(self, mut live: Vec<String>, declared: &[&str]) -> Vec<String> {
        let place = |name: &String| declared.iter().position(|known| known == name);
        match self {
            Self::Latest => {}
            Self::FirstDeclared => live.sort_by_key(|name| place(name).unwrap_or(usize::MAX)),
            Self::LastDeclared => {
                live.sort_by_key(|name| Reverse(place(name).unwrap_or(usize::MAX)));
            }
        }
        let mut seen = BTreeSet::new();
        live.retain(|name| seen.insert(name.clone()));
        live
    }

    /// As [`rank`](Self::rank), for the choice at a place in a space.
    ///
    /// # Errors
    /// [`ReadError`] when the register cannot be read, or is something else.
    pub fn live(self, choice: &View<'_>, declared: &[&str]) -> Result<Vec<String>, ReadError> {
        let live = match self {
            Self::Latest => Latest::reader(choice.field(REGISTER, Latest::KIND)).concurrent()?,
            _ => Declared::reader(choice.field(REGISTER, Declared::KIND)).values()?,
        };
        Ok(self.rank(live, declared))
    }

    /// Chooses a variant by its name, at the place of the choice.
    ///
    /// # Errors
    /// [`EditError::Read`] when the register is something else; otherwise when the place cannot be
    /// read or named.
    pub fn choose(
        self,
        choice: &mut Cursor<'_>,
        name: &str,
        declared: &[&str],
    ) -> Result<(), EditError> {
        let live = self.live(&choice.view(), declared)?;
        if live.first().is_some_and(|stands| stands != name) {
            take_away_others(choice, name)?;
        }
        match self {
            Self::Latest => Latest::editor(choice.field(REGISTER, Latest::KIND)).set(name),
            _ => Declared::editor(choice.field(REGISTER, Declared::KIND)).set(name),
        }
    }
}

/// The register in which the latest choice stands.
type Latest = LwwRegister<String>;
/// The register that keeps all choices; the order of declaration decides.
type Declared = MvRegister<String>;

/// Takes away the fields of all variants but one, even of those that only a newer version knows.
fn take_away_others(choice: &mut Cursor<'_>, name: &str) -> Result<(), EditError> {
    let own = RawAtom::of_str(name);
    let variants = choice.view().named()?;
    variants
        .iter()
        .filter(|(other, kind)| *kind == Kind::Map && *other != own)
        .try_for_each(|(other, _)| choice.key(other, Kind::Map).reset())
}

/// Builds a value in memory from the cells of a place. Data that only a newer version knows are
/// left out.
///
/// # Errors
/// As the source.
pub fn snapshot<T: Crdt>(view: &View<'_>) -> Result<T, ReadError> {
    let mut value = T::empty();
    view.cells(&mut |below, cell| {
        let _ = value.load(below, cell.to_cell().into());
        ControlFlow::Continue(())
    })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(precedence: Precedence, live: &[&str]) -> Vec<String> {
        let live = live.iter().map(|&name| name.into()).collect();
        precedence.rank(live, &["Open", "Card", "Invoice"])
    }

    #[test]
    fn the_order_of_declaration_decides_and_newer_names_count_as_last() {
        let live = ["Card", "Invoice", "Voucher"];
        assert_eq!(ranked(Precedence::FirstDeclared, &live), ["Card", "Invoice", "Voucher"]);
        assert_eq!(ranked(Precedence::LastDeclared, &live), ["Voucher", "Invoice", "Card"]);
        assert_eq!(ranked(Precedence::Latest, &["Invoice", "Card"]), ["Invoice", "Card"]);
    }

    #[test]
    fn a_name_that_several_chose_is_shown_once_and_keeps_its_rank() {
        assert_eq!(ranked(Precedence::Latest, &["Card", "Open", "Card"]), ["Card", "Open"]);
    }
}
