//! One order of prompts through a policy that starts from nothing.

use std::collections::HashMap;

use serde_json::{Value, json};
use statrs::distribution::{Beta, ContinuousCDF as _};

use super::policy::Policy;
use super::vcache::VCache;
use crate::cache::admission::NEIGHBOURS;
use crate::cache::betting::Weight;
use crate::cache::calibration::{Calibration, audit_rate};
use crate::cache::compare::{Conversation, normalised};
use crate::cache::decision::{Judged, Near, judge};
use crate::cache::evidence::{Evidence, Scores};
use crate::domain::embedding::Embedding;

/// Prefixes with fewer hits say little about a share.
const FIRST_LOOK: u64 = 500;
/// Nearest texts that are known of each text; where none of them is in the cache, all of it is searched.
const KNOWN_NEAREST: usize = 64;

/// A prompt of the stream.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) text: String,
    /// Prompts of one class have one answer.
    pub(super) class: String,
    pub(super) embedding: Embedding,
    pub(super) conversation: Conversation,
    /// Whether similar prompts may answer it at all.
    pub(super) is_semantic: bool,
}

/// The prompts, with the nearest of each.
#[derive(Debug)]
pub(super) struct Stream {
    items: Vec<Item>,
    nearest: Vec<Vec<(usize, f32)>>,
}

impl Stream {
    /// Compares every prompt with every other.
    pub(super) fn new(items: Vec<Item>, mut tick: impl FnMut()) -> Self {
        let nearest = items
            .iter()
            .enumerate()
            .map(|(place, item)| {
                tick();
                let others = items.iter().enumerate().filter(|(other, _)| *other != place);
                let mut found: Vec<(usize, f32)> =
                    others.map(|(other, near)| (other, item.embedding.cosine(&near.embedding))).collect();
                let wanted = KNOWN_NEAREST.min(found.len());
                if wanted > 0 {
                    found.select_nth_unstable_by(wanted - 1, |left, right| right.1.total_cmp(&left.1));
                }
                found.truncate(wanted);
                found.sort_by(|left, right| right.1.total_cmp(&left.1));
                found
            })
            .collect();
        Self { items, nearest }
    }

    /// Sends the prompts through a policy in an order that the seed decides.
    pub(super) fn replay(&self, policy: Policy, delta: f64, prior: &Evidence, seed: u64) -> Tally {
        let mut draw = fastrand::Rng::with_seed(seed);
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        draw.shuffle(&mut order);
        let mut cache = Cache::new(self, policy, delta, prior);
        let mut tally = Tally::new(delta);
        for place in order {
            cache.ask(place, &mut draw, &mut tally);
        }
        tally.evidence = cache.calibration.labels().clone();
        tally
    }
}

/// What one order came to.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    delta: f64,
    requests: u64,
    hits: u64,
    wrong: u64,
    labels: u64,
    audits: u64,
    epochs: u32,
    is_exceeded: bool,
    evidence: Evidence,
}

impl Tally {
    fn new(delta: f64) -> Self {
        Self {
            delta,
            requests: 0,
            hits: 0,
            wrong: 0,
            labels: 0,
            audits: 0,
            epochs: 0,
            is_exceeded: false,
            evidence: Evidence::default(),
        }
    }

    fn hit(&mut self, is_right: bool) {
        self.hits += 1;
        self.wrong += u64::from(!is_right);
        self.is_exceeded |= self.hits >= FIRST_LOOK && self.wrong as f64 > self.delta * self.hits as f64;
    }

    /// Says whether the share of wrong hits ever was above δ, from 500 hits on.
    pub(super) const fn is_exceeded(&self) -> bool {
        self.is_exceeded
    }

