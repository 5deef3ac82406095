//! The messages between the driver and a child: JSON, one message per line.
//!
//! The driver writes requests to the child's standard input and reads responses from its standard
//! output. Requests may follow each other without waiting, and responses come in any order: the
//! `id` says which belongs to which. A child ends when its standard input ends.
//!
//! ```text
//! {"id":7,"command":{"transact":{"key":"81","customer":"17850","edits":[{"add":["71053",6]}]}}}
//! {"id":7,"ok":{"receipt":{"repeated":false,"durable":true,"receipt":"3f..:9-9@5c.."}}}
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::failure::Advice;

/// A request to a child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Repeated in the response.
    pub(crate) id: u64,
    /// The command to carry out.
    pub(crate) command: Command,
}

/// A command for a child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Show how others join your spaces: [`Reply::Tickets`].
    Tickets,
    /// Listen for other replicas; port 0 is any that is free: [`Reply::Listening`].
    Listen { port: u16 },
    /// Keep up a connection to the replica behind an address, whatever happens:
    /// [`Reply::Connected`].
    Connect { address: SocketAddr },
    /// Change one cart in one durable transaction: [`Reply::Receipt`].
    ///
    /// The same key again changes nothing and answers with the first receipt.
    Transact {
        key: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        author: Option<String>,
        customer: String,
        edits: Vec<Edit>,
    },
    /// Change one product in one durable transaction: [`Reply::Receipt`].
    EditProduct { author: String, product: String, edits: Vec<ProductEdit> },
    /// Settle the open conflict over a price: the one that was overridden stands from now on:
    /// [`Reply::Receipt`].
    LetOtherPriceStand { author: String, product: String },
    /// Undo a transaction on a cart by its receipt: [`Reply::Undone`].
    Undo { receipt: String },
    /// Show one cart: [`Reply::Cart`]; an empty one for a customer without any.
    Cart { customer: String },
    /// Show one product: [`Reply::Product`].
    Product { product: String },
    /// Name every customer with a cart: [`Reply::Customers`].
    Customers,
    /// Report the version vector: [`Reply::Vector`].
    Vector,
    /// Report the decisions between concurrent changes, in all spaces: [`Reply::Conflicts`].
    Conflicts,
    /// Measure the entries that you hold: [`Reply::Stats`].
    Stats,
    /// Compute the digest of the carts: [`Reply::Digest`].
    Digest,
    /// Close the store, open it again, compute the digest of each space, and end:
    /// [`Reply::Digest`].
    Close,
}

/// One change of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Edit {
    /// Add a quantity, which may be negative, of a stock code.
    Add(String, i64),
    /// Remove the line of a stock code.
    Remove(String),
    /// Remove every line.
    Clear,
    /// Write the delivery note.
    Note(String),
    /// Promise a delivery.
    Delivery(Delivery),
}

/// A promised delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// The shop that delivers.
    pub(crate) shop: String,
    /// The way from there to the customer.
    pub(crate) km: u64,
    /// When.
    pub(crate) slot: String,
}

impl std::fmt::Display for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} km, {}", self.shop, self.km, self.slot)
    }
}

/// One change of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProductEdit {
    /// Write the description, in lines.
    Description(String),
    /// Write the price, in cents.
    Price(u64),
}

/// The response of a child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Response {
    /// The `id` of the request.
    pub(crate) id: u64,
    /// The outcome of the request.
    #[serde(flatten)]
    pub(crate) answer: Answer,
}

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// It was done.
    Ok(Reply),
    /// It was not done.
    Error(Refusal),
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The tickets by which others join its spaces: that of the carts, and that of the catalogue if
    /// it keeps one.
    Tickets(Vec<String>),
    /// The address to which other replicas can connect.
    Listening { address: SocketAddr },
    /// The connection is kept up from now on, even if it is not established yet.
    Connected,
    /// The transaction is applied, by this request or, when `repeated`, by an earlier one. The
    /// receipt is what an undo needs.
    Receipt { repeated: bool, durable: bool, receipt: String },
    /// It is undone, except for what stands at these places.
    Undone { stays: Vec<String> },
    /// One cart.
    Cart(CartState),
    /// One product.
    Product(ProductState),
    /// The keys of all carts.
    Customers(Vec<String>),
    /// The version vector of all spaces: replica id to counter.
    Vector(BTreeMap<String, u64>),
    /// One sentence for each decision, naming the rule.
    Conflicts(Vec<String>),
    /// The entries of all origins, and their encoded size together.
    Stats { entries: u64, encoded_bytes: u64 },
    /// The digest of a space in hexadecimal digits; of several, with blanks between them.
    Digest(String),
}

/// The contents of a cart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CartState {
    /// Stock code and quantity of every line, including those of quantity zero.
    pub(crate) lines: Vec<(String, i64)>,
    /// The delivery note, when there is one.
    pub(crate) note: Option<String>,
    /// The delivery, when one is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delivery: Option<Delivery>,
}

/// A product: of each field what stands, which is one value unless nobody could decide.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProductState {
    /// The description, in lines.
    pub(crate) description: Vec<String>,
    /// The price in cents.
    pub(crate) price: Vec<u64>,
}

/// The reason why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// The error.
    pub(crate) message: String,
    /// Advice on what to do next.
    pub(crate) help: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl Advice for Refusal {
    fn help(&self) -> String {
        self.help.clone()
    }
}

