//! No argument runs as code.

use std::collections::HashSet;

use belay::{Trust, WayOut};
use serde_bytes::ByteBuf;

use crate::{
    board::{Mirror, board},
    value::{Key, Value},
};

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
    all
}

#[tokio::test]
async fn no_argument_runs_as_code() {
    let corpus = hostile();
    assert!(corpus.iter().collect::<HashSet<_>>().len() >= 400, "{}", corpus.len());
    let texts: Vec<String> = corpus.iter().map(|bytes| bytes.iter().copied().map(char::from).collect()).collect();
    let buffers: Vec<ByteBuf> = corpus.iter().cloned().map(ByteBuf::from).collect();
    for trust in [Trust::Trusted, Trust::Verified] {
        let board = board(WayOut::Exact, trust).await;
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
            assert_eq!(board.count_hits().await.unwrap(), 0, "one of {texts:?}");
        }
        // The counter would have counted.
        board.session().exec("hit()").await.unwrap();
        assert_eq!(board.count_hits().await.unwrap(), 1);
    }
}
