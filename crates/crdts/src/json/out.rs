//! The way out: a visible value as plain JSON.

use alloc::string::ToString;

use serde_json::{Value as Json, json};

use crate::json::atoms;
use crate::value::{Branch, Value};
use crate::with_serde::values::name_of;

impl Value {
    /// Returns the value as JSON, with numbers wherever JSON holds them exactly: integers of 64
    /// bits and floats. serde writes those that a browser would change as objects instead; beside
    /// them the two forms are the same, and [`PutJson`](crate::PutJson) takes both.
    ///
    /// Two names that are written alike, such as the number 7 and the string `7`, are one key.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Map(entries) => {
                entries.iter().map(|(name, value)| (name_of(name), value.to_json())).collect()
            }
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Set(atoms) | Self::Several(atoms) => atoms.iter().map(atoms::to_json).collect(),
            Self::Count(sum) => count(*sum),
            Self::Scalar(atom) => atoms::to_json(atom),
            Self::Flag(on) => Json::Bool(*on),
            Self::Tree(branches) => branches.iter().map(branch).collect(),
            Self::Clash(values) => {
                let values: Json = values
                    .iter()
                    .map(|(kind, value)| json!([alloc::format!("{kind:?}"), value.to_json()]))
                    .collect();
                json!({ "clash": values })
            }
        }
    }
}

fn count(sum: i128) -> Json {
    i64::try_from(sum)
        .map(Json::from)
        .or_else(|_| u64::try_from(sum).map(Json::from))
        .unwrap_or_else(|_| Json::String(sum.to_string()))
}

fn branch(Branch { depth, value, is_lost }: &Branch) -> Json {
    json!({ "depth": depth, "value": value.as_ref().map(Value::to_json), "lost": is_lost })
}
