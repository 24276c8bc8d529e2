//! Pure: how much may be spent, and what happens to a request that would go over it.
//!
//! A limit holds for a UTC day or month, for all requests or for those of a tag; several hold side by side. Before anybody
//! is paid, the most that a request may cost is *reserved*; once the bill is known it is spent, and the reservation gone. What
//! is spent and what is reserved together never pass a limit, whoever else spends at the same time: the store decides by
//! [`admission::Admission::decide`] in the transaction that writes the reservation.

pub mod admission;
pub mod standing;
