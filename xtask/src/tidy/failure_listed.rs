//! Every failure that a planted bug or a test cites by number is in the list of known failures.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "failure-listed",
    advice: "describe the failure in docs/failures.md, or correct the number",
    check,
};

const LIST: &str = "docs/failures.md";

fn check(tree: &Tree) -> Vec<Spot> {
    let listed = tree.texts.iter().find(|text| text.path == LIST);
    let listed: BTreeSet<u64> =
        listed.iter().flat_map(|text| text.text.lines().filter_map(number)).collect();
    let mut spots = Vec::new();
    for source in &tree.sources {
        let mut cited = Cited::default();
        cited.visit_file(&source.syntax);
        let missing = cited.0.into_iter().filter(|(_, failure)| !listed.contains(failure));
        spots.extend(missing.map(|(line, failure)| {
            Spot::new(&source.path, line, format!("failure {failure} is not listed"))
        }));
    }
    spots
}

/// Returns the number of a line that begins an item of a numbered list.
fn number(line: &str) -> Option<u64> {
    line.split_once(". ")?.0.parse().ok()
}

/// The failures that a file cites, and the lines where it does: `lines: &[..]` of a planted bug,
/// and `line_30_..` or `failure_30_..` as the name of a test.
#[derive(Default)]
struct Cited(Vec<(usize, u64)>);

impl<'ast> Visit<'ast> for Cited {
    fn visit_expr_struct(&mut self, made: &'ast syn::ExprStruct) {
        let is_mutant = made.path.segments.last().is_some_and(|last| last.ident == "Mutant");
        let fields = made.fields.iter().filter(|field| is_mutant && is_lines(&field.member));
        for field in fields {
            let mut numbers = Numbers(&mut self.0);
            numbers.visit_expr(&field.expr);
        }
        visit::visit_expr_struct(self, made);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let name = function.sig.ident.to_string();
        let rest = ["line_", "failure_"].iter().find_map(|prefix| name.strip_prefix(prefix));
        let digits = rest.and_then(|rest| rest.split('_').next());
        if let Some(failure) = digits.and_then(|digits| digits.parse().ok()) {
            self.0.push((function.sig.ident.span().start().line, failure));
        }
        visit::visit_item_fn(self, function);
    }
}

fn is_lines(member: &syn::Member) -> bool {
    matches!(member, syn::Member::Named(name) if name == "lines")
}

/// The numbers in an expression.
struct Numbers<'a>(&'a mut Vec<(usize, u64)>);

impl<'ast> Visit<'ast> for Numbers<'_> {
    fn visit_lit_int(&mut self, literal: &'ast syn::LitInt) {
        let failure = literal.base10_parse().ok();
        self.0.extend(failure.map(|failure| (literal.span().start().line, failure)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_begins_with_its_number() {
        assert_eq!(number("30. **A length.** It lies."), Some(30));
        assert_eq!(number("   30. in another item"), None);
        assert_eq!(number("In 30. words"), None);
        assert_eq!(number("2026"), None);
    }
}
