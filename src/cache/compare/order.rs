//! The order of the words that two texts share: "A beat B" and "B beat A" share all of them.

/// Says how far the shared words stand in another order, in [0, 1].
///
/// `places` holds, for the shared words in one text's order, their places in the other; the result is
/// the share of pairs that are inverted (Kendall's tau distance, normalised).
pub(super) fn inverted_share(places: &[u32]) -> f32 {
    let pairs = places.len() * places.len().saturating_sub(1) / 2;
    if pairs == 0 {
        return 0.0;
    }
    let mut inverted = 0_usize;
    for (place, first) in places.iter().enumerate() {
        let later = places.get(place + 1..).unwrap_or_default();
        inverted += later.iter().filter(|second| *second < first).count();
    }
    inverted as f32 / pairs as f32
}

/// Says whether the shared words only changed places as two blocks: "on my phone, how do I call".
///
/// `places` holds all shared words. Whoever does what to whom is inside a block, so it stays the same.
pub(super) fn is_block_move(places: &[u32]) -> bool {
    const SHORTEST_BLOCK: usize = 3;
    let is_break =
        |pair: &[u32]| matches!(pair, [first, second] if *second <= *first || *second > *first + 2);
    let mut breaks =
        places.windows(2).enumerate().filter(|(_, pair)| is_break(pair)).map(|(place, _)| place + 1);
    match (breaks.next(), breaks.next()) {
        (Some(joint), None) => joint >= SHORTEST_BLOCK && places.len() - joint >= SHORTEST_BLOCK,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inversions_are_counted() {
        let check = |places: &[u32], expected: f32| {
            assert!((inverted_share(places) - expected).abs() < 1e-6, "{places:?}");
        };
        check(&[], 0.0);
        check(&[7], 0.0);
        check(&[1, 2, 3], 0.0);
        check(&[3, 2, 1], 1.0);
        check(&[1, 3, 2, 4], 1.0 / 6.0);
    }

    #[test]
    fn two_blocks_may_change_places() {
        let check =
            |places: &[u32], expected: bool| assert_eq!(is_block_move(places), expected, "{places:?}");
        check(&[3, 4, 5, 6, 0, 1, 2], true);
        check(&[3, 5, 6, 0, 1, 2], true);
        check(&[2, 3, 4, 0, 1], false);
        check(&[0, 1, 2, 5, 4, 3], false);
        check(&[0, 1, 2, 3], false);
        check(&[], false);
    }
}
