//! What the macros hand to the runtime, seen by a recorder in the runtime's place: names, options, hashes, and the
//! line of every Python line for every form of a body.

// The recorder has the visibility of the facade.
#![allow(unreachable_pub)]

use std::time::Duration;

/// Stands where the facade stands: the real data types, and a call that only says what it was given.
mod recorder {
    pub struct Device;

    impl AsRef<Self> for Device {
        fn as_ref(&self) -> &Self {
            self
        }
    }

    pub trait Stream {
        type Item;
    }

    pub mod __private {
        pub use belay::__private::{Kind, Origin, Scope, Task};

        use super::{Device, Stream};

        pub struct Args(Call);

        #[derive(Clone, Debug)]
        pub struct Call {
            pub task: &'static Task,
            pub values: Vec<String>,
        }

        impl Args {
            pub fn new(task: &'static Task) -> Self {
                Self(Call { task, values: Vec::new() })
            }

            pub fn push<T: std::fmt::Debug + ?Sized>(&mut self, value: &T) {
                self.0.values.push(format!("{value:?}"));
            }
        }

        pub fn returns<R: From<Call>>() -> fn(Call) -> R {
            R::from
        }

        pub fn item<R: From<Call>>(call: Call) -> R {
            R::from(call)
        }

        pub fn call<R: Send>(
            _: &Device,
            Args(call): Args,
            returns: fn(Call) -> R,
        ) -> impl Future<Output = R> + Send + use<R> {
            std::future::ready(returns(call))
        }

        pub struct Streaming<R>(pub R);

        impl<R> Stream for Streaming<R> {
            type Item = R;
        }

        pub fn stream<R>(_: &Device, Args(call): Args, item: fn(Call) -> R) -> Streaming<R> {
            Streaming(item(call))
        }

        pub fn thread(_: &Device, Args(call): Args) -> impl Future<Output = Call> + Send {
            std::future::ready(call)
        }
    }
}

use recorder::__private::{Call, Kind, Streaming, Task};
use recorder::{Device, Stream};

/// Runs a future that never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the recorder does not wait"),
    }
}

const LINE: u32 = line!();

#[belay::device(crate = "crate::recorder")]
trait Recorded {
    #[belay::setup(timeout = "10s")]
    async fn prepare(&self) -> Result<(), Call> {
        r#"
        # A comment.
        total = 0

        def add(n: int) -> int:
            """Adds."""
            global total
            total += n
            return total
        "#
    }

    #[belay::task(timeout = "250ms", idempotent, name = "py_add")]
    async fn add(&self, count: u8, text: &str, r#type: Option<f32>) -> Call {
        "return add(count), text, type"
    }

    #[belay::task]
    async fn escapes(&self) -> Call {
        "x = 1; y = \"\x41\"
         z = 3; \
         w = 4
         return x, y, z, w"
    }

    #[belay::task(file = "ui/py/right.py")]
    async fn file(&self) -> Call;

    #[belay::setup]
    async fn configure(&self, pin: u8) -> Result<(), Call> {
        "led = pin"
    }

    #[belay::task(name = "py_items")]
    fn items(&self, text: &str) -> impl Stream<Item = Call> {
        "yield text"
    }

    #[belay::thread(timeout = "1s")]
    async fn blink(&self, period: u8) -> Call {
        "while led: yield period"
    }

    #[belay::teardown(timeout = "3s")]
    async fn off(&self) -> Result<(), Call> {
        "led = None"
    }

    #[belay::teardown]
    async fn last(&self) -> Result<(), Call> {
        "led = 1"
    }
}

/// A setup gives nothing back: its call comes as the error.
impl From<Call> for Result<(), Call> {
    fn from(call: Call) -> Self {
        Err(call)
    }
}

macro_rules! alone {
    ($body:expr) => {
        #[belay::task(crate = "recorder")]
        async fn from_a_macro(device: &Device) -> Call {
            $body
        }
    };
}

alone!(
    r##"

    return (1,
            2)
    "##
);

/// The lines of the deployed source, with the lines of this file (or of the body's) that they come from.
fn lines(call: &Call) -> Vec<(&'static str, u32)> {
    let origin = &call.task.origin;
    assert_eq!(origin.lines.len(), origin.text.len());
    assert_eq!(origin.lines.len(), call.task.source.split('\n').count());
    call.task.source.split('\n').zip(origin.lines.iter().copied()).collect()
}

#[test]
fn a_setup_is_module_text() {
    let call = ready(Device.prepare()).unwrap_err();
    let task = call.task;
    assert_eq!(
        (task.name, task.kind, task.params, task.timeout),
        ("prepare", Kind::Setup, &[][..], Some(Duration::from_secs(10)))
    );
    let first = LINE + 8;
    assert_eq!(
        lines(&call),
        [
            ("total=0", first),
            ("def add(n):", first + 2),
            (" global total", first + 4),
            (" total+=n", first + 5),
            (" return total", first + 6)
        ]
    );
    assert_eq!(task.origin.file, file!());
    assert_eq!(task.origin.text[1], "def add(n: int) -> int:");
    assert_eq!(names(task.scope.setups), ["prepare", "configure"]);
    assert_eq!(names(task.scope.teardowns), ["off", "last"]);
}

