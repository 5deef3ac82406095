//! The examples of `docs/format.md`, for the unit tests of what only private code can read.

const DOCUMENT: &str = include_str!("../../../docs/format.md");

/// Returns the bytes of the example of this name.
pub(crate) fn example(name: &str) -> Vec<u8> {
    let (_, rest) = DOCUMENT.split_once(&format!("```hex {name}\n")).expect(name);
    let (digits, _) = rest.split_once("```").expect("the end of the example");
    let digits: String = digits.split_whitespace().collect();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}
