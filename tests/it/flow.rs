//! Requests that meet on the way: shared payments, callers who leave, deadlines, and answers fetched later.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ai_cost_optimizer::app::App;
use ai_cost_optimizer::config::{Config, Mode};
use ai_cost_optimizer::domain::answer::{AttemptOutcome, Source};
use ai_cost_optimizer::domain::ids::RequestId;
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::prompt::{CacheMode, Prompt, RouteRequest};
use ai_cost_optimizer::domain::record::RequestStatus;
use ai_cost_optimizer::domain::report::{ReportQuery, Totals};
use ai_cost_optimizer::embed::weights::Reach;
use ai_cost_optimizer::pipeline::{Progress, RouteError, Routed};
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A program with one provider on loopback.
struct Setting {
    app: App,
    server: MockServer,
    _folder: TempDir,
}

impl Setting {
    async fn new(response: ResponseTemplate, deadline_ms: u32) -> Self {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(response).mount(&server).await;
        let folder = tempfile::tempdir().unwrap();
        let environment = HashMap::from([
            ("COST_OPTIMIZER_DATA_DIR", folder.path().display().to_string()),
            ("COST_OPTIMIZER_CONFIG", "/dev/null".to_owned()),
            ("REQUEST_DEADLINE_MS", deadline_ms.to_string()),
            ("ANTHROPIC_BASE_URL", server.uri()),
            ("ANTHROPIC_API_KEY", "some-key".to_owned()),
        ]);
        let config = Config::from_environment(Mode::Local, environment).unwrap();
        Self { app: App::new(config, Reach::LocalOnly).unwrap(), server, _folder: folder }
    }

    async fn route(&self, request: RouteRequest) -> Result<Routed, RouteError> {
        self.app.pipeline.route(request, &Progress::default()).await
    }

    async fn resume(&self, id: RequestId) -> Result<Routed, RouteError> {
        self.app.pipeline.resume(id, &Progress::default()).await
    }

    async fn calls(&self) -> usize {
        self.server.received_requests().await.unwrap().len()
    }

    async fn totals(&self) -> Totals {
        let query = ReportQuery { from: Timestamp::UNIX_EPOCH, to: Timestamp::MAX, group_by: None };
        self.app.pipeline.store.cost_report(query).await.unwrap().totals
    }
}

/// An answer after a time; the deadline of the whole is far away.
async fn slow(delay_ms: u64) -> Setting {
    Setting::new(answer().set_delay(Duration::from_millis(delay_ms)), 20_000).await
}

fn answer() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5",
        "content": [{ "type": "text", "text": "Rayleigh scattering." }], "stop_reason": "end_turn",
        "usage": { "input_tokens": 21, "output_tokens": 9 },
    }))
}

/// A request that is embedded nowhere: whoever asks about today is answered by exact prompts only.
fn request(prompt: &str) -> RouteRequest {
    RouteRequest::new(Prompt::new(format!("{prompt} today?")).unwrap())
}

#[tokio::test]
async fn requests_that_ask_the_same_at_the_same_time_share_one_payment() {
    let setting = slow(400).await;
    let same = || request("Why is the sky blue");
    let outcomes = join_all((0..20).map(|_| setting.route(same()))).await;
    assert_eq!(setting.calls().await, 1);
    let records: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().record).collect();
    let (paid, shared): (Vec<_>, Vec<_>) = records.iter().partition(|record| !record.attempts.is_empty());
    assert_eq!((paid.len(), shared.len()), (1, 19));
    let bill = paid[0].cost.unwrap();
    assert!(bill > Usd::ZERO);
    for record in shared {
        assert_eq!((record.cost, record.source), (Some(Usd::ZERO), Some(Source::CacheExact)));
        assert!(record.reason.contains(&paid[0].id.to_string()), "{}", record.reason);
        assert_eq!(record.reference, paid[0].reference);
        // The same answer from the baseline would have cost the same, and this one cost nothing.
        assert_eq!(record.saved(), paid[0].baseline.as_ref().map(|baseline| baseline.cost));
    }
    let totals = setting.totals().await;
    assert_eq!((totals.requests, totals.cost, totals.cache_hits), (20, bill, 19));
}

