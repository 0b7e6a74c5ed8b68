//! A client of the raw REPL written from MicroPython's documentation alone ("The MicroPython Interactive Interpreter
//! Mode"), with no code of the runtime: what the documentation promises, a virtual board keeps. One test, one exchange.

use std::time::{Duration, Instant};

use belay_sim::{Board, Line, LineOptions, Options, Port, Way};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

const RAW_BANNER: &[u8] = b"raw REPL; CTRL-B to exit\r\n>";
const PATIENCE: Duration = Duration::from_secs(20);

struct Client<L = Port> {
    line: L,
    _board: Board,
}

/// What an execution gave.
#[derive(Debug, PartialEq)]
struct Answer {
    output: Vec<u8>,
    error: String,
}

impl Answer {
    fn output(output: impl AsRef<[u8]>) -> Self {
        Self { output: output.as_ref().to_vec(), error: String::new() }
    }
}

/// A board with its raw REPL on.
async fn raw() -> Client {
    raw_with(&Options::default(), |port| port).await
}

async fn raw_with<L: AsyncRead + AsyncWrite + Unpin>(options: &Options, wrap: impl FnOnce(Port) -> L) -> Client<L> {
    let board = Board::start(options).unwrap();
    let mut client = Client { line: wrap(board.connect()), _board: board };
    client.send(b"\r\x03\x03").await;
    client.send(b"\r\x01").await;
    client.until(RAW_BANNER).await;
    client
}

impl<L: AsyncRead + AsyncWrite + Unpin> Client<L> {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.line.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads up to `end` and returns what came before it; a board that falls silent fails the test.
    async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        while !all.ends_with(end) {
            match timeout(PATIENCE, self.line.read_u8()).await {
                Ok(Ok(byte)) => all.push(byte),
                other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&all)),
            }
        }
        all.truncate(all.len() - end.len());
        all
    }

    async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        timeout(PATIENCE, self.line.read_exact(&mut bytes)).await.expect("the board answers").unwrap();
        bytes
    }

    /// Output, `\x04`, error, `\x04`, `>`.
    async fn answer(&mut self) -> Answer {
        let output = self.until(b"\x04").await;
        let error = String::from_utf8(self.until(b"\x04").await).unwrap();
        assert_eq!(self.read(1).await, b">");
        Answer { output, error }
    }

    async fn plain(&mut self, code: &str) -> Answer {
        self.send(code).await;
        self.send(b"\x04").await;
        assert_eq!(self.read(2).await, b"OK");
        self.answer().await
    }

    /// Asks for raw-paste and returns the window's increment.
    async fn begin_paste(&mut self) -> usize {
        self.send(b"\x05A\x01").await;
        assert_eq!(self.read(2).await, b"R\x01");
        let window = self.read(2).await;
        usize::from(u16::from_le_bytes([window[0], window[1]]))
    }

    /// Sends `code` in writes of at most `piece` bytes, as far as the board lets it. Returns how many bytes went out.
    async fn paste_body(&mut self, code: &[u8], piece: usize, window: usize) -> usize {
        let mut remaining = window;
        let mut sent = 0;
        while sent < code.len() {
            while let Some(byte) = self.flow_control(remaining == 0).await {
                match byte {
                    1 => remaining += window,
                    4 => {
                        self.send(b"\x04").await;
                        return sent;
                    }
                    other => panic!("{other:#x} during raw-paste"),
                }
            }
            let count = piece.min(remaining).min(code.len() - sent);
            self.send(&code[sent..sent + count]).await;
            sent += count;
            remaining -= count;
        }
        self.send(b"\x04").await;
        // Credits may still come before the board confirms the end.
        while self.read(1).await == [1] {}
        sent
    }

    /// The next byte if one has come, or must come.
    async fn flow_control(&mut self, must: bool) -> Option<u8> {
        let patience = if must { PATIENCE } else { Duration::ZERO };
        match timeout(patience, self.line.read_u8()).await {
            Ok(byte) => Some(byte.unwrap()),
            Err(_) if must => panic!("no credit"),
            Err(_) => None,
        }
    }

    async fn paste(&mut self, code: impl AsRef<[u8]>, piece: usize) -> Answer {
        let window = self.begin_paste().await;
        self.paste_body(code.as_ref(), piece, window).await;
        self.answer().await
    }
}

