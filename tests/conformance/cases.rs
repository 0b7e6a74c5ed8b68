//! What every board must do. A case that a board cannot do says what is missing.

use std::{
    collections::BTreeMap,
    pin::Pin,
    time::{Duration, Instant},
};

use belay::{Capabilities, Device, Error, Holding, HoldingKind};
use serde_bytes::{ByteBuf, Bytes};

use crate::board::{Forms, Native, Other, Reading, Suite, sees_runs};

/// Something under way.
type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How a case ended on a board.
pub(crate) type Outcome = Result<(), String>;

/// What is known of a board before the cases run.
pub(crate) struct Facts {
    pub(crate) capabilities: Capabilities,
    /// Whether Ctrl-C stops a running loop: tried with one that ends by itself.
    pub(crate) obeys_ctrl_c: bool,
}

/// Something that a board must do.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// `Some(reason)`: this board cannot, and the reason is what it said of itself.
    pub(crate) left_out: fn(&Facts) -> Option<String>,
    pub(crate) run: fn(Device) -> Running<Outcome>,
}

macro_rules! cases {
    ($($name:ident $(unless $reason:expr)?;)*) => {
        /// All cases, in the order in which they run.
        pub(crate) const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            left_out: cases!(@reason $($reason)?),
            run: |device| Box::pin($name(device)),
        }),*];
    };
    (@reason) => { |_| None };
    (@reason $reason:expr) => { $reason };
}

cases! {
    integers_of_every_size;
    big_integers;
    floats_of_the_boards_width;
    text_of_every_kind;
    bytes_of_every_value;
    lists_and_typed_lists;
    structs_maps_and_none;
    large_arguments unless |f| small(f, "argument of 8 KB").or_else(|| slow(f));
    large_replies unless |f| small(f, "list of 2,000").or_else(|| slow(f));
    what_cannot_be_sent_is_named;
    a_wrong_type_is_named;
    prints_are_delivered_and_never_mixed_with_replies;
    exceptions_are_typed;
    system_exit_is_an_exception;
    deep_recursion_is_an_exception;
    a_full_heap_is_an_exception;
    setups_run_once_and_traits_do_not_meet;
    a_stream_brings_every_item_and_lets_calls_between unless |f| cramped(f, 4);
    a_dropped_stream_ends_its_generator unless |f| cramped(f, 8);
    a_stream_ends_with_a_reset unless |f| exits(f).or_else(|| cramped(f, 4));
    a_stream_that_fails_gives_what_came_before unless |f| cramped(f, 8);
    a_setup_with_parameters_is_called_and_repeated unless exits;
    a_teardown_runs_when_it_is_called;
    objects_stay_on_the_board_until_they_are_dropped unless |f| cramped(f, 4);
    what_is_held_is_listed_and_released unless |f| cramped(f, 8);
    native_code_runs_or_is_named unless slow;
    threads_run_beside_calls unless without_threads;
    a_thread_without_a_handle_is_listed_and_released unless without_threads;
    a_cached_call_is_one_turn;
    calls_from_many_tasks;
    two_hundred_calls_leave_the_heap_as_it_was unless slow;
    a_thousand_calls_and_fifty_deployments_are_all_right unless slow;
    a_loop_is_stopped_at_its_deadline unless deaf;
    a_printing_loop_is_stopped_at_its_deadline unless |f| deaf(f).or_else(|| slow(f));
    a_dropped_call_stops_the_board unless deaf;
    a_soft_reset_is_survived;
}

fn small(facts: &Facts, what: &str) -> Option<String> {
    let free = facts.capabilities.free_heap;
    (free < 120_000).then(|| format!("{free} bytes of heap hold no {what} and the text it comes from"))
}

