//! Ratings: the project sums them up, and whether they retire an answer is decided here.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::SupabaseStore;
use super::rest::Patience;
use crate::cache::retirement::is_retired;
use crate::domain::rating::{Rating, RatingEffect, Score};
use crate::routing::outcomes::rated_model;
use crate::store::{Store as _, StoreError};

impl SupabaseStore {
    /// Records a rating, scores the model that answered, and retires an entry that has earned it.
    pub(super) async fn rate(&self, rating: &Rating, now: Timestamp) -> Result<RatingEffect, StoreError> {
        #[derive(Deserialize)]
        struct Sums {
            cache_entry_id: Option<String>,
            approval_sum: Option<f64>,
            rating_count: Option<u64>,
            retired_at: Option<Timestamp>,
            pair_excluded: bool,
        }
        let unknown = || StoreError::UnknownRequest(rating.request_id);
        let (record, _) = self.find_request(rating.request_id).await?.ok_or_else(unknown)?;
        let outcome = rated_model(&record, rating).map(|rated| {
            json!({
                "provider": rated.reference.provider.as_str(),
                "model": rated.reference.model,
                "score": rated.score.map(Score::get),
                "source": rated.source.to_string(),
            })
        });
        let arguments = json!({
            "request_id": rating.request_id.to_string(),
            "score": rating.score.get(),
            "verdict": rating.verdict.map(|verdict| verdict.to_string()),
            "comment": rating.comment,
            "outcome": outcome,
            "as_of": now,
        });
        let sums: Sums = self.call("rate_response", &arguments, Patience::Report).await?;
        let effect = if sums.pair_excluded { RatingEffect::PairExcluded } else { RatingEffect::Recorded };
        let (Some(entry_id), Some(approval_sum), Some(rating_count)) =
            (sums.cache_entry_id, sums.approval_sum, sums.rating_count)
        else {
            return Ok(effect);
        };
        if sums.retired_at.is_some() || !is_retired(approval_sum, rating_count) {
            return Ok(if sums.retired_at.is_some() { RatingEffect::EntryRetired } else { effect });
        }
        let arguments = json!({
            "entry_id": entry_id,
            "approval_sum": approval_sum,
            "rating_count": rating_count,
            "as_of": now,
        });
        let is_out: bool = self.call("retire_cache_entry", &arguments, Patience::Report).await?;
        Ok(if is_out { RatingEffect::EntryRetired } else { effect })
    }
}
