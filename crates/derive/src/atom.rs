//! `#[derive(Atom)]` and `#[derive(Key)]`: values of a user's own types in registers, sets and
//! keys.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DataEnum, DeriveInput, Error, Field, Fields, LitStr, Path, Result, parse_quote};

use crate::attribute;
use crate::errors::{Errors, different_names};

/// Generates `impl Atom`.
pub(crate) fn atom(input: &DeriveInput) -> Result<TokenStream> {
    let crdts = attribute::of_plain(&input.attrs)?;
    match &input.data {
        Data::Enum(variants) => of_enum(input, variants, &crdts),
        Data::Struct(data) => match single(&data.fields) {
            Some(field) => Ok(of_newtype(input, field, &crdts)),
            None => Err(refused(input)),
        },
        Data::Union(_) => Err(refused(input)),
    }
}

/// Generates `impl Key`.
pub(crate) fn key(input: &DeriveInput) -> Result<TokenStream> {
    let crdts = attribute::of_plain(&input.attrs)?;
    let mut generics = input.generics.clone();
    let name = &input.ident;
    if let Data::Struct(data) = &input.data
        && let Some(Field { ty, .. }) = single(&data.fields)
        && !generics.params.is_empty()
    {
        generics.make_where_clause().predicates.push(parse_quote!(#ty: #crdts::Key));
    }
    let (parameters, arguments, bounds) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters #crdts::Key for #name #arguments #bounds {}
    })
}

fn refused(input: &DeriveInput) -> Error {
    Error::new(
        input.ident.span(),
        "an atom is one scalar: an enum whose variants have no fields, or a struct around one \
         value; a struct of several fields that are written apart takes `#[derive(Crdt)]`",
    )
}

/// Returns the field of a struct that has one, named or not.
fn single(fields: &Fields) -> Option<&Field> {
    let mut fields = fields.iter();
    fields.next().filter(|_| fields.next().is_none())
}

/// A struct around one value is that value, in every copy.
fn of_newtype(input: &DeriveInput, field: &Field, crdts: &Path) -> TokenStream {
    let (name, ty) = (&input.ident, &field.ty);
    let (member, make) = match &field.ident {
        Some(ident) => (quote! { #ident }, quote! { Self { #ident: value } }),
        None => (quote! { 0 }, quote! { Self(value) }),
    };
    let mut generics = input.generics.clone();
    if !generics.params.is_empty() {
        generics.make_where_clause().predicates.push(parse_quote!(#ty: #crdts::Atom));
    }
    let (parameters, arguments, bounds) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #parameters #crdts::Atom for #name #arguments #bounds {
            fn write(&self, out: &mut #crdts::path::derived::Vec<u8>) {
                <#ty as #crdts::Atom>::write(&self.#member, out);
            }

            fn read(
                reader: &mut #crdts::path::derived::Reader<'_>,
            ) -> ::core::result::Result<Self, #crdts::path::derived::DecodeError> {
                let value = <#ty as #crdts::Atom>::read(reader)?;
                ::core::result::Result::Ok(#make)
            }
        }
    }
}

/// An enum is the name of its variant, so that whoever lacks the type can read it.
fn of_enum(input: &DeriveInput, data: &DataEnum, crdts: &Path) -> Result<TokenStream> {
    let (name, mut errors) = (&input.ident, Errors::default());
    let (mut written, mut read, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for variant in &data.variants {
        if !variant.fields.is_empty() {
            errors.keep::<()>(Err(Error::new(
                variant.ident.span(),
                "a variant with fields is no atom; derive `Crdt`, and hold it as `OneOf`, if its \
                 fields are written apart",
            )));
            continue;
        }
        let Some(renamed) = errors.keep(attribute::of_variant(&variant.attrs)) else { continue };
        let ident = &variant.ident;
        let wire = renamed.unwrap_or_else(|| LitStr::new(&ident.to_string(), ident.span()));
        written.push(quote! { Self::#ident => #wire });
        read.push(quote! { #wire => ::core::option::Option::Some(Self::#ident) });
        names.push((ident.to_string(), wire));
    }
    if data.variants.is_empty() {
        errors.keep::<()>(Err(Error::new(name.span(), "there is no value of an empty enum")));
    }
    let pairs = names.iter().map(|(plain, wire)| (plain.clone(), wire));
    errors.keep(different_names(pairs));
    errors.finish()?;
    let (parameters, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters #crdts::Atom for #name #arguments #bounds {
            fn write(&self, out: &mut #crdts::path::derived::Vec<u8>) {
                #crdts::path::derived::write_name(match self { #(#written,)* }, out);
            }

            fn read(
                reader: &mut #crdts::path::derived::Reader<'_>,
            ) -> ::core::result::Result<Self, #crdts::path::derived::DecodeError> {
                #crdts::path::derived::read_name(reader, |name| match name {
                    #(#read,)*
                    _ => ::core::option::Option::None,
                })
            }
        }
    })
}
