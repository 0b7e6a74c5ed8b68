//! States, events and counters; lines that end and come back; resets; the end.

use std::time::{Duration, Instant};

use belay::{AfterTimeout, Device, Error, Event, State};
use belay_sim::{Board, Options};

use crate::{
    bench::Bench,
    rig::{Rig, assert_took, watch_timers},
};

fn drain(events: &mut belay::Events) -> Vec<Event> {
    std::iter::from_fn(|| events.try_next()).collect()
}

#[tokio::test]
async fn a_board_that_was_unplugged_is_found_again_and_nobody_notices() {
    let bench = Bench::new();
    let device = bench.device().await;
    device.note(0).await.unwrap();
    let mut events = device.session().events();
    assert_eq!(device.session().state(), State::Ready);
    bench.unplug();
    let mut states = device.session().watch();
    states.wait_for(|state| *state == State::Lost).await.unwrap();
    let calls: Vec<_> = (1..=20)
        .map(|n| {
            let device = device.clone();
            tokio::spawn(async move { device.note(n).await })
        })
        .collect();
    while device.session().waiting() < 20 {
        tokio::task::yield_now().await;
    }
    bench.plug_in();
    for (n, call) in (1..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), n);
    }
    assert_eq!(device.ran().await.unwrap(), (0..=20).collect::<Vec<_>>(), "the board went on: nothing ran twice");
    let statistics = device.session().statistics();
    assert_eq!((statistics.reconnections, statistics.resets), (1, 0), "{statistics:?}");
    let seen = drain(&mut events);
    let lost = seen.iter().position(|event| matches!(event, Event::Lost { .. }));
    let back = seen.iter().position(|event| *event == Event::Reconnected);
    assert!(lost.is_some() && lost < back, "{seen:?}");
    assert_eq!(device.session().state(), State::Ready);
}

#[tokio::test]
async fn callers_of_a_board_that_stays_away_wait_until_their_deadlines() {
    watch_timers();
    let bench = Bench::new();
    let device = bench.device().await;
    device.note(0).await.unwrap();
    bench.unplug();
    let limit = Duration::from_millis(300);
    for _ in 0..2 {
        let begun = Instant::now();
        let error = device.with_timeout(limit).note(1).await.unwrap_err();
        assert_took(begun.elapsed(), limit);
        assert!(matches!(&error, Error::TimedOut { board: AfterTimeout::Away, .. }), "{error}");
        assert!(error.is_retryable() && error.to_string().contains("not connected"), "{error}");
    }
    bench.plug_in();
    assert_eq!(device.note(2).await.unwrap(), 2);
    assert_eq!(device.ran().await.unwrap(), [0, 2]);
}

#[tokio::test]
async fn what_ran_when_the_line_ended_is_unknown_unless_it_may_run_again() {
    let bench = Bench::new();
    let device = bench.device().await;
    device.note(0).await.unwrap();
    for safe in [false, true] {
        let mut output = device.session().output();
        let runs = device.clone();
        let call = tokio::spawn(async move {
            let runs = runs.with_timeout(Duration::from_millis(1500));
            if safe { runs.spin_safely(1).await } else { runs.say_and_spin("last words").await }
        });
        if safe {
            while device.session().statistics().calls < 4 {
                tokio::task::yield_now().await;
            }
        } else {
            let mut seen = String::new();
            while !seen.contains("last words") {
                seen.push_str(&output.take_text());
                tokio::task::yield_now().await;
            }
        }
        bench.unplug();
        bench.plug_in();
        let error = call.await.unwrap().unwrap_err();
        if safe {
            let stopped = AfterTimeout::Stopped;
            // The second on a machine that is too busy to hear of it in time.
            let told = matches!(&error, Error::TimedOut { board, .. } if [stopped, AfterTimeout::Interrupting].contains(board));
            assert!(told, "{error}");
        } else {
            assert!(matches!(&error, Error::OutcomeUnknown { .. }) && error.to_string().contains("lost"), "{error}");
        }
        assert_eq!(device.note(2).await.unwrap(), 2);
    }
    let again = device.ran().await.unwrap().iter().filter(|n| **n == 1).count();
    assert!(again <= 2, "{again}");
    assert!(device.session().statistics().retries >= 1);
}

#[tokio::test]
async fn a_line_that_only_the_program_can_open_is_lost_and_says_so() {
    let bench = Bench::new();
    let device = Device::builder().connect("once", bench.board.connect()).await.unwrap();
    device.note(0).await.unwrap();
    bench.unplug();
    for _ in 0..2 {
        let error = device.note(1).await.unwrap_err();
        assert!(matches!(&error, Error::Lost { .. }) && error.to_string().contains("once"), "{error}");
    }
    assert_eq!(device.session().state(), State::Lost);
}

