//! Getting hold of boards: in few turns on good lines, in time on bad ones, and never with a damaged agent.

use std::time::{Duration, Instant};

use belay::{Device, Error, Result, Trust};
use belay_sim::{Board, Options};

#[belay::task]
async fn twice(device: &Device, n: i64) -> Result<i64> {
    "return n * 2"
}

/// Every family, first without an agent and then from a second program.
#[tokio::test]
async fn attaching_takes_few_turns() {
    for family in belay_sim::families() {
        let board = Board::start(&Options::for_family(family).unwrap()).unwrap();
        // The boot's own output is no turn of ours.
        let device = Device::builder().connect(family, board.connect()).await.unwrap();
        let cold = device.session().traffic();
        assert_eq!(twice(&device, 21).await.unwrap(), 42);
        drop(device);
        let device = Device::builder().connect(family, board.connect()).await.unwrap();
        let warm = device.session().traffic();
        assert_eq!(twice(&device, 21).await.unwrap(), 42);
        let used = device.session().traffic() - warm;
        println!(
            "{family}: cold attach {} turns, {} bytes out; warm attach {} turns, {} bytes out; then a call of {} bytes",
            cold.turns, cold.bytes_out, warm.turns, warm.bytes_out, used.bytes_out
        );
        assert!(cold.turns <= 5, "{family}: {cold:?}");
        assert!(warm.turns <= 2, "{family}: {warm:?}");
        // Ctrl-C, Ctrl-A and a greeting: no source, neither of the agent nor of the task.
        assert!(warm.bytes_out <= 100, "{family}: {warm:?}");
        assert_eq!(used.bytes_out, "_b(1,21)\x04".len() as u64, "{family}");
    }
}

/// Lines that lose, change and double bytes: attaching works, or ends in a typed error in time; what is then called is
/// right.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_line_gets_a_whole_agent_or_an_error_in_time() {
    let limit = Duration::from_secs(20);
    let (mut tried, mut worked) = (0, 0);
    for noise in
        ["drop=0.0005", "flip=0.0005", "double=0.0005", "drop=0.002", "flip=0.002", "drop=0.0005&raw_paste=unknown"]
    {
        let attempts = (0..4).map(|seed| {
            tokio::spawn(async move {
                let spec = format!("sim:pico?{noise}&seed={seed}");
                let begun = Instant::now();
                let opened = Device::builder().open_timeout(limit).open(&spec).await;
                assert!(begun.elapsed() < limit.mul_f32(1.2), "{spec}: {:?}", begun.elapsed());
                let device = match opened {
                    Ok(device) => device,
                    Err(Error::Open { .. } | Error::Protocol { .. } | Error::TimedOut { .. }) => return (spec, None),
                    Err(error) => panic!("{spec}: {error:?}"),
                };
                let attached = begun.elapsed();
                for n in 0..50 {
                    match twice(&device, n).await {
                        Ok(got) => assert_eq!(got, n * 2, "{spec}"),
                        Err(
                            Error::OutcomeUnknown { .. }
                            | Error::TimedOut { .. }
                            | Error::Protocol { .. }
                            | Error::Open { .. },
                        ) => {}
                        Err(error) => panic!("{spec}: {error:?}"),
                    }
                }
                assert_eq!(device.session().capabilities().unwrap().trust, Trust::Verified);
                (spec, Some(attached))
            })
        });
        for attempt in attempts.collect::<Vec<_>>() {
            let (spec, attached) = attempt.await.unwrap();
            println!("{spec}: attached in {attached:?}");
            tried += 1;
            worked += usize::from(attached.is_some());
        }
    }
    println!("{worked} of {tried} damaged lines attached");
    assert!(worked * 10 >= tried * 9, "{worked} of {tried}");
}
