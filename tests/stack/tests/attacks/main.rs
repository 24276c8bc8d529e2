//! Attacks from outside, over HTTP and websockets: as nobody, as another tenant, with tokens that are forged, and with
//! arguments that are hostile.
//!
//! Tables and functions are read from the catalogue, so one that is added is attacked as well. Each attack that names
//! something of the victim's is made again with something that nobody has: the two answers must be the same, byte for
//! byte. All tests share one stack, each with users of its own.

mod scene;
mod tokens;
mod victim;

mod functions;
mod schemas;
mod tables;

mod channels;
mod listener;

mod crowd;
