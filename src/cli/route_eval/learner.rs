//! The program's routing over prompts that come one after the other: evidence, decision, outcome, learning.

use anyhow::Context as _;

use super::cost_line::CostLine;
use super::embeddings::Embeddings;
use super::rows::{Models, Row};
use super::tally::Decided;
use super::{Feedback, Router};
use crate::domain::decision::{Candidate, CostEstimate, Decision, Quality, StrategyName};
use crate::domain::embedding::Embedding;
use crate::domain::model::{ModelCard, ModelRef, Tier};
use crate::domain::money::Usd;
use crate::domain::outcome::{Outcome, OutcomeSource};
use crate::domain::prompt::RouteRequest;
use crate::domain::rating::Score;
use crate::routing::cascade::{Answer, Cascade, CascadeState};
use crate::routing::exploration::share;
use crate::routing::input::input;
use crate::routing::learning::ByOutcomes;
use crate::routing::ledger::{Ledger, Rule, Trial, floor};
use crate::routing::success::{Learned, RoutingState};
use crate::routing::{Question, strategy};

/// Nearest prompts whose outcomes a decision sees.
const NEAREST: usize = 200;
/// What the models table says of a model that has no row.
const UNKNOWN_QUALITY: f64 = 0.8;

/// What holds for every prompt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) models: &'a Models,
    pub(super) router: &'a Router,
    pub(super) quality: Quality,
    pub(super) feedback: Feedback,
    /// The place of the model that is asked first.
    pub(super) cascade: Option<usize>,
    pub(super) seed: u64,
}

pub(super) struct Learner<'a> {
    setting: Setting<'a>,
    embeddings: &'a Embeddings,
    cards: Vec<ModelCard>,
    forecasts: Vec<CostLine>,
    /// The place of the model with the best mean in training.
    strong: usize,
    /// Characters of the prompt in the middle of the training prompts.
    median_length: usize,
    /// Prompts with their outcomes, by the model's place.
    memory: Vec<(&'a Embedding, Vec<(usize, Score)>)>,
    state: RoutingState,
    learned: Learned,
    answers: CascadeState,
    cascade: Cascade,
    cascade_ledger: Ledger,
    next_refresh: usize,
    draw: fastrand::Rng,
}

impl<'a> Learner<'a> {
    /// Starts with nothing but what the models table would say: tiers by rank and forecasts of cost.
    pub(super) fn new(
        setting: Setting<'a>,
        embeddings: &'a Embeddings,
        train: &[Row],
    ) -> anyhow::Result<Self> {
        let mean = |place: usize| {
            let scores = train.iter().filter_map(|row| row.outcomes.get(place)).map(|outcome| outcome.score);
            scores.sum::<f64>() / train.len().max(1) as f64
        };
        let mut ranked: Vec<usize> = (0..setting.models.len()).collect();
        ranked.sort_by(|left, right| mean(*right).total_cmp(&mean(*left)));
        let strong = ranked.first().copied().context("two models at least")?;
        let tier = |place: usize| {
            let rank = ranked.iter().position(|other| *other == place).unwrap_or_default();
            match 3 * rank / ranked.len() {
                0 => Tier::Best,
                1 if ranked.len() > 2 => Tier::Balanced,
                _ => Tier::Economy,
            }
        };
        let card = |(place, reference): (usize, &ModelRef)| ModelCard {
            reference: reference.clone(),
            tier: tier(place),
            context_window: u32::MAX,
            max_output: u32::MAX,
            thinking_allowance: 0,
            quality_prior: UNKNOWN_QUALITY,
            is_streamed: false,
            source: "route-eval".to_owned(),
        };
        let cards = setting.models.references().iter().enumerate().map(card).collect();
        let forecasts =
            (0..setting.models.len()).map(|place| CostLine::of(train, place, place == strong)).collect();
        let mut lengths: Vec<usize> = train.iter().map(|row| row.prompt.as_str().chars().count()).collect();
        lengths.sort_unstable();
        Ok(Self {
            setting,
            embeddings,
            cards,
            forecasts,
            strong,
            median_length: lengths.get(lengths.len() / 2).copied().unwrap_or_default(),
            memory: Vec::new(),
            state: RoutingState::default(),
            learned: Learned::default(),
            answers: CascadeState::default(),
            cascade: Cascade::default(),
            cascade_ledger: Ledger::default(),
            next_refresh: 2,
            draw: fastrand::Rng::with_seed(setting.seed),
        })
    }

    /// Finds how the prompts nearest to one were answered.
    pub(super) fn evidence(&self, row: &Row) -> anyhow::Result<Vec<Outcome>> {
        if !matches!(self.setting.router, Router::Strategy(StrategyName::Learning | StrategyName::Hybrid)) {
            return Ok(Vec::new());
        }
        let wanted = self.embeddings.of(row.prompt.as_str())?;
        let mut near: Vec<(f32, usize)> = self
            .memory
            .iter()
            .enumerate()
            .map(|(place, (embedding, _))| (embedding.cosine(wanted), place))
            .collect();
        if near.len() > NEAREST {
            near.select_nth_unstable_by(NEAREST, |left, right| right.0.total_cmp(&left.0));
            near.truncate(NEAREST);
        }
        let outcomes = near.into_iter().filter_map(|(similarity, place)| {
            let (_, outcomes) = self.memory.get(place)?;
            Some(outcomes.iter().filter_map(move |(model, score)| {
                let reference = self.setting.models.references().get(*model)?.clone();
                let source = OutcomeSource::Rating;
                Some(Outcome { similarity, reference, score: *score, source, age_seconds: 0, session: None })
            }))
        });
        Ok(outcomes.flatten().collect())
    }

