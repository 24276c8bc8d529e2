//! Numbers with their units, and the days and months that act like numbers.
//!
//! Two texts conflict when each says a number that the other does not; a number that only one of
//! them mentions is left to the score. Values are compared as written: 0.5 is .5, but 1,000 m is
//! not 1 km.

use super::words::{Role, Words};

/// A number, an ordinal, a day or a month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quantity {
    kind: Kind,
    value: f64,
    /// What it counts; absent where the text does not say.
    unit: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Weekday,
    Month,
    /// Today, tomorrow and so on, in days from now.
    Day,
}

impl Quantity {
    fn agrees_with(&self, other: &Self) -> bool {
        let units = self.unit.zip(other.unit);
        self.kind == other.kind && self.value == other.value && units.is_none_or(|(a, b)| a == b)
    }
}

/// How the numbers of two texts stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreement {
    /// Neither has any.
    Absent,
    Same,
    /// One has all of the other's and some more.
    Extra,
    /// Each has one that the other lacks.
    Conflict,
}

/// Finds the quantities of a text, in order.
pub(super) fn quantities(text: &str, words: &Words) -> Vec<Quantity> {
    let mut found: Vec<Quantity> = Vec::new();
    let mut continues = false;
    for (place, word) in words.all.iter().enumerate() {
        let written = words.text(word);
        let next = words.all.get(place + 1).map_or("", |next| words.text(next));
        if word.role == Role::Number {
            let value = written.trim_matches('.').parse().unwrap_or_else(|_| f64::from(word.key));
            found.push(Quantity { kind: Kind::Number, value, unit: unit_of(next) });
            continues = false;
        } else if let Some(spoken) = spoken_number(written) {
            let unit = unit_of(next);
            match found.last_mut().filter(|_| continues) {
                Some(last) => {
                    last.value = if spoken >= 100.0 { last.value * spoken } else { last.value + spoken };
                    last.unit = unit;
                }
                None => found.push(Quantity { kind: Kind::Number, value: spoken, unit }),
            }
            continues = true;
        } else {
            continues &= written == "and";
            let kind_and_value = place_in(&WEEKDAYS, written)
                .map(|place| (Kind::Weekday, place))
                .or_else(|| place_in(&MONTHS, written).map(|place| (Kind::Month, place)))
                .or_else(|| place_in(&DAYS, written).map(|place| (Kind::Day, place)));
            if let Some((kind, value)) = kind_and_value {
                found.push(Quantity { kind, value, unit: None });
            }
        }
    }
    let sign = text.chars().find_map(currency);
    if let Some(unit) = sign {
        for quantity in found.iter_mut().filter(|quantity| quantity.unit.is_none()) {
            quantity.unit = Some(unit);
        }
    }
    found
}

/// Compares the quantities of two texts; which text is which does not matter.
pub(super) fn agreement(left: &[Quantity], right: &[Quantity]) -> Agreement {
    if left.is_empty() && right.is_empty() {
        return Agreement::Absent;
    }
    let mut unmatched: Vec<&Quantity> = right.iter().collect();
    let mut extra = 0;
    for quantity in left {
        match unmatched.iter().position(|other| quantity.agrees_with(other)) {
            Some(place) => {
                unmatched.swap_remove(place);
            }
            None => extra += 1,
        }
    }
    match (extra, unmatched.len()) {
        (0, 0) => Agreement::Same,
        (0, _) | (_, 0) => Agreement::Extra,
        _ => Agreement::Conflict,
    }
}

/// Says whether a text has every quantity of another, however often; "today" is mostly said out of courtesy.
pub(super) fn has_values_of(text: &[Quantity], other: &[Quantity]) -> bool {
    let today = place_in(&DAYS, "today").unwrap_or_default();
    let mut telling = other.iter().filter(|quantity| quantity.kind != Kind::Day || quantity.value != today);
    telling.all(|quantity| text.iter().any(|own| quantity.agrees_with(own)))
}

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Without May, which is mostly a verb.
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "-",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 4] = ["yesterday", "today", "tomorrow", "tonight"];

/// Finds a day or month, in the plural too.
fn place_in(list: &[&str], word: &str) -> Option<f64> {
    let place = list.iter().position(|name| word == *name || word.strip_suffix('s') == Some(name))?;
    u32::try_from(place).ok().map(f64::from)
}

