//! Part of the suite over the trait `Store`: labels of the cache are counted where they belong, and none is lost.

use std::collections::BTreeMap;

use ai_cost_optimizer::domain::evidence::{CacheEvidence, EvidenceKey, Label, LabelCounts};
use ai_cost_optimizer::domain::record::{Forget, ScopeHash};
use ai_cost_optimizer::store::ForgetMode;
use futures::future::try_join_all;
use proptest::option;
use proptest::prelude::*;

use super::stores;
use crate::store::Stores;

fn key(scope: u8, fingerprint: &str) -> EvidenceKey {
    EvidenceKey { scope: ScopeHash([scope; 32]), fingerprint: fingerprint.into() }
}

/// A label of epoch 0 that says that an answer was right.
fn label(scope: u8, cell: &str) -> Label {
    Label { key: key(scope, "f"), epoch: 0, cell: cell.into(), is_right: Some(true), is_audit: false }
}

/// What is known after some labels and ends of epochs, worked out one by one.
#[derive(Default)]
struct Model {
    labels: Vec<Label>,
    epochs: BTreeMap<(u8, String), u32>,
}

impl Model {
    fn epoch(&self, key: &EvidenceKey) -> u32 {
        self.epochs.get(&(key.scope.0[0], key.fingerprint.clone())).copied().unwrap_or(0)
    }

    fn end(&mut self, key: &EvidenceKey, epoch: u32) {
        if self.epoch(key) == epoch {
            self.epochs.insert((key.scope.0[0], key.fingerprint.clone()), epoch + 1);
        }
    }

    fn counts(&self, is_meant: impl Fn(&Label) -> bool) -> Vec<(String, LabelCounts)> {
        let mut cells: BTreeMap<String, LabelCounts> = BTreeMap::new();
        for label in
            self.labels.iter().filter(|label| label.epoch == self.epoch(&label.key) && is_meant(label))
        {
            let counts = cells.entry(label.cell.clone()).or_default();
            match label.is_right {
                Some(true) => counts.right += 1,
                Some(false) => counts.wrong += 1,
                None => counts.undecided += 1,
            }
            counts.audits += u64::from(label.is_audit);
        }
        cells.into_iter().collect()
    }

    fn evidence(&self, key: &EvidenceKey) -> CacheEvidence {
        CacheEvidence {
            epoch: self.epoch(key),
            scope: self.counts(|label| label.key == *key),
            tenant: self.counts(|label| label.key.fingerprint == key.fingerprint),
        }
    }
}

fn any_key() -> impl Strategy<Value = EvidenceKey> {
    (0..3_u8, prop::sample::select(vec!["f", "g"])).prop_map(|(scope, fingerprint)| key(scope, fingerprint))
}

fn any_label() -> impl Strategy<Value = Label> {
    let cell = prop::sample::select(vec!["a", "B", "é/1"]);
    (any_key(), 0..3_u32, cell, option::of(any::<bool>()), any::<bool>()).prop_map(
        |(key, epoch, cell, is_right, is_audit)| Label { key, epoch, cell: cell.into(), is_right, is_audit },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_known_is_the_count_of_the_labels_of_the_present_epochs(
        steps in prop::collection::vec((any_label(), 0..4_u8), 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Some(Stores { here, there, _folder }) = stores().await else { return };
            let mut model = Model::default();
            for (label, kind) in steps {
                if kind == 0 {
                    there.end_epoch(label.key.clone(), label.epoch).await.unwrap();
                    model.end(&label.key, label.epoch);
                } else {
                    here.record_label(label.clone()).await.unwrap();
                    model.labels.push(label);
                }
            }
            for (scope, fingerprint) in [(0, "f"), (1, "f"), (2, "g"), (9, "f"), (0, "nobody's")] {
                let key = key(scope, fingerprint);
                assert_eq!(there.cache_evidence(key.clone()).await.unwrap(), model.evidence(&key));
            }
        });
    }
}

#[tokio::test]
async fn an_epoch_ends_once_and_its_labels_count_no_more() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    here.record_label(label(1, "9")).await.unwrap();
    here.record_label(label(2, "9")).await.unwrap();
    let one = LabelCounts { right: 1, ..LabelCounts::default() };
    let known = |epoch, scope: &[(&str, LabelCounts)], tenant: &[(&str, LabelCounts)]| {
        let cells = |cells: &[(&str, LabelCounts)]| {
            cells.iter().map(|(cell, counts)| ((*cell).to_owned(), *counts)).collect()
        };
        CacheEvidence { epoch, scope: cells(scope), tenant: cells(tenant) }
    };
    let two = LabelCounts { right: 2, ..LabelCounts::default() };
    assert_eq!(there.cache_evidence(key(1, "f")).await.unwrap(), known(0, &[("9", one)], &[("9", two)]));
    for store in [&here, &there, &here] {
        store.end_epoch(key(1, "f"), 0).await.unwrap();
        store.end_epoch(key(1, "f"), 7).await.unwrap();
        assert_eq!(there.cache_evidence(key(1, "f")).await.unwrap(), known(1, &[], &[("9", one)]));
    }
    // A decision of before, whose answer came later.
    here.record_label(label(1, "9")).await.unwrap();
    here.record_label(Label { epoch: 1, ..label(1, "8") }).await.unwrap();
    let expected = known(1, &[("8", one)], &[("8", one), ("9", one)]);
    assert_eq!(there.cache_evidence(key(1, "f")).await.unwrap(), expected);
    // Labels hold no text of anybody's, and stay.
    here.forget_cache(Forget::All, ForgetMode::Delete).await.unwrap();
    assert_eq!(there.cache_evidence(key(1, "f")).await.unwrap(), expected);
}

#[tokio::test]
async fn labels_of_two_at_once_are_all_counted_while_an_epoch_ends() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let labels = [&here, &there].into_iter().flat_map(|store| {
        (0..20_u32).map(move |number| {
            let cell = if number % 2 == 0 { "a" } else { "b" };
            let label = Label { epoch: number % 4 / 2, ..label(1, cell) };
            async move {
                store.record_label(label).await?;
                if number == 10 { store.end_epoch(key(1, "f"), 0).await } else { Ok(()) }
            }
        })
    });
    try_join_all(labels).await.unwrap();
    let known = there.cache_evidence(key(1, "f")).await.unwrap();
    let ten = LabelCounts { right: 10, ..LabelCounts::default() };
    let cells = vec![("a".to_owned(), ten), ("b".to_owned(), ten)];
    assert_eq!(known, CacheEvidence { epoch: 1, scope: cells.clone(), tenant: cells });
}

#[tokio::test]
async fn a_cell_that_is_too_long_is_turned_down() {
    let Some(Stores { here, _folder, .. }) = stores().await else { return };
    here.record_label(label(1, &"é".repeat(20))).await.unwrap();
    here.record_label(label(1, &"é".repeat(21))).await.unwrap_err();
    let known = here.cache_evidence(key(1, "f")).await.unwrap();
    assert_eq!((known.scope.len(), known.tenant.len()), (1, 1));
}
