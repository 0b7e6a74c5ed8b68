//! What the facade promises of calls, on a virtual board: right values, few bytes, and nothing printed lost or mixed in.

use std::time::{Duration, Instant};

use belay::{Device, Error, Result};

// Calls alone: its streams are another program's.
#[allow(dead_code)]
mod common;

use common::Counter;

#[belay::device]
trait Board: Counter {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        from machine import ADC
        sensor = ADC(4)
        "#
    }

    #[belay::task]
    async fn read_temp(&self, pin: u8) -> Result<f64> {
        "return pin * 2 + 0.5"
    }

    #[belay::task]
    async fn adc(&self) -> Result<u16> {
        "return sensor.read_u16()"
    }

    #[belay::task]
    async fn noisy(&self, n: u32, noise: &str) -> Result<u32> {
        r#"
        print(noise, end="")
        return n * 3
        "#
    }

    #[belay::task]
    async fn print_bytes(&self, noise: Vec<u8>) -> Result<u32> {
        r#"
        import sys
        sys.stdout.buffer.write(bytes(noise))
        return len(noise)
        "#
    }

    #[belay::task(timeout = "400ms")]
    async fn spin(&self) -> Result<()> {
        "while True: pass"
    }

    #[belay::task(timeout = "400ms")]
    async fn print_for_ever(&self) -> Result<()> {
        "while True: print('round and round')"
    }

    #[belay::task]
    async fn fail(&self, message: &str) -> Result<u8> {
        r#"
        x = 1
        raise ValueError(message)
        "#
    }

    #[belay::task]
    async fn word(&self) -> Result<u8> {
        "return 'n/a'"
    }

    #[belay::task]
    #[allow(clippy::too_many_arguments)]
    async fn total(&self, a: u8, b: i64, c: f32, d: bool, e: Option<u8>, f: (u8, u8), g: Vec<u16>) -> Result<f64> {
        "return a + b + c + d + (e or 0) + f[0] + f[1] + sum(g)"
    }

    /// A Python slip that only a board can find.
    #[belay::task]
    async fn broken(&self) -> Result<()> {
        "return eval('no_such_name')"
    }
}

async fn board() -> Device {
    Device::open("sim:pico").await.expect("a virtual board opens")
}

#[tokio::test]
async fn values_go_there_and_come_back() {
    let board = board().await;
    assert_eq!(board.read_temp(26).await.unwrap(), 52.5);
    assert_eq!(board.total(1, -2, 0.5, true, Some(4), (5, 6), vec![7, 8]).await.unwrap(), 30.5);
}

#[tokio::test]
async fn a_setup_runs_once_and_its_globals_are_the_tasks_globals() {
    let board = board().await;
    assert!(board.adc().await.unwrap() > 0);
    for n in 1..=3 {
        assert_eq!(board.count().await.unwrap(), n);
    }
}

#[tokio::test]
async fn a_cached_call_is_one_turn_of_few_bytes_without_source() {
    let board = board().await;
    const CALLS: u64 = 10;
    board.read_temp(26).await.unwrap();
    let before = board.session().traffic();
    for _ in 0..CALLS {
        assert_eq!(board.read_temp(26).await.unwrap(), 52.5);
    }
    let used = board.session().traffic() - before;
    assert!(used.bytes_out < 16 * CALLS, "{used:?}");
    assert_eq!(used.bytes_out, CALLS * "_b(0,26)\x04".len() as u64);
    // `OK`, a mark of three bytes, a MessagePack double (a board with 32-bit floats saves four bytes), and the prompt,
    // which may arrive after its call has returned: the first one's, or not yet the last one's.
    let (each, prompt) = (2 + 3 + 9 + 3, 3);
    assert!(used.bytes_in.abs_diff(CALLS * each) <= prompt, "{used:?}");
    assert_eq!((used.writes, used.turns), (CALLS, CALLS), "{used:?}");
}

#[tokio::test]
async fn after_a_soft_reset_tasks_come_back_by_themselves() {
    let board = board().await;
    board.count().await.unwrap();
    assert_eq!(board.count().await.unwrap(), 2);
    board.session().soft_reset().await.unwrap();
    assert_eq!(board.count().await.unwrap(), 1, "a new epoch, the setup ran again");
}

#[tokio::test]
async fn a_reset_that_the_session_did_not_ask_for_is_found_before_the_call_runs() {
    let sim = belay_sim::Board::start(&belay_sim::Options::default()).unwrap();
    let board = Device::builder().connect("virtual", sim.connect()).await.unwrap();
    assert_eq!(board.count().await.unwrap(), 1);
    sim.reset();
    assert_eq!(board.count().await.unwrap(), 1);
    assert_eq!(board.count().await.unwrap(), 2);
}

#[tokio::test]
async fn a_thousand_calls_between_all_kinds_of_prints() {
    let board = board().await;
    let long = "x".repeat(300);
    let noises = ["no newline", "\x04", "\x04\x04>", "OK", "raw REPL; CTRL-B to exit\r\n>", ">>> ", &long, "\x01R\x01"];
    let mut output = board.session().output();
    let mut expected = String::new();
    let mut printed = String::new();
    for n in 0..1000 {
        let noise = noises[n as usize % noises.len()];
        assert_eq!(board.noisy(n, noise).await.unwrap(), n * 3, "call {n} with {noise:?}");
        expected.push_str(noise);
        printed.push_str(&output.take_text());
    }
    let plain = |text: &str| text.replace('\r', "");
    assert!(plain(&printed) == plain(&expected), "{} bytes of {}", printed.len(), expected.len());
}

