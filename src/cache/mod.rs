//! Pure: which stored answer may be served, which answer may be stored, and for how long.
//!
//! It looks nothing up. A doubt is a miss: the program pays rather than guesses.

pub mod admission;
pub mod answers;
pub mod betting;
pub mod calibration;
pub mod compare;
pub mod consensus;
pub mod decision;
pub mod evidence;
pub mod freshness;
pub mod privacy;
pub mod retirement;
pub mod scope;
