//! The numbers that the verifier judges a pair of texts by.
//!
//! A cosine sees what two texts are about; these see how they differ. Most count only as far as the
//! texts are otherwise alike: in a rewritten sentence a changed word means little, in a sentence that
//! is otherwise the same it means everything. Every feature is symmetric in the two texts.

use super::Prepared;
use super::alignment::{Alignment, Link, relation};
use super::vocabulary::Relation;
use super::words::{Role, Word, Words};

/// The features' names, in order.
pub const NAMES: [&str; 8] = [
    "cosine",
    "swapped_names",
    "swapped_siblings",
    "addition",
    "swapped_words",
    "names_in_one",
    "names_in_both",
    "negation",
];
/// The features of one pair: the cosine in [-1, 1], all others in [0, 1].
pub type Features = [f32; NAMES.len()];

/// The share of unchanged words in which a change begins to count, and where it counts in full.
const ALIKE_FROM: f32 = 0.5;
const ALIKE_IN_FULL: f32 = 0.9;

/// What one text has that the other lacks.
#[derive(Debug, Default)]
struct Side {
    matched: f32,
    /// Content words and numbers without a match.
    own: f32,
    /// Those of them that are names.
    own_names: f32,
}

impl Side {
    fn of(words: &Words, links: &[Link]) -> Self {
        let mut side = Self::default();
        for (word, link) in words.all.iter().zip(links) {
            if link.to.is_some() {
                side.matched += 1.0;
            } else if matches!(word.role, Role::Content | Role::Number) {
                side.own += 1.0;
                side.own_names += f32::from(u8::from(word.is_name));
            }
        }
        side
    }
}

/// The kinds of swaps: words of both texts that stand for each other, each the other's nearest relative.
#[derive(Debug, Default)]
struct Swaps {
    has_synonyms: bool,
    has_siblings: bool,
    has_unrelated: bool,
    /// Two names, or two words that the vocabulary lacks.
    has_names: bool,
}

impl Swaps {
    fn of(left: &Words, right: &Words, alignment: &Alignment) -> Self {
        let mut swaps = Self::default();
        for (place, (word, link)) in left.all.iter().zip(&alignment.left).enumerate() {
            let Some(near) = link.near.map(usize::from) else { continue };
            let (Some(other), Some(back)) = (right.all.get(near), alignment.right.get(near)) else {
                continue;
            };
            if back.near.map(usize::from) == Some(place) {
                swaps.add(word, other);
            }
        }
        swaps
    }

    fn add(&mut self, word: &Word, other: &Word) {
        match relation(word, other) {
            Relation::Synonym | Relation::Derived => self.has_synonyms = true,
            Relation::Hypernym | Relation::Sibling => self.has_siblings = true,
            Relation::None => self.has_unrelated = true,
        }
        self.has_names |= word.is_nameable() && other.is_nameable();
    }
}

/// Computes the features of a pair whose embeddings have this cosine; the alignment has relatives.
pub(super) fn features(left: &Prepared, right: &Prepared, alignment: &Alignment, cosine: f32) -> Features {
    let sides = (Side::of(&left.words, &alignment.left), Side::of(&right.words, &alignment.right));
    let swaps = Swaps::of(&left.words, &right.words, alignment);
    let all = (left.words.all.len() + right.words.all.len()) as f32 - sides.0.matched;
    let unchanged = all - sides.0.own - sides.1.own;
    let overlap = if unchanged > 0.0 { sides.0.matched / unchanged } else { 0.0 };
    let alike = ((overlap - ALIKE_FROM) / (ALIKE_IN_FULL - ALIKE_FROM)).clamp(0.0, 1.0);
    let if_alike = |condition: bool| if condition { alike } else { 0.0 };
    let one = |condition: bool| f32::from(u8::from(condition));
    let (least_own, most_own) = (sides.0.own.min(sides.1.own), sides.0.own.max(sides.1.own));
    [
        cosine.clamp(-1.0, 1.0),
        if_alike(swaps.has_names),
        if_alike(swaps.has_siblings && !swaps.has_synonyms),
        if_alike(least_own == 0.0 && most_own > 0.0),
        if_alike(swaps.has_unrelated && !swaps.has_synonyms),
        one(sides.0.own_names + sides.1.own_names > 0.0),
        one(sides.0.own_names.min(sides.1.own_names) > 0.0),
        one((left.negations > 0) != (right.negations > 0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: &str, right: &str, expected: &[&str]) {
        let (left, right) = (Prepared::new(left), Prepared::new(right));
        for (left, right) in [(&left, &right), (&right, &left)] {
            let alignment = Alignment::of(&left.words, &right.words);
            let alignment = alignment.with_relatives(&left.words, &right.words);
            let features = features(left, right, &alignment, 0.9);
            let set = NAMES.iter().zip(features).skip(1).filter(|(_, number)| *number > 0.0);
            assert_eq!(set.map(|(name, _)| *name).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn each_kind_of_change_is_seen() {
        check("How do I pay my bill?", "How do I pay my bill?", &[]);
        check("How do I pay my bill?", "how can i pay my bills", &[]);
        check(
            "How do I export data from Salesforce?",
            "How do I export data from HubSpot?",
            &["swapped_names", "swapped_words", "names_in_one", "names_in_both"],
        );
        check("What does the blue light mean?", "What does the red light mean?", &["swapped_siblings"]);
        check("When is the doctor in town?", "When is the physician in town?", &[]);
        check("Can I get a refund on a gift?", "Can I get a refund on a gift card?", &["addition"]);
        check("Should I water them?", "Should I not water them?", &["negation"]);
    }
}
