//! Opposites: WordNet's antonyms, prefixes that turn a word around, and pairs that matter to a service.

use super::vocabulary;
use super::words::{Word, Words};

/// Opposites that WordNet does not link, or not in the form that people write; judged by hand.
const OPPOSITES: &[(&str, &str)] = &[
    ("accept", "decline"),
    ("accept", "reject"),
    ("activate", "deactivate"),
    ("add", "delete"),
    ("add", "remove"),
    ("advantage", "disadvantage"),
    ("allow", "ban"),
    ("allow", "block"),
    ("allow", "forbid"),
    ("allow", "prevent"),
    ("approve", "reject"),
    ("approve", "decline"),
    ("arrival", "departure"),
    ("benefit", "drawback"),
    ("benefit", "risk"),
    ("block", "unblock"),
    ("buy", "sell"),
    ("buyer", "seller"),
    ("cheap", "expensive"),
    ("cheapest", "dearest"),
    ("cheaper", "pricier"),
    ("connect", "disconnect"),
    ("create", "delete"),
    ("credit", "debit"),
    ("deposit", "withdraw"),
    ("deposit", "withdrawal"),
    ("disable", "enable"),
    ("download", "upload"),
    ("employee", "employer"),
    ("encrypt", "decrypt"),
    ("export", "import"),
    ("gain", "lose"),
    ("give", "receive"),
    ("hide", "show"),
    ("include", "omit"),
    ("cover", "exclude"),
    ("join", "leave"),
    ("win", "lose"),
    ("pass", "fail"),
    ("save", "spend"),
    ("highest", "lowest"),
    ("include", "exclude"),
    ("incoming", "outgoing"),
    ("increase", "reduce"),
    ("increase", "lower"),
    ("raise", "lower"),
    ("install", "uninstall"),
    ("landlord", "tenant"),
    ("lend", "borrow"),
    ("lock", "unlock"),
    ("login", "logout"),
    ("max", "min"),
    ("maximum", "minimum"),
    ("mute", "unmute"),
    ("pause", "resume"),
    ("permit", "prohibit"),
    ("pros", "cons"),
    ("receive", "send"),
    ("register", "unregister"),
    ("renew", "cancel"),
    ("start", "stop"),
    ("subscribe", "unsubscribe"),
    ("subscribe", "cancel"),
    ("top", "bottom"),
    ("upgrade", "downgrade"),
    ("before", "after"),
    ("in", "out"),
    ("off", "on"),
    ("over", "under"),
    ("up", "down"),
    ("with", "without"),
];
const REVERSING_PREFIXES: [&str; 7] = ["un", "in", "im", "ir", "dis", "non", "de"];

/// Says whether two words are each other's opposites.
pub(super) fn are_opposites(left: (&Words, &Word), right: (&Words, &Word)) -> bool {
    let (left_text, right_text) = (left.0.text(left.1), right.0.text(right.1));
    let by_table =
        |a: &str, b: &str| OPPOSITES.iter().any(|(one, other)| is_form_of(a, one) && is_form_of(b, other));
    let by_prefix = |a: &str, b: &str| {
        a.len() >= 5 && REVERSING_PREFIXES.iter().any(|prefix| a.strip_prefix(prefix) == Some(b))
    };
    let by_wordnet = || {
        let ids = left.1.lemma_id().zip(right.1.lemma_id());
        ids.is_some_and(|(a, b)| vocabulary::are_antonyms(a, b))
    };
    by_table(left_text, right_text)
        || by_table(right_text, left_text)
        || by_prefix(left_text, right_text)
        || by_prefix(right_text, left_text)
        || by_wordnet()
}

/// Says whether a word is another, or that one with a common ending.
fn is_form_of(word: &str, lemma: &str) -> bool {
    let stem = lemma.strip_suffix('e').unwrap_or(lemma);
    word == lemma
        || (lemma.len() > 3
            && word
                .strip_prefix(stem)
                .is_some_and(|ending| matches!(ending, "s" | "es" | "ed" | "ing" | "e")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: &str, right: &str, expected: bool) {
        let (left_words, right_words) = (Words::of(left), Words::of(right));
        let (left_word, right_word) = (&left_words.all[0], &right_words.all[0]);
        let said = are_opposites((&left_words, left_word), (&right_words, right_word));
        assert_eq!(said, expected, "{left} {right}");
        let said = are_opposites((&right_words, right_word), (&left_words, left_word));
        assert_eq!(said, expected, "{right} {left}");
    }

    #[test]
    fn opposites_are_seen_from_both_sides() {
        for (left, right) in [
            ("increase", "decrease"),
            ("enabling", "disabled"),
            ("on", "off"),
            ("open", "closed"),
            ("happy", "unhappy"),
            ("import", "export"),
            ("buying", "sells"),
            ("legal", "illegal"),
            ("hot", "cold"),
        ] {
            check(left, right, true);
        }
    }

    #[test]
    fn other_words_are_none() {
        for (left, right) in
            [("card", "cards"), ("doctor", "physician"), ("turn", "urn"), ("on", "in"), ("a", "b")]
        {
            check(left, right, false);
        }
    }
}
