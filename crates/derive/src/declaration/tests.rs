//! The errors that a user reads when a declaration cannot be derived.

use crate::expand;

/// Returns the messages of all errors, one per line; none when it expands.
fn errors(declaration: &str) -> String {
    let input = syn::parse_str(declaration).expect("a test declares something that parses");
    let messages: Vec<String> = match expand(input) {
        Ok(_) => Vec::new(),
        Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
    };
    messages.join("\n")
}

/// Checks that every word of `words` is in the one error of the declaration.
#[track_caller]
fn refused(declaration: &str, words: &[&str]) {
    let errors = errors(declaration);
    assert_eq!(errors.lines().count(), 1, "{errors}");
    for word in words {
        assert!(errors.contains(word), "`{word}` is not said in: {errors}");
    }
}

#[test]
fn what_is_no_struct_with_named_fields_is_refused() {
    refused("union Cell { count: u64 }", &["union", "struct with named fields"]);
    refused("struct Cart(PnCounter);", &["need names", "`struct Name { field: .. }`"]);
    refused("struct Nothing;", &["at least one field"]);
    refused("struct Nothing {}", &["at least one field"]);
}

#[test]
fn a_borrowed_field_is_refused() {
    refused("struct Cart<'a> { note: LwwRegister<&'a str> }", &["owns its data", "`String`"]);
}

#[test]
fn two_fields_of_one_name_are_refused() {
    let found = errors("struct Cart { note: A, #[crdt(rename = \"note\")] remark: B }");
    assert!(found.contains("both `note` and `remark` as `note`"), "{found}");
    assert!(found.contains("`note` is first used here"), "{found}");
    let raw = errors("struct Cart { r#type: A, #[crdt(rename = \"type\")] kind: B }");
    assert!(raw.contains("both `type` and `kind` as `type`"), "{raw}");
}

#[test]
fn names_that_change_places_are_fine() {
    let swapped = "struct Cart { #[crdt(rename = \"b\")] a: A, #[crdt(rename = \"a\")] b: B }";
    assert_eq!(errors(swapped), "");
}

#[test]
fn a_field_named_as_a_method_of_every_editor_is_refused() {
    for name in ["clear", "reader", "r#clear"] {
        let plain = name.trim_start_matches("r#");
        refused(&format!("struct Weather {{ {name}: A }}"), &[&format!("rename = \"{plain}\"")]);
    }
    assert_eq!(errors("struct Weather { #[crdt(rename = \"clear\")] sunny: A }"), "");
}

#[test]
fn an_unknown_attribute_is_refused_with_the_known_ones() {
    refused("struct Cart { #[crdt(skip)] note: A }", &["`#[crdt(rename = \"name\")]`"]);
    refused("#[crdt(rename = \"Basket\")] struct Cart { note: A }", &["`#[crdt(crate = path)]`"]);
    refused("#[crdt(crate = \"sync\")] struct Cart { note: A }", &["without quotes"]);
    refused("struct Cart { #[crdt(rename = note)] note: A }", &["string literal"]);
    let twice = "struct Cart { #[crdt(rename = \"a\", rename = \"b\")] note: A }";
    refused(twice, &["said twice"]);
    refused("#[crdt(crate = a)] #[crdt(crate = b)] struct Cart { note: A }", &["said twice"]);
}

#[test]
fn all_errors_come_at_once() {
    let found = errors("struct Cart<'a> { clear: A, #[crdt(skip)] note: &'a B }");
    assert_eq!(found.lines().count(), 3, "{found}");
}

#[test]
fn plain_types_are_refused_with_what_to_take_instead() {
    let instead = [
        ("String", "`LwwRegister<String>`"),
        ("u64", "`PnCounter`"),
        ("bool", "`EnableWinsFlag`"),
        ("f64", "`LwwRegister<f64>`"),
        ("char", "`LwwRegister<String>`"),
        ("Vec<A>", "`List<V>`"),
        ("std::collections::BTreeMap<String, A>", "`OrMap<K, V>`"),
        ("HashSet<u64>", "`OrSet<T>`"),
        ("Option<A>", "empty until"),
        ("PhantomData<A>", "leave it out"),
    ];
    for (ty, word) in instead {
        refused(&format!("struct Cart {{ note: {ty} }}"), &[word]);
    }
    assert_eq!(errors("struct Cart { note: mine::String, other: LwwRegister<String> }"), "");
}

/// Checks the one error of an enum with these variants, which declares a rule.
#[track_caller]
fn refused_enum(variants: &str, words: &[&str]) {
    refused(&format!("#[crdt(concurrent = \"latest\")] enum Payment {{ {variants} }}"), words);
}

#[test]
fn an_enum_says_which_of_its_variants_stands() {
    let words = ["different variants", "\"latest\"", "\"first declared\"", "\"last declared\""];
    refused("enum Payment { Open, Paid }", &words);
    refused("#[crdt(concurrent = \"newest\")] enum Payment { Open }", &["`newest`", "\"latest\""]);
    refused("#[crdt(concurrent = latest)] enum Payment { Open }", &["string literal"]);
    refused("#[crdt(concurrent = \"latest\")] struct Cart { note: A }", &["of an enum"]);
    for rule in ["latest", "first declared", "last declared"] {
        assert_eq!(
            errors(&format!("#[crdt(concurrent = \"{rule}\")] enum Payment {{ Open }}")),
            ""
        );
    }
}

#[test]
fn variants_have_named_fields_or_none() {
    refused_enum("Open, Card(A)", &["need names", "`Card { field: .. }`"]);
    refused_enum("", &["without variants", "#[default]"]);
    refused_enum("Card { note: String }", &["`LwwRegister<String>`"]);
    let twice = "Card { a: A, #[crdt(rename = \"a\")] b: B }";
    let found = errors(&format!("#[crdt(concurrent = \"latest\")] enum Payment {{ {twice} }}"));
    assert!(found.contains("both `a` and `b` as `a`"), "{found}");
}

#[test]
fn variants_do_not_get_in_each_others_way() {
    refused_enum("#[crdt(rename = \"variant\")] Open", &["the choice itself"]);
    refused_enum("Get { a: A }", &["method `get`", "rename = \"Get\""]);
    let alike = "HTTPGet { a: A }, HttpGet { b: A }";
    let found = errors(&format!("#[crdt(concurrent = \"latest\")] enum Payment {{ {alike} }}"));
    assert!(found.contains("method `http_get`, and `HTTPGet` has it, too"), "{found}");
    assert!(found.contains("method `choose_http_get`"), "{found}");
    refused_enum("Choice { a: A }", &["`PaymentChoice`"]);
    refused_enum("Card { a: A }, CardEditor { b: A }", &["`PaymentCardEditor`"]);
    let fine = "Get, Choice, Reader, Crate { a: A }, Type { a: A }, r#Self_ { a: A }, Card {}";
    assert_eq!(errors(&format!("#[crdt(concurrent = \"latest\")] enum Payment {{ {fine} }}")), "");
}
