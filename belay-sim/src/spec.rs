//! Boards as text: `pico?heap=64k&latency=20ms`, what follows `sim:` where a port's name is expected.

use std::time::Duration;

use crate::{Board, Error, Feature, Line, LineOptions, Options, RawPaste, Unread, families};

const OPTIONS: [&str; 15] = [
    "baud",
    "buffer",
    "chunk",
    "ctrl_c",
    "double",
    "drop",
    "flip",
    "heap",
    "hide",
    "latency",
    "line",
    "raw_paste",
    "seed",
    "unread",
    "window",
];

/// Starts the board that `spec` describes and connects to it.
///
/// A spec is a family, or a family and options: `pico?heap=64k&latency=20ms&drop=0.001`.
///
/// | option | meaning |
/// |---|---|
/// | `heap=64k` | bytes of the board's heap |
/// | `buffer=256` | bytes of the board's input buffer |
/// | `window=128` | window increment of raw-paste, in bytes |
/// | `ctrl_c=clear`, `keep` | whether Ctrl-C empties the input buffer, and goes unseen while that is full |
/// | `raw_paste=windows`, `refused`, `unknown` | the answer to the request for raw-paste |
/// | `hide=binascii,struct` | what the board lacks, see [`Feature`] |
/// | `line=typical` | latency and rate that boards of this family have, see [`LineOptions::typical`] |
/// | `latency=20ms` | latency of the line, each way (`us`, `ms`, `s`) |
/// | `baud=9600` | rate of the line, each way; as fast as memory without it |
/// | `chunk=1` | bytes that one read returns at most |
/// | `unread=wait`, `drop` | what becomes of output that nobody reads |
/// | `drop=0.001`, `flip=…`, `double=…` | share of the bytes that are lost, changed in one bit, doubled |
/// | `seed=7` | chooses which bytes |
///
/// # Errors
///
/// [`Error::Spec`] names what is not understood and what would be; otherwise as [`Board::start`].
///
/// # Panics
///
/// Outside of a tokio runtime, as [`Line::new`].
pub fn open(spec: &str) -> Result<(Board, Line), Error> {
    let (options, line) = parse(spec)?;
    let board = Board::start(&options)?;
    let line = Line::new(board.connect(), &line);
    Ok((board, line))
}

fn parse(spec: &str) -> Result<(Options, LineOptions), Error> {
    let refuse = |what: String| Err(Error::Spec { spec: spec.to_owned(), reason: what });
    let (family, query) = spec.split_once('?').unwrap_or((spec, ""));
    let Some(mut options) = Options::for_family(family) else {
        let known: Vec<_> = families().collect();
        return refuse(format!("there is no family `{family}`, only: {}", known.join(", ")));
    };
    let mut line = LineOptions::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let understood = match name {
            "heap" => size(value).map(|bytes| options.heap = bytes),
            "buffer" => size(value).map(|bytes| options.input_buffer = bytes as usize),
            "window" => value.parse().ok().filter(|window| *window > 0).map(|window| options.window = window),
            "ctrl_c" => choice(value, [("clear", true), ("keep", false)]).map(|clears| options.ctrl_c_clears = clears),
            "hide" => features(value).map(|hidden| options.hidden = hidden),
            "raw_paste" => choice(
                value,
                [("windows", RawPaste::Windows), ("refused", RawPaste::Refused), ("unknown", RawPaste::Unknown)],
            )
            .map(|answer| options.raw_paste = answer),
            "line" => choice(value, [("typical", ())])
                .and_then(|()| LineOptions::typical(family))
                .map(|typical| (line.to_board, line.to_host) = (typical.to_board, typical.to_host)),
            "latency" => duration(value).map(|time| {
                line.to_board.latency = time;
                line.to_host.latency = time;
            }),
            "baud" => value.parse().ok().filter(|baud| *baud > 0).map(|baud| {
                line.to_board.baud = baud;
                line.to_host.baud = baud;
            }),
            "chunk" => size(value).map(|bytes| line.chunk = bytes as usize),
            "unread" => {
                choice(value, [("wait", Unread::Wait), ("drop", Unread::Drop)]).map(|unread| line.unread = unread)
            }
            "drop" => share(value).map(|share| line.noise.drop = share),
            "flip" => share(value).map(|share| line.noise.flip = share),
            "double" => share(value).map(|share| line.noise.double = share),
            "seed" => value.parse().ok().map(|seed| line.noise.seed = seed),
            _ => return refuse(format!("there is no option `{name}`, only: {}", OPTIONS.join(", "))),
        };
        if understood.is_none() {
            return refuse(format!("`{value}` is no value for `{name}`; write it like {}", example(name)));
        }
    }
    Ok((options, line))
}

