//! Calls the server as clients of both eras do, by raw JSON-RPC.

use ai_cost_optimizer::providers::http;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::stdio::driver::at;

use super::server::Server;

/// One user's client.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client,
    url: String,
    token: Option<String>,
    session: Option<String>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// Gives the JSON-RPC message: the body, or the last event that has data.
    pub(crate) fn message(&self) -> Value {
        let kind = self.headers.get("content-type").map_or("", |kind| kind.to_str().unwrap());
        let text = if kind.starts_with("text/event-stream") {
            let mut data = self.text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
            data.rfind(|data| !data.is_empty()).unwrap_or_default()
        } else {
            &self.text
        };
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{} {error}: {}", self.status, self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Caller {
    pub(crate) fn new(server: &Server, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..Self::nobody(server) }
    }

    pub(crate) fn nobody(server: &Server) -> Self {
        let client = http::client().unwrap();
        Self { client, url: format!("{}/mcp", server.url), token: None, session: None }
    }

    /// Gives the same client with another token, in the same session.
    pub(crate) fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// Gives the same client, whose address has something behind it.
    pub(crate) fn with_query(&self, query: &str) -> Self {
        Self { url: format!("{}?{query}", self.url), ..self.clone() }
    }

    pub(crate) fn session(&self) -> &str {
        self.session.as_deref().unwrap()
    }

    /// Gives the same client in another session.
    pub(crate) fn in_session(&self, session: &str) -> Self {
        Self { session: Some(session.to_owned()), ..self.clone() }
    }

    /// Begins a request of this client.
    pub(crate) fn begin(&self, method: Method) -> RequestBuilder {
        let request = self.client.request(method, &self.url);
        let request = request.header("accept", "application/json, text/event-stream");
        let request = match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        match &self.session {
            Some(session) => request.header("mcp-session-id", session),
            None => request,
        }
    }

    pub(crate) fn post(&self, body: &Value) -> RequestBuilder {
        self.begin(Method::POST).json(body)
    }

    /// Sends a request as clients of before 2026 do.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Answer {
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        read(self.post(&message)).await
    }

    /// Begins a request as clients of 2026-07-28 do.
    pub(crate) fn modern_request(&self, method: &str, mut params: Value) -> RequestBuilder {
        let name =
            params.get("name").or_else(|| params.get("uri")).and_then(Value::as_str).map(str::to_owned);
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": "caller", "version": "1" },
        });
        if let Some(progress) = params.pointer("/_meta/progressToken") {
            meta["progressToken"] = progress.clone();
        }
        params["_meta"] = meta;
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let request =
            self.post(&message).header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
        match name {
            Some(name) => request.header("mcp-name", name),
            None => request,
        }
    }

    pub(crate) async fn modern(&self, method: &str, params: Value) -> Answer {
        read(self.modern_request(method, params)).await
    }

    /// Calls a tool and gives its structured result.
    pub(crate) async fn done(&self, tool: &str, arguments: &Value) -> Value {
        let message = self.call(tool, arguments).await;
        assert_ne!(at(&message, "/result/isError"), true, "{message}");
        at(&message, "/result/structuredContent").clone()
    }

    /// Calls a tool that refuses, and gives its words.
    pub(crate) async fn refused(&self, tool: &str, arguments: &Value) -> String {
        let message = self.call(tool, arguments).await;
        assert_eq!(at(&message, "/result/isError"), true, "{message}");
        at(&message, "/result/content/0/text").as_str().unwrap().to_owned()
    }

    async fn call(&self, tool: &str, arguments: &Value) -> Value {
        let answer = self.modern("tools/call", json!({ "name": tool, "arguments": arguments })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.message()
    }

    /// Shakes hands as a client of before 2026, and stays in the session.
    pub(crate) async fn greet(mut self) -> Self {
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "caller", "version": "1" },
        });
        let answer = self.ask("initialize", params).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(at(&answer.message(), "/result/protocolVersion"), "2025-11-25");
        self.session = Some(answer.header("mcp-session-id").to_owned());
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(read(self.post(&initialized)).await.status, 202);
        self
    }

    /// Gets another page of the server.
    pub(crate) async fn page(&self, path: &str) -> Answer {
        let url = self.url.replace("/mcp", path);
        read(self.client.get(url)).await
    }
}

/// Sends a request and reads the whole answer.
pub(crate) async fn read(request: RequestBuilder) -> Answer {
    let response: Response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}
