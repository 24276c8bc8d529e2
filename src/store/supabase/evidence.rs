//! Labels as the project's functions take and give them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::rows::hex;
use crate::domain::evidence::{CacheEvidence, EvidenceKey, Label, LabelCounts};

/// What `cache_evidence` gives.
#[derive(Debug, Deserialize)]
pub(super) struct EvidenceRow {
    epoch: u32,
    scope: Vec<CellRow>,
    tenant: Vec<CellRow>,
}

#[derive(Debug, Deserialize)]
struct CellRow {
    cell: String,
    right_labels: u64,
    wrong_labels: u64,
    undecided_labels: u64,
    audits: u64,
}

impl From<EvidenceRow> for CacheEvidence {
    fn from(row: EvidenceRow) -> Self {
        let cells = |rows: Vec<CellRow>| rows.into_iter().map(CellRow::counted).collect();
        Self { epoch: row.epoch, scope: cells(row.scope), tenant: cells(row.tenant) }
    }
}

impl CellRow {
    fn counted(self) -> (String, LabelCounts) {
        let counts = LabelCounts {
            right: self.right_labels,
            wrong: self.wrong_labels,
            undecided: self.undecided_labels,
            audits: self.audits,
        };
        (self.cell, counts)
    }
}

/// The arguments of `cache_evidence`.
pub(super) fn evidence_arguments(key: &EvidenceKey) -> Value {
    json!({ "scope_hash": hex(&key.scope.0), "embedder_fingerprint": key.fingerprint })
}

/// The arguments of `record_label`.
pub(super) fn label_arguments(label: &Label) -> Value {
    json!({
        "scope_hash": hex(&label.key.scope.0),
        "embedder_fingerprint": label.key.fingerprint,
        "epoch": label.epoch,
        "cell": label.cell,
        "is_right": label.is_right,
        "is_audit": label.is_audit,
    })
}

/// The arguments of `end_cache_epoch`.
pub(super) fn epoch_arguments(key: &EvidenceKey, epoch: u32) -> Value {
    json!({
        "scope_hash": hex(&key.scope.0),
        "embedder_fingerprint": key.fingerprint,
        "epoch": epoch,
    })
}
