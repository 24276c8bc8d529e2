//! Counts and amounts as servers write them: a number, a number in quotes, `null`, or nonsense.
//!
//! An answer is paid for whatever stands beside it, so what cannot be read is missing and never an error.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value;

use crate::domain::usage::Usage;

/// Reads a count of tokens; one that is negative or no whole number is none.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    /// From here on a float skips whole numbers.
    const FIRST_INEXACT: f64 = (1_u64 << 53) as f64;
    let whole = |number: f64| (0.0..FIRST_INEXACT).contains(&number) && number.fract() == 0.0;
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().filter(|number| whole(*number)).map(|number| number as u64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

/// Reads an amount of money.
pub(super) fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

/// Reads a part that says more about the answer; one of another shape is none.
pub(super) fn detail<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// Takes a usage for what it says; a prompt has tokens, so one that counts none has not been counted.
pub(super) fn told(usage: Usage) -> Option<Usage> {
    (usage.input_tokens > 0 || usage.output_tokens > 0).then_some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_count_is_a_whole_number_in_quotes_or_not() {
        let check = |value: Value, expected: Option<u64>| {
            assert_eq!(count(value.clone()).expect("a count is no error"), expected, "{value}");
        };
        check(json!(12), Some(12));
        check(json!("12"), Some(12));
        check(json!(12.0), Some(12));
        check(json!(u64::MAX), Some(u64::MAX));
        for nonsense in
            [json!(-1), json!(1.5), json!(1e300), json!("twelve"), json!("-1"), json!([12]), json!(null)]
        {
            check(nonsense, None);
        }
    }
}
