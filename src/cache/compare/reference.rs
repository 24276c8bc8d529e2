//! Prompts that mean something only together with what was said or sent before.

use super::words::Words;

/// Says whether a prompt speaks of a text or a turn that is not in it.
pub(super) fn points_elsewhere(words: &Words) -> bool {
    const POINTERS: [&str; 6] = ["above", "aforementioned", "attached", "below", "following", "previous"];
    const POINTED_AT: [&str; 26] = [
        "answer",
        "article",
        "attachment",
        "code",
        "conversation",
        "document",
        "email",
        "error",
        "essay",
        "example",
        "file",
        "image",
        "instructions",
        "list",
        "message",
        "output",
        "paragraph",
        "passage",
        "question",
        "response",
        "sentence",
        "sentences",
        "table",
        "text",
        "transcript",
        "words",
    ];
    const OPENINGS: [&[&str]; 10] = [
        &["what", "about"],
        &["how", "about"],
        &["and", "the"],
        &["and", "what"],
        &["go", "on"],
        &["continue"],
        &["you", "said"],
        &["as", "you"],
        &["same", "for"],
        &["yes"],
    ];
    let texts = || words.all.iter().map(|word| words.text(word));
    let opens = |opening: &&[&str]| texts().take(opening.len()).eq(opening.iter().copied());
    let mut before = "";
    for text in texts() {
        let is_shown = POINTERS.contains(&before) || matches!(before, "this" | "that" | "these" | "those");
        let is_named = POINTED_AT.binary_search(&text).is_ok() && !matches!(text, "error" | "list" | "file");
        if is_shown && is_named || (POINTED_AT.contains(&before) && matches!(text, "above" | "below")) {
            return true;
        }
        before = text;
    }
    OPENINGS.iter().any(opens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_out_of_the_prompt_are_seen() {
        let check =
            |text: &str, expected: bool| assert_eq!(points_elsewhere(&Words::of(text)), expected, "{text}");
        check("Translate the following sentence", true);
        check("Summarise the text above", true);
        check("Fix this code", true);
        check("What about Monday?", true);
        check("continue", true);
        check("What is this charge on my statement?", false);
        check("Why is the sky above us blue?", false);
    }
}
