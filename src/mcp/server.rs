//! The server: what it can do, and who does it.
#![expect(deprecated, reason = "SEP-2577 deprecates log messages; clients of both eras still show them")]

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
    CustomRequest, CustomResult, DiscoverResult, ErrorCode, ExtensionCapabilities, GetPromptRequestParams,
    GetPromptResponse, Icon, Implementation, JsonObject, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, RequestStateError, ResourceContents, ServerCapabilities,
    ServerConfig, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::messages::Wanted;
use super::requests::{from_the_start, removed, traceparent};
use super::schema::{portable, portable_output};
use super::state::Seal;
use super::subscriptions::{Subscriptions, failed, known};
use super::tools::refused;
use super::words::clean_line;
use super::{completions, dashboard, metrics, prompts, templates};
use crate::config::serving::ServingConfig;
use crate::domain::ids::UserId;
use crate::pipeline::Pipeline;

const INSTRUCTIONS: &str = "Answers prompts at the lowest cost that still answers them well. Call route_prompt to \
have a prompt answered (dry_run to see candidates and prices first), rate_response to say whether the answer was \
good, cost_report for spend and savings, forget_cache to drop stored answers, start_experiment to find out which of \
two ways is better, experiment_report for what it proves so far, and set_budget to limit spending.";

/// How long clients may keep the list of tools, which never changes while the program runs.
const LIST_TTL_MS: u64 = 3_600_000;
/// Characters of an unknown name that are said again.
const NAME_CHARS: usize = 64;

/// A falling line: what is spent.
const ICON: &str = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAzMiAzMiI+PHJlY3Qgd2lkdGg9IjMyIiBoZWlnaHQ9IjMyIiByeD0iNyIgZmlsbD0iIzAwNzJiMiIvPjxwYXRoIGQ9Ik02IDhsOCA4IDQtNCA4IDEwbS02IDFoN3YtNyIgZmlsbD0ibm9uZSIgc3Ryb2tlPSIjZmZmIiBzdHJva2Utd2lkdGg9IjMiIHN0cm9rZS1saW5lY2FwPSJyb3VuZCIgc3Ryb2tlLWxpbmVqb2luPSJyb3VuZCIvPjwvc3ZnPg==";

/// Methods that there are; rmcp takes one whose parameters it cannot read for an unknown one.
const METHODS: [&str; 15] = [
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "subscriptions/listen",
    "logging/setLevel",
    "prompts/list",
    "prompts/get",
    "completion/complete",
];

/// The MCP server of one pipeline.
#[derive(Clone)]
pub struct Server {
    pipeline: Pipeline,
    tools: Arc<ToolRouter<Self>>,
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) messages: Arc<Wanted>,
    /// Absent where nobody is asked by result.
    pub(super) seal: Option<Arc<Seal>>,
}

