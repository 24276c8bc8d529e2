//! A time cut into whole quarters of UTC days, for which sums are kept, and what is left before and after.

/// A quarter of a day in microseconds, as the migration that makes the sums has it.
pub(super) const QUARTER: i64 = 6 * 3_600_000_000;

/// A span of microseconds: from the first inside to the first outside.
pub(super) type Span = (i64, i64);

/// Spans that together are one time; an empty one ends where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pieces {
    pub(super) before: Span,
    pub(super) quarters: Span,
    pub(super) after: Span,
}

/// Cuts a time; one that ends before it begins is empty.
pub(super) fn cut((from, to): Span) -> Pieces {
    let to = to.max(from);
    let floor = |instant: i64| instant - instant.rem_euclid(QUARTER);
    // Times are within ±10,000 years, so nothing overflows.
    let (start, end) = (floor(from + QUARTER - 1), floor(to));
    if start < end {
        Pieces { before: (from, start), quarters: (start, end), after: (end, to) }
    } else {
        Pieces { before: (from, to), quarters: (to, to), after: (to, to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_pieces_are_the_time(from in -9 * QUARTER..9 * QUARTER, to in -9 * QUARTER..9 * QUARTER) {
            let Pieces { before, quarters, after } = cut((from, to));
            prop_assert_eq!((before.0, after.1), (from, to.max(from)));
            prop_assert_eq!((before.1, quarters.1), (quarters.0, after.0));
            prop_assert!(before.1 - before.0 < 2 * QUARTER && after.1 - after.0 < QUARTER);
            prop_assert!(quarters.0 == quarters.1 || (quarters.0 % QUARTER, quarters.1 % QUARTER) == (0, 0));
        }
    }

    #[test]
    fn all_time_is_cut_like_any_other() {
        let all = cut((Timestamp::MIN.as_microsecond(), Timestamp::MAX.as_microsecond()));
        assert!(all.quarters.1 - all.quarters.0 > 19_000 * 365 * 4 * QUARTER);
    }
}
