//! Patterns of places: their text, what they fit, and that one of two always counts.

use proptest::prelude::*;
use rejoin_crdts::{Dot, Kind, Path, ReplicaId};
use rejoin_resolve::{PathPattern, PatternError};

fn parsed(text: &str) -> PathPattern {
    text.parse().expect("a pattern")
}

fn path(names: &[&str]) -> Path {
    let (first, rest) = names.split_first().expect("an object");
    let object = Path::object(first, Kind::Map);
    rest.iter().fold(object, |path, name| path.field(name, Kind::Map))
}

/// Texts that are patterns, and paths that some of them fit.
fn text() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("*".to_owned()), "[ab]", r"\\[/*\\]"];
    (prop::collection::vec(name, 1..4), any::<bool>()).prop_map(|(mut names, below)| {
        if below {
            names.push("**".to_owned());
        }
        names.join("/")
    })
}

proptest! {
    #[test]
    fn a_text_is_read_back(text in text()) {
        prop_assert_eq!(parsed(&text).to_string(), text);
    }

    /// Of two patterns that fit one place, exactly one counts, and the order has no circles.
    #[test]
    fn one_of_two_that_fit_counts(
        texts in prop::collection::vec(text(), 3),
        names in prop::collection::vec("[ab]", 1..5),
    ) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let place = path(&names);
        let fit: Vec<PathPattern> =
            texts.iter().map(|text| parsed(text)).filter(|it| it.fits(&place)).collect();
        for a in &fit {
            for b in &fit {
                let (over, under) = (a.is_more_specific_than(b), b.is_more_specific_than(a));
                prop_assert_eq!(over != under, a != b, "{} and {}", a, b);
                for c in &fit {
                    let chained = over && b.is_more_specific_than(c);
                    prop_assert!(!chained || a.is_more_specific_than(c));
                }
            }
        }
    }
}

#[test]
fn patterns_fit_what_they_say() {
    let price = path(&["tent", "price"]);
    for text in ["tent/price", "*/price", "tent/*", "*/*", "**", "tent/**", "*/**"] {
        assert!(parsed(text).fits(&price), "{text}");
    }
    for text in ["tent", "*", "price/*", "tent/price/*", "tent/price/**", "*/stock"] {
        assert!(!parsed(text).fits(&price), "{text}");
    }
    let dot = Dot::new(ReplicaId::from_u128(1), 1).expect("the first dot");
    let item = path(&["tent"]).field("shelf", Kind::List).key(&dot, Kind::Siblings);
    assert!(parsed("*/shelf/*").fits(&item), "the id of an item");
    assert!(parsed(r"a\/b\*/\\").fits(&path(&["a/b*", r"\"])));
}

#[test]
fn what_is_no_pattern_is_named() {
    let error = |text: &str| text.parse::<PathPattern>().expect_err(text);
    assert_eq!(error(""), PatternError::Empty);
    assert_eq!(error("**/price"), PatternError::NotAtTheEnd);
    for text in ["a*", "***", r"a\", r"\a/b"] {
        assert_eq!(error(text), PatternError::Escape, "{text}");
    }
}
