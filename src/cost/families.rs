//! What a model's tokenizer makes of kinds of characters, by its family.
//!
//! Measured: `packaging/tokens/README.md` says on what, and how far off it is.

use crate::domain::model::ModelRef;

/// Kinds of characters of some texts, and their tokens by o200k where those are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Features {
    lower: u64,
    upper: u64,
    digits: u64,
    spaces: u64,
    other_white: u64,
    /// Other characters of ASCII.
    marks: u64,
    /// Characters of two, three and four bytes.
    wide: [u64; 3],
    /// Characters that are, with the one before, the two before them again.
    repeated: u64,
    /// White space of ASCII right after some.
    further_white: u64,
    texts: u64,
    pub(super) o200k: Option<u64>,
}

/// Weights in thousandths of a token.
type Weights<const N: usize> = [u16; N];

/// Models whose tokenizers are alike.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// Of small and capital letters, digits, spaces, other white space, marks, characters of two, three and four bytes,
    /// and once.
    expected: Weights<10>,
    /// Of tokens of o200k, and digits; absent where those are the family's own.
    expected_by_o200k: Option<Weights<2>>,
    bound: &'static Bound,
}

/// What no text goes over.
#[derive(Debug, PartialEq, Eq)]
struct Bound {
    /// Of the kinds that [`Family::expected`] has.
    by_characters: Weights<10>,
    /// Of tokens of o200k, digits, characters beyond ASCII, repeated ones, further white space, capitals, and once.
    by_o200k: Weights<7>,
}

/// No held-out ordinary text went over a bound by more than this.
const DEEPEST_MISS_PERCENT: u64 = 15;

/// Holds for every tokenizer that is published.
const PUBLISHED: Bound = Bound {
    by_characters: [1_030, 1_030, 2_060, 10, 1_270, 1_030, 2_260, 4_630, 6_550, 1_600],
    by_o200k: [1_540, 520, 2_260, 470, 170, 480, 1_630],
};
/// Claude's is not published; this is by another's reconstruction of that of Opus 4.7 and later.
const RECONSTRUCTED: Bound = Bound {
    by_characters: [1_030, 1_810, 1_490, 570, 780, 1_290, 2_420, 3_940, 15_080, 110],
    by_o200k: [2_060, 0, 1_080, 880, 0, 870, 18_340],
};

const fn published(expected: Weights<10>, by_o200k: Weights<2>) -> Family {
    Family { expected, expected_by_o200k: Some(by_o200k), bound: &PUBLISHED }
}

const O200K: Family = Family {
    expected: [246, 286, 670, 0, 834, 584, 386, 482, 2_277, 275],
    expected_by_o200k: None,
    bound: &PUBLISHED,
};
const GEMMA: Family = published([242, 342, 1_194, 0, 1_047, 755, 393, 421, 1_578, 297], [1_000, 550]);
const QWEN: Family = published([250, 251, 1_232, 0, 836, 609, 415, 570, 3_594, 389], [1_000, 540]);
const LLAMA: Family = published([258, 290, 683, 6, 723, 544, 433, 781, 3_207, 192], [1_000, 0]);
const DEEPSEEK: Family = published([245, 356, 643, 25, 795, 642, 504, 648, 2_480, 325], [1_020, 0]);
const MISTRAL: Family = published([248, 328, 1_234, 0, 966, 567, 402, 559, 4_802, 543], [1_030, 510]);
const ANY: Family = published([255, 300, 964, 0, 783, 558, 444, 683, 2_976, 234], [1_010, 260]);
const CLAUDE: Family = Family {
    expected: [360, 860, 597, 1, 1_135, 997, 759, 1_007, 4_474, 0],
    expected_by_o200k: Some([1_460, 0]),
    bound: &RECONSTRUCTED,
};

/// Words in models' names; the first that is found counts, as of a model distilled into another.
const NAMES: [(&str, &Family); 14] = [
    ("claude", &CLAUDE),
    ("gemini", &GEMMA),
    ("gemma", &GEMMA),
    ("llama", &LLAMA),
    ("qwen", &QWEN),
    ("qwq", &QWEN),
    ("deepseek", &DEEPSEEK),
    ("mistral", &MISTRAL),
    ("ministral", &MISTRAL),
    ("magistral", &MISTRAL),
    ("devstral", &MISTRAL),
    ("gpt-oss", &O200K),
    ("gpt-4o", &O200K),
    ("gpt-5", &O200K),
];

impl Features {
    /// Adds a text.
    pub(super) fn add(&mut self, text: &str) {
        self.texts += 1;
        // The last one first.
        let mut before: [Option<char>; 3] = [None; 3];
        for character in text.chars() {
            let is_white = |character: char| matches!(character, ' ' | '\t'..='\r');
            let [last, second, third] = before;
            let kind = match character {
                'a'..='z' => &mut self.lower,
                'A'..='Z' => &mut self.upper,
                '0'..='9' => &mut self.digits,
                ' ' => &mut self.spaces,
                '\t'..='\r' => &mut self.other_white,
                _ if character.is_ascii() => &mut self.marks,
                _ => match &mut self.wide {
                    [two, _, _] if character.len_utf8() == 2 => two,
                    [_, three, _] if character.len_utf8() == 3 => three,
                    [_, _, four] => four,
                },
            };
            *kind += 1;
            self.repeated += u64::from(third.is_some() && last == third && second == Some(character));
            self.further_white += u64::from(is_white(character) && last.is_some_and(is_white));
            before = [Some(character), last, second];
        }
    }

