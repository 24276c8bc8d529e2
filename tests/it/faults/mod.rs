//! Every fault at every provider, streamed and not: the right action, bills, reservation, record and time.
//!
//! The whole flow runs over real sockets and a real store, under a budget; on a project's store each fault at some
//! provider. Three models can answer: `first` and `second` at the
//! provider that fails, `third` elsewhere; they are the cheapest, in this order.

mod shapes;
mod stub;
mod table;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ai_cost_optimizer::app::App;
use ai_cost_optimizer::config::{Config, Mode};
use ai_cost_optimizer::domain::answer::FinishReason;
use ai_cost_optimizer::domain::ids::RequestId;
use ai_cost_optimizer::domain::model::ProviderId;
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::prompt::{CacheMode, Prompt, RouteRequest};
use ai_cost_optimizer::domain::record::{RequestRecord, RequestStatus};
use ai_cost_optimizer::embed::weights::Reach;
use ai_cost_optimizer::pipeline::{Progress, RouteError, Routed};
use futures::{StreamExt, stream};
use secrecy::ExposeSecret as _;
use strum::VariantArray;

use self::stub::{Reached, Stub};
use self::table::{Billed, Expected, FAULTS, Fault, Then, expected};
use crate::store::stack::{User, user};

const DEADLINE: Duration = Duration::from_secs(6);
/// What the program and a busy machine may add to a deadline.
const SLACK: Duration = Duration::from_secs(3);
/// Cases that run at the same time.
const AT_ONCE: usize = 24;

