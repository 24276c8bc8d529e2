//! What is written into a client's configuration: pure, from text to text.
//!
//! Only the entry is written. All else keeps its bytes, its order too, and an edit that would change what
//! anything else says is refused. JSON with comments is refused as well: the client would not read it.

use std::collections::BTreeMap;

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstObjectProp, CstRootNode};
use serde_json::{Map, Value, json};

/// The object that holds one entry a server.
const SERVERS: &str = "mcpServers";
/// What a client is told to start the program with, to have its answers made up.
const SIMULATE: &str = "--simulate";
/// JSON as it is defined.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// How a client starts the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) command: String,
    pub(super) answers: Answers,
    /// By name; those that the file has and that are not here stay as they are.
    pub(super) variables: BTreeMap<String, String>,
}

/// Where the answers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    Real,
    Simulated,
}

/// What is to become of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Put(Entry),
    Remove,
}

/// Why a configuration is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub(super) struct Refusal {
    line: usize,
    why: String,
}

impl Refusal {
    fn new(line: usize, why: impl Into<String>) -> Self {
        Self { line, why: why.into() }
    }

    /// Refuses something that stands in the text.
    fn at(property: &CstObjectProp, why: impl Into<String>) -> Self {
        let breaks = |node: &dyn std::fmt::Display| node.to_string().matches('\n').count();
        let own: usize = property.previous_siblings().map(|node| breaks(&node)).sum();
        let outer = property.ancestors().flat_map(|node| match node.parent() {
            Some(parent) => parent.children().into_iter().take(node.child_index()).collect(),
            None => Vec::new(),
        });
        Self::new(1 + own + outer.map(|node| breaks(&node)).sum::<usize>(), why)
    }
}

/// Gives the text of a configuration after a change; an empty one is as good as `{}`.
pub(super) fn edit(text: &str, name: &str, change: &Change) -> Result<String, Refusal> {
    let body = without_mark(text);
    let mark = text.get(..text.len() - body.len()).unwrap_or_default();
    let body = match (body.trim().is_empty(), change) {
        (true, Change::Remove) => return Ok(text.to_owned()),
        (true, Change::Put(_)) => "{}\n",
        (false, _) => body,
    };
    let before: Value = serde_json::from_str(body).map_err(|error| not_json(body, &error))?;
    let root = CstRootNode::parse(body, &STRICT)
        .map_err(|error| Refusal::new(error.line_display(), "this is no JSON"))?;
    let Some(object) = root.object_value() else {
        return Err(Refusal::new(1, "this is no JSON object; hint: a configuration is { … }"));
    };
    let wanted = match change {
        Change::Put(entry) => {
            let entry = wanted(before.pointer(&pointer(name)), entry);
            put(&object, name, before.pointer(&pointer(name)), &entry)?;
            with(&before, name, Some(entry))
        }
        Change::Remove => {
            if let Some(servers) = servers(&object)?
                && let Some(entry) = only(&servers, name)?
            {
                entry.remove();
            }
            with(&before, name, None)
        }
    };
    let after = root.to_string();
    // Names that stand twice are the way to another result: all readers take the last.
    if serde_json::from_str::<Value>(&after).ok() != Some(wanted) {
        return Err(Refusal::new(
            1,
            format!("`{SERVERS}.{name}` cannot be changed alone; hint: do it by hand"),
        ));
    }
    Ok(format!("{mark}{after}"))
}

/// Leaves out the mark with which Windows' editors begin a text.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn pointer(name: &str) -> String {
    format!("/{SERVERS}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn not_json(text: &str, error: &serde_json::Error) -> Refusal {
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let is_comment = ["//", "/*", "#"].iter().any(|mark| line.trim_start().starts_with(mark))
        || line.get(error.column().saturating_sub(1)..).is_some_and(|rest| rest.starts_with('/'));
    let hint = if is_comment { "; hint: JSON has no comments" } else { "" };
    Refusal::new(error.line(), format!("this is no JSON ({error}){hint}"))
}

