//! Whether two answers say the same: what the cache's labels are made of.
//!
//! Answers that are equal but for case, white space, courtesies and closing punctuation are the same, and such as have
//! nearly one embedding and no difference in numbers, negation or opposites. They differ where the embeddings do, or
//! where nothing but a number does. What lies between is not decided. How often this is wrong was measured
//! (packaging/verifier/README.md).

use super::compare::{Prepared, Veto, normalised, veto};

/// The cosine from which answers say the same.
const SAME_FROM: f32 = 0.9;
/// The cosine below which they do not.
const OTHER_BELOW: f32 = 0.6;

/// The share of different answers, of those that are decided, that are called the same; the bound on wrong hits is
/// raised by it. On news sentences (MRPC) it was 23 of 89.
pub const CALLED_THE_SAME: f64 = 0.3;

/// Says whether two answers are equal but for what means nothing; cheap, and `false` says little.
pub fn are_equal(left: &str, right: &str) -> bool {
    left == right || normalised(left).is_some_and(|form| normalised(right) == Some(form))
}

/// Says whether two answers say the same; `None`: nobody can tell. The cosine is that of the whole texts.
pub fn agree(left: &str, right: &str, cosine: Option<f32>) -> Option<bool> {
    if are_equal(left, right) {
        return Some(true);
    }
    let veto = veto(&Prepared::new(left), &Prepared::new(right));
    match (veto, cosine) {
        (_, Some(cosine)) if cosine < OTHER_BELOW => Some(false),
        (Some(Veto::Number), Some(cosine)) if cosine >= SAME_FROM => Some(false),
        (None, Some(cosine)) if cosine >= SAME_FROM => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_agree_where_nothing_that_matters_differs() {
        let check = |left: &str, right: &str, cosine: Option<f32>, expected: Option<bool>| {
            assert_eq!(agree(left, right, cosine), expected, "{left} | {right}");
            assert_eq!(agree(right, left, cosine), expected, "{right} | {left}");
        };
        check("Paris", "paris.", None, Some(true));
        check("It is Paris", "Paris is the capital", None, None);
        check("It is Paris", "The capital is Paris", Some(0.93), Some(true));
        check("It is Paris", "The capital is Paris", Some(0.75), None);
        check("It is Paris", "Use a screwdriver", Some(0.1), Some(false));
        check("It takes 3 days", "It takes 5 days", Some(0.98), Some(false));
        check("It takes 3 days", "In 1990 it took 5 days, and it does so still", Some(0.8), None);
        check("You can pay by card", "You can not pay by card", Some(0.95), None);
        check("You can not pay by card", "Turn the screw", Some(0.05), Some(false));
    }
}
