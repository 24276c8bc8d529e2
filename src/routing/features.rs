//! What can be seen of a prompt without understanding it.
//!
//! Words are compared whole, so that "approve" is not "prove" and "classic" is no "class".

use super::words::{count_words, words};
use crate::domain::prompt::is_mostly_latin;

/// Marks on the surface of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Features {
    pub words: usize,
    pub sentences: usize,
    /// Question marks, and question words that open a sentence.
    pub questions: usize,
    /// Starts like a look-up: "what is", "who was", "when did", "translate", "spell".
    pub is_lookup: bool,
    /// Words that ask for reasoning: "prove", "derive", "optimise", "trade-offs".
    pub reasoning_words: usize,
    /// Words that ask for an explanation or a comparison.
    pub explanation_words: usize,
    /// Words and signs of mathematics.
    pub maths_marks: usize,
    /// Fences, keywords and punctuation of programs.
    pub code_marks: usize,
    /// List items, numbered steps, and words such as "then" and "finally".
    pub steps: usize,
    /// Words that bind the answer: "must", "exactly", "without", "only".
    pub constraints: usize,
    /// Whether most letters are outside the Latin script.
    pub is_other_script: bool,
}

const LOOKUP_OPENINGS: [&str; 34] = [
    "what is",
    "what's",
    "what are",
    "what was",
    "what does",
    "who is",
    "who was",
    "who wrote",
    "who invented",
    "when is",
    "when was",
    "when did",
    "where is",
    "where was",
    "which is",
    "how many",
    "how much",
    "how old",
    "how tall",
    "how far",
    "how do you say",
    "how do you spell",
    "is it",
    "is the",
    "are there",
    "does the",
    "can i",
    "define",
    "spell",
    "name",
    "translate",
    "convert",
    "hi",
    "hello",
];
const REASONING_WORDS: [&str; 56] = [
    "prove",
    "proof",
    "derive",
    "derivation",
    "theorem",
    "lemma",
    "optimal",
    "optimize",
    "optimise",
    "tradeoff",
    "tradeoffs",
    "trade-off",
    "trade-offs",
    "architect",
    "architecture",
    "design",
    "refactor",
    "debug",
    "diagnose",
    "analyze",
    "analyse",
    "analysis",
    "evaluate",
    "critique",
    "rigorous",
    "rigorously",
    "complexity",
    "invariant",
    "concurrent",
    "concurrency",
    "distributed",
    "deadlock",
    "race",
    "asymptotic",
    "counterexample",
    "hypothesis",
    "simulate",
    "formally",
    "strategy",
    "implications",
    "root",
    "vulnerability",
    "vulnerabilities",
    "scalable",
    "consensus",
    "lock-free",
    "thread-safe",
    "fault-tolerant",
    "idempotent",
    "migration",
    "legal",
    "regulatory",
    "differential",
    "bayesian",
    "implement",
    "algorithm",
];
const EXPLANATION_WORDS: [&str; 24] = [
    "explain",
    "why",
    "compare",
    "contrast",
    "summarize",
    "summarise",
    "describe",
    "discuss",
    "difference",
    "differences",
    "outline",
    "write",
    "draft",
    "rewrite",
    "improve",
    "suggest",
    "recommend",
    "plan",
    "pros",
    "cons",
    "essay",
    "story",
    "report",
    "review",
];
const MATHS_WORDS: [&str; 34] = [
    "integral",
    "integrate",
    "derivative",
    "equation",
    "equations",
    "matrix",
    "eigenvalue",
    "eigenvalues",
    "polynomial",
    "probability",
    "variance",
    "modulo",
    "logarithm",
    "converge",
    "converges",
    "convergence",
    "limit",
    "series",
    "vector",
    "determinant",
    "topology",
    "manifold",
    "prime",
    "primes",
    "factorial",
    "permutations",
    "combinatorial",
    "calculus",
    "algebra",
    "geometry",
    "triangle",
    "closed-form",
    "infimum",
    "supremum",
];
const MATHS_SIGNS: [&str; 14] =
    ["\\int", "\\frac", "\\sum", "∫", "∑", "√", "∂", "≤", "≥", "∞", "^2", "^n", "dx", "$$"];
