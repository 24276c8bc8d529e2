//! Texts that must not be kept: keys, tokens, card numbers and e-mail addresses.

use std::ops::Range;

const SECRET_PREFIXES: [&str; 14] = [
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "sb_secret_",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "AIza",
    "eyJ",
];
const SHORTEST_SECRET: usize = 20;
/// How a key in a file of its own begins.
const KEY_BLOCK: &str = "-----BEGIN ";

/// What stands in the place of what was taken out.
const TAKEN_OUT: &str = "[redacted]";

/// Says whether a text holds something that looks like a secret or names a person's account.
pub fn is_private(text: &str) -> bool {
    text.contains(KEY_BLOCK) || private_words(text).next().is_some() || !card_numbers(text).is_empty()
}

/// Takes out of a text what looks like a secret or names a person's account.
pub fn redacted(text: &str) -> String {
    if text.contains(KEY_BLOCK) {
        return TAKEN_OUT.to_owned();
    }
    let mut private: Vec<Range<usize>> = private_words(text).chain(card_numbers(text)).collect();
    private.sort_by_key(|range| (range.start, range.end));
    let (mut kept, mut from) = (String::with_capacity(text.len()), 0);
    for range in private {
        if range.start >= from {
            kept.push_str(text.get(from..range.start).unwrap_or_default());
            kept.push_str(TAKEN_OUT);
        }
        from = from.max(range.end);
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    kept
}

/// Finds the words that are secrets or addresses.
fn private_words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_edge = |character: char| {
        character.is_whitespace()
            || matches!(character, '"' | '\'' | '`' | '<' | '>' | '(' | ')' | ',' | ';' | '=' | ':')
    };
    let words = text.split(is_edge).map(move |word| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        (word, start..start + word.len())
    });
    words.filter(|(word, _)| is_secret(word) || is_address(word)).map(|(_, range)| range)
}

fn is_secret(word: &str) -> bool {
    word.len() >= SHORTEST_SECRET && SECRET_PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}

fn is_address(word: &str) -> bool {
    word.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.trim_end_matches('.').contains('.') && !host.starts_with('.')
    })
}

/// Finds 13 to 19 digits, perhaps in groups, that pass the Luhn check.
fn card_numbers(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut digits, mut place): (Vec<u32>, Range<usize>) = (Vec::new(), 0..0);
    for (index, character) in text.char_indices().chain([(text.len(), '.')]) {
        match character.to_digit(10) {
            Some(digit) => {
                let start = if digits.is_empty() { index } else { place.start };
                place = start..index + character.len_utf8();
                digits.push(digit);
            }
            None if matches!(character, ' ' | '-') => {}
            None => {
                if (13..=19).contains(&digits.len()) && passes_luhn(&digits) {
                    found.push(place.clone());
                }
                digits.clear();
            }
        }
    }
    found
}

fn passes_luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 1 { doubled(*digit) } else { *digit })
        .sum();
    sum.is_multiple_of(10) && sum > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen_and_words_are_not() {
        let check = |text: &str, expected: bool| assert_eq!(is_private(text), expected, "{text}");
        check("my key is sk-abcdefghijklmnopqrstuvwx", true);
        check("token=eyJhbGciOiJIUzI1NiJ9.e30.abc", true);
        check("write to jane@example.com please", true);
        check("card 4111 1111 1111 1111.", true);
        check("card 4111 1111 1111 1112.", false);
        check("risk-averse sk-etch @ home", false);
        check("What is the capital of France?", false);
        check("the decorator @property.setter", false);
    }

    #[test]
    fn what_is_private_is_taken_out_and_the_rest_stays() {
        let check = |text: &str, expected: &str| {
            assert_eq!(redacted(text), expected);
            assert!(!is_private(expected), "{expected}");
        };
        check("pay 4111 1111 1111 1111, now", "pay [redacted], now");
        check(
            "key=sk-abcdefghijklmnopqrstuvwx; mail <jane@example.com>",
            "key=[redacted]; mail <[redacted]>",
        );
        check("é jane@example.com 4111-1111-1111-1111", "é [redacted] [redacted]");
        check("-----BEGIN PRIVATE KEY----- x", "[redacted]");
        check("What is 4111 1111 1111 1112?", "What is 4111 1111 1111 1112?");
        check("", "");
    }
}