#[tokio::test]
async fn a_board_that_is_reset_behind_our_back_is_set_up_again_and_the_event_tells() {
    let bench = Bench::new();
    let device = bench.device().await;
    device.note(0).await.unwrap();
    let before = device.session().statistics();
    let mut events = device.session().events();
    bench.board.reset();
    assert_eq!(device.note(1).await.unwrap(), 1);
    assert_eq!(device.ran().await.unwrap(), [1]);
    let seen = drain(&mut events);
    let reset = seen.iter().position(|event| *event == Event::Reset).expect("a reset");
    let deployed: Vec<_> = seen[reset..].iter().filter(|event| matches!(event, Event::Deployed { .. })).collect();
    assert_eq!(deployed.len(), 3, "{seen:?}");
    let used = device.session().statistics() - before;
    assert_eq!((used.calls, used.resets, used.deployments), (2, 1, 3), "{used:?}");
}

#[tokio::test]
async fn statistics_tell_calls_hits_and_deployments() {
    let device = Bench::new().device().await;
    for n in 0..10 {
        device.note(n).await.unwrap();
    }
    device.session().exec("x = 1").await.unwrap();
    let counted = device.session().statistics();
    // The setup and the task.
    assert_eq!((counted.calls, counted.cache_hits, counted.deployments), (11, 9, 2), "{counted:?}");
    assert_eq!((counted.retries, counted.refused, counted.resets, counted.reconnections), (0, 0, 0, 0), "{counted:?}");
}

#[tokio::test]
async fn a_hard_reset_ends_the_line_where_usb_is_the_boards_own_and_comes_back() {
    for family in ["pico", "esp32"] {
        let bench = Bench::with(&Options::for_family(family).unwrap());
        let device = bench.device().await;
        device.note(0).await.unwrap();
        device.session().hard_reset().await.unwrap();
        assert_eq!(device.session().statistics().resets, 1, "{family}");
        assert_eq!(device.note(1).await.unwrap(), 1);
        assert_eq!(device.ran().await.unwrap(), [1], "{family}");
        assert_eq!(bench.opened(), if family == "pico" { 2 } else { 1 }, "{family}");
    }
}

#[tokio::test]
async fn a_board_without_a_reset_function_says_so_and_goes_on() {
    let bench = Bench::with(&Options::for_family("unix").unwrap());
    let device = bench.device().await;
    device.note(0).await.unwrap();
    let error = device.session().hard_reset().await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported { .. }), "{error}");
    assert_eq!(device.note(1).await.unwrap(), 1);
    assert_eq!(device.ran().await.unwrap(), [0, 1]);
}

#[tokio::test]
async fn a_soft_reset_that_ends_the_interpreter_is_one_that_starts_it_anew() {
    let bench = Bench::with(&Options::for_family("unix").unwrap());
    let device = bench.device().await;
    device.note(0).await.unwrap();
    // The family's interpreter exits; starting it anew is the reset of its board.
    bench.reset_by_opening();
    device.session().soft_reset().await.unwrap();
    assert_eq!(device.note(1).await.unwrap(), 1);
    assert_eq!(device.ran().await.unwrap(), [1]);
}

#[tokio::test]
async fn closing_waits_for_what_runs_turns_away_what_waits_and_frees_the_line() {
    let bench = Bench::new();
    let device = bench.device().await;
    device.note(0).await.unwrap();
    let mut events = device.session().events();
    let have = device.exclusive().await.unwrap();
    let waits = device.clone();
    let waits = tokio::spawn(async move { waits.note(1).await });
    let runs = have.clone();
    let runs = tokio::spawn(async move { runs.session().exec("import time\ntime.sleep_ms(200)").await });
    while device.session().statistics().calls < 2 || device.session().waiting() < 2 {
        tokio::task::yield_now().await;
    }
    device.close().await.unwrap();
    assert!(matches!(waits.await.unwrap(), Err(Error::Closed { .. })));
    runs.await.unwrap().unwrap();
    assert!(matches!(device.note(2).await, Err(Error::Closed { .. })));
    assert!(matches!(device.session().interrupt().await, Err(Error::Closed { .. })));
    device.close().await.unwrap();
    assert_eq!(device.session().state(), State::Closed);
    assert_eq!(drain(&mut events).last(), Some(&Event::State(State::Closed)));
    drop(have);
    // The board is in the REPL for people, and keeps what it holds for whoever comes next.
    let next = bench.device().await;
    assert_eq!(next.ran().await.unwrap(), [0]);
}

#[tokio::test]
async fn after_closing_people_find_their_prompt() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let board = Board::start(&Options::default()).unwrap();
    let line = belay_sim::Line::new(board.connect(), &belay_sim::LineOptions::default());
    let cable = line.handle();
    let device = Device::builder().connect("people", line).await.unwrap();
    device.note(0).await.unwrap();
    device.close().await.unwrap();
    let mut port = cable.replug();
    port.write_all(b"1000+234\r").await.unwrap();
    let mut seen = String::new();
    while !seen.contains("1234") || !seen.ends_with(">>> ") {
        seen.push(char::from(port.read_u8().await.unwrap()));
    }
    assert!(seen.contains("1000+234"), "the REPL for people echoes: {seen}");
}

