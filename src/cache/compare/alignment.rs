//! Which word of one text answers to which word of the other.
//!
//! Words match if they are the same, have one dictionary form, or one is a misspelling of the other.
//! What remains is given its nearest relative on the other side. Invariant: matches are one to one,
//! and aligning in the other direction gives the same matches wherever a word occurs once.

use super::antonyms::are_opposites;
use super::vocabulary::{self, Relation};
use super::words::{Role, Word, Words};

/// The shortest word whose misspellings are looked for, in bytes.
const SHORTEST_MISSPELT: usize = 4;
/// Words this long may have two letters wrong.
const LONG_WORD: usize = 8;

/// What a word has on the other side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    /// The place of the word it matches.
    pub(super) to: Option<u16>,
    /// The place of its nearest relative, if both are content words without a match.
    pub(super) near: Option<u16>,
}

/// Texts with more unmatched content words than this have too little in common to look closer.
const MOST_UNMATCHED: usize = 32;

const UNLINKED: Link = Link { to: None, near: None };

/// What opposites two texts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opposites {
    None,
    /// In and out, up and down: they mean little where other words changed too.
    Particles,
    Content,
}

/// The links of two texts, in both directions.
#[derive(Debug)]
pub(super) struct Alignment {
    pub(super) left: Vec<Link>,
    pub(super) right: Vec<Link>,
    /// Unmatched words that are each other's opposites.
    pub(super) opposites: Opposites,
}

impl Alignment {
    /// Aligns two texts.
    pub(super) fn of(left: &Words, right: &Words) -> Self {
        let mut alignment = Self {
            left: vec![UNLINKED; left.all.len()],
            right: vec![UNLINKED; right.all.len()],
            opposites: Opposites::None,
        };
        alignment.match_equal(left, right, |word| word.key);
        alignment.match_equal(left, right, |word| word.lemma);
        if alignment.is_close(left, right) {
            alignment.match_like(left, right, |a, b| {
                a.is_content()
                    && b.is_content()
                    && !(a.is_known() && b.is_known())
                    && is_misspelling(left.text(a), right.text(b))
            });
        }
        if alignment.is_close(left, right) {
            alignment.opposites = alignment.find_opposites(left, right);
        }
        alignment
    }

    /// Gives the words without a match their nearest relatives; no veto asks for these.
    pub(super) fn with_relatives(mut self, left: &Words, right: &Words) -> Self {
        if self.is_close(left, right) {
            find_relatives(&mut self.left, &self.right, left, right);
            find_relatives(&mut self.right, &self.left, right, left);
        }
        self
    }

    fn is_close(&self, left: &Words, right: &Words) -> bool {
        let unmatched = |words: &'_ Words, links: &'_ [Link]| {
            words.all.iter().zip(links).filter(|(word, link)| word.is_content() && link.to.is_none()).count()
        };
        unmatched(left, &self.left) <= MOST_UNMATCHED && unmatched(right, &self.right) <= MOST_UNMATCHED
    }

    /// Matches words of one key, the first to the first.
    fn match_equal(&mut self, left: &Words, right: &Words, key: impl Fn(&Word) -> u32) {
        let unmatched = right.all.iter().enumerate().filter(|(place, _)| is_free(&self.right, *place));
        let mut others: Vec<(u32, usize)> = unmatched.map(|(place, word)| (key(word), place)).collect();
        others.sort_unstable();
        for (place, word) in left.all.iter().enumerate() {
            if !is_free(&self.left, place) {
                continue;
            }
            let key = key(word);
            let first = others.partition_point(|(other, _)| *other < key);
            let of_this_key = others.iter().skip(first).take_while(|(other, _)| *other == key);
            let free = of_this_key.map(|(_, other)| *other).find(|other| is_free(&self.right, *other));
            if let Some(other) = free {
                self.link(place, other);
            }
        }
    }

    fn link(&mut self, left: usize, right: usize) {
        if let (Some(link), Some(other)) = (self.left.get_mut(left), self.right.get_mut(right)) {
            link.to = u16::try_from(right).ok();
            other.to = u16::try_from(left).ok();
        }
    }

    /// Matches each word with the first that is like it.
    fn match_like(&mut self, left: &Words, right: &Words, is_match: impl Fn(&Word, &Word) -> bool) {
        for (place, word) in left.all.iter().enumerate() {
            let is_its = |(other_place, other): &(usize, &Word)| {
                is_free(&self.right, *other_place) && is_match(word, other)
            };
            if is_free(&self.left, place)
                && let Some((other_place, _)) = right.all.iter().enumerate().find(is_its)
            {
                self.link(place, other_place);
            }
        }
    }

    fn find_opposites(&self, left: &Words, right: &Words) -> Opposites {
        let mut found = Opposites::None;
        for (word, _) in left.all.iter().zip(&self.left).filter(|(_, link)| link.to.is_none()) {
            for (other, _) in right.all.iter().zip(&self.right).filter(|(_, link)| link.to.is_none()) {
                if are_opposites(word, other) {
                    if word.role != Role::Preposition || other.role != Role::Preposition {
                        return Opposites::Content;
                    }
                    found = Opposites::Particles;
                }
            }
        }
        found
    }

