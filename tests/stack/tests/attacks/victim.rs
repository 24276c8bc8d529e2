//! Somebody with rows in every table, and a secret in every column that can hold one.

use reqwest::Method;
use serde_json::{Value, json};
use supabase_stack::auth::User;
use supabase_stack::stack::Stack;
use uuid::Uuid;

use super::scene::{Answer, Ask, hash, superuser, token, users, vector};

/// The rows that are copied, so that the planner takes note of what is in them.
const COPIES: usize = 300;

/// A text or number of the victim's, and one that looks like it and is nobody's.
#[derive(Debug, Clone)]
struct Mark {
    theirs: String,
    nobodys: String,
}

pub(super) struct Victim {
    pub(super) user: User,
    pub(super) request_id: Uuid,
    pub(super) entry_id: Uuid,
    pub(super) experiment_id: Uuid,
    pub(super) scope_hash: String,
    pub(super) embedding: Value,
    /// One row of each relation.
    pub(super) rows: Vec<(String, Value)>,
    marks: Vec<Mark>,
}

/// The tables and views that REST shows.
pub(super) async fn relations(stack: &Stack) -> Vec<String> {
    let sql = "select relname from pg_class where relnamespace = 'public'::regnamespace
        and relkind in ('r', 'p', 'v', 'm', 'f') order by relname";
    superuser(stack)
        .await
        .rows(sql)
        .await
        .unwrap()
        .into_iter()
        .map(|mut row| row.remove(0).unwrap())
        .collect()
}

impl Victim {
    pub(super) async fn new(stack: &Stack) -> Self {
        let user = users(stack, 1).await.remove(0);
        let token = token(stack, &user);
        let (request_id, entry_id, scope_hash) = (Uuid::new_v4(), Uuid::new_v4(), hash());
        let experiment_id = Uuid::new_v4();
        let embedding = vector(&[0.437, 0.619, 0.283], 384);
        let request = request(request_id, experiment_id);
        let bought = bought(entry_id, request_id, &scope_hash, &embedding);
        let (provider, model) = (secret("provider"), secret("model"));
        let asked = json!({ "models": [{ "provider": provider, "model": model }] });
        let served_id = Uuid::new_v4();
        let mut served = self::request(served_id, experiment_id);
        served["cache_entry_id"] = json!(entry_id);
        let outcome = json!({ "provider": provider, "model": model, "score": 0.75, "source": "rating" });
        for (function, arguments) in [
            ("start_experiment", json!({ "experiment": experiment(experiment_id) })),
            ("record_request", json!({ "request": request, "bought": bought, "asked": asked })),
            ("record_request", json!({ "request": served })),
            (
                "rate_response",
                json!({
                    "request_id": request_id, "score": 0.75, "verdict": secret("verdict"), "comment": secret("comment"),
                    "outcome": outcome, "as_of": moment(),
                }),
            ),
            (
                "rate_response",
                json!({ "request_id": served_id, "score": 0, "verdict": "wrong", "as_of": moment() }),
            ),
            (
                "record_label",
                json!({
                    "scope_hash": hash(), "embedder_fingerprint": secret("labelled"), "epoch": 0,
                    "cell": secret("cell"), "is_right": false, "is_audit": true,
                }),
            ),
            (
                "change_experiment",
                json!({
                    "experiment_id": experiment_id, "change": "end", "ended_by": secret("ended"), "as_of": moment(),
                }),
            ),
            (
                "change_experiment",
                json!({
                    "experiment_id": experiment_id, "change": "adopt", "adopted": secret("adopted"),
                    "as_of": moment(),
                }),
            ),
            (
                "set_budget",
                json!({
                    "period": "day", "tag": secret("limited"), "set_by": "cli", "limit_pico": number(),
                    "on_breach": "warn",
                }),
            ),
            (
                "reserve_budget",
                json!({ "request": intent(), "ask": { "owner": secret("process"), "lease_seconds": 80_000 } }),
            ),
            ("note_model_performance", json!({ "provider": provider, "model": model, "day": 22_345 })),
            (
                "save_routing_state",
                json!({
                    "embedder_fingerprint": secret("learned"), "state": hash(), "revision": 0,
                    "learned_from": served_id,
                }),
            ),
        ] {
            let answer = Ask::rpc(function, &arguments).send_as(stack, &token).await;
            assert!([200, 204].contains(&answer.status), "{answer:?}");
        }
        // A time that the database took is one like any other.
        for (rows, column) in [
            ("experiment_results?arm=eq.0", "ended_at"),
            ("budgets?period=eq.day", "updated_at"),
            ("budget_reservations?amount_pico=gt.0", "expires_at"),
        ] {
            let change = Ask::new(Method::PATCH, rows).json(&json!({ column: moment() }));
            assert_eq!(change.send_as(stack, &token).await.status, 204);
        }
        let (rows, marks) = (Vec::new(), Vec::new());
        let mut victim =
            Self { user, request_id, entry_id, experiment_id, scope_hash, embedding, rows, marks };
        victim.look_up(stack).await;
        victim.multiply(stack).await;
        victim
    }

