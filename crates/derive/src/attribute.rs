//! The attribute `#[crdt(..)]` on a struct, an enum, a variant or a field.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, Ident, LitStr, Path, Result, parse_quote};

/// The rule by which one of several concurrently chosen variants of an enum stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Precedence {
    Latest,
    FirstDeclared,
    LastDeclared,
}

const RULES: &str = "`#[crdt(concurrent = \"latest\")]`, the one that was chosen last, by the \
                     clock; or \"first declared\" or \"last declared\", by the order of the \
                     variants, whatever the time";

/// Returns the path of the modules of `rejoin-crdts`: `#[crdt(crate = path)]`, or the facade's.
pub(crate) fn of_struct(attributes: &[Attribute]) -> Result<Path> {
    let mut path = None;
    each(attributes, |meta| {
        if meta.path.is_ident("concurrent") {
            return Err(meta.error(
                "`concurrent` says which variant of an enum stands; the fields of a struct stand \
                 beside each other, each merged by its own type",
            ));
        }
        if !meta.path.is_ident("crate") {
            return Err(meta.error(
                "a struct takes `#[crdt(crate = path)]` only; `rename` stands on a field, and \
                 the name of the struct itself appears in no copy",
            ));
        }
        crate_path(&meta, &mut path)
    })?;
    Ok(path.unwrap_or_else(default_crate))
}

/// Returns the same path, for a value that is a scalar.
pub(crate) fn of_plain(attributes: &[Attribute]) -> Result<Path> {
    let mut path = None;
    each(attributes, |meta| {
        // Beside `#[derive(Crdt)]`, the rule for its variants stands here, too.
        if meta.path.is_ident("concurrent") {
            return meta.value()?.parse::<LitStr>().map(drop);
        }
        if !meta.path.is_ident("crate") {
            return Err(meta.error("an atom takes `#[crdt(crate = path)]` only"));
        }
        crate_path(&meta, &mut path)
    })?;
    Ok(path.unwrap_or_else(default_crate))
}

/// As [`of_struct`], with the rule for concurrent variants, which an enum has to declare.
pub(crate) fn of_enum(attributes: &[Attribute], name: &Ident) -> Result<(Path, Precedence)> {
    let (mut path, mut precedence) = (None, None);
    each(attributes, |meta| match () {
        () if meta.path.is_ident("crate") => crate_path(&meta, &mut path),
        () if meta.path.is_ident("concurrent") => {
            once(&meta, &mut precedence, rule(&meta.value()?.parse()?)?)
        }
        () => Err(meta.error(
            "an enum takes `#[crdt(concurrent = \"..\")]` and `#[crdt(crate = path)]` only; \
             `rename` stands on a variant or a field, and the name of the enum itself appears in \
             no copy",
        )),
    })?;
    let precedence = precedence.ok_or_else(|| {
        Error::new(
            name.span(),
            format!(
                "two people may choose different variants of an enum at once, and nothing says \
                 which stands; declare it above the enum: {RULES}"
            ),
        )
    })?;
    Ok((path.unwrap_or_else(default_crate), precedence))
}

/// Returns the name that `#[crdt(rename = "name")]` gives to a field, and true if `#[crdt(index)]`
/// has it indexed.
pub(crate) fn of_field(attributes: &[Attribute]) -> Result<(Option<LitStr>, bool)> {
    let (mut name, mut index) = (None, None);
    each(attributes, |meta| match () {
        () if meta.path.is_ident("rename") => once(&meta, &mut name, meta.value()?.parse()?),
        () if meta.path.is_ident("index") => once(&meta, &mut index, ()),
        () => Err(meta.error(
            "a field takes `#[crdt(rename = \"name\")]` and `#[crdt(index)]` only; every field of \
             a struct is replicated, so what is local belongs into a struct of its own",
        )),
    })?;
    Ok((name, index.is_some()))
}

/// Returns the name that `#[crdt(rename = "name")]` gives to a variant.
pub(crate) fn of_variant(attributes: &[Attribute]) -> Result<Option<LitStr>> {
    let mut name = None;
    each(attributes, |meta| {
        if !meta.path.is_ident("rename") {
            return Err(meta.error(
                "a variant takes `#[crdt(rename = \"name\")]` only; `concurrent` stands above the \
                 enum, for all its variants together",
            ));
        }
        once(&meta, &mut name, meta.value()?.parse()?)
    })?;
    Ok(name)
}

fn rule(says: &LitStr) -> Result<Precedence> {
    match says.value().as_str() {
        "latest" => Ok(Precedence::Latest),
        "first declared" => Ok(Precedence::FirstDeclared),
        "last declared" => Ok(Precedence::LastDeclared),
        other => Err(Error::new(
            says.span(),
            format!("`{other}` is no rule for concurrent variants; write {RULES}"),
        )),
    }
}

fn crate_path(meta: &ParseNestedMeta<'_>, path: &mut Option<Path>) -> Result<()> {
    let value = meta.value()?;
    if value.peek(LitStr) {
        return Err(value.error("write the path without quotes: `crate = my::path`"));
    }
    once(meta, path, value.call(Path::parse_mod_style)?)
}

fn default_crate() -> Path {
    parse_quote!(::rejoin::crdts)
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