/// Reads a number word; "one" is mostly a pronoun, and "second" a time.
fn spoken_number(word: &str) -> Option<f64> {
    const SMALL: [&str; 19] = [
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    const TENS: [&str; 7] = ["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    const ORDINALS: [&str; 9] =
        ["first", "-", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"];
    let place = |list: &[&str], from: u32, step: u32| {
        let place = list.iter().position(|name| *name == word)?;
        u32::try_from(place).ok().map(|place| f64::from(from + place * step))
    };
    let large = match word {
        "zero" => Some(0.0),
        "hundred" => Some(100.0),
        "thousand" => Some(1e3),
        "million" => Some(1e6),
        "billion" => Some(1e9),
        "half" => Some(0.5),
        _ => None,
    };
    large.or_else(|| place(&SMALL, 2, 1)).or_else(|| place(&TENS, 30, 10)).or_else(|| place(&ORDINALS, 1, 1))
}

/// Names the unit that a word is, in one spelling.
fn unit_of(word: &str) -> Option<&'static str> {
    const UNITS: [(&str, &[&str]); 34] = [
        ("$", &["dollar", "dollars", "usd", "bucks"]),
        ("€", &["euro", "euros", "eur"]),
        ("£", &["gbp", "quid"]),
        ("%", &["percent", "pct"]),
        ("s", &["s", "sec", "secs", "second", "seconds"]),
        ("min", &["min", "mins", "minute", "minutes"]),
        ("h", &["h", "hr", "hrs", "hour", "hours"]),
        ("d", &["day", "days"]),
        ("week", &["week", "weeks", "wk", "wks"]),
        ("month", &["month", "months"]),
        ("year", &["year", "years", "yr", "yrs", "yo"]),
        ("mm", &["mm", "millimeter", "millimeters", "millimetres"]),
        ("cm", &["cm", "centimeter", "centimeters", "centimetres"]),
        ("m", &["m", "meter", "meters", "metre", "metres"]),
        ("km", &["km", "kilometer", "kilometers", "kilometre", "kilometres"]),
        ("in", &["inch", "inches"]),
        ("ft", &["ft", "foot", "feet"]),
        ("yd", &["yard", "yards"]),
        ("mi", &["mile", "miles", "mi"]),
        ("mg", &["mg", "milligram", "milligrams"]),
        ("g", &["g", "gram", "grams"]),
        ("kg", &["kg", "kgs", "kilo", "kilos", "kilogram", "kilograms"]),
        ("lb", &["lb", "lbs", "pound", "pounds"]),
        ("oz", &["oz", "ounce", "ounces"]),
        ("ml", &["ml", "milliliter", "milliliters", "millilitres"]),
        ("l", &["liter", "liters", "litre", "litres"]),
        ("gal", &["gallon", "gallons"]),
        ("mb", &["mb", "megabyte", "megabytes"]),
        ("gb", &["gb", "gigabyte", "gigabytes"]),
        ("tb", &["tb", "terabyte", "terabytes"]),
        ("am", &["am"]),
        ("pm", &["pm"]),
        ("°c", &["celsius"]),
        ("°f", &["fahrenheit"]),
    ];
    UNITS.iter().find(|(_, names)| names.contains(&word)).map(|(unit, _)| *unit)
}

fn currency(sign: char) -> Option<&'static str> {
    match sign {
        '$' => Some("$"),
        '€' => Some("€"),
        '£' => Some("£"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: &str, right: &str, expected: Agreement) {
        let of = |text: &str| quantities(text, &Words::of(text));
        assert_eq!(agreement(&of(left), &of(right)), expected, "{left} | {right}");
        assert_eq!(agreement(&of(right), &of(left)), expected, "{right} | {left}");
    }

    #[test]
    fn each_text_with_a_number_of_its_own_is_a_conflict() {
        check("What's 15% of 200?", "What's 50% of 200?", Agreement::Conflict);
        check("Who won in 2014?", "Who won in 2018?", Agreement::Conflict);
        check("a dose for a 6-year-old", "a dose for a 16-year-old", Agreement::Conflict);
        check("two eggs", "three eggs", Agreement::Conflict);
        check("16 eggs and 3 hens", "3 eggs and 3 hens", Agreement::Conflict);
        check("open on Monday", "open on Fridays", Agreement::Conflict);
        check("twenty five", "twenty six", Agreement::Conflict);
    }

    #[test]
    fn one_number_in_two_spellings_is_no_conflict() {
        check("1,000 users", "1000 users", Agreement::Same);
        check("two cards", "2 cards", Agreement::Same);
        check("twenty five days", "25 days", Agreement::Same);
        check("three hundred", "300", Agreement::Same);
        check("5 kilometres", "5 km", Agreement::Same);
        check("open on Mondays", "open on monday", Agreement::Same);
        check("$20 please", "20 dollars please", Agreement::Same);
    }

    #[test]
    fn a_unit_counts_where_both_texts_name_one() {
        check("run 5 km", "run 5 miles", Agreement::Conflict);
        check("run 5 km", "run 5", Agreement::Same);
        check("at 3 pm", "at 3 am", Agreement::Conflict);
        check("send £20", "send $20", Agreement::Conflict);
    }

    #[test]
    fn a_number_that_one_text_adds_is_left_to_the_score() {
        check("top films", "top 10 films", Agreement::Extra);
        check("no number", "none here", Agreement::Absent);
        check("this one", "that one", Agreement::Absent);
    }
}
