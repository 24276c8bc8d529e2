//! One form for prompts that differ in nothing that matters.

use super::code::{Language, Signs};
use super::words::Words;

/// Courtesies that may open a prompt.
const OPENINGS: [&str; 12] = [
    "hello ",
    "hello, ",
    "hi ",
    "hi, ",
    "hey ",
    "hey, ",
    "please ",
    "please, ",
    "could you please ",
    "can you please ",
    "would you please ",
    "kindly ",
];
const CLOSINGS: [&str; 6] = [", please", " please", ", thanks", " thanks", ", thank you", " thank you"];

/// Gives the form in which prompts are equal that differ in case, white space, quotes, courtesy or the
/// punctuation at the end; none for code and mathematics, where these matter, or if nothing is left.
pub fn normalised(text: &str) -> Option<String> {
    if Signs::of(text, &Words::of(text)).language != Language::Prose {
        return None;
    }
    let lower = text.to_lowercase();
    let mut form = String::with_capacity(lower.len());
    for word in lower.split_whitespace() {
        if !form.is_empty() {
            form.push(' ');
        }
        form.extend(word.chars().map(|character| match character {
            '’' | '‘' => '\'',
            '“' | '”' => '"',
            other => other,
        }));
    }
    let mut rest = form.as_str();
    loop {
        let mut shorter = rest.trim_end_matches(['.', '?', '!', ' ', ',']);
        shorter = OPENINGS.iter().find_map(|opening| shorter.strip_prefix(opening)).unwrap_or(shorter);
        shorter = CLOSINGS.iter().find_map(|closing| shorter.strip_suffix(closing)).unwrap_or(shorter);
        if shorter == rest {
            break;
        }
        rest = shorter;
    }
    (!rest.is_empty()).then(|| rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_dropped() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(normalised(text).as_deref(), expected, "{text}");
        check("  What's the\n Capital of France?? ", Some("what's the capital of france"));
        check("Hi, please translate “cat”, thanks!", Some("translate \"cat\""));
        check("Please", Some("please"));
        check("let x = y; let Z = 1;", None);
        check("Solve 2*x = 4", None);
        check("?!", None);
    }
}
