//! What is known about single words: lemma, vector, and how two of them are related.
//!
//! A read-only view of `data/vocabulary.bin`, which `packaging/verifier/vocabulary.py` builds and
//! describes: the words of MiniLM's vocabulary with its own vectors, and WordNet's relations.
//! Nothing here knows sentences. Invariant: any id gives an answer, known or not.

use std::sync::LazyLock;

/// Numbers in a word's vector.
pub(super) const VECTOR_DIMENSIONS: usize = 64;
/// The square of the length of every vector: 127².
const SQUARED_LENGTH: f32 = 127.0 * 127.0;
const HEADER_BYTES: usize = 32;

static BYTES: &[u8] = include_bytes!("../data/vocabulary.bin");
static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::split(BYTES).unwrap_or_default());

/// A word's vector: length 127, in eighths of a byte's range.
pub(super) type Vector = [i8; VECTOR_DIMENSIONS];
/// The place of a word in the vocabulary.
pub(super) type WordId = u16;

/// How the meanings of two different words are related, nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// They can mean the same (a common synset).
    Synonym,
    /// One is derived from the other: cancel, cancellation.
    Derived,
    /// One is a kind of the other: card, Mastercard.
    Hypernym,
    /// They are two kinds of one thing: red, blue.
    Sibling,
    None,
}

/// The sections of the file.
#[derive(Debug, Default)]
struct Vocabulary {
    starts: &'static [u8],
    sense_starts: &'static [u8],
    senses: &'static [u8],
    antonyms: &'static [u8],
    derived: &'static [u8],
    lemmas: &'static [u8],
    vectors: &'static [u8],
    text: &'static [u8],
    words: usize,
}

impl Vocabulary {
    /// Cuts the file into its sections; a file that is cut short gives none.
    fn split(bytes: &'static [u8]) -> Option<Self> {
        let (header, mut rest) = bytes.split_at_checked(HEADER_BYTES)?;
        let size = |place: usize| u32_at(header, place).and_then(|size| usize::try_from(size).ok());
        let (words, dimensions) = (size(2)?, size(3)?);
        if dimensions != VECTOR_DIMENSIONS {
            return None;
        }
        let mut take = |length: usize| {
            let (section, after) = rest.split_at_checked(length)?;
            rest = after;
            Some(section)
        };
        Some(Self {
            starts: take((words + 1) * 4)?,
            sense_starts: take((words + 1) * 4)?,
            senses: take(size(4)? * 4)?,
            antonyms: take(size(5)? * 4)?,
            derived: take(size(6)? * 4)?,
            lemmas: take(words * 2)?,
            vectors: take(words * VECTOR_DIMENSIONS)?,
            text: take(size(7)?)?,
            words,
        })
    }

    fn word(&self, place: usize) -> &'static [u8] {
        let start = u32_at(self.starts, place).unwrap_or(0) as usize;
        let end = u32_at(self.starts, place + 1).unwrap_or(0) as usize;
        self.text.get(start..end).unwrap_or_default()
    }

    /// Lists the synsets of a word, each shifted left by one, with the lowest bit set for a hypernym.
    fn senses_of(&self, id: WordId) -> impl Iterator<Item = u32> + Clone {
        let start = u32_at(self.sense_starts, usize::from(id)).unwrap_or(0) as usize;
        let end = u32_at(self.sense_starts, usize::from(id) + 1).unwrap_or(0) as usize;
        (start..end).filter_map(|place| u32_at(self.senses, place))
    }
}