#[tokio::test]
async fn only_the_same_question_is_shared() {
    let setting = slow(200).await;
    let other_system = RouteRequest { system: Some("Be brief.".into()), ..request("Why is the sky blue") };
    let off = || RouteRequest { cache: CacheMode::Off, ..request("Why is the sky blue") };
    let warm = || RouteRequest { temperature: Some(0.9), ..request("Why is the sky blue") };
    let requests = [
        request("Why is the sky blue"),
        request("Why is the sky red"),
        other_system,
        off(),
        off(),
        warm(),
        warm(),
    ];
    let outcomes = join_all(requests.into_iter().map(|request| setting.route(request))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(setting.calls().await, 7);
}

#[tokio::test]
async fn a_failure_is_shared_too_and_each_caller_has_a_record_of_it() {
    let refusal = ResponseTemplate::new(401).set_delay(Duration::from_millis(200));
    let setting = Setting::new(refusal, 20_000).await;
    let outcomes = join_all((0..5).map(|_| setting.route(request("Why is the sky blue")))).await;
    assert_eq!(setting.calls().await, 1);
    let mut ids: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Err(RouteError::NoAnswer { id, failures }) => {
                assert!(failures[0].contains("ANTHROPIC_API_KEY"), "{failures:?}");
                id
            }
            other => panic!("{other:?}"),
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
    let totals = setting.totals().await;
    assert_eq!((totals.requests, totals.failed_requests, totals.cost), (5, 5, Usd::ZERO));
}

#[tokio::test]
async fn a_payment_outlives_its_first_caller_as_long_as_somebody_waits() {
    let setting = slow(1_800).await;
    let same = || request("Why is the sky blue");
    // Long enough that the payment has begun, also on a busy machine.
    let first = tokio::time::timeout(Duration::from_millis(900), setting.route(same()));
    let second = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        setting.route(same()).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_err(), "the first caller went away");
    assert_eq!(second.unwrap().text, "Rayleigh scattering.");
    assert_eq!(setting.calls().await, 1);
    setting.app.pipeline.settle(Duration::from_secs(5)).await;
    let totals = setting.totals().await;
    assert_eq!((totals.requests, totals.estimated_requests), (2, 0));
    assert!(totals.cost > Usd::ZERO);
}

#[tokio::test]
async fn a_payment_that_nobody_waits_for_is_broken_off_and_recorded() {
    let setting = slow(15_000).await;
    let same = || request("Why is the sky blue");
    let leave = || tokio::time::timeout(Duration::from_millis(900), setting.route(same()));
    let started = Instant::now();
    let (first, second) = tokio::join!(leave(), leave());
    assert!(first.is_err() && second.is_err());
    setting.app.pipeline.settle(Duration::from_secs(5)).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let totals = setting.totals().await;
    assert_eq!((totals.requests, totals.failed_requests, totals.estimated_requests), (1, 1, 1));
    assert!(totals.cost > Usd::ZERO);
    assert_eq!(totals.unsettled_requests, 0);
}

#[tokio::test]
async fn the_same_question_after_one_that_was_broken_off_is_asked_anew() {
    let setting = slow(2_000).await;
    let same = || request("Why is the sky blue");
    let left = tokio::time::timeout(Duration::from_millis(900), setting.route(same())).await;
    assert!(left.is_err());
    assert_eq!(setting.route(same()).await.unwrap().text, "Rayleigh scattering.");
    assert_eq!(setting.calls().await, 2);
}

