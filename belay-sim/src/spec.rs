//! Boards as text: `pico?heap=64k&window=32`, what follows `sim:` where a port's name is expected.

use crate::{Board, Error, Options, Port};

const FAMILIES: [&str; 1] = ["pico"];
const OPTIONS: [&str; 3] = ["buffer", "heap", "window"];

/// Starts the board that `spec` describes and connects to it.
///
/// ```text
/// pico?heap=64k&buffer=64&window=32
/// ```
///
/// # Errors
///
/// [`Error::Spec`] names what is not understood and what would be; otherwise as [`Board::start`].
pub fn open(spec: &str) -> Result<(Board, Port), Error> {
    let board = Board::start(&parse(spec)?)?;
    let port = board.connect();
    Ok((board, port))
}

fn parse(spec: &str) -> Result<Options, Error> {
    let refuse = |what: String| Err(Error::Spec { spec: spec.to_owned(), reason: what });
    let (family, query) = spec.split_once('?').unwrap_or((spec, ""));
    if !FAMILIES.contains(&family) {
        return refuse(format!("there is no family `{family}`, only: {}", FAMILIES.join(", ")));
    }
    let mut options = Options::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let understood = match name {
            "heap" => size(value).map(|bytes| options.heap = bytes),
            "buffer" => size(value).map(|bytes| options.input_buffer = bytes as usize),
            "window" => value.parse().ok().filter(|window| *window > 0).map(|window| options.window = window),
            _ => return refuse(format!("there is no option `{name}`, only: {}", OPTIONS.join(", "))),
        };
        if understood.is_none() {
            return refuse(format!("`{value}` is no value for `{name}`"));
        }
    }
    Ok(options)
}

/// `4096` or `4k`.
fn size(text: &str) -> Option<u32> {
    match text.strip_suffix(['k', 'K']) {
        Some(number) => number.parse::<u32>().ok()?.checked_mul(1024),
        None => text.parse().ok(),
    }
    .filter(|bytes| *bytes > 0)
}
