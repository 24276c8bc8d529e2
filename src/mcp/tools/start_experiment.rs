//! The tool `start_experiment`.

use std::time::Duration;

use rmcp::handler::server::common::{schema_for_output, schema_for_type};
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResponse, CallToolResult, ElicitRequest, ElicitRequestParams, ElicitationSchema, InputRequest,
    InputRequests, InputRequiredResult, JsonObject,
};
use rmcp::service::{ElicitationError, RequestContext};
use rmcp::{ErrorData, RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{answered, refused};
use crate::mcp::requests::is_modern;
use crate::mcp::server::Server;
use crate::mcp::wire::experiment::{Start, StartInput, StartOutput};
use crate::mcp::wire::read;
use crate::pipeline::{Consent, ExperimentError};

/// How long the user may think.
const PATIENCE: Duration = Duration::from_secs(300);
const TOOL: &str = "start_experiment";
/// Refuses an answer to a question that was not asked here, of this, just now.
const UNSEALED: &str = "the state that was brought back is not of this question, or too old; nothing was started; hint: call again \
without inputResponses and requestState";
/// The question's name among those that a client is asked.
const QUESTION: &str = "confirm";

/// What the user is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
struct Agreement {
    /// Start it
    confirm: bool,
}

rmcp::elicit_safe!(Agreement);

/// What the user said before, where the client was asked to ask, and the state that it was given to bring back.
struct Said {
    responses: Option<Value>,
    state: Option<String>,
}

impl Said {
    fn state(&self) -> &str {
        self.state.as_deref().unwrap_or_default()
    }
}

impl<S> rmcp::handler::server::common::FromContextPart<ToolCallContext<'_, S>> for Said {
    fn from_context_part(context: &mut ToolCallContext<'_, S>) -> Result<Self, ErrorData> {
        let responses = context.input_responses.take();
        Ok(Self {
            responses: responses.and_then(|responses| serde_json::to_value(responses).ok()),
            state: context.request_state.take(),
        })
    }
}

#[tool_router(router = start_experiment_tool, vis = "pub(in crate::mcp)")]
impl Server {
    /// Start an A/B test over the requests to come: arms differ in model, strategy, quality, system prefix or
    /// cache error rate. Says how many requests it needs.
    #[tool(
        title = "Start an experiment",
        annotations(
            title = "Start an experiment",
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        ),
        input_schema = schema_for_type::<StartInput>(),
        output_schema = schema_for_output::<StartOutput>()
    )]
    async fn start_experiment(
        &self,
        Parameters(arguments): Parameters<JsonObject>,
        context: RequestContext<RoleServer>,
        said: Said,
    ) -> CallToolResponse {
        let seal = self.seal.as_ref();
        let is_ours = || seal.is_some_and(|seal| seal.holds(TOOL, &arguments, QUESTION, said.state()));
        // What answers no question of ours says nothing.
        let said_now = said.responses.as_ref().and_then(|responses| responses.get(QUESTION));
        if said_now.is_some() && !is_ours() {
            return refused(UNSEALED).into();
        }
        let sealed = seal.map(|seal| seal.seal(TOOL, &arguments, QUESTION));
        let start = match read::<StartInput>(arguments).and_then(StartInput::into_start) {
            Ok(start) => start,
            Err(problem) => return refused(problem).into(),
        };
        let start = match said_now {
            Some(said) if is_yes(said) => Start { consent: Consent::Given, ..start },
            Some(_) => return declined().into(),
            None => start,
        };
        let refusal = match self.launch(start.clone()).await {
            Ok(result) => return result.into(),
            Err(refusal) => refusal,
        };
        let ExperimentError::Unconfirmed { spend } = refusal else { return refused(refusal).into() };
        let elicitation = context.client_capabilities().and_then(|client| client.elicitation);
        // One that names no kind of question takes forms, as all did once.
        let takes_forms = elicitation.is_some_and(|can| can.form.is_some() || can.url.is_none());
        if !takes_forms {
            return refused(refusal).into();
        }
        let question = format!("Experiment `{}` may spend {spend}. Start it?", start.definition.name);
        if is_modern(&context.meta) {
            return ask_by_result(question, sealed).unwrap_or_else(|| refused(refusal).into());
        }
        match context.peer.elicit_with_timeout::<Agreement>(question, Some(PATIENCE)).await {
            Ok(Some(Agreement { confirm: true })) => {
                let start = Start { consent: Consent::Given, ..start };
                self.launch(start).await.unwrap_or_else(refused).into()
            }
            Ok(_) | Err(ElicitationError::UserDeclined | ElicitationError::UserCancelled) => {
                declined().into()
            }
            // Whoever cannot be asked can say so in the arguments.
            Err(error) => {
                tracing::debug!(%error, "the client did not ask");
                refused(refusal).into()
            }
        }
    }

    async fn launch(&self, start: Start) -> Result<CallToolResult, ExperimentError> {
        let Start { definition, consent, idempotency_key } = start;
        let launch = self.pipeline().start_experiment(definition, idempotency_key, consent).await?;
        let output = StartOutput::new(launch, self.pipeline().settings.simulated);
        let text = output.to_text();
        Ok(answered(&output, text))
    }
}

fn declined() -> CallToolResult {
    refused("the user did not agree; nothing was started")
}

fn is_yes(said: &Value) -> bool {
    let at = |pointer| said.pointer(pointer);
    at("/action").is_some_and(|action| action == "accept")
        && at("/content/confirm").is_some_and(|confirm| confirm == true)
}

/// Has a client of the new era ask, and call again with the answer.
fn ask_by_result(message: String, sealed: Option<String>) -> Option<CallToolResponse> {
    let mut requested_schema = ElicitationSchema::from_type::<Agreement>().ok()?;
    (requested_schema.schema, requested_schema.description) = (None, None);
    let question = ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema };
    let mut questions = InputRequests::new();
    questions.insert(QUESTION.to_owned(), InputRequest::Elicitation(ElicitRequest::new(question)));
    Some(InputRequiredResult::new(Some(questions), sealed).into())
}
