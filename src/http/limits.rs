//! What one user, and all together, may ask of the server.

use std::time::{Duration, Instant};

/// Bytes of a request's body: a prompt of 200,000 characters with its earlier turns.
pub(super) const MAX_BODY_BYTES: usize = 4 << 20;
/// Requests of one user a second, in the long run.
const RATE: f64 = 10.0;
/// Requests of one user that may come at once after a quiet time.
const BURST: f64 = 100.0;
/// Requests and streams of one user that may be open at once.
pub(super) const MOST_AT_ONCE_OF_A_USER: usize = 64;
/// The same of all users.
pub(super) const MOST_AT_ONCE: usize = 4_096;
/// Connections.
pub(super) const MOST_CONNECTIONS: usize = 8_192;
/// How long a connection may be idle, or take for the head of a request; longer than proxies keep theirs.
pub(super) const LONGEST_IDLE: Duration = Duration::from_secs(150);
/// How long a body may take to arrive.
pub(super) const LONGEST_UPLOAD: Duration = Duration::from_secs(30);

/// A user's bucket: it fills with time, and each request takes one drop.
#[derive(Debug)]
pub(super) struct Bucket {
    drops: f64,
    at: Instant,
}

impl Bucket {
    pub(super) const fn full(now: Instant) -> Self {
        Self { drops: BURST, at: now }
    }

    /// Takes a drop, or says in how many seconds there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), u64> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.drops = (self.drops + passed * RATE).min(BURST);
        self.at = now;
        if self.drops < 1.0 {
            return Err(((1.0 - self.drops) / RATE).ceil().max(1.0) as u64);
        }
        self.drops -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_may_burst_and_then_keeps_to_the_rate() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut bucket = Bucket::full(start);
        let taken =
            |bucket: &mut Bucket, now: Instant| (0..1_000).take_while(|_| bucket.take(now).is_ok()).count();
        assert_eq!(taken(&mut bucket, at(0)), 100);
        assert_eq!(bucket.take(at(50)), Err(1));
        assert_eq!(taken(&mut bucket, at(1_050)), 10);
        assert_eq!(taken(&mut bucket, at(60_000)), 100, "a quiet time saves up no more than a burst");
        // A clock that stands still gives nothing away.
        assert_eq!(bucket.take(at(60_000)), Err(1));
    }
}
