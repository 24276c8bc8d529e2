//! What was known at each of some times: an interval over time is made of it.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::sums::{Sums, Unit};

/// What was known of the arms at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    pub at: Timestamp,
    /// Of one metric, in the order of the arms.
    pub arms: Vec<Sums>,
}

/// An outcome of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The arm's place among the arms.
    pub arm: usize,
    /// The unit, where it is not the request.
    pub session: Option<&'a str>,
    /// What was known of the unit before.
    pub before: f64,
    pub value: f64,
    /// When it became known.
    pub at: Timestamp,
}

/// Collects outcomes of one metric, in any order, into moments that are evenly apart.
#[derive(Debug)]
pub struct Timeline {
    from: Timestamp,
    step: SignedDuration,
    points: usize,
    /// Of each arm, what each moment added.
    added: Vec<Vec<Sums>>,
    /// Outcomes of sessions and their sum, by the moment they came before.
    sessions: HashMap<String, Session>,
}

#[derive(Debug)]
struct Session {
    arm: usize,
    before: f64,
    by_moment: BTreeMap<usize, (f64, f64)>,
}

impl Timeline {
    /// Takes the number of arms, the first and the last time at which an outcome became known, and how many moments there are
    /// to be.
    pub fn new(arms: usize, from: Timestamp, to: Timestamp, points: usize) -> Self {
        let points = points.max(1);
        let span = to.duration_since(from).max(SignedDuration::ZERO);
        let step = span / i32::try_from(points).unwrap_or(i32::MAX);
        let added = vec![vec![Sums::default(); points]; arms];
        Self { from, step: step.max(SignedDuration::from_micros(1)), points, added, sessions: HashMap::new() }
    }

    /// Adds an outcome.
    pub fn add(&mut self, seen: Seen<'_>) {
        let Seen { arm, session, before, value, at } = seen;
        let passed = at.duration_since(self.from).as_micros() / self.step.as_micros().max(1);
        let moment = usize::try_from(passed).unwrap_or(0).min(self.points - 1);
        if let Some(session) = session {
            let new = || Session { arm, before, by_moment: BTreeMap::new() };
            let kept = self.sessions.entry(session.to_owned()).or_insert_with(new);
            let (outcomes, total) = kept.by_moment.entry(moment).or_default();
            *outcomes += 1.0;
            *total += value;
        } else if let Some(sums) = self.added.get_mut(arm).and_then(|moments| moments.get_mut(moment)) {
            sums.add(Unit { outcomes: 1.0, total: value, before });
        }
    }

    /// Adds what outcomes of a moment, summed up elsewhere, add to the sums of an arm.
    pub fn merge(&mut self, moment: usize, arm: usize, added: &Sums) {
        if let Some(sums) = self.added.get_mut(arm).and_then(|moments| moments.get_mut(moment)) {
            sums.merge(added);
        }
    }

    /// Gives what was known at the end of each moment.
    pub fn moments(mut self) -> Vec<Moment> {
        for Session { arm, before, by_moment } in std::mem::take(&mut self.sessions).into_values() {
            let Some(moments) = self.added.get_mut(arm) else { continue };
            let (mut outcomes, mut total) = (0.0, 0.0);
            for (moment, (more, sum)) in by_moment {
                let Some(sums) = moments.get_mut(moment) else { continue };
                sums.remove(Unit { outcomes, total, before });
                (outcomes, total) = (outcomes + more, total + sum);
                sums.add(Unit { outcomes, total, before });
            }
        }
        let mut arms = vec![Sums::default(); self.added.len()];
        let moments = (0..self.points).map(|moment| {
            for (sums, added) in arms.iter_mut().zip(&self.added) {
                if let Some(added) = added.get(moment) {
                    sums.merge(added);
                }
            }
            let passed = self.step * i32::try_from(moment + 1).unwrap_or(i32::MAX);
            Moment { at: self.from.checked_add(passed).unwrap_or(self.from), arms: arms.clone() }
        });
        moments.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn seen(arm: usize, session: Option<&str>, value: f64, second: i64) -> Seen<'_> {
        Seen { arm, session, before: 0.0, value, at: at(second) }
    }

    #[test]
    fn the_last_moment_knows_all_and_the_first_what_came_first() {
        let mut timeline = Timeline::new(2, at(0), at(10), 5);
        for second in [9, 1, 10, 0] {
            timeline.add(seen(0, None, second as f64, second));
        }
        timeline.add(seen(1, None, 7.0, 20));
        let moments = timeline.moments();
        let of =
            |moment: usize, arm: usize| (moments[moment].arms[arm].units, moments[moment].arms[arm].total);
        assert_eq!([of(0, 0), of(3, 0), of(4, 0)], [(2.0, 1.0), (2.0, 1.0), (4.0, 20.0)]);
        assert_eq!([of(0, 1), of(4, 1)], [(0.0, 0.0), (1.0, 7.0)]);
        assert_eq!((moments[0].at, moments[4].at), (at(2), at(10)));
    }

    #[test]
    fn a_session_is_one_unit_that_grows() {
        let mut timeline = Timeline::new(1, at(0), at(10), 2);
        for (session, value, second) in [("a", 1.0, 9), ("a", 2.0, 1), ("b", 4.0, 2)] {
            timeline.add(Seen { before: 0.5, ..seen(0, Some(session), value, second) });
        }
        let moments = timeline.moments();
        let [early, late] = [0, 1].map(|moment: usize| moments[moment].arms[0]);
        assert_eq!((early.units, early.outcomes, early.total_squared), (2.0, 2.0, 20.0));
        assert_eq!((late.units, late.outcomes, late.total_squared, late.before), (2.0, 3.0, 25.0, 1.0));
    }
}