/// 20 KB that count their own lines, so that one lost byte shows.
fn long_program() -> (String, Answer) {
    let mut code = String::from("n = 0\n");
    let mut lines = 0;
    while code.len() < 20_000 {
        code.push_str("n += 1\n");
        lines += 1;
    }
    code.push_str("print(n)");
    (code, Answer::output(format!("{lines}\r\n")))
}

// Plain.

#[tokio::test]
async fn ctrl_a_enters_and_says_so() {
    let mut client = raw().await;
    client.send(b"\x01").await;
    client.until(RAW_BANNER).await;
}

#[tokio::test]
async fn ctrl_b_leaves_to_the_friendly_prompt() {
    let mut client = raw().await;
    client.send(b"\x02").await;
    let banner = client.until(b"\r\n>>> ").await;
    assert!(String::from_utf8_lossy(&banner).contains("MicroPython"), "{banner:?}");
}

#[tokio::test]
async fn the_friendly_prompt_echoes_and_evaluates() {
    let mut client = raw().await;
    client.send(b"\x02").await;
    client.until(b">>> ").await;
    client.send(b"6 * 7\r").await;
    assert_eq!(client.until(b">>> ").await, b"6 * 7\r\n42\r\n");
}

#[tokio::test]
async fn plain_code_prints() {
    assert_eq!(raw().await.plain("print(6 * 7)").await, Answer::output("42\r\n"));
}

#[tokio::test]
async fn plain_code_may_be_silent() {
    assert_eq!(raw().await.plain("x = 1").await, Answer::output(""));
}

#[tokio::test]
async fn names_live_from_one_execution_to_the_next() {
    let mut client = raw().await;
    client.plain("def double(x):\n    return 2 * x\n").await;
    assert_eq!(client.plain("print(double(21))").await, Answer::output("42\r\n"));
}

#[tokio::test]
async fn an_exception_comes_after_the_output() {
    let answer = raw().await.plain("print('before')\n1 / 0").await;
    assert_eq!(answer.output, b"before\r\n");
    assert_eq!(
        answer.error,
        "Traceback (most recent call last):\r\n  File \"<stdin>\", line 2, in <module>\r\n\
         ZeroDivisionError: divide by zero\r\n"
    );
}

#[tokio::test]
async fn a_syntax_error_is_an_error() {
    let mut client = raw().await;
    let answer = client.plain("if :").await;
    assert!(answer.output.is_empty() && answer.error.ends_with("SyntaxError: invalid syntax\r\n"), "{answer:?}");
    assert_eq!(client.plain("print(1)").await, Answer::output("1\r\n"));
}

#[tokio::test]
async fn requests_back_to_back_are_answered_in_turn() {
    let mut client = raw().await;
    client.send(b"print(1)\x04print(2)\x04print(3)\x04").await;
    for expected in ["1\r\n", "2\r\n", "3\r\n"] {
        assert_eq!(client.read(2).await, b"OK");
        assert_eq!(client.answer().await, Answer::output(expected));
    }
}

#[tokio::test]
async fn ctrl_c_forgets_code_that_was_not_executed() {
    let mut client = raw().await;
    client.send(b"print('never')\x03").await;
    assert_eq!(client.plain("print('this')").await, Answer::output("this\r\n"));
}

#[tokio::test]
async fn twenty_kilobytes_at_the_rate_of_a_uart() {
    let way = Way { latency: Duration::ZERO, baud: 115_200 };
    let options = LineOptions { to_board: way, to_host: way, ..LineOptions::default() };
    // Room for what arrives while this computer runs other tests instead of the board.
    let mut board = Options::default();
    board.input_buffer = 4096;
    let mut client = raw_with(&board, |port| Line::new(port, &options)).await;
    let (code, expected) = long_program();
    assert_eq!(client.plain(&code).await, expected);
}

// Raw-paste.

#[tokio::test]
async fn raw_paste_is_granted_with_a_window() {
    assert_eq!(raw().await.begin_paste().await, 128);
}

