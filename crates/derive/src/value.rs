//! The value itself: `impl Crdt`, which delegates to each field, and the getters.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use crate::declaration::{Declaration, Field};

/// Generates `impl Crdt for Cart`.
pub(crate) fn expand(declaration: &Declaration) -> TokenStream {
    let crdts = &declaration.crdts;
    let fields = declaration.fields.iter().map(|field| {
        let (name, kind) = (&field.wire_name, member(declaration, field, "KIND"));
        quote! { (#name, #kind) }
    });
    let indexes = indexes(declaration);
    let schema = schema(declaration, &declaration.fields);
    let fields = quote! {
        const FIELDS: &'static [(&'static str, #crdts::path::Kind)] = &[#(#fields),*];
        const SCHEMA: #crdts::crdt::Schema = #crdts::crdt::Schema::Fields(#schema);
        #indexes
    };
    expand_as(declaration, &quote! { #crdts::path::Kind::Map }, &fields)
}

/// Generates the method that tells which indexes are declared here and below.
fn indexes(declaration: &Declaration) -> TokenStream {
    let crdts = &declaration.crdts;
    let passed = declaration.fields.iter().map(|field| {
        let Field { wire_name, is_indexed, .. } = field;
        let [kind, passed] =
            ["KIND", "pass_indexes"].map(|called| member(declaration, field, called));
        let check = is_indexed.then(|| {
            quote_spanned! { at_type(field)=> const { #crdts::index::check(#kind) } }
        });
        quote! {
            #check
            #passed(declared, #wire_name, #is_indexed);
        }
    });
    quote! {
        fn indexes(declared: &mut #crdts::index::Declared) {
            declared.within::<Self>(|declared| {
                #(#passed)*
            });
        }
    }
}

/// The fields with what their types declare.
pub(crate) fn schema(declaration: &Declaration, fields: &[Field]) -> TokenStream {
    let fields = fields.iter().map(|field| {
        let (name, schema) = (&field.wire_name, member(declaration, field, "schema"));
        quote! { (#name, #schema) }
    });
    quote! { &[#(#fields),*] }
}

/// As [`expand`], with an expression for the kind, which may include a check, and with further
/// items of the impl.
pub(crate) fn expand_as(
    declaration: &Declaration,
    kind: &TokenStream,
    more: &TokenStream,
) -> TokenStream {
    let Declaration { name, crdts, .. } = declaration;
    let handles = handle_types(declaration);
    let operations = operations(declaration);
    let state = state(declaration);
    let cells = cells(declaration);
    let resettable =
        declaration.fields.iter().map(|field| member(declaration, field, "RESETTABLE"));
    let bounded = declaration.bounded();
    let (_, arguments, _) = declaration.generics.split_for_impl();
    let (parameters, _, bounds) = bounded.split_for_impl();
    let checked = checked(declaration);
    quote! {
        #checked

        #[automatically_derived]
        impl #parameters #crdts::crdt::Crdt for #name #arguments #bounds {
            const KIND: #crdts::path::Kind = #kind;
            const RESETTABLE: bool = #(#resettable)&&*;
            #more
            #handles
            #operations
            #state
            #cells
        }
    }
}

/// Forces the checks in the kinds at the declaration, where the compiler would otherwise wait for a
/// use. With type parameters there is nothing to check before one.
fn checked(declaration: &Declaration) -> Option<TokenStream> {
    let Declaration { name, crdts, generics, .. } = declaration;
    let fields = declaration.fields.iter().map(|field| {
        let (kind, at) = (member(declaration, field, "KIND"), at_type(field));
        match field.is_indexed {
            true => quote_spanned! { at=> #crdts::index::check(#kind); },
            false => quote_spanned! { at=> let _ = #kind; },
        }
    });
    generics.params.is_empty().then(|| {
        quote! {
            const _: () = {
                #(#fields)*
                let _ = <#name as #crdts::crdt::Crdt>::KIND;
            };
        }
    })
}

fn handle_types(declaration: &Declaration) -> TokenStream {
    let Declaration { name, crdts, .. } = declaration;
    let (editor, reader) = (format_ident!("{name}Editor"), format_ident!("{name}Reader"));
    let handle = declaration.of_handle_declaration();
    let (_, arguments, _) = handle.split_for_impl();
    let of = declaration.phantom_value();
    let empty = each_field(declaration, "empty", |empty, field| quote! { #field: #empty() });
    // The user's own struct has no further field.
    let rest = (declaration.owner != *name).then_some(&of);
    quote! {
        type Editor<'a> = #editor #arguments;
        type Reader<'a> = #reader #arguments;

        fn empty() -> Self {
            Self { #(#empty,)* #rest }
        }

        fn editor(cursor: #crdts::edit::Cursor<'_>) -> Self::Editor<'_> {
            #editor { cursor, #of }
        }

        fn reader(view: #crdts::edit::View<'_>) -> Self::Reader<'_> {
            #reader { view, #of }
        }
    }
}

/// Generates the methods that change the value.
fn operations(declaration: &Declaration) -> TokenStream {
    let crdts = &declaration.crdts;
    let unknown = quote! { #crdts::crdt::Outcome::Unknown };
    let apply = by_field(declaration, "apply", |apply, field| {
        quote! { #apply(&mut self.#field, below, effect, at) }
    });
    let end = each_field(declaration, "end", |end, field| {
        quote! { changed |= #end(&mut self.#field, covered); }
    });
    let merge = each_field(declaration, "merge", |merge, field| {
        quote! { changed |= #merge(&mut self.#field, &theirs.#field, join); }
    });
    quote! {
        fn apply(
            &mut self,
            path: &[u8],
            effect: &#crdts::delta::Effect,
            at: &#crdts::delta::At<'_>,
        ) -> #crdts::crdt::Outcome {
            if path.is_empty() {
                return match effect {
                    #crdts::delta::Effect::Below { seen } => {
                        let covered = #crdts::delta::Covered::new(seen, at);
                        #crdts::crdt::Outcome::of(#crdts::crdt::Crdt::end(self, &covered))
                    }
                    _ => #unknown,
                };
            }
            match #crdts::path::split_field(path) {
                ::core::option::Option::Some((name, kind, below)) => match name.as_str() {
                    #(#apply,)*
                    _ => #unknown,
                },
                ::core::option::Option::None => #unknown,
            }
        }

        fn end(&mut self, covered: &#crdts::delta::Covered) -> bool {
            let mut changed = false;
            #(#end)*
            changed
        }

        fn merge(&mut self, theirs: &Self, join: &#crdts::state::Join) -> bool {
            let mut changed = false;
            #(#merge)*
            changed
        }
    }
}

/// Generates the methods that look at the value as a whole.
fn state(declaration: &Declaration) -> TokenStream {
    let visible = each_field(declaration, "is_visible", |is_visible, field| {
        quote! { #is_visible(&self.#field) }
    });
    let gone = each_field(declaration, "is_gone", |is_gone, field| {
        quote! { #is_gone(&self.#field) }
    });
    quote! {
        fn is_visible(&self) -> bool {
            #(#visible)||*
        }

        fn is_gone(&self) -> bool {
            #(#gone)&&*
        }
    }
}

/// Generates the methods that show its cells.
fn visits(declaration: &Declaration) -> TokenStream {
    let crdts = &declaration.crdts;
    let visit = declaration.fields.iter().map(|field| {
        let (name, wire_name) = (&field.name, &field.wire_name);
        let [shows, kind] = ["visit", "KIND"].map(|called| member(declaration, field, called));
        quote! { #shows(&self.#name, &at.field(#wire_name, #kind), visit); }
    });
    let visit_below = declaration.fields.iter().map(|field| {
        let (name, wire_name) = (&field.name, &field.wire_name);
        let [shows, kind] =
            ["visit_below", "KIND"].map(|called| member(declaration, field, called));
        quote! {
            let child = at.field(#wire_name, #kind);
            if let ::core::option::Option::Some(below) = at.left_for(&child, below) {
                #shows(&self.#name, below, &child, visit);
            }
        }
    });
    quote! {
        fn visit(&self, at: &#crdts::path::Path, visit: &mut #crdts::crdt::Visit<'_>) {
            #(#visit)*
        }

        fn visit_below(
            &self,
            below: &[u8],
            at: &#crdts::path::Path,
            visit: &mut #crdts::crdt::Visit<'_>,
        ) {
            #(#visit_below)*
        }
    }
}

/// Generates the methods that show, find and load its cells.
fn cells(declaration: &Declaration) -> TokenStream {
    let crdts = &declaration.crdts;
    let visits = visits(declaration);
    let cell = by_field(declaration, "cell", |cell, field| {
        quote! { #cell(&self.#field, below) }
    });
    let other_kind = by_field(declaration, "other_kind", |other_kind, field| {
        quote! { #other_kind(&self.#field, below, than) }
    });
    let own_kind = declaration.fields.iter().map(|field| {
        let (name, wire_name) = (&field.name, &field.wire_name);
        quote! { #wire_name => #crdts::crdt::own_kind(&self.#name, than), }
    });
    let load = by_field(declaration, "load", |load, field| {
        quote! { #load(&mut self.#field, below, saved) }
    });
    quote! {
        #visits

        fn cell(&self, path: &[u8]) -> ::core::option::Option<#crdts::cell::CellRef<'_>> {
            let (name, kind, below) = #crdts::path::split_field(path)?;
            match name.as_str() {
                #(#cell,)*
                _ => ::core::option::Option::None,
            }
        }

        fn other_kind(
            &self,
            name: &[u8],
            than: #crdts::path::Kind,
        ) -> ::core::option::Option<#crdts::path::Kind> {
            if let ::core::option::Option::Some(last) = #crdts::path::last_field(name) {
                return match last.as_str() {
                    #(#own_kind)*
                    _ => ::core::option::Option::None,
                };
            }
            let (name, kind, below) = #crdts::path::split_field(name)?;
            match name.as_str() {
                #(#other_kind,)*
                _ => ::core::option::Option::None,
            }
        }

        fn load(
            &mut self,
            path: &[u8],
            saved: #crdts::cell::Saved,
        ) -> ::core::result::Result<(), #crdts::cell::Saved> {
            match #crdts::path::split_field(path) {
                ::core::option::Option::Some((name, kind, below)) => match name.as_str() {
                    #(#load,)*
                    _ => ::core::result::Result::Err(saved),
                },
                ::core::option::Option::None => ::core::result::Result::Err(saved),
            }
        }
    }
}

/// `<OrMap<String, PnCounter> as Crdt>::apply`.
///
/// Located at the type, so that the error for a type that is no `Crdt` is reported there, and only
/// there.
pub(crate) fn member(declaration: &Declaration, field: &Field, member: &str) -> TokenStream {
    let (crdts, ty) = (&declaration.crdts, &field.ty);
    let at = at_type(field);
    let member = Ident::new(member, at);
    quote_spanned! { at=> <#ty as #crdts::crdt::Crdt>::#member }
}

/// Returns the span of the field's type; names keep the meaning that they have where the macro is
/// called.
pub(crate) fn at_type(field: &Field) -> Span {
    Span::call_site().located_at(field.ty.span())
}

/// Makes something for every field, from its member of this name and its own name.
fn each_field(
    declaration: &Declaration,
    called: &str,
    expand: impl Fn(&TokenStream, &Ident) -> TokenStream,
) -> Vec<TokenStream> {
    let fields = declaration.fields.iter();
    fields.map(|field| expand(&member(declaration, field, called), &field.name)).collect()
}

/// Makes the arms of a match on a name: as [`each_field`], where name *and* kind are the field's.
fn by_field(
    declaration: &Declaration,
    called: &str,
    expand: impl Fn(&TokenStream, &Ident) -> TokenStream,
) -> Vec<TokenStream> {
    let arms = each_field(declaration, called, expand).into_iter().zip(&declaration.fields);
    arms.map(|(then, field)| {
        let (kind, wire_name) = (member(declaration, field, "KIND"), &field.wire_name);
        quote! { #wire_name if kind == #kind => #then }
    })
    .collect()
}

/// Generates `Cart::lines(&self)` and so on.
pub(crate) fn getters(declaration: &Declaration) -> TokenStream {
    let name = &declaration.name;
    let (parameters, arguments, bounds) = declaration.generics.split_for_impl();
    let getters = declaration.fields.iter().map(getter);
    quote! {
        impl #parameters #name #arguments #bounds {
            #(#getters)*
        }
    }
}

/// Generates one getter.
pub(crate) fn getter(field: &Field) -> TokenStream {
    let Field { name, ty, visibility, .. } = field;
    let docs = docs(field, &format!("The field `{}`.", field.plain_name()));
    quote! {
        #docs
        #visibility fn #name(&self) -> &#ty {
            &self.#name
        }
    }
}

/// Returns a method's documentation: a first sentence, then the text of the field's author.
pub(crate) fn docs(field: &Field, first: &str) -> TokenStream {
    let first = format!(" {first}");
    let more = &field.docs;
    if more.is_empty() {
        return quote! { #[doc = #first] };
    }
    quote! { #[doc = #first] #[doc = ""] #(#more)* }
}
