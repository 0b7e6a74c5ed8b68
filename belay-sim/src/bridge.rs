//! Two lines joined to one, because a virtual board is reached through other kinds of ports as well.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite, copy, split};

/// Carries bytes both ways until one of the two has ended or failed.
pub(crate) async fn bridge<A, B>(a: &mut A, b: &mut B)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut a_out, mut a_in) = split(a);
    let (mut b_out, mut b_in) = split(b);
    let mut forth = pin!(copy(&mut a_out, &mut b_in));
    let mut back = pin!(copy(&mut b_out, &mut a_in));
    poll_fn(|context| {
        let ended = forth.as_mut().poll(context).is_ready() || back.as_mut().poll(context).is_ready();
        if ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
