//! Advice for users who write a plain type of the standard library where a CRDT belongs.
//!
//! The compiler would only say that the type is no `Crdt`. The macro sees names, not types, so it
//! reports an error where the name leaves no doubt and leaves the rest to the compiler.

use syn::{Error, Path, Result, Type};

/// Refuses a well-known type that does not merge, with an error that names the type to take
/// instead.
pub(crate) fn refuse(ty: &Type) -> Result<()> {
    let Type::Path(path) = ty else { return Ok(()) };
    match standard_name(&path.path).and_then(|name| advice(&name)) {
        Some(advice) => Err(Error::new_spanned(ty, advice)),
        None => Ok(()),
    }
}

/// Returns the name of a type that is written as those of the standard library are: alone, or from
/// `std`.
fn standard_name(path: &Path) -> Option<String> {
    let last = path.segments.last()?.ident.to_string();
    let first = path.segments.first()?.ident.to_string();
    let is_standard = path.segments.len() == 1 || ["std", "core", "alloc"].contains(&&*first);
    is_standard.then_some(last)
}

fn advice(name: &str) -> Option<String> {
    match name {
        "PhantomData" => {
            return Some(
                "a `PhantomData` holds nothing that merges, and every field of a CRDT is in its \
                 copies; leave it out, and use the type parameter in a field, such as \
                 `OrMap<K, V>`, or not at all"
                    .to_owned(),
            );
        }
        "Option" => {
            return Some(
                "an `Option` does not merge, and none is needed: a register is empty until \
                 somebody writes it, and a map has no key until somebody changes what is there"
                    .to_owned(),
            );
        }
        _ => {}
    }
    let instead = instead(name)?;
    Some(format!(
        "`{name}` does not merge: nothing says what comes of two copies that both changed it; \
         write {instead}"
    ))
}

fn instead(name: &str) -> Option<&'static str> {
    Some(match name {
        "String" => "`LwwRegister<String>`, where the last writer wins",
        "bool" => {
            "`EnableWinsFlag` or `DisableWinsFlag`, which say who wins, or `LwwRegister<bool>`"
        }
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128"
        | "isize" => {
            "`PnCounter` if copies add to it, `LwwRegister<i64>` if they set it, or \
             `MaxRegister<i64>` if the greatest counts"
        }
        "f32" | "f64" => "`LwwRegister<f64>`, where the last writer wins",
        "char" => "`LwwRegister<String>`, where the last writer wins",
        "Vec" | "VecDeque" => {
            "`List<V>` of CRDTs, where items are inserted, moved and removed, or \
             `LwwRegister<Vec<u8>>` for bytes"
        }
        "HashMap" | "BTreeMap" => "`OrMap<K, V>`, whose values merge, too",
        "HashSet" | "BTreeSet" => "`OrSet<T>`, where an add wins, or another set",
        _ => return None,
    })
}