#[tokio::test]
async fn a_smaller_window_is_announced() {
    let mut options = Options::default();
    (options.input_buffer, options.window) = (64, 32);
    let mut client = raw_with(&options, |port| port).await;
    assert_eq!(client.begin_paste().await, 32);
    let (code, expected) = long_program();
    client.paste_body(code.as_bytes(), 1000, 32).await;
    assert_eq!(client.answer().await, expected);
}

#[tokio::test]
async fn paste_in_one_write() {
    assert_eq!(raw().await.paste("print(6 * 7)", 1000).await, Answer::output("42\r\n"));
}

#[tokio::test]
async fn paste_byte_by_byte() {
    let code = "total = 0\nfor n in range(10):\n    total += n\nprint(total)  # and a comment to pass one window, and \
                another one, so that more credits are needed than the first\n";
    assert_eq!(raw().await.paste(code, 1).await, Answer::output("45\r\n"));
}

#[tokio::test]
async fn paste_in_sevens() {
    let (code, expected) = long_program();
    assert_eq!(raw().await.paste(&code[..], 7).await, expected);
}

#[tokio::test]
async fn paste_twenty_kilobytes() {
    let (code, expected) = long_program();
    assert_eq!(raw().await.paste(&code[..], 1000).await, expected);
}

#[tokio::test]
async fn paste_of_nothing() {
    let mut client = raw().await;
    assert_eq!(client.paste("", 1000).await, Answer::output(""));
    assert_eq!(client.plain("print(1)").await, Answer::output("1\r\n"));
}

#[tokio::test]
async fn handshake_and_code_in_one_write() {
    let mut client = raw().await;
    client.send(b"\x05A\x01print(6 * 7)\x04").await;
    assert_eq!(client.read(4).await, b"R\x01\x80\x00");
    while client.read(1).await == [1] {}
    assert_eq!(client.answer().await, Answer::output("42\r\n"));
}

#[tokio::test]
async fn an_exception_after_a_paste() {
    let answer = raw().await.paste("print('before')\nraise ValueError('étage')", 1000).await;
    assert_eq!(answer.output, b"before\r\n");
    assert!(answer.error.ends_with("line 2, in <module>\r\nValueError: étage\r\n"), "{answer:?}");
}

#[tokio::test]
async fn a_syntax_error_ends_a_paste_early() {
    let mut client = raw().await;
    let window = client.begin_paste().await;
    let (rest, _) = long_program();
    let code = format!("if :\n{rest}");
    let sent = client.paste_body(code.as_bytes(), 32, window).await;
    assert!(sent < 1000, "the board stopped the transfer of {} bytes after {sent}", code.len());
    let answer = client.answer().await;
    assert!(answer.error.ends_with("SyntaxError: invalid syntax\r\n"), "{answer:?}");
    assert_eq!(client.paste("print(1)", 1000).await, Answer::output("1\r\n"), "and nothing is left of it");
}

#[tokio::test]
async fn ctrl_c_aborts_a_paste() {
    let mut client = raw().await;
    client.begin_paste().await;
    client.send(b"print('never')\n\x03").await;
    while client.read(1).await == [1] {}
    let answer = client.answer().await;
    assert!(answer.output.is_empty() && answer.error.contains("KeyboardInterrupt"), "{answer:?}");
    assert_eq!(client.plain("print(1)").await, Answer::output("1\r\n"));
}

#[tokio::test]
async fn bytes_beyond_the_window_are_lost() {
    let mut client = raw().await;
    client.begin_paste().await;
    // Well beyond what the board's input buffer holds, in one piece.
    let code = format!("print(len('{}'))", "x".repeat(3000));
    client.send(&code).await;
    // The end of the program is lost too, so that the board waits on; Ctrl-C is not seen while its buffer is full.
    let ended = async {
        loop {
            client.send(b"\x03").await;
            if let Ok(byte) = timeout(Duration::from_millis(50), client.line.read_u8()).await
                && byte.unwrap() == 4
            {
                break client.answer().await;
            }
        }
    };
    let answer = timeout(PATIENCE, ended).await.expect("the board comes back");
    assert_ne!(answer, Answer::output("3000\r\n"));
    client.send(b"\r\x03\r\x01").await;
    client.until(RAW_BANNER).await;
    assert_eq!(client.plain("print(1)").await, Answer::output("1\r\n"));
}

