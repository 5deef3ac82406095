//! A parsed Rust file: its tokens, its syntax, and the lines that hold code or tests.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::Spot;
use super::tree::Text;

/// A Rust file that parses.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) tokens: TokenStream,
    pub(super) syntax: syn::File,
    /// The lines that hold more than blanks, comments and documentation.
    code: BTreeSet<usize>,
    /// The lines of modules that are only compiled for tests.
    tests: Vec<RangeInclusive<usize>>,
}

impl Source {
    /// Parses a file, or returns the place where it does not parse.
    pub(super) fn parse(text: &Text) -> Result<Self, Spot> {
        let broken = |at: proc_macro2::Span, error: String| {
            Err(Spot::new(&text.path, at.start().line, error))
        };
        let tokens: TokenStream = match text.text.parse::<TokenStream>() {
            Ok(tokens) => tokens,
            Err(error) => return broken(error.span(), error.to_string()),
        };
        let syntax = match syn::parse2::<syn::File>(tokens.clone()) {
            Ok(syntax) => syntax,
            Err(error) => return broken(error.span(), error.to_string()),
        };
        let mut code = BTreeSet::new();
        collect_code(tokens.clone(), &mut code);
        let mut modules = TestModules::default();
        modules.visit_file(&syntax);
        let (path, text) = (text.path.clone(), text.text.clone());
        Ok(Self { path, text, tokens, syntax, code, tests: modules.lines })
    }

    /// True if `line` is in a module that is only compiled for tests.
    pub(super) fn in_tests(&self, line: usize) -> bool {
        self.tests.iter().any(|lines| lines.contains(&line))
    }

    /// Counts the lines within `lines` that hold code outside of test modules.
    pub(super) fn code_lines(&self, lines: RangeInclusive<usize>) -> usize {
        self.code.range(lines).filter(|line| !self.in_tests(**line)).count()
    }

    /// Counts the lines of code that a block has between its braces; tests count like everything
    /// else.
    pub(super) fn block_length(&self, block: &syn::Block) -> usize {
        let braces = block.brace_token.span;
        let (open, close) = (braces.open().start().line, braces.close().start().line);
        self.code.range(open..=close).filter(|line| **line != open && **line != close).count()
    }
}

/// True if one of the attributes is `cfg(test)`, alone or within `all(..)`.
pub(super) fn is_cfg_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => names_test(list.tokens.clone()),
        _ => false,
    })
}

fn names_test(predicate: TokenStream) -> bool {
    let mut after_all = false;
    predicate.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => {
            after_all = ident == "all";
            ident == "test"
        }
        TokenTree::Group(group) => std::mem::take(&mut after_all) && names_test(group.stream()),
        _ => false,
    })
}

#[derive(Default)]
struct TestModules {
    lines: Vec<RangeInclusive<usize>>,
}

impl<'ast> Visit<'ast> for TestModules {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if let (true, Some((braces, _))) = (is_cfg_test(&module.attrs), &module.content) {
            let first = module.attrs.first().map_or(module.ident.span(), Spanned::span);
            self.lines.push(first.start().line..=braces.span.close().start().line);
        }
        visit::visit_item_mod(self, module);
    }
}

/// Marks the lines of every token that is not documentation (`#[doc ..]`; the lexer turns `///` and
/// `//!` into that, too).
fn collect_code(tokens: TokenStream, code: &mut BTreeSet<usize>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if let TokenTree::Punct(punct) = &token
            && punct.as_char() == '#'
        {
            let mut ahead = tokens.clone();
            ahead.next_if(|next| matches!(next, TokenTree::Punct(p) if p.as_char() == '!'));
            if ahead.next().is_some_and(|next| is_documentation(&next)) {
                tokens = ahead;
                continue;
            }
        }
        match token {
            TokenTree::Group(group) => {
                code.insert(group.span_open().start().line);
                code.insert(group.span_close().start().line);
                collect_code(group.stream(), code);
            }
            token => code.extend(token.span().start().line..=token.span().end().line),
        }
    }
}

fn is_documentation(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else { return false };
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::Bracket
        && matches!(first, Some(TokenTree::Ident(ident)) if ident == "doc")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Source {
        Source::parse(&Text { path: "x.rs".to_owned(), text: text.to_owned() }).expect("parses")
    }

    #[test]
    fn comments_blanks_and_documentation_are_not_code() {
        let source = parse(
            "//! Doc.\n\n// why\n/* a\nb */\n/// Doc.\n#[doc = \"x\"]\nfn f() {\n    // why\n\n\
             \x20   let s = \"//\n\nnot a comment\";\n}\n",
        );
        assert_eq!(source.code_lines(1..=99), 5, "{:?}", source.code);
    }

    #[test]
    fn only_modules_for_tests_are_left_out() {
        let source = parse(
            "#[cfg(test)]\nmod tests {\n    fn f() {}\n}\n#[cfg(any(test, unix))]\nmod both {}\n\
             #[cfg(all(unix, test))]\nmod more {}\n#[cfg(not(test))]\nmod never {}\n",
        );
        let in_tests = (1..=10).filter(|line| source.in_tests(*line)).collect::<Vec<_>>();
        assert_eq!(in_tests, [1, 2, 3, 4, 7, 8]);
    }

    #[test]
    fn a_file_that_does_not_parse_says_where() {
        let text = Text { path: "x.rs".to_owned(), text: "fn f() {}\nfn {\n".to_owned() };
        let spot = Source::parse(&text).map(|source| source.path).unwrap_err();
        assert_eq!((spot.path.as_str(), spot.line), ("x.rs", 2));
    }
}
