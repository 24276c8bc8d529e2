//! The numbers and the sums that a text holds, and whether the sums come out.
//!
//! It reads what is written in digits; it does not know what is being computed.

/// The share of a result by which rounding may move it.
const ROUNDING: f64 = 0.011;
/// Characters of one side of an equation that are read.
const LONGEST_SIDE: usize = 120;
/// Parentheses inside each other that are followed.
const DEEPEST: usize = 16;

/// How the sums of a text come out.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Sums {
    pub(super) right: usize,
    pub(super) wrong: usize,
    /// Calculator marks, `<<3*4=12>>`, that are no sum or a wrong one.
    pub(super) broken_marks: usize,
    /// The result of the last sum, as it is written.
    pub(super) last_result: Option<f64>,
}

impl Sums {
    /// Recomputes every sum of a text: an expression in digits, `=`, and a number.
    pub(super) fn of(text: &str) -> Self {
        let mut sums = Self::default();
        for (place, _) in text.match_indices('=') {
            let (before, after) = (text.get(..place).unwrap_or(""), text.get(place + 1..).unwrap_or(""));
            let Some(written) = leading_number(after) else { continue };
            let left = trailing_expression(before);
            if !left.contains(['+', '-', '*', '/', 'x', '×', '÷']) {
                continue;
            }
            sums.last_result = Some(written);
            match value_of(left) {
                Some(value) if is_same(value, written) => sums.right += 1,
                Some(_) => sums.wrong += 1,
                None => {}
            }
        }
        sums.broken_marks = text.split("<<").skip(1).filter(|mark| is_broken(mark)).count();
        sums
    }
}

/// Lists the numbers of a text in order; `1,234.5` is one number.
pub(super) fn numbers(text: &str) -> Vec<f64> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_digit() {
            let (number, length) = number_at(rest);
            found.extend(number.map(|number| if before == '-' { -number } else { number }));
            rest = rest.get(length.max(1)..).unwrap_or("");
            before = '0';
        } else {
            before = first;
            rest = rest.get(first.len_utf8()..).unwrap_or("");
        }
    }
    found
}

/// Reads the number that a text begins with: digits, groups of three after a comma, and a decimal part. Gives its length
/// in bytes too.
fn number_at(text: &str) -> (Option<f64>, usize) {
    let bytes = text.as_bytes();
    let digits_from =
        |start: usize| bytes.iter().skip(start).take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits_from(0);
    while bytes.get(end) == Some(&b',') && digits_from(end + 1) == 3 {
        end += 4;
    }
    if bytes.get(end) == Some(&b'.') && digits_from(end + 1) > 0 {
        end += 1 + digits_from(end + 1);
    }
    let number: Option<f64> = text.get(..end).and_then(|digits| digits.replace(',', "").parse().ok());
    (number.filter(|number| number.is_finite()), end)
}

fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim_start().trim_start_matches(['$', '€', '£']).trim_start();
    let (text, sign) = text.strip_prefix('-').map_or((text, 1.0), |rest| (rest, -1.0));
    number_at(text.trim_start_matches('$')).0.map(|number| sign * number)
}

/// Gives the end of a text as far as it could be part of an expression.
fn trailing_expression(text: &str) -> &str {
    let is_part = |character: char| {
        character.is_ascii_digit()
            || matches!(
                character,
                '.' | ',' | '$' | '+' | '-' | '*' | '/' | 'x' | '×' | '÷' | '(' | ')' | '%' | ' '
            )
    };
    let start = text
        .char_indices()
        .rev()
        .take(LONGEST_SIDE)
        .take_while(|(_, character)| is_part(*character))
        .last()
        .map_or(text.len(), |(place, _)| place);
    text.get(start..).unwrap_or("").trim()
}

fn is_broken(mark: &str) -> bool {
    let Some((inside, _)) = mark.split_once(">>") else { return true };
    let Some((left, right)) = inside.rsplit_once('=') else { return true };
    match (value_of(left), leading_number(right)) {
        (Some(value), Some(written)) => !is_same(value, written),
        _ => true,
    }
}