#[tokio::test]
async fn what_is_not_ready_at_the_deadline_is_fetched_later_and_paid_once() {
    let setting = Setting::new(answer().set_delay(Duration::from_millis(1_800)), 1_000).await;
    // Too warm to be cached: only this process can bring it back.
    let warm = RouteRequest { temperature: Some(0.9), ..request("Why is the sky blue") };
    let started = Instant::now();
    let outcome = setting.route(warm).await;
    let Err(error @ RouteError::StillRunning { id, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(started.elapsed() < Duration::from_millis(1_700), "{:?}", started.elapsed());
    assert!(error.to_string().contains(&format!("resume `{id}`")), "{error}");
    for _ in 0..2 {
        let routed = setting.resume(id).await.unwrap();
        assert_eq!((routed.text.as_str(), routed.record.id), ("Rayleigh scattering.", id));
        assert_eq!(routed.record.attempts[0].outcome, AttemptOutcome::Answered);
    }
    assert_eq!(setting.calls().await, 1);
    let totals = setting.totals().await;
    assert_eq!((totals.requests, totals.unsettled_requests, totals.estimated_requests), (1, 0, 0));
}

#[tokio::test]
async fn an_earlier_answer_is_brought_back_from_the_cache_and_what_is_gone_says_so() {
    let setting = slow(0).await;
    let routed = setting.route(request("Why is the sky blue")).await.unwrap();
    let again = setting.resume(routed.record.id).await.unwrap();
    assert_eq!((&again.text, &again.record), (&routed.text, &routed.record));
    let off = RouteRequest { cache: CacheMode::Off, ..request("Why is the sky blue") };
    let unkept = setting.route(off).await.unwrap().record.id;
    let problem = setting.resume(unkept).await.unwrap_err().to_string();
    assert!(problem.contains("not kept") && problem.contains("send the prompt again"), "{problem}");
    let problem = setting.resume(RequestId::new()).await.unwrap_err().to_string();
    assert!(problem.contains("not known"), "{problem}");
    assert_eq!(setting.calls().await, 2, "nothing is paid for by resume");

    let failing = Setting::new(ResponseTemplate::new(401), 20_000).await;
    let Err(RouteError::NoAnswer { id, .. }) = failing.route(request("Why")).await else {
        panic!("it answered")
    };
    let problem = failing.resume(id).await.unwrap_err().to_string();
    assert!(problem.contains("ANTHROPIC_API_KEY"), "{problem}");
    let record = failing.app.pipeline.store.find_request(id).await.unwrap().unwrap().0;
    assert_eq!(record.status, RequestStatus::Failed);
}

#[tokio::test]
async fn a_provider_that_failed_is_left_alone_and_probed_by_one_call() {
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "3600");
    let setting = Setting::new(busy, 2_000).await;
    let ask =
        || RouteRequest { pinned_model: Some("claude-haiku-5-5".into()), ..request("Why is the sky blue") };
    let first = setting.route(ask()).await.unwrap_err().to_string();
    assert!(first.contains("too many requests"), "{first}");
    let second = setting.route(ask()).await.unwrap_err().to_string();
    assert!(second.contains("left alone") && second.contains("overloaded"), "{second}");
    assert_eq!(setting.calls().await, 1, "a model that said `in an hour` is not asked again");
}

#[tokio::test]
async fn a_model_that_is_busy_for_a_moment_is_waited_for_within_the_deadline() {
    let setting = Setting::new(answer(), 10_000).await;
    setting.server.reset().await;
    let busy = ResponseTemplate::new(503).insert_header("retry-after", "1");
    Mock::given(any()).respond_with(busy).up_to_n_times(1).mount(&setting.server).await;
    Mock::given(any()).respond_with(answer()).mount(&setting.server).await;
    let pinned =
        RouteRequest { pinned_model: Some("claude-haiku-5-5".into()), ..request("Why is the sky blue") };
    let started = Instant::now();
    let routed = setting.route(pinned).await.unwrap();
    let outcomes: Vec<_> = routed.record.attempts.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [AttemptOutcome::Overloaded, AttemptOutcome::Answered]);
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
}
