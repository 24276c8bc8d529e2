//! When the cache serves similar prompts, and what is known of how often that is wrong, over all scopes.

use serde_json::{Value, json};

use crate::cache::admission::CachePolicy;
use crate::cache::betting::EDGES;
use crate::cache::calibration::Calibration;
use crate::domain::evidence::{EvidenceKey, LabelCounts};
use crate::domain::record::ScopeHash;
use crate::pipeline::Pipeline;
use crate::store::StoreError;

/// What all labels together say; it holds for scopes that have none of their own.
pub(super) struct Known {
    labels: Vec<(String, LabelCounts)>,
    calibration: Calibration,
}

impl Known {
    /// Reads the labels; `None` where a plain cosine decides, or before the embedder is loaded: labels belong to one.
    pub(super) async fn read(pipeline: &Pipeline) -> Result<Option<Self>, StoreError> {
        let CachePolicy::Calibrated { rate, .. } = pipeline.settings.cache_policy else { return Ok(None) };
        let Some(fingerprint) = pipeline.embedder.fingerprint() else { return Ok(None) };
        let key = EvidenceKey { scope: ScopeHash([0; 32]), fingerprint };
        let evidence = pipeline.store.cache_evidence(key).await?;
        let calibration = Calibration::read(rate, &evidence);
        Ok(Some(Self { labels: evidence.tenant, calibration }))
    }

    /// Gives the upper bound on wrong answers per similar hit, in [0, 1]; `None`: no similar prompt is served.
    pub(super) fn error_bound(&self) -> Option<f64> {
        self.calibration.bound().map(|bound| (bound * 1e4).ceil() / 1e4)
    }

    fn labels(&self) -> Value {
        let sum =
            |count: fn(&LabelCounts) -> u64| self.labels.iter().map(|(_, counts)| count(counts)).sum::<u64>();
        json!({
            "right": sum(|counts| counts.right),
            "wrong": sum(|counts| counts.wrong),
            "undecided": sum(|counts| counts.undecided),
            "audits": sum(|counts| counts.audits),
        })
    }
}

/// Describes the policy for `metrics://cache`.
pub(super) async fn describe(pipeline: &Pipeline) -> Result<Value, StoreError> {
    let (rate, audit_rate) = match pipeline.settings.cache_policy {
        CachePolicy::Plain { threshold } => {
            let threshold = (f64::from(threshold) * 1e6).round() / 1e6;
            return Ok(json!({ "kind": "plain", "similarity_threshold": threshold }));
        }
        CachePolicy::Calibrated { rate, audit_rate } => (rate, audit_rate),
    };
    let mut value = json!({ "kind": "calibrated", "error_rate": rate, "audit_rate": audit_rate });
    if let (Some(known), Value::Object(object)) = (Known::read(pipeline).await?, &mut value) {
        let certified = known.calibration.certified();
        object.insert("labels".to_owned(), known.labels());
        object.insert(
            "new_scopes".to_owned(),
            json!({
                "served_by": certified.map(|certified| certified.level.to_string()),
                "served_from_score": certified.and_then(|certified| EDGES.get(certified.threshold.edge)),
                "error_bound": known.error_bound(),
            }),
        );
    }
    Ok(value)
}