fn is_same(value: f64, written: f64) -> bool {
    (value - written).abs() <= ROUNDING * written.abs().max(1.0)
}

/// Computes an expression of numbers, `+ - * /` and parentheses; `None` for anything else.
fn value_of(text: &str) -> Option<f64> {
    let cleaned: Vec<char> = text
        .chars()
        .take(LONGEST_SIDE)
        .filter(|character| !matches!(character, ',' | '$' | ' ' | '\\'))
        .collect();
    let mut reader = Reader { characters: &cleaned, depth: 0 };
    let value = reader.sum()?;
    (reader.characters.is_empty() && value.is_finite()).then_some(value)
}

/// Reads an expression by descent, the loosest operator first.
struct Reader<'a> {
    characters: &'a [char],
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, wanted: &[char]) -> Option<char> {
        let (first, rest) = self.characters.split_first()?;
        wanted.contains(first).then(|| {
            self.characters = rest;
            *first
        })
    }

    fn sum(&mut self) -> Option<f64> {
        let mut value = self.product()?;
        while let Some(sign) = self.take(&['+', '-']) {
            let next = self.product()?;
            value += if sign == '+' { next } else { -next };
        }
        Some(value)
    }

    fn product(&mut self) -> Option<f64> {
        let mut value = self.factor()?;
        while let Some(sign) = self.take(&['*', 'x', '×', '/', '÷']) {
            let next = self.factor()?;
            value = if matches!(sign, '/' | '÷') { value / next } else { value * next };
        }
        Some(value)
    }

    fn factor(&mut self) -> Option<f64> {
        let sign = if self.take(&['-']).is_some() { -1.0 } else { 1.0 };
        let value = if self.take(&['(']).is_some() {
            self.depth += 1;
            if self.depth > DEEPEST {
                return None;
            }
            let value = self.sum()?;
            self.take(&[')'])?;
            self.depth -= 1;
            value
        } else {
            let length = self
                .characters
                .iter()
                .take_while(|character| character.is_ascii_digit() || **character == '.')
                .count();
            let (digits, rest) = self.characters.split_at_checked(length)?;
            self.characters = rest;
            digits.iter().collect::<String>().parse().ok()?
        };
        let percent = if self.take(&['%']).is_some() { 0.01 } else { 1.0 };
        Some(sign * value * percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn sums_are_recomputed() {
        let check = |text: &str, right: usize, wrong: usize, broken_marks: usize| {
            let sums = Sums::of(text);
            assert_eq!((sums.right, sums.wrong, sums.broken_marks), (right, wrong, broken_marks), "{text}");
        };
        check("She pays 3 * 4 = <<3*4=12>>12 dollars.", 1, 0, 0);
        check("3 x $1,000 = $3,000", 1, 0, 0);
        check("(5 + 7) / 4 = 3 and 2 - 5 = -3", 2, 0, 0);
        check("50% * 80 = 40", 1, 0, 0);
        check("10 / 3 = 3.33", 1, 0, 0);
        check("7 * 8 = 54", 0, 1, 0);
        check("<<7*8=54>>", 0, 1, 1);
        check("<<5*75+120=675+120=795>>", 1, 1, 1);
        check("then <<200/100*4", 0, 0, 1);
        check("x = 5", 0, 0, 0);
        check("1/0 = 7", 0, 0, 0);
        assert_eq!(Sums::of("so 6 * 7 = 42.").last_result, Some(42.0));
    }

    #[test]
    fn numbers_are_read_whole() {
        assert_eq!(numbers("1,234.5 of -7, 3,50 and 2."), [1234.5, -7.0, 3.0, 50.0, 2.0]);
        assert_eq!(numbers("none"), Vec::<f64>::new());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[-0-9x*/+()=<>., $%a\\\\é]{0,200}") {
            let _ = Sums::of(&text);
            prop_assert!(numbers(&text).iter().all(|number| number.is_finite()));
        }
    }
}
