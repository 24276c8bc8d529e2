//! A project that all tests share, and SQL for records and entries.

use supabase_stack::project::Project;
use supabase_stack::session::Session;
use tokio::sync::OnceCell;
use uuid::Uuid;

static PROJECT: OnceCell<Option<Project>> = OnceCell::const_new();

/// Gives the project that all tests share, each with users of its own; says so where there is no PostgreSQL.
pub(super) async fn project() -> Option<&'static Project> {
    let project = PROJECT.get_or_init(|| async {
        let distribution = supabase_stack::distribution()?;
        Some(Project::migrated(&distribution).await.unwrap())
    });
    let project = project.await.as_ref();
    if project.is_none() {
        eprintln!("SKIPPED: TEST_POSTGRES_DIR names no PostgreSQL");
    }
    project
}

/// A new user's session.
pub(super) async fn somebody() -> Option<Session> {
    let project = project().await?;
    let user = project.user().await.unwrap();
    Some(project.signed_in(user).await.unwrap())
}

/// `bytea` of 32 equal bytes.
pub(super) fn hash(byte: u8) -> String {
    format!("'\\x{}'::bytea", format!("{byte:02x}").repeat(32))
}

/// A unit vector at an angle to the first axis.
pub(super) fn at_angle(radians: f64) -> String {
    let mut numbers = vec!["0".to_owned(); 384];
    numbers[0] = radians.cos().to_string();
    numbers[1] = radians.sin().to_string();
    format!("[{}]", numbers.join(","))
}

/// SQL of a `jsonb` object: a request, with fields that replace the usual ones.
pub(super) fn request(id: Uuid, fields: &str) -> String {
    format!(
        r#"'{{"id": "{id}", "created_at": "2026-11-23T12:00:00Z", "status": "completed", "prompt_sha256": "\\x{}",
        "quality": "balanced", "strategy": "complexity", "reason": "a test", "source": "provider",
        "provider": "anthropic", "model": "m", "input_tokens": 10, "output_tokens": 20, "cost_pico": 500,
        "worst_case_pico": 1500, "baseline_provider": "anthropic", "baseline_model": "b", "baseline_cost_pico": 1000,
        "saved_pico": 500}}'::jsonb || '{{{fields}}}'::jsonb"#,
        "07".repeat(32)
    )
}

/// SQL of a `jsonb` object: the intent of a request.
pub(super) fn intent(id: Uuid) -> String {
    let fields = r#""status": "intent", "source": null, "cost_pico": null, "saved_pico": null"#;
    request(id, fields)
}

/// SQL of a `jsonb` object: an answer of scope 1 that a request bought, with fields that replace the usual ones.
pub(super) fn bought(id: Uuid, request_id: Uuid, prompt: u8, fields: &str) -> String {
    format!(
        r#"'{{"id": "{id}", "scope_hash": "\\x{}", "prompt_sha256": "\\x{}", "embedder_fingerprint": "test",
        "embedding": {}, "response_text": "answer {prompt}", "provider": "anthropic", "model": "m",
        "cost_pico": 500, "finish_reason": "stop", "request_id": "{request_id}",
        "created_at": "2026-11-23T12:00:00Z", "expires_at": "2099-11-23T12:00:00Z"}}'::jsonb || '{{{fields}}}'::jsonb"#,
        "01".repeat(32),
        format!("{prompt:02x}").repeat(32),
        at_angle(f64::from(prompt) / 100.0),
    )
}

/// Records a request that bought an answer; gives the ids of both.
pub(super) async fn record(session: &mut Session, prompt: u8) -> (Uuid, Uuid) {
    let (request_id, entry_id) = (Uuid::new_v4(), Uuid::new_v4());
    let sql = format!(
        r#"select public.record_request({}, {}, '{{"models": [{{"provider": "anthropic", "model": "m"}}]}}')"#,
        request(request_id, ""),
        bought(entry_id, request_id, prompt, "")
    );
    assert_eq!(session.one(&sql).await.unwrap(), "t");
    (request_id, entry_id)
}

/// SQL of a `jsonb` object: an active experiment on a knob.
pub(super) fn experiment(id: Uuid, knob: &str) -> String {
    format!(
        r#"'{{"id": "{id}", "name": "{id}", "definition": {{}}, "knobs": ["{knob}"], "status": "active",
        "created_at": "2026-11-23T11:00:00Z"}}'::jsonb"#
    )
}

/// SQL of a `jsonb` object: a request in the first arm of an experiment.
pub(super) fn exposed(id: Uuid, experiment_id: Uuid) -> String {
    let exposure =
        format!(r#"{{"experiment_id": "{experiment_id}", "place": 0, "unit": "{id}", "before": 2}}"#);
    request(id, &format!(r#""exposures": [{exposure}]"#))
}

/// Has the cache learn that an entry was wrong, routing from the request, and an experiment from another; sets a limit
/// and reserves.
pub(super) async fn learn(session: &mut Session, entry_id: Uuid) {
    let experiment_id = Uuid::new_v4();
    let served = serve(session, entry_id).await;
    for sql in [
        format!("select public.start_experiment({})", experiment(experiment_id, "route")),
        format!("select public.record_request({})", exposed(Uuid::new_v4(), experiment_id)),
        format!("select public.rate_response('{served}', 0, 'wrong') ->> 'pair_excluded'"),
        format!("select public.record_label({}, 'test', 0, '9', false, true)", hash(1)),
        format!("update public.requests set forecast = 'f' where id = '{served}' returning id"),
        "insert into public.model_performance_history (provider, model, day, outcomes, score_sum)
        values ('anthropic', 'm', 20780, 1, 1) returning outcomes"
            .to_owned(),
        format!(r"select public.save_routing_state('test', '\x01', 0, '{served}')"),
        "select public.set_budget('day', 'theirs', 'cli', 1000000, 'block')".to_owned(),
        format!(
            r#"select public.reserve_budget({}, '{{"owner": "me", "lease_seconds": 3600}}') ->> 'is_admitted'"#,
            intent(Uuid::new_v4())
        ),
    ] {
        session.one(&sql).await.unwrap();
    }
}

/// Records a request that an entry answered; gives its id.
pub(super) async fn serve(session: &mut Session, entry_id: Uuid) -> Uuid {
    let id = Uuid::new_v4();
    let fields = format!(
        r#""source": "cache_exact", "cache_entry_id": "{entry_id}", "similarity": 1, "cost_pico": 0"#
    );
    let sql = format!("select public.record_request({})", request(id, &fields));
    assert_eq!(session.one(&sql).await.unwrap(), "t");
    id
}
