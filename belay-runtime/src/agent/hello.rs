//! Greeting the agent: proof that the board listens, and what it has done so far.

use super::{Agent, Capabilities, read_record};
use crate::repl::{Expect, check};

/// A count as large as this is none: the line made it up, or a program.
const MOST_CALLS: u32 = 1 << 31;

/// What the board says when it is greeted.
pub(crate) enum Status {
    /// There is no agent of ours: the board has been reset, or never had one.
    Absent,
    /// The agent, and what it has done.
    Present(Box<Present>),
}

/// An agent that answered.
pub(crate) struct Present {
    pub(crate) agent: &'static Agent,
    pub(crate) epoch: u32,
    /// How many calls were let through so far: those with higher numbers did not run.
    pub(crate) calls: u32,
    /// What was learned of the board when the agent was installed.
    pub(crate) capabilities: Capabilities,
    /// The identities of what is deployed, in its order.
    pub(crate) deployed: Vec<u64>,
}

/// The request that greets, and what answers it. The board prints the nonce changed, because a board that is not in
/// the raw REPL echoes what it gets.
pub(crate) fn hello(nonce: u32) -> (Vec<u8>, Expect) {
    let code = format!("try:_b(-{nonce},1)\nexcept(NameError,TypeError):print(~-{nonce},'-',~{nonce})");
    (code.into_bytes(), between(nonce))
}

/// What is printed between `~-nonce` and `~nonce`.
pub(crate) fn between(nonce: u32) -> Expect {
    let nonce = i64::from(nonce);
    Expect::between(format!("{} ", !-nonce), format!(" {}", !nonce))
}

impl Status {
    /// Reads the answer to `hello(nonce)`. `None`: the line damaged it.
    pub(crate) fn parse(text: &[u8], nonce: u32) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim();
        if text == "-" {
            return Some(Self::Absent);
        }
        // On a verified line it is a literal with a check behind it.
        let (said, sum) = match text.strip_prefix("b'") {
            Some(rest) => rest.rsplit_once("' ").map(|(said, sum)| (said, Some(sum)))?,
            None => (text, None),
        };
        if sum.is_some_and(|sum| sum.parse() != Ok(check(-i64::from(nonce), said.as_bytes()))) {
            return None;
        }
        let mut words = said.splitn(4, ' ');
        let calls = words.next()?.parse().ok().filter(|&calls| calls < MOST_CALLS)?;
        let Some((agent, capabilities)) = read_record(words.next()?) else {
            // Another version's agent: it is replaced.
            return Some(Self::Absent);
        };
        if agent.verifies != sum.is_some() {
            return None;
        }
        let epoch = words.next()?.parse().ok()?;
        let list = words.next()?.strip_prefix('[')?.strip_suffix(']')?;
        let deployed = list.split(',').map(str::trim).filter(|s| !s.is_empty()).map(|s| s.parse().ok());
        let deployed = deployed.collect::<Option<_>>()?;
        Some(Self::Present(Box::new(Present { agent, epoch, calls, capabilities, deployed })))
    }
}

/// The shortest request that proves, by its answer, that everything before it has ended. An echo is no answer, but a
/// board that was reset meanwhile and greets people answers too: it runs a line at its end. There the `#` keeps the
/// Ctrl-D that follows from being one on an empty line, which would reset the board again. The line end before it keeps
/// it apart from what stands there unread: a request whose end was lost, or one that was typed for people.
pub(crate) fn ping(nonce: u32) -> (Vec<u8>, Expect) {
    let expect = Expect::between((!i64::from(nonce)).to_string(), "\n");
    (format!("\rprint(~{nonce})\r#").into_bytes(), expect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repl::Way;

    #[test]
    fn a_count_that_leaves_no_room_for_more_calls_is_not_believed() {
        let facts = ["micropython", "1.27.0", "rp2", "190000", "32", "32767", "0"];
        let board = Capabilities::from_facts(facts, Some(128), 2, Way::Exact).unwrap();
        let agent = Agent::choose(&board, false);
        let calls = |count: &str| {
            let said = format!("{count} {:x};{} 9 [1, 2]", agent.version, board.to_record());
            match Status::parse(said.as_bytes(), 5) {
                Some(Status::Present(present)) => Some(present.calls),
                _ => None,
            }
        };
        assert_eq!(calls("0"), Some(0));
        assert_eq!(calls("1000000000"), Some(1_000_000_000));
        for count in ["2147483648", "4294967295", "4294967296", "-1"] {
            assert_eq!(calls(count), None, "{count}");
        }
    }
}
