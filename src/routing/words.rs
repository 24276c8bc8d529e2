//! Words of a text, and lists of them found in it.

/// Lists the words of a text that is in lower case already: letters and digits, with `-`, `'`, `+` and `_` inside.
pub(super) fn words(lower: &str) -> Vec<&str> {
    lower
        .split(|character: char| {
            !(character.is_alphanumeric() || matches!(character, '-' | '\'' | '+' | '_'))
        })
        .map(|word| word.trim_matches(|edge| matches!(edge, '-' | '\'')))
        .filter(|word| !word.is_empty())
        .collect()
}

/// Counts the words that are on a list.
pub(super) fn count_words(words: &[&str], list: &[&str]) -> usize {
    words.iter().filter(|word| list.contains(word)).count()
}

/// Counts how many of some phrases a text holds.
pub(super) fn count_phrases(text: &str, phrases: &[&str]) -> usize {
    phrases.iter().filter(|phrase| text.contains(**phrase)).count()
}