const CODE_WORDS: [&str; 30] = [
    "function",
    "class",
    "struct",
    "compile",
    "compiler",
    "regex",
    "sql",
    "query",
    "api",
    "python",
    "rust",
    "javascript",
    "typescript",
    "java",
    "golang",
    "c++",
    "bash",
    "kubernetes",
    "docker",
    "async",
    "mutex",
    "pointer",
    "stacktrace",
    "traceback",
    "exception",
    "unit",
    "endpoint",
    "schema",
    "codebase",
    "parser",
];
const CODE_SIGNS: [&str; 12] = [
    "```",
    "def ",
    "fn ",
    "#include",
    "public static",
    "=> {",
    "();",
    "SELECT ",
    "import ",
    "return ",
    "&&",
    "</",
];
const STEP_WORDS: [&str; 9] =
    ["then", "finally", "afterwards", "next", "first", "second", "third", "step", "steps"];
const CONSTRAINT_WORDS: [&str; 16] = [
    "must",
    "exactly",
    "without",
    "only",
    "ensure",
    "constraint",
    "constraints",
    "requirement",
    "requirements",
    "given",
    "assume",
    "assuming",
    "unless",
    "except",
    "handle",
    "edge",
];

impl Features {
    /// Reads the marks off a text.
    pub fn of(text: &str) -> Self {
        let lower = text.to_lowercase();
        let words = words(&lower);
        let count = |list: &[&str]| count_words(&words, list);
        let signs = |list: &[&str]| list.iter().filter(|sign| text.contains(**sign)).count();
        let opening = words.join(" ");
        let is_lookup = LOOKUP_OPENINGS.iter().any(|start| {
            opening.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        let list_items = text.lines().filter(|line| is_list_item(line.trim_start())).count();
        // A script without spaces has its words counted by letters, two to a word.
        let is_other_script = !is_mostly_latin(text);
        Self {
            words: words.len().max(if is_other_script { text.chars().count() / 2 } else { 0 }),
            sentences: text
                .split(['.', '!', '?', '\n', '。', '？'])
                .filter(|part| part.split_whitespace().count() > 1)
                .count()
                .max(1),
            questions: text.matches(['?', '？']).count(),
            is_lookup,
            reasoning_words: count(&REASONING_WORDS),
            explanation_words: count(&EXPLANATION_WORDS),
            maths_marks: count(&MATHS_WORDS) + signs(&MATHS_SIGNS) + formulas(text),
            code_marks: count(&CODE_WORDS) + signs(&CODE_SIGNS),
            steps: count(&STEP_WORDS) + list_items,
            constraints: count(&CONSTRAINT_WORDS),
            is_other_script,
        }
    }
}

fn is_list_item(line: &str) -> bool {
    let after_number = line.trim_start_matches(|character: char| character.is_ascii_digit());
    let is_numbered = after_number.len() < line.len() && after_number.starts_with(['.', ')']);
    is_numbered || line.starts_with("- ") || line.starts_with("* ")
}

/// Counts words that look like formulas: a sign of operation between letters or digits, as in `x^2`.
fn formulas(text: &str) -> usize {
    let is_formula = |word: &str| {
        let inner = word.trim_matches(|edge: char| !edge.is_alphanumeric());
        inner.contains('^') || (inner.contains('=') && inner.len() > 2 && !inner.contains("=="))
    };
    text.split_whitespace().filter(|word| is_formula(word)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_whole() {
        let check =
            |text: &str, expected: usize| assert_eq!(Features::of(text).reasoning_words, expected, "{text}");
        check("Please approve the classic proofreading.", 0);
        check("Prove it.", 1);
        check("PROVE, then derive!", 2);
        check("trade-offs", 1);
    }

    #[test]
    fn a_script_without_spaces_has_words() {
        let features = Features::of("请解释量子纠缠的原理以及它在通信中的应用");
        assert!(features.is_other_script && features.words >= 8, "{features:?}");
    }

    #[test]
    fn nothing_to_see_is_no_panic() {
        for text in ["", " ", "?", "\u{0}", "```", "1.", "é", "🙂🙂"] {
            let _ = Features::of(text);
        }
    }
}