    /// Adds another order.
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.hits += other.hits;
        self.wrong += other.wrong;
        self.labels += other.labels;
        self.audits += other.audits;
        self.epochs += other.epochs;
        self.evidence = std::mem::take(&mut self.evidence).with(&other.evidence);
    }

    /// Gives the labels of the last epoch.
    pub(super) const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    pub(super) fn to_json(&self) -> Value {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        json!({
            "requests": self.requests,
            "hits": self.hits,
            "hit_rate": share(self.hits, self.requests),
            "wrong": self.wrong,
            "wrong_per_hit": share(self.wrong, self.hits),
            "wrong_per_hit_95": interval(self.wrong, self.hits),
            "errors_per_request": share(self.wrong, self.requests),
            "labels": self.labels,
            "audits": self.audits,
            "epochs_ended": self.epochs,
        })
    }
}

/// The exact 95 % interval of a share (Clopper and Pearson 1934); absent where there is nothing.
fn interval(part: u64, whole: u64) -> Option<[f64; 2]> {
    if whole == 0 {
        return None;
    }
    let quantile =
        |a: u64, b: u64, at: f64| Beta::new(a as f64, b as f64).map_or(f64::NAN, |beta| beta.inverse_cdf(at));
    let low = if part == 0 { 0.0 } else { quantile(part, whole - part + 1, 0.025) };
    let high = if part == whole { 1.0 } else { quantile(part + 1, whole - part, 0.975) };
    Some([low, high])
}

/// The cache as the policy has filled it.
struct Cache<'a> {
    stream: &'a Stream,
    policy: Policy,
    is_kept: Vec<bool>,
    kept: Vec<usize>,
    exact: HashMap<&'a str, usize>,
    normal: HashMap<String, usize>,
    /// Of each prompt whose answer is known to be that of others, the first of them.
    groups: HashMap<usize, usize>,
    calibration: Calibration,
    audits: u64,
    vcache: VCache,
    /// The place of each kept prompt among vCache's entries.
    entries: HashMap<usize, usize>,
}

impl<'a> Cache<'a> {
    fn new(stream: &'a Stream, policy: Policy, delta: f64, prior: &Evidence) -> Self {
        let per_request = if let Policy::VCache(share) = policy { share } else { delta };
        Self {
            stream,
            policy,
            is_kept: vec![false; stream.items.len()],
            kept: Vec::new(),
            exact: HashMap::new(),
            normal: HashMap::new(),
            groups: HashMap::new(),
            calibration: Calibration::new(delta, prior.clone()),
            audits: 0,
            vcache: VCache::new(per_request),
            entries: HashMap::new(),
        }
    }

    fn ask(&mut self, place: usize, draw: &mut fastrand::Rng, tally: &mut Tally) {
        tally.requests += 1;
        match self.policy {
            Policy::Plain(threshold) => self.ask_plain(place, threshold, tally),
            Policy::VCache(_) => self.ask_vcache(place, draw, tally),
            Policy::Answers => self.keep(place),
            Policy::Ours => self.ask_ours(place, draw, tally),
        }
        tally.epochs = self.calibration.epoch();
    }

    fn ask_plain(&mut self, place: usize, threshold: f32, tally: &mut Tally) {
        match self.nearest(place, 1).first() {
            Some((near, cosine)) if *cosine >= threshold => tally.hit(self.is_right(place, *near)),
            _ => self.keep(place),
        }
    }

    fn ask_vcache(&mut self, place: usize, draw: &mut fastrand::Rng, tally: &mut Tally) {
        let near = self.nearest(place, 1).first().copied();
        let Some((near, entry, cosine)) =
            near.and_then(|(near, cosine)| Some((near, *self.entries.get(&near)?, f64::from(cosine))))
        else {
            return self.keep(place);
        };
        let is_right = self.is_right(place, near);
        if !self.vcache.explores(entry, cosine, draw.f64()) {
            return tally.hit(is_right);
        }
        tally.labels += 1;
        self.vcache.learn(entry, cosine, is_right);
        if !is_right {
            self.keep(place);
        }
    }