/// Finds a lower-case word, or a piece of one with its leading `##`.
pub(super) fn find(word: &str) -> Option<WordId> {
    let vocabulary = &*VOCABULARY;
    let (mut low, mut high) = (0, vocabulary.words);
    while low < high {
        let middle = low.midpoint(high);
        match vocabulary.word(middle).cmp(word.as_bytes()) {
            std::cmp::Ordering::Equal => return WordId::try_from(middle).ok(),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    None
}

/// Gives the dictionary form: went → go, colours → color.
pub(super) fn lemma(id: WordId) -> WordId {
    let place = usize::from(id) * 2;
    let bytes = VOCABULARY.lemmas.get(place..).and_then(|rest| rest.first_chunk());
    bytes.map_or(id, |bytes| u16::from_le_bytes(*bytes))
}

/// Gives a word's vector.
pub(super) fn vector(id: WordId) -> Vector {
    let start = usize::from(id) * VECTOR_DIMENSIONS;
    let bytes = VOCABULARY.vectors.get(start..).and_then(|rest| rest.first_chunk::<VECTOR_DIMENSIONS>());
    bytes.map_or([0; VECTOR_DIMENSIONS], |bytes| bytes.map(u8::cast_signed))
}

/// Gives the vector of a word that the vocabulary lacks: the mean of its longest pieces.
pub(super) fn vector_of_pieces(word: &str) -> Vector {
    let mut sum = [0_i32; VECTOR_DIMENSIONS];
    let mut rest = word;
    let mut piece = String::with_capacity(word.len() + 2);
    while !rest.is_empty() {
        let ends = (1..=rest.len()).rev().filter(|end| rest.is_char_boundary(*end));
        let found = ends.filter_map(|end| rest.split_at_checked(end)).find_map(|(head, tail)| {
            piece.clear();
            if rest.len() < word.len() {
                piece.push_str("##");
            }
            piece.push_str(head);
            find(&piece).map(|id| (id, tail))
        });
        let Some((id, tail)) = found else { break };
        for (sum, number) in sum.iter_mut().zip(vector(id)) {
            *sum += i32::from(number);
        }
        rest = tail;
    }
    let length = sum.iter().map(|number| (*number as f32).powi(2)).sum::<f32>().sqrt().max(1.0);
    sum.map(|number| (number as f32 / length * 127.0) as i8)
}

/// Gives the cosine of two words' vectors, in about [-1, 1].
pub(super) fn cosine(left: &Vector, right: &Vector) -> f32 {
    let products = left.iter().zip(right).map(|(a, b)| i32::from(*a) * i32::from(*b));
    products.sum::<i32>() as f32 / SQUARED_LENGTH
}

/// Says whether two lemmas are each other's opposites in WordNet.
pub(super) fn are_antonyms(left: WordId, right: WordId) -> bool {
    holds(VOCABULARY.antonyms, left, right)
}

/// Says whether WordNet has an opposite for a lemma.
pub(super) fn has_antonyms(lemma: WordId) -> bool {
    let pairs = VOCABULARY.antonyms;
    let first = first_not_below(pairs, u32::from(lemma) << 16);
    u32_at(pairs, first).is_some_and(|pair| pair >> 16 == u32::from(lemma))
}

/// Says how two lemmas are related.
pub(super) fn relation(left: WordId, right: WordId) -> Relation {
    let vocabulary = &*VOCABULARY;
    if holds(vocabulary.derived, left, right) {
        return Relation::Derived;
    }
    let mut nearest = Relation::None;
    let others = vocabulary.senses_of(right);
    for sense in vocabulary.senses_of(left) {
        for other in others.clone() {
            if sense >> 1 != other >> 1 {
                continue;
            }
            match (sense & 1, other & 1) {
                (0, 0) => return Relation::Synonym,
                (1, 1) if nearest == Relation::None => nearest = Relation::Sibling,
                (1, 1) => {}
                _ => nearest = Relation::Hypernym,
            }
        }
    }
    nearest
}

/// Looks a pair up in a sorted list of pairs.
fn holds(pairs: &[u8], left: WordId, right: WordId) -> bool {
    let wanted = u32::from(left) << 16 | u32::from(right);
    u32_at(pairs, first_not_below(pairs, wanted)) == Some(wanted)
}

/// Finds the first number of a sorted list that is not below a bound.
fn first_not_below(numbers: &[u8], bound: u32) -> usize {
    let (mut low, mut high) = (0, numbers.len() / 4);
    while low < high {
        let middle = low.midpoint(high);
        if u32_at(numbers, middle).is_some_and(|number| number < bound) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place * 4..).and_then(|rest| rest.first_chunk()).map(|chunk| u32::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lemma_of(word: &str) -> WordId {
        lemma(find(word).unwrap_or_else(|| panic!("{word} is not in the vocabulary")))
    }

    #[test]
    fn the_file_that_ships_is_whole() {
        let vocabulary = Vocabulary::split(BYTES).expect("a whole file");
        assert!(vocabulary.words > 20_000);
        for place in [0, 1, vocabulary.words / 2, vocabulary.words - 1] {
            let word = std::str::from_utf8(vocabulary.word(place)).unwrap();
            assert_eq!(find(word).map(usize::from), Some(place), "{word}");
        }
        assert!(Vocabulary::split(&BYTES[..BYTES.len() - 1]).is_none());
        assert_eq!((find(""), find("qqqq")), (None, None));
        assert_eq!(lemma(WordId::MAX), WordId::MAX);
    }

    #[test]
    fn forms_of_one_word_have_one_lemma() {
        let check = |form: &str, lemma: &str| assert_eq!(lemma_of(form), lemma_of(lemma), "{form}");
        check("cards", "card");
        check("went", "go");
        check("stopped", "stop");
        check("colour", "color");
        check("countries", "country");
    }

    #[test]
    fn words_of_like_meaning_have_like_vectors() {
        let similarity =
            |left: &str, right: &str| cosine(&vector(find(left).unwrap()), &vector(find(right).unwrap()));
        assert!(similarity("doctor", "physician") > similarity("doctor", "banana") + 0.3);
        assert!((similarity("doctor", "doctor") - 1.0).abs() < 0.05);
        assert!(cosine(&vector_of_pieces("reactivating"), &vector(find("activated").unwrap())) > 0.3);
    }

    #[test]
    fn relations_are_wordnets() {
        let check = |left: &str, right: &str, expected: Relation| {
            assert_eq!(relation(lemma_of(left), lemma_of(right)), expected, "{left} {right}");
            assert_eq!(relation(lemma_of(right), lemma_of(left)), expected, "{right} {left}");
        };
        check("doctor", "physician", Relation::Synonym);
        check("arrive", "arrival", Relation::Derived);
        check("doctor", "banana", Relation::None);
        let opposites = |left: &str, right: &str| are_antonyms(lemma_of(left), lemma_of(right));
        assert!(opposites("open", "closed") || opposites("open", "close"));
        assert!(opposites("increase", "decrease") && opposites("decrease", "increase"));
        assert!(!opposites("increase", "grow"));
    }
}
