//! Many boards: opened once, shared, watched, closed together.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use belay::{Call, Device, Error, Event, Manager, ManagerEvent, Reply, Result, State, layers::Metrics};
use tokio::sync::Notify;

#[path = "sessions/bench.rs"]
#[allow(dead_code)]
mod bench;
#[path = "sessions/rig.rs"]
#[allow(dead_code)]
mod rig;

use bench::Bench;
use rig::Rig;

/// Has something to put in order at the end.
#[belay::device]
trait Lamp {
    #[belay::task]
    async fn light(&self) -> Result<u8> {
        "return 1"
    }

    #[belay::teardown]
    async fn darken(&self) -> Result<()> {
        "print('dark again')"
    }
}

/// Opens `bench` through the manager, as often as it is asked for.
async fn open(boards: &Manager, name: &str, bench: &Bench) -> Result<Device> {
    let bench = bench.clone();
    boards.open_with(name, |builder| async move { Ok(bench.build(builder).await) }).await
}

#[tokio::test]
async fn a_board_is_opened_once_however_many_ask() {
    let (boards, bench) = (Manager::default(), Bench::new());
    let askers: Vec<_> = (0..20)
        .map(|n| {
            let (boards, bench) = (boards.clone(), bench.clone());
            tokio::spawn(async move { open(&boards, "bench", &bench).await?.note(n).await })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap().unwrap();
    }
    assert_eq!(bench.opened(), 1);
    let mut ran = open(&boards, "bench", &bench).await.unwrap().ran().await.unwrap();
    ran.sort_unstable();
    assert_eq!(ran, (0..20).collect::<Vec<_>>());
    assert_eq!(boards.devices().len(), 1);
}

#[tokio::test]
async fn specs_of_virtual_boards_name_one_board_each() {
    let boards = Manager::default();
    let (pico, again, esp) =
        tokio::try_join!(boards.open("sim:pico"), boards.open("sim:pico"), boards.open("sim:esp32")).unwrap();
    pico.note(1).await.unwrap();
    assert_eq!(again.ran().await.unwrap(), [1]);
    assert_eq!(esp.ran().await.unwrap(), [0; 0]);
    let mut ports: Vec<_> = boards.devices().iter().map(|board| board.session().port().to_owned()).collect();
    ports.sort();
    assert_eq!(ports, ["sim:esp32", "sim:pico"]);
    assert!(boards.close_all().await.is_empty());
}

#[tokio::test]
async fn all_who_asked_get_the_error_and_who_asks_later_tries_again() {
    let boards = Manager::default();
    let mut events = boards.events();
    let tries = Arc::new(AtomicUsize::new(0));
    let go = Arc::new(Notify::new());
    let ask = || {
        let (tries, go) = (Arc::clone(&tries), Arc::clone(&go));
        boards.open_with("no board", |builder| async move {
            tries.fetch_add(1, Ordering::Relaxed);
            go.notified().await;
            builder.open("/dev/no-such-port").await
        })
    };
    let (one, two, ()) = tokio::join!(ask(), ask(), async { go.notify_one() });
    for outcome in [one, two] {
        assert!(matches!(outcome, Err(Error::Open { .. })), "{outcome:?}");
    }
    assert_eq!(tries.load(Ordering::Relaxed), 1);
    let event = events.next().await;
    assert!(matches!(&event, Some(ManagerEvent::NotOpened { port, .. }) if port == "no board"), "{event:?}");
    assert!(boards.devices().is_empty());

    let (three, ()) = tokio::join!(ask(), async { go.notify_one() });
    assert!(three.is_err());
    assert_eq!(tries.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn giving_up_on_an_opening_disturbs_nobody() {
    let (boards, bench) = (Manager::default(), Bench::new());
    let go = Arc::new(Notify::new());
    let mut first = Box::pin(boards.open_with("bench", |builder| {
        let (bench, go) = (bench.clone(), Arc::clone(&go));
        async move {
            go.notified().await;
            Ok(bench.build(builder).await)
        }
    }));
    // Asked for, then given up.
    assert!(tokio::time::timeout(Duration::ZERO, &mut first).await.is_err());
    drop(first);
    let (second, ()) = tokio::join!(open(&boards, "bench", &bench), async { go.notify_one() });
    assert_eq!(second.unwrap().note(1).await.unwrap(), 1);
    assert_eq!(bench.opened(), 1, "the opening that was under way");

    // What panics while it opens leaves a place for the next.
    let broken = boards.open_with("broken", |_| async { panic!("on purpose") }).await;
    assert!(matches!(broken, Err(Error::Closed { .. })), "{broken:?}");
    assert!(open(&boards, "broken", &Bench::new()).await.is_ok());
}

#[tokio::test]
async fn one_board_that_is_unplugged_is_watched_and_the_others_go_on() {
    let metrics = Metrics::default();
    let boards = Manager::new(Device::builder().layer(metrics.layer()));
    let mut events = boards.events();
    let benches: Vec<Bench> = (0..4).map(|_| Bench::new()).collect();
    let names = ["north", "east", "south", "west"];
    let mut devices = Vec::new();
    for (name, bench) in names.into_iter().zip(&benches) {
        devices.push(open(&boards, name, bench).await.unwrap());
    }
    for device in &devices {
        device.note(0).await.unwrap();
    }
    let east = devices[1].clone();
    benches[1].unplug();
    east.session().watch().wait_for(|state| *state == State::Lost).await.unwrap();
    let waits = tokio::spawn({
        let east = east.clone();
        async move { east.note(100).await }
    });
    for n in 1..=25 {
        for device in [&devices[0], &devices[2], &devices[3]] {
            assert_eq!(device.note(n).await.unwrap(), n);
        }
    }
    assert!(!waits.is_finished());
    benches[1].plug_in();
    assert_eq!(waits.await.unwrap().unwrap(), 100);
    assert_eq!(east.ran().await.unwrap(), [0, 100]);

    for (name, board) in names.iter().zip(&devices) {
        let (statistics, traffic) = (board.session().statistics(), board.session().traffic());
        let (calls, reconnections) = if *name == "east" { (3, 1) } else { (26, 0) };
        assert_eq!(
            (statistics.calls, statistics.reconnections, statistics.resets),
            (calls, reconnections, 0),
            "{name}"
        );
        assert!(statistics.cache_hits >= calls - 2 && traffic.turns >= calls && traffic.bytes_out > 0, "{name}");
    }
    assert_eq!(metrics.tasks().iter().map(|task| task.answered).sum::<u64>(), 3 * 26 + 3);

    let failed = boards.close_all().await;
    assert!(failed.is_empty(), "{failed:?}");
    assert!(boards.devices().is_empty());
    for device in &devices {
        assert!(matches!(device.note(1).await, Err(Error::Closed { .. })));
    }
    drop((boards, devices, east));
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(event);
    }
    let opened: Vec<_> = seen
        .iter()
        .filter_map(|event| match event {
            ManagerEvent::Opened { port } => Some(port.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(opened, names);
    let of = |wanted: &Event| -> Vec<_> {
        let ports = seen.iter().filter_map(|event| match event {
            ManagerEvent::Board { port, event } if event == wanted => Some(port.as_str()),
            _ => None,
        });
        ports.collect()
    };
    assert_eq!(of(&Event::State(State::Lost)), ["east"]);
    assert_eq!(of(&Event::Reconnected), ["east"]);
    let mut closed = of(&Event::State(State::Closed));
    closed.sort_unstable();
    assert_eq!(closed, ["east", "north", "south", "west"]);
}

#[tokio::test]
async fn what_was_closed_is_opened_anew() {
    let (boards, bench) = (Manager::default(), Bench::new());
    let first = open(&boards, "bench", &bench).await.unwrap();
    first.note(1).await.unwrap();
    first.close().await.unwrap();
    let second = open(&boards, "bench", &bench).await.unwrap();
    assert_eq!(second.note(2).await.unwrap(), 2);
    assert!(matches!(first.note(3).await, Err(Error::Closed { .. })));
    assert_eq!(bench.opened(), 2);
}

#[tokio::test]
async fn services_are_pooled_like_boards() {
    let boards = Manager::default();
    let mock = |builder: belay::Builder| async move {
        drop(builder);
        let service = tower::service_fn(|_: Call| async { Ok::<_, Error>(Reply::new(vec![7])) });
        Ok(Device::from_service("mock", service))
    };
    assert_eq!(boards.open_with("mock", mock).await.unwrap().note(1).await.unwrap(), 7);
    assert_eq!(boards.devices().len(), 1);
}

#[tokio::test]
async fn a_program_that_ends_closes_its_boards() {
    let (boards, bench) = (Manager::default(), Bench::new());
    let board = open(&boards, "bench", &bench).await.unwrap();
    let outcome = boards.until_ctrl_c(board.note(1)).await;
    assert_eq!(outcome.unwrap().unwrap(), 1);
    assert_eq!(board.session().state(), State::Closed);
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_on_the_host_stops_the_board_and_closes_it() {
    let (boards, bench) = (Manager::default(), Bench::new());
    let board = open(&boards, "bench", &bench).await.unwrap();
    board.note(0).await.unwrap();
    board.light().await.unwrap();
    let mut output = board.session().output();
    let mut last_words = board.session().output();
    let program = board.with_timeout(Duration::from_secs(60));
    let presses = async {
        // The task runs on the board, so the handler is there.
        output.next().await;
        let me = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &me]).status().unwrap().success());
        std::future::pending::<()>().await
    };
    let outcome = boards
        .until_ctrl_c(async {
            tokio::select! {
                outcome = program.say_and_spin("running") => outcome,
                () = presses => unreachable!(),
            }
        })
        .await;
    assert!(outcome.is_none(), "{outcome:?}");
    assert_eq!(board.session().state(), State::Closed);
    assert!(last_words.take_text().contains("dark again"), "the teardown ran");
    // The board listens: it was stopped, and nothing was reset.
    let again = open(&boards, "bench", &bench).await.unwrap();
    assert_eq!(again.ran().await.unwrap(), [0]);
}
