//! Pure: what calls cost, what they would have cost elsewhere, what a month will have cost, and what is known
//! about models.
//!
//! No I/O and no clock: prices are looked up at the time that the caller names. An unknown price is
//! `None`, never zero.

pub mod bill;
pub mod calendar;
pub mod catalogue;
pub mod estimate;
mod families;
pub mod forecast;
pub mod live;
pub mod models;
pub mod price;
pub mod quote;
pub mod savings;
pub mod tokens;
