//! What a channel asks for: tables that are published, and filters on columns that its role may read.
//!
//! As `Subscriptions` and `realtime.subscription_check_filters` of supabase/realtime do it, with the operators that
//! every version has.

use serde_json::Value;

use super::changes::{name, quoted};
use crate::session::Session;

/// The roles that a token may name.
pub(super) const ROLES: [&str; 3] = ["anon", "authenticated", "service_role"];

/// One wish of a channel that was granted.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: u64,
    event: String,
    /// As in SQL.
    relations: Vec<String>,
    filters: Vec<Filter>,
}

/// A condition on one column.
#[derive(Debug)]
struct Filter {
    column: String,
    /// What follows the column in SQL.
    condition: String,
}

impl Subscription {
    /// Looks at a wish of a role, or says as Realtime does why it is not granted.
    pub(super) async fn open(
        session: &mut Session,
        claims: &Value,
        wish: &Value,
        id: u64,
    ) -> Result<Self, String> {
        let text = |name: &str| wish.get(name).and_then(Value::as_str);
        let (schema, table) = match (text("schema"), text("table")) {
            (None, None) => {
                return Err(
                    "No subscription params provided. Please provide at least a `schema` or `table` to \
                            subscribe to"
                        .to_owned(),
                );
            }
            (schema, table) => (schema.unwrap_or("public"), table.unwrap_or("*")),
        };
        let given = format!("given connect parameters: [schema: {schema}, table: {table}]");
        let role = claims.get("role").and_then(Value::as_str).unwrap_or_default();
        if !ROLES.contains(&role) {
            return Err(format!("An exception happened, role \"{role}\" does not exist, {given}"));
        }
        let filters = filters(text("filter").unwrap_or_default())?;
        let like = |pattern: &str| quoted(if pattern == "*" { "%" } else { pattern });
        let sql = format!(
            "reset role; select format('%I.%I', schemaname, tablename) from pg_publication_tables
            where pubname = 'supabase_realtime' and schemaname like {} escape '' and tablename like {} escape ''",
            like(schema),
            like(table)
        );
        let rows = session.rows(&sql).await.map_err(|refusal| refusal.message)?;
        let mut relations = Vec::new();
        // Of several statements the rows come together; those of the first are none.
        for relation in rows.into_iter().filter_map(|mut row| row.swap_remove(0)) {
            for filter in &filters {
                filter.check(session, role, &relation).await?;
            }
            relations.push(relation);
        }
        if relations.is_empty() {
            return Err(format!(
                "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the {given}"
            ));
        }
        Ok(Self { id, event: text("event").unwrap_or("*").to_uppercase(), relations, filters })
    }

    /// Says whether a change is of a table and a kind that was asked for.
    pub(super) fn is_about(&self, change: &Value) -> bool {
        let is = |name: &str, wanted: &str| change.get(name).and_then(Value::as_str) == Some(wanted);
        (self.event == "*" || is("type", &self.event))
            && self.relations.iter().any(|relation| is("relation", relation))
    }

    /// Says whether a change passes the filters; of a deleted row there is only the key to compare.
    pub(super) async fn passes(&self, session: &mut Session, change: &Value) -> bool {
        let Some(relation) = change.get("relation").and_then(Value::as_str) else { return false };
        let is_deleted = change.get("type").and_then(Value::as_str) == Some("DELETE");
        let known = if is_deleted { "key" } else { "record" };
        let Some(Value::Object(known)) = change.get(known) else { return false };
        let filters: Vec<_> =
            self.filters.iter().filter(|filter| known.contains_key(&filter.column)).collect();
        if filters.is_empty() {
            return self.filters.is_empty();
        }
        let conditions: Vec<String> = filters.iter().map(|filter| filter.sql()).collect();
        let sql = format!(
            "reset role; select {} from jsonb_populate_record(null::{relation}, {}) as r",
            conditions.join(" and "),
            quoted(&Value::from(known.clone()).to_string())
        );
        session.one(&sql).await.is_ok_and(|found| found == "t")
    }
}

impl Filter {
    fn sql(&self) -> String {
        format!("coalesce(r.{} {}, false)", name(&self.column), self.condition)
    }

    async fn check(&self, session: &mut Session, role: &str, relation: &str) -> Result<(), String> {
        let invalid = || format!("invalid column for filter {}", self.column);
        let sql = format!(
            "reset role; select has_column_privilege({}, {}::regclass, {}, 'select')",
            quoted(role),
            quoted(relation),
            quoted(&self.column)
        );
        if !session.one(&sql).await.is_ok_and(|may| may == "t") {
            return Err(invalid());
        }
        let sql = format!("select {} from jsonb_populate_record(null::{relation}, '{{}}') as r", self.sql());
        session.one(&sql).await.map(drop).map_err(|refusal| refusal.message)
    }
}

/// Reads `column=eq.value,other=gt.value`.
fn filters(text: &str) -> Result<Vec<Filter>, String> {
    let mut filters = Vec::new();
    for part in split(text) {
        let unreadable = || format!("Error parsing `filter` params: {part:?}");
        let (column, test) = part.split_once('=').ok_or_else(unreadable)?;
        let (operator, value) = test.split_once('.').ok_or_else(unreadable)?;
        let list = value.strip_prefix('(').and_then(|value| value.strip_suffix(')'));
        let condition = match (operator, list) {
            ("eq", _) => format!("= {}", quoted(value)),
            ("neq", _) => format!("<> {}", quoted(value)),
            ("lt", _) => format!("< {}", quoted(value)),
            ("lte", _) => format!("<= {}", quoted(value)),
            ("gt", _) => format!("> {}", quoted(value)),
            ("gte", _) => format!(">= {}", quoted(value)),
            ("in", Some(list)) => format!("= any ({})", quoted(&format!("{{{list}}}"))),
            _ => return Err(unreadable()),
        };
        filters.push(Filter { column: column.to_owned(), condition });
    }
    Ok(filters)
}

/// Splits at the commas that are in no parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}
