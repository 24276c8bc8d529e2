//! Ratings change what is asked: from the pipeline's first answer to its choice after some bad ones.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ai_cost_optimizer::app::App;
use ai_cost_optimizer::config::{Config, Mode};
use ai_cost_optimizer::domain::decision::StrategyName;
use ai_cost_optimizer::domain::embedding::{DIMENSIONS, Embedding};
use ai_cost_optimizer::domain::ids::RequestId;
use ai_cost_optimizer::domain::model::ModelRef;
use ai_cost_optimizer::domain::prompt::{CacheMode, Prompt, RouteRequest};
use ai_cost_optimizer::domain::rating::{Rating, Score, Verdict};
use ai_cost_optimizer::domain::record::RequestRecord;
use ai_cost_optimizer::embed::weights::Reach;
use ai_cost_optimizer::embed::worker::EmbedWorker;
use ai_cost_optimizer::embed::{EmbedError, Embedded, Embedder};
use ai_cost_optimizer::pipeline::{Pipeline, Progress, Routed};
use jiff::SignedDuration;
use jiff::tz::TimeZone;

/// Embeds the first word, with a little of the whole text: prompts that begin alike are similar, none equal.
struct ByFirstWord;

impl Embedder for ByFirstWord {
    fn fingerprint(&self) -> &str {
        "first word"
    }

    fn embed(&mut self, text: &str) -> Result<Embedded, EmbedError> {
        let sum = |text: &str| text.bytes().map(usize::from).sum::<usize>();
        let mut numbers = vec![0.0; DIMENSIONS];
        numbers[sum(text.split(' ').next().unwrap_or_default()) % 100] = 0.8;
        numbers[100 + sum(text) % 284] = 0.6;
        let embedding = Embedding::new(numbers).map_err(|error| EmbedError::Failed(error.to_string()))?;
        Ok(Embedded { embedding, tokens: 5, truncated: false, unknown_share: 0.0 })
    }
}

fn config(folder: &tempfile::TempDir) -> Config {
    let environment = HashMap::from([("COST_OPTIMIZER_DATA_DIR", folder.path().display().to_string())]);
    Config::from_environment(Mode::Simulate, environment).unwrap()
}

fn pipeline(folder: &tempfile::TempDir) -> Pipeline {
    let mut pipeline = App::new(config(folder), Reach::LocalOnly).unwrap().pipeline;
    pipeline.embedder = EmbedWorker::new(Box::new(|| Ok(Box::new(ByFirstWord) as Box<dyn Embedder>)));
    pipeline
}

async fn ask(pipeline: &Pipeline, prompt: &str, cache: CacheMode) -> Routed {
    let request = RouteRequest { cache, ..RouteRequest::new(Prompt::new(prompt).unwrap()) };
    pipeline.route(request, &Progress::default()).await.unwrap()
}

async fn rate(pipeline: &Pipeline, answer: &Routed, verdict: Verdict) {
    let rating = Rating {
        request_id: answer.record.id,
        score: Score::from(verdict),
        verdict: Some(verdict),
        comment: None,
    };
    pipeline.rate(rating).await.unwrap();
}

#[tokio::test]
async fn bad_ratings_of_similar_prompts_move_hybrid_to_the_next_model() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(&folder);
    let first = ask(&pipeline, "Translate number 0", CacheMode::Use).await;
    let cheapest = first.record.reference.clone().unwrap();
    assert!(first.record.reason.contains("has no outcomes"), "{}", first.record.reason);
    rate(&pipeline, &first, Verdict::Good).await;
    let second = ask(&pipeline, "Translate number 1", CacheMode::Use).await;
    assert_eq!(second.record.reference.as_ref(), Some(&cheapest));
    let said = format!("1 of 1 similar prompts rated good on {cheapest}");
    assert!(second.record.reason.contains(&said), "{}", second.record.reason);
    assert_eq!(second.record.strategy, StrategyName::Hybrid);

    let mut rated = vec![first, second];
    for number in 2..5 {
        rated.push(ask(&pipeline, &format!("Translate number {number}"), CacheMode::Use).await);
    }
    for answer in &rated {
        rate(&pipeline, answer, Verdict::Bad).await;
    }
    // Also where nothing is read from the cache, so that the prompt is embedded for routing alone.
    for (prompt, cache) in [("Translate number 8", CacheMode::Use), ("Translate number 9", CacheMode::Off)] {
        let answer = ask(&pipeline, prompt, cache).await;
        let said = format!("0 of 5 similar prompts rated good on {cheapest}");
        assert!(answer.record.reason.contains(&said), "{}", answer.record.reason);
        assert_ne!(answer.record.reference.as_ref(), Some(&cheapest), "{}", answer.record.reason);
    }
    let plan = pipeline.plan(RouteRequest::new(Prompt::new("Translate number 10").unwrap())).await.unwrap();
    let said = format!("0 of 5 similar prompts rated good on {cheapest}");
    assert!(plan.record.reason.contains(&said), "{}", plan.record.reason);
    let unrelated = ask(&pipeline, "Summarise something else", CacheMode::Use).await;
    assert!(
        unrelated.record.reason.contains("no similar prompt has an outcome"),
        "{}",
        unrelated.record.reason
    );
}

