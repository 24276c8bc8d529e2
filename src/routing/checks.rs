//! What can be seen of an answer for free: its sums recomputed, the numbers it uses, the form asked for, hedging,
//! refusal, repetition, a missing end.
//!
//! The marks say nothing by themselves; what each is worth is learned from outcomes.

use std::collections::HashSet;

use super::arithmetic::{Sums, numbers};
use super::words::{count_phrases, count_words, words};

/// Marks of one answer.
pub const MARKS: usize = 30;

/// Characters of an answer, and of a prompt, that are looked at: the last ones.
const READ: usize = 20_000;
/// Characters below which an answer that refuses says nothing else.
const SHORT: usize = 400;
/// Characters at the end of an answer in which its conclusion is looked for.
const CONCLUSION: usize = 160;

const HEDGES: [&str; 22] = [
    "however",
    "cannot",
    "unclear",
    "assume",
    "assuming",
    "assumption",
    "sorry",
    "unfortunately",
    "approximately",
    "about",
    "mistake",
    "incorrect",
    "contradicts",
    "impossible",
    "wait",
    "actually",
    "correction",
    "corrected",
    "perhaps",
    "might",
    "unsure",
    "unknown",
];
const REFUSALS: [&str; 6] = ["i cannot", "i can't", "i am unable", "i'm unable", "as an ai", "i won't"];
const CONCLUSIONS: [&str; 7] = ["answer is", "thus", "therefore", "####", "in total", "so,", "finally"];
const FINAL_MARKS: [&str; 4] = ["####", "answer is", "\\boxed", "final answer"];
/// Words of a prompt that stand for numbers.
const NUMBER_WORDS: [(&str, f64); 22] = [
    ("one", 1.0),
    ("two", 2.0),
    ("three", 3.0),
    ("four", 4.0),
    ("five", 5.0),
    ("six", 6.0),
    ("seven", 7.0),
    ("eight", 8.0),
    ("nine", 9.0),
    ("ten", 10.0),
    ("eleven", 11.0),
    ("twelve", 12.0),
    ("twenty", 20.0),
    ("thirty", 30.0),
    ("half", 0.5),
    ("twice", 2.0),
    ("double", 2.0),
    ("triple", 3.0),
    ("thrice", 3.0),
    ("dozen", 12.0),
    ("quarter", 0.25),
    ("third", 3.0),
];

/// Reads the marks off an answer; counts are logarithms of one more, so all lie between about -1 and 25.
pub fn marks(prompt: &str, answer: &str) -> [f64; MARKS] {
    let (prompt, answer) = (last(prompt, READ), last(answer, READ).trim());
    let (prompt_lower, answer_lower) = (prompt.to_lowercase(), answer.to_lowercase());
    let (prompt_words, answer_words) = (words(&prompt_lower), words(&answer_lower));
    let sums = Sums::of(answer);
    let (asked, given) = (Numbers::of_prompt(prompt, &prompt_words), Numbers::of(answer));
    let conclusion = last(&answer_lower, CONCLUSION);
    let result = given.list.last().copied();
    let steps = answer.split("####").next().unwrap_or("").replace("<<", "").matches('=').count();
    [
        log(answer.chars().count()),
        log(sentences(answer)),
        log(sums.right),
        log(sums.wrong),
        log(sums.broken_marks),
        flag(sums.broken_marks > 0),
        flag(result.is_none()),
        flag(result.is_some_and(|number| number.fract() != 0.0)),
        flag(result.is_some_and(|number| number < 0.0)),
        result.map_or(0.0, |number| number.abs().ln_1p().min(25.0)),
        flag(result.is_some_and(|number| asked.has(number))),
        asked.share_outside(&given),
        log(given.distinct_outside(&asked)),
        flag(sums.last_result.is_some() && sums.last_result == result),
        log(count_words(&answer_words, &HEDGES)),
        flag(count_phrases(&answer_lower, &REFUSALS) > 0),
        flag(!ends_well(answer)),
        flag(is_unclosed(answer)),
        repetition(&answer_words),
        flag(count_phrases(conclusion, &CONCLUSIONS) > 0),
        flag(count_phrases(&answer_lower, &FINAL_MARKS) > 0),
        log(numbers(conclusion).len()),
        given.fractional_share(),
        log(answer.matches('\n').count()),
        given.largest().ln_1p().min(25.0),
        log(prompt.chars().count()),
        log(asked.list.len()),
        (answer.chars().count() as f64 / prompt.chars().count().max(1) as f64).ln_1p(),
        log(steps),
        flag(misses_form(&prompt_lower, answer)),
    ]
}

/// Says what is plainly wrong with an answer that came to its end; `None`: nothing is.
pub fn fault(prompt: &str, answer: &str) -> Option<&'static str> {
    let (prompt, answer) = (last(prompt, READ), last(answer, READ).trim());
    let sums = Sums::of(answer);
    [
        (answer.is_empty(), "it is empty"),
        (misses_form(&prompt.to_lowercase(), answer), "it is not in the form asked for"),
        (answer.matches("```").count() % 2 == 1, "it breaks off"),
        (sums.broken_marks > 0, "its sums are wrong"),
        (answer.chars().count() < SHORT && has_refusal(answer), "it refuses"),
    ]
    .into_iter()
    .find_map(|(is_so, what)| is_so.then_some(what))
}

fn has_refusal(answer: &str) -> bool {
    count_phrases(&answer.to_lowercase(), &REFUSALS) > 0
}