    /// Decides a prompt, of which only the text is read, and with a cascade the first model's answer.
    pub(super) fn decide(&self, row: &Row, evidence: &[Outcome]) -> anyhow::Result<Decided> {
        let costs = self.costs(row);
        let request = self.request(row);
        let candidates = self.candidates(&costs);
        let question = self.question(row, &request, &candidates, evidence)?;
        let length = row.prompt.as_str().chars().count();
        let name = match self.setting.router {
            Router::Strategy(name) => *name,
            Router::Fixed(model) => {
                let choice = self.setting.models.place(model).context("a model of the files")?;
                return Ok(Decided { expected: Vec::new(), costs, choice, rank: None });
            }
            Router::Length => {
                let other = (0..costs.len()).find(|place| *place != self.strong).unwrap_or_default();
                let choice = if length > self.median_length { self.strong } else { other };
                return Ok(Decided { expected: Vec::new(), costs, choice, rank: Some(length as f64) });
            }
        };
        if let Some(first) = self.setting.cascade {
            return self.judge(row, &question, first);
        }
        let decision = strategy(name).decide(&question);
        let expected = self.expected(&decision);
        let chosen = decision.candidates.first().map(|candidate| &candidate.card.reference);
        let choice = self
            .setting
            .models
            .references()
            .iter()
            .position(|reference| Some(reference) == chosen)
            .context("a candidate")?;
        let rank =
            if expected.is_empty() { Some(decision.complexity.score) } else { self.preference(&expected) };
        Ok(Decided { expected, costs, choice, rank })
    }

    /// Learns from a prompt: every model's outcome, or only that of the one that was chosen.
    pub(super) fn learn(&mut self, row: &Row) -> anyhow::Result<()> {
        let Router::Strategy(name @ (StrategyName::Learning | StrategyName::Hybrid)) = self.setting.router
        else {
            return Ok(());
        };
        let evidence = self.evidence(row)?;
        let costs = self.costs(row);
        let (request, candidates) = (self.request(row), self.candidates(&costs));
        let question = self.question(row, &request, &candidates, &evidence)?;
        let expected: Vec<f64> =
            by_outcomes(*name).expect(&question).iter().map(|expectation| expectation.quality.mean).collect();
        let decided =
            (self.setting.feedback == Feedback::Bandit).then(|| self.decide(row, &evidence)).transpose()?;
        let asked = decided.map(|decided| [decided.choice, self.tried(decided.choice)]);
        let score = |place: usize| {
            let is_seen = asked.is_none_or(|asked| asked.contains(&place));
            row.outcomes.get(place).filter(|_| is_seen).map(|outcome| outcome.score)
        };
        let known = self.memory.len() as f64;
        let trials: Vec<Trial<'_>> = self
            .setting
            .models
            .references()
            .iter()
            .zip(expected.iter().zip(&costs))
            .enumerate()
            .map(|(place, (reference, (expected, cost)))| Trial {
                reference,
                expected: *expected,
                cost: usd(*cost).pico() as f64,
                score: score(place),
                propensity: match asked {
                    Some([choice, _]) if choice != place => {
                        share(costs.len(), known) / (costs.len() - 1) as f64
                    }
                    _ => 1.0,
                },
            })
            .collect();
        let embedding = self.embeddings.of(row.prompt.as_str())?;
        self.state.learn(&input(row.prompt.as_str(), Some(embedding)), &trials, 1.0);
        if let Some(first) = self.setting.cascade {
            self.learn_answer(row, first, &expected, &score)?;
        }
        let seen =
            (0..costs.len()).filter_map(|place| Some((place, Score::new(score(place)?).ok()?))).collect();
        self.memory.push((embedding, seen));
        if self.memory.len() >= self.next_refresh {
            self.refresh();
        }
        Ok(())
    }

    /// Fits what was learned so far.
    pub(super) fn refresh(&mut self) {
        self.learned = self.state.fit();
        self.cascade = self.answers.fit();
        self.next_refresh = self.memory.len() + self.memory.len() / 10 + 5;
    }

    /// Gives the model that is tried beside a choice; the choice itself where none is.
    fn tried(&mut self, choice: usize) -> usize {
        let models = self.setting.models.len();
        let is_tried = self.draw.f64() < share(models, self.memory.len() as f64);
        if is_tried { (choice + self.draw.usize(1..models)) % models } else { choice }
    }

