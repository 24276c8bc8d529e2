//! `migrate`: a real PostgreSQL with what a project has before our first file.

mod connections;

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ai_cost_optimizer::store::supabase::migrations::SCHEMA_VERSION;
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::stdio::driver::at;
use crate::stdio::provider::Provider;
use crate::store::stack::Stack;

/// In every secret of these tests, and in nothing that the program says.
const CANARY: &str = "canary-4711";
/// How long REST may take to hear of another schema.
const PATIENCE: Duration = Duration::from_secs(20);

/// The schema that the program knows.
const KNOWN: i64 = SCHEMA_VERSION;

const FILES: [(&str, &str); 4] = [
    ("0001_requests_and_cache.sql", include_str!("../../../migrations/supabase/0001_requests_and_cache.sql")),
    ("0002_cache_functions.sql", include_str!("../../../migrations/supabase/0002_cache_functions.sql")),
    ("0003_routing_feedback.sql", include_str!("../../../migrations/supabase/0003_routing_feedback.sql")),
    ("0004_record_functions.sql", include_str!("../../../migrations/supabase/0004_record_functions.sql")),
];

const TAKE_EVERYTHING_AWAY: &str = "do $$ begin
    execute coalesce((select string_agg(format('drop %s if exists public.%I cascade',
            case relkind when 'v' then 'view' else 'table' end, relname), ';')
        from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')), 'select 1');
    execute coalesce((select string_agg(format('drop function %s', oid::regprocedure), ';')
        from pg_proc where pronamespace = 'public'::regnamespace), 'select 1');
end $$; notify pgrst, 'reload schema'";

static STACK: LazyLock<Option<Mutex<Stack>>> =
    LazyLock::new(|| Stack::start(&["--unmigrated"]).map(Mutex::new));

/// Gives the one project of these tests, without our tables; `None` where there is no stack.
fn project() -> Option<MutexGuard<'static, Stack>> {
    // A test that failed leaves nothing that is not taken away here.
    let stack = STACK.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
    superuser(&stack, TAKE_EVERYTHING_AWAY);
    Some(stack)
}

fn superuser(stack: &Stack, sql: &str) -> String {
    stack.tell(&json!({ "sql": sql })).as_str().unwrap().to_owned()
}

fn owner(stack: &Stack, sql: &str) {
    superuser(stack, &format!("set role project_owner;\n{sql}"));
}

fn version(stack: &Stack) -> String {
    superuser(stack, "select public.schema_version()")
}

/// Counts what is in the schema of our tables.
fn objects(stack: &Stack) -> String {
    superuser(
        stack,
        "select (select count(*) from pg_class where relnamespace = 'public'::regnamespace)
            + (select count(*) from pg_proc where pronamespace = 'public'::regnamespace)",
    )
}

/// How a run ended.
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Checks that it was refused with these words, and that no result was printed.
    fn refused(&self, words: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (2, ""), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word} is not in {}", self.stderr);
        }
        assert!(self.stderr.contains("hint: "), "{}", self.stderr);
    }
}

