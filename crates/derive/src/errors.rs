//! All errors of one declaration, so that a user can repair them in one go.

use std::collections::HashMap;

use syn::{Error, LitStr, Result};

/// The errors so far.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    /// Takes the error out of a result.
    pub(crate) fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        match (result, &mut self.0) {
            (Ok(value), _) => return Some(value),
            (Err(error), Some(all)) => all.combine(error),
            (Err(error), none) => *none = Some(error),
        }
        None
    }

    /// All of them as one.
    pub(crate) fn into_error(self) -> Option<Error> {
        self.0
    }

    /// As [`into_error`](Self::into_error), for callers that have nothing else to return.
    pub(crate) fn finish(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Checks that no two of these share a name in every copy. Each pair is a name for people (`plain`)
/// and the name in copies (`wire`).
pub(crate) fn different_names<'a>(names: impl Iterator<Item = (String, &'a LitStr)>) -> Result<()> {
    let mut errors = Errors::default();
    let mut seen: HashMap<String, (String, &LitStr)> = HashMap::new();
    for (plain, wire) in names {
        let name = wire.value();
        if let Some((first, at)) = seen.get(&name) {
            let mut error = Error::new(
                wire.span(),
                format!(
                    "copies would know both `{first}` and `{plain}` as `{name}`, and could not \
                     tell them apart; give one of them another name",
                ),
            );
            error.combine(Error::new(at.span(), format!("`{name}` is first used here")));
            errors.keep::<()>(Err(error));
        }
        seen.entry(name).or_insert((plain, wire));
    }
    errors.finish()
}
