//! scratch
use belay_sim::*;
use tokio::io::*;
use std::time::*;
async fn until(port: &mut Port, end: &[u8]) -> Vec<u8> {
    let mut all = vec![];
    while !all.ends_with(end) {
        let mut buf = [0;4096];
        let n = port.read(&mut buf).await.unwrap();
        assert!(n>0, "eof after {:?}", String::from_utf8_lossy(&all));
        all.extend(&buf[..n]);
    }
    all
}
fn cpu() -> f64 { let s=std::fs::read_to_string("/proc/self/stat").unwrap(); let f:Vec<&str>=s.rsplit(')').next().unwrap().split(' ').collect(); (f[12].parse::<f64>().unwrap()+f[13].parse::<f64>().unwrap())*10.0 }
fn rss() -> u64 { std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse::<u64>().unwrap()*4 }
#[tokio::main]
async fn main() {
    let t = Instant::now();
    let (board, mut port) = open("pico").unwrap();
    println!("start {:?}", t.elapsed());
    until(&mut port, b">>> ").await;
    println!("first boot {:?}", t.elapsed());
    let r0 = rss();
    let mut v = vec![];
    let t = Instant::now(); let c=cpu();
    for _ in 0..20 { let (b, mut p) = open("pico").unwrap(); until(&mut p, b">>> ").await; v.push((b,p)); }
    println!("20 boots {:?} cpu {} rss {} KB each", t.elapsed(), cpu()-c, (rss()-r0)/20);
    port.write_all(b"\x01").await.unwrap();
    until(&mut port, b"\r\n>").await;
    for code in ["1\n", "print(1)\n", "def f(n):\n return n*2\nprint(f(21))\n"] {
        let t = Instant::now(); let c=cpu();
        for _ in 0..1000 { port.write_all(code.as_bytes()).await.unwrap(); port.write_all(b"\x04").await.unwrap(); until(&mut port, b"\x04>").await; }
        println!("1000 exec of {code:?}: {:?} cpu {}", t.elapsed(), cpu()-c);
    }
    let t = Instant::now();
    port.write_all(b"x=0\nwhile x<100000:\n x+=1\n\x04").await.unwrap(); until(&mut port, b"\x04>").await;
    println!("100k loop: {:?}", t.elapsed());
    let t = Instant::now();
    port.write_all(b"import gc\ndef f(a):\n return a\nfor i in range(10000):\n f(i)\nfor i in range(100):\n [f(x) for x in range(100)]\n gc.collect()\n\x04").await.unwrap(); println!("{:?}", String::from_utf8_lossy(&until(&mut port, b"\x04>").await));
    println!("20k calls: {:?}", t.elapsed());
    drop(board); drop(v);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let c=cpu(); tokio::time::sleep(Duration::from_secs(1)).await; println!("idle cpu {}", cpu()-c);
    port.write_all(b"import time\ntime.sleep(1)\x04").await.unwrap(); let c=cpu(); until(&mut port, b"\x04>").await; println!("sleep cpu {}", cpu()-c);
    println!("threads {}", std::fs::read_dir("/proc/self/task").unwrap().count());
}
