//! Changes of published rows as they are committed, and what a role with some claims is told of each.

use serde_json::{Map, Value, json};

use super::subscriptions::ROLES;
use crate::project::Project;
use crate::session::{Refusal, Session};

/// The channel of NOTIFY.
pub(super) const CHANNEL: &str = "stub_realtime";

/// Triggers on all published tables, in the place of logical decoding.
const FEED: &str = r#"
create schema stub_realtime;
create function stub_realtime.tell() returns trigger language plpgsql security definer set search_path = '' as $$
declare
    keys text[] := array(
        select a.attname from pg_catalog.pg_index i
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
        where i.indrelid = tg_relid and i.indisprimary);
    line jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
    old_line jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
begin
    perform pg_catalog.pg_notify('stub_realtime', jsonb_build_object(
        'relation', format('%I.%I', tg_table_schema, tg_table_name),
        'schema', tg_table_schema, 'table', tg_table_name, 'type', tg_op,
        'commit_timestamp', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'columns', (
            select jsonb_agg(jsonb_build_object('name', a.attname, 'type', t.typname) order by a.attnum)
            from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
            where a.attrelid = tg_relid and a.attnum > 0 and not a.attisdropped),
        'record', case when tg_op <> 'DELETE' then line end,
        'old_record', (select jsonb_object_agg(k, old_line -> k) from unnest(keys) as k where old_line is not null),
        'key', (select jsonb_object_agg(k, line -> k) from unnest(keys) as k))::text);
    return null;
end $$;
do $$
declare
    published record;
begin
    for published in select schemaname, tablename from pg_publication_tables where pubname = 'supabase_realtime' loop
        execute format('create trigger stub_realtime after insert or update or delete on %I.%I
            for each row execute function stub_realtime.tell()', published.schemaname, published.tablename);
    end loop;
end $$;
"#;

/// Has the database tell of changes.
pub(super) async fn install(project: &Project) -> Result<(), Refusal> {
    let connection = project.session("postgres").await;
    let mut superuser =
        connection.map_err(|error| Refusal { code: String::new(), message: error.to_string() })?;
    superuser.rows(FEED).await.map(drop)
}

/// What a role with some claims may know of a change.
#[derive(Debug)]
pub(super) enum Told {
    /// What was written or deleted, as far as the role may read the columns.
    Row(Value),
    /// That something was, to whoever subscribed, whatever the filter.
    Only(Value),
    Nothing,
}

/// Says what a role with some claims may know of a change, by asking the database as that role: as
/// `realtime.apply_rls` of supabase/realtime does it.
///
/// Of a deleted row nobody can be asked: everybody is told its key. A role that may not read the key is told that
/// there was a row, and so is one whose claims a policy chokes on.
pub(super) async fn told(session: &mut Session, claims: &Value, change: &Value) -> Told {
    let text = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or_default();
    let role = claims.get("role").and_then(Value::as_str).unwrap_or_default();
    let key = change.get("key").and_then(Value::as_object).cloned().unwrap_or_default();
    let relation = text("relation");
    let Some(readable) = readable(session, role, relation).await else { return Told::Nothing };
    let is_deleted = text("type") == "DELETE";
    let only = |problem: &str| {
        let (schema, table, kind) = (text("schema"), text("table"), text("type"));
        let mut data = json!({
            "schema": schema, "table": table, "type": kind, "commit_timestamp": null, "columns": [], "record": {},
            "errors": [problem],
        });
        if kind == "UPDATE" {
            data["old_record"] = json!({});
        }
        Told::Only(data)
    };
    if !is_deleted && !key.keys().all(|column| readable.contains(column)) {
        return only("Error 401: Unauthorized");
    }
    if !is_deleted {
        let is_same = |(column, value): (&String, &Value)| {
            format!("to_jsonb(t.{}) = {}::jsonb", name(column), quoted(&value.to_string()))
        };
        let same: Vec<String> = key.iter().map(is_same).collect();
        let sql = format!("select exists (select from {relation} t where {})", same.join(" and "));
        let found = match session.become_claims(role, &claims.to_string()).await {
            Ok(()) => session.one(&sql).await,
            Err(refusal) => Err(refusal),
        };
        match found.as_deref() {
            Ok("t") => {}
            Ok(_) => return Told::Nothing,
            Err(_) => return only("Error 500: Internal Server Error, RLS policy evaluation failed"),
        }
    }
    let part = |name: &str| match change.get(name).and_then(Value::as_object) {
        Some(record) => {
            let shown = record.iter().filter(|(column, _)| readable.contains(column));
            let shown: Map<String, Value> =
                shown.map(|(column, value)| (column.clone(), value.clone())).collect();
            if shown.is_empty() { Value::Null } else { Value::Object(shown) }
        }
        None => Value::Null,
    };
    let is_readable = |column: &&Value| {
        column
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| readable.iter().any(|other| other == name))
    };
    let columns = change.get("columns").and_then(Value::as_array).into_iter().flatten();
    let columns: Vec<&Value> = columns.filter(is_readable).collect();
    let mut data = json!({
        "schema": text("schema"), "table": text("table"), "type": text("type"),
        "commit_timestamp": text("commit_timestamp"), "columns": columns, "errors": null,
    });
    if !is_deleted {
        data["record"] = part("record");
    }
    if text("type") != "INSERT" {
        data["old_record"] = part("old_record");
    }
    Told::Row(data)
}

/// The columns of a table that a role may read.
async fn readable(session: &mut Session, role: &str, relation: &str) -> Option<Vec<String>> {
    if !ROLES.contains(&role) {
        return None;
    }
    let sql = format!(
        "reset role; select coalesce(jsonb_agg(a.attname), '[]') from pg_attribute a
        where a.attrelid = {}::regclass and a.attnum > 0 and not a.attisdropped
        and has_column_privilege({}, a.attrelid, a.attnum, 'select')",
        quoted(relation),
        quoted(role)
    );
    session.one(&sql).await.ok().and_then(|columns| serde_json::from_str(&columns).ok())
}

pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(super) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
