//! Experiments that are drawn from known truths: for the tests of their statistics, and for the bench.

use ai_cost_optimizer::experiments::definition::Metric;
use ai_cost_optimizer::experiments::estimate::Estimate;
use ai_cost_optimizer::experiments::judge::Judge;
use ai_cost_optimizer::experiments::sample_ratio::sample_ratio_p_value;
use ai_cost_optimizer::experiments::sequence::{FEWEST, Sequence};
use ai_cost_optimizer::experiments::sums::{Sums, Unit};

/// Where outcomes come from; all have a positive spread.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// Mean 1, standard deviation 1.
    Normal,
    /// Log-normal with this σ and the median 1: costs.
    LogNormal(f64),
    /// 1 with this chance, else 0.
    Bernoulli(f64),
    /// 0 with this chance, else log-normal with σ 1: costs where the rest is answered from the cache.
    ZeroInflated(f64),
    /// 1 with this chance, else uniform in [0, 1): ratings.
    Rating(f64),
    /// Requests of sessions, 20 a session on average, whose costs share a level and follow the last one.
    Sessions,
    /// Mean 1, standard deviation 1, of whose variance 64 % was known before.
    Known,
}

impl Source {
    /// Gives the mean, where it is known in closed form.
    pub(crate) fn mean(self) -> Option<f64> {
        match self {
            Self::Normal | Self::Known => Some(1.0),
            Self::LogNormal(sigma) => Some((sigma * sigma / 2.0).exp()),
            Self::Bernoulli(chance) => Some(chance),
            Self::ZeroInflated(chance) => Some((1.0 - chance) * 0.5_f64.exp()),
            Self::Rating(chance) => Some(f64::midpoint(1.0, chance)),
            Self::Sessions => None,
        }
    }

    pub(crate) fn metric(self) -> Metric {
        match self {
            Self::Bernoulli(_) => Metric::Success,
            Self::Rating(_) => Metric::Rating,
            Self::Normal | Self::LogNormal(_) | Self::ZeroInflated(_) | Self::Sessions | Self::Known => {
                Metric::CostUsd
            }
        }
    }

    /// Draws what was known before and the outcome; those of sessions have a state and come from [`Session`].
    fn draw(self, draw: &mut fastrand::Rng) -> (f64, f64) {
        let outcome = match self {
            Self::Normal | Self::Sessions => 1.0 + normal(draw),
            Self::LogNormal(sigma) => (sigma * normal(draw)).exp(),
            Self::Bernoulli(chance) => f64::from(u8::from(draw.f64() < chance)),
            Self::ZeroInflated(chance) if draw.f64() < chance => 0.0,
            Self::ZeroInflated(_) => normal(draw).exp(),
            Self::Rating(chance) if draw.f64() < chance => 1.0,
            Self::Rating(_) => draw.f64(),
            Self::Known => {
                let before = normal(draw);
                return (before, 1.0 + 0.8 * before + 0.6 * normal(draw));
            }
        };
        (0.0, outcome)
    }
}

/// Draws from the standard normal distribution (Box and Muller).
pub(crate) fn normal(draw: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - draw.f64()).ln()).sqrt() * (std::f64::consts::TAU * draw.f64()).cos()
}

/// An experiment with two arms, of which the treatment's outcomes are multiplied and moved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trial {
    pub(crate) source: Source,
    /// Where the treatment's outcomes come from, if from elsewhere.
    pub(crate) treatment: Source,
    pub(crate) shift: f64,
    /// Share of units that come to the treatment.
    pub(crate) share: f64,
    /// Outcomes in both arms together, at most.
    pub(crate) outcomes: usize,
    pub(crate) looks: usize,
    pub(crate) sequence: Sequence,
    /// Half the width of the interval in standard errors, if not the sequence's.
    pub(crate) radius: Option<f64>,
}

/// Sessions of an arm that are open at a time.
const OPEN: usize = 10;

#[derive(Debug, Clone, Copy)]
struct Session {
    level: f64,
    last: f64,
    seen: Unit,
}

impl Session {
    fn new(draw: &mut fastrand::Rng) -> Self {
        Self { level: normal(draw), last: 0.0, seen: Unit { outcomes: 0.0, total: 0.0, before: 0.0 } }
    }

    fn next(&mut self, draw: &mut fastrand::Rng) -> f64 {
        self.last = 0.7 * self.last + 0.5 * normal(draw);
        (0.7 * self.level + self.last).exp()
    }
}

