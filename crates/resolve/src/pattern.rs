//! Patterns of paths: which places a policy is for.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use rejoin_crdts::crdt::Schema;
use rejoin_crdts::{Kind, Path};

/// A pattern of places in the objects of a space: `*/price` is the field `price` of every object,
/// `tent/price` that of the object `tent`, `*/lines/*/note` the note of every line, and `tent/**`
/// everything in the object `tent`.
///
/// Names are the object's key, then fields and keys. `*` stands for one name, whatever it is: also
/// for a number, or the id of a list's item. `**` stands for one or more at the end. A backslash
/// takes the meaning from a `/`, a `*` or a backslash behind it.
///
/// Of the patterns that fit a place the most specific one counts: at the first name in which two
/// differ, the one that spells it out.
///
/// ```
/// use rejoin_resolve::PathPattern;
///
/// let [any, tent]: [PathPattern; 2] = ["*/price".parse()?, "tent/*".parse()?];
/// assert!(tent.is_more_specific_than(&any));
/// assert_eq!(r"a\/b/*".parse::<PathPattern>()?.to_string(), r"a\/b/*");
/// assert!("**/price".parse::<PathPattern>().is_err()); // only at the end
/// # Ok::<(), rejoin_resolve::PatternError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PathPattern(Vec<Name>);

/// One name of a pattern; in the order of how specific it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Name {
    Exactly(String),
    Any,
    AnyBelow,
}

/// A text that is no pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PatternError {
    /// There is no name in it.
    Empty,
    /// `**` stands before another name.
    NotAtTheEnd,
    /// A backslash with nothing behind it, or a `*` beside other characters.
    Escape,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a pattern without a name; `*/price` is the price of every object",
            Self::NotAtTheEnd => "`**` stands for all that is below, and only at the end",
            Self::Escape => {
                "a name with a `*` or a backslash in it; write a backslash before each of them"
            }
        })
    }
}

impl core::error::Error for PatternError {}

impl FromStr for PathPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let mut names = Vec::new();
        for part in split(text) {
            names.push(match part {
                "*" => Name::Any,
                "**" => Name::AnyBelow,
                part => Name::Exactly(plain(part)?),
            });
        }
        let is_inner = |name: &Name| *name == Name::AnyBelow;
        match names.split_last() {
            None => Err(PatternError::Empty),
            Some((_, [])) if names == [Name::Exactly(String::new())] => Err(PatternError::Empty),
            Some((_, rest)) if rest.iter().any(is_inner) => Err(PatternError::NotAtTheEnd),
            Some(_) => Ok(Self(names)),
        }
    }
}

/// Splits at each `/` that has no backslash before it.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut is_escaped) = (Vec::new(), 0, false);
    for (at, char) in text.char_indices() {
        if char == '/' && !is_escaped {
            parts.extend(text.get(start..at));
            start = at + 1;
        }
        is_escaped = char == '\\' && !is_escaped;
    }
    parts.extend(text.get(start..));
    parts
}

fn plain(part: &str) -> Result<String, PatternError> {
    let (mut plain, mut chars) = (String::new(), part.chars());
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some(escaped @ ('/' | '*' | '\\')) => plain.push(escaped),
                _ => return Err(PatternError::Escape),
            },
            '*' => return Err(PatternError::Escape),
            char => plain.push(char),
        }
    }
    Ok(plain)
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            f.write_str(if index > 0 { "/" } else { "" })?;
            match name {
                Name::Any => f.write_str("*")?,
                Name::AnyBelow => f.write_str("**")?,
                Name::Exactly(name) => {
                    for char in name.chars() {
                        let is_special = matches!(char, '/' | '*' | '\\');
                        f.write_str(if is_special { "\\" } else { "" })?;
                        fmt::Write::write_char(f, char)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl PathPattern {
    /// True if it is for a place.
    pub fn fits(&self, path: &Path) -> bool {
        let mut names = path.names();
        for name in &self.0 {
            let Some(there) = names.next() else { return false };
            match name {
                Name::Any => {}
                Name::AnyBelow => return true,
                Name::Exactly(name) => {
                    if there.to::<String>().as_ref() != Ok(name) {
                        return false;
                    }
                }
            }
        }
        names.next().is_none()
    }

    /// True if this one counts where both fit.
    pub fn is_more_specific_than(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        let rank = |name: &Name| match name {
            Name::Exactly(_) => 0,
            Name::Any => 1,
            Name::AnyBelow => 2,
        };
        let mut differ = pairs.map(|(a, b)| rank(a).cmp(&rank(b)));
        match differ.find(|order| *order != Ordering::Equal) {
            Some(order) => order == Ordering::Less,
            None => self.0.len() > other.0.len(),
        }
    }

    /// Returns why a policy at these places would never be asked, by the type of a space's objects.
    /// `None` where it may be, or where the type does not say.
    pub fn misfit(&self, objects: Schema) -> Option<Misfit> {
        if self.0.last() == Some(&Name::AnyBelow) {
            return None;
        }
        let mut here = objects;
        for name in self.0.iter().skip(1) {
            here = match (name, here) {
                (_, Schema::Map(_, below) | Schema::Items(_, below)) => below(),
                (Name::Exactly(name), Schema::Fields(fields) | Schema::Choice(_, fields)) => {
                    match fields.iter().find(|(field, _)| field == name) {
                        Some((_, below)) => below(),
                        None => return Some(Misfit::NoSuchField(name.clone())),
                    }
                }
                _ => return None,
            };
        }
        let may_be_anything = matches!(here, Schema::Any(Kind::Map));
        let is_other = !may_be_anything && here.kind() != Kind::Siblings;
        is_other.then(|| Misfit::Kind(here.kind()))
    }
}

/// Why a policy at the places of a pattern would never be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Misfit {
    /// The type has something else there than siblings.
    Kind(Kind),
    /// The type has no field of this name.
    NoSuchField(String),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(
                f,
                "the space's type has a {kind} there, which brings itself together; a policy is \
                 for siblings"
            ),
            Self::NoSuchField(name) => write!(f, "the space's type has no field {name:?}"),
        }
    }
}
