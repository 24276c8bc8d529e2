//! Which arms of which experiments a request was answered by.

use super::ids::ExperimentId;

/// A request in an arm of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposure {
    pub experiment_id: ExperimentId,
    /// The experiment's name.
    pub experiment: String,
    pub arm: String,
    /// The arm's place among the arms; control is 0.
    pub place: u32,
    /// Absent: the arm is the default by now, and the request no outcome of the experiment.
    pub unit: Option<ExposedUnit>,
}

/// The unit that was assigned to an arm.
#[derive(Debug, Clone, PartialEq)]
pub enum ExposedUnit {
    /// The request itself.
    Request {
        /// Thousands of bytes that it sends, which tell much of its cost before anybody is asked.
        before: f64,
    },
    /// A session; what its requests cost before the experiment is for the store to find.
    Session(String),
}