#[tokio::test]
async fn prints_that_hold_the_agents_own_marks_are_prints() {
    let board = board().await;
    // Every mark there is, each followed by what could be a length and a value, and the ends that follow a reply.
    let mut all = Vec::new();
    for first in 0xf8..=0xff {
        for second in 0..=0xff {
            all.push(vec![first, second, 1, 42]);
            all.push(vec![first, second, 200, 0xdc, 0, 100]);
            all.push(vec![0x04, first, second, 0x04, 0x04, b'>']);
        }
    }
    let mut output = board.session().output();
    let mut expected = Vec::new();
    let mut printed = Vec::new();
    // One in seven still has every mark; the marks of the calls themselves move through them as well.
    for noise in all.chunks(40).step_by(7) {
        // The mark of the call that prints would have to be guessed: these are hits by chance.
        let noise = noise.concat();
        expected.extend_from_slice(&noise);
        assert_eq!(board.print_bytes(noise.clone()).await.unwrap() as usize, noise.len());
        while let Some(piece) = output.try_next() {
            let belay::Printed::Bytes(bytes) = piece else { panic!("a piece was missed") };
            printed.extend(bytes);
        }
    }
    assert!(printed == expected, "{} bytes of {}", printed.len(), expected.len());
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_deadline_and_the_next_call_works() {
    let board = board().await;
    board.count().await.unwrap();
    for body in ["spin", "print"] {
        let begun = Instant::now();
        let error = match body {
            "spin" => board.spin().await,
            _ => board.print_for_ever().await,
        }
        .unwrap_err();
        let took = begun.elapsed();
        assert!(matches!(&error, Error::TimedOut { what, .. } if what == body || what == "print_for_ever"), "{error}");
        assert!(took >= Duration::from_millis(400) && took <= Duration::from_millis(480 + 100), "{body}: {took:?}");
    }
    assert_eq!(board.count().await.unwrap(), 2, "the same epoch: the board was stopped, not reset");
}

#[tokio::test]
async fn a_call_that_is_dropped_stops_the_board() {
    let board = board().await;
    board.count().await.unwrap();
    let slow = board.with_timeout(Duration::from_secs(60));
    let dropped = tokio::time::timeout(Duration::from_millis(100), slow.spin()).await;
    assert!(dropped.is_err());
    assert_eq!(board.count().await.unwrap(), 2);
}

#[tokio::test]
async fn an_exception_says_what_where_and_in_whose_source() {
    let board = board().await;
    let error = board.fail("zu heiß: 451 °F").await.unwrap_err();
    let Error::Exception { task, exception } = &error else { panic!("{error}") };
    assert_eq!(task, "fail");
    assert_eq!((exception.kind(), exception.message()), ("ValueError", "zu heiß: 451 °F"));
    let text = error.to_string();
    assert!(text.contains("tests/calls.rs") && text.contains("raise ValueError(message)"), "{text}");
    assert!(board.count().await.is_ok());
}

#[tokio::test]
async fn a_name_that_is_not_there_is_an_exception_of_the_task_and_no_reset() {
    let board = board().await;
    board.count().await.unwrap();
    let error = board.broken().await.unwrap_err();
    assert!(matches!(&error, Error::Exception { exception, .. } if exception.kind() == "NameError"), "{error}");
    assert_eq!(board.count().await.unwrap(), 2);
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_an_error_that_names_both() {
    let board = board().await;
    let error = board.word().await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::WrongType { .. }), "{error:?}");
    assert!(text.contains("word") && text.contains("u8") && text.contains("n/a"), "{text}");
    assert!(board.count().await.is_ok());
}

#[tokio::test]
async fn many_callers_at_once_each_get_their_own_answer() {
    let board = board().await;
    let calls: Vec<_> = (0..200u8)
        .map(|pin| {
            let board = board.clone();
            tokio::spawn(async move { (pin, board.read_temp(pin).await) })
        })
        .collect();
    for call in calls {
        let (pin, answer) = call.await.unwrap();
        assert_eq!(answer.unwrap(), f64::from(pin) * 2.0 + 0.5);
    }
}

/// A free function is a task of its module.
#[belay::task]
async fn product(device: &Device, a: i32, b: i32) -> Result<i32> {
    "return a * b"
}

/// A type that holds a board.
struct Rig {
    board: Device,
}

impl AsRef<Device> for Rig {
    fn as_ref(&self) -> &Device {
        &self.board
    }
}

impl Rig {
    #[belay::task]
    async fn difference(&self, a: i32, b: i32) -> Result<i32> {
        "return a - b"
    }
}

trait Extra: AsRef<Device> {
    #[belay::task]
    async fn quotient(&self, a: i32, b: i32) -> Result<i32> {
        "return a // b"
    }
}

impl Extra for Device {}

#[tokio::test]
async fn tasks_stand_alone_on_functions_types_and_traits() {
    let board = board().await;
    assert_eq!(product(&board, 6, 7).await.unwrap(), 42);
    assert_eq!(board.quotient(43, 6).await.unwrap(), 7);
    let rig = Rig { board };
    assert_eq!(rig.difference(50, 8).await.unwrap(), 42);
}