    /// Finds the rows and the secrets in them.
    async fn look_up(&mut self, stack: &Stack) {
        let mut superuser = superuser(stack).await;
        let mut found = vec![self.user.email.clone()];
        for relation in relations(stack).await {
            let sql =
                format!("select jsonb_agg(t) from public.{relation} t where user_id = '{}'", self.user.id);
            let rows = superuser.one(&sql).await.unwrap_or_default();
            let rows: Vec<Value> = serde_json::from_str(&rows)
                .unwrap_or_else(|_| panic!("{relation}: give the victim a row, so that it can be attacked"));
            rows.iter().for_each(|row| leaves(row, &mut found));
            self.rows.push((relation, rows[0].clone()));
        }
        found.sort_by_key(|text| (std::cmp::Reverse(text.len()), text.clone()));
        found.dedup();
        self.marks = found.into_iter().map(|theirs| Mark { nobodys: alike(&theirs), theirs }).collect();
        assert!(self.marks.len() > 50, "{}", self.marks.len());
    }

    /// Makes the rows many.
    async fn multiply(&self, stack: &Stack) {
        let user = self.user.id;
        let copies = |table: &str, fields: &str, from: &str| {
            format!(
                "insert into public.{table} select (jsonb_populate_record(t, jsonb_build_object({fields}))).*
                from public.{table} t, {from} t.ctid = (select min(ctid) from public.{table} where user_id = '{user}')
                on conflict do nothing;"
            )
        };
        let numbers = format!("generate_series(1, {COPIES}) n where");
        let requests = format!(
            "(select id from public.requests where user_id = '{user}' order by created_at, id
            limit {COPIES}) r where r.id <> t.request_id and"
        );
        let sql = [
            copies("requests", "'id', gen_random_uuid()", &numbers),
            copies(
                "response_cache",
                "'id', gen_random_uuid(), 'prompt_sha256', sha256(n::text::bytea)",
                &numbers,
            ),
            copies("response_feedback", "'request_id', r.id", &requests),
            copies("routing_feedback", "'request_id', r.id", &requests),
            copies("negative_pairs", "'prompt_sha256', sha256(n::text::bytea)", &numbers),
            copies("calibration", "'cell', n::text", &numbers),
            copies("calibration_epochs", "'scope_hash', sha256(n::text::bytea)", &numbers),
            copies("calibration_sums", "'cell', n::text", &numbers),
            copies("routing_state", "'embedder_fingerprint', n::text", &numbers),
            copies("model_performance_history", "'model', n::text", &numbers),
            copies(
                "experiments",
                "'id', gen_random_uuid(), 'name', n::text, 'idempotency_key', n::text",
                &numbers,
            ),
            copies("experiment_results", "'request_id', r.id", &requests),
            copies("budgets", "'tag', n::text", &numbers),
            copies("budget_reservations", "'request_id', r.id", &requests),
            copies("budget_spend", "'tag', n::text", &numbers),
            copies("routing_metrics", "'id', gen_random_uuid()", &numbers),
            relations(stack).await.iter().map(|relation| format!("analyze public.{relation};")).collect(),
        ];
        // Realtime need not tell of copies, and two who analyze at once would be in each other's way.
        let quietly = "set session_replication_role = replica; select pg_advisory_xact_lock(1);";
        superuser(stack).await.rows(&format!("{quietly}{}", sql.concat())).await.unwrap();
    }

    /// All that the victim has, as one text.
    pub(super) async fn everything(&self, stack: &Stack) -> String {
        let mut superuser = superuser(stack).await;
        let mut all = String::new();
        for relation in relations(stack).await {
            let sql = format!(
                "select string_agg(t::text, ';' order by t::text) from public.{relation} t where user_id = '{}'",
                self.user.id
            );
            all += &superuser.one(&sql).await.unwrap();
            all += "\n";
        }
        all
    }

    /// The same question about nobody.
    pub(super) fn disguised(&self, ask: &Ask) -> Ask {
        let told = |text: &str| self.replaced(text, |mark| (&mark.theirs, &mark.nobodys));
        let headers = ask.headers.iter().map(|(name, value)| (*name, told(value))).collect();
        Ask { method: ask.method.clone(), path: told(&ask.path), headers, body: told(&ask.body) }
    }

    /// What an answer says, whoever was asked about.
    pub(super) fn anonymous(&self, answer: &Answer) -> String {
        let said = self.replaced(&answer.said(), |mark| (&mark.theirs, "~"));
        without_ids(&self.replaced(&said, |mark| (&mark.nobodys, "~")))
    }

    /// Gives a secret that a text tells and another did not.
    pub(super) fn told(&self, said: &str, before: &str) -> Option<&str> {
        let is_new = |mark: &&Mark| said.contains(&mark.theirs) && !before.contains(&mark.theirs);
        self.marks.iter().find(is_new).map(|mark| mark.theirs.as_str())
    }

    pub(super) fn is_secret(&self, text: &str) -> bool {
        self.marks.iter().any(|mark| mark.theirs == text)
    }

    fn replaced<'a>(&'a self, text: &str, pair: impl Fn(&'a Mark) -> (&'a str, &'a str)) -> String {
        self.marks.iter().fold(text.to_owned(), |text, mark| {
            let (from, to) = pair(mark);
            if text.contains(from) { text.replace(from, to) } else { text }
        })
    }
}

