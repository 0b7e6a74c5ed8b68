//! Boards that are reset in the middle of a call, lines that end: who learns what, how soon, and that nothing which had
//! arrived by then is lost.

use std::time::{Duration, Instant};

use belay::{Builder, Device, Error, Result, Trust};
use belay_sim::{Options, families};

use crate::{
    bench::Bench,
    cable::{Cable, End},
    rig::{assert_took, watch_timers},
};

#[belay::device]
trait Losses {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import time
        try: import machine
        except ImportError: import microcontroller as machine
        "#
    }

    #[belay::task]
    async fn wait_after(&self, text: &str, ms: u32) -> Result<u32> {
        r#"
        print(text)
        until = time.ticks_add(time.ticks_ms(), ms)
        while time.ticks_diff(until, time.ticks_ms()) > 0: pass
        return ms
        "#
    }

    /// Makes a file when it begins.
    #[belay::task]
    async fn run_for_ever(&self, text: &str, file: &str) -> Result<()> {
        r#"
        if text: print(text)
        open(file, 'w').close()
        while True: pass
        "#
    }

    /// Runs for ever the first time that it is called on this board.
    #[belay::task(idempotent)]
    async fn wait_once(&self) -> Result<bool> {
        r#"
        try:
            open('waited.txt').close()
            return False
        except OSError:
            open('waited.txt', 'w').close()
        while True: pass
        "#
    }

    /// Makes a file when it is done.
    #[belay::task]
    async fn finish(&self, text: &str, file: &str) -> Result<u32> {
        r#"
        print(text)
        until = time.ticks_add(time.ticks_ms(), 100)
        while time.ticks_diff(until, time.ticks_ms()) > 0: pass
        f = open(file, 'a')
        f.write('+')
        f.close()
        return 4711
        "#
    }

    #[belay::task]
    async fn reset_itself(&self) -> Result<()> {
        "machine.reset()"
    }

    #[belay::task]
    async fn number_lines(&self, n: u32) -> Result<u32> {
        r#"
        for i in range(n): print(i)
        while n: pass
        return n
        "#
    }

    #[belay::task]
    async fn add(&self, a: u32, b: u32) -> Result<u32> {
        "return a + b"
    }
}

/// Waits until `text` has been printed.
async fn printed(output: &mut belay::Output, text: &str) {
    let mut seen = String::new();
    while !seen.contains(text) {
        match output.next().await {
            Some(belay::Printed::Bytes(bytes)) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            other => panic!("{other:?} after {seen:?}"),
        }
    }
}

/// The families that come back after a reset, on lines of both kinds.
fn boards() -> impl Iterator<Item = (String, Bench, Builder)> {
    let families = families().filter(|family| *family != "unix").collect::<Vec<_>>();
    families.into_iter().flat_map(|family| {
        [Trust::Trusted, Trust::Verified].map(|trust| {
            let bench = Bench::with(&Options::for_family(family).unwrap());
            (format!("{family}, {trust:?}"), bench, Device::builder().trust(trust))
        })
    })
}

