//! Models that another one leaves no reason to ask: dearer, and by the models table no better.

use crate::domain::model::ModelRef;
use crate::domain::money::Usd;

/// What a model costs and promises.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    pub reference: ModelRef,
    /// Of a prompt token and of an answer token.
    pub prices: [Usd; 2],
    /// The share of good answers that the models table expects, in [0, 1].
    pub quality_prior: f64,
    pub context_window: u32,
}

impl Offer {
    /// Says whether this offer is as good in everything and better in something.
    fn dominates(&self, other: &Self) -> bool {
        let prices = || self.prices.iter().zip(&other.prices);
        let is_as_good = prices().all(|(own, theirs)| own <= theirs)
            && self.quality_prior >= other.quality_prior
            && self.context_window >= other.context_window;
        let is_better =
            prices().any(|(own, theirs)| own < theirs) || self.quality_prior > other.quality_prior;
        is_as_good && is_better
    }
}

/// Finds the offers that another one dominates, each with the cheapest that does.
pub fn dominated(offers: &[Offer]) -> Vec<(&Offer, &Offer)> {
    let cost = |offer: &Offer| -> Usd { offer.prices.into_iter().sum() };
    offers
        .iter()
        .filter_map(|offer| {
            let by = offers.iter().filter(|other| other.dominates(offer));
            Some((offer, by.min_by_key(|other| cost(other))?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::ProviderId;

    fn offer(model: &str, prices: [i64; 2], quality_prior: f64) -> Offer {
        let reference = ModelRef { provider: ProviderId::Gemini, model: model.to_owned() };
        Offer { reference, prices: prices.map(Usd::from_pico), quality_prior, context_window: 1 }
    }

    #[test]
    fn only_what_is_worse_in_something_and_better_in_nothing_is_dominated() {
        let offers = [
            offer("cheap", [1, 2], 0.7),
            offer("cheap too", [1, 2], 0.7),
            offer("dear", [1, 3], 0.7),
            offer("dearer", [2, 4], 0.6),
            offer("good", [5, 5], 0.9),
            offer("other way", [0, 9], 0.5),
            Offer { context_window: 2, ..offer("long", [3, 3], 0.5) },
        ];
        let found: Vec<(&str, &str)> = dominated(&offers)
            .into_iter()
            .map(|(offer, by)| (offer.reference.model.as_str(), by.reference.model.as_str()))
            .collect();
        assert_eq!(found, [("dear", "cheap"), ("dearer", "cheap")]);
        assert!(dominated(&offers[..1]).is_empty());
    }
}
