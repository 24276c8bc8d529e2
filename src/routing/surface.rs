//! The surface of a prompt as numbers that a linear model can weigh.
//!
//! No list of topics: lengths, signs, and the form of the question. A prompt of any script or size has all of them.

use super::words::{count_words, words};

/// Numbers in a surface.
pub const SURFACE: usize = 15;

/// Characters at the end of a prompt that are looked at, apart from its length.
const READ: usize = 20_000;
/// Standardised numbers are cut here, so that no strange text outweighs everything else.
const LARGEST: f64 = 3.0;

/// Means and standard deviations over 7,000 prompts of four public sets (LLMRouter, GSM8K, MMLU, SKT).
const MEANS: [f64; SURFACE] =
    [5.41, 3.72, 0.02, 0.81, 0.37, 0.17, 0.68, 1.35, 1.21, 0.26, 4.40, 1.54, 1.23, 0.05, 0.01];
const DEVIATIONS: [f64; SURFACE] =
    [1.10, 1.04, 0.04, 0.94, 0.75, 0.54, 0.47, 1.93, 1.77, 0.55, 0.77, 0.80, 0.73, 0.14, 0.08];

const MATHS_SIGNS: &str = "\\^=<>$≤≥√π∑∫×÷+*/";
const CODE_SIGNS: [&str; 9] = ["```", "def ", "return ", "import ", "class ", "();", "{", "}", ";"];
const NEGATIONS: [&str; 15] = [
    "not",
    "except",
    "false",
    "incorrect",
    "least",
    "never",
    "neither",
    "nor",
    "cannot",
    "unlikely",
    "without",
    "don't",
    "doesn't",
    "isn't",
    "aren't",
];

/// Reads the surface of a prompt: 15 numbers, each in [-3, 3] and about 0 for a usual prompt.
pub fn surface(prompt: &str) -> [f64; SURFACE] {
    let characters = prompt.chars().count();
    let start = prompt.char_indices().rev().take(READ).last().map_or(0, |(place, _)| place);
    let text = prompt.get(start..).unwrap_or(prompt);
    let lower = text.to_lowercase();
    let words = words(&lower);
    let options: Vec<usize> =
        text.split('\n').filter(|line| is_option(line)).map(|line| line.chars().count()).collect();
    let count_of =
        |is_wanted: fn(char) -> bool| text.chars().filter(|character| is_wanted(*character)).count();
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    let log = |count: usize| (count as f64).ln_1p();
    let read = text.chars().count();
    let raw: [f64; SURFACE] = [
        log(characters),
        log(words.len()),
        share(count_of(|character| character.is_ascii_digit()), read),
        log(digit_runs(text)),
        log(count_of(|character| MATHS_SIGNS.contains(character))),
        log(CODE_SIGNS.iter().map(|sign| text.matches(sign).count()).sum()),
        f64::from(u8::from(text.contains(['?', '？']))),
        options.len().min(6) as f64,
        share(options.iter().sum(), options.len()).ln_1p(),
        log(count_words(&words, &NEGATIONS)),
        share(words.iter().map(|word| word.chars().count()).sum(), words.len()),
        log(sentences(text)),
        log(text.split('\n').count()),
        share(count_of(|character| character == ','), words.len()),
        share(count_of(|character| !character.is_ascii()), read),
    ];
    let mut surface = [0.0; SURFACE];
    for ((number, raw), (mean, deviation)) in surface.iter_mut().zip(raw).zip(MEANS.iter().zip(&DEVIATIONS)) {
        *number = ((raw - mean) / deviation).clamp(-LARGEST, LARGEST);
    }
    surface
}

/// Says whether a line is one of some lettered or numbered options: `A. `, `(b) `, `3) `.
fn is_option(line: &str) -> bool {
    let mut characters = line.trim_start().trim_start_matches('(').chars();
    let mark = characters
        .next()
        .is_some_and(|mark| mark.is_ascii_digit() || ('a'..='h').contains(&mark.to_ascii_lowercase()));
    mark && matches!(characters.next(), Some('.' | ')')) && characters.next() == Some(' ')
}

fn digit_runs(text: &str) -> usize {
    text.split(|character: char| !character.is_ascii_digit()).filter(|run| !run.is_empty()).count()
}

fn sentences(text: &str) -> usize {
    text.split(['.', '!', '?', '\n', '。', '？']).filter(|part| part.split_whitespace().count() > 1).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn a_question_with_options_differs_from_prose_where_it_should() {
        let options = surface("Which is not a mammal?\nA. a whale\nB. a shark\n(C) a bat\nD) a dog");
        let prose = surface("Tell me a story of a whale.");
        assert!(options[7] > prose[7] && options[8] > prose[8] && options[9] > prose[9], "{options:?}");
        assert!(surface("解释量子纠缠的原理")[14] > 2.0);
        assert_eq!(surface(&"word ".repeat(40_000))[0], LARGEST);
    }

    proptest! {
        #[test]
        fn any_text_has_a_surface_within_its_bounds(text in any_text()) {
            prop_assert!(surface(&text).iter().all(|number| (-LARGEST..=LARGEST).contains(number)));
        }
    }

    fn any_text() -> impl proptest::strategy::Strategy<Value = String> {
        proptest::prop_oneof!["\\PC{0,200}", "[A-H0-9.() \n?,;$\\\\]{0,200}", "[가-힣a-z ]{0,100}"]
    }
}
