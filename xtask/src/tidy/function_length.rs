//! A function has at most 70 lines of code between its braces, counted as clippy's
//! `too_many_lines` counts: without blanks and comments.
//!
//! A codec's one match may be longer: `#[expect(clippy::too_many_lines, reason = "..")]`, which
//! stops compiling cleanly as soon as it is no longer needed.

use syn::visit::{self, Visit};
use syn::{Attribute, Block, Meta, Signature};

use super::source::Source;
use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "function-length",
    advice: "split it (aim at 15), or #[expect(clippy::too_many_lines, reason = \"..\")]",
    check,
};

const LIMIT: usize = 70;

fn check(tree: &Tree) -> Vec<Spot> {
    let mut spots = Vec::new();
    for source in &tree.sources {
        let mut functions = Functions { source, spots: &mut spots };
        functions.visit_file(&source.syntax);
    }
    spots
}

struct Functions<'a> {
    source: &'a Source,
    spots: &'a mut Vec<Spot>,
}

impl Functions<'_> {
    fn function(&mut self, attributes: &[Attribute], signature: &Signature, block: &Block) {
        let lines = self.source.block_length(block);
        if lines > LIMIT && !attributes.iter().any(is_expected) {
            let name = &signature.ident;
            let message = format!("`{name}` has {lines} lines of code, {LIMIT} allowed");
            let line = signature.fn_token.span.start().line;
            self.spots.push(Spot::new(&self.source.path, line, message));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.attrs, &function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.attrs, &function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.attrs, &function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

fn is_expected(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    let tokens = list.tokens.to_string();
    list.path.is_ident("expect") && tokens.contains("too_many_lines") && tokens.contains("reason")
}
