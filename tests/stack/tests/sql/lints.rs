//! What the platform's linter asks of a schema, and a little more, read from the catalogue itself.

use super::samples::project;

/// Asserts that a query of the superuser finds nothing.
async fn nothing(claim: &str, sql: &str) {
    let Some(project) = project().await else { return };
    let mut superuser = project.session("postgres").await.unwrap();
    let rows = superuser.rows(sql).await.unwrap();
    assert!(rows.is_empty(), "{claim}: {rows:?}");
}

#[tokio::test]
async fn row_level_security_is_on_and_forced_on_every_table() {
    let sql =
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        and not (relrowsecurity and relforcerowsecurity)";
    nothing("tables that somebody can read past their policies", sql).await;
}

#[tokio::test]
async fn every_table_has_one_policy_for_each_command_and_none_for_anybody_else() {
    let sql = "select c.relname, count(p.polname), string_agg(p.polcmd::text, '' order by p.polcmd::text)
        from pg_class c left join pg_policy p on p.polrelid = c.oid
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
        group by c.relname having string_agg(p.polcmd::text, '' order by p.polcmd::text) is distinct from 'adrw'";
    nothing("tables without exactly four policies", sql).await;
    let sql = "select polname from pg_policy p join pg_class c on c.oid = p.polrelid
        where c.relnamespace = 'public'::regnamespace
        and (polroles <> array['authenticated'::regrole::oid] or not polpermissive)";
    nothing("policies for others than `authenticated`", sql).await;
}

#[tokio::test]
async fn policies_ask_once_who_the_user_is_and_not_for_each_row() {
    let sql = "select polname, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
        from pg_policy p join pg_class c on c.oid = p.polrelid
        where c.relnamespace = 'public'::regnamespace
        and not (
            replace(coalesce(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)), chr(10), '')
                = '(( SELECT auth.uid() AS uid LIMIT one_caller()) = user_id)'
            and (polqual is null) = (polcmd = 'a') and (polwithcheck is not null) = (polcmd in ('a', 'w'))
            and (polcmd <> 'w' or pg_get_expr(polqual, polrelid) = pg_get_expr(polwithcheck, polrelid)))";
    nothing("policies of another form", sql).await;
}

#[tokio::test]
async fn functions_run_as_their_caller_and_look_names_up_nowhere() {
    let sql = "select p.proname from pg_proc p where p.pronamespace = 'public'::regnamespace
        and (p.prosecdef or not coalesce(p.proconfig, '{}') @> array['search_path=\"\"'])";
    nothing("functions with more rights or with a search path", sql).await;
    let sql = "select proname from pg_proc where pronamespace = 'public'::regnamespace and provolatile = 'i'";
    nothing("functions whose value outlives the question who may call them", sql).await;
    let sql = "select p.proname from pg_proc p where p.pronamespace = 'public'::regnamespace
        and exists (select from unnest(p.proargnames) as name where name ~ 'user|tenant|owner|caller')";
    nothing("functions with an argument that names a user", sql).await;
    let sql = "select proname from pg_proc where pronamespace = 'public'::regnamespace
        group by proname having count(*) > 1";
    nothing("names that REST could not tell apart", sql).await;
}

#[tokio::test]
async fn nobody_but_signed_in_users_may_do_anything_and_they_may_not_truncate() {
    let sql = "select relname, privilege from pg_class, unnest(array['select', 'insert', 'update', 'delete',
        'truncate', 'references', 'trigger']) as privilege
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'm', 'p', 'f')
        and (has_table_privilege('anon', oid, privilege)
            or privilege in ('truncate', 'references', 'trigger')
            and has_table_privilege('authenticated', oid, privilege))";
    nothing("tables", sql).await;
    let sql = "select proname from pg_proc where pronamespace = 'public'::regnamespace
        and (has_function_privilege('anon', oid, 'execute')
            or not has_function_privilege('authenticated', oid, 'execute'))";
    nothing("functions", sql).await;
    let sql = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'S'";
    nothing("sequences", sql).await;
}

#[tokio::test]
async fn views_show_what_their_reader_may_see() {
    let sql =
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')
        and not coalesce(reloptions, '{}') @> array['security_invoker=true']";
    nothing("views", sql).await;
}

#[tokio::test]
async fn keys_are_the_tenants_and_every_reference_has_an_index() {
    let sql = "select c.conrelid::regclass, c.conname from pg_constraint c
        where c.connamespace = 'public'::regnamespace and c.contype in ('p', 'u')
        and c.conrelid::regclass::text <> 'routing_metrics'
        and not exists (select from pg_attribute a where a.attrelid = c.conrelid and a.attname = 'user_id'
            and a.attnum = c.conkey[1])";
    nothing("keys that do not begin with the user", sql).await;
    let sql = "select c.conrelid::regclass, c.conname from pg_constraint c
        where c.connamespace = 'public'::regnamespace and c.contype = 'f'
        and not exists (select from pg_index i where i.indrelid = c.conrelid
            and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] = c.conkey)";
    nothing("references that a deletion would have to search for", sql).await;
    let sql = "select table_name, column_name from information_schema.columns
        where table_schema = 'public' and data_type in ('timestamp without time zone', 'date', 'money')";
    nothing("times without a zone", sql).await;
}

#[tokio::test]
async fn only_the_live_lines_are_published_and_their_key_names_nobody() {
    let sql = "select tablename from pg_publication_tables where pubname = 'supabase_realtime'
        and (schemaname <> 'public' or tablename <> 'routing_metrics')";
    nothing("published tables", sql).await;
    let Some(project) = project().await else { return };
    let mut superuser = project.session("postgres").await.unwrap();
    let sql = "select string_agg(a.attname, ',') from pg_index i join pg_attribute a
        on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
        where i.indrelid = 'public.routing_metrics'::regclass and i.indisprimary";
    assert_eq!(superuser.one(sql).await.unwrap(), "id");
    let sql = "select count(*) from pg_publication_tables where tablename = 'routing_metrics'";
    assert_eq!(superuser.one(sql).await.unwrap(), "1");
}