// Interrupting.

async fn interrupts(code: &str, paste: bool) {
    let mut client = raw().await;
    if paste {
        let window = client.begin_paste().await;
        client.paste_body(code.as_bytes(), 1000, window).await;
    } else {
        client.send(code).await;
        client.send(b"\x04").await;
        assert_eq!(client.read(2).await, b"OK");
    }
    client.until(b"started\r\n").await;
    let pressed = Instant::now();
    client.send(b"\x03").await;
    let answer = client.answer().await;
    assert!(pressed.elapsed() < Duration::from_secs(5), "{:?}", pressed.elapsed());
    assert!(answer.error.ends_with("KeyboardInterrupt: \r\n"), "{answer:?}");
    assert_eq!(client.plain("print(1)").await, Answer::output("1\r\n"));
}

#[tokio::test]
async fn ctrl_c_stops_a_loop() {
    interrupts("print('started')\nwhile True: pass", false).await;
}

#[tokio::test]
async fn ctrl_c_stops_a_sleep() {
    interrupts("import time\nprint('started')\ntime.sleep(60)", false).await;
}

#[tokio::test]
async fn ctrl_c_stops_a_loop_that_was_pasted() {
    interrupts("print('started')\nwhile True: pass", true).await;
}

#[tokio::test]
async fn ctrl_c_stops_a_read() {
    interrupts("import sys\nprint('started')\nsys.stdin.read(1)", false).await;
}

// Resetting.

#[tokio::test]
async fn ctrl_d_on_an_empty_line_resets_and_stays_raw() {
    let mut client = raw().await;
    client.plain("x = 1").await;
    client.send(b"\x04").await;
    assert_eq!(client.until(RAW_BANNER).await, b"OK\r\nMPY: soft reboot\r\n");
    let answer = client.plain("x").await;
    assert!(answer.error.ends_with("NameError: name 'x' isn't defined\r\n"), "{answer:?}");
}

#[tokio::test]
async fn ctrl_d_at_the_friendly_prompt_resets() {
    let mut client = raw().await;
    client.plain("x = 1").await;
    client.send(b"\x02").await;
    client.until(b">>> ").await;
    client.send(b"\x04").await;
    let noise = client.until(b">>> ").await;
    assert!(String::from_utf8_lossy(&noise).contains("MPY: soft reboot\r\n"), "{noise:?}");
    client.send(b"\x01").await;
    client.until(RAW_BANNER).await;
    assert!(client.plain("x").await.error.contains("NameError"));
}

// Bytes.

fn all_bytes() -> Vec<u8> {
    (0..=255).collect()
}

#[tokio::test]
async fn every_byte_comes_out() {
    let mut client = raw().await;
    client.send(b"import sys\nn = sys.stdout.buffer.write(bytes(range(256)))\x04").await;
    assert_eq!(client.read(2).await, b"OK");
    assert_eq!(client.read(256).await, all_bytes());
    assert_eq!(client.answer().await, Answer::output(""));
}

#[tokio::test]
async fn every_byte_goes_in() {
    let mut client = raw().await;
    client.plain("import sys, micropython\nmicropython.kbd_intr(-1)").await;
    client.send(b"micropython.kbd_intr(-1)\nprint('ready')\ngot = sys.stdin.buffer.read(256)\x04").await;
    client.until(b"ready\r\n").await;
    client.send(all_bytes()).await;
    assert_eq!(client.answer().await, Answer::output(""));
    assert_eq!(client.plain("print(got == bytes(range(256)), len(got))").await, Answer::output("True 256\r\n"));
}

#[tokio::test]
async fn newlines_of_text_are_carriage_returns_too() {
    let answer = raw().await.plain("import sys\nn = sys.stdout.write('a\\nb\\n')\nprint('c')").await;
    assert_eq!(answer, Answer::output("a\r\nb\r\nc\r\n"));
}
