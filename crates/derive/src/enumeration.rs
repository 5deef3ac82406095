//! An enum that the user wrote, checked: past [`Enumeration::parse`] every enum can be expanded.

use std::collections::HashMap;

use proc_macro2::{Ident, Span, TokenStream};
use quote::format_ident;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, DeriveInput, Error, Fields, Generics, LitStr, Path, Result, Token, Visibility,
};

use crate::attribute::{self, Precedence};
use crate::declaration::{Declaration, Field, docs_of, itself, owns_its_data};
use crate::errors::{Errors, different_names};

/// Name of the choice's register in every copy.
pub(crate) const REGISTER: &str = "variant";

type Variants = Punctuated<syn::Variant, Token![,]>;

/// Methods of every choice, its editor and its reader.
const TAKEN: [&str; 5] = ["get", "concurrent", "variant", "clear", "reader"];

/// An enum with a rule for concurrent variants, and with at least one of them.
pub(crate) struct Enumeration {
    pub name: Ident,
    pub visibility: Visibility,
    pub generics: Generics,
    /// Path of the modules of `rejoin-crdts`.
    pub crdts: Path,
    pub precedence: Precedence,
    pub variants: Vec<Variant>,
}

/// One variant of an enumeration.
pub(crate) struct Variant {
    pub name: Ident,
    /// Name of the variant in every copy.
    pub wire_name: LitStr,
    /// Base of its methods' names: `card` for `Card`.
    pub called: String,
    pub docs: Vec<Attribute>,
    /// Its fields, as a struct of their own; `None` for a unit variant.
    pub fields: Option<Declaration>,
}

impl Enumeration {
    /// Checks everything and reports every error, not only the first.
    pub(crate) fn parse(input: DeriveInput, variants: Variants) -> Result<Self> {
        let mut errors = Errors::default();
        let DeriveInput { ident: name, vis: visibility, generics, attrs, .. } = input;
        errors.keep(owns_its_data(&generics));
        errors.keep(any_variant(&variants, &name));
        let (crdts, precedence) = errors.keep(attribute::of_enum(&attrs, &name)).unzip();
        let mut this = Self {
            crdts: crdts.unwrap_or_else(|| name.clone().into()),
            precedence: precedence.unwrap_or(Precedence::Latest),
            name,
            visibility,
            generics,
            variants: Vec::new(),
        };
        let itself = itself(&this.name, &this.generics);
        for variant in variants {
            let parsed = errors.keep(this.variant(variant, &itself));
            this.variants.extend(parsed);
        }
        let names = this.variants.iter().map(|v| (v.name.unraw().to_string(), &v.wire_name));
        errors.keep(different_names(names));
        errors.keep(this.different_methods());
        errors.keep(this.different_types());
        errors.finish().map(|()| this)
    }

    fn variant(&self, variant: syn::Variant, itself: &TokenStream) -> Result<Variant> {
        let plain = variant.ident.unraw().to_string();
        let name = variant.ident;
        let fields = match variant.fields {
            Fields::Unit => None,
            Fields::Named(fields) if fields.named.is_empty() => None,
            Fields::Named(fields) => {
                let fields = Field::parse_all(fields.named, &self.visibility, itself)?;
                if let Some(field) = fields.iter().find(|field| field.is_indexed) {
                    return Err(Error::new(
                        field.name.span(),
                        "a field of a variant has no index: whether its variant stands is seen \
                         only when it is read; index a field of the struct that holds the enum",
                    ));
                }
                Some(self.part(format_ident!("{}{}", self.name, plain, span = name.span()), fields))
            }
            Fields::Unnamed(fields) => {
                return Err(Error::new(fields.span(), tuple_variant(&plain)));
            }
        };
        let renamed = attribute::of_variant(&variant.attrs)?;
        let wire_name = renamed.unwrap_or_else(|| LitStr::new(&plain, name.span()));
        if wire_name.value() == REGISTER {
            return Err(Error::new(
                wire_name.span(),
                "copies keep the choice itself under the name `variant`; give this variant another",
            ));
        }
        let (called, docs) = (snake_case(&plain), docs_of(variant.attrs));
        Ok(Variant { name, wire_name, called, docs, fields })
    }