fn log(count: usize) -> f64 {
    (count as f64).ln_1p()
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// Gives the last characters of a text.
fn last(text: &str, characters: usize) -> &str {
    let start = text.char_indices().rev().take(characters).last().map_or(0, |(place, _)| place);
    text.get(start..).unwrap_or(text)
}

fn sentences(text: &str) -> usize {
    text.split(['.', '!', '?', '\n', '。', '？']).filter(|part| part.split_whitespace().count() > 1).count()
}

fn ends_well(answer: &str) -> bool {
    answer.chars().last().is_some_and(|end| end.is_ascii_digit() || ".!?)]}\"'`|。！？」』$*>".contains(end))
}

/// Says whether something that was opened was never closed, as where an answer broke off.
fn is_unclosed(answer: &str) -> bool {
    answer.matches("```").count() % 2 == 1
        || answer.matches("<<").count() > answer.matches(">>").count()
        || answer.matches('(').count() > answer.matches(')').count()
}

/// Gives the share of three words in a row that came before, in [0, 1].
fn repetition(words: &[&str]) -> f64 {
    let triples = words.len().saturating_sub(2);
    let distinct: HashSet<&[&str]> = words.windows(3).collect();
    if triples == 0 { 0.0 } else { 1.0 - distinct.len() as f64 / triples as f64 }
}

/// Says whether a form that the prompt asks for is not there.
fn misses_form(prompt: &str, answer: &str) -> bool {
    let asks = |phrases: &[&str]| count_phrases(prompt, phrases) > 0;
    asks(&["json"]) && serde_json::from_str::<serde::de::IgnoredAny>(unfenced(answer)).is_err()
        || asks(&["write a function", "write a python function", "write code"])
            && !answer.contains(['(', '{'])
        || asks(&["\\boxed"]) && !answer.contains("\\boxed")
        || asks(&["how many", "how much"]) && !answer.contains(|character: char| character.is_ascii_digit())
}

/// Gives what stands between fences, where there are any.
fn unfenced(answer: &str) -> &str {
    let inside = answer.split("```").nth(1).unwrap_or(answer);
    inside.trim_start_matches("json").trim()
}

/// The numbers of a text.
struct Numbers {
    list: Vec<f64>,
    distinct: HashSet<u64>,
}

impl Numbers {
    fn of(text: &str) -> Self {
        Self::new(numbers(text))
    }

    fn of_prompt(prompt: &str, words: &[&str]) -> Self {
        let mut list = numbers(prompt);
        list.extend(words.iter().filter_map(|word| {
            NUMBER_WORDS.iter().find(|(name, _)| name == word).map(|(_, number)| *number)
        }));
        Self::new(list)
    }

    fn new(list: Vec<f64>) -> Self {
        let distinct = list.iter().map(|number| number.to_bits()).collect();
        Self { list, distinct }
    }

    fn has(&self, number: f64) -> bool {
        self.distinct.contains(&number.to_bits())
    }

    fn distinct_outside(&self, other: &Self) -> usize {
        self.distinct.difference(&other.distinct).count()
    }

    fn share_outside(&self, other: &Self) -> f64 {
        self.distinct_outside(other) as f64 / self.distinct.len().max(1) as f64
    }

    fn fractional_share(&self) -> f64 {
        let fractional = self.list.iter().filter(|number| number.fract() != 0.0).count();
        fractional as f64 / self.list.len().max(1) as f64
    }

    fn largest(&self) -> f64 {
        self.list.iter().fold(0.0, |largest, number| number.abs().max(largest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn an_answer_shows_what_is_wrong_with_it() {
        let check = |prompt: &str, answer: &str, mark: usize, expected: bool| {
            assert_eq!(marks(prompt, answer)[mark] > 0.0, expected, "{answer}: mark {mark}");
        };
        let (broken, nothing, used, refused, cut, open, form) = (5, 6, 11, 15, 16, 17, 29);
        check("3 cats", "so <<3*4=12>>12.", broken, false);
        check("3 cats", "so <<3*4=13>>13.", broken, true);
        check("3 cats", "none", nothing, true);
        check("3 cats and two dogs", "3 + 2 = 5", used, false);
        check("3 cats and two dogs", "3 = 3", used, true);
        check("Do it", "I'm sorry, but I cannot do that.", refused, true);
        check("Do it", "Done, and then we", cut, true);
        check("Do it", "Done.", cut, false);
        check("Do it", "```rust\nfn main(", open, true);
        check("Answer in JSON", "{\"a\": 1}", form, false);
        check("Answer in JSON", "```json\n{\"a\": 1}\n```", form, false);
        check("Answer in JSON", "a is 1", form, true);
        check("How many are there?", "A few.", form, true);
    }

    #[test]
    fn only_what_is_plainly_wrong_is_a_fault() {
        let check = |prompt: &str, answer: &str, expected: Option<&str>| {
            assert_eq!(fault(prompt, answer), expected, "{answer}");
        };
        check("Do it", "Done.", None);
        check("Do it", " ", Some("it is empty"));
        check("Answer in JSON", "a is 1", Some("it is not in the form asked for"));
        check("Answer in JSON", "[1]", None);
        check("Do it", "```rust\nfn main() {}", Some("it breaks off"));
        check("3 cats", "so <<3*4=13>>13.", Some("its sums are wrong"));
        check("Do it", "I'm sorry, but I cannot do that.", Some("it refuses"));
        check("Do it", &format!("I cannot say much. {}", "But this is so. ".repeat(40)), None);
    }

    #[test]
    fn repetition_is_the_share_of_what_came_before() {
        assert_eq!(repetition(&words("one two three four five")), 0.0);
        assert!(repetition(&words(&"one two three ".repeat(20))) > 0.9);
    }

    proptest! {
        #[test]
        fn any_answer_has_finite_marks(prompt in "\\PC{0,80}", answer in "[-0-9x*/+()=<>., $%a\n`{}é]{0,300}") {
            prop_assert!(marks(&prompt, &answer).iter().all(|mark| mark.is_finite()));
        }
    }
}