/// Gives an entry with what is asked of it; what else it has stays.
fn wanted(before: Option<&Value>, entry: &Entry) -> Map<String, Value> {
    let mut wanted = before.and_then(Value::as_object).cloned().unwrap_or_default();
    let mut arguments: Vec<Value> = match wanted.get("args") {
        Some(Value::Array(arguments)) => {
            arguments.iter().filter(|argument| *argument != SIMULATE).cloned().collect()
        }
        _ => Vec::new(),
    };
    if entry.answers == Answers::Simulated {
        arguments.push(SIMULATE.into());
    }
    let mut variables = match wanted.remove("env") {
        Some(Value::Object(variables)) => variables,
        _ => Map::new(),
    };
    variables.extend(entry.variables.iter().map(|(name, value)| (name.clone(), json!(value))));
    wanted.insert("command".to_owned(), json!(entry.command));
    wanted.insert("args".to_owned(), arguments.into());
    wanted.insert("env".to_owned(), variables.into());
    wanted
}

/// Gives what the whole configuration is to say.
fn with(before: &Value, name: &str, entry: Option<Map<String, Value>>) -> Value {
    let mut after = before.clone();
    if let Some(entry) = entry {
        if let Some(object) = after.as_object_mut()
            && let Some(servers) = object.entry(SERVERS).or_insert_with(|| json!({})).as_object_mut()
        {
            servers.insert(name.to_owned(), entry.into());
        }
    } else if let Some(servers) = after.get_mut(SERVERS).and_then(Value::as_object_mut) {
        servers.remove(name);
    }
    after
}

/// Finds a property by its name, which may stand there once.
fn only(object: &CstObject, name: &str) -> Result<Option<CstObjectProp>, Refusal> {
    let mut found = object
        .properties()
        .into_iter()
        .filter(|property| property.decoded_name().is_some_and(|own| own == name));
    match (found.next(), found.next()) {
        (_, Some(second)) => {
            Err(Refusal::at(&second, format!("`{name}` is there twice; hint: leave one of them")))
        }
        (first, None) => Ok(first),
    }
}

/// Finds a property that must be an object.
fn only_object(object: &CstObject, name: &str) -> Result<Option<CstObject>, Refusal> {
    let Some(property) = only(object, name)? else { return Ok(None) };
    match property.object_value() {
        Some(value) => Ok(Some(value)),
        None => Err(Refusal::at(&property, format!("`{name}` is no JSON object; hint: mend or remove it"))),
    }
}

fn servers(object: &CstObject) -> Result<Option<CstObject>, Refusal> {
    only_object(object, SERVERS)
}

/// Writes what an entry is to say, and nothing that it says already.
fn put(
    object: &CstObject,
    name: &str,
    before: Option<&Value>,
    wanted: &Map<String, Value>,
) -> Result<(), Refusal> {
    let servers = match servers(object)? {
        Some(servers) => servers,
        None => object.append(SERVERS, CstInputValue::Object(Vec::new())).object_value_or_set(),
    };
    let Some(entry) = only_object(&servers, name)? else {
        // In the order in which people write them.
        let properties = ["command", "args", "env"].iter().filter_map(|key| wanted.get_key_value(*key));
        let properties = properties.map(|(key, value)| (key.clone(), input(value))).collect();
        servers.append(name, CstInputValue::Object(properties));
        return Ok(());
    };
    // Variables first: what is refused there has moved nothing yet.
    for (key, value) in wanted.iter().rev() {
        let old = before.and_then(|before| before.get(key));
        match (value, old) {
            (value, Some(old)) if value == old => {}
            (Value::Object(value), Some(Value::Object(old))) => {
                let Some(inner) = only_object(&entry, key)? else { continue };
                for (key, value) in value.iter().filter(|(key, value)| old.get(*key) != Some(value)) {
                    set(&inner, key, value)?;
                }
            }
            (value, _) => set(&entry, key, value)?,
        }
    }
    Ok(())
}

fn set(object: &CstObject, key: &str, value: &Value) -> Result<(), Refusal> {
    match only(object, key)? {
        Some(property) => property.set_value(input(value)),
        None => drop(object.append(key, input(value))),
    }
    Ok(())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(truth) => CstInputValue::Bool(*truth),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(values) => CstInputValue::Array(values.iter().map(input).collect()),
        Value::Object(values) => {
            CstInputValue::Object(values.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}