/// How long a reset stays unnoticed at most, of calls that may take a minute.
const AT_ONCE: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until the board has made this file.
async fn made(bench: &Bench, path: &str) {
    while bench.board.read_file(path).is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_call_ends_it_long_before_its_deadline() {
    for (name, bench, builder) in boards() {
        let device = bench.build(builder).await.with_timeout(LIMIT);
        assert_eq!(device.add(1, 2).await.unwrap(), 3, "{name}");
        let mut output = device.session().output();
        for file in ["/quiet.txt", "/talks.txt"] {
            let (runs, talks) = (device.clone(), file == "/talks.txt");
            let text = if talks { "it runs" } else { "" };
            let call = tokio::spawn(async move { runs.run_for_ever(text, file).await });
            made(&bench, file).await;
            if talks {
                printed(&mut output, text).await;
            }
            let begun = Instant::now();
            bench.board.reset();
            let error = call.await.unwrap().unwrap_err();
            let took = begun.elapsed();
            println!("{name}, talks: {talks}: known {took:?} after the reset, of {LIMIT:?}");
            assert!(matches!(&error, Error::OutcomeUnknown { .. }), "{name}: {error}");
            assert!(took < AT_ONCE, "{name}: {took:?}");
            // The board is set up again, and those who come now notice nothing.
            assert_eq!(device.add(3, 4).await.unwrap(), 7, "{name}");
        }
        let statistics = device.session().statistics();
        assert_eq!((statistics.resets, statistics.retries), (2, 0), "{name}: {statistics:?}");
    }
}

#[tokio::test]
async fn a_body_that_resets_its_board_is_an_unknown_outcome_at_once() {
    for (name, bench, builder) in boards() {
        let device = bench.build(builder).await.with_timeout(LIMIT);
        assert_eq!(device.add(1, 2).await.unwrap(), 3, "{name}");
        let begun = Instant::now();
        let error = device.reset_itself().await.unwrap_err();
        let took = begun.elapsed();
        println!("{name}: known after {took:?}, of {LIMIT:?}");
        assert!(matches!(&error, Error::OutcomeUnknown { .. }), "{name}: {error}");
        assert!(took < AT_ONCE, "{name}: {took:?}");
        assert_eq!(device.add(3, 4).await.unwrap(), 7, "{name}");
        assert_eq!(device.session().statistics().resets, 1, "{name}");
    }
}

#[tokio::test]
async fn a_setup_that_resets_its_board_is_an_error_and_not_repeated_for_ever() {
    #[belay::device]
    trait Suicidal {
        #[belay::setup]
        async fn open(&self) -> Result<()> {
            r#"
            try: import machine
            except ImportError: import microcontroller as machine
            f = open('/resets.txt', 'a')
            f.write('+')
            f.close()
            machine.reset()
            "#
        }

        #[belay::task]
        async fn never(&self) -> Result<()> {
            "pass"
        }
    }
    for (name, bench, builder) in boards() {
        let device = bench.build(builder).await.with_timeout(LIMIT);
        let begun = Instant::now();
        let error = device.never().await.unwrap_err();
        let resets = bench.board.read_file("/resets.txt").unwrap();
        match &error {
            // Once in each of two boots: a reset by something else would have gone unnoticed.
            Error::OutcomeUnknown { .. } => assert_eq!(resets, b"++", "{name}"),
            // The line ended with the board's own USB.
            Error::Lost { .. } => assert_eq!(resets, b"+", "{name}"),
            other => panic!("{name}: {other}"),
        }
        assert!(begun.elapsed() < AT_ONCE * 2, "{name}: {:?}", begun.elapsed());
        assert_eq!(device.add(3, 4).await.unwrap(), 7, "{name}");
    }
}

#[tokio::test]
async fn what_may_run_again_is_called_again_after_a_reset() {
    for (name, bench, builder) in boards() {
        let device = bench.build(builder).await.with_timeout(LIMIT);
        let runs = device.clone();
        let call = tokio::spawn(async move { runs.wait_once().await });
        made(&bench, "/waited.txt").await;
        let begun = Instant::now();
        bench.board.reset();
        assert!(!call.await.unwrap().unwrap(), "{name}");
        assert!(begun.elapsed() < AT_ONCE, "{name}: {:?}", begun.elapsed());
        assert_eq!(device.session().statistics().retries, 1, "{name}");
    }
}

#[tokio::test]
async fn what_looks_like_a_reset_and_is_printed_is_a_print() {
    for trust in [Trust::Trusted, Trust::Verified] {
        let bench = Bench::new();
        let device = bench.build(Device::builder().trust(trust)).await.with_timeout(LIMIT);
        assert_eq!(device.wait_after("", 0).await.unwrap(), 0);
        let mut output = device.session().output();
        let texts = [
            ">>> ",
            "MPY: soft reboot\r\nraw REPL; CTRL-B to exit\r\n>",
            "rst:0x1 (POWERON_RESET)\r\nMicroPython v1.27.0 on 2025-12-10; Raspberry Pi Pico with RP2040\r\n\
             Type \"help()\" for more information.\r\n>>> ",
            "\x04\x04>OK\x04\x04>\x04>>> ",
        ];
        for text in texts {
            let before = device.session().traffic();
            assert_eq!(device.wait_after(text, 400).await.unwrap(), 400, "{text:?}");
            let used = device.session().traffic() - before;
            assert!(used.turns <= 5, "{text:?}: {used:?}");
            // `print` makes two bytes of each line's end.
            assert_eq!(output.take_text(), format!("{}\r\n", text.replace('\n', "\r\n")), "{trust:?}");
        }
        let statistics = device.session().statistics();
        assert_eq!((statistics.resets, statistics.interrupts, statistics.retries), (0, 0, 0), "{statistics:?}");
    }
}

#[tokio::test]
async fn a_board_that_says_nothing_after_its_reset_is_asked() {
    let bench = Bench::new();
    let cable = Cable::new(bench.board.connect());
    let device = Device::builder().connect("mute", cable.end()).await.unwrap().with_timeout(LIMIT);
    assert_eq!(device.add(1, 2).await.unwrap(), 3);
    let runs = device.clone();
    let call = tokio::spawn(async move { runs.run_for_ever("", "/quiet.txt").await });
    made(&bench, "/quiet.txt").await;
    // It said that it begins, and a trusted line does not lose that.
    while !cable.arrived().ends_with(b"OK") {
        tokio::task::yield_now().await;
    }
    cable.swallow_until_written();
    let begun = Instant::now();
    bench.board.reset();
    let error = call.await.unwrap().unwrap_err();
    println!("known {:?} after a reset that was not announced, of {LIMIT:?}", begun.elapsed());
    assert!(matches!(&error, Error::OutcomeUnknown { .. }), "{error}");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    assert_eq!(device.add(3, 4).await.unwrap(), 7);
}

#[tokio::test]
async fn what_had_arrived_before_a_line_ends_is_delivered_before_the_error() {
    for how in [End::Closed, End::ReadFails, End::WriteFails] {
        for again in [false, true] {
            let bench = Bench::new();
            let cable = Cable::new(bench.board.connect());
            let ends = std::sync::Mutex::new(vec![cable.end()]);
            let builder = Device::builder();
            let device = if again {
                let open = move || {
                    let end = ends.lock().unwrap().pop().ok_or(std::io::ErrorKind::NotFound.into());
                    async move { end }
                };
                builder.connect_with("cable", open).await.unwrap()
            } else {
                builder.connect("cable", ends.into_inner().unwrap().remove(0)).await.unwrap()
            };
            assert_eq!(device.add(1, 2).await.unwrap(), 3);
            assert_eq!(device.number_lines(0).await.unwrap(), 0);
            let mut output = device.session().output();
            let before = cable.arrived().len();
            cable.hold_back();
            let runs = device.with_timeout(Duration::from_millis(400));
            let call = tokio::spawn(async move { runs.number_lines(200).await });
            let said = loop {
                let arrived = cable.arrived();
                let begins = arrived[before..].windows(3).position(|bytes| bytes == b"OK0");
                let said = begins.map_or("", |at| std::str::from_utf8(&arrived[before + at + 2..]).unwrap());
                if said.contains("199\r\n") {
                    break said.to_owned();
                }
                tokio::task::yield_now().await;
            };
            // The deadline makes the session write when it cannot.
            cable.end_as(how);
            let error = call.await.unwrap().unwrap_err();
            let text = output.take_text();
            assert_eq!(text, said, "{how:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_line_that_is_cut_anywhere_delivers_what_came_through() {
    for cut in (0..400).step_by(7) {
        let bench = Bench::new();
        let cable = Cable::new(bench.board.connect());
        let device = Device::builder().connect("cut", cable.end()).await.unwrap();
        assert_eq!(device.add(1, 2).await.unwrap(), 3);
        let mut output = device.session().output();
        let before = cable.arrived().len();
        cable.cut_after(cut);
        let error = device.with_timeout(LIMIT).number_lines(200).await.unwrap_err();
        assert!(matches!(&error, Error::OutcomeUnknown { .. } | Error::Lost { .. }), "{cut}: {error}");
        let arrived = cable.arrived()[before..].to_vec();
        assert_eq!(arrived.len(), cut);
        // Putting the task there is answered first, by bytes that are no print.
        let begins = arrived.windows(3).position(|bytes| bytes == b"OK0").map_or(arrived.len(), |at| at + 2);
        assert_eq!(output.take_text().as_bytes(), &arrived[begins..], "{cut}: {}", arrived.escape_ascii());
    }
}

#[tokio::test]
async fn an_opener_that_hangs_or_panics_is_an_error_within_the_time_for_opening() {
    watch_timers();
    type Never = std::future::Pending<std::io::Result<belay_sim::Port>>;
    watch_timers();
    let limit = Duration::from_millis(300);
    let builder = || Device::builder().open_timeout(limit);
    let begun = Instant::now();
    let error = builder().connect_with("hangs", std::future::pending as fn() -> Never).await.unwrap_err();
    assert_took(begun.elapsed(), limit);
    assert!(matches!(&error, Error::Open { port, .. } if port == "hangs"), "{error}");
    let panics = || -> Never { panic!("this opener panics") };
    let error = builder().connect_with("panics", panics).await.unwrap_err();
    assert!(matches!(&error, Error::Open { .. }) && error.to_string().contains("panicked"), "{error}");
}

/// A listener whose queue is full answers nobody, as a host does that drops what it does not want.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_host_that_does_not_answer_is_an_error_within_the_time_for_opening() {
    watch_timers();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    while let Ok(stream) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        filling.push(stream.unwrap());
    }
    let limit = Duration::from_millis(400);
    let begun = Instant::now();
    let error = Device::builder().open_timeout(limit).open(&format!("tcp://{address}")).await.unwrap_err();
    assert_took(begun.elapsed(), limit);
    assert!(matches!(&error, Error::Open { .. }) && error.to_string().contains("nothing came of it"), "{error}");
}

#[tokio::test]
async fn deadlines_are_kept_while_the_line_is_opened_again_in_vain() {
    for sulks in [false, true] {
        let bench = Bench::new();
        let first = std::sync::Mutex::new(Some(bench.board.connect()));
        let open = move || {
            let line = first.lock().unwrap().take();
            async move {
                match line {
                    Some(line) => Ok(line),
                    None => std::future::pending().await,
                }
            }
        };
        let builder = Device::builder().recovery_timeout(Duration::from_millis(100));
        let device = builder.connect_with("away", open).await.unwrap();
        assert_eq!(device.add(1, 2).await.unwrap(), 3);
        if sulks {
            let sulk = "import micropython\nmicropython.kbd_intr(-1)\nwhile True: pass";
            let error = device.with_timeout(Duration::from_millis(100)).session().exec(sulk).await.unwrap_err();
            assert!(matches!(&error, Error::TimedOut { .. }), "{error}");
        } else {
            bench.unplug();
        }
        let limit = Duration::from_secs(1);
        let late = device.with_timeout(limit);
        for _ in 0..2 {
            let begun = Instant::now();
            let (one, reset) = tokio::join!(late.add(1, 2), async {
                let outcome = late.session().soft_reset().await;
                (outcome, begun.elapsed())
            });
            let took = begun.elapsed();
            assert!(took <= limit.mul_f32(1.2) + Duration::from_millis(100), "{took:?}");
            let (reset, reset_took) = reset;
            assert!(reset_took <= limit.mul_f32(1.2) + Duration::from_millis(100), "{reset_took:?}");
            assert!(one.is_err() && reset.is_err(), "{one:?}, {reset:?}");
        }
        if !sulks {
            let error = device.session().interrupt().await.unwrap_err();
            assert!(matches!(&error, Error::Lost { .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn a_board_that_never_stops_talking_keeps_nobody_from_being_heard() {
    watch_timers();
    let bench = Bench::new();
    let cable = Cable::new(bench.board.connect());
    let device = Device::builder().connect("talks", cable.end()).await.unwrap();
    assert_eq!(device.add(1, 2).await.unwrap(), 3);
    let limit = Duration::from_millis(300);
    let late = device.with_timeout(limit);
    let call = tokio::spawn(async move { (late.run_for_ever("", "/quiet.txt").await, Instant::now()) });
    made(&bench, "/quiet.txt").await;
    cable.flood();
    let begun = Instant::now();
    let behind = device.with_timeout(limit).add(1, 2).await.unwrap_err();
    assert_took(begun.elapsed(), limit);
    assert!(matches!(&behind, Error::TimedOut { .. }), "{behind}");
    let (error, at) = call.await.unwrap();
    assert!(matches!(error, Err(Error::TimedOut { .. })), "{error:?}");
    assert!(at.saturating_duration_since(begun) < limit * 2);
}

#[test]
fn a_session_whose_runtime_has_ended_is_closed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let bench = Bench::new();
    let device = runtime.block_on(bench.device());
    let runs = device.clone();
    let call = runtime.spawn(async move { runs.run_for_ever("", "/quiet.txt").await });
    while bench.board.read_file("/quiet.txt").is_err() {
        std::thread::yield_now();
    }
    drop(runtime);
    assert_eq!(device.session().state(), belay::State::Closed);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(other.block_on(call).unwrap_err().is_cancelled());
    let error = other.block_on(device.add(1, 2)).unwrap_err();
    assert!(matches!(&error, Error::Closed { .. }), "{error}");
    other.block_on(device.close()).unwrap();
}

#[tokio::test]
async fn what_ended_while_the_line_was_away_is_answered_when_it_is_back() {
    let bench = Bench::new();
    let device = bench.device().await.with_timeout(LIMIT);
    assert_eq!(device.add(1, 2).await.unwrap(), 3);
    let mut output = device.session().output();
    let runs = device.clone();
    let call = tokio::spawn(async move { runs.finish("it runs", "/done.txt").await });
    printed(&mut output, "it runs").await;
    bench.unplug();
    made(&bench, "/done.txt").await;
    // The board waits for the next request now: a program that only makes the file has no other way to say so.
    tokio::time::sleep(Duration::from_millis(50)).await;
    bench.plug_in();
    assert_eq!(call.await.unwrap().unwrap(), 4711);
    assert_eq!(device.add(3, 4).await.unwrap(), 7);
    assert_eq!(bench.board.read_file("/done.txt").unwrap(), b"+");
    let statistics = device.session().statistics();
    assert_eq!((statistics.reconnections, statistics.retries, statistics.resets), (1, 0, 0), "{statistics:?}");
    // And one that was reset meanwhile cannot tell.
    let runs = device.clone();
    let call = tokio::spawn(async move { runs.finish("it runs", "/done.txt").await });
    printed(&mut output, "it runs").await;
    bench.unplug();
    bench.board.reset();
    bench.plug_in();
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::OutcomeUnknown { .. }) && error.to_string().contains("lost"), "{error}");
    assert_eq!(device.add(3, 4).await.unwrap(), 7);
}

#[tokio::test]
async fn what_was_lost_with_its_line_is_sent_over_the_next_one() {
    for trust in [Trust::Trusted, Trust::Verified] {
        let bench = Bench::new();
        let cables = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let (board, all) = (bench.board.clone(), cables.clone());
        let open = move || {
            let cable = Cable::new(board.connect());
            let end = cable.end();
            all.lock().unwrap().push(cable);
            async move { Ok(end) }
        };
        let device = Device::builder().trust(trust).connect_with("cable", open).await.unwrap().with_timeout(LIMIT);
        let file = "/done.txt";
        assert_eq!(device.finish("", file).await.unwrap(), 4711);
        cables.lock().unwrap()[0].lose_what_is_written();
        let used = device.session().traffic().bytes_out;
        let runs = device.clone();
        let call = tokio::spawn(async move { runs.finish("", file).await });
        while device.session().traffic().bytes_out == used {
            tokio::task::yield_now().await;
        }
        cables.lock().unwrap()[0].end_as(End::Closed);
        assert_eq!(call.await.unwrap().unwrap(), 4711, "{trust:?}");
        assert_eq!(bench.board.read_file(file).unwrap(), b"++", "{trust:?}");
        let statistics = device.session().statistics();
        assert_eq!((statistics.reconnections, statistics.retries), (1, 1), "{trust:?}: {statistics:?}");
    }
}

#[tokio::test]
async fn what_ran_when_a_line_ended_that_never_comes_back_is_unknown_at_its_deadline() {
    watch_timers();
    let bench = Bench::new();
    let device = bench.device().await;
    assert_eq!(device.add(1, 2).await.unwrap(), 3);
    let limit = Duration::from_secs(1);
    let runs = device.with_timeout(limit);
    let begun = Instant::now();
    let call = tokio::spawn(async move { runs.run_for_ever("", "/quiet.txt").await });
    made(&bench, "/quiet.txt").await;
    bench.unplug();
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::OutcomeUnknown { .. }) && error.to_string().contains("lost"), "{error}");
    assert_took(begun.elapsed(), limit);
}
