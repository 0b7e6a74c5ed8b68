//! The figures of the bench, one function each.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    time::{Duration, Instant},
};

use belay::{Device, Error, Stream as _, Traffic};
use serde_bytes::Bytes;
use tokio::task::JoinSet;

use super::{
    FIGURES,
    place::Place,
    tasks::{BYTES, Large as _, Tasks as _},
};
use crate::{board, failure::Failure, figures::Samples, terminal::Terminal};

/// Calls that are under way together.
const TOGETHER: u32 = 16;

/// A figure, or why there is none.
pub(super) type Figure = Result<Samples, String>;

/// The figures that were measured, by name.
#[derive(Default)]
pub(super) struct Figures(HashMap<&'static str, Figure>);

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
    /// In the order of the report.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Figure)> {
        FIGURES.iter().filter_map(|name| Some((*name, self.get(name)?)))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Figure> {
        self.0.get(name)
    }
}

/// Measures what is wanted on the board at this place, and says what board it is.
pub(super) async fn measure(
    place: &Place,
    wants: &impl Fn(&str) -> bool,
    terminal: &Terminal,
) -> Result<(String, Figures), Failure> {
    let mut figures = Figures::default();
    let device = opened(place, &mut Samples::default(), terminal).await?;
    let board = board::name(&device);
    let outcome = board::with(&device, terminal, cached(&device, wants, &mut figures, terminal)).await;
    board::close(device).await;
    outcome?;
    // First, because it leaves the board as it is.
    if wants("attach_warm") {
        figures.0.insert("attach_warm", attach_warm(place, terminal).await?);
    }
    let names = ["attach_cold", "first_call", "source_4k"];
    if names.into_iter().any(wants) {
        let measured = match openings(place, terminal).await {
            Ok(measured) => measured,
            // What has been forgotten leaves gaps in a small heap that the next opening does not fit into.
            Err(Failure::Board(error @ Error::Exception { .. })) => {
                let why = reason(error)?;
                [(); 3].map(|()| Err(format!("the board has no room to be opened a second time: {why}")))
            }
            Err(failure) => return Err(failure),
        };
        figures.0.extend(names.into_iter().zip(measured).filter(|(name, _)| wants(name)));
    }
    Ok((board, figures))
}

/// What is measured with tasks that are on the board.
async fn cached(
    device: &Device,
    wants: &impl Fn(&str) -> bool,
    figures: &mut Figures,
    terminal: &Terminal,
) -> belay::Result<()> {
    let data: Vec<u8> = (0..=255).cycle().take(BYTES).collect();
    for &name in FIGURES.iter().filter(|name| wants(name)) {
        let figure = match name {
            "call" => repeat(device, terminal, name, QUICK, async || Ok(device.read_temp(26).await? == 52.5)).await?,
            "call_concurrent_16" => {
                let rounds = repeat(device, terminal, name, QUICK, async || together(device).await).await?;
                rounds.map(|rounds| rounds.divided_by(TOGETHER))
            }
            "list_1000_int" => {
                let right = async || Ok(device.list_1000_int().await?.into_iter().eq((0..1000).map(|i| i * 7 % 1000)));
                repeat(device, terminal, name, LONG, right).await?
            }
            "stream_100" => repeat(device, terminal, name, LONG, async || streamed(device).await).await?,
            "bytes_4096_in" => {
                repeat(device, terminal, name, LONG, async || Ok(device.bytes_in().await?.as_ref() == data)).await?
            }
            "bytes_4096_out" => {
                let right = async || Ok(device.bytes_out(Bytes::new(&data)).await? == BYTES);
                repeat(device, terminal, name, LONG, right).await?
            }
            _ => continue,
        };
        figures.0.insert(name, figure);
    }
    Ok(())
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
        // The first one may take long by itself. What is measured is not watched.
        let outcome = if n == 0 { progress.during(once()).await } else { once().await };
        match outcome {
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

/// Sixteen calls under way together, and whether all were right.
async fn together(device: &Device) -> belay::Result<bool> {
    let mut calls = JoinSet::new();
    for _ in 0..TOGETHER {
        let device = device.clone();
        calls.spawn(async move { device.read_temp(26).await });
    }
    let mut right = true;
    while let Some(call) = calls.join_next().await {
        // A call that panics is not right, and has said so.
        right &= match call {
            Ok(value) => value? == 52.5,
            Err(_) => false,
        };
    }
    Ok(right)
}

/// A hundred items of a stream, and whether all were right.
async fn streamed(device: &Device) -> belay::Result<bool> {
    let mut items = pin!(device.stream(100));
    let mut expected = 0..100;
    while let Some(item) = poll_fn(|context| items.as_mut().poll_next(context)).await {
        if Some(item?) != expected.next() {
            return Ok(false);
        }
    }
    Ok(expected.is_empty())
}

/// Opens the board as one that knows nothing of us (attach_cold), and brings the first tasks to it (first_call,
/// source_4k).
async fn openings(place: &Place, terminal: &Terminal) -> Result<[Figure; 3], Failure> {
    let (mut cold, mut first, mut source) = (Samples::default(), Ok(Samples::default()), Ok(Samples::default()));
    let begun = Instant::now();
    let mut progress = terminal.progress("measuring attach_cold, first_call, source_4k", OPENING.most.into());
    for n in 1..=OPENING.most {
        if place.stays() {
            let device = opened(place, &mut Samples::default(), terminal).await?;
            board::with(&device, terminal, forget_us(&device)).await?;
            board::close(device).await;
        }
        let device = opened(place, &mut cold, terminal).await?;
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
        board::close(opened(place, &mut samples, terminal).await?).await;
        progress.set(n.into());
        if n >= OPENING.least && begun.elapsed() > OPENING.time {
            break;
        }
    }
    Ok(Ok(samples))
}

async fn opened(place: &Place, samples: &mut Samples, terminal: &Terminal) -> Result<Device, Failure> {
    let what = format!("opening {}", place.spec());
    let at = Instant::now();
    let device = tokio::select! {
        opened = terminal.during(&what, place.open()) => opened?,
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