/// A text that is nowhere else.
fn secret(field: &str) -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!("secret-{}-{field}", &random[..12])
}

/// A number that is nowhere else.
fn number() -> u64 {
    7_000_000_000_000 + u64::from(Uuid::new_v4().as_fields().0)
}

/// A time that is nowhere else.
fn moment() -> String {
    format!("2031-03-07T11:22:33.{:06}Z", 100_001 + Uuid::new_v4().as_fields().0 % 800_000)
}

fn request(id: Uuid, experiment_id: Uuid) -> Value {
    let mut request = json!({
        "id": id, "created_at": moment(), "status": "completed", "prompt_sha256": hash(),
        "session": secret("session"), "tags": [secret("tag"), secret("other")], "quality": secret("quality"),
        "strategy": secret("strategy"), "complexity_score": 0.25, "complexity_tier": secret("tier"),
        "confidence": secret("confidence"), "reason": secret("reason"), "source": secret("source"),
        "provider": secret("provider"), "model": secret("model"), "input_tokens": number(),
        "cached_input_tokens": number(), "cache_write_tokens": number(), "cache_write_1h_tokens": number(),
        "output_tokens": number(), "reasoning_tokens": number(), "cost_pico": number(), "worst_case_pico": number(),
        "baseline_provider": secret("baseline"), "baseline_model": secret("dear"), "baseline_cost_pico": number(),
        "saved_pico": number(), "latency_ms": number(), "provider_latency_ms": number(),
        "finish_reason": secret("finish"), "attempts": [{ "provider": secret("attempt") }], "similarity": 0.5,
        "cache_age_seconds": number(), "cache_score": 0.25, "error": secret("error"),
        "forecast": secret("forecast"),
    });
    request["exposures"] = json!([{
        "experiment_id": experiment_id, "experiment": secret("experiment"), "arm": secret("arm"), "place": 0,
        "unit": secret("unit"), "before": number() as f64 / 1e12,
    }]);
    request
}