    /// Makes a struct that is generated beside the enum.
    pub(crate) fn part(&self, name: Ident, fields: Vec<Field>) -> Declaration {
        Declaration {
            name,
            owner: self.name.clone(),
            visibility: self.visibility.clone(),
            generics: self.generics.clone(),
            crdts: self.crdts.clone(),
            fields,
            parts: Vec::new(),
        }
    }

    /// Checks that no two variants want a method of the same name, and that none wants one of the
    /// choice's own.
    fn different_methods(&self) -> Result<()> {
        let mut errors = Errors::default();
        let mut seen: HashMap<String, String> = HashMap::new();
        for taken in TAKEN {
            seen.insert(taken.to_owned(), "every enum has a method of this name".to_owned());
        }
        for variant in &self.variants {
            let plain = variant.name.unraw().to_string();
            let access = variant.fields.is_some().then(|| variant.called.clone());
            for method in access.into_iter().chain([format!("choose_{}", variant.called)]) {
                if let Some(why) = seen.get(&method) {
                    errors.keep::<()>(Err(method_taken(variant, &plain, &method, why)));
                }
                seen.entry(method).or_insert_with(|| format!("`{plain}` has it, too"));
            }
        }
        errors.finish()
    }

    /// Checks that the structs of the variants differ in name from those of the choice and from
    /// each other.
    fn different_types(&self) -> Result<()> {
        let with_fields = self.variants.iter().filter(|variant| variant.fields.is_some());
        let mut errors = Errors::default();
        let mut seen = vec!["Choice".to_owned(), "ChoiceEditor".into(), "ChoiceReader".into()];
        for variant in with_fields {
            let plain = variant.name.unraw().to_string();
            let types = ["", "Editor", "Reader"].map(|suffix| format!("{plain}{suffix}"));
            if types.iter().any(|name| seen.contains(name)) {
                errors.keep::<()>(Err(Error::new(
                    variant.name.span(),
                    format!(
                        "the struct of this variant's fields would be called `{}{plain}`, or its \
                         editor or reader as another one's; call the variant something else, with \
                         `#[crdt(rename = \"{plain}\")]` if copies know it by this name",
                        self.name,
                    ),
                )));
            }
            seen.extend(types);
        }
        errors.finish()
    }
}

impl Variant {
    /// Returns the name of the method that gives its fields: `card`, or `r#type`.
    pub(crate) fn method(&self) -> Ident {
        method(&self.called, self.name.span())
    }
}

fn method_taken(variant: &Variant, plain: &str, method: &str, why: &str) -> Error {
    Error::new(
        variant.name.span(),
        format!(
            "the variant `{plain}` would have a method `{method}`, and {why}; call the variant \
             something else, with `#[crdt(rename = \"{plain}\")]` if copies know it by this name"
        ),
    )
}

fn any_variant(variants: &Variants, name: &Ident) -> Result<()> {
    if variants.is_empty() {
        return Err(Error::new(
            name.span(),
            "an enum without variants has no value that a copy could hold; declare at least one, \
             and mark the one that stands before anybody chooses with `#[default]`",
        ));
    }
    Ok(())
}

fn tuple_variant(plain: &str) -> String {
    format!(
        "a variant's fields need names: all copies know a field by its name, whatever its \
         position; write `{plain} {{ field: .. }}`"
    )
}

/// `credit_card` for `CreditCard`, `url_path` for `URLPath`.
fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, &char) in chars.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| chars[before]);
        let ends_a_word = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
        let begins_one = before.is_some_and(char::is_uppercase)
            && chars.get(index + 1).is_some_and(|after| after.is_lowercase());
        if char.is_uppercase() && (ends_a_word || begins_one) {
            snake.push('_');
        }
        snake.extend(char.to_lowercase());
    }
    snake
}

fn method(name: &str, span: Span) -> Ident {
    match name {
        // These cannot be raw identifiers.
        "crate" | "self" | "super" | "_" => format_ident!("{name}_", span = span),
        _ if syn::parse_str::<Ident>(name).is_ok() => Ident::new(name, span),
        _ => Ident::new_raw(name, span),
    }
}
