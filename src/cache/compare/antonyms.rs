//! Opposites: WordNet's antonyms, prefixes that turn a word around, and pairs that matter to a service.

use super::vocabulary::{self, WordId};
use super::words::Word;

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

/// What a word can be the opposite of, worked out once, so that pairs of words compare in no time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Opposition {
    /// The pairs of [`OPPOSITES`] whose first word it is, as bits, and those whose second.
    firsts: u128,
    seconds: u128,
    /// What it turns around by a prefix: "legal" for "illegal".
    turned: Option<WordId>,
    has_antonyms: bool,
}

const _: () = assert!(OPPOSITES.len() <= 128, "a bit for each pair");

impl Opposition {
    /// Looks a lower-case word up.
    pub(super) fn of(text: &str, lemma: Option<WordId>) -> Self {
        let mut opposition = Self {
            turned: turned_by_prefix(text),
            has_antonyms: lemma.is_some_and(vocabulary::has_antonyms),
            ..Self::default()
        };
        for (place, (first, second)) in OPPOSITES.iter().enumerate() {
            opposition.firsts |= u128::from(is_form_of(text, first)) << place;
            opposition.seconds |= u128::from(is_form_of(text, second)) << place;
        }
        opposition
    }
}

/// Says whether two words are each other's opposites.
pub(super) fn are_opposites(left: &Word, right: &Word) -> bool {
    let (a, b) = (&left.opposition, &right.opposition);
    let is_turned = |turned: Option<WordId>, other: &Word| {
        turned.is_some_and(|turned| u32::from(turned) == other.key || u32::from(turned) == other.lemma)
    };
    let by_wordnet = || {
        let ids = left.lemma_id().zip(right.lemma_id());
        ids.is_some_and(|(a, b)| vocabulary::are_antonyms(a, b))
    };
    (a.firsts & b.seconds) | (a.seconds & b.firsts) != 0
        || is_turned(a.turned, right)
        || is_turned(b.turned, left)
        || (a.has_antonyms && b.has_antonyms && by_wordnet())
}

fn turned_by_prefix(text: &str) -> Option<WordId> {
    const PREFIXES: [&str; 8] = ["un", "in", "im", "ir", "il", "dis", "non", "de"];
    let mut stems = PREFIXES.iter().filter_map(|prefix| text.strip_prefix(prefix));
    stems.find(|stem| stem.len() > 2).and_then(vocabulary::find)
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
    use super::super::words::Words;
    use super::*;

    fn check(left: &str, right: &str, expected: bool) {
        let (left_words, right_words) = (Words::of(left), Words::of(right));
        let (left_word, right_word) = (&left_words.all[0], &right_words.all[0]);
        assert_eq!(are_opposites(left_word, right_word), expected, "{left} {right}");
        assert_eq!(are_opposites(right_word, left_word), expected, "{right} {left}");
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
