//! A text as words: lower case, contractions written out, each with its part in a sentence.
//!
//! It knows no grammar: a word's role is read off a table. What is no word and no number is left
//! to [`code`](super::code).

use super::antonyms::Opposition;
pub(super) use super::roles::Role;
use super::roles::role_of;
use super::vocabulary::{self, Vector, WordId};

/// Words looked at; a longer text is not compared at all.
pub(super) const MAX_WORDS: usize = 320;

/// A word of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    /// The word's id, or a hash of it with the top bit set if the vocabulary lacks it.
    pub(super) key: u32,
    /// The key of its dictionary form.
    pub(super) lemma: u32,
    pub(super) role: Role,
    /// Written with a capital where no sentence begins, or with a capital inside.
    pub(super) is_name: bool,
    /// Where it is in the lower-case text.
    start: u32,
    end: u32,
    pub(super) vector: Vector,
    pub(super) opposition: Opposition,
}

impl Word {
    /// Gives the id of the lemma, if the vocabulary has it.
    pub(super) fn lemma_id(&self) -> Option<WordId> {
        WordId::try_from(self.lemma).ok()
    }

    /// Says whether the vocabulary has it; a misspelt word it does not have.
    pub(super) const fn is_known(&self) -> bool {
        self.key < UNKNOWN
    }

    /// Says whether it names something: written like a name, or a word that the vocabulary lacks.
    pub(super) fn is_nameable(&self) -> bool {
        self.is_content() && (self.is_name || !self.is_known())
    }

    /// Says whether it carries the meaning of the sentence.
    pub(super) fn is_content(&self) -> bool {
        matches!(self.role, Role::Content)
    }
}

const UNKNOWN: u32 = 1 << 31;

/// The words of a text.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    lower: String,
    pub(super) all: Vec<Word>,
    /// Whether there were more than [`MAX_WORDS`].
    pub(super) is_cut: bool,
}

impl Words {
    /// Splits a text.
    pub(super) fn of(text: &str) -> Self {
        let mut words = Self { lower: String::with_capacity(text.len()), ..Self::default() };
        let mut begins_sentence = true;
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let length = if character.is_numeric() {
                number_length(rest)
            } else if character.is_alphabetic() {
                word_length(rest)
            } else {
                begins_sentence |= matches!(character, '.' | '?' | '!' | ':' | '\n' | '"');
                rest = rest.get(character.len_utf8()..).unwrap_or_default();
                continue;
            };
            if words.all.len() >= MAX_WORDS {
                words.is_cut = true;
                break;
            }
            let (written, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            rest = after;
            if character.is_numeric() {
                words.push_number(written);
            } else {
                let has_capital = |text: &str| text.chars().any(char::is_uppercase);
                let tail = written.get(character.len_utf8()..).unwrap_or_default();
                let is_name = (character.is_uppercase() && !begins_sentence) || has_capital(tail);
                words.push_written(written, is_name);
            }
            begins_sentence = false;
        }
        words
    }

    /// Gives a word's letters in lower case.
    pub(super) fn text(&self, word: &Word) -> &str {
        self.lower.get(word.start as usize..word.end as usize).unwrap_or_default()
    }