    fn ask_ours(&mut self, place: usize, draw: &mut fastrand::Rng, tally: &mut Tally) {
        let Some(item) = self.stream.items.get(place) else { return };
        if let Some(near) =
            self.exact.get(item.text.as_str()).or_else(|| self.normal.get(&normalised(&item.text)?))
        {
            return tally.hit(self.is_right(place, *near));
        }
        let near = if item.is_semantic { self.nearest(place, NEIGHBOURS) } else { Vec::new() };
        let Some((near, scores)) = self.judge(place, &near) else { return self.keep(place) };
        let is_right = self.is_right(place, near);
        let rate = audit_rate(self.audits);
        let whole = scores.cell(Weight::WHOLE);
        let cell = match self.calibration.threshold() {
            Some(threshold) if threshold.serves(whole) => {
                if draw.f64() >= rate {
                    return tally.hit(is_right);
                }
                tally.audits += 1;
                self.audits += 1;
                whole
            }
            _ => scores.cell(self.calibration.weight(false, rate)),
        };
        tally.labels += 1;
        if !cell.is_idle() {
            self.calibration.learn(cell, !is_right);
        }
        self.keep(place);
        self.group(place, near, tally);
    }

    /// Compares the answer that was just bought with those of the nearest prompts, and joins the group it belongs to.
    fn group(&mut self, place: usize, best: usize, tally: &mut Tally) {
        let near = self.nearest(place, NEIGHBOURS);
        for (other, _) in near.into_iter().filter(|(other, _)| *other != place) {
            // Of the best it is known already.
            tally.labels += u64::from(other != best);
            if self.is_right(place, other) {
                let group = self.groups.get(&other).copied().unwrap_or(other);
                self.groups.insert(place, group);
                return;
            }
        }
    }

    /// Finds the kept prompt whose answer this one most surely wants.
    fn judge(&self, place: usize, near: &[(usize, f32)]) -> Option<(usize, Scores)> {
        let item = self.stream.items.get(place)?;
        let near: Vec<(usize, Near<'_, usize>)> = near
            .iter()
            .filter_map(|(other, similarity)| {
                let item = self.stream.items.get(*other).filter(|item| item.is_semantic)?;
                let group = self.groups.get(other).copied().unwrap_or(*other);
                Some((*other, Near { conversation: &item.conversation, similarity: *similarity, group }))
            })
            .collect();
        let (places, near): (Vec<usize>, Vec<Near<'_, usize>>) = near.into_iter().unzip();
        let Judged { place, scores } = judge(&item.conversation, &near)?;
        Some((*places.get(place)?, scores))
    }

    /// Finds the nearest kept prompts, nearest first.
    fn nearest(&self, place: usize, wanted: usize) -> Vec<(usize, f32)> {
        let is_kept = |other: &usize| self.is_kept.get(*other).copied().unwrap_or(false);
        let known = self.stream.nearest.get(place).map_or(&[][..], Vec::as_slice);
        let mut found: Vec<(usize, f32)> =
            known.iter().filter(|(other, _)| is_kept(other)).take(wanted).copied().collect();
        if found.len() < wanted && found.len() < self.kept.len() {
            let item = self.stream.items.get(place).map(|item| &item.embedding);
            let cosine = |other: &usize| Some(item?.cosine(&self.stream.items.get(*other)?.embedding));
            found = self.kept.iter().filter_map(|other| Some((*other, cosine(other)?))).collect();
            found.sort_by(|left, right| right.1.total_cmp(&left.1));
            found.truncate(wanted);
        }
        found
    }

    fn is_right(&self, place: usize, near: usize) -> bool {
        let class = |place: usize| self.stream.items.get(place).map(|item| item.class.as_str());
        class(place) == class(near)
    }

    fn keep(&mut self, place: usize) {
        let Some(item) = self.stream.items.get(place) else { return };
        if let Some(is_kept) = self.is_kept.get_mut(place) {
            *is_kept = true;
        }
        self.kept.push(place);
        self.exact.insert(&item.text, place);
        if let Some(form) = normalised(&item.text) {
            self.normal.insert(form, place);
        }
        self.entries.insert(place, self.entries.len());
        self.vcache.insert();
    }
}
