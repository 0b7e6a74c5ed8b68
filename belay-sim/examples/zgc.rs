//! scratch: plain raw exec of a file, prints the answer
use belay_sim::*;
use tokio::io::*;
async fn until(port: &mut Port, end: &[u8]) -> Vec<u8> {
    let mut all = vec![];
    while !all.ends_with(end) {
        let mut buf = [0;4096];
        let n = port.read(&mut buf).await.unwrap();
        if n == 0 { break }
        all.extend(&buf[..n]);
    }
    all
}
#[tokio::main]
async fn main() {
    let spec = std::env::args().nth(1).unwrap();
    let (board, mut port) = open(&spec).unwrap();
    println!("{}", String::from_utf8_lossy(&until(&mut port, b">>> ").await));
    port.write_all(b"\x01").await.unwrap();
    until(&mut port, b"\r\n>").await;
    for file in std::env::args().skip(2) {
        let t = std::time::Instant::now();
        let code = std::fs::read(&file).unwrap();
        for piece in code.chunks(200) { port.write_all(piece).await.unwrap(); tokio::time::sleep(std::time::Duration::from_millis(3)).await; }
        port.write_all(b"\x04").await.unwrap();
        let out = until(&mut port, b"\x04>").await;
        println!("{file}: {:?}\n{}", t.elapsed(), String::from_utf8_lossy(&out));
        if let Some(c) = board.crash() { println!("CRASH {c}"); break }
    }
}
