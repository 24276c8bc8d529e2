//! Changes of published rows as they are committed, and whom each may be shown.

use serde_json::Value;

use crate::project::Project;
use crate::session::{Refusal, Session};

/// The channel of NOTIFY.
pub(super) const CHANNEL: &str = "stub_realtime";

/// Triggers on all published tables, in the place of logical decoding.
const FEED: &str = r#"
create schema stub_realtime;
create function stub_realtime.tell() returns trigger language plpgsql security definer set search_path = '' as $$
declare
    old_key jsonb;
begin
    if tg_op <> 'INSERT' then
        select jsonb_object_agg(a.attname, to_jsonb(old) -> a.attname) into old_key
        from pg_catalog.pg_index i
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
        where i.indrelid = tg_relid and i.indisprimary;
    end if;
    perform pg_catalog.pg_notify('stub_realtime', jsonb_build_object(
        'schema', tg_table_schema, 'table', tg_table_name, 'type', tg_op,
        'commit_timestamp', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'columns', (
            select jsonb_agg(jsonb_build_object('name', a.attname, 'type', t.typname) order by a.attnum)
            from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
            where a.attrelid = tg_relid and a.attnum > 0 and not a.attisdropped),
        'record', case when tg_op <> 'DELETE' then to_jsonb(new) else '{}' end,
        'old_record', coalesce(old_key, '{}'))::text);
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

/// Says whether changes of a table are published.
pub(super) async fn is_published(session: &mut Session, schema: &str, table: &str) -> bool {
    let sql = format!(
        "reset role; select exists (select from pg_publication_tables where pubname = 'supabase_realtime'
        and schemaname = {} and ({} in ('*', '') or tablename = {}))",
        quoted(schema),
        quoted(table),
        quoted(table)
    );
    session.one(&sql).await.is_ok_and(|found| found == "t")
}

/// Says whether a user may see a row that was written, by asking the database as that user.
pub(super) async fn is_visible(session: &mut Session, claims: &Value, change: &Value) -> bool {
    let text = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("type") == "DELETE" {
        // Realtime cannot ask: the row is gone. So everybody is told its key.
        return true;
    }
    let role = match claims.get("role").and_then(Value::as_str) {
        Some("authenticated") => "authenticated",
        Some("service_role") => "service_role",
        _ => "anon",
    };
    let Some(record) = change.get("record") else { return false };
    let sql = format!(
        "select exists (select from {}.{} t where to_jsonb(t) = {}::jsonb)",
        name(text("schema")),
        name(text("table")),
        quoted(&record.to_string())
    );
    session.become_claims(role, &claims.to_string()).await.is_ok()
        && session.one(&sql).await.is_ok_and(|found| found == "t")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
