//! The attributes work wherever a user may write them: under `no_implicit_prelude`, with the crate renamed, with any
//! parameter name, out of `macro_rules!`, under `cfg`, without a warning.

#![deny(warnings)]
// What is public here is so for the macros, and nobody reads about it.
#![allow(missing_docs, unreachable_pub)]

use std::future::Future;

/// What the compiler must accept when a future is spawned.
fn spawnable<T: Send>(future: T) -> T {
    future
}

/// Runs a future that never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a mock does not wait"),
    }
}

mod bare {
    #![no_implicit_prelude]

    use ::belay::{Result, task};
    use ::std::convert::AsRef;
    use ::std::result::Result::Ok;

    #[::belay::device]
    pub trait Bare {
        #[::belay::setup]
        async fn open(&self) -> Result<()> {
            "led = 1"
        }

        #[task(timeout = "1s", idempotent, name = "py")]
        async fn read(&self, count: u8) -> Result<u8> {
            "return count + led"
        }

        async fn twice(&self, count: u8) -> Result<u8> {
            let first = self.read(count).await?;
            Ok(first + self.read(count).await?)
        }
    }

    pub struct Mine(pub ::belay::Device);

    impl AsRef<::belay::Device> for Mine {
        fn as_ref(&self) -> &::belay::Device {
            &self.0
        }
    }

    impl Mine {
        #[task]
        pub async fn method(&self) -> Result<u8> {
            "return 1"
        }
    }

    #[task]
    pub async fn free(board: &::belay::Device) -> Result<u8> {
        "return 1"
    }

    #[task]
    pub fn count(board: &::belay::Device, text: &str) -> impl ::belay::Stream<Item = Result<u8>> {
        "for c in text: yield c"
    }

    #[::belay::thread]
    pub async fn blink(board: &::belay::Device, period: u8) -> Result<::belay::Thread> {
        "while True: yield period"
    }

    #[::belay::device]
    pub trait AllForms {
        #[::belay::setup]
        async fn configure(&self, pin: u8, args: &str) -> Result<()> {
            "led = pin, args"
        }

        #[task(timeout = "1s")]
        fn items(&self, args: &str) -> impl ::belay::Stream<Item = Result<u8>> {
            "for c in args: yield c, led, pin"
        }

        #[task]
        fn generic<T>(&self, args: T) -> impl ::belay::Stream<Item = Result<T>>
        where
            T: ::serde::Serialize + ::serde::de::DeserializeOwned + ::std::marker::Send + ::std::marker::Unpin,
        {
            "yield args"
        }

        #[::belay::thread(timeout = "1s")]
        async fn blink(&self, args: u8) -> Result<::belay::Thread> {
            "while led: yield args"
        }

        #[::belay::teardown]
        async fn off(&self) -> Result<()> {
            "led = None"
        }
    }
}

/// Methods that differ in the case of a letter only.
mod cases {
    #[::belay::device]
    #[allow(non_snake_case)]
    pub trait Registers {
        #[::belay::task]
        async fn read_a(&self) -> ::belay::Result<u8> {
            "return 1"
        }

        #[::belay::task]
        async fn read_A(&self) -> ::belay::Result<u8> {
            "return 2"
        }
    }
}

/// A mock writes `async fn`, and no setup.
struct Mock;

impl bare::Bare for Mock {
    async fn read(&self, count: u8) -> belay::Result<u8> {
        Ok(count)
    }
}

/// A stream that is there from the start, and may borrow.
struct Ready<'a, T>(Vec<T>, std::marker::PhantomData<&'a ()>);

impl<T: Unpin> belay::Stream for Ready<'_, T> {
    type Item = T;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.pop())
    }
}

/// A mock of all forms writes streams, and neither setups nor teardowns.
impl bare::AllForms for Mock {
    fn items(&self, args: &str) -> impl belay::Stream<Item = belay::Result<u8>> {
        Ready(args.bytes().rev().map(Ok).collect(), std::marker::PhantomData)
    }

