//! Exposures as both stores keep them, in JSON beside the request.

use serde::{Deserialize, Serialize};

use crate::domain::exposure::{ExposedUnit, Exposure};
use crate::domain::ids::{NotAnId, RequestId};

/// An exposure in the column `exposures` of `requests`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ExposureRow {
    experiment_id: String,
    experiment: String,
    arm: String,
    place: u32,
    /// The id of the request itself, or a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// Absent: it is for the store to find.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<f64>,
}

impl ExposureRow {
    /// Writes an exposure of a request.
    pub(super) fn new(exposure: &Exposure, request_id: RequestId) -> Self {
        let (unit, before) = match &exposure.unit {
            None => (None, None),
            Some(ExposedUnit::Request { before }) => (Some(request_id.to_string()), Some(*before)),
            Some(ExposedUnit::Session(session)) => (Some(session.clone()), None),
        };
        Self {
            experiment_id: exposure.experiment_id.to_string(),
            experiment: exposure.experiment.clone(),
            arm: exposure.arm.clone(),
            place: exposure.place,
            unit,
            before,
        }
    }

    /// Reads the exposure.
    pub(super) fn exposure(self) -> Result<Exposure, NotAnId> {
        let unit = match (self.unit, self.before) {
            (None, _) => None,
            (Some(_), Some(before)) => Some(ExposedUnit::Request { before }),
            (Some(session), None) => Some(ExposedUnit::Session(session)),
        };
        let Self { experiment, arm, place, .. } = self;
        Ok(Exposure { experiment_id: self.experiment_id.parse()?, experiment, arm, place, unit })
    }
}
