//! What a virtual board does, seen through its line with nothing but the raw REPL in between.

mod bench;

use std::time::Duration;

use belay_sim::{Feature, Options, RawPaste};
use bench::Bench;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

#[tokio::test]
async fn garbage_is_collected_while_a_program_runs() {
    let mut bench = Bench::new().await;
    // 30,000 sums and products of 16 bytes each are five times the heap.
    assert_eq!(bench.output("s = 0.0\nfor i in range(30000): s += i * 0.5\nprint(s)").await, "224992500.0\r\n");
}

#[tokio::test]
async fn a_collection_in_the_middle_of_anything_takes_nothing_that_is_used() {
    let mut bench = Bench::new().await;
    let program = "
import gc, json
gc.threshold(256)
class P:
 def __init__(s, v): s.v = v
 def __lt__(s, o):
  [float(x) for x in range(9)]
  return s.v < o.v
for r in range(2):
 l = [P(i * 7919 % 101) for i in range(30)]
 l.sort()
 assert [p.v for p in l] == sorted(i * 7919 % 101 for i in range(30))
 assert sorted(range(40), key=lambda x: (gc.collect(), -x)[1]) == list(range(39, -1, -1))
 d = {'k%d' % i: [i, 'text%d' % i, i * 1.5, {i: (i,)}] for i in range(12)}
 assert json.loads(json.dumps(list(d))) == list(d) and d['k7'][3] == {7: (7,)}
 assert ''.join(map(lambda x: (gc.collect(), chr(65 + x))[1], range(26))) == 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
 exec('def q(a, *b, **c):\\n gc.collect()\\n return a, b, c\\nz = q(%d, [1], k=(4, 5))' % r)
 assert z == (r, ([1],), {'k': (4, 5)})
 try: int((gc.collect(), 'x%d' % r)[1])
 except ValueError as e: gc.collect(); assert 'invalid' in str(e)
print('intact')
";
    assert_eq!(bench.output(program).await, "intact\r\n");
}

#[tokio::test]
async fn three_hundred_programs_leave_the_heap_as_it_was() {
    let mut bench = Bench::new().await;
    let free = "import gc\ngc.collect()\nprint(gc.mem_free())";
    bench.output(free).await;
    let before: i64 = bench.output(free).await.trim().parse().unwrap();
    for _ in 0..300 {
        bench.output("x = [float(i) for i in range(50)]").await;
    }
    let after: i64 = bench.output(free).await.trim().parse().unwrap();
    assert!(before - after < 2000, "{before} {after}");
}

#[tokio::test]
async fn a_full_heap_is_a_memory_error_and_too_deep_a_recursion_a_runtime_error() {
    let mut bench = Bench::new().await;
    let (_, error) = bench.run("def f():\n x = []\n while True: x.append(bytearray(1000))\nf()").await;
    assert!(error.contains("MemoryError"), "{error}");
    let (output, _) = bench
        .run("x = None\nn = 0\ndef f():\n global n\n n += 1\n f()\ntry: f()\nexcept RuntimeError as e: print(n, e)")
        .await;
    let (depth, message) = output.split_once(' ').unwrap();
    assert!((40..=100).contains(&depth.parse().unwrap()), "{output}");
    assert_eq!(message, "maximum recursion depth exceeded\r\n");
}

#[tokio::test]
async fn text_is_cooked_and_bytes_are_exact() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.output("import sys\nprint('a\\nb')\nsys.stdout.write('c\\n')").await, "a\r\nb\r\nc\r\n");
    bench.send(b"import sys\nsys.stdout.buffer.write(bytes(range(256)))\x04").await;
    let every: Vec<u8> = (0..=255).collect();
    let all = bench.until(b"\xff\x04\x04>").await;
    assert_eq!(all, [b"OK", &every[..], b"\x04\x04>"].concat());
}