    /// Orders texts: by their letters, then by what is written with a capital. Equal ones are interchangeable.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        let names = |words: &'_ Self| words.all.iter().map(|word| word.is_name).collect::<Vec<_>>();
        match self.lower.cmp(&other.lower) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => names(self) < names(other),
        }
    }

    /// Adds what one written word says: "don't" says "do not".
    fn push_written(&mut self, written: &str, is_name: bool) {
        let lower = written.to_lowercase().replace('’', "'");
        match lower.as_str() {
            "can't" | "cannot" | "cant" => self.push_all(&["can", "not"]),
            "won't" | "wont" => self.push_all(&["will", "not"]),
            "shan't" => self.push_all(&["shall", "not"]),
            "let's" => self.push_all(&["let", "us"]),
            "dont" | "doesnt" | "didnt" | "isnt" | "wasnt" | "arent" | "hasnt" | "havent" | "couldnt"
            | "shouldnt" | "wouldnt" => {
                self.push(lower.trim_end_matches("nt"), false);
                self.push("not", false);
            }
            "whats" => self.push_all(&["what", "is"]),
            "im" => self.push_all(&["i", "am"]),
            "ive" => self.push_all(&["i", "have"]),
            _ => self.push_contracted(&lower, is_name),
        }
    }

    fn push_contracted(&mut self, lower: &str, is_name: bool) {
        const ENDINGS: [(&str, &str); 7] = [
            ("n't", "not"),
            ("'re", "are"),
            ("'ve", "have"),
            ("'ll", "will"),
            ("'m", "am"),
            ("'d", "would"),
            ("'s", "'s"),
        ];
        for (ending, meaning) in ENDINGS {
            if let Some(stem) = lower.strip_suffix(ending) {
                self.push(stem, is_name);
                match (meaning, role_of(stem)) {
                    // "what's" is "what is"; "Anna's" is a genitive, which says nothing here.
                    ("'s", Role::Question | Role::Person) => self.push("is", false),
                    ("'s", _) => {}
                    _ => self.push(meaning, false),
                }
                return;
            }
        }
        self.push(lower.trim_matches('\''), is_name);
    }

    fn push_all(&mut self, words: &[&str]) {
        words.iter().for_each(|word| self.push(word, false));
    }

    fn push(&mut self, word: &str, is_name: bool) {
        if word.is_empty() {
            return;
        }
        let role = role_of(word);
        let id = vocabulary::find(word);
        let lemma_id = id.map(vocabulary::lemma).or_else(|| lemma_by_ending(word));
        let key = id.map_or_else(|| UNKNOWN | hash(word), u32::from);
        let vector = id.map_or_else(|| vocabulary::vector_of_pieces(word), vocabulary::vector);
        let lemma = lemma_id.map_or(key, u32::from);
        let opposition = Opposition::of(word, lemma_id);
        self.append(word, Word { key, lemma, role, is_name, start: 0, end: 0, vector, opposition });
    }

    fn push_number(&mut self, written: &str) {
        let digits: String = written.chars().filter(|character| *character != ',').collect();
        let key = UNKNOWN | hash(&digits);
        let vector = [0; vocabulary::VECTOR_DIMENSIONS];
        let opposition = Opposition::default();
        let role = Role::Number;
        let number = Word { key, lemma: key, role, is_name: false, start: 0, end: 0, vector, opposition };
        self.append(&digits, number);
    }

    fn append(&mut self, text: &str, word: Word) {
        let start = u32::try_from(self.lower.len()).unwrap_or(u32::MAX);
        self.lower.push_str(text);
        let end = u32::try_from(self.lower.len()).unwrap_or(u32::MAX);
        self.all.push(Word { start, end, ..word });
    }
}

/// Takes letters, and apostrophes between them.
fn word_length(text: &str) -> usize {
    let mut end = 0;
    for (place, character) in text.char_indices() {
        if character.is_alphabetic() {
            end = place + character.len_utf8();
        } else if !matches!(character, '\'' | '’') || place != end {
            break;
        }
    }
    end
}

/// Takes digits, and commas and points between them.
fn number_length(text: &str) -> usize {
    let mut end = 0;
    for (place, character) in text.char_indices() {
        if character.is_numeric() {
            end = place + character.len_utf8();
        } else if !matches!(character, '.' | ',') || place != end {
            break;
        }
    }
    end
}

/// Finds the dictionary form of a word that the vocabulary lacks by taking common endings off.
fn lemma_by_ending(word: &str) -> Option<WordId> {
    const ENDINGS: [(&str, &[&str]); 5] =
        [("ies", &["y"]), ("ing", &["", "e"]), ("ed", &["", "e"]), ("es", &["", "e"]), ("s", &[""])];
    ENDINGS.iter().find_map(|(ending, instead)| {
        let stem = word.strip_suffix(ending).filter(|stem| stem.len() > 2)?;
        instead.iter().find_map(|end| vocabulary::find(&format!("{stem}{end}"))).map(vocabulary::lemma)
    })
}

/// FNV-1a, folded to 31 bits.
pub(super) fn hash(text: &str) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    ((hash >> 32) ^ hash) as u32 & (UNKNOWN - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let words = Words::of(text);
        let spoken: Vec<&str> = words.all.iter().map(|word| words.text(word)).collect();
        assert_eq!(spoken.join(" "), expected, "{text}");
    }

    #[test]
    fn contractions_are_written_out() {
        check("I don't know what's wrong", "i do not know what is wrong");
        check("Can’t we? They'll say I'd won't", "can not we they will say i would will not");
        check("Anna's cat, the cats' food", "anna cat the cats food");
        check("'quoted' 1,000.50 dollars.", "quoted 1000.50 dollars");
        check("日本 naïve", "日本 naïve");
        check("' '' don''t n't", "don t not");
        check("", "");
    }

    #[test]
    fn names_are_capitals_inside_a_sentence() {
        let words = Words::of("How is Paris? Then iPhone, then Rome. Why");
        let names: Vec<&str> =
            words.all.iter().filter(|word| word.is_name).map(|word| words.text(word)).collect();
        assert_eq!(names, ["paris", "iphone", "rome"]);
    }

    #[test]
    fn a_very_long_text_is_cut() {
        assert!(!Words::of(&"word ".repeat(MAX_WORDS)).is_cut);
        assert!(Words::of(&"word ".repeat(MAX_WORDS + 1)).is_cut);
    }
}
