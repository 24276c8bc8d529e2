//! A tool that panics is answered all the same.

use std::collections::HashMap;
use std::sync::Arc;

use ai_cost_optimizer::app::App;
use ai_cost_optimizer::budget::standing::Standing;
use ai_cost_optimizer::config::{Config, Mode};
use ai_cost_optimizer::domain::evidence::{CacheEvidence, EvidenceKey, Label};
use ai_cost_optimizer::domain::ids::{ExperimentId, RequestId};
use ai_cost_optimizer::domain::limit::{Limit, Scope};
use ai_cost_optimizer::domain::model::ModelRef;
use ai_cost_optimizer::domain::outcome::{DayOfModel, KeptRouting, Outcome, OutcomeQuery};
use ai_cost_optimizer::domain::rating::{Rating, RatingEffect};
use ai_cost_optimizer::domain::record::{CacheEntry, Forget, Neighbour, RequestRecord, StoredEmbedding};
use ai_cost_optimizer::domain::report::{CacheStats, Report, ReportQuery};
use ai_cost_optimizer::embed::weights::Reach;
use ai_cost_optimizer::experiments::definition::Metric;
use ai_cost_optimizer::experiments::lifecycle::{Change, Kept, Which};
use ai_cost_optimizer::experiments::outcomes::Outcome as ExperimentOutcome;
use ai_cost_optimizer::experiments::planning::{Past, PastQuery};
use ai_cost_optimizer::experiments::timeline::Moment;
use ai_cost_optimizer::experiments::verdict::Observed;
use ai_cost_optimizer::mcp::server::Server;
use ai_cost_optimizer::store::{
    Ask, Begun, ExactQuery, ForgetMode, NearestQuery, Recorded, RequestsQuery, Started, Store, StoreError,
};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use rmcp::ServiceExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

/// A store with a bug in every method.
struct Buggy;