/// A heap in which the agent, the tasks of a case and what they hold do not fit together: calls work there, and what is
/// too much is a typed error.
fn cramped(facts: &Facts, kilobytes: u32) -> Option<String> {
    let free = facts.capabilities.free_heap;
    (free < kilobytes * 1024).then(|| format!("{free} bytes of heap hold no handles beside the agent and the tasks"))
}

/// What would take minutes is left to lines that are quicker, unless `BELAY_SLOW_LINES=all` asks for it.
fn slow(facts: &Facts) -> Option<String> {
    let turn = facts.capabilities.turn_time.unwrap_or_default();
    let all = std::env::var("BELAY_SLOW_LINES").is_ok_and(|value| value == "all");
    (turn > SLOW_TURN && !all).then(|| format!("a turn takes {turn:.0?} on this line: BELAY_SLOW_LINES=all runs it"))
}

const SLOW_TURN: Duration = Duration::from_millis(50);

fn exits(facts: &Facts) -> Option<String> {
    let unix = matches!(&*facts.capabilities.platform, "linux" | "darwin" | "win32");
    unix.then(|| format!("on {} a soft reset ends the interpreter", facts.capabilities.platform))
}

fn without_threads(facts: &Facts) -> Option<String> {
    (!facts.capabilities.threads).then(|| "it has no `_thread`".into())
}

fn deaf(facts: &Facts) -> Option<String> {
    (!facts.obeys_ctrl_c).then(|| "Ctrl-C did not stop a loop that was running".into())
}

/// Whether Ctrl-C stops a loop: a loop of a few seconds is given a deadline of a fraction of one.
pub(crate) async fn obeys_ctrl_c(d: &Device) -> Result<bool, Error> {
    // What a call takes in which nothing is counted, once it is on the board.
    d.with_timeout(Duration::from_secs(20)).count_to(1).await?;
    let begun = Instant::now();
    d.with_timeout(Duration::from_secs(20)).count_to(1).await?;
    let call = begun.elapsed();
    // How long the board counts, found with counts that grow until a call is small beside them.
    let (mut count, mut each) = (1000_u32, 0.0);
    while each * f64::from(count) < 0.2 + 2.0 * call.as_secs_f64() && count < 1 << 27 {
        count *= 2;
        let begun = Instant::now();
        d.with_timeout(Duration::from_secs(20)).count_to(count).await?;
        each = begun.elapsed().saturating_sub(call).as_secs_f64() / f64::from(count);
    }
    let mut three_seconds = (3.0 / each.max(1e-8)) as u32;
    loop {
        match d.with_timeout(Duration::from_millis(300)).long_loop(three_seconds).await {
            Err(Error::TimedOut { .. }) => break,
            // Something was sent again while it was timed, and the board counts faster than it seemed.
            Ok(()) if three_seconds < 1 << 30 => three_seconds *= 2,
            Ok(()) => {
                let reason = "the board counts faster than it can be timed".into();
                return Err(Error::Unsupported { what: "this suite".into(), reason });
            }
            Err(error) => return Err(error),
        }
    }
    // A loop that came to its end was not stopped, and a board that knows of none has been reset instead.
    Ok(d.with_timeout(Duration::from_secs(60)).has_ended().await? == Some(false))
}

