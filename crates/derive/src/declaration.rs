//! What the user wrote, checked: past [`Declaration::parse`] every struct can be expanded.
//!
//! An error here is the only documentation that somebody in a hurry reads. It says what is wrong,
//! why, and what to write instead, at the place where it is to be written.

use std::collections::HashMap;

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, Generics, LitStr, Path, Result, Type, Visibility,
};

use crate::attribute;

/// Methods of every editor that a field's method would collide with.
const TAKEN: [&str; 2] = ["clear", "reader"];

/// A struct with at least one named field.
pub(crate) struct Declaration {
    pub name: Ident,
    pub visibility: Visibility,
    pub generics: Generics,
    /// Where the modules of `rejoin-crdts` are.
    pub crdts: Path,
    pub fields: Vec<Field>,
}

/// One field of it.
pub(crate) struct Field {
    pub name: Ident,
    pub ty: Type,
    /// Of its methods.
    pub visibility: Visibility,
    /// What it is called in every copy.
    pub wire_name: LitStr,
    pub docs: Vec<Attribute>,
}

impl Declaration {
    /// Checks everything and reports every error, not only the first.
    pub(crate) fn parse(input: DeriveInput) -> Result<Self> {
        let named = named_fields(&input)?;
        let mut errors = Errors(None);
        let crdts = errors.keep(attribute::crate_path(&input.attrs));
        errors.keep(owns_its_data(&input.generics));
        let fields: Vec<Option<Field>> =
            named.into_iter().map(|field| errors.keep(Field::parse(field, &input.vis))).collect();
        let fields: Vec<Field> = fields.into_iter().flatten().collect();
        errors.keep(different_names(&fields));
        let DeriveInput { ident: name, vis: visibility, generics, .. } = input;
        match (crdts, errors.0) {
            (Some(crdts), None) => Ok(Self { name, visibility, generics, crdts, fields }),
            (_, error) => Err(error.unwrap_or_else(|| Error::new(name.span(), "cannot be read"))),
        }
    }
}

impl Field {
    fn parse(field: syn::Field, of_struct: &Visibility) -> Result<Self> {
        let Some(name) = field.ident else {
            return Err(Error::new(field.ty.span(), "a field needs a name"));
        };
        let plain = name.unraw().to_string();
        if TAKEN.contains(&plain.as_str()) {
            return Err(Error::new(
                name.span(),
                format!(
                    "every editor has a method `{plain}` of its own; call the field something \
                     else, with `#[crdt(rename = \"{plain}\")]` if copies know it by this name",
                ),
            ));
        }
        let renamed = attribute::renamed(&field.attrs)?;
        let visibility = match field.vis {
            Visibility::Inherited => of_struct.clone(),
            says => says,
        };
        Ok(Self {
            wire_name: renamed.unwrap_or_else(|| LitStr::new(&plain, name.span())),
            name,
            ty: field.ty,
            visibility,
            docs: field.attrs.into_iter().filter(|a| a.path().is_ident("doc")).collect(),
        })
    }

    /// The name for people: without the `r#` of a raw identifier.
    pub(crate) fn plain_name(&self) -> String {
        self.name.unraw().to_string()
    }
}

/// All errors of one declaration, so that a user mends them in one go.
struct Errors(Option<Error>);

impl Errors {
    fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        match (result, &mut self.0) {
            (Ok(value), _) => return Some(value),
            (Err(error), Some(all)) => all.combine(error),
            (Err(error), none) => *none = Some(error),
        }
        None
    }
}

fn named_fields(input: &DeriveInput) -> Result<Vec<syn::Field>> {
    let (at, message) = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if !fields.named.is_empty() => {
                return Ok(fields.named.iter().cloned().collect());
            }
            Fields::Unnamed(fields) => (
                fields.span(),
                "a CRDT's fields need names: all copies know a field by its name, whatever its \
                 position; write `struct Name { field: .. }`",
            ),
            Fields::Named(_) | Fields::Unit => (
                input.ident.span(),
                "a CRDT needs at least one field: a struct is the sum of its fields, and this one \
                 has nothing to merge",
            ),
        },
        Data::Enum(data) => (
            data.enum_token.span,
            "an enum is no CRDT: two people may choose different variants at once, and nothing \
             says which stands; use a struct with a field for each variant's data, and an \
             `LwwRegister<String>` for the choice if the last one to choose decides",
        ),
        Data::Union(data) => (
            data.union_token.span,
            "a union is no CRDT: its fields share their memory; use a struct with named fields",
        ),
    };
    Err(Error::new(at, message))
}

fn owns_its_data(generics: &Generics) -> Result<()> {
    match generics.lifetimes().next() {
        None => Ok(()),
        Some(lifetime) => Err(Error::new(
            lifetime.span(),
            "a CRDT owns its data, because copies outlive whatever they were made from; use owned \
             types, such as `String` for `&str`",
        )),
    }
}

fn different_names(fields: &[Field]) -> Result<()> {
    let mut errors = Errors(None);
    let mut seen: HashMap<String, &Field> = HashMap::new();
    for field in fields {
        let name = field.wire_name.value();
        if let Some(first) = seen.get(&name) {
            let mut error = Error::new(
                field.wire_name.span(),
                format!(
                    "copies would know both `{}` and `{}` as `{name}`, and could not tell them \
                     apart; give one of them another name",
                    first.plain_name(),
                    field.plain_name(),
                ),
            );
            error.combine(Error::new(
                first.wire_name.span(),
                format!("`{name}` is first used here"),
            ));
            errors.keep::<()>(Err(error));
        }
        seen.entry(name).or_insert(field);
    }
    errors.0.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