fn names(tasks: &[&'static Task]) -> Vec<&'static str> {
    tasks.iter().map(|task| task.name).collect()
}

#[test]
fn a_setup_with_parameters_is_called_with_them() {
    let call = ready(Device.configure(13)).unwrap_err();
    assert_eq!((call.task.kind, call.task.params, call.task.source), (Kind::Setup, &["pin"][..], "led=pin"));
    assert_eq!(call.values, ["13"]);
}

#[test]
fn a_stream_borrows_nothing() {
    fn everywhere<T: Send + Unpin + 'static>(value: T) -> T {
        value
    }
    let Streaming(call) = everywhere({
        let text = "a".to_owned();
        Device.items(&text)
    });
    assert_eq!((call.task.name, call.task.kind), ("py_items", Kind::Stream));
    assert_eq!((call.task.source, call.values), ("def py_items(text):\n yield text", vec!["\"a\"".to_owned()]));
}

#[test]
fn a_thread_is_a_function() {
    let Call { task, values } = ready(Device.blink(7));
    assert_eq!((task.name, task.kind, task.timeout), ("blink", Kind::Thread, Some(Duration::from_secs(1))));
    assert_eq!((task.source, values), ("def blink(period):\n while led:yield period", vec!["7".to_owned()]));
}

#[test]
fn a_teardown_is_module_text() {
    let task = ready(Device.off()).unwrap_err().task;
    assert_eq!((task.kind, task.source, task.timeout), (Kind::Teardown, "led=None", Some(Duration::from_secs(3))));
}

/// Two traits of one name, each in a function.
#[test]
fn every_trait_has_a_scope_of_its_own() {
    fn first() -> Call {
        #[belay::device(crate = "crate::recorder")]
        trait Local {
            #[belay::task]
            async fn read(&self) -> Call {
                "return 1"
            }
        }
        ready(Device.read())
    }
    fn second() -> Call {
        #[belay::device(crate = "crate::recorder")]
        trait Local {
            #[belay::task]
            async fn read(&self) -> Call {
                "return 1"
            }
        }
        ready(Device.read())
    }
    let scope = |call: Call| call.task.scope;
    let scopes = [scope(first()), scope(second()), scope(ready(Device.escapes())), scope(ready(from_a_macro(&Device)))];
    let module = module_path!();
    let [local, recorded] = ["Local", "Recorded"].map(|name| format!("{module}::{name}"));
    assert_eq!(scopes.map(|scope| scope.key), [&local, &local, &recorded, module]);
    let places = scopes.map(|scope| (scope.place)());
    let different: std::collections::HashSet<_> = places.iter().collect();
    assert_eq!(different.len(), places.len(), "{places:?}");
    assert_eq!((scope(first()).place)(), places[0]);
}

#[test]
fn a_task_is_a_function() {
    let call = ready(Device.add(7, "a", None));
    let task = call.task;
    assert_eq!((task.name, task.kind, task.params), ("py_add", Kind::Task, &["count", "text", "type"][..]));
    assert_eq!((task.timeout, task.idempotent), (Some(Duration::from_millis(250)), true));
    assert_eq!(call.values, ["7", "\"a\"", "None"]);
    assert_eq!(
        lines(&call),
        [("def py_add(count,text,type):", LINE + 19), (" return add(count),text,type", LINE + 20)]
    );
    let fnv1a = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    assert_eq!(task.hash, task.source.bytes().fold(0xcbf2_9ce4_8422_2325, fnv1a));
}

#[test]
fn escaped_and_continued_lines_are_found() {
    let first = LINE + 25;
    assert_eq!(
        lines(&ready(Device.escapes())),
        [
            ("def escapes():", first - 1),
            (" x=1;y=\"A\"", first),
            (" z=3;w=4", first + 1),
            (" return x,y,z,w", first + 3)
        ]
    );
}

#[test]
fn a_body_in_a_file_has_the_lines_of_that_file() {
    let call = ready(Device.file());
    assert_eq!(lines(&call), [("def file():", LINE + 32), (" return 1", 1)]);
    assert!(call.task.origin.file.ends_with("tests/ui/py/right.py"), "{}", call.task.origin.file);
}

/// What cargo reads to know when this program must be built anew.
#[test]
fn a_body_in_a_file_is_rebuilt_when_the_file_changes() {
    let program = std::env::current_exe().unwrap();
    let dependencies = std::fs::read_to_string(program.with_extension("d")).unwrap();
    let file = std::path::Path::new("tests").join("ui").join("py").join("right.py");
    let file = file.to_str().unwrap();
    let mut ours = dependencies.lines().filter(|line| line.contains("expansion") && line.contains(": "));
    assert!(ours.any(|line| line.contains(file)), "{file}: {dependencies}");
}

#[test]
fn a_body_out_of_a_macro_has_the_lines_where_it_was_written() {
    let call = ready(from_a_macro(&Device));
    let first = lines(&call)[1].1;
    assert_eq!(lines(&call)[1..], [(" return(1,", first), ("2)", first + 1)]);
    let source = std::fs::read_to_string(file!()).unwrap();
    assert_eq!(source.lines().nth(first as usize - 1), Some("    return (1,"));
}