/// Fails with what was expected and what came.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: Result<T, Error>, expected: T) -> Outcome {
    match got {
        Ok(got) if got == expected => Ok(()),
        Ok(got) => Err(format!("{what}: expected {expected:?}, got {got:?}")),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

fn that(what: &str, holds: bool) -> Outcome {
    if holds { Ok(()) } else { Err(format!("it does not hold that {what}")) }
}

async fn integers_of_every_size(d: Device) -> Outcome {
    for power in [0, 1, 4, 5, 7, 8, 15, 16, 23, 29, 30, 31, 32, 33, 47, 62] {
        for x in [(1i64 << power) - 1, 1 << power, -(1 << power), -(1 << power) - 1] {
            same("integer", d.integer(x).await, x)?;
        }
    }
    same("integer", d.integer(i64::MAX).await, i64::MAX)?;
    same("integer", d.integer(i64::MIN).await, i64::MIN)
}

async fn big_integers(d: Device) -> Outcome {
    for x in [i128::from(u64::MAX), i128::from(i64::MIN) - 1, 1 << 100, i128::MAX, i128::MIN] {
        same("big", d.big(x).await, x)?;
    }
    Ok(())
}

async fn floats_of_the_boards_width(d: Device) -> Outcome {
    // Values that have few bits arrive exactly on every board.
    for x in [0.0, 1.0, -1.0, 0.5, 52.5, -273.25, 65504.0, 1048576.0] {
        same("float", d.float(x).await, x)?;
    }
    let width = d.session().capabilities().map_or(64, |c| c.float_bits);
    let tolerance = match width {
        64 => 0.0,
        32 => 1e-7,
        _ => 1e-6,
    };
    for x in [0.1, std::f64::consts::PI, 1.0e-10, 6.02214e23] {
        let got = d.float(x).await.map_err(|e| e.to_string())?;
        that(&format!("{got} is {x} at {width} bits"), ((got - x) / x).abs() <= tolerance)?;
    }
    let zero = d.float(-0.0).await.map_err(|e| e.to_string())?;
    that("-0.0 keeps its sign", zero == 0.0 && zero.is_sign_negative())?;
    same("infinity", d.float(f64::INFINITY).await, f64::INFINITY)?;
    same("minus infinity", d.float(f64::NEG_INFINITY).await, f64::NEG_INFINITY)?;
    that("NaN is NaN", d.float(f64::NAN).await.map_err(|e| e.to_string())?.is_nan())
}

async fn text_of_every_kind(d: Device) -> Outcome {
    let all: String = (0..=0x180).filter_map(char::from_u32).collect();
    for text in
        ["", "a", "it's", "\"", "\\", "\\'", "\r\n\t\0\u{1}\u{3}\u{4}\u{5}", "grün", "日本", "🐍", "{x}%s", &all]
    {
        same(&format!("text {text:?}"), d.text(text).await, text.to_owned())?;
    }
    Ok(())
}

async fn bytes_of_every_value(d: Device) -> Outcome {
    let all: Vec<u8> = (0..=255).collect();
    for bytes in [&b""[..], b"\n", b"'", b"\\", b"\x03\x04", &all[..128], &all[128..], &all] {
        let bytes = ByteBuf::from(bytes);
        same("bytes", d.octets(bytes.clone()).await, bytes)?;
    }
    Ok(())
}

async fn lists_and_typed_lists(d: Device) -> Outcome {
    for list in
        [vec![], vec![1], (0..40).collect(), (-40..0).collect(), (0..20).map(|i| i * 5000).collect::<Vec<i32>>()]
    {
        same("list", d.list(list.clone()).await, list)?;
    }
    same("squares", d.squares(30).await, (0..30).map(|i| i * i).collect())?;
    let floats: Vec<f32> = (0..20).map(|i| i as f32 * 0.25).collect();
    same("floats", d.floats(floats.clone()).await, floats)
}

async fn structs_maps_and_none(d: Device) -> Outcome {
    for ok in [None, Some(true), Some(false)] {
        let reading = Reading { name: "probe 1".into(), value: -40, ok };
        same("reading", d.reading(&reading).await, reading)?;
    }
    let map = BTreeMap::from([(1, "one".to_owned()), (2, "zwei".to_owned())]);
    same("dict", d.dict(&map).await, map)?;
    same("nothing", d.nothing().await, None)
}

async fn large_arguments(d: Device) -> Outcome {
    let bytes = ByteBuf::from((0..8192u32).map(|i| (i * 7 % 251) as u8).collect::<Vec<u8>>());
    same("length of 8 KB", d.with_timeout(Duration::from_secs(60)).length(bytes).await, 8192)
}

async fn large_replies(d: Device) -> Outcome {
    same("squares", d.with_timeout(Duration::from_secs(60)).squares(2000).await, (0..2000).map(|i| i * i).collect())
}

async fn what_cannot_be_sent_is_named(d: Device) -> Outcome {
    match d.thing().await {
        Err(Error::Exception { exception, .. }) if exception.message().contains("object") => Ok(()),
        other => Err(format!("expected a TypeError that names `object`, got {other:?}")),
    }
}

async fn a_wrong_type_is_named(d: Device) -> Outcome {
    let error = match d.word().await {
        Err(error @ Error::WrongType { .. }) => error.to_string(),
        other => return Err(format!("expected a wrong type, got {other:?}")),
    };
    for part in ["word", "u8", "n/a"] {
        that(&format!("{error:?} names {part}"), error.contains(part))?;
    }
    Ok(())
}

async fn prints_are_delivered_and_never_mixed_with_replies(d: Device) -> Outcome {
    let mut output = d.session().output();
    let long = "x".repeat(300);
    let noises = ["no newline", "\x04", "\x04\x04>", "OK", ">>> ", "line\n", &long, "raw REPL; CTRL-B to exit\r\n>"];
    let plain = |text: &str| text.replace('\r', "");
    let mut wrong = Vec::new();
    for n in 0..40 {
        let noise = noises[n as usize % noises.len()];
        same("say", d.say(noise, n).await, n)?;
        let printed = output.take_text();
        if plain(&printed) != plain(noise) {
            wrong.push(format!("{printed:?} for {noise:?}"));
        }
    }
    // Only calls and replies are checked: a line that is known to damage those damages prints, too, and what the REPL
    // said of requests that were cut stands among them.
    let bad_line = d.session().repairs() != Default::default();
    let most = if bad_line { 20 } else { 0 };
    that(&format!("prints come as they were printed: {}", wrong.join(", ")), wrong.len() <= most)
}

async fn exceptions_are_typed(d: Device) -> Outcome {
    for message in ["plain", "grün", "two\nlines"] {
        match d.fail(message).await {
            Err(Error::Exception { exception, .. }) => {
                that(&format!("{exception:?} is a ValueError"), exception.kind() == "ValueError")?;
                that(&format!("{exception:?} says {message:?}"), exception.message() == message)?;
            }
            other => return Err(format!("expected a ValueError, got {other:?}")),
        }
    }
    match d.io_error().await {
        Err(Error::Exception { exception, .. }) => that("it is an OSError", exception.kind() == "OSError"),
        other => Err(format!("expected an OSError, got {other:?}")),
    }
}

async fn system_exit_is_an_exception(d: Device) -> Outcome {
    let before = d.count().await.map_err(|e| e.to_string())?;
    match d.leave().await {
        Err(Error::Exception { exception, .. }) if exception.kind() == "SystemExit" => {}
        other => return Err(format!("expected a SystemExit, got {other:?}")),
    }
    same("count", d.count().await, before + 1)
}

async fn deep_recursion_is_an_exception(d: Device) -> Outcome {
    let before = d.count().await.map_err(|e| e.to_string())?;
    match d.deep().await {
        Err(Error::Exception { exception, .. })
            if ["RuntimeError", "RecursionError", "MemoryError"].contains(&exception.kind()) => {}
        other => return Err(format!("expected a RuntimeError, got {other:?}")),
    }
    same("count", d.count().await, before + 1)
}

async fn a_full_heap_is_an_exception(d: Device) -> Outcome {
    let before = d.count().await.map_err(|e| e.to_string())?;
    // In a few portions, however large the heap is: to collect a full one takes long, and is done for each.
    let free = d.session().capabilities().map_or(0, |board| board.free_heap);
    match d.greedy((free / 64).max(2000)).await {
        Err(Error::Exception { exception, .. }) if exception.kind() == "MemoryError" => {}
        other => return Err(format!("expected a MemoryError, got {other:?}")),
    }
    same("count", d.count().await, before + 1)
}

async fn setups_run_once_and_traits_do_not_meet(d: Device) -> Outcome {
    let first = d.count().await.map_err(|e| e.to_string())?;
    same("count", d.count().await, first + 1)?;
    let tally = d.tally().await.map_err(|e| e.to_string())?;
    that(&format!("{tally} counts from 100"), tally > 100)?;
    same("count", d.count().await, first + 2)?;
    same("tally", d.tally().await, tally + 1)?;
    same("a stranger sees it", sees_runs(&d).await, false)
}

async fn a_stream_brings_every_item_and_lets_calls_between(d: Device) -> Outcome {
    let mut items = d.items(40);
    for expected in 0..40 {
        same("item", items.next().await.unwrap_or(Ok(u32::MAX)), expected)?;
        same("integer", d.integer(expected.into()).await, expected.into())?;
    }
    that("nothing follows the last item", items.next().await.is_none())
}

async fn a_dropped_stream_ends_its_generator(d: Device) -> Outcome {
    let before = d.closed().await.map_err(|e| e.to_string())?;
    let mut items = d.items(1_000_000);
    same("item", items.next().await.unwrap_or(Ok(u32::MAX)), 0)?;
    same("closed", d.closed().await, before)?;
    drop(items);
    same("closed", d.closed().await, before + 1)
}

async fn a_stream_ends_with_a_reset(d: Device) -> Outcome {
    let mut items = d.items(1000);
    same("item", items.next().await.unwrap_or(Ok(u32::MAX)), 0)?;
    d.session().soft_reset().await.map_err(|e| e.to_string())?;
    // What was on its way before the reset may still come.
    let end = loop {
        match items.next().await {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    that(&format!("{end:?} says that it is gone"), matches!(end, Some(Err(Error::Gone { .. }))))?;
    that("nothing follows the error", items.next().await.is_none())?;
    same("integer", d.integer(1).await, 1)
}

async fn a_stream_that_fails_gives_what_came_before(d: Device) -> Outcome {
    let mut items = d.fails_behind(20);
    for expected in 0..20 {
        same("item", items.next().await.unwrap_or(Ok(u32::MAX)), expected)?;
    }
    match items.next().await {
        Some(Err(Error::Exception { exception, .. })) if exception.message() == "no more" => {}
        other => return Err(format!("expected the exception behind the items, got {other:?}")),
    }
    that("nothing follows the exception", items.next().await.is_none())
}

async fn a_setup_with_parameters_is_called_and_repeated(d: Device) -> Outcome {
    d.begin(7, "a name").await.map_err(|e| e.to_string())?;
    same("steps_and_name", d.steps_and_name().await, (7, "a name".to_owned()))?;
    d.begin(8, "another").await.map_err(|e| e.to_string())?;
    same("steps_and_name", d.steps_and_name().await, (8, "another".to_owned()))?;
    d.session().soft_reset().await.map_err(|e| e.to_string())?;
    same("steps_and_name", d.steps_and_name().await, (8, "another".to_owned()))
}

async fn a_teardown_runs_when_it_is_called(d: Device) -> Outcome {
    d.begin(1, "itself").await.map_err(|e| e.to_string())?;
    same("how_it_closed", d.how_it_closed().await, String::new())?;
    d.end().await.map_err(|e| e.to_string())?;
    same("how_it_closed", d.how_it_closed().await, "by itself".to_owned())
}

async fn objects_stay_on_the_board_until_they_are_dropped(d: Device) -> Outcome {
    let free = async || {
        d.free().await.map_err(|e| e.to_string())?;
        d.free().await.map_err(|e| e.to_string())
    };
    let list = d.session().object("[1, [2, 3]]").await.map_err(|e| e.to_string())?;
    same("index", list.index(0).await, 1)?;
    same("append", list.call("append", ("new",)).await, ())?;
    same("index", list.index(-1).await, "new".to_owned())?;
    let inner = list.index_object(1).await.map_err(|e| e.to_string())?;
    drop(list);
    same("pop", inner.call("pop", ()).await, 3)?;
    drop(inner);
    let before = free().await?;
    let held = d.session().object("bytearray(600)").await.map_err(|e| e.to_string())?;
    let during = free().await?;
    drop(held);
    let after = free().await?;
    that(
        &format!("of {before} bytes {during} are free while 600 are held, and {after} afterwards"),
        during + 500 < before && after + 200 > before,
    )
}

/// What is held beside namespaces.
fn handles(d: &Device) -> Vec<Holding> {
    d.session().holdings().into_iter().filter(|holding| holding.kind != HoldingKind::Namespace).collect()
}

async fn what_is_held_is_listed_and_released(d: Device) -> Outcome {
    let before = d.closed().await.map_err(|e| e.to_string())?;
    let mut items = d.items(1_000_000);
    same("item", items.next().await.unwrap_or(Ok(u32::MAX)), 0)?;
    let pair = d.pair(7).await.map_err(|e| e.to_string())?;
    same("index", pair.index(0).await, 7)?;
    let held = handles(&d);
    let names: Vec<&str> = held.iter().map(|holding| &*holding.name).collect();
    that(&format!("{names:?} are the stream and the object"), names == ["items", "pair"])?;
    for holding in &held {
        d.session().release(holding).await.map_err(|e| e.to_string())?;
    }
    same("closed", d.closed().await, before + 1)?;
    let outcome = pair.index::<u32>(0).await;
    that(&format!("{outcome:?} says that it is released"), matches!(outcome, Err(Error::Released { .. })))?;
    let end = loop {
        match items.next().await {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    that(&format!("{end:?} says that it is released"), matches!(end, Some(Err(Error::Released { .. }))))?;
    that("nothing is listed any more", handles(&d).is_empty())
}

async fn a_thread_without_a_handle_is_listed_and_released(d: Device) -> Outcome {
    d.begin(0, "").await.map_err(|e| e.to_string())?;
    drop(d.steps_on().await.map_err(|e| e.to_string())?);
    let held = handles(&d);
    let names: Vec<&str> = held.iter().map(|holding| &*holding.name).collect();
    that(&format!("{names:?} is the thread"), names == ["steps_on"])?;
    for holding in &held {
        d.session().release(holding).await.map_err(|e| e.to_string())?;
    }
    while d.how_it_closed().await.map_err(|e| e.to_string())? != "finally" {}
    that("nothing is listed any more", handles(&d).is_empty())
}

async fn native_code_runs_or_is_named(d: Device) -> Outcome {
    // Asked without a macro: some boards have no compiler to machine code.
    let asked = d.session().exec("@micropython.native\ndef f():\n pass\n@micropython.viper\ndef f():\n pass").await;
    let sums = d.sums(Bytes::new(&[1, 2, 250]), 3).await;
    if asked.is_ok() {
        return same("sums", sums, (759, 253));
    }
    match (sums, d.fail("plain").await) {
        (Err(Error::Exception { task, exception }), Err(Error::Exception { exception: plain, .. })) => {
            let named = exception.kind() == "SyntaxError" && exception.message().contains("decorator");
            that(&format!("{exception} names the decorator, in sums and not in {task}"), named && task == "sums")?;
            let line = exception.frames().iter().rev().find_map(|frame| frame.source);
            let there = line.is_some_and(|line| line.text.contains("@micropython.native"));
            // Boards with little heap tell no lines, of nothing.
            that(&format!("{exception} points at its line"), there || plain.frames().is_empty())
        }
        other => Err(format!("{asked:?}, but {other:?}")),
    }
}

async fn threads_run_beside_calls(d: Device) -> Outcome {
    d.begin(0, "").await.map_err(|e| e.to_string())?;
    let thread = d.steps_on().await.map_err(|e| e.to_string())?;
    same("is_alive", thread.is_alive().await, true)?;
    while d.steps_and_name().await.map_err(|e| e.to_string())?.0 < 100 {}
    thread.stop().await.map_err(|e| e.to_string())?;
    same("is_alive", thread.is_alive().await, false)?;
    same("how_it_closed", d.how_it_closed().await, "finally".to_owned())?;
    let ended = d.fails_soon("on its own").await.map_err(|e| e.to_string())?.join().await;
    match ended {
        Err(Error::Exception { exception, .. }) => {
            that(&format!("{exception} is what was raised"), exception.message() == "on its own")
        }
        other => Err(format!("an exception was expected, not {other:?}")),
    }
}

async fn a_cached_call_is_one_turn(d: Device) -> Outcome {
    same("integer", d.integer(1).await, 1)?;
    let before = d.session().traffic();
    same("integer", d.integer(26).await, 26)?;
    let used = d.session().traffic() - before;
    that(&format!("{used:?} is less than 32 bytes each way"), used.bytes_out < 32 && used.bytes_in < 32)
}

async fn calls_from_many_tasks(d: Device) -> Outcome {
    let calls: Vec<_> = (0..40)
        .map(|i| {
            let d = d.clone();
            tokio::spawn(async move { (i, d.integer(i).await) })
        })
        .collect();
    for call in calls {
        let (i, got) = call.await.map_err(|e| e.to_string())?;
        same("integer", got, i)?;
    }
    Ok(())
}

async fn two_hundred_calls_leave_the_heap_as_it_was(d: Device) -> Outcome {
    // Once, so that everything is deployed and every name known.
    for i in 0..20 {
        same("text", d.text(&format!("t{i}")).await, format!("t{i}"))?;
    }
    let before = d.free().await.map_err(|e| e.to_string())?;
    for i in 0..200 {
        same("text", d.text(&format!("k{i}")).await, format!("k{i}"))?;
    }
    let after = d.free().await.map_err(|e| e.to_string())?;
    // A string that stayed would take 16 bytes or more each: 3,200.
    that(&format!("{after} bytes are free, as {before} were"), before.saturating_sub(after) < 800)
}

/// Numbers that look random and are the same in every run.
fn scramble(seed: u64) -> u64 {
    let x = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 29)
}

async fn a_thousand_calls_and_fifty_deployments_are_all_right(d: Device) -> Outcome {
    same("integer", d.integer(0).await, 0)?;
    let turn = d.session().capabilities().and_then(|board| board.turn_time).unwrap_or_default();
    let calls = if turn > SLOW_TURN { 100 } else { 1000 };
    let is_small = d.session().capabilities().is_some_and(|board| board.free_heap < 32 * 1024);
    let mut full = 0;
    let (before, repairs, begun) = (d.session().traffic(), d.session().repairs(), Instant::now());
    for n in 0..calls {
        let random = scramble(n);
        let x = random as i64 >> (random % 64);
        let text = format!("{x:x}'\\\n");
        let bytes = ByteBuf::from(x.to_le_bytes());
        let answer = match n % 3 {
            0 => d.integer(x).await.map(|got| got == x),
            1 => d.text(&text).await.map(|got| got == text),
            _ => d.octets(bytes.clone()).await.map(|got| got == bytes),
        };
        match answer {
            Ok(true) => {}
            Ok(false) => return Err(format!("call {n} with {x} came back as something else")),
            // The smallest heaps are full, or in pieces, some time: that has to be said, and a reset has to help.
            Err(Error::Exception { exception, .. }) if is_small && exception.kind() == "MemoryError" => {
                full += 1;
                d.session().soft_reset().await.map_err(|error| error.to_string())?;
            }
            Err(error) => return Err(format!("call {n} with {x}: {error}")),
        }
    }
    let (took, used) = (begun.elapsed(), d.session().traffic() - before);
    that(&format!("{full} of {calls} calls found the heap full, at most one in a hundred"), full * 100 <= calls)?;
    let begun = Instant::now();
    for n in 0..50_u32 {
        // Nothing of it is on the board again after a reset, and small heaps hold but a few tasks at a time.
        if n % 5 == 0 {
            match d.session().soft_reset().await {
                Ok(()) | Err(Error::Lost { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        match n % 5 {
            0 => same("integer", d.integer(n.into()).await, n.into())?,
            1 => same("text", d.text("deployed").await, "deployed".to_owned())?,
            2 => same("squares", d.squares(4).await, vec![0, 1, 4, 9])?,
            3 => same("length", d.length(ByteBuf::from([1; 5])).await, 5)?,
            _ => same("count", d.count().await, 1)?,
        }
    }
    let now = d.session().repairs();
    println!(
        "{calls} calls with random arguments: {:.0} a second, {:.1} + {:.1} bytes each; 50 deployments in {:.1?}; \
         refused {}, sent again {}, fetched again {}, heap full {full}",
        calls as f64 / took.as_secs_f64(),
        used.bytes_out as f64 / calls as f64,
        used.bytes_in as f64 / calls as f64,
        begun.elapsed(),
        now.refused - repairs.refused,
        now.resent - repairs.resent,
        now.fetched_again - repairs.fetched_again,
    );
    Ok(())
}

/// Runs something endless with a deadline of a second, after it has been put on the board by a shorter one.
async fn stopped(d: &Device, endless: fn(Device) -> Running<Result<u8, Error>>) -> Outcome {
    let first = endless(d.with_timeout(Duration::from_millis(50))).await;
    that(&format!("{first:?} is a timeout"), matches!(first, Err(Error::TimedOut { .. })))?;
    let before = d.count().await.map_err(|e| e.to_string())?;
    let endless = endless(d.with_timeout(Duration::from_secs(1)));
    let begun = Instant::now();
    let got = endless.await;
    let took = begun.elapsed();
    that(&format!("{got:?} is a timeout"), matches!(got, Err(Error::TimedOut { .. })))?;
    that(&format!("{took:?} is 1 s to 1.2 s"), (1.0..=1.2).contains(&took.as_secs_f32()))?;
    same("count", d.count().await, before + 1)
}

async fn a_loop_is_stopped_at_its_deadline(d: Device) -> Outcome {
    stopped(&d, |d| Box::pin(async move { d.spin().await })).await
}

async fn a_printing_loop_is_stopped_at_its_deadline(d: Device) -> Outcome {
    stopped(&d, |d| Box::pin(async move { d.chatter().await })).await
}

async fn a_dropped_call_stops_the_board(d: Device) -> Outcome {
    let before = d.count().await.map_err(|e| e.to_string())?;
    let slow = d.with_timeout(Duration::from_secs(60));
    if let Ok(got) = tokio::time::timeout(Duration::from_millis(300), slow.spin()).await {
        return Err(format!("expected it to run on, got {got:?}"));
    }
    same("count", d.count().await, before + 1)
}

async fn a_soft_reset_is_survived(d: Device) -> Outcome {
    d.count().await.map_err(|e| e.to_string())?;
    match d.session().soft_reset().await {
        Ok(()) => {}
        // MicroPython's unix port exits instead; the session starts it again where it can.
        Err(Error::Lost { .. }) => {
            let again = d.count().await;
            // Behind a pseudo-terminal the port is gone with it: then a typed error is all that can be asked for.
            if let Err(error @ Error::Open { .. }) = &again {
                println!("the interpreter ended at the soft reset, and with it the port: {error}");
                return Ok(());
            }
            return same("count", again, 1);
        }
        Err(error) => return Err(error.to_string()),
    }
    same("count", d.count().await, 1)
}