/// Starts it with nothing in its environment but the URL.
fn start(url: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ai-cost-optimizer"));
    command.arg("migrate").args(arguments).env_clear();
    command.env("COST_OPTIMIZER_DATA_DIR", "/nonexistent").env("COST_OPTIMIZER_CONFIG", "/dev/null");
    command.env("SUPABASE_DB_URL", url).env("LOG_LEVEL", "trace");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs it with a URL in the environment, or, where that is empty, with a line on stdin.
fn run(url: &str, arguments: &[&str], line: &str) -> Ended {
    let mut child = start(url, arguments);
    child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    ended(child)
}

fn ended(child: Child) -> Ended {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(!stdout.contains(CANARY) && !stderr.contains(CANARY), "{stdout}{stderr}");
    Ended { code: output.status.code().unwrap(), stdout, stderr }
}

fn names(value: &Value, pointer: &str) -> Vec<String> {
    let names = at(value, pointer).as_array().unwrap_or_else(|| panic!("{value}"));
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Waits until the doctor says so of the store.
fn await_doctor(machine: &Machine<'_>, state: &str, words: &[&str]) {
    let began = Instant::now();
    loop {
        let output = machine.run(&["doctor", "--json"], "");
        let checks: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let store = checks.iter().find(|check| at(check, "/name") == "store").unwrap();
        let text = store.to_string();
        if at(store, "/state") == state && words.iter().all(|word| text.contains(word)) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "not {state} {words:?}: {text}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_project_is_brought_up_by_its_owner_and_a_user_goes_on() {
    let Some(stack) = project() else { return };
    let (url, alice, provider) = (stack.db_url(), stack.user(0), Provider::quick());
    let machine = Machine::of(&alice);
    machine.login();
    let prompt = json!({ "prompt": "What is one plus one?" });
    let command = "run `ai-cost-optimizer migrate`";
    await_doctor(&machine, "failed", &[command]);
    let mut conversation = machine.greet(&provider);
    for words in
        [conversation.refused("route_prompt", &prompt), conversation.refused("cost_report", &json!({}))]
    {
        assert!(words.contains(command), "{words}");
    }
    for arguments in [["report", "--json"], ["route", "Hello"]] {
        let output = machine.run(&arguments, "");
        assert!(!output.status.success());
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        // `route` has no provider here, and needs no project for its plan.
        assert!(words.contains(command) || arguments[0] == "route", "{words}");
    }
    assert_eq!(provider.count(), 0, "nobody is paid for what cannot be recorded");

    let planned = run(url, &["--dry-run", "--json"], "").json();
    assert_eq!((at(&planned, "/from"), at(&planned, "/to")), (&json!(0), &json!(0)), "{planned}");
    assert_eq!(
        (names(&planned, "/applied").len(), names(&planned, "/pending").len()),
        (0, KNOWN as usize),
        "{planned}"
    );
    assert_eq!(objects(&stack), "0", "a dry run changes nothing");
    let done = run("", &["--json"], &format!("{url}\n")).json();
    assert_eq!((at(&done, "/from"), at(&done, "/to")), (&json!(0), &json!(KNOWN)), "{done}");
    assert_eq!(names(&done, "/applied"), names(&planned, "/pending"));
    assert_eq!(at(&done, "/pending"), &Value::Null, "{done}");
    let again = run(url, &[], "");
    let nothing = format!("nothing to do: the project has schema {KNOWN}\n");
    assert_eq!((again.code, again.stdout.as_str()), (0, nothing.as_str()));

    await_doctor(&machine, "ok", &[&format!("schema {KNOWN}"), "0 cached answers"]);
    // REST reads the schema again after each file; what the report needs is in a late one.
    let began = Instant::now();
    while !machine.run(&["report"], "").status.success() {
        assert!(began.elapsed() < PATIENCE, "REST has not heard of the new schema");
    }
    let paid = conversation.done("route_prompt", &prompt);
    assert_eq!(at(&paid, "/source"), "provider", "{paid}");
    let hit = conversation.done("route_prompt", &prompt);
    assert_eq!(at(&hit, "/source"), "cache_exact", "{hit}");
    assert_eq!(at(&machine.report(), "/totals/requests"), 2);

    // A project that another member has brought further.
    owner(
        &stack,
        "create or replace function public.schema_version() returns integer language sql as 'select 99'",
    );
    run(url, &["--json"], "").refused(&[
        "schema version 99",
        &format!("knows {KNOWN}"),
        "update ai-cost-optimizer",
    ]);
    await_doctor(&machine, "warning", &["schema 99", "update ai-cost-optimizer"]);
}

#[test]
fn it_goes_on_from_where_others_stopped_and_a_file_counts_whole_or_not_at_all() {
    let Some(stack) = project() else { return };
    let (url, alice) = (stack.db_url(), stack.user(1));
    for (_, sql) in &FILES[..3] {
        owner(&stack, sql);
    }
    let machine = Machine::of(&alice);
    machine.login();
    await_doctor(
        &machine,
        "failed",
        &["schema 3", &format!("needs {KNOWN}"), "run `ai-cost-optimizer migrate`"],
    );
    owner(
        &stack,
        "create function record_request(jsonb, jsonb, jsonb) returns int language sql as 'select 1'",
    );
    let before = objects(&stack);
    let (file, _) = FILES[3];
    run(url, &[], "").refused(&[file, "42723", "record_request", "use another project"]);
    assert_eq!((version(&stack), objects(&stack)), ("3".to_owned(), before));
    owner(&stack, "drop function record_request(jsonb, jsonb, jsonb)");
    let listed = run(url, &["--dry-run"], "").stdout;
    assert!(listed.starts_with(&format!("would apply {file}\n")), "{listed}");
    let done = run(url, &["--json"], "").json();
    assert_eq!((at(&done, "/from"), at(&done, "/to")), (&json!(3), &json!(KNOWN)), "{done}");
    assert_eq!(names(&done, "/applied").first().map(String::as_str), Some(file));
    assert_eq!(version(&stack), KNOWN.to_string());
    await_doctor(&machine, "ok", &[&format!("schema {KNOWN}")]);
}

#[test]
fn several_who_migrate_at_once_all_succeed_and_each_file_is_applied_once() {
    let Some(stack) = project() else { return };
    // All of them get as far as the lock that each file takes, and wait there.
    let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
    let hold = format!(
        "do $$ declare began timestamptz := clock_timestamp(); begin
            perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
            while ({waiting}) < 4 and clock_timestamp() < began + interval '10 s' loop perform pg_sleep(0.01); end loop;
        end $$"
    );
    let runs: Vec<Ended> = std::thread::scope(|scope| {
        let holder = scope.spawn(|| superuser(&stack, &hold));
        let runs: Vec<Child> = (0..4).map(|_| start(stack.db_url(), &["--json"])).collect();
        let runs = runs.into_iter().map(ended).collect();
        holder.join().unwrap();
        runs
    });
    let mut applied: Vec<String> = runs.iter().flat_map(|run| names(&run.json(), "/applied")).collect();
    applied.sort();
    assert_eq!(applied.len(), KNOWN as usize, "{applied:?}");
    applied.dedup();
    assert_eq!(applied.len(), KNOWN as usize, "{applied:?}");
    assert!(runs.iter().all(|run| at(&run.json(), "/to") == KNOWN));
    // All waited with the first file, so three of them lost it; who applies the others is left to the lock.
    let first = |run: &&Ended| names(&run.json(), "/applied").iter().any(|file| file.starts_with("0001_"));
    assert_eq!(runs.iter().filter(first).count(), 1, "nobody lost the race");
    assert_eq!(version(&stack), KNOWN.to_string());
}

#[test]
fn a_project_that_has_other_things_of_these_names_is_left_as_it_is() {
    let Some(stack) = project() else { return };
    let url = stack.db_url();
    owner(&stack, "create table requests (mine text); insert into requests values ('kept')");
    let before = objects(&stack);
    run(url, &[], "").refused(&[
        "0001_requests_and_cache.sql",
        "42P07",
        "\"requests\" already exists",
        "another project",
    ]);
    assert_eq!(objects(&stack), before);
    assert_eq!(superuser(&stack, "select mine from requests"), "kept");
    owner(
        &stack,
        "drop table requests; create function schema_version() returns text language sql as $$select 'x'$$",
    );
    run(url, &[], "").refused(&["schema_version()", "another project"]);
    assert_eq!(objects(&stack), "1");

    // The file's own hint is passed on.
    owner(&stack, "drop function schema_version()");
    superuser(&stack, "alter extension vector set schema public");
    let elsewhere = run(url, &[], "");
    superuser(&stack, "alter extension vector set schema extensions");
    elsewhere.refused(&["55000", "not in extensions", "hint: alter extension vector set schema extensions"]);
    assert_eq!(objects(&stack), "0");
}
