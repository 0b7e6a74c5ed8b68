//! Greeting the agent: proof that the board listens, and what it has done so far.

use super::{Capabilities, read_record};
use crate::repl::Expect;

/// What the board says when it is greeted.
#[derive(Debug, PartialEq)]
pub(crate) enum Status {
    /// There is no agent of ours: the board has been reset, or never had one.
    Absent,
    /// The agent, and its count of calls before this greeting.
    Present {
        epoch: u32,
        /// The number of the last call that was let through. Later ones did not run.
        last: u32,
        /// The call that an interrupt ended, if one did.
        interrupted: bool,
        /// What was learned of the board when the agent was installed.
        capabilities: Box<Capabilities>,
        /// The identities of what is deployed, by index.
        deployed: Vec<u64>,
    },
}

/// The request that greets, and what answers it. The agent counts from `nonce` afterwards, so it is never reused;
/// the board prints it changed, because a board that is not in the raw REPL echoes what it gets.
pub(crate) fn hello(nonce: u32) -> (Vec<u8>, Expect) {
    let open = !i64::from(nonce);
    let close = open - 1;
    let code = format!("try:_b(-1,{nonce})\nexcept NameError:print(~{nonce},'-',~{nonce}-1)");
    (code.into_bytes(), expect(open, close))
}

fn expect(open: i64, close: i64) -> Expect {
    Expect::Text { open: format!("{open} ").into_bytes(), close: format!(" {close}").into_bytes() }
}

impl Status {
    /// Reads what stood between the two texts that `hello` expects. `None`: the line damaged it.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        if text.trim() == "-" {
            return Some(Self::Absent);
        }
        let mut words = text.splitn(5, ' ');
        let n: u32 = words.next()?.parse().ok()?;
        let interrupted: u32 = words.next()?.parse().ok()?;
        let capabilities = words.next()?;
        let epoch = words.next()?.parse().ok()?;
        let list = words.next()?.trim().strip_prefix('[')?.strip_suffix(']')?;
        let deployed = list.split(',').map(str::trim).filter(|s| !s.is_empty()).map(|s| s.parse().ok());
        let Some(capabilities) = read_record(capabilities) else { return Some(Self::Absent) };
        Some(Self::Present {
            epoch,
            last: if interrupted == 0 { n } else { interrupted },
            interrupted: interrupted != 0,
            capabilities: Box::new(capabilities),
            deployed: deployed.collect::<Option<_>>()?,
        })
    }
}
