//! What the crate genai reads from the ledger's answers, and where that differs on purpose.

use std::sync::Arc;

use futures::StreamExt;
use genai::adapter::AdapterKind;
use genai::chat::{ChatOptions, ChatRequest, ChatStreamEvent, Usage};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{Client, ModelIden, ServiceTarget};
use oracle::{Line, Tokens, lines, serve};

fn adapter(line: &Line) -> AdapterKind {
    match line.provider.as_str() {
        "anthropic" => AdapterKind::Anthropic,
        "gemini" => AdapterKind::Gemini,
        "ollama" => AdapterKind::Ollama,
        // It has no adapter of its own for Cerebras, and its adapter for OpenRouter is this one.
        _ => AdapterKind::OpenAI,
    }
}

fn tokens(usage: &Usage) -> Tokens {
    let count = |count: Option<i32>| count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
    let prompt = usage.prompt_tokens_details.as_ref();
    let creation = prompt.and_then(|details| details.cache_creation_details.as_ref());
    let completion = usage.completion_tokens_details.as_ref();
    Tokens {
        input_tokens: count(usage.prompt_tokens),
        cached_input_tokens: count(prompt.and_then(|details| details.cached_tokens)),
        cache_write_tokens: count(prompt.and_then(|details| details.cache_creation_tokens)),
        cache_write_1h_tokens: count(creation.and_then(|details| details.ephemeral_1h_tokens)),
        output_tokens: count(usage.completion_tokens),
        reasoning_tokens: count(completion.and_then(|details| details.reasoning_tokens)),
    }
}

/// Has genai ask for a line, and gives the tokens that it counts.
async fn asked(line: &Line, url: String) -> Result<Tokens, String> {
    let model = ModelIden::new(adapter(line), line.model.clone());
    let resolver = ServiceTargetResolver::from_resolver_fn(
        move |_: ServiceTarget| -> Result<ServiceTarget, genai::resolver::Error> {
            Ok(ServiceTarget {
                endpoint: Endpoint::from_owned(url.clone()),
                auth: AuthData::from_single("key"),
                model: model.clone(),
            })
        },
    );
    let said = |error: genai::Error| error.to_string();
    let client = Client::builder().with_service_target_resolver(resolver).build().map_err(said)?;
    let options = ChatOptions::default().with_capture_usage(true);
    let request = ChatRequest::from_user("a".repeat(400));
    if line.stream.is_none() {
        let answer = client.exec_chat(&line.model, request, Some(&options)).await.map_err(said)?;
        return Ok(tokens(&answer.usage));
    }
    let answer = client.exec_chat_stream(&line.model, request, Some(&options)).await.map_err(said)?;
    let mut events = answer.stream;
    let mut found = Err("the stream has no end".to_owned());
    while let Some(event) = events.next().await {
        if let ChatStreamEvent::End(end) = event.map_err(said)? {
            found = Ok(end.captured_usage.as_ref().map(tokens).unwrap_or_default());
        }
    }
    found
}

/// Lines whose tokens genai counts otherwise, and why the ledger is right.
const DIFFERENCES: [(&str, &str); 23] = [
    ("anthropic: written, the parts without their sum", PARTS),
    ("anthropic: stream, thinking", "it reads the share of the thoughts from whole answers only"),
    ("anthropic: counts in quotes", NUMBERS),
    ("anthropic: counts with a point", NUMBERS),
    ("anthropic: negative parts", NEGATIVE),
    ("anthropic: a bill past all bounds", "its counts have 32 bits"),
    (
        "gemini: all was thought",
        "where a candidate has no count, it counts no output, although thoughts are output",
    ),
    ("gemini: blocked prompt, SAFETY", BLOCKED),
    ("gemini: blocked prompt, PROHIBITED_CONTENT", BLOCKED),
    ("gemini: blocked prompt, BLOCKLIST", BLOCKED),
    ("gemini: blocked prompt, OTHER", BLOCKED),
    ("gemini: blocked prompt over the limit", BLOCKED),
    ("gemini: stream, blocked prompt", BLOCKED),
    ("gemini: counts in quotes", NUMBERS),
    ("gemini: negative parts", NEGATIVE),
    ("openrouter: stream, the cost there, as the last", "it takes a stream without `[DONE]` for broken off"),
    ("openai_compatible: thoughts in the total only", TOTAL),
    ("openai_compatible: thoughts beside the completion", TOTAL),
    ("openai_compatible: no completion's count", TOTAL),
    ("openai_compatible: counts in quotes", NUMBERS),
    ("openai_compatible: counts with a point", NUMBERS),
    ("openai_compatible: parts of another shape", "one part that cannot be read costs it the whole usage"),
    ("ollama: counts in quotes", NUMBERS),
];
const PARTS: &str = "it takes the sum of what was written from one field only";
const NUMBERS: &str = "it reads whole numbers only, and takes others for zero";
const NEGATIVE: &str = "it adds a negative count up";
const BLOCKED: &str = "it makes an error of a prompt that was read, billed and not answered";
const TOTAL: &str = "it does not hold the total against its parts";

#[tokio::test]
async fn genai_counts_the_same_tokens() {
    let lines = Arc::new(lines().unwrap());
    let url = serve(lines.clone()).unwrap();
    let (mut wrong, mut differ, mut same) = (Vec::new(), Vec::new(), 0);
    for (number, line) in lines.iter().enumerate() {
        let found = asked(line, format!("{url}/{number}/")).await;
        let is_told = !line.is("guessed") && line.error.is_none();
        let is_same = found == line.usage.ok_or_else(String::new);
        // What was not told is guessed here and not there.
        let is_untold =
            found.as_ref().map_or(true, |tokens| tokens.input_tokens == 0 || tokens.output_tokens == 0);
        if is_same {
            same += 1;
        } else if is_told {
            differ.push(line.name.as_str());
        } else if !is_untold {
            wrong.push(format!("{}: {found:?}, although it was not told", line.name));
        }
    }
    let listed: Vec<_> = DIFFERENCES.iter().map(|(name, _)| *name).collect();
    let unlisted = differ.iter().filter(|name| !listed.contains(name));
    wrong.extend(unlisted.map(|name| format!("{name}: other tokens, and no reason why")));
    let settled = listed.iter().filter(|name| !differ.contains(name));
    wrong.extend(settled.map(|name| format!("{name}: the same tokens, so the reason can go")));
    assert!(same >= 250, "{same} lines are the same");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
