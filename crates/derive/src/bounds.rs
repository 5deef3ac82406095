//! The bounds of a struct with type parameters.
//!
//! What a parameter has to be depends on how the fields use it: a key of a map is a `Key`, a value
//! is a `Crdt`. So the bound stands on the field's type, and the parameter keeps the user's own.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{GenericParam, Generics, WherePredicate, parse_quote};

use crate::declaration::Declaration;

impl Declaration {
    /// The user's generics, and that every field that depends on them is a `Crdt`.
    pub(crate) fn bounded(&self) -> Generics {
        let mut generics = self.generics.clone();
        let crdts = &self.crdts;
        let dependent = self.fields.iter().map(|field| &field.ty);
        let bounds: Vec<WherePredicate> = dependent
            .filter(|ty| self.mentions_parameter(ty.to_token_stream()))
            .map(|ty| parse_quote!(#ty: #crdts::crdt::Crdt))
            .collect();
        if !bounds.is_empty() {
            generics.make_where_clause().predicates.extend(bounds);
        }
        generics
    }

    /// As [`bounded`](Self::bounded), for the trait itself, whose `Default` is the user's to give.
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

    /// As [`of_handle`](Self::of_handle), with the user's bounds alone: what a handle's
    /// declaration repeats.
    pub(crate) fn of_handle_declaration(&self) -> Generics {
        with_lifetime(self.generics.clone())
    }

    /// A field that uses the type parameters where nothing else does.
    pub(crate) fn phantom(&self) -> Option<TokenStream> {
        let mut parameters = self.generics.type_params().map(|parameter| &parameter.ident);
        let first = parameters.next()?;
        Some(quote! { of: ::core::marker::PhantomData<(#first, #(#parameters,)*)>, })
    }

    /// The value of [`phantom`](Self::phantom).
    pub(crate) fn phantom_value(&self) -> Option<TokenStream> {
        self.phantom().map(|_| quote! { of: ::core::marker::PhantomData, })
    }

    fn mentions_parameter(&self, tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Group(group) => self.mentions_parameter(group.stream()),
            TokenTree::Ident(ident) => {
                self.generics.params.iter().any(|parameter| match parameter {
                    GenericParam::Type(parameter) => parameter.ident == ident,
                    GenericParam::Const(parameter) => parameter.ident == ident,
                    GenericParam::Lifetime(_) => false,
                })
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        })
    }
}

fn with_lifetime(mut generics: Generics) -> Generics {
    generics.params.insert(0, parse_quote!('a));
    generics
}