/// Returns `message` as a line to be written.
pub(crate) fn to_line(message: &impl Serialize) -> Vec<u8> {
    // Maps have string keys and nothing here fails to serialize.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Returns the message that `line` holds.
///
/// # Errors
/// When the line is not such a message.
pub(crate) fn from_line<'l, M: Deserialize<'l>>(line: &'l [u8]) -> Result<M, serde_json::Error> {
    serde_json::from_slice(line)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::de::DeserializeOwned;

    use super::*;

    fn round_trip<M: Serialize + DeserializeOwned + PartialEq + Debug>(message: &M) -> String {
        let line = to_line(message);
        let (end, text) = line.split_last().unwrap();
        assert_eq!(*end, b'\n');
        assert!(!text.contains(&b'\n'), "one line");
        assert_eq!(from_line::<M>(text).unwrap(), *message);
        String::from_utf8(text.to_vec()).unwrap()
    }

    fn delivery() -> Delivery {
        Delivery { shop: "north".to_owned(), km: 4, slot: "Friday".to_owned() }
    }

    fn transact(
        key: Option<String>,
        author: Option<String>,
        customer: String,
        edits: Vec<Edit>,
    ) -> Command {
        Command::Transact { key, author, customer, edits }
    }

    #[test]
    fn every_command_survives_its_line() {
        let customer = || "a\nb\"ç".to_owned();
        let edits = vec![
            Edit::Add("84029E".to_owned(), -6),
            Edit::Remove("x".to_owned()),
            Edit::Clear,
            Edit::Note("ring\ntwice".to_owned()),
            Edit::Delivery(delivery()),
        ];
        let product = || "tea".to_owned();
        let author = || "north".to_owned();
        let changes = vec![ProductEdit::Description("a\nb".to_owned()), ProductEdit::Price(499)];
        for command in [
            Command::Tickets,
            Command::Listen { port: 0 },
            Command::Connect { address: "127.0.0.1:4711".parse().unwrap() },
            transact(Some("81".to_owned()), Some(author()), customer(), edits),
            transact(None, None, String::new(), Vec::new()),
            Command::EditProduct { author: author(), product: product(), edits: changes },
            Command::LetOtherPriceStand { author: author(), product: product() },
            Command::Undo { receipt: "ab:1-2".to_owned() },
            Command::Cart { customer: customer() },
            Command::Product { product: product() },
            Command::Customers,
            Command::Vector,
            Command::Conflicts,
            Command::Stats,
            Command::Digest,
            Command::Close,
        ] {
            round_trip(&Request { id: u64::MAX, command });
        }
    }

    #[test]
    fn every_reply_survives_its_line() {
        let lines = vec![("71053".to_owned(), i64::MIN), (String::new(), i64::MAX)];
        for reply in [
            Reply::Tickets(vec!["t".to_owned(), "u".to_owned()]),
            Reply::Listening { address: "127.0.0.1:1".parse().unwrap() },
            Reply::Connected,
            Reply::Receipt { repeated: true, durable: false, receipt: "ab:1-2".to_owned() },
            Reply::Undone { stays: vec!["alice/note".to_owned()] },
            Reply::Cart(CartState {
                lines,
                note: Some("x".to_owned()),
                delivery: Some(delivery()),
            }),
            Reply::Cart(CartState::default()),
            Reply::Product(ProductState {
                description: vec!["a\nb".to_owned()],
                price: vec![1, 2],
            }),
            Reply::Product(ProductState::default()),
            Reply::Customers(vec![String::new(), "7".to_owned()]),
            Reply::Vector(BTreeMap::from([("ab".to_owned(), u64::MAX)])),
            Reply::Conflicts(vec!["b won by the later write".to_owned()]),
            Reply::Stats { entries: 1, encoded_bytes: 2 },
            Reply::Digest("00ff".to_owned()),
        ] {
            round_trip(&Response { id: 0, answer: Answer::Ok(reply) });
        }
        let refusal = Refusal { message: "no".to_owned(), help: "ask again".to_owned() };
        round_trip(&Response { id: 1, answer: Answer::Error(refusal) });
    }

    #[test]
    fn lines_look_as_documented() {
        let edits = vec![Edit::Add("71053".to_owned(), 6)];
        let command = transact(Some("81".to_owned()), None, "17850".to_owned(), edits);
        assert_eq!(
            round_trip(&Request { id: 7, command }),
            concat!(
                r#"{"id":7,"command":{"transact":{"key":"81","customer":"17850","#,
                r#""edits":[{"add":["71053",6]}]}}}"#
            )
        );
        let receipt = "3f..:9-9@5c..".to_owned();
        let answer = Answer::Ok(Reply::Receipt { repeated: false, durable: true, receipt });
        assert_eq!(
            round_trip(&Response { id: 7, answer }),
            concat!(
                r#"{"id":7,"ok":{"receipt":{"repeated":false,"durable":true,"#,
                r#""receipt":"3f..:9-9@5c.."}}}"#
            )
        );
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for line in ["", "{}", "null", r#"{"id":1}"#, r#"{"id":-1,"ok":"connected"}"#, "x"] {
            assert!(from_line::<Response>(line.as_bytes()).is_err(), "{line}");
            assert!(from_line::<Request>(line.as_bytes()).is_err(), "{line}");
        }
    }
}
