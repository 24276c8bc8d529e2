//! What an edit changes, as lines of `-` and `+`, without what others keep in the same file.
//!
//! A client's configuration holds keys. Names are shown; of values only those that this program may write, and
//! those no longer where their variable is a secret.

use std::fmt::Write as _;

use jsonc_parser::ast::{ObjectProp, Value};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use similar::{Algorithm, ChangeTag, capture_diff_slices, group_diff_ops};

use super::entry::without_mark;
use crate::config::is_secret;

/// Lines that are shown around a change.
const CONTEXT: usize = 3;

/// Gives the lines that differ between two configurations, with those around them.
pub(super) fn difference(before: &str, after: &str, name: &str) -> String {
    let (before, after) = (without_mark(before), without_mark(after));
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    // No string spans lines, so each line has its masked one.
    let (before, after) = (masked(before, name), masked(after, name));
    let (shown_old, shown_new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut text = String::new();
    for group in group_diff_ops(capture_diff_slices(Algorithm::Myers, &old, &new), CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let place = |start: usize, end: usize| format!("{},{}", start + 1, end - start);
        let removed = place(first.old_range().start, last.old_range().end);
        let added = place(first.new_range().start, last.new_range().end);
        let _ = writeln!(text, "@@ -{removed} +{added} @@");
        for change in group.iter().flat_map(|operation| operation.iter_changes(&old, &new)) {
            let (sign, line) = match change.tag() {
                ChangeTag::Delete => ('-', change.old_index().and_then(|index| shown_old.get(index))),
                ChangeTag::Insert => ('+', change.new_index().and_then(|index| shown_new.get(index))),
                ChangeTag::Equal => (' ', change.old_index().and_then(|index| shown_old.get(index))),
            };
            let _ = writeln!(text, "{sign}{}", line.copied().unwrap_or_default());
        }
    }
    text
}

/// Gives a text without the values that are not shown; one that cannot be read is not shown at all.
fn masked(text: &str, name: &str) -> String {
    let Ok(parsed) = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default()) else {
        return "…\n".repeat(text.lines().count());
    };
    let mut hidden = Vec::new();
    if let Some(value) = &parsed.value {
        hide(value, &mut Vec::new(), name, &mut hidden);
    }
    let mut shown = String::new();
    let mut end = 0;
    for (start, next) in hidden {
        shown.push_str(text.get(end..start).unwrap_or_default());
        shown.push_str("\"…\"");
        end = next;
    }
    shown.push_str(text.get(end..).unwrap_or_default());
    shown
}

/// Collects the places of the strings that are not shown, in their order.
fn hide<'a>(value: &'a Value<'_>, path: &mut Vec<&'a str>, name: &str, hidden: &mut Vec<(usize, usize)>) {
    match value {
        Value::StringLit(text) if !is_shown(path, name) => hidden.push((text.start(), text.end())),
        Value::Object(object) => {
            for ObjectProp { name: key, value, .. } in &object.properties {
                path.push(key.as_str());
                hide(value, path, name, hidden);
                path.pop();
            }
        }
        Value::Array(array) => array.elements.iter().for_each(|value| hide(value, path, name, hidden)),
        Value::StringLit(_) | Value::NumberLit(_) | Value::BooleanLit(_) | Value::NullKeyword(_) => {}
    }
}

/// Says whether what stands at a path is this program's own, and no secret.
fn is_shown(path: &[&str], name: &str) -> bool {
    match path {
        ["mcpServers", own, "command" | "args"] => *own == name,
        ["mcpServers", own, "env", variable] => *own == name && !is_secret(variable),
        _ => false,
    }
}
