//! No argument runs as code, on any board, in any form that arguments take on their way.
//!
//! The corpus is made by rules: every way to open, to run and to close, and random mixtures of what a lexer, the raw
//! REPL or an encoder could slip on.

use std::collections::HashSet;

use belay::{Device, Trust, WayOut};
use belay_sim::RawPaste;
use serde_bytes::ByteBuf;

use crate::{
    board::{Mirror, attached, board, unix_port},
    large::random,
    small::{Small, microbit},
    value::{Key, Value, list},
};

/// Random mixtures in the corpus.
const MIXTURES: usize = 150;

/// Text that would run `hit()` if it got out of its literal, wherever a lexer, the raw REPL or an encoder could slip.
fn hostile() -> Vec<Vec<u8>> {
    let openers: [&[u8]; 26] = [
        b"",
        b"'",
        b"\"",
        b"'''",
        b"\"\"\"",
        b"\\'",
        b"\\\"",
        b"\\\\'",
        b"\\",
        b"')",
        b"',",
        b"'+",
        b"'%",
        b"']",
        b"'}",
        b"'.decode()+",
        b"\\x27+",
        b"\\N{APOSTROPHE}+",
        b"\\047+",
        b"{",
        b"\n",
        b"\r\n",
        b"\x04",
        b"\x03",
        b"\x01",
        b"\x02",
    ];
    let bodies: [&[u8]; 5] =
        [b"hit()", b"\nhit()\n", b"\x04hit()\x04", b"\x05A\x01hit()\x04", b"__import__('builtins').hit()"];
    let closers: [&[u8]; 4] = [b"", b"#", b"+'", b"\\"];
    let mut all = Vec::new();
    for opener in openers {
        for body in bodies {
            for closer in closers {
                all.push([opener, body, closer].concat());
            }
        }
    }
    // Short enough for the forms of short values, and cut inside a character.
    for short in [
        &b"'"[..],
        b"\"",
        b"\\",
        b"\n",
        b"\r",
        b"\x04",
        b"\x03",
        b"\0",
        b"hit()",
        b"'+hit()+'",
        b"\\'",
        b"[:1]",
        b"b''",
    ] {
        all.extend([short.to_vec(), [short, b"\xc3"].concat(), [b"\xf0\x9f\xa6", short].concat(), short.repeat(3)]);
    }
    let parts: Vec<&[u8]> = openers.iter().chain(&bodies).chain(&closers).copied().collect();
    let mut random = random();
    for _ in 0..MIXTURES {
        let mixture = (0..4).flat_map(|_| parts[random.next().unwrap() as usize % parts.len()]);
        all.push(mixture.copied().collect());
    }
    all
}

/// The same as ints whose packed bytes are the hostile ones: as bytes, as 16-bit and as 32-bit numbers.
fn packed(hostile: &[u8]) -> [Vec<i64>; 3] {
    let bytes = hostile.repeat(80usize.div_ceil(hostile.len().max(1)) * 4);
    [
        bytes.iter().map(|byte| i64::from(*byte)).collect(),
        bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]).into()).collect(),
        bytes.chunks_exact(4).map(|four| i32::from_le_bytes([four[0], four[1], four[2], four[3]]).into()).collect(),
    ]
}

/// Every value of the corpus in every form: alone, among others, as a key, and inside packed numbers.
async fn nothing_runs(board: &Device) {
    let corpus = hostile();
    assert!(corpus.iter().collect::<HashSet<_>>().len() >= 500, "{}", corpus.len());
    let texts: Vec<String> = corpus.iter().map(|bytes| bytes.iter().copied().map(char::from).collect()).collect();
    let buffers: Vec<ByteBuf> = corpus.iter().cloned().map(ByteBuf::from).collect();
    assert_eq!(board.count_hits().await.unwrap(), 0);
    for (texts, buffers) in texts.chunks(24).zip(buffers.chunks(24)) {
        // One by one where each begins the literal's line, and as the items of a list.
        assert_eq!(board.echo_text(texts).await.unwrap(), texts);
        assert_eq!(board.echo_bytes(buffers).await.unwrap(), buffers);
        for (text, buffer) in texts.iter().zip(buffers) {
            assert_eq!(board.echo_text(std::slice::from_ref(text)).await.unwrap(), std::slice::from_ref(text));
            assert_eq!(board.echo_bytes(std::slice::from_ref(buffer)).await.unwrap(), std::slice::from_ref(buffer));
        }
        let dict: Vec<_> = texts.iter().collect::<HashSet<_>>().into_iter().cloned().map(Key::Str).collect();
        let dict = Value::Dict(dict.into_iter().map(|key| (key, Value::None)).collect());
        assert_eq!(board.echo(vec![dict.clone()]).await.unwrap(), [dict]);
        // Each opener of the corpus is among these.
        for hostile in buffers.iter().step_by(5) {
            for numbers in packed(hostile) {
                assert_eq!(board.echo_ints(&numbers).await.unwrap(), numbers, "{}", hostile.escape_ascii());
            }
        }
        assert_eq!(board.count_hits().await.unwrap(), 0, "one of {texts:?}");
    }
    // The counter would have counted.
    board.session().exec("hit()").await.unwrap();
    assert_eq!(board.count_hits().await.unwrap(), 1);
}

#[tokio::test]
async fn no_argument_runs_as_code_on_a_trusted_line() {
    nothing_runs(&board(WayOut::Exact, Trust::Trusted).await).await;
}

#[tokio::test]
async fn no_argument_runs_as_code_on_a_verified_line() {
    nothing_runs(&board(WayOut::Exact, Trust::Verified).await).await;
}

#[tokio::test]
async fn no_argument_runs_as_code_in_checked_pieces() {
    nothing_runs(&attached(512 * 1024, RawPaste::Unknown, Trust::Verified).await).await;
}

#[tokio::test]
async fn no_argument_runs_as_code_on_a_port_of_64_bits() {
    for trust in [Trust::Trusted, Trust::Verified] {
        let Some(board) = unix_port(trust).await else { return };
        nothing_runs(&board).await;
    }
}

/// There is no room for the counter, and no need: `hit` is no name there, so whatever calls it raises.
#[tokio::test]
async fn no_argument_runs_as_code_on_a_microbit() {
    let Some((_microbit, board)) = microbit().await else { return };
    let corpus = hostile();
    let some: Vec<_> = corpus.iter().step_by(3).collect();
    assert!(some.len() >= 200, "{}", some.len());
    for hostile in some {
        let text = Value::Str(hostile.iter().copied().map(char::from).collect());
        assert_eq!(board.echo_one(&text).await.unwrap(), text);
        let buffer = Value::Bytes(hostile.clone());
        assert_eq!(board.echo_one(&buffer).await.unwrap(), buffer);
    }
    for hostile in corpus.iter().step_by(37) {
        for numbers in packed(&hostile[..hostile.len().min(7)]) {
            let numbers = list(numbers.into_iter().take(40).map(i128::from));
            assert_eq!(board.echo_one(&numbers).await.unwrap(), numbers, "{}", hostile.escape_ascii());
        }
    }
}