#[tokio::test]
async fn a_soft_reset_forgets_variables_and_keeps_files_and_the_raw_repl() {
    let mut bench = Bench::new().await;
    bench.output("x = 1\nwith open('kept.txt', 'w') as f: f.write('still here')").await;
    bench.send(b"\x04").await;
    let seen = bench.until(b"raw REPL; CTRL-B to exit\r\n>").await;
    assert_eq!(seen, b"OK\r\nMPY: soft reboot\r\nraw REPL; CTRL-B to exit\r\n>", "{}", seen.escape_ascii());
    assert_eq!(bench.output("print(open('kept.txt').read(), 'x' in globals())").await, "still here False\r\n");
}

#[tokio::test]
async fn files_are_made_listed_moved_removed_and_imported() {
    let mut bench = Bench::new().await;
    let program = "
import os
os.mkdir('d')
with open('d/m.py', 'w') as f: f.write('value = 42\\n')
with open('d/m.py', 'a') as f: f.write('name = __name__\\n')
os.rename('d', 'e')
print(os.listdir('/'), list(os.ilistdir('e')), [(e[0], e[3]) for e in os.ilistdir()], os.stat('e/m.py')[6])
from e.m import value, name
print(value, name)
os.remove('e/m.py')
os.rmdir('e')
for f in (lambda: open('no'), lambda: os.remove('no'), lambda: os.mkdir('a/b')):
 try: f()
 except OSError as e: print(e.errno)
print(os.listdir(), os.statvfs('/')[0])
";
    assert_eq!(
        bench.output(program).await,
        "['e'] [('m.py', 32768, 0, 27)] [('e', 0)] 27\r\n42 e.m\r\n2\r\n2\r\n2\r\n[] 4096\r\n"
    );
}

#[tokio::test]
async fn there_is_no_javascript_on_a_board() {
    let mut bench = Bench::new().await;
    for module in ["js", "jsffi"] {
        let (_, error) = bench.run(&format!("import {module}")).await;
        assert!(error.contains(&format!("ImportError: no module named '{module}'")), "{error}");
    }
}

#[tokio::test]
async fn a_sensor_reads_what_the_test_sets() {
    let mut bench = Bench::new().await;
    let celsius = "from machine import ADC\nprint(round(27 - (ADC(4).read_u16() * 3.3 / 65535 - 0.706) / 0.001721))";
    assert_eq!(bench.output(celsius).await, "27\r\n");
    bench.board.adc(4).set(13_000);
    assert_eq!(bench.output(celsius).await, "57\r\n");
    bench.board.adc(26).set(65_535);
    let program = "from machine import ADC, Pin\nprint(ADC(Pin(26)).read_u16(), ADC(27).read_u16())";
    assert_eq!(bench.output(program).await, "65535 0\r\n");
}

#[tokio::test]
async fn a_test_sees_what_pins_did_and_drives_them() {
    let mut bench = Bench::new().await;
    bench.output("from machine import Pin\nled = Pin('LED', Pin.OUT)\nled.on()\nled.toggle()\nled(1)").await;
    let led = bench.board.pin("LED");
    assert!(led.level());
    assert_eq!(led.take_writes(), [true, false, true]);
    assert!(led.take_writes().is_empty());

    let read = "from machine import Pin\nprint(Pin(2, Pin.IN, Pin.PULL_UP).value(), Pin(3, Pin.IN)())";
    assert_eq!(bench.output(read).await, "1 0\r\n");
    bench.board.pin(2).set(false);
    bench.board.pin(3).set(true);
    assert_eq!(bench.output(read).await, "0 1\r\n");

    bench.output("from machine import PWM, Pin\np = PWM(Pin(15), freq=1000, duty_u16=32768)").await;
    assert_eq!(bench.board.pin(15).pwm(), Some((1000, 32768)));
    bench.output("p.deinit()").await;
    assert_eq!(bench.board.pin(15).pwm(), None);

    let pixels =
        "from machine import Pin\nfrom neopixel import NeoPixel\nn = NeoPixel(Pin(16), 2)\nn[1] = (1, 2, 3)\nn.write()";
    bench.output(pixels).await;
    assert_eq!(bench.board.pin(16).pixels(), [0, 0, 0, 2, 1, 3]);
}

