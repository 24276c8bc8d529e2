//! The JSON contract of the tools: what comes in, what goes out.
//!
//! Fields that do not apply are absent. Money is in decimal US dollars, exact to the pico-dollar below
//! $2,251; the snapshots in `tests/` guard the shape.

/// Defines an argument that takes one of some names, and what each means.
macro_rules! names {
    ($visibility:vis $input:ident, $meaning:ident, $($name:ident),+) => {
        #[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        $visibility enum $input {
            $($name),+
        }

        impl From<$input> for $meaning {
            fn from(input: $input) -> Self {
                match input {
                    $($input::$name => Self::$name),+
                }
            }
        }
    };
}

pub mod budget;
pub mod dashboard;
pub mod experiment;
pub mod export;
pub mod outcomes;
pub mod outlook;
pub mod plan;
pub mod report;
pub mod request;
pub mod route;
pub mod totals;
pub mod verdict;

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Characters of a problem that are passed on.
const MAX_PROBLEM_CHARS: usize = 400;

/// Reads arguments; an error names the one that is wrong and what is accepted.
pub fn read<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, String> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let path = error.path().to_string();
        // It may repeat a value of any length.
        let problem: String = error.into_inner().to_string().chars().take(MAX_PROBLEM_CHARS).collect();
        if path == "." { problem } else { format!("`{path}`: {problem}") }
    })
}

/// Leaves out a mark that does not apply.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(in crate::mcp) const fn is_false(truth: &bool) -> bool {
    !*truth
}