    fn kinds(&self) -> [u64; 10] {
        let [two, three, four] = self.wide;
        let Self { lower, upper, digits, spaces, other_white, marks, texts, .. } = *self;
        [lower, upper, digits, spaces, other_white, marks, two, three, four, texts]
    }
}

impl Family {
    /// Finds the family of a model by its name.
    pub(super) fn of(reference: &ModelRef) -> &'static Self {
        let name = reference.model.to_ascii_lowercase();
        NAMES.iter().find(|(word, _)| name.contains(word)).map_or(&ANY, |(_, family)| family)
    }

    /// Gives the number that is most likely.
    pub(super) fn expected(&self, features: &Features) -> u64 {
        match (features.o200k, self.expected_by_o200k) {
            (Some(tokens), None) => tokens,
            (Some(tokens), Some(weights)) => weigh(weights, [tokens, features.digits]),
            (None, _) => weigh(self.expected, features.kinds()),
        }
    }

    /// Gives the number that it does not go over.
    pub(super) fn high(&self, features: &Features) -> u64 {
        let by_characters = weigh(self.bound.by_characters, features.kinds());
        let Some(tokens) = features.o200k else { return by_characters };
        if self.expected_by_o200k.is_none() {
            return tokens;
        }
        let Features { digits, repeated, further_white, upper, texts, .. } = *features;
        let wide = features.wide.iter().sum();
        let counts = [tokens, digits, wide, repeated, further_white, upper, texts];
        let by_o200k = weigh(self.bound.by_o200k, counts);
        (by_o200k + (by_o200k * DEEPEST_MISS_PERCENT).div_ceil(100)).min(by_characters)
    }

    /// Gives the share of the expected number, in percent, below which hardly a text is.
    pub(super) const fn low_percent(&self, features: &Features) -> u64 {
        match (features.o200k, self.expected_by_o200k) {
            (Some(_), None) => 100,
            (Some(_), Some(_)) => 75,
            (None, _) => 60,
        }
    }
}

fn weigh<const N: usize>(weights: Weights<N>, counts: [u64; N]) -> u64 {
    weights.iter().zip(counts).map(|(weight, count)| u64::from(*weight) * count).sum::<u64>().div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::domain::model::ProviderId;

    #[derive(Deserialize)]
    struct Fixture {
        texts: Vec<Counted>,
    }

    #[derive(Deserialize)]
    struct Counted {
        name: String,
        text: String,
        tokens: BTreeMap<String, u64>,
    }

    /// A model of each family whose tokenizer was asked.
    const ASKED: [(&str, &str); 8] = [
        ("o200k", "openai/gpt-oss-120b"),
        ("gemini-gemma3", "gemini-3.8-flash"),
        ("qwen-3.6", "qwen-3.8-27b"),
        ("llama-3", "llama-3.3-70b"),
        ("llama-4", "llama-4-scout"),
        ("deepseek-4", "deepseek/deepseek-v4"),
        ("mistral-tekken", "mistral-large"),
        ("claude-4.7-ctok", "claude-haiku-5-5"),
    ];

    fn family(model: &str) -> &'static Family {
        Family::of(&ModelRef { provider: ProviderId::OpenRouter, model: model.to_owned() })
    }

    #[test]
    fn bounds_hold_for_texts_that_true_tokenizers_counted() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../tests/fixtures/tokens.json")).expect("counted texts");
        assert!(fixture.texts.len() > 60);
        let mut off = Vec::new();
        for Counted { name, text, tokens } in fixture.texts {
            let mut characters = Features::default();
            characters.add(&text);
            let counted = Features { o200k: Some(tokens["o200k"]), ..characters };
            for (tokenizer, model) in ASKED {
                let truth = tokens[tokenizer];
                for features in [&characters, &counted] {
                    let high = family(model).high(features);
                    assert!(truth <= high, "{name}, {tokenizer}: {truth} > {high}");
                    let expected = family(model).expected(features);
                    off.push((expected as f64 / truth as f64 - 1.0).abs());
                }
                if !tokenizer.starts_with("claude") {
                    assert!(family("a/model-nobody-knows").high(&counted) >= truth, "{name}, {tokenizer}");
                }
            }
            assert_eq!(family("gpt-oss-120b").expected(&counted), tokens["o200k"]);
        }
        off.sort_by(f64::total_cmp);
        let median = off[off.len() / 2];
        assert!(median < 0.15, "the expected number is off by {median}, of texts that are half odd");
    }

    #[test]
    fn kinds_are_counted_as_they_were_when_the_weights_were_fitted() {
        let mut features = Features::default();
        features.add("Ab 12  \n!é€😀abababaaaa");
        let expected = Features {
            lower: 11,
            upper: 1,
            digits: 2,
            spaces: 3,
            other_white: 1,
            marks: 1,
            wide: [1, 1, 1],
            repeated: 5,
            further_white: 2,
            texts: 1,
            o200k: None,
        };
        assert_eq!(features, expected);
    }

    #[test]
    fn a_family_is_known_by_its_name() {
        assert_eq!(family("z-ai/glm-5.2"), &ANY);
        assert_eq!(family("anthropic/Claude-Opus-5-5"), &CLAUDE);
        assert_eq!(family("deepseek-r1-distill-llama-70b"), &LLAMA);
        assert_ne!(family("gemma-3-27b"), &ANY);
    }
}