    fn judge(&self, row: &Row, question: &Question<'_>, first: usize) -> anyhow::Result<Decided> {
        let name =
            if let Router::Strategy(name) = self.setting.router { *name } else { StrategyName::default() };
        let before: Vec<f64> =
            by_outcomes(name).expect(question).iter().map(|expectation| expectation.quality.mean).collect();
        let (second, mut expected) = (1 - first, before.clone());
        let [cheap, strong] = self.cascade.expect(&answer(row, first, &before)?);
        for (place, quality) in [(first, cheap), (second, strong)] {
            if let Some(expected) = expected.get_mut(place) {
                *expected = quality;
            }
        }
        let mut costs = self.costs(row);
        // Whoever asks the second model has paid the first.
        let paid = costs.get(first).copied().unwrap_or_default();
        if let Some(cost) = costs.get_mut(second) {
            *cost += paid;
        }
        let extra = usd(costs.get(second).copied().unwrap_or_default() - paid).pico() as f64;
        let is_escalated = match self.cascade_ledger.rule(floor(self.setting.quality)) {
            Rule::Price(price) => strong - cheap > price * extra,
            Rule::BestAlone => true,
            Rule::Unknown => cheap < floor(self.setting.quality) * strong,
        };
        let choice = if is_escalated { second } else { first };
        Ok(Decided { rank: Some(strong - cheap), expected, costs, choice })
    }

    fn learn_answer(
        &mut self,
        row: &Row,
        first: usize,
        before: &[f64],
        score: &dyn Fn(usize) -> Option<f64>,
    ) -> anyhow::Result<()> {
        let second = 1 - first;
        let answer = answer(row, first, before)?;
        let [cheap, strong] = self.cascade.expect(&answer);
        let costs = self.costs(row);
        let cost = |place: usize| usd(costs.get(place).copied().unwrap_or_default()).pico() as f64;
        if let [one, other] = self.setting.models.references() {
            let (cheap_model, strong_model) = if first == 0 { (one, other) } else { (other, one) };
            let trials = [
                Trial {
                    reference: cheap_model,
                    expected: cheap,
                    cost: cost(first),
                    score: score(first),
                    propensity: f64::from(u8::from(score(first).is_some())),
                },
                Trial {
                    reference: strong_model,
                    expected: strong,
                    cost: cost(first) + cost(second),
                    score: score(second),
                    propensity: f64::from(u8::from(score(second).is_some())),
                },
            ];
            self.cascade_ledger.add(&trials, strong_model, 1.0);
        }
        self.answers.learn(&answer, [score(first), score(second)], 1.0);
        Ok(())
    }

    /// Gives the expected qualities by the models' places; empty where the decision expects nothing.
    fn expected(&self, decision: &Decision) -> Vec<f64> {
        let of = |reference: &ModelRef| {
            let candidate =
                decision.candidates.iter().find(|candidate| candidate.card.reference == *reference)?;
            candidate.expected_quality.map(|quality| quality.mean)
        };
        self.setting.models.references().iter().filter_map(of).collect()
    }

    /// Says how much better the strong one of two models is expected to be.
    fn preference(&self, expected: &[f64]) -> Option<f64> {
        let [one, other] = expected else { return None };
        Some(if self.strong == 0 { one - other } else { other - one })
    }

    fn request(&self, row: &Row) -> RouteRequest {
        RouteRequest { quality: self.setting.quality, ..RouteRequest::new(row.prompt.clone()) }
    }

    fn costs(&self, row: &Row) -> Vec<f64> {
        let length = row.prompt.as_str().chars().count() as f64;
        self.forecasts.iter().map(|forecast| forecast.at(length)).collect()
    }

    fn candidates(&self, costs: &[f64]) -> Vec<Candidate> {
        let candidate = |(card, cost): (&ModelCard, &f64)| {
            let cost = usd(*cost);
            let estimate = Some(CostEstimate { low: cost, expected: cost, high: cost });
            Candidate { card: card.clone(), estimate, expected_quality: None }
        };
        self.cards.iter().zip(costs).map(candidate).collect()
    }

    fn question<'b>(
        &'b self,
        row: &Row,
        request: &'b RouteRequest,
        candidates: &'b [Candidate],
        evidence: &'b [Outcome],
    ) -> anyhow::Result<Question<'b>> {
        let embedding = Some(self.embeddings.of(row.prompt.as_str())?);
        Ok(Question { request, candidates, evidence, learned: &self.learned, embedding })
    }
}

const fn by_outcomes(name: StrategyName) -> ByOutcomes {
    match name {
        StrategyName::Learning => ByOutcomes::LEARNING,
        StrategyName::Hybrid | StrategyName::Complexity => ByOutcomes::HYBRID,
    }
}

fn answer<'a>(row: &'a Row, first: usize, before: &[f64]) -> anyhow::Result<Answer<'a>> {
    let response = row.outcomes.get(first).and_then(|outcome| outcome.response.as_deref());
    let text = response.with_context(|| format!("--cascade: {} has no response of the model", row.id))?;
    let at = |place: usize| before.get(place).copied().unwrap_or_default();
    Ok(Answer { prompt: row.prompt.as_str(), text, expected: [at(first), at(1 - first)] })
}

fn usd(dollars: f64) -> Usd {
    Usd::from_dollars(dollars).unwrap_or_default()
}