/// A server that cannot be offered so.
#[derive(Debug, thiserror::Error)]
pub enum BadOffer {
    #[error("no tool is named `{name}`; there are: {known}")]
    UnknownTool { name: String, known: String },
    #[error("no tool is left to offer; hint: name one that only reads, or leave --read-only out")]
    NoTool,
    #[error("COST_OPTIMIZER_STATE_KEY: {0}")]
    Key(#[from] RequestStateError),
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

impl Server {
    /// Makes a server over a pipeline.
    pub fn new(pipeline: Pipeline) -> Self {
        let mut tools = Self::route_prompt_tool()
            + Self::cost_report_tool()
            + Self::rate_response_tool()
            + Self::forget_cache_tool()
            + Self::start_experiment_tool()
            + Self::experiment_report_tool()
            + Self::stop_experiment_tool()
            + Self::set_budget_tool();
        for route in tools.map.values_mut() {
            route.attr.input_schema = portable(&route.attr.input_schema);
            route.attr.output_schema =
                route.attr.output_schema.as_ref().map(|schema| portable_output(schema));
        }
        Self {
            pipeline,
            tools: Arc::new(tools),
            subscriptions: Arc::new(Subscriptions::new(CancellationToken::new())),
            messages: Arc::default(),
            seal: Seal::of_this_process().ok().map(Arc::new),
        }
    }

    /// Makes the server of a user among several, with the same offer.
    pub fn of_user(&self, user: UserId, pipeline: Pipeline) -> Result<Self, BadOffer> {
        let seal = self.seal.as_ref().map(|seal| seal.of_user(user)).transpose()?;
        Ok(Self { pipeline, seal: seal.map(Arc::new), ..self.conversation(CancellationToken::new()) })
    }

    /// Makes the same server for another conversation, whose streams end with `ended`.
    pub(super) fn conversation(&self, ended: CancellationToken) -> Self {
        let subscriptions = Arc::new(Subscriptions::new(ended));
        Self { subscriptions, messages: Arc::default(), ..self.clone() }
    }

    /// Offers the tools that are wanted alone; others are neither listed nor called.
    pub fn offered(mut self, serving: &ServingConfig) -> Result<Self, BadOffer> {
        if let Some(key) = &serving.state_key {
            self.seal = Some(Arc::new(Seal::new(key.expose_secret().as_bytes())?));
        }
        let tools = Arc::make_mut(&mut self.tools);
        if let Some(wanted) = &serving.tools {
            if let Some(name) = wanted.iter().find(|name| !tools.map.contains_key(name.as_str())) {
                return Err(BadOffer::UnknownTool { name: name.clone(), known: names(tools) });
            }
            tools.map.retain(|name, _| wanted.iter().any(|wanted| wanted == name));
        }
        if serving.is_read_only {
            let only_reads = |tool: &Tool| {
                tool.annotations.as_ref().is_some_and(|annotations| annotations.read_only_hint == Some(true))
            };
            tools.map.retain(|_, route| only_reads(&route.attr));
        }
        if tools.map.is_empty() { Err(BadOffer::NoTool) } else { Ok(self) }
    }

    /// Says who this is.
    pub(super) fn implementation(&self) -> Implementation {
        let title = if self.pipeline.settings.simulated {
            "AI cost optimizer (simulated)"
        } else {
            "AI cost optimizer"
        };
        let icon = Icon::new(ICON).with_mime_type("image/svg+xml").with_sizes(vec!["any".to_owned()]);
        Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .with_title(title)
            .with_icons(vec![icon])
    }

    /// Says who this is in a result; the picture is for the first answer alone.
    pub(super) fn signature(&self) -> Value {
        let mut server = self.implementation();
        server.icons = None;
        serde_json::to_value(server).unwrap_or_default()
    }

    /// Gives the pipeline.
    pub const fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Lists the tools, sorted by name.
    pub fn tools(&self) -> Vec<Tool> {
        self.tools.list_all()
    }
}

/// Names the tools.
fn names(tools: &ToolRouter<Server>) -> String {
    let mut names: Vec<&str> = tools.map.keys().map(AsRef::as_ref).collect();
    names.sort_unstable();
    names.join(", ")
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_logging()
            .enable_prompts()
            .enable_completions()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_extensions_with(ExtensionCapabilities::from([(
                dashboard::EXTENSION.to_owned(),
                JsonObject::new(),
            )]))
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(self.implementation())
            .with_instructions(INSTRUCTIONS)
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions: Cow<'_, _> = self.supported_protocol_versions();
        Ok(DiscoverResult::from_server_info(versions.into_owned(), self.get_info())
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        from_the_start(request.as_ref())?;
        Ok(ListToolsResult::with_all_items(self.tools())
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.get(name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.clone();
        if !self.tools.map.contains_key(&name) {
            // rmcp does not say which.
            let name: String = clean_line(&name).chars().take(NAME_CHARS).collect();
            let known = names(&self.tools);
            return Err(ErrorData::invalid_params(format!("no tool is named `{name}`; hint: {known}"), None));
        }
        let span = tracing::info_span!("tools/call", tool.name = %name, trace.parent = traceparent(&context));
        let call = async {
            let started = Instant::now();
            let answer = self.tools.call(ToolCallContext::new(self, request, context)).await;
            tracing::debug!(took = ?started.elapsed(), "answered");
            answer
        }
        .instrument(span);
        // rmcp never answers a call whose handler panicked.
        AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(tool.name = %name, "a tool panicked");
            Ok(refused(format!("{name} failed inside; the server's log on stderr says where")).into())
        })
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        from_the_start(request.as_ref())?;
        let mut resources = metrics::resources();
        resources.push(dashboard::resource());
        Ok(ListResourcesResult::with_all_items(resources)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri;
        if uri == dashboard::URI {
            return Ok(ReadResourceResult::new(vec![dashboard::contents()])
                .with_ttl_ms(LIST_TTL_MS)
                .with_cache_scope(CacheScope::Public)
                .into());
        }
        let value = match templates::read(&self.pipeline, &uri).await {
            Some(read) => read?,
            None => known(&uri)?.read(&self.pipeline).await.map_err(|error| failed(&error))?,
        };
        let contents = ResourceContents::text(value.to_string(), uri).with_mime_type("application/json");
        Ok(ReadResourceResult::new(vec![contents])
            .with_ttl_ms(metrics::TTL_MS)
            .with_cache_scope(CacheScope::Private)
            .into())
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        from_the_start(request.as_ref())?;
        Ok(ListResourceTemplatesResult::with_all_items(templates::templates())
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        from_the_start(request.as_ref())?;
        Ok(ListPromptsResult::with_all_items(prompts::prompts())
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::fill(&request.name, request.arguments.as_ref()).map(Into::into)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        completions::complete(&self.pipeline, &request).await
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let uris = requested.resource_subscriptions.iter().flatten();
        let known: Vec<String> = uris.filter(|uri| metrics::Metric::of(uri).is_some()).cloned().collect();
        let mut accepted = SubscriptionFilter::new();
        accepted.resource_subscriptions = Some(known);
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.subscriptions.listen(&context).await;
        Ok(())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        if METHODS.contains(&method.as_str()) {
            let problem = format!("the parameters are not those of {method}");
            return Err(ErrorData::invalid_params(problem, None));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None))
    }

    async fn ping(&self, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        removed(&context, "ping")
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        removed(&context, "logging/setLevel")?;
        self.messages.set(request.level);
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscriptions.subscribe(&request.uri, &self.pipeline).await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscriptions.unsubscribe(&request.uri)
    }
}
