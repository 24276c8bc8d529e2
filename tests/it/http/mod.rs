//! The server for a team: the real binary over real HTTP, on a simulation and on the Supabase stack.

mod caller;
mod eras;
mod money;
mod refusals;
mod rotation;
mod server;
mod startup;
mod streams;
mod team;
mod tokens;
