//! Signatures that no board can have.

use belay::{Device, Result, Stream, Thread};

#[belay::device]
trait Signatures {
    #[belay::task]
    async fn no_self() -> Result<u8> {
        "return 1"
    }

    #[belay::task]
    async fn by_value(self) -> Result<u8> {
        "return 1"
    }

    #[belay::task]
    async fn mutable(&mut self) -> Result<u8> {
        "return 1"
    }

    #[belay::task]
    fn not_async(&self) -> Result<u8> {
        "return 1"
    }

    #[belay::task]
    fn result_of_stream(&self) -> Result<impl Stream<Item = u8>> {
        "yield 1"
    }

    #[belay::task]
    async fn async_stream(&self) -> impl Stream<Item = Result<u8>> {
        "yield 1"
    }

    #[belay::task]
    fn no_item(&self) -> impl Stream {
        "yield 1"
    }

    #[belay::task(idempotent)]
    fn twice(&self) -> impl Stream<Item = Result<u8>> {
        "yield 1"
    }

    #[belay::task]
    fn borrowed_items(&self) -> impl Stream<Item = Result<&'static str>> {
        "yield 'a'"
    }

    #[belay::thread]
    async fn no_handle(&self) -> Result<u8> {
        "yield"
    }

    #[belay::thread]
    async fn no_yield(&self) -> Result<Thread> {
        "while True: pass"
    }

    #[belay::thread(idempotent)]
    async fn again(&self) -> Result<Thread> {
        "yield"
    }

    #[belay::task]
    async fn nothing(&self) {
        "pass"
    }

    #[belay::task]
    async fn unit(&self) -> () {
        "pass"
    }

    #[belay::task]
    async fn unnamed(&self) -> Result<impl Sized> {
        "return 1"
    }

    #[belay::task]
    async unsafe fn danger(&self) -> Result<u8> {
        "return 1"
    }

    #[belay::task]
    async fn patterns(&self, (a, b): (u8, u8), _: u8, mut c: u8, #[allow(unused)] d: u8) -> Result<u8> {
        "return c + d"
    }

    #[belay::teardown]
    async fn off(&self, pin: u8) -> Result<()> {
        "x = pin"
    }
}

#[belay::task]
async fn no_board() -> Result<u8> {
    "return 1"
}

#[belay::task]
async fn wrong_board(count: u8) -> Result<u8> {
    "return count"
}

#[belay::setup]
async fn setup_alone(device: &Device) -> Result<()> {
    "x = 1"
}

#[belay::teardown]
async fn teardown_alone(device: &Device) -> Result<()> {
    "x = 1"
}

#[belay::task]
struct NoFunction;

#[belay::device]
struct NoTrait;

#[belay::device]
unsafe trait Unsafe {}

#[belay::device]
trait Associated {
    const LIMIT: u8;
    type Output;
}

fn main() {}
