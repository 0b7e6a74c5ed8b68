//! The tasks that the suite runs. Every body is Python that MicroPython 1.9.2 understands.

use std::collections::BTreeMap;

use belay::{Device, Object, Result, Stream, Thread};
use serde::{Deserialize, Serialize};

/// One reading, as a dict on the board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) name: String,
    pub(crate) value: i32,
    pub(crate) ok: Option<bool>,
}

#[belay::device]
pub(crate) trait Suite {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        runs = closings = 0
        ended = None
        "#
    }

    /// Counted by the interpreter.
    #[belay::task]
    async fn count(&self) -> Result<u32> {
        r#"
        global runs
        runs += 1
        return runs
        "#
    }

    /// Items of a generator, which is counted when it ends.
    #[belay::task]
    fn items(&self, n: u32) -> impl Stream<Item = Result<u32>> {
        r#"
        global closings
        try:
            for i in range(n):
                yield i
        finally:
            closings += 1
        "#
    }

    /// Items, then an exception.
    #[belay::task]
    fn fails_behind(&self, n: u32) -> impl Stream<Item = Result<u32>> {
        r#"
        for i in range(n):
            yield i
        raise ValueError("no more")
        "#
    }

    /// What stays on the board.
    #[belay::task]
    async fn pair(&self, first: u32) -> Result<Object> {
        "return [first, 'second']"
    }

    #[belay::task]
    async fn closed(&self) -> Result<u32> {
        "return closings"
    }

    #[belay::task]
    async fn long_loop(&self, n: u32) -> Result<()> {
        r#"
        global ended
        ended = False
        i = 0
        while i < n:
            i += 1
        ended = True
        "#
    }

    /// Whether the last `long_loop` came to its end; nothing if there was none in this epoch.
    #[belay::task]
    async fn has_ended(&self) -> Result<Option<bool>> {
        "return ended"
    }

    #[belay::task]
    async fn count_to(&self, n: u32) -> Result<u32> {
        r#"
        i = 0
        while i < n:
            i += 1
        return i
        "#
    }

    #[belay::task]
    async fn free(&self) -> Result<u32> {
        r#"
        import gc
        gc.collect()
        return gc.mem_free()
        "#
    }

    #[belay::task]
    async fn integer(&self, x: i64) -> Result<i64> {
        "return x"
    }

    #[belay::task]
    async fn big(&self, x: i128) -> Result<i128> {
        "return x"
    }

    #[belay::task]
    async fn float(&self, x: f64) -> Result<f64> {
        "return x"
    }

    #[belay::task]
    async fn text(&self, x: &str) -> Result<String> {
        "return x"
    }

    #[belay::task]
    async fn octets(&self, x: serde_bytes::ByteBuf) -> Result<serde_bytes::ByteBuf> {
        "return x"
    }

    #[belay::task]
    async fn list(&self, x: Vec<i32>) -> Result<Vec<i32>> {
        "return x"
    }

    #[belay::task]
    async fn floats(&self, x: Vec<f32>) -> Result<Vec<f32>> {
        "return x"
    }

    #[belay::task]
    async fn squares(&self, n: u32) -> Result<Vec<u32>> {
        "return [i * i for i in range(n)]"
    }

    #[belay::task]
    async fn reading(&self, x: &Reading) -> Result<Reading> {
        "return x"
    }

    #[belay::task]
    async fn dict(&self, x: &BTreeMap<u8, String>) -> Result<BTreeMap<u8, String>> {
        "return x"
    }

    #[belay::task]
    async fn nothing(&self) -> Result<Option<u8>> {
        "return None"
    }

    #[belay::task]
    async fn thing(&self) -> Result<u8> {
        "return object()"
    }

    #[belay::task]
    async fn word(&self) -> Result<u8> {
        "return 'n/a'"
    }

    #[belay::task]
    async fn length(&self, x: serde_bytes::ByteBuf) -> Result<usize> {
        "return len(x)"
    }

    #[belay::task]
    async fn say(&self, what: &str, n: u32) -> Result<u32> {
        r#"
        print(what, end="")
        return n
        "#
    }

    #[belay::task]
    async fn fail(&self, message: &str) -> Result<u8> {
        r#"
        why = message
        raise ValueError(why)
        "#
    }

    #[belay::task]
    async fn io_error(&self) -> Result<u8> {
        "raise OSError(5)"
    }

    #[belay::task]
    async fn leave(&self) -> Result<u8> {
        "raise SystemExit"
    }

    #[belay::task]
    async fn deep(&self) -> Result<u8> {
        r#"
        def down(n):
            return down(n + 1) + 1
        return down(0)
        "#
    }

    #[belay::task]
    async fn greedy(&self, portion: u32) -> Result<u8> {
        r#"
        hoard = []
        while True:
            hoard.append(bytearray(portion))
        "#
    }

    #[belay::task(timeout = "1s")]
    async fn spin(&self) -> Result<u8> {
        r#"
        while True:
            pass
        "#
    }

    #[belay::task(timeout = "1s")]
    async fn chatter(&self) -> Result<u8> {
        r#"
        while True:
            print("and on and on")
        "#
    }
}

/// A second trait with the same names: the two never meet.
#[belay::device]
pub(crate) trait Other {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        "runs = 100"
    }

    #[belay::task]
    async fn tally(&self) -> Result<u32> {
        r#"
        global runs
        runs += 1
        return runs
        "#
    }
}

/// What a task that stands alone can see of others: nothing.
#[belay::task]
pub(crate) async fn sees_runs(device: &Device) -> Result<bool> {
    r#"return "runs" in globals()"#
}

/// What is set up with parameters, and what goes on by itself.
#[belay::device]
pub(crate) trait Forms {
    #[belay::setup]
    async fn begin(&self, first: u32, name: &str) -> Result<()> {
        r#"
        steps = first
        closed = ""
        "#
    }

    #[belay::task]
    async fn steps_and_name(&self) -> Result<(u32, String)> {
        "return steps, name"
    }

    #[belay::task]
    async fn how_it_closed(&self) -> Result<String> {
        "return closed"
    }

    #[belay::thread]
    async fn steps_on(&self) -> Result<Thread> {
        r#"
        global steps, closed
        try:
            while True:
                steps += 1
                yield
        finally:
            closed = "finally"
        "#
    }

    #[belay::thread]
    async fn fails_soon(&self, why: &str) -> Result<Thread> {
        r#"
        yield
        raise ValueError(why)
        "#
    }

    #[belay::teardown]
    async fn end(&self) -> Result<()> {
        r#"
        closed = "by " + name
        "#
    }
}

/// Machine code of the board's own compiler.
#[belay::device]
pub(crate) trait Native {
    #[belay::task]
    async fn sums(&self, data: &serde_bytes::Bytes, factor: u8) -> Result<(u32, u32)> {
        r#"
        @micropython.native
        def native(numbers):
            total = 0
            for n in numbers:
                total += n * factor
            return total

        @micropython.viper
        def viper(numbers: ptr8, count: int) -> int:
            total = 0
            for i in range(count):
                total += numbers[i]
            return total

        return native(data), viper(data, len(data))
        "#
    }
}
