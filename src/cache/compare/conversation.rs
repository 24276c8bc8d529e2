//! The turns before a prompt: when they change nothing, and when they say the same.
//!
//! A prompt that can be understood by itself and names what it is about means the same after any turns. One that
//! leans on them means the same where they state the same facts: the same numbers and names, and no words of which
//! one takes the other's place. Whatever leans on a turn itself, such as "yes please" or "the second one", means the
//! same after the very same turns only.

use std::collections::BTreeMap;

use super::Prepared;
use super::antonyms::are_opposites;
use super::numbers::{Quantity, has_values_of, quantities};
use super::roles::role_of;
use super::vocabulary::{Relation, cosine, relation};
use super::words::{Role, Word, Words};
use crate::domain::prompt::Turn;

/// Stands between the turns of a [`transcript`].
const SEPARATOR: char = '\u{1e}';
/// Turns that differ in fewer words are one text with something exchanged, not two wordings of the same.
const FEWEST_REWORDED: usize = 7;
/// Turns that differ in more have too little in common.
const MOST_REWORDED: usize = 64;
/// So many words of its own may a text have whose facts another repeats, adding others.
const FEW_OWN_WORDS: usize = 2;
/// Kinds of one thing have vectors with at least this cosine; it keeps out words that are kinds of one thing in some rare
/// sense, as WordNet has it.
const SAME_KIND: f32 = 0.45;
/// A prompt with fewer content words says too little by itself.
const FEWEST_CONTENT_WORDS: usize = 4;

/// Writes turns and the prompt that follows as the one text that [`Conversation::read`] reads.
pub fn transcript(turns: &[Turn], prompt: &str) -> String {
    let texts = turns.iter().map(|turn| turn.text.as_str()).chain([prompt]);
    let without_separators = texts.map(|text| text.replace(SEPARATOR, " "));
    without_separators.collect::<Vec<_>>().join(&SEPARATOR.to_string())
}

/// A prompt and the turns before it, read once.
#[derive(Debug, Clone)]
pub struct Conversation {
    prompt: Prepared,
    leaning: Leaning,
    earlier: Option<Earlier>,
}

/// What a prompt leans on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Leaning {
    /// Nothing: it is a whole question.
    Nothing,
    /// Whoever is spoken to: a whole question to "you", or one that names nothing.
    Addressee,
    /// What was said, whatever the order and the words.
    Facts,
    /// The turn just before, or which of several things was spoken of.
    Turns,
}

/// What the turns before a prompt say, in any order.
#[derive(Debug, Clone)]
struct Earlier {
    /// By their lemmas.
    words: BTreeMap<u32, Said>,
    quantities: Vec<Quantity>,
    is_cut: bool,
}

/// A word of the turns.
#[derive(Debug, Clone, Copy)]
struct Said {
    word: Word,
    /// How often it is written as a name.
    named: usize,
}

impl Conversation {
    /// Reads what [`transcript`] wrote; a text without turns is a prompt alone.
    pub fn read(text: &str) -> Self {
        let (turns, prompt) = text.rsplit_once(SEPARATOR).unwrap_or(("", text));
        let prompt = Prepared::new(prompt);
        Self {
            leaning: leaning(&prompt),
            earlier: text.contains(SEPARATOR).then(|| Earlier::read(turns)),
            prompt,
        }
    }

    /// Gives the prompt.
    pub const fn prompt(&self) -> &Prepared {
        &self.prompt
    }

    /// Says whether turns in other words than these could leave what the prompt means.
    pub fn may_be_reworded(&self) -> bool {
        self.earlier.is_none() || self.leaning != Leaning::Turns
    }

    /// Says whether the turns before two prompts that mean the same leave them so.
    pub fn is_continued_as(&self, other: &Self) -> bool {
        let (earlier, other_earlier) = match (&self.earlier, &other.earlier) {
            (None, None) => return true,
            (Some(earlier), Some(other)) => (earlier, other),
            _ => return false,
        };
        match self.leaning.max(other.leaning) {
            Leaning::Nothing => true,
            Leaning::Addressee => earlier.has_the_subject_of(other_earlier),
            Leaning::Facts => earlier.states_what(other_earlier),
            Leaning::Turns => false,
        }
    }
}

impl Earlier {
    fn read(turns: &str) -> Self {
        let mut earlier = Self { words: BTreeMap::new(), quantities: Vec::new(), is_cut: false };
        for turn in turns.split(SEPARATOR) {
            let words = Words::of(turn);
            earlier.is_cut |= words.is_cut;
            earlier.quantities.extend(quantities(turn, &words));
            for word in &words.all {
                let first = earlier.words.entry(word.lemma).or_insert(Said { word: *word, named: 0 });
                first.named += usize::from(word.is_name && word.is_content());
            }
        }
        earlier
    }

