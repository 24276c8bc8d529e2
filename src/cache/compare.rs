//! May the answer to one prompt be served for another? Vetoes first, then a score.
//!
//! A veto is a difference that an answer does not survive, such as another number, a "not", or two
//! names that changed places; a cosine does not see it. The score is what a logistic
//! regression makes of the features of the pair. Both look at the two texts and their cosine only: which score
//! is high enough is not decided here. Invariant: the order of the two texts does not matter, and
//! every pair of texts gets a comparison.

mod alignment;
mod antonyms;
mod code;
mod conversation;
mod features;
mod negation;
mod normal;
mod numbers;
mod order;
mod reference;
mod roles;
mod verifier;
mod vocabulary;
mod words;

use strum::{Display, IntoStaticStr};

use self::alignment::{Alignment, Link, Opposites};
use self::code::{Language, Signs};
pub use self::conversation::{Conversation, transcript};
pub use self::features::{Features, NAMES as FEATURE_NAMES};
pub use self::normal::normalised;
use self::numbers::{Agreement, Quantity};
use self::words::Words;

/// Texts that share this much of their words are the same words in some order.
const SAME_WORDS_JACCARD: f32 = 0.8;
/// The share of inverted pairs of shared words up to which the order counts as the same.
const MAX_INVERTED_SHARE: f32 = 0.04;

/// Why an answer may not be served, whatever the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Veto {
    /// One of the texts is too long to be compared word by word.
    Length,
    /// One of the texts is not written in Latin letters, which the embedder hardly tells apart.
    Script,
    /// One of the texts speaks of something that is not in it: "the text above".
    Reference,
    /// Code that is not the same code.
    Code,
    /// Formulas that are not the same.
    Mathematics,
    /// Each text has a number, unit, day or month that the other lacks.
    Number,
    /// One says "not", and there is nothing else to make up for it.
    Negation,
    /// A word and its opposite.
    Antonym,
    /// The same words in another order.
    Order,
}

/// How two prompts compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    pub veto: Option<Veto>,
    /// The probability that the answer to one answers the other, in [0, 1], as if there were no veto.
    pub score: f64,
    /// The cosine less what the differences of the texts cost.
    pub verified: f64,
}

/// A text, read once for any number of comparisons.
#[derive(Debug, Clone)]
pub struct Prepared {
    words: Words,
    quantities: Vec<Quantity>,
    signs: Signs,
    negations: usize,
    is_latin: bool,
    points_elsewhere: bool,
}

impl Prepared {
    /// Reads a text: some 10 µs for a question.
    pub fn new(text: &str) -> Self {
        let words = Words::of(text);
        Self {
            quantities: numbers::quantities(text, &words),
            signs: Signs::of(text, &words),
            negations: negation::negations(&words),
            is_latin: crate::domain::prompt::is_mostly_latin(text),
            points_elsewhere: reference::points_elsewhere(&words),
            words,
        }
    }

    fn agreement(&self, other: &Self) -> Agreement {
        numbers::agreement(&self.quantities, &other.quantities)
    }
}

/// Compares two prompts whose embeddings have this cosine; which is the cached one does not matter.
pub fn compare(left: &Prepared, right: &Prepared, cosine: f32) -> Comparison {
    let (left, right) = in_order(left, right);
    let alignment = Alignment::of(&left.words, &right.words).with_relatives(&left.words, &right.words);
    let features = features::features(left, right, &alignment, cosine);
    let (score, verified) = verifier::judge(&features);
    Comparison { veto: veto_of(left, right, &alignment), score, verified }
}

/// Looks for a veto only.
pub fn veto(left: &Prepared, right: &Prepared) -> Option<Veto> {
    let (left, right) = in_order(left, right);
    veto_of(left, right, &Alignment::of(&left.words, &right.words))
}

/// Gives the features of a pair, to train on; [`FEATURE_NAMES`] names them.
pub fn features(left: &Prepared, right: &Prepared, cosine: f32) -> Features {
    let (left, right) = in_order(left, right);
    let alignment = Alignment::of(&left.words, &right.words).with_relatives(&left.words, &right.words);
    features::features(left, right, &alignment, cosine)
}

