//! The effect of each treatment over time, with its interval.

use super::chart::{Band, Chart};
use crate::experiments::definition::{Definition, Metric};
use crate::experiments::lifecycle::Kept;
use crate::experiments::timeline::Moment;
use crate::experiments::verdict::effect_at;

/// How many times the interval is drawn at.
pub const POINTS: usize = 60;
/// Requests of an experiment above which the picture, which reads them all, is for the command line.
pub const MOST_DRAWN: u64 = 50_000;

/// Makes the picture of an experiment; `None` where no interval is known at two times.
pub fn effect_over_time(kept: &Kept, moments: &[Moment], simulated: bool) -> Option<Chart> {
    let definition = kept.experiment.definition();
    let arms = definition.arms.iter().enumerate().skip(1);
    let bands: Vec<Band> = arms
        .map(|(place, arm)| {
            let points = moments.iter().filter_map(|moment| {
                let (effect, interval) = effect_at(&kept.experiment, moment, place)?;
                Some((moment.at, effect, interval))
            });
            Band { name: arm.name.clone(), points: points.collect() }
        })
        .filter(|band: &Band| band.points.len() >= 2)
        .collect();
    if bands.is_empty() {
        return None;
    }
    let (name, metric) = (kept.name(), definition.metric);
    let mark = if simulated { "SIMULATED · " } else { "" };
    Some(Chart {
        title: format!("{mark}{name}: {metric}, difference from {}", control(definition)),
        unit: unit(metric),
        bands,
    })
}

/// Gives the unit of a metric; empty where it has none.
pub const fn unit(metric: Metric) -> &'static str {
    match metric {
        Metric::CostUsd | Metric::SavedUsd => "US$",
        Metric::LatencyMs => "ms",
        Metric::Rating | Metric::Success => "",
    }
}

fn control(definition: &Definition) -> &str {
    definition.arms.first().map(|arm| arm.name.as_str()).unwrap_or_default()
}