    fn names(&self) -> impl Iterator<Item = (&u32, &Said)> {
        self.words.iter().filter(|(_, said)| said.named > 0)
    }

    /// Says whether the turns and others speak of one thing: a name that is no other word, or what either names most.
    fn has_the_subject_of(&self, other: &Self) -> bool {
        let is_shared = |earlier: &Self, other: &Self, is_told: &dyn Fn(&Said) -> bool| {
            earlier.names().any(|(name, said)| is_told(said) && other.words.contains_key(name))
        };
        let most = |earlier: &Self| earlier.names().map(|(_, said)| said.named).max();
        let names_most = |earlier: &Self, other: &Self| {
            is_shared(earlier, other, &|said| Some(said.named) == most(earlier))
        };
        let is_own = |said: &Said| !said.word.is_known();
        is_shared(self, other, &is_own)
            || is_shared(other, self, &is_own)
            || (names_most(self, other) && names_most(other, self))
    }

    /// Says whether the other turns state the same facts, or all of them and more besides.
    fn states_what(&self, other: &Self) -> bool {
        let (left, right) = (self.words_without(other), other.words_without(self));
        let words = left.len() + right.len();
        let (has_theirs, have_ours) = (self.has_facts_of(other), other.has_facts_of(self));
        let is_repeated = |own: &[Word], has_its_facts: bool| has_its_facts && own.len() <= FEW_OWN_WORDS;
        !(self.is_cut || other.is_cut)
            && (FEWEST_REWORDED..=MOST_REWORDED).contains(&words)
            && self.names().chain(other.names()).next().is_some()
            && (has_theirs && have_ours || is_repeated(&left, have_ours) || is_repeated(&right, has_theirs))
            && !left.iter().any(|word| right.iter().any(|other| is_replaced(word, other)))
    }

    /// Lists the telling words that the other turns lack.
    fn words_without(&self, other: &Self) -> Vec<Word> {
        let own = self.words.iter().filter(|(lemma, _)| !other.words.contains_key(*lemma));
        let telling =
            own.filter(|(_, said)| !matches!(said.word.role, Role::Filler | Role::Person | Role::Number));
        telling.map(|(_, said)| said.word).collect()
    }

    /// Says whether every name and number of the other turns is in these.
    fn has_facts_of(&self, other: &Self) -> bool {
        other.names().all(|(name, _)| self.words.contains_key(name))
            && has_values_of(&self.quantities, &other.quantities)
    }
}

/// Says whether a word takes another's place rather than its meaning: they are two kinds of one thing, or opposites.
fn is_replaced(word: &Word, other: &Word) -> bool {
    let relation = word.lemma_id().zip(other.lemma_id()).map(|(word, other)| relation(word, other));
    relation == Some(Relation::Sibling) && cosine(&word.vector, &other.vector) >= SAME_KIND
        || are_opposites(word, other)
}

/// Says whether a prompt names what it is about: "Acme" does, "the Family plan" may be anybody's.
fn names_its_subject(words: &Words) -> bool {
    let before = std::iter::once("").chain(words.all.iter().map(|word| words.text(word)));
    let named = words.all.iter().zip(before).filter(|(word, _)| word.is_name && word.is_content());
    let (with_article, bare): (Vec<_>, Vec<_>) =
        named.partition(|(_, before)| matches!(*before, "a" | "an" | "the"));
    bare.iter().any(|(word, _)| with_article.is_empty() || !word.is_known())
}