/// A value to show to somebody whose own was not understood.
fn example(name: &str) -> &'static str {
    match name {
        "heap" => "heap=64k",
        "buffer" => "buffer=256",
        "window" => "window=128",
        "ctrl_c" => "ctrl_c=clear or ctrl_c=keep",
        "hide" => "hide=binascii or hide=deflate,json,select,struct,sys.stdout,sys.stdout.buffer",
        "raw_paste" => "raw_paste=windows, raw_paste=refused or raw_paste=unknown",
        "line" => "line=typical",
        "latency" => "latency=20ms",
        "baud" => "baud=115200",
        "chunk" => "chunk=1",
        "unread" => "unread=wait or unread=drop",
        "seed" => "seed=7",
        _ => "drop=0.001",
    }
}

/// `4096` or `4k`.
fn size(text: &str) -> Option<u32> {
    match text.strip_suffix(['k', 'K']) {
        Some(number) => number.parse::<u32>().ok()?.checked_mul(1024),
        None => text.parse().ok(),
    }
    .filter(|bytes| *bytes > 0)
}

/// `20ms`, `500us` or `1s`.
fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number = number.parse::<u32>().ok()?.into();
    match unit {
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

/// A share of all bytes, 0 to 1.
fn share(text: &str) -> Option<f64> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share))
}

/// `binascii,struct`.
fn features(text: &str) -> Option<Vec<Feature>> {
    let named = |name| Feature::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, feature)| feature);
    text.split(',').map(named).collect()
}

fn choice<T, const N: usize>(text: &str, choices: [(&str, T); N]) -> Option<T> {
    choices.into_iter().find(|(name, _)| *name == text).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_understood() {
        let (options, line) = parse(
            "esp32?heap=64k&buffer=512&window=64&ctrl_c=keep&latency=20ms&baud=9600&chunk=1&unread=drop&drop=0.5\
             &flip=0.25&double=0.125&seed=7",
        )
        .unwrap();
        assert_eq!((options.heap, options.input_buffer, options.window), (65536, 512, 64));
        assert!(!options.ctrl_c_clears);
        assert_eq!(line.to_board, line.to_host);
        assert_eq!((line.to_host.latency, line.to_host.baud), (Duration::from_millis(20), 9600));
        assert_eq!((line.chunk, line.unread), (1, Unread::Drop));
        assert_eq!((line.noise.drop, line.noise.flip, line.noise.double, line.noise.seed), (0.5, 0.25, 0.125, 7));
    }

    #[test]
    fn what_is_not_understood_is_named_with_what_would_be() {
        for (spec, parts) in [
            ("nano", ["`nano`", "pico, pico2"]),
            ("pico?color=red", ["`color`", "latency"]),
            ("pico?latency=fast", ["`fast`", "latency=20ms"]),
            ("pico?latency=20", ["`20`", "latency=20ms"]),
            ("pico?drop=2", ["`2`", "drop=0.001"]),
            ("pico?baud=0", ["`0`", "baud=115200"]),
            ("pico?heap", ["``", "heap=64k"]),
            ("pico?ctrl_c=maybe", ["`maybe`", "keep"]),
        ] {
            let error = parse(spec).unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{spec}: {error}");
        }
    }

    #[test]
    fn a_typical_line_is_the_familys() {
        let typical = |spec| parse(spec).unwrap().1;
        let turn = |line: &LineOptions| line.to_board.latency + line.to_host.latency;
        let (pico, esp32) = (typical("pico?line=typical"), typical("esp32?line=typical"));
        assert_eq!((turn(&pico), pico.to_board.baud), (Duration::from_millis(1), 0));
        assert_eq!((turn(&esp32), esp32.to_host.baud), (Duration::from_millis(1), 115_200));
        assert_eq!(typical("pico").to_host, crate::Way::default());
        assert_eq!(typical("esp32?line=typical&latency=3ms").to_host.latency, Duration::from_millis(3));
    }

    #[test]
    fn every_option_of_the_error_exists() {
        for name in OPTIONS {
            let error = parse(&format!("pico?{name}=?")).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("there is no option"), "{error}");
        }
    }
}
