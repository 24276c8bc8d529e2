//! The one integration binary: the program against the real things it stands on.

mod embedding;