/// Waits until so many outcomes were learned from.
async fn learned(pipeline: &Pipeline, outcomes: i64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let kept = pipeline.store.routing_state("first word".into(), None).await.unwrap();
        if kept.revision >= outcomes {
            return assert_eq!(kept.revision, outcomes);
        }
        assert!(Instant::now() < deadline, "{} outcomes", kept.revision);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_all_outcomes_say_counts_for_prompts_unlike_any_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(&folder);
    let cheapest = ask(&pipeline, "zz is new", CacheMode::Use).await.record.reference.unwrap();
    for number in 0..40_u8 {
        let answer = ask(&pipeline, &format!("{} {number}", char::from(b'A' + number)), CacheMode::Use).await;
        let is_cheapest = answer.record.reference.as_ref() == Some(&cheapest);
        let verdict = if is_cheapest { Verdict::Bad } else { Verdict::Good };
        rate(&pipeline, &answer, verdict).await;
        learned(&pipeline, i64::from(number) + 1).await;
        // Said once more, it is no other outcome.
        rate(&pipeline, &answer, verdict).await;
    }
    let unlike = ask(&pipeline, "zy is new, too", CacheMode::Use).await.record;
    assert_ne!(unlike.reference.as_ref(), Some(&cheapest), "{}", unlike.reason);
    learned(&pipeline, 40).await;
    let plan = pipeline.plan(RouteRequest::new(Prompt::new("zx as well").unwrap())).await.unwrap();
    let expected = |wanted: &dyn Fn(&ModelRef) -> bool| {
        let candidate = plan.candidates.iter().find(|candidate| wanted(&candidate.card.reference)).unwrap();
        candidate.expected_quality.unwrap()
    };
    let (bad, good) =
        (expected(&|model| *model == cheapest), expected(&|model| Some(model) == unlike.reference.as_ref()));
    assert!(bad.mean < good.mean && bad.low <= bad.mean && bad.mean <= bad.high, "{bad:?} {good:?}");
}

#[tokio::test]
async fn a_model_that_got_worse_is_asked_last_and_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(&folder);
    let first = ask(&pipeline, "one", CacheMode::Off).await.record;
    let cheapest = first.reference.clone().unwrap();
    let today = first.created_at.to_zoned(TimeZone::UTC).date();
    let outcome = async |days_ago: i64, verdict: Verdict| {
        let created_at = first.created_at.checked_sub(SignedDuration::from_hours(24 * days_ago)).unwrap();
        let record = RequestRecord { id: RequestId::new(), created_at, forecast: None, ..first.clone() };
        pipeline.store.record_request(record.clone(), None).await.unwrap();
        let score = Score::from(verdict);
        let rating = Rating { request_id: record.id, score, verdict: Some(verdict), comment: None };
        pipeline.store.rate_response(rating, created_at).await.unwrap();
        let day = created_at.to_zoned(TimeZone::UTC).date();
        pipeline.store.note_model_performance(cheapest.clone(), day).await.unwrap();
    };
    for number in 0..40 {
        outcome(20 + number % 10, Verdict::Good).await;
    }
    for _ in 0..19 {
        outcome(1, Verdict::Bad).await;
    }
    assert_eq!(pipeline.demotions().await.unwrap(), [], "19 outcomes are too few");
    outcome(1, Verdict::Bad).await;
    let demotion = pipeline.demotions().await.unwrap().remove(0);
    assert_eq!((&demotion.reference, demotion.latest.outcomes), (&cheapest, 20));
    assert_eq!(demotion.since, today.yesterday().unwrap());
    let again = App::new(config(&folder), Reach::LocalOnly).unwrap().pipeline;
    let after = ask(&again, "two", CacheMode::Off).await.record;
    assert_ne!(after.reference.as_ref(), Some(&cheapest));
    let said = format!("{cheapest} got worse: 0.00 in 20 outcomes since");
    assert!(after.reason.contains(&said), "{}", after.reason);
    let request = RouteRequest::new(Prompt::new("three").unwrap());
    let plan = again.plan(request).await.unwrap();
    assert_eq!(plan.candidates.last().map(|last| &last.card.reference), Some(&cheapest));
    let quality = plan.candidates.last().and_then(|last| last.expected_quality).unwrap();
    assert_eq!((quality.low, quality.mean), (0.0, 0.0), "what it did lately");
}

#[tokio::test]
async fn an_answer_that_its_session_asks_for_anew_is_learned_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(&folder);
    let ask = async |cache, session: Option<&str>| {
        let prompt = Prompt::new("How deep is the Rhine?").unwrap();
        let session = session.map(str::to_owned);
        let request = RouteRequest { cache, session, ..RouteRequest::new(prompt) };
        pipeline.route(request, &Progress::default()).await.unwrap()
    };
    ask(CacheMode::Use, None).await;
    ask(CacheMode::Refresh, None).await;
    learned(&pipeline, 0).await;
    ask(CacheMode::Refresh, Some("s")).await;
    learned(&pipeline, 1).await;
}
