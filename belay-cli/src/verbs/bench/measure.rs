//! The figures of the bench, one function each.

use std::time::{Duration, Instant};

use belay::{Device, Error, Traffic};
use serde_bytes::Bytes;
use tokio::task::JoinSet;

use super::{
    place::Place,
    tasks::{BYTES, Large as _, Tasks as _},
};
use crate::{board, failure::Failure, figures::Samples, terminal::Terminal};

/// Calls that are under way together.
const TOGETHER: u32 = 16;

/// A figure, or why there is none.
pub(super) type Figure = Result<Samples, String>;

/// Figures by name, in the order of the report.
pub(super) struct Figures(Vec<(&'static str, Figure)>);

/// How often something is measured: until there are `most` samples or the time is over, and `least` times at any rate.
#[derive(Clone, Copy)]
struct Effort {
    least: u32,
    most: u32,
    time: Duration,
}

const QUICK: Effort = Effort { least: 20, most: 500, time: Duration::from_secs(3) };
const LONG: Effort = Effort { least: 3, most: 50, time: Duration::from_secs(2) };
const OPENING: Effort = Effort { least: 3, most: 10, time: Duration::from_secs(3) };

impl Figures {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Figure)> {
        self.0.iter().map(|(name, figure)| (*name, figure))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Figure> {
        self.iter().find(|(known, _)| *known == name).map(|(_, figure)| figure)
    }
}

/// Measures everything on the board at this place.
pub(super) async fn all(place: &Place, terminal: &Terminal) -> Result<(String, Figures), Failure> {
    let device = place.open().await?;
    let board = device.session().capabilities().map(|board| board.to_string()).unwrap_or_default();
    let warm = board::with(&device, terminal, warm(&device, terminal)).await?;
    board::close(device).await;
    let [call, together, list, came, went] = warm;
    let [cold, first, source] = openings(place, terminal).await?;
    let again = attach_warm(place, terminal).await?;
    let figures = vec![
        ("call", call),
        ("call_concurrent_16", together),
        ("first_call", first),
        ("list_1000_int", list),
        ("bytes_4096_in", came),
        ("bytes_4096_out", went),
        ("source_4k", source),
        ("attach_cold", cold),
        ("attach_warm", again),
    ];
    Ok((board, Figures(figures)))
}

/// What is measured with tasks that are on the board.
async fn warm(device: &Device, terminal: &Terminal) -> belay::Result<[Figure; 5]> {
    let call = repeat(device, terminal, "call", QUICK, async || Ok(device.read_temp(26).await? == 52.5));
    let call = call.await?;
    let together = together(device, terminal).await?;
    let list = repeat(device, terminal, "list_1000_int", LONG, async || {
        Ok(device.list_1000_int().await?.into_iter().eq((0..1000).map(|i| i * 7 % 1000)))
    });
    let list = list.await?;
    let came = repeat(device, terminal, "bytes_4096_in", LONG, async || {
        Ok(device.bytes_in().await?.iter().copied().eq((0..=255).cycle().take(BYTES)))
    });
    let came = came.await?;
    let data: Vec<u8> = (0..=255).cycle().take(BYTES).collect();
    let went = repeat(device, terminal, "bytes_4096_out", LONG, async || {
        Ok(device.bytes_out(Bytes::new(&data)).await? == BYTES)
    });
    let went = went.await?;
    Ok([call, together, list, came, went])
}

/// Does something until the effort is made. The first time brings the task to the board and does not count.
async fn repeat(
    device: &Device,
    terminal: &Terminal,
    name: &str,
    effort: Effort,
    mut once: impl AsyncFnMut() -> belay::Result<bool>,
) -> belay::Result<Figure> {
    let mut samples = Samples::default();
    let mut progress = terminal.progress(&format!("measuring {name}"), effort.most.into());
    let mut begun = None;
    for n in 0..=effort.most {
        let (before, at) = (device.session().traffic(), Instant::now());
        match once().await {
            Ok(true) => {}
            Ok(false) => return Ok(Err("the board gave another answer than it should".into())),
            Err(error) => return reason(error).map(Err),
        }
        let begun = *begun.get_or_insert_with(Instant::now);
        if n > 0 {
            samples.push(at.elapsed(), device.session().traffic() - before);
            progress.set(n.into());
        }
        if n >= effort.least && begun.elapsed() > effort.time {
            break;
        }
    }
    Ok(Ok(samples))
}

/// Sixteen calls under way together: what each of them costs.
async fn together(device: &Device, terminal: &Terminal) -> belay::Result<Figure> {
    let rounds = repeat(device, terminal, "call_concurrent_16", QUICK, async || {
        let mut calls = JoinSet::new();
        for _ in 0..TOGETHER {
            let device = device.clone();
            calls.spawn(async move { device.read_temp(26).await });
        }
        let mut right = true;
        while let Some(call) = calls.join_next().await {
            let reason = |error: tokio::task::JoinError| Error::Protocol {
                port: device.session().port().to_owned(),
                reason: error.to_string(),
            };
            right &= call.map_err(reason)?? == 52.5;
        }
        Ok(right)
    });
    Ok(rounds.await?.map(|rounds| rounds.divided_by(TOGETHER)))
}

/// Opens the board as one that knows nothing of us, and brings the first tasks to it.
async fn openings(place: &Place, terminal: &Terminal) -> Result<[Figure; 3], Failure> {
    let (mut cold, mut first, mut source) = (Samples::default(), Ok(Samples::default()), Ok(Samples::default()));
    let begun = Instant::now();
    let mut progress = terminal.progress("measuring attach_cold, first_call, source_4k", OPENING.most.into());
    for n in 1..=OPENING.most {
        if place.stays() {
            let device = place.open().await?;
            board::with(&device, terminal, forget_us(&device)).await?;
            board::close(device).await;
        }
        let device = opened(place, &mut cold).await?;
        board::with(&device, terminal, async {
            once(&device, &mut first, async || Ok(device.read_temp(26).await? == 52.5)).await?;
            once(&device, &mut source, async || Ok(device.source_4k(1024).await? == (10732, 3))).await
        })
        .await?;
        board::close(device).await;
        progress.set(n.into());
        if n >= OPENING.least && begun.elapsed() > OPENING.time {
            break;
        }
    }
    Ok([Ok(cold), first, source])
}

/// Opens the board as one that holds all that it needs.
async fn attach_warm(place: &Place, terminal: &Terminal) -> Result<Figure, Failure> {
    if !place.stays() {
        return Ok(Err("each opening of an exec: port starts another program".into()));
    }
    let mut samples = Samples::default();
    let begun = Instant::now();
    let mut progress = terminal.progress("measuring attach_warm", OPENING.most.into());
    for n in 1..=OPENING.most {
        board::close(opened(place, &mut samples).await?).await;
        progress.set(n.into());
        if n >= OPENING.least && begun.elapsed() > OPENING.time {
            break;
        }
    }
    Ok(Ok(samples))
}

async fn opened(place: &Place, samples: &mut Samples) -> Result<Device, Failure> {
    let at = Instant::now();
    let device = tokio::select! {
        opened = place.open() => opened?,
        () = board::interrupted() => return Err(Failure::Stopped(None)),
    };
    samples.push(at.elapsed(), device.session().traffic());
    Ok(device)
}

/// Does something once and adds what it cost, unless it has failed before.
async fn once(
    device: &Device,
    figure: &mut Figure,
    work: impl AsyncFnOnce() -> belay::Result<bool>,
) -> belay::Result<()> {
    let Ok(samples) = figure else { return Ok(()) };
    let (before, at) = (device.session().traffic(), Instant::now());
    match work().await {
        Ok(true) => samples.push(at.elapsed(), device.session().traffic() - before),
        Ok(false) => *figure = Err("the board gave another answer than it should".into()),
        Err(error) => *figure = Err(reason(error)?),
    }
    Ok(())
}

/// Takes the one name away that belay has on a board, so that the next opening finds a board as after its start, without
/// a reset: some boards are gone for seconds after one, and some programs that speak the REPL end.
async fn forget_us(device: &Device) -> belay::Result<()> {
    device.session().exec("import __main__\ndel __main__._b").await
}

/// Why there is no figure; an error that ends the whole bench comes back.
fn reason(error: Error) -> belay::Result<String> {
    match error {
        Error::Exception { exception, .. } if exception.message().is_empty() => Ok(exception.kind().to_owned()),
        Error::Exception { exception, .. } => Ok(format!("{}: {}", exception.kind(), exception.message())),
        Error::Open { .. } | Error::Lost { .. } | Error::Closed { .. } => Err(error),
        other => Ok(other.to_string()),
    }
}

impl Samples {
    /// The share of one in what `count` cost together.
    fn divided_by(self, count: u32) -> Self {
        self.map(|ms, traffic| {
            let each = |n: u64| n.div_ceil(count.into());
            let each = Traffic {
                bytes_out: each(traffic.bytes_out),
                bytes_in: each(traffic.bytes_in),
                writes: 0,
                // Their turns are shared, so that one call has none of its own.
                turns: 0,
            };
            (ms / f64::from(count), each)
        })
    }
}
