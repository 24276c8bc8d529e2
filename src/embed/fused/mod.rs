//! MiniLM's forward pass for a CPU, in one piece: weights packed once, no padding, no buffer per operation.
//!
//! It knows no tokenizer, no files but the word table's, and no queue; Candle stays the reference.
//! Invariants: no `unsafe` but in [`machine`]; a row's numbers do not depend on the rows beside it; every width of
//! vector runs the same source, but for products of few bits.
//!
//! What ran where: AVX-512 with products of bytes and of 16-bit floats on AMD's Zen 4 and Intel's Sapphire Rapids, AVX2
//! and plain Rust on AMD EPYCs; [`fastest`] tries every kernel before it lets a width be used.
//!
//! On the choice of `pulp`: it gives one safe source for AVX-512, AVX2 with FMA and plain Rust, picks
//! among them at run time, and candle's `gemm` brings it anyway. Intrinsics by hand need the kernels
//! once per width, `wide` fixes the width when it compiles, and `std::simd` is not stable. It has no products of
//! few bits; [`machine`] has those two loops, for AVX-512.

mod ahead;
mod arena;
mod attention;
mod check;
mod cores;
mod curves;
mod encoder;
mod lanes;
mod lined;
mod loading;
mod machine;
mod memory;
mod multiply;
mod rows;
mod square;
mod team;
mod tensor_file;
mod tile;
mod whole;
mod words;

#[cfg(test)]
mod plain;

pub use check::fastest;
pub use encoder::{Encoder, Solo};
pub use lanes::Width;
pub use loading::{Shape, UnfitError};
pub use square::Precision;
pub use team::Team;
pub use tensor_file::TensorFile;

/// Numbers of a vector, of a row, and of a side of every weight matrix.
pub const SIDE: usize = 384;

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;

/// Numbers of one head.
const HEAD: usize = 32;

const HEADS: usize = SIDE / HEAD;

/// What stands at one word piece.
type Row = [f32; SIDE];