fn leaning(prompt: &Prepared) -> Leaning {
    /// Which of several, or what was just offered: it depends on the order of what was said.
    const OF_TURNS: [&str; 20] = [
        "again", "both", "either", "fifth", "first", "former", "fourth", "last", "latter", "neither", "next",
        "one", "ones", "option", "options", "other", "others", "second", "sure", "third",
    ];
    /// Who or what was spoken of.
    const OF_FACTS: [&str; 34] = [
        "anymore", "else", "he", "her", "here", "him", "his", "it", "its", "me", "mine", "more", "my",
        "myself", "now", "our", "ours", "she", "so", "still", "that", "their", "them", "then", "there",
        "these", "they", "this", "those", "too", "us", "we", "yet", "today",
    ];
    const OPENINGS: [&str; 22] = [
        "also", "alright", "and", "as", "because", "but", "cool", "done", "fair", "fine", "good", "great",
        "no", "ok", "okay", "or", "right", "so", "then", "well", "yeah", "yes",
    ];
    const AUXILIARIES: [&str; 17] = [
        "am", "are", "can", "could", "did", "do", "does", "had", "has", "have", "is", "may", "must",
        "should", "was", "will", "would",
    ];
    let words: Vec<(&str, Role)> =
        prompt.words.all.iter().map(|word| (prompt.words.text(word), word.role)).collect();
    let says = |list: &[&str]| words.iter().any(|(word, _)| list.contains(word));
    let opens = |list: &[&str]| words.first().is_some_and(|(word, _)| list.contains(word));
    let says_two = |is_pair: &dyn Fn(&str, &str) -> bool| {
        words.iter().zip(words.iter().skip(1)).any(|((word, _), (next, _))| is_pair(word, next))
    };
    let asks = opens(&AUXILIARIES)
        || words.iter().any(|(_, role)| *role == Role::Question)
        || says_two(&|word, next| AUXILIARIES.contains(&word) && role_of(next) == Role::Person);
    let points_back = prompt.points_elsewhere
        || says(&OF_TURNS)
        || says(&["instead"]) && !says_two(&|word, next| (word, next) == ("instead", "of"))
        || says(&["same"]) && !says_two(&|word, next| (word, next) == ("same", "time"));
    let content = words.iter().filter(|(_, role)| matches!(role, Role::Content | Role::Number)).count();
    if !asks || points_back || opens(&["go"]) {
        Leaning::Turns
    } else if content < FEWEST_CONTENT_WORDS || says(&OF_FACTS) || opens(&OPENINGS) {
        Leaning::Facts
    } else if says(&["you", "your", "yours"]) || !names_its_subject(&prompt.words) {
        Leaning::Addressee
    } else {
        Leaning::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::prompt;

    fn conversation(turns: &[&str], prompt: &str) -> Conversation {
        let turns: Vec<Turn> =
            turns.iter().map(|text| Turn { role: prompt::Role::User, text: (*text).to_owned() }).collect();
        Conversation::read(&transcript(&turns, prompt))
    }

    fn check(prompt: &str, left: &[&str], right: &[&str], expected: bool) {
        let (left, right) = (conversation(left, prompt), conversation(right, prompt));
        assert_eq!(left.is_continued_as(&right), expected, "{prompt}");
        assert_eq!(right.is_continued_as(&left), expected, "{prompt}");
    }

    #[test]
    fn a_whole_question_means_the_same_after_any_turns() {
        let question = "What deposit does Acme ask for a holiday cottage in Brittany?";
        check(question, &["Do you sell maps?"], &["My dog is ill"], true);
        check(question, &["Do you sell maps?"], &[], false);
        check(question, &[], &[], true);
    }

    #[test]
    fn a_question_to_somebody_is_for_those_who_are_spoken_of() {
        let question = "Do you charge an extra fee for late payment?";
        check(question, &["I rent from Acme", "Acme says hello"], &["Is Acme open? The Acme desk"], true);
        check(question, &["I rent from Acme", "Acme says hello"], &["I rent from Zenith"], false);
        check(question, &["hello"], &["good morning"], false);
    }

    #[test]
    fn a_question_about_what_was_said_needs_the_same_facts() {
        let question = "How much will it cost me?";
        let turns = ["I want the Acme flat for 6 months", "The rent is £900 a month"];
        check(
            question,
            &turns,
            &[
                "Acme would let me live in that lovely sunny flat for six months, with a rent of £900 a month due early every single time",
            ],
            true,
        );
        check(question, &turns, &["I want the Acme flat for 6 months", "The rent is £950 a month"], false);
        check(question, &turns, &["I want the Zenith flat for 6 months", "The rent is £900 a month"], false);
        check(question, &["My son will stay, £900"], &["My daughter will stay, £900"], false);
        // Nothing says that these are about the same.
        check(question, &["I lost a parcel"], &["Somebody broke into our new summer house last week"], false);
        // One says it all again, and more.
        let more =
            ["Good morning, lovely weather, isn't it? My cat says hello too, by the way", turns[0], turns[1]];
        check(question, &turns, &more, true);
        let other = [more[0], turns[0], "The rent is £950 a month"];
        check(question, &turns, &other, false);
    }

    #[test]
    fn what_leans_on_a_turn_is_matched_by_the_very_same_turns_only() {
        for prompt in
            ["yes please", "the second one", "go ahead", "cancel it", "which option is best?", "continue"]
        {
            assert!(!conversation(&["a", "b"], prompt).may_be_reworded(), "{prompt}");
            assert!(conversation(&[], prompt).may_be_reworded(), "{prompt}");
        }
    }

    #[test]
    fn a_transcript_is_read_as_it_was_written() {
        let read = conversation(&["a\u{1e}b", ""], "What is c?");
        assert_eq!(read.earlier.map(|earlier| earlier.words.len()), Some(2));
        assert!(Conversation::read("").earlier.is_none());
    }
}
