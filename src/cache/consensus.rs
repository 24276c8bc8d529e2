//! How surely the nearest cached answers agree on what the answer is.
//!
//! One near neighbour says little where another, just as near, has another answer; five that have one answer, and
//! nothing else near, say a lot. Neighbours whose answers are known to be the same are one *group*, and a group's
//! score is the similarity of its nearest member, and how far the group as a whole is nearer than all others:
//!
//! > score = (s₁ + 1.5 · min(τ·ln Σ_in e^(s/τ) − τ·ln(e^(0.55/τ) + Σ_out e^(s/τ)), 0.3)) / 1.45,  τ = 0.06
//!
//! s is a cosine, or a cosine less what the differences of the texts cost; 0.55 stands for the other answers that
//! are not in the cache yet. The four numbers were chosen on Banking77 and CLINC150 (packaging/verifier/README.md).

/// The similarity at which a neighbour counts 1/e of one that is nearer by it.
const TEMPERATURE: f64 = 0.06;
/// How near an answer that nobody has asked for yet may be.
const UNSEEN: f64 = 0.55;
/// The lead of a group up to which more is better.
const MOST_LEAD: f64 = 0.3;
/// What a lead is worth, per unit.
const LEAD_WEIGHT: f64 = 1.5;

/// The score of an equal text that is alone.
const MOST: f64 = 1.0 + LEAD_WEIGHT * MOST_LEAD;

/// The group that won.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Elected {
    /// The place of its nearest member among the voters.
    pub place: usize,
    /// At most 1: the text is equal, and nothing else is near.
    pub score: f64,
}

/// Elects the group whose answer the prompt most surely wants; voters are a similarity, and a group each.
pub fn elect<G: PartialEq>(voters: &[(f64, G)]) -> Option<Elected> {
    elect_among(voters, |_| true)
}

/// Elects the nearest member of a group, however sure it is.
pub fn score_of<G: PartialEq>(voters: &[(f64, G)], group: &G) -> Option<f64> {
    elect_among(voters, |other| other == group).map(|elected| elected.score)
}

fn elect_among<G: PartialEq>(voters: &[(f64, G)], may_win: impl Fn(&G) -> bool) -> Option<Elected> {
    let score = |(place, (nearest, group)): (usize, &(f64, G))| {
        let mass = |is_in: bool| {
            voters
                .iter()
                .filter(|(_, other)| (other == group) == is_in)
                .map(|(similarity, _)| (similarity / TEMPERATURE).exp())
                .sum::<f64>()
        };
        let others = (UNSEEN / TEMPERATURE).exp() + mass(false);
        let lead = TEMPERATURE * (mass(true) / others).ln();
        Elected { place, score: (nearest + LEAD_WEIGHT * lead.min(MOST_LEAD)) / MOST }
    };
    let all = voters.iter().enumerate().filter(|(_, (_, group))| may_win(group)).map(score);
    let numbers = all.filter(|elected| !elected.score.is_nan());
    numbers.reduce(|best, other| if other.score > best.score { other } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rival_costs_and_a_companion_helps() {
        let score = |voters: &[(f64, u8)]| elect(voters).unwrap();
        let alone = score(&[(0.85, 1)]);
        let with_companion = score(&[(0.85, 1), (0.84, 1)]);
        let with_rival = score(&[(0.85, 1), (0.84, 2)]);
        assert_eq!(alone.place, 0);
        assert!(with_companion.score >= alone.score && alone.score > with_rival.score + 0.2);
        // Three that are a little further off outvote one.
        let outvoted = score(&[(0.85, 1), (0.84, 2), (0.84, 2), (0.83, 2)]);
        assert_eq!(outvoted.place, 1);
    }

    #[test]
    fn nobody_elects_nobody_and_no_number_is_harmless() {
        assert_eq!(elect::<u8>(&[]), None);
        assert_eq!(elect(&[(f64::NAN, 1)]), None);
        assert_eq!(elect(&[(1.0, 1)]).unwrap().score, 1.0);
        assert_eq!(score_of(&[(1.0, 1), (0.9, 2)], &3), None);
    }
}
