//! Labelled texts in a file: tab-separated values with a header, or JSON lines. Columns are found by name.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;

/// One row: its fields by name, and where it stands.
#[derive(Debug)]
pub(super) struct Record {
    /// From 1.
    line: usize,
    fields: HashMap<String, String>,
}

impl Record {
    /// Gives the first of these fields that the row has.
    pub(super) fn optional(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.fields.get(*name)).map(String::as_str)
    }

    /// Gives the first of these fields, or an error that names the line and the column.
    pub(super) fn required(&self, names: &[&str]) -> anyhow::Result<&str> {
        self.optional(names)
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| anyhow!("line {}: no text in column {}", self.line, names.join(" or ")))
    }

    /// Reads a field that is yes or no.
    pub(super) fn truth(&self, names: &[&str]) -> anyhow::Result<Option<bool>> {
        match self.optional(names) {
            None | Some("") => Ok(None),
            Some("1" | "true") => Ok(Some(true)),
            Some("0" | "false") => Ok(Some(false)),
            Some(other) => bail!(
                "line {}: column {} is {other:?}; hint: 1, 0, true or false",
                self.line,
                names.join(" or ")
            ),
        }
    }

    /// Gives the number of the row's line.
    pub(super) const fn line(&self) -> usize {
        self.line
    }
}

/// Reads a file; one whose name ends in `.jsonl` holds JSON lines.
///
/// # Errors
/// The file cannot be read, or a line is no row; the error names both.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Record>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let is_json = path.extension().is_some_and(|extension| extension == "jsonl");
    let records = if is_json { json_lines(&text) } else { tab_separated(&text) };
    records.with_context(|| path.display().to_string())
}

fn tab_separated(text: &str) -> anyhow::Result<Vec<Record>> {
    let mut lines = text.lines().enumerate();
    let (_, header) = lines.next().context("line 1: no header; hint: name the columns there")?;
    let names: Vec<&str> = header.trim_start_matches('\u{feff}').split('\t').collect();
    let mut records = Vec::new();
    for (place, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields.len() != names.len() {
            bail!("line {}: {} fields under {} names in the header", place + 1, fields.len(), names.len());
        }
        let named = names.iter().zip(fields).map(|(name, field)| ((*name).to_owned(), field.to_owned()));
        records.push(Record { line: place + 1, fields: named.collect() });
    }
    Ok(records)
}

fn json_lines(text: &str) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    for (place, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line_number = place + 1;
        let object: HashMap<String, Value> = serde_json::from_str(line).map_err(|error| {
            anyhow!("line {line_number}, column {}: no JSON object in one line", error.column())
        })?;
        let mut fields = HashMap::new();
        for (name, value) in object {
            if let Some((text, before)) = last_turn(&value) {
                fields.insert(format!("context_{}", name.trim_start_matches("text_")), before);
                fields.insert(name, text);
            } else if let Value::String(text) = value {
                fields.insert(name, text);
            } else if !value.is_null() {
                fields.insert(name, value.to_string());
            }
        }
        records.push(Record { line: line_number, fields });
    }
    Ok(records)
}

/// Takes a conversation, a list of objects with `role` and `content`, apart: its last text, and the turns before it as
/// one text, empty where there are none. `None` for anything else.
fn last_turn(value: &Value) -> Option<(String, String)> {
    let (last, before) = value.as_array()?.split_last()?;
    let text = last.get("content")?.as_str()?.to_owned();
    let before = if before.is_empty() { String::new() } else { Value::from(before.to_vec()).to_string() };
    Some((text, before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T>(result: anyhow::Result<T>) -> String {
        result.err().map_or_else(String::new, |error| format!("{error:#}"))
    }

    #[test]
    fn both_forms_give_the_same_rows() {
        let tab = tab_separated("id\ttext_a\ttext_b\tlabel\n7\tone\ttwo\t1\n\n").unwrap();
        let json =
            json_lines("{\"id\": 7, \"a\": \"one\", \"b\": \"two\", \"same_answer\": true}\n").unwrap();
        for records in [tab, json] {
            let [record] = records.as_slice() else { panic!("one row") };
            assert_eq!(record.optional(&["id"]), Some("7"));
            assert_eq!(record.required(&["text_a", "a"]).unwrap(), "one");
            assert_eq!(record.truth(&["label", "same_answer"]).unwrap(), Some(true));
            assert_eq!(record.truth(&["context_a"]).unwrap(), None);
        }
    }

    #[test]
    fn a_conversation_is_its_last_turn_and_the_turns_before() {
        let line = r#"{"a": [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}],
            "text_b": [{"role": "user", "content": "three"}], "c": [1, 2]}"#;
        let records = json_lines(&line.replace('\n', "")).unwrap();
        let [record] = records.as_slice() else { panic!("one row") };
        assert_eq!((record.optional(&["a"]), record.optional(&["text_b"])), (Some("two"), Some("three")));
        assert!(record.optional(&["context_a"]).unwrap().contains("\"one\""));
        assert_eq!((record.optional(&["context_b"]), record.optional(&["c"])), (Some(""), Some("[1,2]")));
    }

    #[test]
    fn an_error_names_line_and_column() {
        let tab = |text: &str| tab_separated(text).unwrap();
        assert!(said(tab_separated("")).contains("line 1: no header"));
        assert!(said(tab_separated("a\tb\nx\n")).contains("line 2: 1 fields under 2 names"));
        assert!(
            said(tab("a\tb\nx\t\n")[0].required(&["text_b", "b"]))
                .contains("line 2: no text in column text_b or b")
        );
        assert!(
            said(tab("label\nmaybe\n")[0].truth(&["label"])).contains("line 2: column label is \"maybe\"")
        );
        assert!(said(json_lines("{}\n{\"a\": }\n")).contains("line 2, column 7"));
        assert!(said(read(Path::new("nowhere.tsv"))).contains("nowhere.tsv cannot be read"));
    }
}
