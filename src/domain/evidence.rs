//! What is known of the cache's wrong answers: labels, as the stores count them.

use super::record::ScopeHash;

/// Where labels are kept: scores of different embedders are not of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EvidenceKey {
    pub scope: ScopeHash,
    /// The embedder's.
    pub fingerprint: String,
}

/// Labels of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LabelCounts {
    pub right: u64,
    pub wrong: u64,
    /// Answers of which nobody could say whether they agree.
    pub undecided: u64,
    /// Those of all these that were audits: hits that were paid for to learn from.
    pub audits: u64,
}

/// What is known of a scope, and of all scopes of the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheEvidence {
    /// The scope's present epoch; what was learned in earlier ones is out of date.
    pub epoch: u32,
    /// The labels of the scope in this epoch, by cell.
    pub scope: Vec<(String, LabelCounts)>,
    /// The labels of all scopes with this embedder, the scope's own among them, each in its present epoch, by cell.
    pub tenant: Vec<(String, LabelCounts)>,
}

/// A label: whether a cached answer was, or would have been, right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub key: EvidenceKey,
    /// The epoch that the decision was made in.
    pub epoch: u32,
    /// Which scores the label is of, and how much it counts: at most 40 bytes, read and written by `cache`.
    pub cell: String,
    /// `None`: nobody could say.
    pub is_right: Option<bool>,
    pub is_audit: bool,
}
