//! Schemas that every client and every model provider takes.
//!
//! schemars' output is valid JSON Schema 2020-12; some hosts refuse `$ref`, `$schema`, Rust's number formats
//! and lists of types, so they are written out or dropped.

use std::sync::Arc;

use rmcp::model::JsonObject;
use serde_json::Value;

/// Deep enough for any schema of ours; a schema that contains itself is cut there.
const MAX_DEPTH: u8 = 16;

/// Rewrites a schema without references, Rust formats and null types.
pub(super) fn portable(schema: &JsonObject) -> Arc<JsonObject> {
    let mut object = schema.clone();
    let definitions = match object.remove("$defs") {
        Some(Value::Object(definitions)) => definitions,
        _ => JsonObject::new(),
    };
    object.remove("$schema");
    object.remove("title");
    object.remove("description");
    rewrite(&mut object, &definitions, 0);
    Arc::new(object)
}

/// The same for what a tool gives back, of which the ranges of numbers say nothing that a client needs.
pub(super) fn portable_output(schema: &JsonObject) -> Arc<JsonObject> {
    let mut schema = Arc::unwrap_or_clone(portable(schema));
    schema.values_mut().for_each(drop_ranges);
    Arc::new(schema)
}

fn drop_ranges(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|key, value| !(matches!(key.as_str(), "minimum" | "maximum") && value.is_number()));
            object.values_mut().for_each(drop_ranges);
        }
        Value::Array(values) => values.iter_mut().for_each(drop_ranges),
        _ => {}
    }
}

fn rewrite(object: &mut JsonObject, definitions: &JsonObject, depth: u8) {
    if depth < MAX_DEPTH
        && let Some(Value::String(reference)) = object.get("$ref")
        && let Some(Value::Object(definition)) =
            reference.strip_prefix("#/$defs/").and_then(|name| definitions.get(name))
    {
        let mut merged = definition.clone();
        object.remove("$ref");
        // What stands beside the reference, such as a description, wins.
        merged.extend(std::mem::take(object));
        *object = merged;
        return rewrite(object, definitions, depth + 1);
    }
    if let Some(Value::Array(alternatives)) = object.get("anyOf") {
        let is_null = |value: &&Value| value.get("type").is_none_or(|name| name != "null");
        if let [Value::Object(only)] = alternatives.iter().filter(is_null).collect::<Vec<_>>().as_slice() {
            let mut merged = only.clone();
            object.remove("anyOf");
            merged.extend(std::mem::take(object));
            *object = merged;
            return rewrite(object, definitions, depth + 1);
        }
    }
    if let Some(Value::Array(types)) = object.get("type")
        && let [only] = types.iter().filter(|name| *name != "null").cloned().collect::<Vec<_>>().as_slice()
    {
        object.insert("type".to_owned(), only.clone());
    }
    if let Some(Value::Array(variants)) = object.get("enum") {
        let named: Vec<Value> = variants.iter().filter(|value| !value.is_null()).cloned().collect();
        object.insert("enum".to_owned(), Value::Array(named));
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    let is_rust_format = |format: &Value| {
        format.as_str().is_some_and(|name| {
            name.starts_with("uint") || name.starts_with("int") || name == "double" || name == "float"
        })
    };
    if object.get("format").is_some_and(is_rust_format) {
        object.remove("format");
    }
    for value in object.values_mut() {
        rewrite_value(value, definitions, depth);
    }
}

fn rewrite_value(value: &mut Value, definitions: &JsonObject, depth: u8) {
    match value {
        Value::Object(object) => rewrite(object, definitions, depth),
        Value::Array(values) => values.iter_mut().for_each(|value| rewrite_value(value, definitions, depth)),
        _ => {}
    }
}
