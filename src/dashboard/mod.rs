//! Surface: numbers as pictures, and as a page.

pub mod chart;
pub mod experiment;
pub mod page;
pub mod spend;
