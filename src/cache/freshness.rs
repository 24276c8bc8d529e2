//! How long an answer stays true, by the words of its prompt.
//!
//! Times to live are absolute: serving an entry never prolongs it.

use std::time::Duration;

/// How fast the answer to a prompt goes stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volatility {
    /// About this moment: found by its exact prompt only, for a minute.
    Live,
    /// About this day, week or year: kept for a day, and never found on another day.
    Dated,
    /// Definitions, mathematics, history.
    Stable,
}

const LIVE_TTL: Duration = Duration::from_secs(60);
const DATED_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Times around now. Told of oneself they date a story, not its answer: "I fell two weeks ago."
const TIMES: [&str; 13] = [
    "ago",
    "current",
    "currently",
    "latest",
    "newest",
    "now",
    "recent",
    "recently",
    "today",
    "tomorrow",
    "tonight",
    "upcoming",
    "yesterday",
];
/// What changes by the hour.
const LIVE_WORDS: [&str; 16] = [
    "breaking",
    "forecast",
    "headline",
    "headlines",
    "live",
    "news",
    "o'clock",
    "price",
    "prices",
    "score",
    "scores",
    "stock",
    "today's",
    "traffic",
    "weather",
    "yesterday's",
];
const LIVE_PHRASES: [&str; 5] = ["at the moment", "so far", "what time is it", "exchange rate", "up to date"];
const OFFICES: [&str; 12] = [
    "president",
    "minister",
    "chancellor",
    "ceo",
    "king",
    "queen",
    "pope",
    "mayor",
    "governor",
    "champion",
    "chairman",
    "secretary",
];
const DATED_PHRASES: [&str; 12] = [
    "this week",
    "this month",
    "this year",
    "next week",
    "next month",
    "next year",
    "last week",
    "last month",
    "last year",
    "these days",
    "nowadays",
    "version of",
];
const DATED_WORDS: [&str; 6] = ["release", "released", "upgrade", "changelog", "best", "top"];

impl Volatility {
    /// Classifies a prompt by its words; what it cannot tell apart it takes for the more volatile.
    pub fn of(prompt: &str) -> Self {
        let lower = prompt.to_lowercase();
        let words = words_of(&lower);
        let has_word = |list: &[&str]| words.iter().any(|word| list.contains(word));
        let text = format!(" {} ", words.join(" "));
        let has_phrase = |list: &[&str]| list.iter().any(|phrase| text.contains(&format!(" {phrase} ")));
        let asks_for_an_office =
            (text.starts_with(" who is ") || text.starts_with(" who's ")) && has_word(&OFFICES);
        let names_a_recent_year = words
            .iter()
            .any(|word| word.len() == 4 && word.starts_with("202") && word.parse::<u16>().is_ok());
        if has_word(&LIVE_WORDS) || has_phrase(&LIVE_PHRASES) || asks_for_an_office || asks_about_now(&lower)
        {
            Self::Live
        } else if has_phrase(&DATED_PHRASES) || has_word(&DATED_WORDS) || names_a_recent_year {
            Self::Dated
        } else {
            Self::Stable
        }
    }

    /// Gives the time to live; `stable_ttl` is the user's for answers that do not age, and caps the others.
    pub fn ttl(self, stable_ttl: Duration) -> Duration {
        match self {
            Self::Live => LIVE_TTL.min(stable_ttl),
            Self::Dated => DATED_TTL.min(stable_ttl),
            Self::Stable => stable_ttl,
        }
    }
}

/// Says whether a sentence names a time around now, unless somebody only tells of themselves in it.
fn asks_about_now(lower: &str) -> bool {
    const TELLERS: [&str; 9] = ["i", "i'm", "i've", "i'd", "im", "ive", "my", "we", "our"];
    const ASKING: [&str; 24] = [
        "find",
        "give",
        "how",
        "know",
        "let",
        "like",
        "list",
        "look",
        "looking",
        "need",
        "please",
        "show",
        "tell",
        "want",
        "what",
        "what's",
        "when",
        "where",
        "which",
        "who",
        "who's",
        "why",
        "wonder",
        "wondering",
    ];
    lower.split_inclusive(['.', '?', '!', '\n']).any(|sentence| {
        let words = words_of(sentence);
        let has_word = |list: &[&str]| words.iter().any(|word| list.contains(word));
        let only_tells = has_word(&TELLERS) && !has_word(&ASKING) && !sentence.ends_with('?');
        has_word(&TIMES) && !only_tells
    })
}

fn words_of(lower: &str) -> Vec<&str> {
    let is_between = |character: char| !(character.is_alphanumeric() || character == '\'');
    lower.split(is_between).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_how_long_an_answer_stays_true() {
        let check = |prompt: &str, expected| assert_eq!(Volatility::of(prompt), expected, "{prompt}");
        check("What is the weather in Oslo?", Volatility::Live);
        check("What's the latest version of Rust?", Volatility::Live);
        check("Who is the president of France?", Volatility::Live);
        check("Who is the author of Dune?", Volatility::Stable);
        check("Do I need an umbrella today?", Volatility::Live);
        check("I need the number of visitors until now.", Volatility::Live);
        check("Tell me the date tomorrow", Volatility::Live);
        check("I fell on my knee two weeks ago and now it hurts. Is it broken?", Volatility::Stable);
        check("I fell on my knee. Should I still run today?", Volatility::Live);
        check("Best laptops of 2026", Volatility::Dated);
        check("What happened this week in history class?", Volatility::Dated);
        check("What is the capital of France?", Volatility::Stable);
        check("Snow is white, I know.", Volatility::Stable);
        check("Explain the pricey restaurant joke", Volatility::Stable);
    }

    #[test]
    fn no_answer_outlives_the_users_limit() {
        let minute = Duration::from_secs(60);
        for volatility in [Volatility::Live, Volatility::Dated, Volatility::Stable] {
            assert!(volatility.ttl(minute) <= minute);
        }
    }
}
