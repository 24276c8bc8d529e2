//! Reading the arguments of a tool so that an error names the one that is wrong.
//!
//! It adds the name and nothing else: the schema is that of the arguments themselves.

use std::borrow::Cow;

use rmcp::model::JsonObject;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Characters of an error that are kept; it may repeat a value of any length.
const MAX_PROBLEM_CHARS: usize = 400;

/// Arguments of a tool.
#[derive(Debug)]
pub struct Arguments<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Arguments<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let arguments = JsonObject::deserialize(deserializer)?;
        T::deserialize(&arguments).map(Self).map_err(|error| {
            let name = wrong_argument::<T>(&arguments, &error).map(|name| format!("{name}: "));
            let problem = format!("{}{error}", name.unwrap_or_default());
            D::Error::custom(problem.chars().take(MAX_PROBLEM_CHARS).collect::<String>())
        })
    }
}

/// Finds the argument that by itself brings about an error; `None` where one is missing.
fn wrong_argument<'a, T: DeserializeOwned>(
    arguments: &'a JsonObject,
    error: &serde_json::Error,
) -> Option<&'a str> {
    let problem = error.to_string();
    let fails_so =
        |arguments: &JsonObject| T::deserialize(arguments).is_err_and(|error| error.to_string() == problem);
    if fails_so(&JsonObject::new()) {
        return None;
    }
    let alone = |name: &String, value: &Value| JsonObject::from_iter([(name.clone(), value.clone())]);
    arguments.iter().find(|(name, value)| fails_so(&alone(name, value))).map(|(name, _)| name.as_str())
}

impl<T: JsonSchema> JsonSchema for Arguments<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
