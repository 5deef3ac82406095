//! A broken law, printed for readers who have never seen the kit.

use std::borrow::ToOwned;
use std::boxed::Box;
use std::format;
use std::string::String;
use std::vec::Vec;

use core::fmt::{self, Debug, Write as _};

use super::law::Law;
use super::subject::DeltaCrdt;

/// Maximum number of bytes of a state that are written out.
const BYTES_SHOWN: usize = 48;

/// One copy, as it is printed.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Operand {
    name: String,
    shows: String,
    saved: Vec<u8>,
}

/// The result of one failed check: the claim that is false, and the copies that show it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Broken {
    claim: String,
    notes: Vec<String>,
    operands: Vec<Operand>,
    compared: Vec<Operand>,
}

/// The result of a check. The box keeps the good case cheap.
pub(super) type Held = Result<(), Box<Broken>>;

impl Broken {
    pub(super) fn new(claim: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            claim: claim.into(),
            notes: Vec::new(),
            operands: Vec::new(),
            compared: Vec::new(),
        })
    }

    /// A copy that the law speaks about.
    pub(super) fn operand<C: DeltaCrdt>(mut self: Box<Self>, name: &str, copy: &C) -> Box<Self> {
        self.operands.push(Operand::of(name, copy));
        self
    }

    /// A copy that ought to equal the other one of these.
    pub(super) fn compare<C: DeltaCrdt>(mut self: Box<Self>, name: &str, copy: &C) -> Box<Self> {
        self.compared.push(Operand::of(name, copy));
        self
    }

    /// Adds anything else that a reader needs: the operation, its delta, an answer.
    pub(super) fn note(mut self: Box<Self>, name: &str, what: &impl Debug) -> Box<Self> {
        self.notes.push(format!("{name}: {what:?}"));
        self
    }
}

impl Operand {
    fn of<C: DeltaCrdt>(name: &str, copy: &C) -> Self {
        Self { name: name.to_owned(), shows: format!("{:?}", copy.view()), saved: copy.save() }
    }
}

/// A type breaks a law: the law, the history, and the state that each copy shows.
///
/// `Display` (and `Debug`, which `unwrap` prints) shows all of it. The history is the shortest that
/// was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Counterexample {
    law: Law,
    subject: String,
    story: Vec<String>,
    broken: Box<Broken>,
}

impl Counterexample {
    pub(super) fn new(law: Law, subject: &str, story: Vec<String>, broken: Box<Broken>) -> Self {
        Self { law, subject: without_paths(subject), story, broken }
    }

    /// The law that is broken.
    pub const fn law(&self) -> Law {
        self.law
    }

    /// The events before the law was checked: one line per event.
    pub fn story(&self) -> &[String] {
        &self.story
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "`{}` is not a CRDT: it breaks a law", self.subject)?;
        writeln!(f, "\nthe law: {}", self.law)?;
        writeln!(f, "  it says   {}", self.law.statement())?;
        writeln!(f, "  if not    {}", self.law.consequence())?;
        writeln!(f, "  but here  {}", self.broken.claim)?;
        writeln!(f, "\nwhat happened")?;
        if self.story.is_empty() {
            writeln!(f, "  nothing: all copies are new")?;
        }
        for (number, line) in (1..).zip(&self.story) {
            writeln!(f, "  {number}. {line}")?;
        }
        section(f, "the copies", &self.broken.operands)?;
        if !self.broken.notes.is_empty() {
            writeln!(f, "\nthe edits and answers")?;
            self.broken.notes.iter().try_for_each(|note| writeln!(f, "  {note}"))?;
        }
        section(f, "what should be equal", &self.broken.compared)
    }
}

fn section(f: &mut fmt::Formatter<'_>, title: &str, operands: &[Operand]) -> fmt::Result {
    if operands.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    let width = operands.iter().map(|operand| operand.name.chars().count()).max().unwrap_or(0);
    for Operand { name, shows, saved } in operands {
        writeln!(f, "  {name:width$}  shows {shows}")?;
        writeln!(f, "  {:width$}  saved {}", "", hex(saved))?;
    }
    Ok(())
}

/// Returns a type's name without module paths: `ReplicaOf<Edit>`.
fn without_paths(type_name: &str) -> String {
    let in_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = type_name.split_inclusive(|c| !in_path(c));
    words.map(|word| word.rsplit("::").next().unwrap_or(word)).collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes.iter().take(BYTES_SHOWN) {
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{byte:02x}");
    }
    match bytes.len() {
        0 => "no bytes".to_owned(),
        len if len > BYTES_SHOWN => format!("{text} .. ({len} bytes)"),
        _ => text,
    }
}

impl Debug for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

impl core::error::Error for Counterexample {}