/// Puts two texts in an order of their own, so that it does not matter which came first.
fn in_order<'a>(left: &'a Prepared, right: &'a Prepared) -> (&'a Prepared, &'a Prepared) {
    if left.words.is_before(&right.words) { (left, right) } else { (right, left) }
}

fn veto_of(left: &Prepared, right: &Prepared, alignment: &Alignment) -> Option<Veto> {
    if left.words.is_cut || right.words.is_cut {
        Some(Veto::Length)
    } else if !(left.is_latin && right.is_latin) {
        Some(Veto::Script)
    } else if left.points_elsewhere || right.points_elsewhere {
        Some(Veto::Reference)
    } else if left.signs.conflict_with(&right.signs) {
        let is_code = left.signs.language == Language::Code || right.signs.language == Language::Code;
        Some(if is_code { Veto::Code } else { Veto::Mathematics })
    } else if left.agreement(right) == Agreement::Conflict {
        Some(Veto::Number)
    } else if let Some(veto) = reversal(left, right, alignment) {
        Some(veto)
    } else if are_same_words(alignment) && is_reordered(left, alignment) {
        Some(Veto::Order)
    } else {
        None
    }
}

/// Says whether words, or just two names, changed places, unless two whole blocks of words did.
fn is_reordered(left: &Prepared, alignment: &Alignment) -> bool {
    let is_inverted = order::inverted_share(&alignment.shared_places(&left.words)) > MAX_INVERTED_SHARE
        || order::inverted_share(&alignment.named_places(&left.words)) > 0.0;
    is_inverted && !order::is_block_move(&alignment.places())
}

/// Says what turns one text into the opposite of the other: a "not", or an opposite, but not both.
fn reversal(left: &Prepared, right: &Prepared, alignment: &Alignment) -> Option<Veto> {
    let is_negated = (left.negations > 0) != (right.negations > 0);
    let is_reworded = are_both_reworded(left, right, alignment);
    match (is_negated, alignment.opposites) {
        // "Not correct" is "incorrect".
        (true, Opposites::Content) => None,
        (true, _) => (!is_reworded).then_some(Veto::Negation),
        (false, Opposites::Content) => Some(Veto::Antonym),
        (false, Opposites::Particles) => (!is_reworded).then_some(Veto::Antonym),
        (false, Opposites::None) => None,
    }
}

/// Says whether each text has a content word of its own, which may say what the other's "not" says.
fn are_both_reworded(left: &Prepared, right: &Prepared, alignment: &Alignment) -> bool {
    let has_own = |words: &Words, links: &[Link]| {
        words.all.iter().zip(links).any(|(word, link)| word.is_content() && link.to.is_none())
    };
    has_own(&left.words, &alignment.left) && has_own(&right.words, &alignment.right)
}

