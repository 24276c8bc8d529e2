//! Which of the nearest cached answers is the one, and how surely.

use super::compare::{Conversation, compare};
use super::consensus::{elect, score_of};
use super::evidence::Scores;
use crate::domain::record::Neighbour;

/// A cached prompt near the new one.
#[derive(Debug)]
pub struct Near<'a, G> {
    pub conversation: &'a Conversation,
    /// Cosine in [-1, 1].
    pub similarity: f32,
    /// Those of one group are known to have the same answer.
    pub group: G,
}

/// The answer that a prompt most surely wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Its place among the neighbours.
    pub place: usize,
    pub scores: Scores,
}

/// Judges the nearest cached prompts; those that differ, they or the turns before them, in something that an answer
/// would not survive have no vote. `None` where nobody is left.
pub fn judge<G: PartialEq + Copy>(prompt: &Conversation, near: &[Near<'_, G>]) -> Option<Judged> {
    let compared = near.iter().enumerate().filter_map(|(place, near)| {
        let comparison = compare(prompt.prompt(), near.conversation.prompt(), near.similarity);
        let may_vote = comparison.veto.is_none() && prompt.is_continued_as(near.conversation);
        may_vote.then_some((place, comparison.verified, f64::from(near.similarity), near.group))
    });
    let compared: Vec<_> = compared.collect();
    let verified: Vec<(f64, G)> =
        compared.iter().map(|(_, verified, _, group)| (*verified, *group)).collect();
    let cosines: Vec<(f64, G)> = compared.iter().map(|(_, _, cosine, group)| (*cosine, *group)).collect();
    let elected = elect(&verified)?;
    let (place, _, _, group) = compared.get(elected.place)?;
    let cosine = score_of(&cosines, group)?;
    Some(Judged { place: *place, scores: Scores { verified: elected.score, cosine } })
}

/// A neighbour that may be served, and how surely it answers the prompt.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub neighbour: &'a Neighbour,
    pub scores: Scores,
}

/// Finds the neighbour that a prompt most surely wants; one whose prompt is not known is none. `are_equal` says of two
/// answers that they are one.
pub fn candidate<'a>(
    prompt: &Conversation,
    neighbours: &'a [Neighbour],
    are_equal: impl Fn(&str, &str) -> bool,
) -> Option<Candidate<'a>> {
    let known: Vec<(&Neighbour, Conversation)> = neighbours
        .iter()
        .filter_map(|neighbour| {
            Some((neighbour, Conversation::read(neighbour.entry.prompt_text.as_deref()?)))
        })
        .collect();
    let answer = |(neighbour, _): &(&'a Neighbour, Conversation)| neighbour.entry.text.as_str();
    let near: Vec<Near<'_, usize>> = known
        .iter()
        .enumerate()
        .map(|(place, one)| Near {
            conversation: &one.1,
            similarity: one.0.similarity,
            group: known.iter().position(|other| are_equal(answer(other), answer(one))).unwrap_or(place),
        })
        .collect();
    let Judged { place, scores } = judge(prompt, &near)?;
    known.get(place).map(|(neighbour, _)| Candidate { neighbour, scores })
}

/// Finds, of the neighbours that are near enough and differ in nothing that an answer would not survive, the one that
/// most probably answers the prompt; its score is that probability.
pub fn nearest_that_agrees<'a>(
    prompt: &Conversation,
    neighbours: &'a [Neighbour],
    threshold: f32,
) -> Option<Candidate<'a>> {
    let compared =
        neighbours.iter().filter(|neighbour| neighbour.similarity >= threshold).filter_map(|neighbour| {
            let cached = Conversation::read(neighbour.entry.prompt_text.as_deref()?);
            let comparison = compare(prompt.prompt(), cached.prompt(), neighbour.similarity);
            let scores = Scores { verified: comparison.score, cosine: f64::from(neighbour.similarity) };
            let agrees = comparison.veto.is_none() && prompt.is_continued_as(&cached);
            agrees.then_some(Candidate { neighbour, scores })
        });
    compared.max_by(|left, right| left.scores.verified.total_cmp(&right.scores.verified))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::answer::FinishReason;
    use crate::domain::ids::{EntryId, RequestId};
    use crate::domain::model::{ModelRef, ProviderId};
    use crate::domain::record::{CacheEntry, ScopeHash};
    use crate::domain::usage::Usage;
    use jiff::Timestamp;

    fn neighbour(prompt_text: Option<&str>, similarity: f32) -> Neighbour {
        let entry = CacheEntry {
            id: EntryId::new(),
            scope: ScopeHash([0; 32]),
            prompt_sha256: [0; 32],
            normal_sha256: None,
            prompt_text: prompt_text.map(str::to_owned),
            embedding: None,
            text: "an answer".into(),
            reference: ModelRef { provider: ProviderId::Anthropic, model: "m".into() },
            usage: Usage::default(),
            cost: None,
            finish_reason: FinishReason::Stop,
            request_id: RequestId::new(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::MAX,
        };
        Neighbour { similarity, entry }
    }

    #[test]
    fn of_the_near_neighbours_one_is_served_whose_words_say_the_same() {
        let prompt = "How do I turn notifications on in version 3?";
        let check = |neighbours: &[(Option<&str>, f32)], expected: Option<&str>| {
            let neighbours: Vec<Neighbour> =
                neighbours.iter().map(|(text, similarity)| neighbour(*text, *similarity)).collect();
            let chosen = nearest_that_agrees(&Conversation::read(prompt), &neighbours, 0.95);
            assert!(chosen.is_none_or(|chosen| (0.0..=1.0).contains(&chosen.scores.verified)));
            let text = chosen.and_then(|chosen| chosen.neighbour.entry.prompt_text.as_deref());
            assert_eq!(text, expected, "{neighbours:?}");
        };
        let same = "How can I turn notifications on in version 3?";
        check(&[(Some(same), 0.97)], Some(same));
        check(&[(Some(same), 0.94)], None);
        check(&[(None, 0.99)], None);
        // Opposites and other numbers are nearer than what means the same.
        check(&[(Some("How do I turn notifications off in version 3?"), 0.99)], None);
        check(
            &[(Some("How do I turn notifications on in version 4?"), 0.99), (Some(same), 0.96)],
            Some(same),
        );
    }

    #[test]
    fn neighbours_that_agree_are_surer_than_neighbours_that_do_not() {
        let prompt = Conversation::read("How do I reset my password?");
        let near = |answers: [&str; 2]| {
            let texts = ["How can I reset my password?", "How do I reset the password?"];
            let neighbours = texts.iter().zip(answers).map(|(text, answer)| {
                let mut near = neighbour(Some(text), 0.9);
                near.entry.text = answer.to_owned();
                near
            });
            let neighbours: Vec<Neighbour> = neighbours.collect();
            candidate(&prompt, &neighbours, |left, right| left == right).unwrap().scores
        };
        let (same, other) = (near(["Use the link", "Use the link"]), near(["Use the link", "Ask the desk"]));
        assert!(
            same.verified > other.verified + 0.2 && same.cosine > other.cosine + 0.2,
            "{same:?} {other:?}"
        );
        assert!(candidate(&prompt, &[neighbour(None, 0.9)], |_, _| true).is_none());
    }
}