#[async_trait]
impl Store for Buggy {
    async fn find_exact(&self, _: ExactQuery) -> Result<Option<CacheEntry>, StoreError> {
        panic!("a bug")
    }
    async fn match_cache_entries(&self, _: NearestQuery) -> Result<Vec<Neighbour>, StoreError> {
        panic!("a bug")
    }
    async fn begin_request(&self, _: RequestRecord, _: Ask) -> Result<Begun, StoreError> {
        panic!("a bug")
    }
    async fn record_embedded(
        &self,
        _: RequestRecord,
        _: Option<CacheEntry>,
        _: Option<StoredEmbedding>,
    ) -> Result<Recorded, StoreError> {
        panic!("a bug")
    }
    async fn nearest_outcomes(&self, _: OutcomeQuery) -> Result<Vec<Outcome>, StoreError> {
        panic!("a bug")
    }
    async fn has_outcomes(&self) -> Result<bool, StoreError> {
        panic!("a bug")
    }
    async fn find_request(
        &self,
        _: RequestId,
    ) -> Result<Option<(RequestRecord, Option<String>)>, StoreError> {
        panic!("a bug")
    }
    async fn rate_response(&self, _: Rating, _: Timestamp) -> Result<RatingEffect, StoreError> {
        panic!("a bug")
    }
    async fn forget_cache(&self, _: Forget, _: ForgetMode) -> Result<u64, StoreError> {
        panic!("a bug")
    }
    async fn routing_state(&self, _: String, _: Option<String>) -> Result<KeptRouting, StoreError> {
        panic!("a bug")
    }
    async fn save_routing_state(
        &self,
        _: String,
        _: Vec<u8>,
        _: i64,
        _: RequestId,
    ) -> Result<bool, StoreError> {
        panic!("a bug")
    }
    async fn keep_forecast(&self, _: RequestId, _: String) -> Result<(), StoreError> {
        panic!("a bug")
    }
    async fn note_model_performance(&self, _: ModelRef, _: Date) -> Result<(), StoreError> {
        panic!("a bug")
    }
    async fn model_performance(&self, _: Date) -> Result<Vec<DayOfModel>, StoreError> {
        panic!("a bug")
    }
    async fn cache_evidence(&self, _: EvidenceKey) -> Result<CacheEvidence, StoreError> {
        panic!("a bug")
    }
    async fn record_label(&self, _: Label) -> Result<(), StoreError> {
        panic!("a bug")
    }
    async fn end_epoch(&self, _: EvidenceKey, _: u32) -> Result<(), StoreError> {
        panic!("a bug")
    }
    async fn start_experiment(&self, _: Kept) -> Result<Started, StoreError> {
        panic!("a bug")
    }
    async fn experiments(&self, _: Which) -> Result<Vec<Kept>, StoreError> {
        panic!("a bug")
    }
    async fn change_experiment(&self, _: ExperimentId, _: Change) -> Result<bool, StoreError> {
        panic!("a bug")
    }
    async fn experiment_statistics(&self, _: ExperimentId) -> Result<Vec<Observed>, StoreError> {
        panic!("a bug")
    }
    async fn experiment_timeline(
        &self,
        _: ExperimentId,
        _: Metric,
        _: usize,
    ) -> Result<Vec<Moment>, StoreError> {
        panic!("a bug")
    }
    async fn experiment_outcomes(
        &self,
        _: ExperimentId,
        _: Option<RequestId>,
        _: u32,
    ) -> Result<Vec<ExperimentOutcome>, StoreError> {
        panic!("a bug")
    }
    async fn past_outcomes(&self, _: PastQuery) -> Result<Past, StoreError> {
        panic!("a bug")
    }
    async fn budgets(&self, _: Vec<Limit>, _: Timestamp) -> Result<Vec<Standing>, StoreError> {
        panic!("a bug")
    }
    async fn set_budget(&self, _: Limit, _: Timestamp) -> Result<(), StoreError> {
        panic!("a bug")
    }
    async fn remove_budget(&self, _: Scope) -> Result<bool, StoreError> {
        panic!("a bug")
    }
    async fn cost_report(&self, _: ReportQuery) -> Result<Report, StoreError> {
        panic!("a bug")
    }
    async fn requests(&self, _: RequestsQuery) -> Result<Vec<RequestRecord>, StoreError> {
        panic!("a bug")
    }
    async fn latest_requests(&self, _: u32) -> Result<Vec<RequestRecord>, StoreError> {
        panic!("a bug")
    }
    async fn forget_requests(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
        panic!("a bug")
    }
    async fn forget_everything(&self) -> Result<(), StoreError> {
        panic!("a bug")
    }
    async fn cache_stats(&self, _: Timestamp) -> Result<CacheStats, StoreError> {
        panic!("a bug")
    }
    async fn revision(&self) -> Result<i64, StoreError> {
        panic!("a bug")
    }
}

#[tokio::test]
async fn a_tool_that_panics_is_answered_and_the_next_call_too() {
    let folder = tempfile::tempdir().unwrap();
    let environment = HashMap::from([("COST_OPTIMIZER_DATA_DIR", folder.path().display().to_string())]);
    let config = Config::from_environment(Mode::Simulate, environment).unwrap();
    let app = App::new(config, Reach::LocalOnly).unwrap();
    let mut pipeline = app.pipeline.clone();
    pipeline.store = Arc::new(Buggy);
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let serving = Server::new(pipeline).serve(theirs);
    let talking = async {
        let (output, mut input) = tokio::io::split(ours);
        let mut lines = BufReader::new(output).lines();
        let info = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
        let mut ask = async |id: u64, method: &str, params: Value| -> Value {
            let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
            input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
            serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap()
        };
        ask(1, "initialize", info).await;
        for id in [2, 3] {
            let answer = ask(id, "tools/call", json!({ "name": "cost_report", "arguments": {} })).await;
            assert_eq!(answer["id"], id);
            assert_eq!(answer["result"]["isError"], true);
            let text = answer["result"]["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("cost_report") && !text.contains("a bug"), "{text}");
        }
    };
    let (running, ()) = tokio::join!(serving, talking);
    running.unwrap().cancel().await.unwrap();
}