/// A request under way that has a reservation.
fn intent() -> Value {
    let mut request = request(Uuid::new_v4(), Uuid::new_v4());
    request["status"] = json!("intent");
    request["cost_pico"] = Value::Null;
    request
}

fn experiment(id: Uuid) -> Value {
    json!({
        "id": id, "name": secret("name"), "definition": { "hypothesis": secret("hypothesis") },
        "knobs": [secret("knob")], "status": "active", "created_at": moment(), "idempotency_key": secret("key"),
    })
}

fn bought(id: Uuid, request_id: Uuid, scope_hash: &str, embedding: &Value) -> Value {
    json!({
        "id": id, "scope_hash": scope_hash, "prompt_sha256": hash(), "embedder_fingerprint": secret("embedder"),
        "embedding": embedding, "normal_sha256": hash(), "prompt_text": secret("prompt"),
        "response_text": secret("answer"), "provider": secret("provider"),
        "model": secret("model"), "input_tokens": number(), "cached_input_tokens": number(),
        "cache_write_tokens": number(), "output_tokens": number(), "reasoning_tokens": number(),
        "cost_pico": number(), "finish_reason": secret("finish"), "request_id": request_id, "created_at": moment(),
        "expires_at": "2099-11-23T12:00:00Z",
    })
}

/// Collects what is nobody else's: texts and numbers that are long enough.
fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let text = text.trim_start_matches("\\x").trim_end_matches("+00:00");
            let is_shared = text.len() < 12 || text.starts_with("2099-");
            found.extend((!is_shared).then(|| text.to_owned()));
        }
        Value::Number(number) if number.to_string().len() >= 12 => found.push(number.to_string()),
        Value::Array(values) => values.iter().for_each(|value| leaves(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| leaves(value, found)),
        _ => {}
    }
}

/// Something of the same form.
fn alike(text: &str) -> String {
    // Of a time only the last digits change, so that it stays one.
    let begin = text.find("T11:22:33.").map_or(0, |place| place + "T11:22:33.".len());
    let random = Uuid::new_v4().simple().to_string();
    let mut random = random.bytes().cycle();
    let other = |letter: char| {
        let by = usize::from(random.next().unwrap_or_default());
        let among = |letters: &str| {
            let place = letters.find(letter).unwrap_or_default();
            letters.chars().nth((place + 1 + by % (letters.len() - 1)) % letters.len()).unwrap_or_default()
        };
        match letter {
            '1'..='9' => among("123456789"),
            'a'..='f' => among("abcdef"),
            same => same,
        }
    };
    format!("{}{}", &text[..begin], text[begin..].chars().map(other).collect::<String>())
}

/// Leaves out ids: those of the victim's are found otherwise, and others are made up anew for each call.
fn without_ids(text: &str) -> String {
    let is_id =
        |place: usize| text.get(place..place + 36).is_some_and(|piece| Uuid::parse_str(piece).is_ok());
    let mut kept = String::new();
    let mut place = 0;
    while let Some(letter) = text.get(place..).and_then(|rest| rest.chars().next()) {
        if is_id(place) {
            kept.push('#');
            place += 36;
        } else {
            kept.push(letter);
            place += letter.len_utf8();
        }
    }
    kept
}