#[tokio::test]
async fn a_second_session_finds_everything_deployed() {
    let bench = Bench::new();
    let first = bench.device().await;
    first.note(0).await.unwrap();
    first.close().await.unwrap();
    let second = bench.device().await;
    assert_eq!(second.note(1).await.unwrap(), 1);
    let counted = second.session().statistics();
    assert_eq!((counted.deployments, counted.cache_hits, counted.resets), (0, 1, 0), "{counted:?}");
}

#[tokio::test]
async fn closing_runs_the_teardowns_of_what_was_used_in_the_reverse_order() {
    #[belay::device]
    trait First {
        #[belay::setup]
        async fn open(&self) -> belay::Result<()> {
            "import sys"
        }

        #[belay::task]
        async fn first(&self) -> belay::Result<()> {
            "pass"
        }

        #[belay::teardown]
        async fn first_down(&self) -> belay::Result<()> {
            r#"
            sys.stdout.write('first, begun first. ')
            raise OSError('stuck too')
            "#
        }

        #[belay::teardown]
        async fn first_up(&self) -> belay::Result<()> {
            "sys.stdout.write('first, begun last. ')"
        }
    }

    #[belay::device]
    trait Second {
        #[belay::task]
        async fn second(&self) -> belay::Result<()> {
            "pass"
        }

        #[belay::teardown]
        async fn fails(&self) -> belay::Result<()> {
            r#"
            print('second. ', end='')
            raise ValueError('stuck')
            "#
        }
    }

    #[belay::device]
    trait Unused {
        #[belay::teardown]
        async fn never(&self) -> belay::Result<()> {
            "print('unused')"
        }
    }

    let bench = Bench::new();
    for reset in [false, true] {
        let device = bench.device().await;
        let mut output = device.session().output();
        device.first().await.unwrap();
        device.second().await.unwrap();
        if reset {
            // What was used before a reset has nothing left to tear down.
            device.session().soft_reset().await.unwrap();
            device.second().await.unwrap();
        }
        output.take_text();
        let error = device.close().await.unwrap_err();
        assert!(matches!(&error, Error::Exception { task, .. } if task == "fails"), "{error}");
        let first = if reset { "" } else { "first, begun last. first, begun first. " };
        assert_eq!(output.take_text(), format!("second. {first}"));
    }
}

#[tokio::test]
async fn a_board_that_was_reset_behind_our_back_has_nothing_to_tear_down() {
    #[belay::device]
    trait Valve {
        #[belay::task]
        async fn valve(&self) -> belay::Result<()> {
            "pass"
        }

        #[belay::teardown]
        async fn shut(&self) -> belay::Result<()> {
            "print('shut')"
        }
    }
    for held in [false, true] {
        let bench = Bench::new();
        let device = bench.device().await;
        device.valve().await.unwrap();
        let kept = if held { Some(device.session().object("[1]").await.unwrap()) } else { None };
        let mut output = device.session().output();
        bench.board.reset();
        device.close().await.unwrap();
        let text = output.take_text();
        // What was sent may be echoed.
        assert!(!text.contains("\nshut"), "{text}");
        drop(kept);
    }
}

#[tokio::test]
async fn a_namespace_that_is_released_takes_its_memory_along_and_comes_back() {
    #[belay::device]
    trait Heavy {
        #[belay::setup]
        async fn open(&self) -> belay::Result<()> {
            "ballast = bytearray(40000)"
        }

        #[belay::task]
        async fn weight(&self) -> belay::Result<u32> {
            "return len(ballast)"
        }

        #[belay::teardown]
        async fn let_down(&self) -> belay::Result<()> {
            "print('let down')"
        }
    }
    let device = Bench::new().device().await;
    let session = device.session();
    device.note(0).await.unwrap();
    session.exec("import gc").await.unwrap();
    let free = async || {
        // The collector takes what looks like a pointer for one: what earlier calls left on the stack is overwritten.
        let deep = "def deep(n):\n return n and deep(n - 1)\ntry:deep(500)\nexcept RuntimeError:0\ngc.collect()";
        session.exec(deep).await.unwrap();
        session.eval::<u32>("gc.mem_free()").await.unwrap()
    };
    free().await;
    let mut output = session.output();
    let mut frees = Vec::new();
    for _ in 0..3 {
        assert_eq!(device.weight().await.unwrap(), 40_000);
        let held = session.holdings();
        let tasks: Vec<_> =
            held.iter().map(|namespace| (namespace.name.rsplit("::").next(), namespace.tasks.join(" "))).collect();
        assert_eq!(tasks, [(Some("Rig"), "note".to_owned()), (Some("Heavy"), "weight".to_owned())]);
        let with = free().await;
        session.release(&held[1]).await.unwrap();
        assert_eq!(output.take_text(), "let down\r\n");
        assert_eq!(session.holdings().len(), 1);
        let without = free().await;
        // What lets go of it stays the first time.
        assert!(without >= with + 39_000, "{with} bytes were free, and {without} afterwards");
        frees.push(without);
    }
    assert!(frees[2] + 128 >= frees[0], "{frees:?}");
    assert_eq!(device.ran().await.unwrap(), [0]);
}
