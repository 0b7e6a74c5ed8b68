//! Ways in other than memory: a pseudo-terminal and TCP, each opened as any program would.

use std::time::Duration;

use belay_sim::{Board, Options};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Reads up to `end`; a silent line is a failure that shows what came.
async fn until(line: &mut (impl AsyncRead + Unpin), end: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while !all.ends_with(end) {
        match timeout(Duration::from_secs(10), line.read_u8()).await {
            Ok(Ok(byte)) => all.push(byte),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&all)),
        }
    }
    all
}

async fn runs_python(line: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    line.write_all(b"\r\x03\x03\r\x01").await.unwrap();
    until(line, b"raw REPL; CTRL-B to exit\r\n>").await;
    line.write_all(b"import sys\nsys.stdout.buffer.write(bytes(range(256)))\x04").await.unwrap();
    let mut expected = b"OK".to_vec();
    expected.extend(0..=255);
    expected.extend(b"\x04\x04>");
    assert_eq!(until(line, b"\x04\x04>").await, expected);
}

#[tokio::test]
async fn tcp_clients_take_the_line_in_turn() {
    let board = Board::start(&Options::default()).unwrap();
    let tcp = board.listen("127.0.0.1:0").await.unwrap();
    let mut first = TcpStream::connect(tcp.address()).await.unwrap();
    runs_python(&mut first).await;
    let mut second = TcpStream::connect(tcp.address()).await.unwrap();
    runs_python(&mut second).await;
    assert_eq!(first.read(&mut [0; 9]).await.unwrap(), 0, "the newest client has the line");
    drop(tcp);
    let end = timeout(Duration::from_secs(10), second.read_to_end(&mut Vec::new())).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

#[cfg(unix)]
mod pty {
    use tokio_serial::SerialPortBuilderExt as _;

    use super::*;

    fn open(pty: &belay_sim::Pty) -> tokio_serial::SerialStream {
        tokio_serial::new(pty.path().to_string_lossy(), 115_200).open_native_async().unwrap()
    }

    #[tokio::test]
    async fn serial_programs_open_and_reopen_it() {
        let board = Board::start(&Options::default()).unwrap();
        let pty = board.pty().unwrap();
        for _ in 0..5 {
            let mut serial = open(&pty);
            runs_python(&mut serial).await;
        }
    }

    #[tokio::test]
    async fn plain_files_are_raw_too() {
        let board = Board::start(&Options::default()).unwrap();
        let pty = board.pty().unwrap();
        let file = std::fs::OpenOptions::new().read(true).write(true).open(pty.path()).unwrap();
        let (mut reader, mut writer) = (tokio::fs::File::from_std(file.try_clone().unwrap()), file);
        std::io::Write::write_all(&mut writer, b"\x03\r\x01").unwrap();
        until(&mut reader, b"raw REPL; CTRL-B to exit\r\n>").await;
        std::io::Write::write_all(&mut writer, b"print(6 * 7)\x04").unwrap();
        assert_eq!(until(&mut reader, b"\x04\x04>").await, b"OK42\r\n\x04\x04>");
    }

    #[tokio::test]
    async fn what_is_printed_while_it_is_closed_is_lost() {
        let (mut peer, line) = tokio::io::duplex(64);
        let pty = belay_sim::Pty::new(line).unwrap();
        // More than any buffer on the way holds, so that it must have been thrown away.
        timeout(Duration::from_secs(10), peer.write_all(&[b'x'; 20_000])).await.unwrap().unwrap();
        let mut serial = open(&pty);
        serial.write_all(b"?").await.unwrap();
        assert_eq!(peer.read_u8().await.unwrap(), b'?');
        peer.write_all(b"heard").await.unwrap();
        assert_eq!(until(&mut serial, b"heard").await, b"heard");
    }

    #[tokio::test]
    async fn it_hangs_up_when_the_line_ends() {
        let (peer, line) = tokio::io::duplex(64);
        let pty = belay_sim::Pty::new(line).unwrap();
        let mut serial = open(&pty);
        drop(peer);
        let end = timeout(Duration::from_secs(10), serial.read(&mut [0; 9])).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }

    #[tokio::test]
    async fn a_board_that_was_unplugged_comes_back_as_another_port() {
        let (board, line) = belay_sim::open("pico").unwrap();
        let cable = line.handle();
        let first = belay_sim::Pty::new(line).unwrap();
        let mut serial = open(&first);
        runs_python(&mut serial).await;
        cable.unplug();
        let end = timeout(Duration::from_secs(10), serial.read(&mut [0; 9])).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        let second = belay_sim::Pty::new(cable.replug()).unwrap();
        runs_python(&mut open(&second)).await;
        assert_eq!(board.crash(), None);
    }
}
