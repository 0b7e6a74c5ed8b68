//! A virtual board on a pseudo-terminal, for programs that know only serial ports:
//!
//! ```text
//! cargo run -p belay-sim --example pty -- "pico?latency=1ms"
//! ```
//!
//! prints the path to open, and serves until its standard input ends.

use tokio::io::AsyncReadExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let spec = std::env::args().nth(1).unwrap_or_else(|| "pico".into());
    let (_board, line) = belay_sim::open(&spec)?;
    let pty = belay_sim::Pty::new(line)?;
    #[allow(clippy::print_stdout, reason = "the path is this program's output")]
    {
        println!("{}", pty.path().display());
    }
    let mut ignored = [0; 256];
    while let Ok(1..) = tokio::io::stdin().read(&mut ignored).await {}
    Ok(())
}
