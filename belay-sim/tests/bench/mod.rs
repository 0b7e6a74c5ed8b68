//! A virtual board with nothing but the raw REPL in between.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::time::Duration;

use belay_sim::{Board, Options, Port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// A board in its raw REPL.
pub struct Bench {
    pub board: Board,
    pub port: Port,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(&Options::default()).await
    }

    pub async fn with(options: &Options) -> Self {
        let board = Board::start(options).unwrap();
        let mut bench = Self { port: board.connect(), board };
        bench.until(b">>> ").await;
        bench.enter().await;
        bench
    }

    pub async fn enter(&mut self) {
        self.send(b"\r\x01").await;
        self.until(b"raw REPL; CTRL-B to exit\r\n>").await;
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.port.write_all(bytes).await.unwrap();
    }

    pub async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        while !all.ends_with(end) {
            let byte = timeout(Duration::from_secs(20), self.port.read_u8()).await;
            match byte {
                Ok(Ok(byte)) => all.push(byte),
                other => panic!("{other:?} after {}", all.escape_ascii()),
            }
        }
        all
    }

    /// Runs a program and returns its output and its error.
    pub async fn run(&mut self, program: &str) -> (String, String) {
        for (index, piece) in program.as_bytes().chunks(128).enumerate() {
            if index > 0 {
                // Nothing tells when the board has emptied its input buffer.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            self.send(piece).await;
        }
        self.send(b"\x04").await;
        let accepted = self.until(b"OK").await;
        assert_eq!(accepted, b"OK");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(bytes.strip_suffix(b"\x04").unwrap()).into_owned();
        let output = text(self.until(b"\x04").await);
        let error = text(self.until(b"\x04").await);
        self.until(b">").await;
        (output, error)
    }

    /// The output of a program that must not fail.
    pub async fn output(&mut self, program: &str) -> String {
        let (output, error) = self.run(program).await;
        assert_eq!(error, "", "{program}");
        output
    }
}
