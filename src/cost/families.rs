//! What a model's tokenizer makes of kinds of characters, by its family.
//!
//! Measured: `packaging/tokens/README.md` says on what, and how far off it is.

use crate::domain::model::ModelRef;

/// Kinds of characters of some texts, and their tokens by o200k where those are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Features {
    letters: u64,
    digits: u64,
    spaces: u64,
    /// Other characters of ASCII.
    marks: u64,
    /// Characters of two, three and four bytes.
    wide: [u64; 3],
    /// Characters that are equal to the one before, or to the one before that.
    repeats: u64,
    pub(super) o200k: Option<u64>,
}

/// Weights in hundredths of a token.
type Weights<const N: usize> = [u16; N];

/// Models whose tokenizers are alike.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// Of letters, digits, spaces, marks, and characters of two, three and four bytes.
    expected: Weights<7>,
    by_o200k: ByO200k,
}

/// How the count of o200k tells that of a family.
#[derive(Debug, PartialEq, Eq)]
enum ByO200k {
    /// It is the same.
    Same,
    /// Of o200k, digits, and characters of two, three and four bytes; the bound has repeats after digits.
    Weighted { expected: Weights<5>, high: Weights<6> },
    /// Nothing is known of it.
    Unknown,
}

/// The bound from characters holds for every family.
const HIGH: Weights<7> = [78, 111, 50, 102, 219, 254, 412];

const O200K: Family = Family { expected: [25, 70, 3, 71, 37, 42, 227], by_o200k: ByO200k::Same };
const GEMMA: Family = Family {
    expected: [24, 112, 8, 92, 41, 35, 168],
    by_o200k: ByO200k::Weighted { expected: [104, 51, 5, 0, 0], high: [126, 50, 97, 18, 0, 0] },
};
const QWEN: Family = Family {
    expected: [25, 124, 9, 60, 43, 65, 125],
    by_o200k: ByO200k::Weighted { expected: [100, 51, 7, 10, 0], high: [132, 56, 30, 56, 79, 0] },
};
const LLAMA: Family = Family {
    expected: [26, 72, 3, 66, 44, 65, 286],
    by_o200k: ByO200k::Weighted { expected: [100, 0, 5, 7, 59], high: [139, 0, 17, 67, 108, 0] },
};
const DEEPSEEK: Family = Family {
    expected: [24, 68, 8, 74, 45, 64, 217],
    by_o200k: ByO200k::Weighted { expected: [102, 0, 10, 8, 0], high: [135, 0, 19, 107, 24, 0] },
};
const MISTRAL: Family = Family {
    expected: [26, 119, 0, 77, 37, 53, 399],
    by_o200k: ByO200k::Weighted { expected: [102, 52, 4, 6, 168], high: [125, 58, 37, 4, 14, 141] },
};
/// Of Claude 2; no later one is published.
const CLAUDE: Family = Family { expected: [26, 62, 11, 67, 111, 130, 271], by_o200k: ByO200k::Unknown };
const ANY: Family = Family {
    expected: [24, 118, 17, 75, 110, 125, 399],
    by_o200k: ByO200k::Weighted { expected: [109, 45, 67, 58, 153], high: [166, 45, 32, 82, 233, 52] },
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
        let mut before = [None, None];
        for character in text.chars() {
            let kind = match character {
                'a'..='z' | 'A'..='Z' => &mut self.letters,
                '0'..='9' => &mut self.digits,
                ' ' | '\t' | '\n' | '\r' | '\x0c' => &mut self.spaces,
                _ if character.is_ascii() => &mut self.marks,
                _ => match &mut self.wide {
                    [two, _, _] if character.len_utf8() == 2 => two,
                    [_, three, _] if character.len_utf8() == 3 => three,
                    [_, _, four] => four,
                },
            };
            *kind += 1;
            self.repeats += u64::from(before.contains(&Some(character)));
            let [last, _] = before;
            before = [Some(character), last];
        }
    }

    /// Gives the bytes; no tokenizer makes more tokens.
    fn bytes(&self) -> u64 {
        let [two, three, four] = self.wide;
        self.letters + self.digits + self.spaces + self.marks + 2 * two + 3 * three + 4 * four
    }

    fn kinds(&self) -> [u64; 7] {
        let [two, three, four] = self.wide;
        [self.letters, self.digits, self.spaces, self.marks, two, three, four]
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
        let [two, three, four] = features.wide;
        match (features.o200k, &self.by_o200k) {
            (Some(tokens), ByO200k::Same) => tokens,
            (Some(tokens), ByO200k::Weighted { expected, .. }) => {
                weigh(*expected, [tokens, features.digits, two, three, four])
            }
            _ => weigh(self.expected, features.kinds()),
        }
    }

    /// Gives the number that it does not go over.
    pub(super) fn high(&self, features: &Features) -> u64 {
        let by_characters = weigh(HIGH, features.kinds()).min(features.bytes());
        let [two, three, four] = features.wide;
        match (features.o200k, &self.by_o200k) {
            (Some(tokens), ByO200k::Same) => tokens,
            (Some(tokens), ByO200k::Weighted { high, .. }) => {
                weigh(*high, [tokens, features.digits, features.repeats, two, three, four]).min(by_characters)
            }
            _ => by_characters,
        }
    }

    /// Gives the share of the expected number, in percent, below which one text in ten is.
    pub(super) const fn low_percent(&self, features: &Features) -> u64 {
        match (features.o200k, &self.by_o200k) {
            (Some(_), ByO200k::Same) => 100,
            (Some(_), ByO200k::Weighted { .. }) => 80,
            _ => 70,
        }
    }
}