    /// Lists, for all matched words of the left text, their places on the right.
    pub(super) fn places(&self) -> Vec<u32> {
        self.left.iter().filter_map(|link| link.to.map(u32::from)).collect()
    }

    /// Lists, for the matched names and unknown words of the left text, their places on the right.
    pub(super) fn named_places(&self, left: &Words) -> Vec<u32> {
        let named = left.all.iter().zip(&self.left).filter(|(word, _)| word.is_nameable());
        named.filter_map(|(_, link)| link.to.map(u32::from)).collect()
    }

    /// Lists, for the matched words that carry meaning or steer it, their places on the right.
    pub(super) fn shared_places(&self, left: &Words) -> Vec<u32> {
        let matched = left.all.iter().zip(&self.left);
        let telling = matched.filter(|(word, _)| word.role != Role::Filler);
        telling.filter_map(|(_, link)| link.to.map(u32::from)).collect()
    }
}

fn is_free(links: &[Link], place: usize) -> bool {
    links.get(place).is_some_and(|link| link.to.is_none())
}

/// Gives every unmatched content word its nearest relative.
fn find_relatives(links: &mut [Link], others: &[Link], words: &Words, other_words: &Words) {
    for (word, link) in words.all.iter().zip(links) {
        if link.to.is_some() || !word.is_content() {
            continue;
        }
        let mut nearest = f32::NEG_INFINITY;
        for (place, (other, other_link)) in other_words.all.iter().zip(others).enumerate() {
            if other_link.to.is_some() || !other.is_content() {
                continue;
            }
            let likeness = vocabulary::cosine(&word.vector, &other.vector);
            if likeness > nearest {
                nearest = likeness;
                link.near = u16::try_from(place).ok();
            }
        }
    }
}

/// Says how two words are related in WordNet; words it lacks are not.
pub(super) fn relation(left: &Word, right: &Word) -> Relation {
    let ids = left.lemma_id().zip(right.lemma_id());
    ids.map_or(Relation::None, |(left, right)| vocabulary::relation(left, right))
}

/// Says whether at most one letter (two in a long word) is wrong, missing, too many or swapped.
fn is_misspelling(left: &str, right: &str) -> bool {
    let (shorter, longer) = (left.len().min(right.len()), left.len().max(right.len()));
    let allowed = if shorter >= LONG_WORD { 2 } else { 1 };
    shorter >= SHORTEST_MISSPELT
        && longer - shorter <= allowed
        && edits(left.as_bytes(), right.as_bytes()) <= allowed
}

/// Counts the edits between two short words: optimal string alignment, in bytes.
///
/// Words longer than 32 bytes are as far apart as words can be.
fn edits(left: &[u8], right: &[u8]) -> usize {
    const LONGEST: usize = 32;
    if left.len() > LONGEST || right.len() > LONGEST {
        return usize::MAX;
    }
    let mut rows = [[0_usize; LONGEST + 1]; 3];
    for (column, cell) in rows[1].iter_mut().enumerate() {
        *cell = column;
    }
    let mut before: Option<u8> = None;
    for (row, letter) in left.iter().enumerate() {
        let [older, old, new] = &mut rows;
        let mut corner = row;
        let mut cell = row + 1;
        let mut other_before: Option<u8> = None;
        if let Some(first) = new.first_mut() {
            *first = cell;
        }
        for (column, other) in right.iter().enumerate() {
            let above = old.get(column + 1).copied().unwrap_or(usize::MAX - 1);
            let mut best = (above + 1).min(cell + 1).min(corner + usize::from(letter != other));
            if before == Some(*other) && other_before == Some(*letter) {
                best = best.min(older.get(column.wrapping_sub(1)).map_or(usize::MAX, |cost| cost + 1));
            }
            corner = above;
            cell = best;
            if let Some(place) = new.get_mut(column + 1) {
                *place = best;
            }
            other_before = Some(*other);
        }
        before = Some(*letter);
        rows.rotate_left(1);
    }
    rows[1].get(right.len()).copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_count_swaps_as_one() {
        let check = |left: &str, right: &str, expected| {
            assert_eq!(edits(left.as_bytes(), right.as_bytes()), expected, "{left} {right}");
            assert_eq!(edits(right.as_bytes(), left.as_bytes()), expected, "{right} {left}");
        };
        check("", "", 0);
        check("", "abc", 3);
        check("change", "chnage", 1);
        check("statement", "statment", 1);
        check("prescription", "perscription", 1);
        check("kitten", "sitting", 3);
        check("abcd", "badc", 2);
    }

    #[test]
    fn words_match_by_form_and_misspelling() {
        let check = |left: &str, right: &str, expected: usize| {
            let (left_words, right_words) = (Words::of(left), Words::of(right));
            let matched = |links: &[Link]| links.iter().filter(|link| link.to.is_some()).count();
            let alignment = Alignment::of(&left_words, &right_words);
            assert_eq!(matched(&alignment.left), expected, "{left} | {right}");
            assert_eq!(matched(&alignment.right), expected, "{left} | {right}");
        };
        check("my cards arrived", "my card arrives", 3);
        check("change the address", "chnage the adress", 3);
        check("the cat", "a dog", 0);
        check("the the cat", "the cat cat", 2);
    }
}
