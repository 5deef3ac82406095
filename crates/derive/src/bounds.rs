//! The bounds of a struct with type parameters.
//!
//! The bound that a parameter needs depends on how the fields use it: a key of a map is a `Key`, a
//! value is a `Crdt`. So the bound stands on the field's type, and the parameter keeps the user's
//! own bounds.
//!
//! A field that nests the type in itself gets no bound: "the type is a `Crdt` if it is one" would
//! prove nothing. It is checked at the place of use, with the user's own bounds.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{GenericParam, Generics, Type, WherePredicate, parse_quote};

use crate::declaration::{Declaration, itself, mentions};

impl Declaration {
    /// Returns the user's generics with the bound that every field that depends on them is a
    /// `Crdt`. A part of an enum also needs the default that the user gives the enum.
    pub(crate) fn bounded(&self) -> Generics {
        let crdts = &self.crdts;
        let mut generics = self.bounded_by(&quote! { #crdts::crdt::Crdt });
        if self.owner != self.name && !self.generics.params.is_empty() {
            let owner = itself(&self.owner, &self.generics);
            let default: WherePredicate = parse_quote!(#owner: ::core::default::Default);
            generics.make_where_clause().predicates.push(default);
        }
        generics
    }

    /// Returns the user's generics, with a bound on every field that depends on them.
    pub(crate) fn bounded_by(&self, bound: &TokenStream) -> Generics {
        let mut generics = self.generics.clone();
        let dependent = self.fields.iter().map(|field| &field.ty).chain(&self.parts);
        let bounds: Vec<WherePredicate> = dependent
            .filter(|ty| self.depends(ty) && !self.nests(ty))
            .map(|ty| parse_quote!(#ty: #bound))
            .collect();
        if !bounds.is_empty() {
            generics.make_where_clause().predicates.extend(bounds);
        }
        generics
    }

    /// As [`bounded`](Self::bounded), for an enum, whose `Default` the user has to give.
    pub(crate) fn bounded_with_default(&self) -> Generics {
        let mut generics = self.bounded();
        if !generics.params.is_empty() {
            let default: WherePredicate = parse_quote!(Self: ::core::default::Default);
            generics.make_where_clause().predicates.push(default);
        }
        generics
    }

    /// As [`bounded`](Self::bounded), with the lifetime of a handle in front.
    pub(crate) fn of_handle(&self) -> Generics {
        with_lifetime(self.bounded())
    }

    /// As [`of_handle`](Self::of_handle), with the user's bounds alone: the generics that a
    /// handle's declaration repeats.
    pub(crate) fn of_handle_declaration(&self) -> Generics {
        with_lifetime(self.generics.clone())
    }

    /// Returns a field that uses the type parameters where nothing else does.
    pub(crate) fn phantom(&self) -> Option<TokenStream> {
        let mut parameters = self.generics.type_params().map(|parameter| &parameter.ident);
        let first = parameters.next()?;
        let phantom = quote! { ::core::marker::PhantomData };
        Some(quote! { of: #phantom<(#phantom<#first>, #(#phantom<#parameters>,)*)>, })
    }

    /// The value of [`phantom`](Self::phantom).
    pub(crate) fn phantom_value(&self) -> Option<TokenStream> {
        self.phantom().map(|_| quote! { of: ::core::marker::PhantomData, })
    }

    fn depends(&self, ty: &Type) -> bool {
        mentions(ty.to_token_stream(), &|ident| {
            self.generics.params.iter().any(|parameter| match parameter {
                GenericParam::Type(parameter) => parameter.ident == *ident,
                GenericParam::Const(parameter) => parameter.ident == *ident,
                GenericParam::Lifetime(_) => false,
            })
        })
    }

    fn nests(&self, ty: &Type) -> bool {
        mentions(ty.to_token_stream(), &|ident| *ident == self.owner)
    }
}

fn with_lifetime(mut generics: Generics) -> Generics {
    generics.params.insert(0, parse_quote!('a));
    generics
}