fn weigh<const N: usize>(weights: Weights<N>, counts: [u64; N]) -> u64 {
    weights.iter().zip(counts).map(|(weight, count)| u64::from(*weight) * count).sum::<u64>().div_ceil(100)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::domain::model::ProviderId;

    #[derive(Deserialize)]
    struct Counted {
        text: String,
        tokens: BTreeMap<String, u64>,
    }

    /// A model of each family whose tokenizer was asked.
    const ASKED: [(&str, &str); 7] = [
        ("o200k", "openai/gpt-oss-120b"),
        ("gemma3", "gemini-3.8-flash"),
        ("qwen3", "qwen-3.8-27b"),
        ("llama3", "llama-3.3-70b"),
        ("deepseek_v3", "deepseek/deepseek-v3.2"),
        ("mistral_nemo", "mistral-large"),
        ("claude", "claude-haiku-5-5"),
    ];

    fn family(model: &str) -> &'static Family {
        Family::of(&ModelRef { provider: ProviderId::OpenRouter, model: model.to_owned() })
    }

    #[test]
    fn bounds_hold_for_texts_that_true_tokenizers_counted() {
        let rows: Vec<Counted> =
            serde_json::from_str(include_str!("../../tests/fixtures/tokens.json")).expect("counted texts");
        assert!(rows.len() > 50);
        for Counted { text, tokens } in rows {
            let mut characters = Features::default();
            characters.add(&text);
            assert_eq!(characters.bytes(), text.len() as u64);
            let counted = Features { o200k: tokens.get("o200k").copied(), ..characters };
            for (name, model) in ASKED {
                let truth = tokens[name];
                for features in [&characters, &counted] {
                    let high = family(model).high(features);
                    assert!(truth <= high && high <= text.len() as u64, "{name}: {truth} > {high}: {text}");
                    assert!(family("a/model-nobody-knows").high(features) >= truth, "{name}: {text}");
                }
            }
            assert_eq!(family("gpt-oss-120b").expected(&counted), tokens["o200k"]);
        }
    }

    #[test]
    fn a_family_is_known_by_its_name() {
        assert_eq!(family("z-ai/glm-5.2"), &ANY);
        assert_eq!(family("anthropic/Claude-Opus-5-5"), &CLAUDE);
        assert_eq!(family("deepseek-r1-distill-llama-70b"), &LLAMA);
        assert_ne!(family("gemma-3-27b"), &ANY);
    }
}