#[tokio::test]
async fn an_edge_interrupts_a_loop_a_sleep_and_an_idle_board() {
    let mut bench = Bench::new().await;
    let handler = "
from machine import Pin
import time
seen = []
p = Pin(9, Pin.IN)
p.irq(lambda p: seen.append(p.value()), Pin.IRQ_RISING)
";
    bench.output(handler).await;
    // A sleep goes on after the handler has run.
    for wait in ["while not seen: pass", "time.sleep_ms(300)"] {
        bench.send(format!("seen.clear()\nprint('go')\n{wait}\nprint(seen)\x04").as_bytes()).await;
        bench.until(b"go\r\n").await;
        bench.board.pin(9).set(true);
        let seen = bench.until(b"\x04\x04>").await;
        assert_eq!(seen, b"[1]\r\n\x04\x04>", "{wait}: {}", seen.escape_ascii());
        bench.board.pin(9).set(false);
    }
    bench.output("p.irq(lambda p: print('edge'), Pin.IRQ_FALLING)").await;
    bench.board.pin(9).set(true);
    bench.board.pin(9).set(false);
    bench.until(b"edge\r\n").await;
}

#[tokio::test]
async fn timers_fire_while_the_board_is_busy_sleeping_or_idle() {
    let mut bench = Bench::new().await;
    let program = "
from machine import Timer
import time
n = 0
def f(t):
 global n
 n += 1
t = Timer(period=5, callback=f)
while n < 3: pass
time.sleep_ms(60)
t.deinit()
m = n
time.sleep_ms(30)
print(m >= 6, n == m)
Timer(mode=Timer.ONE_SHOT, period=10, callback=lambda t: print('once'))
";
    assert_eq!(bench.output(program).await, "True True\r\n");
    bench.until(b"once\r\n").await;
}

#[tokio::test]
async fn buses_carry_what_the_test_feeds_and_keep_what_the_board_wrote() {
    let mut bench = Bench::new().await;
    bench.board.i2c(0).attach(0x48, &[0x1a, 0x80, 0, 0]);
    let i2c = "
from machine import I2C
i = I2C(0, scl=5, sda=4)
print(i.scan(), i.readfrom_mem(0x48, 0, 2))
i.writeto_mem(0x48, 2, b'\\x07\\x08')
print(i.readfrom(0x48, 1))
try: i.readfrom(0x10, 1)
except OSError as e: print(e.errno)
";
    assert_eq!(bench.output(i2c).await, "[72] b'\\x1a\\x80'\r\nb'\\x1a'\r\n5\r\n");
    assert_eq!(bench.board.i2c(0).registers(0x48).unwrap(), [0x1a, 0x80, 7, 8]);
    assert_eq!(bench.board.i2c(0).registers(0x10), None);

    bench.board.spi(0).feed(b"\x01\x02");
    let spi = "from machine import SPI\ns = SPI(0)\nb = bytearray(3)\ns.write_readinto(b'abc', b)\nprint(b)";
    assert_eq!(bench.output(spi).await, "bytearray(b'\\x01\\x02\\x00')\r\n");
    assert_eq!(bench.board.spi(0).take(), b"abc");

    bench.board.uart(1).feed(b"$GPGGA\nrest");
    let uart = "from machine import UART\nu = UART(1, 9600)\nprint(u.any(), u.readline(), u.read(2), u.read(), u.read())\nu.write('hi')";
    assert_eq!(bench.output(uart).await, "11 b'$GPGGA\\n' b're' b'st' None\r\n");
    assert_eq!(bench.board.uart(1).take(), b"hi");
}

