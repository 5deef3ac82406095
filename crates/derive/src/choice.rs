//! The expansion of an enum: a struct for each variant's fields, and one for the choice among them.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{LitStr, Visibility, parse_quote};

use crate::attribute::Precedence;
use crate::declaration::{Declaration, Field};
use crate::enumeration::{Enumeration, REGISTER, Variant};
use crate::value::{at_type, member};
use crate::{handles, value};

/// Generates all code for an enum.
pub(crate) fn expand(enumeration: &Enumeration) -> TokenStream {
    let choice = choice(enumeration);
    let parts = enumeration.variants.iter().filter_map(|variant| part(enumeration, variant));
    let about = format!(
        " Which variant of [`{name}`](enum@{name}) stands, and the fields of all of them.",
        name = enumeration.name,
    );
    let declared = declare(&choice, &about, &[]);
    let (crdts, names) = (&enumeration.crdts, names(enumeration));
    let schema = value::schema(&choice, &choice.fields);
    let schema = quote! {
        const SCHEMA: #crdts::crdt::Schema = #crdts::crdt::Schema::Choice(#names, #schema);
    };
    let crdt = value::expand_as(&choice, &kind(enumeration, &choice), &schema);
    let methods = methods(enumeration, &choice);
    let editor = handles::editor_with(&choice, &editor_methods(enumeration, &choice));
    let reader = handles::reader_with(&choice, &reader_methods(enumeration, &choice));
    let variants = implement_variants(enumeration, &choice);
    quote! { #(#parts)* #declared #crdt #methods #editor #reader #variants }
}

/// `PaymentChoice`: the register, then the fields of every variant that has some.
fn choice(enumeration: &Enumeration) -> Declaration {
    let Enumeration { name, generics, crdts, precedence, .. } = enumeration;
    let register = match precedence {
        Precedence::Latest => quote! { LwwRegister },
        _ => quote! { MvRegister },
    };
    let mut fields = vec![Field {
        name: Ident::new(REGISTER, name.span()),
        ty: parse_quote!(#crdts::#register<#crdts::map::variants::String>),
        visibility: Visibility::Inherited,
        wire_name: LitStr::new(REGISTER, name.span()),
        is_indexed: false,
        docs: Vec::new(),
    }];
    let (_, arguments, _) = generics.split_for_impl();
    fields.extend(enumeration.variants.iter().filter_map(|variant| {
        let ty = &variant.fields.as_ref()?.name;
        Some(Field {
            name: variant.method(),
            ty: parse_quote!(#ty #arguments),
            visibility: enumeration.visibility.clone(),
            wire_name: variant.wire_name.clone(),
            is_indexed: false,
            docs: variant.docs.clone(),
        })
    }));
    let parts = enumeration.variants.iter().filter_map(|variant| variant.fields.as_ref());
    let parts = parts.flat_map(|part| &part.fields).map(|field| field.ty.clone()).collect();
    Declaration { parts, ..enumeration.part(format_ident!("{name}Choice"), fields) }
}

/// `PaymentCard`: the fields of one variant.
fn part(enumeration: &Enumeration, variant: &Variant) -> Option<TokenStream> {
    let part = variant.fields.as_ref()?;
    let about = format!(
        " The fields of the variant `{}` of [`{name}`](enum@{name}).",
        variant.name,
        name = enumeration.name
    );
    let declared = declare(part, &about, &variant.docs);
    let (value, getters) = (value::expand(part), value::getters(part));
    let (editor, reader) = (handles::editor(part), handles::reader(part));
    Some(quote! { #declared #value #getters #editor #reader })
}

/// Declares the struct, with the impls that the compiler would derive with bounds on the
/// parameters.
fn declare(part: &Declaration, about: &str, docs: &[syn::Attribute]) -> TokenStream {
    let Declaration { name, visibility, generics, fields, .. } = part;
    let (_, arguments, where_clause) = generics.split_for_impl();
    let phantom = part.phantom();
    let of = part.phantom_value();
    let (names, types): (Vec<_>, Vec<_>) = fields.iter().map(|f| (&f.name, &f.ty)).unzip();
    let spans = fields.iter().map(at_type);
    let cloned = fields.iter().map(|Field { name, ty, .. }| {
        quote! { #name: <#ty as ::core::clone::Clone>::clone(&self.#name), }
    });
    let cloned = spans.zip(cloned).map(|(at, cloned)| quote_spanned! { at=> #cloned });
    let default = part.bounded_by(&quote! { ::core::default::Default });
    let (parameters, _, bounds) = default.split_for_impl();
    let clone = part.bounded_by(&quote! { ::core::clone::Clone });
    let (clone_parameters, _, clone_bounds) = clone.split_for_impl();
    quote! {
        #[doc = #about]
        #[doc = ""]
        #(#docs)*
        #[derive(Debug)]
        #visibility struct #name #generics #where_clause {
            #(#names: #types,)*
            #phantom
        }

        #[automatically_derived]
        impl #parameters ::core::default::Default for #name #arguments #bounds {
            fn default() -> Self {
                Self { #(#names: ::core::default::Default::default(),)* #of }
            }
        }

        #[automatically_derived]
        impl #clone_parameters ::core::clone::Clone for #name #arguments #clone_bounds {
            fn clone(&self) -> Self {
                Self { #(#cloned)* #of }
            }
        }
    }
}

/// A map, after a check that everything a variant holds can be taken away.
fn kind(enumeration: &Enumeration, choice: &Declaration) -> TokenStream {
    let crdts = &enumeration.crdts;
    let resettable = choice.fields.iter().map(|field| member(choice, field, "RESETTABLE"));
    quote! {
        {
            ::core::assert!(
                #(#resettable)&&*,
                "choosing another variant takes away what this one holds, and a bounded counter \
                 below it can not be taken away",
            );
            #crdts::path::Kind::Map
        }
    }
}

fn rule(enumeration: &Enumeration) -> TokenStream {
    let crdts = &enumeration.crdts;
    let rule = match enumeration.precedence {
        Precedence::Latest => quote! { Latest },
        Precedence::FirstDeclared => quote! { FirstDeclared },
        Precedence::LastDeclared => quote! { LastDeclared },
    };
    quote! { #crdts::map::variants::Precedence::#rule }
}

fn names(enumeration: &Enumeration) -> TokenStream {
    let names = enumeration.variants.iter().map(|variant| &variant.wire_name);
    quote! { &[#(#names),*] }
}

/// The methods of the value in memory.
fn methods(enumeration: &Enumeration, choice: &Declaration) -> TokenStream {
    let (rule, names) = (rule(enumeration), names(enumeration));
    let live = match enumeration.precedence {
        Precedence::Latest => quote! { concurrent },
        _ => quote! { values },
    };
    let live = quote! { ::core::result::Result::Ok(#rule.rank(self.variant.#live()?, #names)) };
    let asked = asked(enumeration, &live);
    let taken = |field: &Field, _: &Declaration| {
        let Field { name, ty, .. } = field;
        quote! { <#ty as ::core::clone::Clone>::clone(&self.#name) }
    };
    let body = variant_of(enumeration, choice, &quote! { self.variant()? }, &taken);
    let get = get(enumeration, &body);
    let accessors = choice.fields.iter().skip(1).map(value::getter);
    let name = &choice.name;
    let (parameters, arguments, bounds) = choice.generics.split_for_impl();
    let mut clone = choice.bounded();
    if let Some(cloned) = choice.bounded_by(&quote! { ::core::clone::Clone }).where_clause {
        clone.make_where_clause().predicates.extend(cloned.predicates);
    }
    let (get_parameters, _, get_bounds) = clone.split_for_impl();
    quote! {
        impl #parameters #name #arguments #bounds {
            #asked
            #(#accessors)*
        }

        impl #get_parameters #name #arguments #get_bounds {
            #get
        }
    }
}

/// Generates `variant` and `concurrent` from an expression for the live choices.
fn asked(enumeration: &Enumeration, live: &TokenStream) -> TokenStream {
    let Enumeration { visibility, crdts, .. } = enumeration;
    let variants = quote! { #crdts::map::variants };
    let error = quote! { #crdts::ReadError };
    quote! {
        /// The name of the variant that stands; none before anybody has chosen.
        ///
        /// # Errors
        /// When the choice cannot be read.
        #visibility fn variant(
            &self,
        ) -> ::core::result::Result<::core::option::Option<#variants::String>, #error> {
            ::core::result::Result::Ok(self.concurrent()?.into_iter().next())
        }

        /// The names of all chosen variants, the one that stands first. More than one means that
        /// they were chosen concurrently.
        ///
        /// # Errors
        /// When the choice cannot be read.
        #visibility fn concurrent(
            &self,
        ) -> ::core::result::Result<#variants::Vec<#variants::String>, #error> {
            #live
        }
    }
}

/// Generates `get` from its body.
fn get(enumeration: &Enumeration, body: &TokenStream) -> TokenStream {
    let Enumeration { name, visibility, crdts, generics, .. } = enumeration;
    let (_, arguments, _) = generics.split_for_impl();
    quote! {
        /// The variant that stands, with its fields; the enum's default before anybody has chosen.
        ///
        /// # Errors
        /// `UnknownVariant` for a variant of a newer version; otherwise when the choice cannot be
        /// read.
        #visibility fn get(
            &self,
        ) -> ::core::result::Result<#name #arguments, #crdts::ReadError> {
            #body
        }
    }
}

/// Generates the variant of a name from an expression for its fields.
fn variant_of(
    enumeration: &Enumeration,
    choice: &Declaration,
    stands: &TokenStream,
    taken: &dyn Fn(&Field, &Declaration) -> TokenStream,
) -> TokenStream {
    let Enumeration { name, crdts, .. } = enumeration;
    let mut fields = choice.fields.iter().skip(1);
    let arms = enumeration.variants.iter().map(|variant| {
        let Variant { name: variant_name, wire_name, .. } = variant;
        let Some(part) = &variant.fields else {
            return quote! { #wire_name => #name::#variant_name {}, };
        };
        let (part_name, names) = (&part.name, part.fields.iter().map(|field| &field.name));
        let names: Vec<_> = names.collect();
        let taken = fields.next().map(|field| taken(field, part));
        quote! {
            #wire_name => {
                let #part_name { #(#names,)* .. } = #taken;
                #name::#variant_name { #(#names),* }
            }
        }
    });
    quote! {
        let ::core::option::Option::Some(name) = #stands else {
            return ::core::result::Result::Ok(::core::default::Default::default());
        };
        ::core::result::Result::Ok(match name.as_str() {
            #(#arms)*
            _ => {
                return ::core::result::Result::Err(
                    #crdts::ReadError::UnknownVariant { name },
                );
            }
        })
    }
}

/// Generates `choose_card` for every variant, and `card` for those that have fields.
fn editor_methods(enumeration: &Enumeration, choice: &Declaration) -> TokenStream {
    let mut fields = choice.fields.iter().skip(1);
    let methods = enumeration.variants.iter().map(|variant| {
        let field = variant.fields.as_ref().and_then(|_| fields.next());
        let access = field.map(|field| handles::editor_method(choice, field));
        let choose = choose(enumeration, choice, variant, field);
        quote! { #choose #access }
    });
    quote! { #(#methods)* }
}

fn choose(
    enumeration: &Enumeration,
    choice: &Declaration,
    variant: &Variant,
    field: Option<&Field>,
) -> TokenStream {
    let Enumeration { visibility, crdts, .. } = enumeration;
    let (rule, names, wire_name) = (rule(enumeration), names(enumeration), &variant.wire_name);
    let choose = format_ident!("choose_{}", variant.called, span = variant.name.span());
    let about = format!(" Chooses the variant `{}`", variant.name);
    let about = match field {
        Some(_) => format!("{about}, and changes its fields."),
        None => format!("{about}."),
    };
    let (returns, then) = match field {
        Some(field) => {
            let editor = member(choice, field, "Editor");
            let called = &field.name;
            (quote! { #editor<'_> }, quote! { self.#called() })
        }
        None => (quote! { () }, quote! { () }),
    };
    quote! {
        #[doc = #about]
        ///
        /// Where another variant stood, everything that all others hold is taken away first, as far
        /// as it is seen.
        ///
        /// # Errors
        /// When the place cannot be read or named.
        #visibility fn #choose(
            &mut self,
        ) -> ::core::result::Result<#returns, #crdts::EditError> {
            #rule.choose(&mut self.cursor, #wire_name, #names)?;
            ::core::result::Result::Ok(#then)
        }
    }
}

/// Generates the methods of the reader: those of the value, for the state in a space.
fn reader_methods(enumeration: &Enumeration, choice: &Declaration) -> TokenStream {
    let crdts = &enumeration.crdts;
    let (rule, names) = (rule(enumeration), names(enumeration));
    let asked = asked(enumeration, &quote! { #rule.live(&self.view, #names) });
    let accessors = choice.fields.iter().skip(1).map(|field| handles::reader_method(choice, field));
    let Enumeration { name, generics, .. } = enumeration;
    let (_, arguments, _) = generics.split_for_impl();
    let variants = quote! { #crdts::map::variants::Variants };
    let get = get(enumeration, &quote! { <#name #arguments as #variants>::standing(self) });
    quote! { #asked #get #(#accessors)* }
}

/// Generates the body of `Variants::standing`: the variant with its fields, none of which may be of
/// another kind.
fn read(enumeration: &Enumeration, choice: &Declaration) -> TokenStream {
    let crdts = &enumeration.crdts;
    let taken = |field: &Field, part: &Declaration| {
        let (wire_name, kind, ty) = (&field.wire_name, member(choice, field, "KIND"), &field.ty);
        let checks = part.fields.iter().map(|field| {
            let (wire_name, kind) = (&field.wire_name, member(part, field, "KIND"));
            quote! { view.field(#wire_name, #kind).check_kinds()?; }
        });
        quote! {
            {
                let view = choice.view.field(#wire_name, #kind);
                #(#checks)*
                #crdts::map::variants::snapshot::<#ty>(&view)?
            }
        }
    };
    let body = variant_of(enumeration, choice, &quote! { choice.variant()? }, &taken);
    quote! {
        #crdts::map::variants::at_once(&choice.view, |view| {
            let choice = &<Self::Choice as #crdts::crdt::Crdt>::reader(
                ::core::clone::Clone::clone(view),
            );
            #body
        })
    }
}

/// `impl Variants for Payment`.
fn implement_variants(enumeration: &Enumeration, choice: &Declaration) -> TokenStream {
    let Enumeration { name, crdts, generics, .. } = enumeration;
    let (_, arguments, _) = generics.split_for_impl();
    let bounded = choice.bounded_with_default();
    let (parameters, _, bounds) = bounded.split_for_impl();
    let read = read(enumeration, choice);
    let (choice, names) = (&choice.name, names(enumeration));
    // The fields are bound, or a user who only calls the editors is warned that nobody reads them.
    let named = enumeration.variants.iter().map(|variant| {
        let Variant { name, wire_name, fields, .. } = variant;
        let fields = fields.iter().flat_map(|part| &part.fields).map(|field| &field.name);
        let fields: Vec<_> = fields.collect();
        quote! { Self::#name { #(#fields),* } => { let _ = (#(#fields,)*); #wire_name } }
    });
    quote! {
        #[automatically_derived]
        impl #parameters #crdts::map::variants::Variants for #name #arguments #bounds {
            type Choice = #choice #arguments;
            const NAMES: &'static [&'static str] = #names;

            fn standing(
                choice: &<Self::Choice as #crdts::crdt::Crdt>::Reader<'_>,
            ) -> ::core::result::Result<Self, #crdts::ReadError> {
                #read
            }

            fn name(&self) -> &'static str {
                match self {
                    #(#named)*
                }
            }
        }
    }
}