fn are_same_words(alignment: &Alignment) -> bool {
    let shared = alignment.left.iter().filter(|link| link.to.is_some()).count();
    let union = alignment.left.len() + alignment.right.len() - shared;
    shared as f32 >= SAME_WORDS_JACCARD * union as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(left: &str, right: &str, expected: Option<Veto>) {
        let (left_text, right_text) = (Prepared::new(left), Prepared::new(right));
        assert_eq!(veto(&left_text, &right_text), expected, "{left} | {right}");
        assert_eq!(veto(&right_text, &left_text), expected, "{right} | {left}");
    }

    #[test]
    fn what_changes_the_answer_is_vetoed() {
        check("Who won the cup in 2014?", "Who won the cup in 2018?", Some(Veto::Number));
        check("Are you open on Monday?", "Are you open on Friday?", Some(Veto::Number));
        check("Which plans include calls?", "Which plans don't include calls?", Some(Veto::Negation));
        check("Should I water my plants?", "Should I stop watering my plants?", Some(Veto::Negation));
        check("How do I enable dark mode?", "How do I disable dark mode?", Some(Veto::Antonym));
        check("Turn the light on", "Turn the light off", Some(Veto::Antonym));
        check("What uses the most power?", "What uses the least power?", Some(Veto::Antonym));
        check("Is it legal to park here?", "Is it illegal to park here?", Some(Veto::Antonym));
        check("Move data from MySQL to Postgres", "Move data from Postgres to MySQL", Some(Veto::Order));
        check("Why do cats chase dogs?", "Why do dogs chase cats?", Some(Veto::Order));
        check("Solve 2*x = 4 for x", "Solve 2*y = 4 for y", Some(Veto::Mathematics));
        check("What does `a_b()` do?", "What does `b_a()` do?", Some(Veto::Code));
        check("Summarise the text above", "Summarise the text above, please", Some(Veto::Reference));
        check("无语是什么意思?", "装逼是什么意思?", Some(Veto::Script));
        check(&"word ".repeat(400), &"word ".repeat(401), Some(Veto::Length));
    }

    #[test]
    fn what_leaves_the_answer_alone_is_not_vetoed() {
        for (left, right) in [
            ("How do I cancel my subscription?", "I'd like to end my subscription, how do I do that?"),
            ("How do I change the email address?", "How do I chnage the email adress?"),
            ("How do I get a card?", "I don't know how to get a card"),
            ("On my phone, how do I set up voicemail?", "How do I set up voicemail on my phone?"),
            ("Transfer two hundred pounds", "Transfer 200 pounds"),
            ("The rate is incorrect", "The rate is not correct"),
            ("My card has not arrived", "I am still waiting for my card"),
            ("What are the best films?", "What are the top 10 films?"),
        ] {
            check(left, right, None);
        }
    }

    #[test]
    fn the_score_falls_with_a_swapped_word() {
        let score =
            |left: &str, right: &str| compare(&Prepared::new(left), &Prepared::new(right), 0.93).score;
        let same = score("How do I reset my password?", "how can I reset my passwords");
        assert!(same > 0.95, "{same}");
        for (left, right) in [
            ("What does my home insurance cover?", "What does my car insurance cover?"),
            ("How do I export data from Salesforce?", "How do I export data from HubSpot?"),
            ("Can I get a refund on a gift?", "Can I get a refund on a gift card?"),
        ] {
            assert!(score(left, right) < same - 0.02, "{left} | {right}");
        }
    }

    /// Words that mean something to one veto or another, and anything else.
    fn texts() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            4 => prop::sample::select(vec![
                "not", "card", "cards", "Paris", "MySQL", "on", "off", "two", "3", "5.0", "km", "$", "a", "the",
                "goes", "go", "better", "good", "mondays", "`", "x_y", "=", "don't", "this", "above", ".", "?",
            ]).prop_map(str::to_owned),
            1 => "\\PC{0,6}",
        ];
        prop::collection::vec(word, 0..14).prop_map(|words| words.join(" "))
    }

    proptest! {
        #[test]
        fn every_pair_has_a_comparison_that_does_not_depend_on_the_order(
            left in texts(), right in texts(), cosine in -2.0_f32..2.0,
        ) {
            let (left, right) = (Prepared::new(&left), Prepared::new(&right));
            let comparison = compare(&left, &right, cosine);
            prop_assert!((0.0..=1.0).contains(&comparison.score));
            prop_assert_eq!(comparison, compare(&right, &left, cosine));
            prop_assert_eq!(comparison.veto, veto(&left, &right));
            prop_assert!(compare(&left, &right, f32::NAN).score.is_finite());
        }

        #[test]
        fn a_text_differs_from_itself_in_nothing(text in texts()) {
            let text = Prepared::new(&text);
            let veto = veto(&text, &text);
            prop_assert!(matches!(veto, None | Some(Veto::Script | Veto::Reference)), "{:?}", veto);
            prop_assert!(features(&text, &text, 1.0)[1..].iter().all(|feature| *feature == 0.0));
        }
    }
}
