//! Code and mathematics, where every sign counts.
//!
//! It parses nothing: it collects what ordinary prose does not have, and two such texts must have
//! exactly the same of it.

use super::words::{Words, hash};

/// What kind of text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Prose,
    Code,
    Mathematics,
}

/// The signs and names that must be equal, sorted, and what they make of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signs {
    pub(super) language: Language,
    marks: Vec<u32>,
}

const TASKS: [&str; 17] = [
    "calculate",
    "compute",
    "derivative",
    "divide",
    "divided",
    "evaluate",
    "expand",
    "factor",
    "factorise",
    "integral",
    "multiply",
    "prime",
    "remainder",
    "simplify",
    "solve",
    "sqrt",
    "squared",
];

impl Signs {
    /// Reads a text's signs.
    pub(super) fn of(text: &str, words: &Words) -> Self {
        let mut marks = Vec::new();
        let mut has_operator = false;
        // ``This'' is a quotation, `this` and ```this``` are code.
        let is_fenced = text.contains("```") || (text.contains('`') && !text.contains("``"));
        let mut code_signs = if is_fenced { 2 } else { 0 };
        for token in text.split_whitespace() {
            let bare = token
                .trim_end_matches(['.', ',', '?', '!', ':'])
                .trim_matches(['"', '\'', '(', ')', '“', '”']);
            let is_formula = is_formula(bare);
            let is_identifier =
                is_identifier(bare) || token.contains("()") || token.ends_with([';', '{', '}']);
            has_operator |= is_formula;
            code_signs += usize::from(is_identifier);
            let is_operator = matches!(bare, "+" | "-" | "/" | "%");
            if is_formula || is_identifier || is_operator || (bare.len() == 1 && is_variable(bare)) {
                marks.push(hash(bare));
            }
        }
        let has_task = || words.all.iter().any(|word| TASKS.binary_search(&words.text(word)).is_ok());
        let has_digit = || text.contains(|character: char| character.is_ascii_digit());
        let language = if code_signs >= 2 {
            Language::Code
        } else if (has_operator || has_task()) && has_digit() {
            Language::Mathematics
        } else {
            Language::Prose
        };
        marks.sort_unstable();
        Self { language, marks }
    }

    /// Says whether two texts differ where they may not.
    pub(super) fn conflict_with(&self, other: &Self) -> bool {
        let is_prose = self.language == Language::Prose && other.language == Language::Prose;
        !is_prose && self.marks != other.marks
    }
}

/// `x`, but not `a` and `I`, which are words.
fn is_variable(token: &str) -> bool {
    token.chars().all(|character| character.is_ascii_alphabetic() && !matches!(character, 'a' | 'A' | 'I'))
}

/// `2*x`, `=`, `f(x)`, `a^b`.
fn is_formula(token: &str) -> bool {
    let has = |signs: &[char]| token.contains(signs);
    has(&['=', '*', '^', '√', '×', '÷', '<', '>', '∫', '∑'])
        || (has(&['+', '/', '-'])
            && token.contains(|character: char| character.is_ascii_digit())
            && !is_date(token))
        || (token.len() >= 4 && token.ends_with(')') && token.as_bytes().get(1) == Some(&b'('))
}

/// `24/7`, `2-3`, `6-year-old`, `2024-01-31`: signs that prose uses.
fn is_date(token: &str) -> bool {
    !token.starts_with(['-', '+']) && !token.contains('+')
}

/// `snake_case`, `camelCase`, `a.b()`, `--flag`, `$name`, `::`.
fn is_identifier(token: &str) -> bool {
    let has_hump = || {
        let letters = token.as_bytes();
        letters.first().is_some_and(u8::is_ascii_lowercase)
            && letters
                .windows(2)
                .any(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()))
    };
    let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    (token.contains('_') && token.len() > 1 && token.chars().all(is_plain))
        || token.contains("::")
        || token.contains("->")
        || token.contains("()")
        || token.contains(['{', '}'])
        || (token.starts_with("--") && token.len() > 2)
        || token.ends_with(';')
        || has_hump()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(text: &str) -> Signs {
        Signs::of(text, &Words::of(text))
    }

    fn check(left: &str, right: &str, expected: bool) {
        assert_eq!(signs(left).conflict_with(&signs(right)), expected, "{left} | {right}");
        assert_eq!(signs(right).conflict_with(&signs(left)), expected, "{right} | {left}");
    }

    #[test]
    fn code_and_formulas_must_be_equal() {
        check("Solve 2*x + 3 = 7 for x", "Solve 2*y + 3 = 7 for y", true);
        check("Solve 2*x + 3 = 7 for x", "solve 2*x + 3 = 7 for x please", false);
        check("What does foo_bar() return; in bar_foo()?", "What does bar_foo() return; in foo_baz()?", true);
        check("let x = y; let z = 1;", "let x = y; let z = 2;", true);
        check("Calculate 5 - 3", "Calculate 5 + 3", true);
    }

    #[test]
    fn prose_has_no_signs() {
        for text in
            ["Is it 24/7 and/or free?", "a 6-year-old (39) y/o male", "I'm on plan B; why?", "Why not C?"]
        {
            assert_eq!(signs(text).language, Language::Prose, "{text}");
        }
        check("I'm on plan B", "I'm on plan C", false);
    }
}
