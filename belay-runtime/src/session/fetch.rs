//! A reply that a bad line does not let through whole: set aside on the board and fetched in slices.
//!
//! The call has run, so it cannot be repeated, and the longer its reply is, the less likely all of it arrives intact.
//! Each slice is a request of its own, counted and checked like any other.

use std::{future::Future, pin::Pin};

use tokio::time::Instant;

use super::{
    actor::Actor,
    sealed::{Damaged, Fault},
};
use crate::{
    codec::{msgpack::Limits, reply},
    repl::payload,
};

/// Sets the last reply aside and tells its number and its length. What is evaluated here still sees the reply that was
/// the last.
const SET_ASIDE: &[u8] = b"'k[0],len(B[0])','',{0:B.clear()or B.append(k[1])}";
pub(super) const DROP: &[u8] = b"'0','',{0:B.clear()}";
/// A slice costs a turn: shorter ones are never worth it.
const SHORTEST: usize = 64;

impl Actor {
    /// The reply of call `n`, which was the last, from a verified agent, slice by slice. In a box, because a slice is a
    /// request too.
    pub(super) fn fetch<'a>(
        &'a mut self,
        id: u64,
        n: u32,
        what: &'a str,
        until: Instant,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, Fault>> + Send + 'a>> {
        Box::pin(async move {
            let (kept, len): (u32, usize) = self.read(id, SET_ASIDE, what, until).await?;
            if kept != n {
                return Err(self.unknown(what, "it was interrupted before its reply was kept").into());
            }
            if len > Limits::default().size {
                return Err(self.damaged(what));
            }
            let mut value = Vec::new();
            while value.len() < len {
                let (from, to) = (value.len(), value.len() + self.learned.piece.max(SHORTEST));
                // Long enough that no board keeps the text for ever.
                let body = format!("'B[0][{from:>6}:{to:>6}]','',{{}}");
                let slice: Vec<u8> = self.read(id, body.as_bytes(), what, until).await?;
                value.extend_from_slice(&slice);
                if slice.is_empty() || value.len() > len {
                    return Err(self.damaged(what));
                }
            }
            self.whole(id, DROP, what, until, Damaged::Repeat).await?;
            Ok(payload(&value))
        })
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &mut self,
        id: u64,
        body: &[u8],
        what: &str,
        until: Instant,
    ) -> Result<T, Fault> {
        let answer = self.whole(id, body, what, until, Damaged::Repeat).await?;
        reply::decode(&answer).map_err(|_| self.damaged(what))
    }

    fn damaged(&self, what: &str) -> Fault {
        self.unknown(what, "it ran, and its reply could not be fetched from the board").into()
    }
}