#[tokio::test]
async fn a_reset_by_the_program_takes_usb_with_it_and_not_a_bridge() {
    let mut pico = Bench::new().await;
    pico.send(b"import machine\nmachine.reset()\x04").await;
    let mut rest = Vec::new();
    timeout(Duration::from_secs(5), pico.port.read_to_end(&mut rest)).await.expect("the line ends").unwrap();
    pico.port = pico.board.connect();
    pico.enter().await;
    assert_eq!(pico.output("print(1)").await, "1\r\n");

    let mut esp32 = Bench::with(&Options::for_family("esp32").unwrap()).await;
    esp32.send(b"import machine\nmachine.reset()\x04").await;
    esp32.until(b"rst:0x1 (POWERON_RESET)").await;
    esp32.until(b">>> ").await;
}

#[tokio::test]
async fn boot_and_main_run_before_the_repl_and_main_stays_away_from_tools() {
    let mut bench = Bench::new().await;
    bench.board.write_file("boot.py", b"x = 1\nprint('booting', __name__)\n").unwrap();
    bench.board.write_file("main.py", b"print('x is', x)\nx += 1\n1 / 0\n").unwrap();
    bench.board.reset();
    let seen = String::from_utf8(bench.until(b">>> ").await).unwrap();
    assert!(seen.starts_with("booting __main__\r\nx is 1\r\nTraceback (most recent call last):\r\n"), "{seen}");
    assert!(seen.contains("File \"/main.py\", line 3, in <module>\r\nZeroDivisionError: divide by zero\r\n"), "{seen}");
    assert!(seen.contains("\r\nMicroPython v1.27.0"), "{seen}");

    bench.enter().await;
    assert_eq!(bench.output("print(x, '_run' in globals())").await, "2 False\r\n");
    bench.send(b"\x04").await;
    let seen = bench.until(b"raw REPL; CTRL-B to exit\r\n>").await;
    let expected = b"OK\r\nMPY: soft reboot\r\nbooting __main__\r\nraw REPL; CTRL-B to exit\r\n>";
    assert_eq!(seen, expected, "{}", seen.escape_ascii());
    assert_eq!(bench.output("print(x)").await, "1\r\n");
}

#[tokio::test]
async fn a_main_that_never_ends_is_stopped_by_ctrl_c_and_by_the_reset_button() {
    let mut bench = Bench::new().await;
    bench.board.write_file("main.py", b"print('round')\nwhile True: pass\n").unwrap();
    bench.board.reset();
    bench.until(b"round\r\n").await;
    bench.board.reset();
    bench.until(b"round\r\n").await;
    bench.send(b"\x03").await;
    let seen = String::from_utf8(bench.until(b">>> ").await).unwrap();
    assert!(seen.contains("KeyboardInterrupt: \r\n"), "{seen}");
}