/// One arm as it fills.
#[derive(Debug)]
struct Arm {
    sums: Sums,
    source: Source,
    open: Vec<Session>,
}

impl Arm {
    fn new(source: Source) -> Self {
        Self { sums: Sums::default(), source, open: Vec::new() }
    }

    fn outcome(&mut self, shift: f64, draw: &mut fastrand::Rng) {
        if !matches!(self.source, Source::Sessions) {
            let (before, outcome) = self.source.draw(draw);
            self.sums.add(Unit { outcomes: 1.0, total: outcome + shift, before });
            return;
        }
        if self.open.len() < OPEN {
            self.open.push(Session::new(draw));
        }
        let place = draw.usize(..self.open.len());
        let session = &mut self.open[place];
        let outcome = session.next(draw) + shift;
        self.sums.remove(session.seen);
        session.seen.outcomes += 1.0;
        session.seen.total += outcome;
        self.sums.add(session.seen);
        if draw.f64() < 0.05 {
            self.open.swap_remove(place);
        }
    }
}

impl Trial {
    /// Makes one whose arms do not differ; it is looked at 1,000 times.
    pub(crate) fn of_equals(source: Source, share: f64, outcomes: usize, sequence: Sequence) -> Self {
        Self { source, treatment: source, shift: 0.0, share, outcomes, looks: 1_000, sequence, radius: None }
    }

    /// Runs it until the interval excludes 0, and gives the outcomes in both arms by then; `None`: it never did.
    pub(crate) fn run(&self, draw: &mut fastrand::Rng) -> Option<usize> {
        let (mut control, mut treatment) = (Arm::new(self.source), Arm::new(self.treatment));
        let every = (self.outcomes / self.looks).max(1);
        for place in 1..=self.outcomes {
            if draw.f64() < self.share {
                treatment.outcome(self.shift, draw);
            } else {
                control.outcome(0.0, draw);
            }
            if place % every != 0 {
                continue;
            }
            let difference = Estimate::difference(self.source.metric(), &control.sums, &treatment.sums);
            let Some(estimate) = difference else { continue };
            let radius = self.radius.unwrap_or_else(|| self.sequence.radius(estimate.units));
            let (low, high) = estimate.interval(radius);
            if estimate.fewest >= FEWEST && (low > 0.0 || high < 0.0) {
                return Some(place);
            }
        }
        None
    }

    /// Gives the share of so many runs, from this seed on, that decided, and their mean number of outcomes (all of them for
    /// the others).
    pub(crate) fn share_decided(&self, runs: u64, seed: u64) -> (f64, f64) {
        let ends: Vec<Option<usize>> =
            (0..runs).map(|run| self.run(&mut fastrand::Rng::with_seed(seed * 1_000_003 + run))).collect();
        let decided = ends.iter().flatten().count() as f64 / runs as f64;
        let outcomes = ends.iter().map(|end| end.unwrap_or(self.outcomes) as f64);
        (decided, outcomes.sum::<f64>() / runs as f64)
    }
}

/// Assigns units to two arms that are meant to be halves, the second of which gets a share of them, and gives how many had
/// come when the fault was found.
pub(crate) fn sample_ratio_found(share: f64, units: usize, seed: u64) -> Option<usize> {
    let mut draw = fastrand::Rng::with_seed(seed);
    let mut counts = [0.0; 2];
    (1..=units).find(|place| {
        counts[usize::from(draw.f64() < share)] += 1.0;
        place % 10 == 0 && sample_ratio_p_value(&counts, &[0.5, 0.5]) < 0.001
    })
}

/// Says whether the interval of one arm's mean ever misses it, at 1,000 looks.
pub(crate) fn mean_is_missed(source: Source, outcomes: usize, sequence: Sequence, seed: u64) -> bool {
    let mut draw = fastrand::Rng::with_seed(seed);
    let mut arm = Arm::new(source);
    let every = (outcomes / 1_000).max(1);
    (1..=outcomes).any(|place| {
        arm.outcome(0.0, &mut draw);
        let judge = Judge::Sequential(sequence);
        let interval =
            (place % every == 0).then(|| judge.mean_interval(source.metric(), &arm.sums)).flatten();
        source.mean().zip(interval).is_some_and(|(mean, (low, high))| mean < low || mean > high)
    })
}
