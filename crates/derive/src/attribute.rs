//! What `#[crdt(..)]` says, on a struct and on a field.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, LitStr, Path, Result, parse_quote};

/// Where the modules of `rejoin-crdts` are: `#[crdt(crate = path)]`, or the facade's.
pub(crate) fn crate_path(attributes: &[Attribute]) -> Result<Path> {
    let mut path = None;
    each(attributes, |meta| {
        if !meta.path.is_ident("crate") {
            return Err(meta.error(
                "a struct takes `#[crdt(crate = path)]` only; `rename` stands on a field, and \
                 the name of the struct itself appears in no copy",
            ));
        }
        let value = meta.value()?;
        if value.peek(LitStr) {
            return Err(value.error("write the path without quotes: `crate = my::path`"));
        }
        once(&meta, &mut path, value.call(Path::parse_mod_style)?)
    })?;
    Ok(path.unwrap_or_else(|| parse_quote!(::rejoin::crdts)))
}

/// What `#[crdt(rename = "name")]` calls a field.
pub(crate) fn renamed(attributes: &[Attribute]) -> Result<Option<LitStr>> {
    let mut name = None;
    each(attributes, |meta| {
        if !meta.path.is_ident("rename") {
            return Err(meta.error(
                "a field takes `#[crdt(rename = \"name\")]` only; every field of a struct is \
                 replicated, so what is local belongs into a struct of its own",
            ));
        }
        once(&meta, &mut name, meta.value()?.parse()?)
    })?;
    Ok(name)
}

fn each(
    attributes: &[Attribute],
    mut read: impl FnMut(ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    let mut ours = attributes.iter().filter(|attribute| attribute.path().is_ident("crdt"));
    ours.try_for_each(|attribute| attribute.parse_nested_meta(&mut read))
}

fn once<T>(meta: &ParseNestedMeta<'_>, place: &mut Option<T>, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(meta.error("said twice; one of them has to go")),
    }
}
