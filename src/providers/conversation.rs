//! Brings a conversation into the form of the providers that insist on one: turns alternate, the
//! user begins.
//!
//! No word is lost and nobody's words change hands.

use super::ProviderCall;
use crate::domain::prompt::{Role, Turn};

/// Stands where the user said nothing before the assistant's first turn.
const OPENING: &str = "(The conversation begins with the assistant.)";

/// Gives the system prompt, if it says anything; providers refuse a blank one.
pub(super) fn system(call: &ProviderCall) -> Option<&str> {
    call.system.as_deref().filter(|text| !text.trim().is_empty())
}

/// Joins consecutive turns of one speaker by a blank line, leaves out blank turns, and puts an
/// opening before an assistant who speaks first.
pub(super) fn alternating(turns: &[Turn]) -> Vec<Turn> {
    let mut alternating: Vec<Turn> = Vec::with_capacity(turns.len() + 1);
    for turn in turns.iter().filter(|turn| !turn.text.trim().is_empty()) {
        match alternating.last_mut() {
            Some(last) if last.role == turn.role => {
                last.text.push_str("\n\n");
                last.text.push_str(&turn.text);
            }
            None if turn.role == Role::Assistant => {
                alternating.push(Turn { role: Role::User, text: OPENING.into() });
                alternating.push(turn.clone());
            }
            _ => alternating.push(turn.clone()),
        }
    }
    alternating
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_alternate_and_the_user_begins() {
        let check = |turns: &[(Role, &str)], expected: &[(Role, &str)]| {
            let turns: Vec<Turn> =
                turns.iter().map(|(role, text)| Turn { role: *role, text: (*text).into() }).collect();
            let found = alternating(&turns);
            let found: Vec<_> = found.iter().map(|turn| (turn.role, turn.text.as_str())).collect();
            assert_eq!(found, expected);
        };
        use Role::{Assistant, User};
        check(&[(User, "a")], &[(User, "a")]);
        check(&[(User, "a"), (User, "b")], &[(User, "a\n\nb")]);
        check(&[(User, "a"), (Assistant, " "), (User, "b")], &[(User, "a\n\nb")]);
        check(&[(Assistant, "a"), (User, "b")], &[(User, OPENING), (Assistant, "a"), (User, "b")]);
        check(
            &[(User, "a"), (Assistant, "b"), (Assistant, "c"), (User, "d")],
            &[(User, "a"), (Assistant, "b\n\nc"), (User, "d")],
        );
    }
}
