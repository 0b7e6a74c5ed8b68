//! What three layers, each erased by itself, add to a call. Run it with `--release`.

use std::{
    future::{Ready, ready},
    hint::black_box,
    task::{Context, Poll},
    time::Instant,
};

use belay_runtime::{Call, Device, Reply, Result};
use tower::{Layer, Service, layer::layer_fn};

/// The longest that they may take.
const MOST: f64 = 300.0;
const CALLS: u32 = 200_000;

/// Answers at once.
#[derive(Clone)]
struct Board;

impl Service<Call> for Board {
    type Response = Reply;
    type Error = belay_runtime::Error;
    type Future = Ready<Result<Reply>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Call) -> Self::Future {
        ready(Ok(Reply::new(vec![0xc0])))
    }
}

/// Passes calls on.
#[derive(Clone)]
struct Pass<S>(S);

impl<S: Service<Call>> Service<Call> for Pass<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> S::Future {
        self.0.call(call)
    }
}

fn pass<S>() -> impl Layer<S, Service = Pass<S>> {
    layer_fn(Pass)
}

/// Nanoseconds of one call.
async fn cost(device: &Device) -> f64 {
    let session = device.session();
    let begun = Instant::now();
    for _ in 0..CALLS {
        let _ = black_box(session.soft_reset().await);
    }
    begun.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let bare = Device::from_service("bare", Board);
    let layered = bare.with_layer(pass()).with_layer(pass()).with_layer(pass());
    // The best of several: what else the machine does is not what is asked.
    let (mut without, mut with) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        without = without.min(cost(&bare).await);
        with = with.min(cost(&layered).await);
    }
    let added = with - without;
    println!("a call to a service: {without:.0} ns; with three layers: {with:.0} ns; they add {added:.0} ns");
    assert!(added < MOST || cfg!(debug_assertions), "three layers add {added:.0} ns, more than {MOST} ns");
}