    async fn blink(&self, _: u8) -> belay::Result<belay::Thread> {
        Err(belay::Error::Closed { port: "mock".to_owned() })
    }

    fn generic<T>(&self, args: T) -> impl belay::Stream<Item = belay::Result<T>>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + Send + Unpin,
    {
        Ready(vec![Ok(args)], std::marker::PhantomData)
    }
}

/// Code that is generic over a device trait takes the items where they come.
async fn sum(board: &impl bare::AllForms, text: &str) -> u32 {
    let mut items = spawnable(board.items(text));
    let mut sum = 0;
    while let Some(item) = std::future::poll_fn(|cx| belay::Stream::poll_next(std::pin::Pin::new(&mut items), cx)).await
    {
        sum += u32::from(item.unwrap());
    }
    sum
}

#[test]
fn a_mock_writes_streams_and_no_teardowns() {
    use bare::AllForms;

    assert_eq!(ready(sum(&Mock, "ab")), 195);
    assert!(ready(Mock.configure(1, "")).is_ok() && ready(Mock.off()).is_ok());
    let mut one = Mock.generic(7);
    let one = std::future::poll_fn(|cx| belay::Stream::poll_next(std::pin::Pin::new(&mut one), cx));
    assert_eq!(ready(one).unwrap().unwrap(), 7);
}

/// The streams of a board borrow neither it nor an argument. Never run: it is here to be compiled.
async fn keeps_streams(board: belay::Device) {
    use bare::AllForms;

    fn keep<S: belay::Stream + Send + Unpin + 'static>(stream: S) -> S {
        stream
    }
    let (mut items, generic, _alone) = {
        let text = String::from("a");
        (keep(board.items(&text)), board.generic([1]), keep(bare::count(&board, &text)))
    };
    let _: belay::Result<belay::Thread> = spawnable(board.blink(1)).await;
    let _: belay::Result<belay::Thread> = spawnable(bare::blink(&board, 1)).await;
    drop(board);
    let _: Option<belay::Result<u8>> = items.next().await;
    let _: Option<belay::Result<[u8; 1]>> = keep(generic).next().await;
}

#[test]
fn a_mock_needs_no_setup_and_has_the_helpers() {
    use bare::Bare;

    assert!(ready(Mock.open()).is_ok());
    assert_eq!(ready(spawnable(Mock.twice(4))).unwrap(), 8);
}

pub extern crate belay as hidden;

mod renamed {
    pub mod inner {
        pub use ::hidden as belay_of_ours;
    }

    #[hidden::device(crate = "crate::renamed::inner::belay_of_ours")]
    pub trait Renamed {
        #[hidden::task]
        async fn read(&self) -> hidden::Result<u8> {
            "return 1"
        }
    }

    #[hidden::task(crate = "inner::belay_of_ours")]
    pub async fn free(board: &hidden::Device) -> hidden::Result<u8> {
        "return 1"
    }
}

#[belay::device]
pub trait Names {
    #[belay::task]
    #[allow(clippy::too_many_arguments, non_snake_case)]
    async fn names(
        &self,
        self_: u8,
        device: u8,
        args: u8,
        task: u8,
        call: u8,
        board: u8,
        future: u8,
        r#type: u8,
        r#match: u8,
        Some_: u8,
        SCOPE: u8,
        core: u8,
        name: u8,
        source: u8,
        hash: u8,
        kind: u8,
        params: u8,
    ) -> belay::Result<Vec<u8>> {
        "return [self_, device, args, task, call, board, future, type, match,
                 Some_, SCOPE, core, name, source, hash, kind, params]"
    }
}

macro_rules! device {
    ($name:ident, $method:ident, $param:ident, $body:expr, $literal:literal) => {
        #[belay::device]
        pub trait $name {
            #[belay::task]
            async fn $method(&self, $param: u8) -> belay::Result<u8> {
                $body
            }

            #[belay::task]
            async fn literal(&self, args: u8) -> belay::Result<u8> {
                $literal
            }

            #[belay::task]
            async fn fixed(&self, args: u8) -> belay::Result<u8> {
                "return args"
            }
        }
    };
}

