//! scratch
use belay_sim::*;
use tokio::io::*;
use std::time::*;
#[tokio::main]
async fn main() {
    let t = Instant::now();
    let board = Board::start(&Options::default()).unwrap();
    println!("start {:?}", t.elapsed());
    let mut port = board.connect();
    let t = Instant::now();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let line = line.replace("\\r","\r").replace("\\n","\n").replace("\\x01","\x01").replace("\\x03","\x03").replace("\\x04","\x04").replace("\\x05","\x05").replace("\\x02","\x02");
        port.write_all(line.as_bytes()).await.unwrap();
        let mut all = vec![];
        loop {
            let mut buf = [0;1000];
            match tokio::time::timeout(Duration::from_millis(300), port.read(&mut buf)).await {
                Ok(Ok(0)) => { println!("EOF {:?}", board.crash()); break }
                Ok(Ok(n)) => all.extend(&buf[..n]),
                Ok(Err(e)) => { println!("ERR {e}"); break }
                Err(_) => break,
            }
        }
        println!("{:?} > {:?}\n < {}", t.elapsed(), line, String::from_utf8_lossy(&all).escape_debug());
    }
}
