//! Surface: numbers as pictures.

pub mod chart;
pub mod experiment;
pub mod page;
pub mod spend;
