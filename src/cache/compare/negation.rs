//! Who says "not": negation words and words that amount to one.

use super::words::{Role, Words};

/// Words that turn a sentence around without a "not".
const REVERSALS: [&str; 10] =
    ["avoid", "cease", "except", "exclude", "excluding", "lack", "prevent", "quit", "stop", "unless"];

/// What one does not do when one asks: "I do not know how" asks how.
const IGNORANCE: [&str; 13] = [
    "certain",
    "clue",
    "figure",
    "find",
    "idea",
    "know",
    "locate",
    "mind",
    "remember",
    "see",
    "sure",
    "tell",
    "understand",
];

/// Counts negations; "not only", "why not" and "I am not sure how" are none.
pub(super) fn negations(words: &Words) -> usize {
    let mut count = 0;
    let mut before = "";
    for (place, word) in words.all.iter().enumerate() {
        let written = words.text(word);
        let next = words.all.get(place + 1).map_or("", |next| words.text(next));
        let is_negation = match word.role {
            Role::Negation => {
                let is_idle =
                    matches!((before, written, next), (_, "not", "only") | ("why" | "or", "not", _));
                let is_ignorance = written != "never" && IGNORANCE.binary_search(&next).is_ok();
                !(is_idle || is_ignorance)
            }
            _ => REVERSALS.binary_search(&written).is_ok(),
        };
        count += usize::from(is_negation);
        before = written;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negations_are_counted() {
        let check = |text: &str, expected| assert_eq!(negations(&Words::of(text)), expected, "{text}");
        check("Which plans include calls?", 0);
        check("Which plans don't include calls?", 1);
        check("Can't it be without meat?", 2);
        check("Should I stop watering?", 1);
        check("Not only plans", 0);
        check("Nobody never knows", 2);
        check("I don't know how to pay, no idea, I'm not sure, I can't find it", 0);
        assert!(REVERSALS.is_sorted() && IGNORANCE.is_sorted());
    }
}