/// One cell of the table.
#[derive(Debug, Clone, Copy)]
struct Case {
    fault: Fault,
    provider: ProviderId,
    is_streamed: bool,
    expected: Expected,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_at_every_provider_gets_the_right_action_bill_record_and_time() {
    let mut cases = Vec::new();
    for fault in FAULTS {
        for provider in ProviderId::VARIANTS.iter().copied() {
            for is_streamed in [true, false] {
                if let Some(expected) = expected(fault, provider, is_streamed) {
                    cases.push(Case { fault, provider, is_streamed, expected });
                }
            }
        }
    }
    assert!(cases.len() > 300, "{}", cases.len());
    let cases = cases.into_iter().map(|case| (case, None)).collect();
    check(cases, AT_ONCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_leaves_a_project_with_the_right_reservations_bills_and_records() {
    let mut cases = Vec::new();
    for (place, fault) in FAULTS.into_iter().enumerate() {
        for is_streamed in [true, false] {
            let providers = ProviderId::VARIANTS.iter().cycle().skip(place).take(ProviderId::VARIANTS.len());
            let found = providers.copied().find_map(|provider| {
                let expected = expected(fault, provider, is_streamed)?;
                Some(Case { fault, provider, is_streamed, expected })
            });
            let Some(case) = found else { continue };
            let Some(user) = user() else { return };
            cases.push((case, Some(user)));
        }
    }
    assert!(cases.len() > 55, "{}", cases.len());
    check(cases, AT_ONCE / 3).await;
}

/// Runs cases, each alone on this machine or as a user of a project.
async fn check(cases: Vec<(Case, Option<User>)>, at_once: usize) {
    let wrong: Vec<String> = stream::iter(cases)
        .map(|(case, user)| async move {
            run(case, user.as_ref()).await.err().map(|problem| format!("{case:?}: {problem}"))
        })
        .buffer_unordered(at_once)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(
        wrong.is_empty(),
        "{} cells are wrong:\n{}",
        wrong.len(),
        wrong.iter().map(|line| line.chars().take(600).collect()).collect::<Vec<String>>().join("\n")
    );
}

/// Says what is wrong unless a condition holds.
macro_rules! hold {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}

async fn run(case: Case, user: Option<&User>) -> Result<(), String> {
    let Case { fault, provider, is_streamed, expected } = case;
    let elsewhere = match provider {
        ProviderId::OpenAiCompatible => ProviderId::Cerebras,
        _ => ProviderId::OpenAiCompatible,
    };
    let failing = Stub::start(provider, Some(fault));
    let backup = Stub::start(elsewhere, None);
    let url = match fault {
        Fault::Dns => "https://nowhere.invalid".to_owned(),
        Fault::Tls => format!("https://{}", failing.address),
        _ => format!("http://{}", failing.address),
    };
    let folder = tempfile::tempdir().unwrap();
    let project = match user {
        Some(user) => Some((user, user.token().await.expose_secret().to_owned())),
        None => None,
    };
    let providers = [(provider, url), (elsewhere, format!("http://{}", backup.address))];
    let app = app(&folder, providers, is_streamed, project);
    let pipeline = &app.pipeline;
    let prompt = Prompt::new("Why is the sky blue?").unwrap();
    let request = RouteRequest { cache: CacheMode::Off, ..RouteRequest::new(prompt) };

    let started = Instant::now();
    let outcome = pipeline.route(request, &Progress::default()).await;
    let took = started.elapsed();
    hold!(took <= DEADLINE + SLACK, "it took {took:?}");
    let resting = pipeline.providers.resting();
    // What still runs is broken off and recorded.
    pipeline.settle(Duration::ZERO).await;
    let id = id_of(&outcome).ok_or_else(|| format!("{outcome:?}"))?;
    let (record, _) = pipeline.store.find_request(id).await.unwrap().ok_or("nothing was recorded")?;
    hold!(
        record.attempts.len() == failing.reached().len() + backup.reached().len() + unheard(fault),
        "{record:?}"
    );
    let first = record.attempts.first().ok_or("no attempt")?;
    hold!(first.outcome == expected.outcome, "the first call was {:?}", first.outcome);
    hold!(
        record.cost == record.attempts.iter().map(|attempt| attempt.cost).sum::<Option<Usd>>(),
        "{record:?}"
    );
    bill(expected.bill, provider, &record)?;
    let billed = failing.reached().iter().chain(&backup.reached()).filter(|call| call.is_billed).count();
    let paid = record.attempts.iter().filter(|attempt| attempt.cost != Some(Usd::ZERO)).count();
    hold!(
        billed == paid || provider == ProviderId::Ollama,
        "{billed} calls are billed, {paid} are in the costs"
    );
    let total = pipeline.store.cost_report(everything()).await.unwrap().totals;
    hold!(Some(total.cost) == record.cost, "the report says {:?}", total.cost);

    let budgets = pipeline.budgets(record.created_at).await.unwrap();
    let standing = budgets.first().ok_or("no budget")?;
    hold!(Some(standing.spent) == record.cost, "the budget says {} is spent", standing.spent);
    hold!(standing.reserved == Usd::ZERO, "{} stays reserved", standing.reserved);

    let answered_by = record.reference.as_ref().map(|reference| reference.model.as_str());
    match expected.then {
        Then::Deadline => {
            hold!(took >= DEADLINE, "it gave up after {took:?}");
            deadline(&outcome, fault)?;
        }
        Then::Itself => {
            hold!(answered_by == Some("first"), "{answered_by:?} answered");
            hold!(failing.reached().len() == 1 && backup.reached().is_empty(), "somebody was asked twice");
            hold!(resting.is_empty(), "{resting:?}");
        }
        Then::NextModel | Then::NextProvider => {
            let by = if expected.then == Then::NextModel { "second" } else { "third" };
            let routed = outcome.map_err(|error| error.to_string())?;
            // What was learned from a request's end is not kept to be learned from again.
            let record = RequestRecord { forecast: routed.record.forecast.clone(), ..record.clone() };
            hold!(answered_by == Some(by), "{answered_by:?} answered");
            hold!(routed.text == "Rayleigh scattering makes the sky blue.", "{:?}", routed.text);
            hold!(
                routed.record == record,
                "the record differs from the answer:\n{record:?}\n{:?}",
                routed.record
            );
            hold!(record.status == RequestStatus::Completed, "{:?}", record.status);
            hold!(record.finish_reason == Some(FinishReason::Stop), "{:?}", record.finish_reason);
            let answering = if by == "second" { &failing } else { &backup };
            let last = answering.reached().pop();
            hold!(last == Some(Reached { model: by.to_owned(), is_billed: true }), "{last:?}");
            hold!((record.usage.input_tokens, record.usage.output_tokens) == (21, 9), "{:?}", record.usage);
        }
    }
    Ok(())
}

/// Counts the calls that never reach the stub as calls.
fn unheard(fault: Fault) -> usize {
    usize::from(matches!(fault, Fault::Dns | Fault::Tls))
}

/// Checks that the first call costs what it may have cost.
fn bill(billed: Billed, provider: ProviderId, record: &RequestRecord) -> Result<(), String> {
    let Some(first) = record.attempts.first() else { return Err("no attempt".to_owned()) };
    // A model on the user's own hardware is free, whatever happens.
    let costs = first.cost.is_some_and(|cost| cost > Usd::ZERO) || provider == ProviderId::Ollama;
    let is_right = match billed {
        Billed::No => first.cost == Some(Usd::ZERO) && !first.cost_estimated,
        Billed::AsReported => costs && !first.cost_estimated,
        Billed::Estimated => costs && first.cost_estimated == (provider != ProviderId::Ollama),
    };
    if is_right { Ok(()) } else { Err(format!("the first call is billed as {first:?}")) }
}

fn deadline(outcome: &Result<Routed, RouteError>, fault: Fault) -> Result<(), String> {
    match outcome {
        Ok(routed) => {
            hold!(fault == Fault::Endless, "there was nothing to answer with");
            hold!(routed.text.contains("word word"), "{:?}", routed.text);
            hold!(routed.record.finish_reason == Some(FinishReason::Interrupted), "{:?}", routed.record);
            hold!(routed.record.cost_estimated, "the cost of a part is an estimate");
        }
        Err(error) => {
            hold!(fault != Fault::Endless, "the part that had arrived was kept back: {error}");
            hold!(error.to_string().contains("resume"), "{error}");
        }
    }
    Ok(())
}

fn id_of(outcome: &Result<Routed, RouteError>) -> Option<RequestId> {
    match outcome {
        Ok(routed) => Some(routed.record.id),
        Err(RouteError::StillRunning { id, .. } | RouteError::NoAnswer { id, .. }) => Some(*id),
        Err(_) => None,
    }
}

fn everything() -> ai_cost_optimizer::domain::report::ReportQuery {
    ai_cost_optimizer::domain::report::ReportQuery {
        from: jiff::Timestamp::UNIX_EPOCH,
        to: jiff::Timestamp::MAX,
        group_by: None,
    }
}

/// Puts the program together with two providers and three models of its own.
fn app(
    folder: &tempfile::TempDir,
    providers: [(ProviderId, String); 2],
    is_streamed: bool,
    project: Option<(&User, String)>,
) -> App {
    let [(failing, _), (elsewhere, _)] = &providers;
    let models = [(failing, "first", 1), (failing, "second", 2), (elsewhere, "third", 3)];
    let tables: String = models
        .iter()
        .map(|(provider, model, rank)| {
            let row = format!(
                "[[models]]\nprovider = \"{provider}\"\nmodel = \"{model}\"\ntier = \"best\"\n\
                 context_window = {}\nmax_output = 8192\nstreamed = {is_streamed}\n",
                100_000 * rank
            );
            let price = format!(
                "[[prices]]\nprovider = \"{provider}\"\nmodel = \"{model}\"\n\
                 input_usd_per_mtok = 0.00{rank}\noutput_usd_per_mtok = 0.00{rank}\n"
            );
            // Where both are free, the order of the table decides.
            if **provider == ProviderId::Ollama { row } else { row + &price }
        })
        .collect();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, tables).unwrap();
    let mut environment = HashMap::from([
        ("COST_OPTIMIZER_DATA_DIR", folder.path().display().to_string()),
        ("COST_OPTIMIZER_CONFIG", file.display().to_string()),
        ("DAILY_BUDGET_USD", "1000".to_owned()),
        ("REQUEST_DEADLINE_MS", DEADLINE.as_millis().to_string()),
    ]);
    if let Some((user, token)) = project {
        environment.insert("SUPABASE_URL", user.url.clone());
        environment.insert("SUPABASE_ANON_KEY", user.key.clone());
        environment.insert("SUPABASE_ACCESS_TOKEN", token);
    }
    for (provider, url) in providers {
        let (url_variable, key_variable) = match provider {
            ProviderId::Anthropic => ("ANTHROPIC_BASE_URL", Some("ANTHROPIC_API_KEY")),
            ProviderId::Gemini => ("GEMINI_BASE_URL", Some("GEMINI_API_KEY")),
            ProviderId::Cerebras => ("CEREBRAS_BASE_URL", Some("CEREBRAS_API_KEY")),
            ProviderId::OpenRouter => ("OPENROUTER_BASE_URL", Some("OPENROUTER_API_KEY")),
            ProviderId::OpenAiCompatible => ("OPENAI_COMPATIBLE_BASE_URL", None),
            ProviderId::Ollama => ("OLLAMA_HOST", None),
        };
        environment.insert(url_variable, url);
        if let Some(name) = key_variable {
            environment.insert(name, "canary-key-4711".to_owned());
        }
    }
    let config = Config::from_environment(Mode::Local, environment).unwrap();
    App::new(config, Reach::LocalOnly).unwrap()
}
