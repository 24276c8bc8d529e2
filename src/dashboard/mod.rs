//! Surface: numbers as pictures.

pub mod chart;
pub mod experiment;
