//! The server as a conversation over HTTP meets it.
//!
//! On stdin and stdout a guard and a look-out stand around the one conversation. Over HTTP there are many, a request of
//! the new era is one by itself, and rmcp takes nothing around a server but a server: so this one signs its results,
//! and looks out for changes while somebody has asked for them.
//! Invariant: what a conversation began ends with it.
#![expect(deprecated, reason = "SEP-2577 deprecates log messages; clients of both eras still show them")]

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, CustomRequest,
    CustomResult, DiscoverResult, GetPromptRequestParams, GetPromptResponse, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerConfig, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::guard::SERVER_INFO;
use super::requests::is_modern;
use super::server::Server;

/// One conversation with a user's server.
pub struct Remote {
    server: Server,
    /// Where look-outs run.
    lookouts: TaskTracker,
    is_looking: AtomicBool,
    _conversation: DropGuard,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

/// Signs a result, for clients that did not shake hands.
struct Signature(Option<Value>);

impl Signature {
    fn on(self, meta: &mut Option<MetaObject>) {
        if let Some(server) = self.0 {
            let meta = meta.get_or_insert_with(MetaObject::new);
            meta.0.entry(SERVER_INFO).or_insert(server);
        }
    }
}

impl Remote {
    /// Begins a conversation; its streams end with it, or with `ended`.
    pub fn new(server: &Server, lookouts: TaskTracker, ended: &CancellationToken) -> Self {
        let ended = ended.child_token();
        let server = server.conversation(ended.clone());
        Self { server, lookouts, is_looking: AtomicBool::new(false), _conversation: ended.drop_guard() }
    }

    fn signature(&self, context: &RequestContext<RoleServer>) -> Signature {
        Signature(is_modern(&context.meta).then(|| self.server.signature()))
    }
}

impl ServerHandler for Remote {
    fn get_info(&self) -> ServerConfig {
        self.server.get_info()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        ServerHandler::supported_protocol_versions(&self.server)
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        self.server.discover(context).await
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let signature = self.signature(&context);
        let mut result = self.server.list_tools(request, context).await?;
        signature.on(&mut result.meta);
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.server.get_tool(name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let signature = self.signature(&context);
        // Boxed, because the futures of all tools together are large.
        let mut response = Box::pin(self.server.call_tool(request, context)).await?;
        match &mut response {
            CallToolResponse::Complete(result) => signature.on(&mut result.meta),
            CallToolResponse::InputRequired(result) => signature.on(&mut result.meta),
            _ => {}
        }
        Ok(response)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let signature = self.signature(&context);
        let mut result = self.server.list_resources(request, context).await?;
        signature.on(&mut result.meta);
        Ok(result)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let signature = self.signature(&context);
        let mut response = self.server.read_resource(request, context).await?;
        match &mut response {
            ReadResourceResponse::Complete(result) => signature.on(&mut result.meta),
            ReadResourceResponse::InputRequired(result) => signature.on(&mut result.meta),
            _ => {}
        }
        Ok(response)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let signature = self.signature(&context);
        let mut result = self.server.list_resource_templates(request, context).await?;
        signature.on(&mut result.meta);
        Ok(result)
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let signature = self.signature(&context);
        let mut result = self.server.list_prompts(request, context).await?;
        signature.on(&mut result.meta);
        Ok(result)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let signature = self.signature(&context);
        let mut response = self.server.get_prompt(request, context).await?;
        match &mut response {
            GetPromptResponse::Complete(result) => signature.on(&mut result.meta),
            GetPromptResponse::InputRequired(result) => signature.on(&mut result.meta),
            _ => {}
        }
        Ok(response)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let signature = self.signature(&context);
        let mut result = self.server.complete(request, context).await?;
        signature.on(&mut result.meta);
        Ok(result)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.server.accepted_subscription_filter(requested)
    }

    /// Tells of each resource once at the beginning: what was written before the stream was acknowledged, and what
    /// changed while its client was away, is heard of too.
    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let (subscriptions, pipeline) = (&self.server.subscriptions, self.server.pipeline());
        let accepted: Vec<String> =
            context.accepted().resource_subscriptions.iter().flatten().cloned().collect();
        let wanted = context.requested().resource_subscriptions.iter().flatten();
        // Where none of them is there, this says so.
        let none: Vec<String> = if accepted.is_empty() { wanted.cloned().collect() } else { Vec::new() };
        let _listening = subscriptions.join(accepted.iter().chain(&none), pipeline).await?;
        for uri in accepted {
            if context.sink().notify_resource_updated(uri).await.is_err() {
                return Ok(());
            }
        }
        let peer = context.request_context().peer.clone();
        tokio::select! {
            () = subscriptions.listen(&context) => {}
            () = subscriptions.watch(pipeline, &peer) => {}
        }
        Ok(())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        self.server.on_custom_request(request, context).await
    }

    async fn ping(&self, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.server.ping(context).await
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.server.set_level(request, context).await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let peer = context.peer.clone();
        self.server.subscribe(request, context).await?;
        if !self.is_looking.swap(true, Ordering::Relaxed) {
            let subscriptions = Arc::clone(&self.server.subscriptions);
            let pipeline = self.server.pipeline().clone();
            self.lookouts.spawn(async move {
                let ended = subscriptions.ended.clone();
                tokio::select! {
                    () = ended.cancelled() => {}
                    () = subscriptions.watch(&pipeline, &peer) => {}
                }
            });
        }
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.server.unsubscribe(request, context).await
    }
}
