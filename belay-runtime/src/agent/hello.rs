//! Greeting the agent: proof that the board listens, and what it has done so far.

use super::{Agent, Capabilities, read_record};
use crate::repl::{Expect, check};

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
    /// The identities of what is deployed, by index.
    pub(crate) deployed: Vec<u64>,
}

/// The request that greets, and what answers it. The board prints the nonce changed, because a board that is not in
/// the raw REPL echoes what it gets.
pub(crate) fn hello(nonce: u32) -> (Vec<u8>, Expect) {
    let code = format!("try:_b(-1,{nonce})\nexcept(NameError,TypeError):print(~{nonce},'-',~{nonce}-1)");
    (code.into_bytes(), between(nonce))
}

/// What is printed between `~nonce` and `~nonce - 1`.
pub(crate) fn between(nonce: u32) -> Expect {
    let open = !i64::from(nonce);
    Expect::Text { open: format!("{open} ").into_bytes(), close: format!(" {}", open - 1).into_bytes() }
}

impl Status {
    /// Reads the answer to `hello(nonce)`. `None`: the line damaged it.
    pub(crate) fn parse(text: &[u8], nonce: u32) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim();
        if text == "-" {
            return Some(Self::Absent);
        }
        let (text, sum) = text.rsplit_once(' ')?;
        let mut words = text.splitn(5, ' ');
        let calls = words.next()?.parse().ok()?;
        let _locked: u8 = words.next()?.parse().ok()?;
        let record = words.next()?;
        let epoch = words.next()?.parse().ok()?;
        let list = words.next()?.strip_prefix('[')?.strip_suffix(']')?;
        let deployed = list.split(',').map(str::trim).filter(|s| !s.is_empty()).map(|s| s.parse().ok());
        let deployed = deployed.collect::<Option<_>>()?;
        let whole: u32 = sum.parse().ok()?;
        match read_record(record) {
            Some((agent, _)) if agent.verifies && whole != check(nonce, text.as_bytes()) => None,
            Some((agent, capabilities)) => {
                Some(Self::Present(Box::new(Present { agent, epoch, calls, capabilities, deployed })))
            }
            // Another version's agent: it is replaced.
            None => Some(Self::Absent),
        }
    }
}
