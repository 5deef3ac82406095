//! The user's declaration, checked: past [`Declaration::parse`] every struct can be expanded.
//!
//! An error here is the only documentation that somebody in a hurry reads. It says what is wrong,
//! why, and what to write instead, at the place where it belongs.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, Generics, LitStr, Path, Result, Type, Visibility,
};

use crate::attribute;
use crate::errors::{Errors, different_names};
use crate::plain;

/// Methods of every editor that a field's method would collide with.
const TAKEN: [&str; 2] = ["clear", "reader"];

/// A struct with at least one named field.
pub(crate) struct Declaration {
    pub name: Ident,
    /// The user's own item: the struct itself, or the enum that this is a part of.
    pub owner: Ident,
    pub visibility: Visibility,
    pub generics: Generics,
    /// Path of the modules of `rejoin-crdts`.
    pub crdts: Path,
    pub fields: Vec<Field>,
    /// Further types that are treated as fields when bounds are made.
    pub parts: Vec<Type>,
}

/// One field of a declaration.
pub(crate) struct Field {
    pub name: Ident,
    pub ty: Type,
    /// Visibility of the field's methods.
    pub visibility: Visibility,
    /// Name of the field in every copy.
    pub wire_name: LitStr,
    /// True if the values here are to be found without a walk.
    pub is_indexed: bool,
    pub docs: Vec<Attribute>,
}

impl Declaration {
    /// Checks everything and reports every error, not only the first.
    pub(crate) fn parse(input: DeriveInput) -> Result<Self> {
        let named = named_fields(&input)?;
        let mut errors = Errors::default();
        let crdts = errors.keep(attribute::of_struct(&input.attrs));
        errors.keep(owns_its_data(&input.generics));
        let DeriveInput { ident: name, vis: visibility, generics, .. } = input;
        let itself = itself(&name, &generics);
        let fields = errors.keep(Field::parse_all(named, &visibility, &itself));
        match (crdts, fields, errors.into_error()) {
            (Some(crdts), Some(fields), None) => {
                let (owner, parts) = (name.clone(), Vec::new());
                Ok(Self { name, owner, visibility, generics, crdts, fields, parts })
            }
            (_, _, error) => Err(error.unwrap_or_else(|| Error::new(name.span(), "unreadable"))),
        }
    }
}

impl Field {
    /// Checks all fields of a struct or a variant; `itself` is the meaning of `Self` there.
    pub(crate) fn parse_all(
        fields: impl IntoIterator<Item = syn::Field>,
        of_struct: &Visibility,
        itself: &TokenStream,
    ) -> Result<Vec<Self>> {
        let mut errors = Errors::default();
        let parsed: Vec<Option<Self>> = fields
            .into_iter()
            .map(|field| errors.keep(Self::parse(field, of_struct, itself)))
            .collect();
        let parsed: Vec<Self> = parsed.into_iter().flatten().collect();
        let names = parsed.iter().map(|field| (field.plain_name(), &field.wire_name));
        errors.keep(different_names(names));
        errors.finish().map(|()| parsed)
    }

    fn parse(field: syn::Field, of_struct: &Visibility, itself: &TokenStream) -> Result<Self> {
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
        plain::refuse(&field.ty)?;
        let (renamed, is_indexed) = attribute::of_field(&field.attrs)?;
        let visibility = match field.vis {
            Visibility::Inherited => of_struct.clone(),
            says => says,
        };
        Ok(Self {
            wire_name: renamed.unwrap_or_else(|| LitStr::new(&plain, name.span())),
            is_indexed,
            name,
            ty: spelled_out(field.ty, itself)?,
            visibility,
            docs: docs_of(field.attrs),
        })
    }

    /// The name for people: without the `r#` of a raw identifier.
    pub(crate) fn plain_name(&self) -> String {
        self.name.unraw().to_string()
    }
}

/// Returns the author's documentation of a field or a variant.
pub(crate) fn docs_of(attributes: Vec<Attribute>) -> Vec<Attribute> {
    attributes.into_iter().filter(|attribute| attribute.path().is_ident("doc")).collect()
}

/// `Cart<K>`: the meaning of `Self` where the user writes it, which it does not have in an editor.
pub(crate) fn itself(name: &Ident, generics: &Generics) -> TokenStream {
    let (_, arguments, _) = generics.split_for_impl();
    quote! { #name #arguments }
}

fn spelled_out(ty: Type, itself: &TokenStream) -> Result<Type> {
    fn replaced(tokens: TokenStream, itself: &TokenStream) -> TokenStream {
        let each = tokens.into_iter().map(|token| match token {
            TokenTree::Group(group) => {
                let inner = replaced(group.stream(), itself);
                let mut new = proc_macro2::Group::new(group.delimiter(), inner);
                new.set_span(group.span());
                TokenStream::from(TokenTree::Group(new))
            }
            TokenTree::Ident(ident) if ident == "Self" => itself.clone(),
            other => other.into(),
        });
        each.collect()
    }
    let tokens = ty.to_token_stream();
    if mentions(tokens.clone(), &|ident| ident == "Self") {
        syn::parse2(replaced(tokens, itself))
    } else {
        Ok(ty)
    }
}

/// True if any identifier passes the test.
pub(crate) fn mentions(tokens: TokenStream, is_it: &dyn Fn(&Ident) -> bool) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions(group.stream(), is_it),
        TokenTree::Ident(ident) => is_it(&ident),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
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
        Data::Enum(data) => {
            (data.enum_token.span, "an enum has variants where a struct has fields")
        }
        Data::Union(data) => (
            data.union_token.span,
            "a union is no CRDT: its fields share their memory; use a struct with named fields",
        ),
    };
    Err(Error::new(at, message))
}

pub(crate) fn owns_its_data(generics: &Generics) -> Result<()> {
    match generics.lifetimes().next() {
        None => Ok(()),
        Some(lifetime) => Err(Error::new(
            lifetime.span(),
            "a CRDT owns its data, because copies outlive whatever they were made from; use owned \
             types, such as `String` for `&str`",
        )),
    }
}

#[cfg(test)]
mod tests;
