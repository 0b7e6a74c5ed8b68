//! What an interrupt leaves half done in the agent is never taken for something else.

use belay_runtime::{Device, Trust};
use belay_sim::{Board, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the board prints for one request in the raw REPL.
async fn ask(line: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), request: &str) -> Vec<u8> {
    line.write_all(format!("{request}\x04").as_bytes()).await.unwrap();
    until(line, b"\x04\x04>").await
}

async fn until(line: &mut (impl AsyncReadExt + Unpin), end: &[u8]) -> Vec<u8> {
    let mut heard = Vec::new();
    while !heard.ends_with(end) {
        heard.push(line.read_u8().await.unwrap());
    }
    heard
}

/// The second Ctrl-C of a pair may end the agent between counting a call and keeping its reply. No test can place an
/// interrupt there, so the count is moved on instead: the agent is left as it would be then.
#[tokio::test]
async fn a_call_that_left_no_reply_is_not_answered_with_the_one_before() {
    let board = Board::start(&Options::default()).unwrap();
    drop(Device::builder().trust(Trust::Trusted).connect("kept", board.connect()).await.unwrap());

    let mut line = board.connect();
    line.write_all(b"\r\x03\x03\x01").await.unwrap();
    until(&mut line, b"exit\r\n>").await;
    let count = |greeting: Vec<u8>| -> u16 {
        let text = String::from_utf8_lossy(&greeting).into_owned();
        text.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect(&text)
    };
    let before = count(ask(&mut line, "_b(-9,1)").await);
    let answered = ask(&mut line, "_b(0,'n+=1',1,0,'x')").await;
    let head = |n: u16| [&[248][..], &n.wrapping_mul(1597).to_be_bytes()].concat();
    assert!(answered.windows(3).any(|w| w == head(before + 1)), "{answered:?}");

    assert_eq!(count(ask(&mut line, "_b(-9,1)").await), before + 2, "a call was counted that kept no reply");
    let kept = ask(&mut line, "_b(-1)").await;
    assert!(kept.windows(3).any(|w| w == head(before + 1)), "it has another number than its own: {kept:?}");
}

/// The same between keeping a function and its identity: the functions that come after it must not take its place in
/// the count of identities.
#[tokio::test]
async fn a_function_without_an_identity_shifts_no_other() {
    let board = Board::start(&Options::default()).unwrap();
    drop(Device::builder().trust(Trust::Trusted).connect("kept", board.connect()).await.unwrap());
    let mut line = board.connect();
    line.write_all(b"\r\x03\x03\x01").await.unwrap();
    until(&mut line, b"exit\r\n>").await;
    ask(&mut line, "_b(0,'T.append(print)',1,0,'x')").await;
    drop(line);

    let device = Device::builder().trust(Trust::Trusted).connect("kept", board.connect()).await.unwrap();
    for n in 0..3 {
        assert_eq!(device.session().eval::<u32>(&format!("{n} + 1")).await.unwrap(), n + 1);
        device.session().exec(&format!("kept = {n}")).await.unwrap();
        assert_eq!(device.session().eval::<u32>("kept").await.unwrap(), n);
    }
    assert_eq!(device.session().statistics().resets, 0);
}
