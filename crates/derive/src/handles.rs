//! The editor and the reader of a struct: a method for every field, at a place instead of on a
//! value.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::GenericParam;

use crate::declaration::{Declaration, Field};
use crate::value::{at_type, docs, member};

/// Generates `CartEditor`.
pub(crate) fn editor(declaration: &Declaration) -> TokenStream {
    let methods = declaration.fields.iter().map(|field| editor_method(declaration, field));
    editor_with(declaration, &quote! { #(#methods)* })
}

/// Generates an editor with these methods, and with those of every editor.
pub(crate) fn editor_with(declaration: &Declaration, methods: &TokenStream) -> TokenStream {
    let Declaration { name, visibility, crdts, .. } = declaration;
    let (editor, reader) = (format_ident!("{name}Editor"), format_ident!("{name}Reader"));
    let about = format!(" Changes a [`{name}`](struct@{name}) in a transaction.");
    let cursor = quote! { cursor: #crdts::edit::Cursor<'a>, };
    let declared = declare(declaration, &about, &editor, &cursor);
    let (handle, read) = (declaration.of_handle(), reader_arguments(declaration));
    let (parameters, arguments, bounds) = handle.split_for_impl();
    let of = declaration.phantom_value();
    let (_, value, _) = declaration.generics.split_for_impl();
    quote! {
        #declared

        #[automatically_derived]
        impl #parameters #crdts::crdt::AtPlace for #editor #arguments #bounds {
            fn place(&mut self) -> (#crdts::edit::Cursor<'_>, #crdts::crdt::Schema) {
                (self.cursor.here(), <#name #value as #crdts::crdt::Crdt>::SCHEMA)
            }
        }

        impl #parameters #editor #arguments #bounds {
            #methods

            /// Takes away everything in every field, as far as it is seen here.
            ///
            /// # Errors
            /// When the place cannot be read or named.
            #visibility fn clear(
                &mut self,
            ) -> ::core::result::Result<(), #crdts::EditError> {
                self.cursor.reset()
            }

            /// The value as this transaction sees it.
            #visibility fn reader(&self) -> #reader #read {
                #reader { view: self.cursor.view(), #of }
            }
        }
    }
}

/// Generates `CartReader`.
pub(crate) fn reader(declaration: &Declaration) -> TokenStream {
    let methods = declaration.fields.iter().map(|field| reader_method(declaration, field));
    reader_with(declaration, &quote! { #(#methods)* })
}

/// Generates a reader with these methods.
pub(crate) fn reader_with(declaration: &Declaration, methods: &TokenStream) -> TokenStream {
    let Declaration { name, crdts, .. } = declaration;
    let reader = format_ident!("{name}Reader");
    let about = format!(" Reads a [`{name}`](struct@{name}) in a space, field by field.");
    let view = quote! { view: #crdts::edit::View<'a>, };
    let declared = declare(declaration, &about, &reader, &view);
    let handle = declaration.of_handle();
    let (parameters, arguments, bounds) = handle.split_for_impl();
    quote! {
        #declared

        impl #parameters #reader #arguments #bounds {
            #methods
        }
    }
}

/// Declares the handle's struct around its one field and the type parameters.
fn declare(
    declaration: &Declaration,
    about: &str,
    handle: &syn::Ident,
    place: &TokenStream,
) -> TokenStream {
    let visibility = &declaration.visibility;
    let generics = declaration.of_handle_declaration();
    let (parameters, _, bounds) = generics.split_for_impl();
    let phantom = declaration.phantom();
    quote! {
        #[doc = #about]
        #[derive(Debug)]
        #visibility struct #handle #parameters #bounds { #place #phantom }
    }
}

/// `<'_, K>`.
fn reader_arguments(declaration: &Declaration) -> TokenStream {
    let names = declaration.generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        GenericParam::Const(parameter) => Some(&parameter.ident),
        GenericParam::Lifetime(_) => None,
    });
    quote! { <'_, #(#names,)*> }
}

/// Generates `lines()` of an editor.
pub(crate) fn editor_method(declaration: &Declaration, field: &Field) -> TokenStream {
    let Field { name, wire_name, visibility, .. } = field;
    let at = at_type(field);
    let [editor, make, kind] =
        ["Editor", "editor", "KIND"].map(|called| member(declaration, field, called));
    let docs = docs(field, &format!("Changes the field `{}`.", field.plain_name()));
    let signature = quote_spanned! { at=> fn #name(&mut self) -> #editor<'_> };
    let body = quote_spanned! { at=> { #make(self.cursor.field(#wire_name, #kind)) } };
    let into = format_ident!("into_{}", field.plain_name());
    let about = format!(" As [`{name}`](Self::{name}), for an editor that outlives this one.");
    let into_signature = quote_spanned! { at=> fn #into(self) -> #editor<'a> };
    let into_body = quote_spanned! { at=> { #make(self.cursor.into_field(#wire_name, #kind)) } };
    quote! {
        #docs #visibility #signature #body

        #[doc = #about]
        #visibility #into_signature #into_body
    }
}

/// Generates `lines()` of a reader.
pub(crate) fn reader_method(declaration: &Declaration, field: &Field) -> TokenStream {
    let Field { name, wire_name, visibility, .. } = field;
    let at = at_type(field);
    let [reader, make, kind] =
        ["Reader", "reader", "KIND"].map(|called| member(declaration, field, called));
    let docs = docs(field, &format!("Reads the field `{}`.", field.plain_name()));
    let signature = quote_spanned! { at=> fn #name(&self) -> #reader<'a> };
    let body = quote_spanned! { at=> { #make(self.view.field(#wire_name, #kind)) } };
    quote! { #docs #visibility #signature #body }
}