#[tokio::test]
async fn a_test_puts_files_on_the_board_and_reads_them() {
    let mut bench = Bench::new().await;
    bench.board.write_file("/helper.py", b"def f(): return 7\n").unwrap();
    assert_eq!(bench.output("import helper\nwith open('log', 'wb') as f: f.write(bytes([helper.f(), 255]))").await, "");
    assert_eq!(bench.board.read_file("log").unwrap(), [7, 255]);
    assert_eq!(bench.board.read_file("no").unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(bench.board.write_file("no/no", b"").unwrap_err().kind(), std::io::ErrorKind::NotFound);
    let full = bench.board.write_file("big", &vec![0; 2 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
}

#[tokio::test]
async fn what_is_hidden_is_not_there() {
    let mut options = Options::default();
    options.hidden = vec![
        Feature::Binascii,
        Feature::Deflate,
        Feature::Json,
        Feature::Select,
        Feature::Struct,
        Feature::StdoutBuffer,
    ];
    let mut bench = Bench::with(&options).await;
    let probe = "
import sys
for n in ('binascii', 'deflate', 'json', 'select', 'struct', 'ustruct', 'array'):
 try: __import__(n); print(n)
 except ImportError: pass
print([hasattr(s, 'buffer') for s in (sys.stdin, sys.stdout, sys.stderr)])
";
    assert_eq!(bench.output(probe).await, "array\r\n[False, False, False]\r\n");
    options.hidden = vec![Feature::Stdout];
    let mut bench = Bench::with(&options).await;
    assert_eq!(
        bench.output("import sys\nprint(hasattr(sys, 'stdout'), hasattr(sys, 'stdin'))").await,
        "False False\r\n"
    );
}

#[tokio::test]
async fn raw_paste_is_granted_refused_or_unknown() {
    for (answer, expected) in [
        (RawPaste::Windows, &b"R\x01\x80\x00\x01"[..]),
        (RawPaste::Refused, b"R\x00>"),
        (RawPaste::Unknown, b"raw REPL; CTRL-B to exit\r\n>"),
    ] {
        let mut options = Options::default();
        options.raw_paste = answer;
        let mut bench = Bench::with(&options).await;
        bench.send(b"\x05A\x01").await;
        assert_eq!(bench.until(expected).await, expected, "{answer:?}");
        if answer != RawPaste::Windows {
            assert_eq!(bench.output("print(1)").await, "1\r\n");
        }
    }
}

#[tokio::test]
async fn a_heap_of_ten_kilobytes_boots_and_runs() {
    let mut options = Options::default();
    options.heap = 10 * 1024;
    let mut bench = Bench::with(&options).await;
    let free: u32 = bench.output("import gc\ngc.collect()\nprint(gc.mem_free())").await.trim().parse().unwrap();
    assert!((5_000..10_240).contains(&free), "{free}");
    let (_, error) = bench.run("bytearray(10000)").await;
    assert!(error.contains("MemoryError"), "{error}");
}

#[test]
fn users_are_told_the_profile_that_this_workspace_has() {
    let read = |path: &str| std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let workspace = read("../Cargo.toml");
    let profile: Vec<_> = workspace
        .lines()
        .skip_while(|line| *line != "[profile.dev.package]")
        .take_while(|line| !line.is_empty())
        .collect();
    assert!(profile.len() > 1, "{workspace}");
    for documentation in ["src/lib.rs", "../src/lib.rs"] {
        let told = read(documentation).replace("//!   ", "//! ");
        assert!(told.contains(&format!("//! {}", profile.join("\n//! "))), "{documentation}: {profile:#?}");
    }
}

#[tokio::test]
async fn ctrl_c_empties_the_input_buffer_or_leaves_what_is_queued() {
    for (clears, expected) in [(true, &b"OK1\r\n\x04\x04>"[..]), (false, b"OKqueued\r\n\x04\x04>OK1\r\n\x04\x04>")] {
        let mut options = Options::default();
        options.ctrl_c_clears = clears;
        let mut bench = Bench::with(&options).await;
        bench.send(b"print('go')\nwhile True: pass\x04").await;
        bench.until(b"go\r\n").await;
        bench.send(b"print('queued')\x04\x03").await;
        let seen = String::from_utf8(bench.until(b"\x04>").await).unwrap();
        assert!(seen.contains("KeyboardInterrupt"), "{seen}");
        bench.send(b"print(1)\x04").await;
        let seen = bench.until(b"OK1\r\n\x04\x04>").await;
        assert_eq!(seen, expected, "{}", seen.escape_ascii());
    }
}

#[tokio::test]
async fn ctrl_c_behind_a_full_buffer_is_unseen_where_it_would_empty_it() {
    for (clears, unseen) in [(true, true), (false, false)] {
        let mut options = Options::default();
        (options.ctrl_c_clears, options.input_buffer) = (clears, 64);
        let mut bench = Bench::with(&options).await;
        let program =
            "import time\nt = time.ticks_ms()\nprint('go')\nwhile time.ticks_ms() - t < 300: pass\nprint('on')";
        for piece in program.as_bytes().chunks(48) {
            bench.send(piece).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.send(b"\x04").await;
        bench.until(b"go\r\n").await;
        bench.send(&[&[b' '; 64][..], b"\x03"].concat()).await;
        let seen = String::from_utf8(bench.until(b"\x04>").await).unwrap();
        assert_eq!((seen.contains("on\r\n"), seen.contains("KeyboardInterrupt")), (unseen, !unseen), "{seen}");
    }
}
