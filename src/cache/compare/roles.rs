//! What a word does in a sentence, read off a table: no grammar, one role a word.

/// What a word does in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Content,
    Number,
    Negation,
    /// What, how, why and the like.
    Question,
    Preposition,
    /// Only, all, more, less, and the like.
    Quantifier,
    /// I, you, he: who is spoken of.
    Person,
    /// Articles, auxiliaries, politeness: says next to nothing.
    Filler,
}

/// Gives a lower-case word's role.
pub(super) fn role_of(word: &str) -> Role {
    ROLES
        .iter()
        .find(|(_, words)| words.binary_search(&word).is_ok())
        .map_or(Role::Content, |(role, _)| *role)
}

/// Words by role; each list is sorted.
const ROLES: [(Role, &[&str]); 6] = [
    (
        Role::Filler,
        &[
            "a",
            "actually",
            "also",
            "am",
            "an",
            "and",
            "any",
            "are",
            "be",
            "been",
            "being",
            "but",
            "can",
            "could",
            "d",
            "did",
            "do",
            "does",
            "doing",
            "done",
            "else",
            "get",
            "gets",
            "getting",
            "give",
            "go",
            "going",
            "got",
            "had",
            "has",
            "have",
            "having",
            "hello",
            "help",
            "hey",
            "hi",
            "if",
            "is",
            "it",
            "its",
            "just",
            "kindly",
            "know",
            "let",
            "like",
            "may",
            "might",
            "must",
            "need",
            "needs",
            "of",
            "ok",
            "okay",
            "one",
            "or",
            "please",
            "really",
            "s",
            "shall",
            "should",
            "so",
            "some",
            "someone",
            "something",
            "still",
            "sure",
            "tell",
            "thank",
            "thanks",
            "that",
            "the",
            "there",
            "these",
            "thing",
            "things",
            "this",
            "those",
            "to",
            "very",
            "want",
            "wanted",
            "wants",
            "was",
            "well",
            "were",
            "will",
            "wish",
            "would",
            "yes",
        ],
    ),
    (Role::Question, &["how", "what", "whatever", "when", "where", "which", "who", "whom", "whose", "why"]),
    (
        Role::Person,
        &[
            "he", "her", "hers", "him", "his", "i", "me", "mine", "my", "myself", "our", "ours", "she",
            "their", "theirs", "them", "they", "us", "we", "you", "your", "yours",
        ],
    ),
    (
        Role::Preposition,
        &[
            "about", "above", "across", "after", "against", "along", "among", "around", "as", "at", "before",
            "behind", "below", "beside", "between", "beyond", "by", "down", "during", "for", "from", "in",
            "inside", "into", "off", "on", "onto", "out", "outside", "over", "per", "since", "than",
            "through", "till", "toward", "towards", "under", "until", "up", "upon", "via", "with", "within",
        ],
    ),
    (
        Role::Negation,
        &["neither", "never", "no", "nobody", "none", "nor", "not", "nothing", "nowhere", "without"],
    ),
    (
        Role::Quantifier,
        &[
            "all", "always", "another", "both", "each", "either", "enough", "every", "few", "fewer", "less",
            "long", "many", "more", "most", "much", "often", "only", "other", "same", "several", "such",
            "too", "twice",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_roles_is_sorted() {
        for (role, words) in ROLES {
            assert!(words.is_sorted(), "{role:?}");
            assert!(words.iter().all(|word| role_of(word) == role), "{role:?}");
        }
    }
}
