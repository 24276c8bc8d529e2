//! Texts that must not be kept: keys, tokens, card numbers and e-mail addresses.

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

/// Says whether a text holds something that looks like a secret or names a person's account.
pub fn is_private(text: &str) -> bool {
    let is_edge = |character: char| {
        character.is_whitespace()
            || matches!(character, '"' | '\'' | '`' | '<' | '>' | '(' | ')' | ',' | ';' | '=' | ':')
    };
    text.contains("-----BEGIN ")
        || text.split(is_edge).any(|word| is_secret(word) || is_address(word))
        || holds_card_number(text)
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
fn holds_card_number(text: &str) -> bool {
    let mut digits: Vec<u32> = Vec::new();
    for character in text.chars().chain(['.']) {
        match character.to_digit(10) {
            Some(digit) => digits.push(digit),
            None if matches!(character, ' ' | '-') => {}
            None => {
                if (13..=19).contains(&digits.len()) && passes_luhn(&digits) {
                    return true;
                }
                digits.clear();
            }
        }
    }
    false
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
}