device!(Made, method, args, r#"return args"#, "return args");

#[belay::device]
pub trait Forms {
    /// Left out together with its task.
    #[cfg(any())]
    #[belay::setup]
    async fn no_setup(&self) -> belay::Result<()> {
        "x = 1"
    }

    #[cfg(any())]
    #[belay::task]
    async fn absent(&self, odd: NotThere) -> belay::Result<u8> {
        "return odd"
    }

    #[cfg(not(any()))]
    #[belay::task]
    async fn present<'a, T>(&'a self, value: T, text: &'a str, more: impl serde::Serialize) -> belay::Result<Vec<T>>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
    {
        "return [value, text, more]"
    }

    #[belay::task]
    async fn slices<const N: usize>(&self, values: [u8; N], rest: &[&str]) -> belay::Result<()>
    where
        [u8; N]: serde::Serialize,
    {
        "print(values, rest)"
    }

    #[belay::task]
    async fn unread(&self, _value: u8) -> belay::Result<u8> {
        "return 1"
    }

    async fn patterns(&self, mut first: u8, (second, _): (u8, u8)) -> belay::Result<u8> {
        first += second;
        self.unread(first).await
    }

    async fn lend<'a>(&self, text: &'a str) -> &'a str {
        let _ = self.unread(0).await;
        text
    }

    fn unit(&self) -> &'static str {
        "°C"
    }
}

#[belay::device]
pub trait Empty {}

#[deprecated]
#[belay::device]
pub trait Old {
    #[belay::task]
    #[deprecated]
    async fn old(&self) -> belay::Result<u8> {
        "return 1"
    }
}

pub trait Extension: AsRef<belay::Device> {
    #[belay::task]
    async fn extended(&self, value: u8) -> belay::Result<u8> {
        "return value"
    }
}

impl Extension for bare::Mine {}

/// Never run: it is here to be compiled.
async fn all_kinds(board: &belay::Device, mine: &bare::Mine) -> belay::Result<()> {
    use bare::Bare;
    use renamed::Renamed;

    let _: u8 = spawnable(Bare::read(board, 1)).await?;
    let _: u8 = spawnable(board.twice(1)).await?;
    let _: u8 = mine.method().await? + bare::free(board).await?;
    let _: u8 = Renamed::read(board).await? + renamed::free(board).await?;
    let _: u8 = board.method(1).await? + board.literal(1).await? + board.fixed(1).await?;
    let _: Vec<u64> = spawnable(board.present(1_u64, "a", [1.5])).await?;
    spawnable(board.slices([1, 2], &["a"])).await?;
    let _: u8 = spawnable(board.patterns(1, (2, 3))).await? + mine.extended(1).await?;
    let _: &str = board.lend(board.unit()).await;
    let _: Vec<u8> = board.names(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17).await?;
    Ok(())
}

#[test]
fn a_trait_may_stand_inside_of_a_function() {
    #[belay::device]
    trait Local {
        #[belay::task]
        async fn read(&self) -> belay::Result<u8> {
            "return 1"
        }
    }

    struct Mock;

    impl Local for Mock {
        async fn read(&self) -> belay::Result<u8> {
            Ok(7)
        }
    }

    assert_eq!(ready(Mock.read()).unwrap(), 7);
    let _ = (all_kinds, keeps_streams);
}

#[allow(non_snake_case)]
impl cases::Registers for Mock {
    async fn read_a(&self) -> belay::Result<u8> {
        Ok(1)
    }

    async fn read_A(&self) -> belay::Result<u8> {
        Ok(2)
    }
}

#[test]
fn methods_may_differ_in_the_case_of_a_letter_only() {
    use cases::Registers;
    assert_eq!((ready(Mock.read_a()).unwrap(), ready(Mock.read_A()).unwrap()), (1, 2));
}
