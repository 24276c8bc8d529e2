//! The part of a long prompt that says what is asked: its last question, not its first examples.

/// Characters that the embedder surely reads whole, in most languages.
const READ: usize = 1_000;
/// A last paragraph shorter than this is taken with the one before it.
const SHORTEST: usize = 150;

/// Gives the end of a prompt that is longer than the embedder reads: its last paragraph, or as many as make 150
/// characters, and never more than 1,000.
pub fn focus(prompt: &str) -> &str {
    let prompt = prompt.trim_end();
    let last = |characters: usize| {
        prompt
            .char_indices()
            .rev()
            .take(characters)
            .last()
            .map_or("", |(place, _)| prompt.get(place..).unwrap_or(""))
    };
    let (read, shortest) = (last(READ), last(SHORTEST));
    let within = read.get(..read.len() - shortest.len()).unwrap_or("");
    if let Some(place) = within.rfind("\n\n") {
        return read.get(place + 2..).unwrap_or(read);
    }
    if read.len() == prompt.len() {
        return prompt;
    }
    // Begin with a line, a sentence or a word, if one begins in the first half.
    let half = read.char_indices().nth(READ / 2).and_then(|(place, _)| read.get(..place)).unwrap_or("");
    ["\n", ". ", " "]
        .iter()
        .find_map(|mark| half.find(mark).and_then(|place| read.get(place + mark.len()..)))
        .unwrap_or(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn the_last_question_is_what_is_left() {
        let question = format!("Which sky is blue?\nA. {}\nB. mine", "yours ".repeat(30));
        let prompt = format!("{}\n\n{question}\n", "An example.\n\n".repeat(300));
        assert_eq!(focus(&prompt), question);
        let passage = format!("{}Who won?", "They played on. ".repeat(300));
        let focus = focus(&passage);
        assert!(focus.starts_with("They") && focus.ends_with("Who won?") && focus.len() > 900, "{focus}");
        assert_eq!(super::focus("short"), "short");
    }

    proptest! {
        #[test]
        fn any_prompt_has_one_within_its_bounds(prompt in "[a-zé\n .]{0,3000}") {
            let focus = focus(&prompt);
            prop_assert!(prompt.trim_end().ends_with(focus) && focus.chars().count() <= READ);
        }
    }
}
