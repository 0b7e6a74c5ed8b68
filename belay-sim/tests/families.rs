//! What tells the families apart: their names, their ways, and the modules that only one of them has.

mod bench;

use std::time::Duration;

use belay_sim::{Board, Network, Options, families};
use bench::Bench;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

async fn bench(family: &str) -> Bench {
    Bench::with(&Options::for_family(family).unwrap()).await
}

#[tokio::test]
async fn every_family_boots_and_says_what_it_is() {
    for name in families() {
        let options = Options::for_family(name).unwrap();
        let mut bench = Bench::with(&options).await;
        let seen =
            bench.output("import sys, os\nprint(sys.platform, sys.implementation.name, os.uname().sysname)").await;
        let (platform, rest) = seen.trim_end().split_once(' ').unwrap();
        let interpreter = if name == "circuitpython" { "circuitpython" } else { "micropython" };
        assert_eq!(rest, format!("{interpreter} {platform}"), "{name}");
        let (_, error) = bench.run("import machine\nmachine.unique_id()\nmachine.freq()").await;
        assert_eq!(error.is_empty(), !["circuitpython", "unix"].contains(&name), "{name}: {error}");
        assert_eq!(seen.ends_with("\r\n"), name != "unix");
    }
    assert!(Options::for_family("abacus").is_none());
}

#[tokio::test]
async fn the_banner_and_the_noise_are_the_familys() {
    let board = Board::start(&Options::for_family("esp32").unwrap()).unwrap();
    let mut bench = Bench { port: board.connect(), board };
    let seen = String::from_utf8(bench.until(b">>> ").await).unwrap();
    assert!(seen.starts_with("ets Jul 29 2019"), "{seen}");
    let banner = "\r\nMicroPython v1.27.0 on 2025-12-10; Generic ESP32 module with ESP32\r\nType \"help()\" for more information.\r\n>>> ";
    assert!(seen.ends_with(banner), "{seen}");
}

#[tokio::test]
async fn the_unix_port_ends_at_ctrl_d() {
    let mut bench = Bench::with(&Options::for_family("unix").unwrap()).await;
    bench.send(b"\x04").await;
    let mut rest = Vec::new();
    timeout(Duration::from_secs(5), bench.port.read_to_end(&mut rest)).await.expect("the line ends").unwrap();
}

#[tokio::test]
async fn modules_are_where_the_family_has_them() {
    for (module, having) in [
        ("import machine", "pico pico2 esp32 esp32-s3 esp8266 pyboard"),
        ("from machine import TouchPad", "esp32 esp32-s3"),
        ("import pyb", "pyboard"),
        ("import board, digitalio, analogio, pwmio, supervisor", "circuitpython"),
        ("from time import monotonic", "circuitpython"),
        ("from time import sleep_ms", "pico pico2 esp32 esp32-s3 esp8266 pyboard unix"),
    ] {
        for family in families() {
            let (_, error) = bench(family).await.run(module).await;
            assert_eq!(error.is_empty(), having.split(' ').any(|name| name == family), "{module}: {family}: {error}");
        }
    }
}

#[tokio::test]
async fn an_esp32_feels_touches_and_sees_networks() {
    let mut esp32 = bench("esp32").await;
    let touch = "from machine import Pin, TouchPad\nprint(TouchPad(Pin(4)).read())";
    assert_eq!(esp32.output(touch).await, "600\r\n");
    esp32.board.touch(4).set(120);
    assert_eq!(esp32.output(touch).await, "120\r\n");

    let (_, error) = esp32.run("import network\nnetwork.WLAN().scan()").await;
    assert!(error.contains("OSError: STA must be active"), "{error}");
    let scan = "w = network.WLAN(network.STA_IF)\nw.active(True)\nprint(w.scan())";
    assert_eq!(esp32.output(scan).await, "[]\r\n");
    esp32.board.set_networks([
        Network { ssid: "it's".into(), bssid: [2, 0, 0, 0, 0, 1], channel: 6, rssi: -42, security: 3, hidden: false },
        Network { hidden: true, ..Network::default() },
    ]);
    let seen = "[(b\"it's\", b'\\x02\\x00\\x00\\x00\\x00\\x01', 6, -42, 3, False), \
                (b'', b'\\x00\\x00\\x00\\x00\\x00\\x00', 0, 0, 0, True)]\r\n";
    assert_eq!(esp32.output(scan).await, seen);
    let (_, error) = esp32.run("w.connect('it')").await;
    assert!(error.contains("a virtual board has no radio"), "{error}");
}

#[tokio::test]
async fn stand_ins_say_what_they_are() {
    let mut pico = bench("pico").await;
    for (module, what) in [("neopixel", "no lights"), ("network", "no radio")] {
        let first = pico.output(&format!("with open('/lib/{module}.py') as f: print(f.readline())")).await;
        let says = first.starts_with("\"\"\"A virtual board has ") && first.contains(what);
        assert!(says, "{module}: {first}");
    }
}

#[tokio::test]
async fn a_pyboard_has_an_accelerometer_leds_and_servos() {
    let mut pyboard = bench("pyboard").await;
    let accel = "import pyb\na = pyb.Accel()\nprint(a.x(), a.y(), a.z(), a.filtered_xyz())";
    assert_eq!(pyboard.output(accel).await, "0 0 21 (0, 0, 84)\r\n");
    pyboard.board.set_acceleration([-5, 7, 100]);
    assert_eq!(pyboard.output(accel).await, "-5 7 31 (-20, 28, 124)\r\n");

    let servo =
        "s = pyb.Servo(1)\ns.angle(45)\nprint(s.angle(), s.pulse_width())\ns.angle(-200)\nprint(s.pulse_width())";
    assert_eq!(pyboard.output(servo).await, "45 1925\r\n640\r\n");
    // 640 of the 20,000 microseconds.
    assert_eq!(pyboard.board.pin("X1").pwm(), Some((50, 2097)));

    pyboard.output("pyb.LED(1).on()\npyb.LED(4).intensity(128)\npyb.LED(2).toggle()\npyb.delay(1)").await;
    let leds = ["LED_RED", "LED_GREEN", "LED_YELLOW", "LED_BLUE"].map(|name| pyboard.board.pin(name).level());
    assert_eq!(leds, [true, true, false, true]);
    assert_eq!(pyboard.board.pin("LED_BLUE").pwm(), Some((1000, 32_896)));

    pyboard.output("def f(t): t.deinit(); print('tick')\nt = pyb.Timer(4, freq=200, callback=f)").await;
    pyboard.until(b"tick\r\n").await;
    pyboard.output("s = pyb.Switch()\ns.callback(lambda: print('pressed', s()))").await;
    pyboard.board.pin("SW").set(false);
    pyboard.until(b"pressed True\r\n").await;
}

#[tokio::test]
async fn circuitpython_has_its_own_ways_with_pins() {
    let mut board = bench("circuitpython").await;
    board.board.adc("A0").set(32_768);
    let analog = "import board, analogio\na = analogio.AnalogIn(board.A0)\nprint(a.value, a.reference_voltage, board.GP26 is board.A0)";
    assert_eq!(board.output(analog).await, "32768 3.3 True\r\n");
    let (_, error) = board.run("analogio.AnalogIn(board.A0)").await;
    assert!(error.contains("ValueError: A0 in use"), "{error}");
    board.output("a.deinit()\nwith analogio.AnalogIn(board.A0) as a: a.value").await;

    let digital = "
from digitalio import DigitalInOut, Direction, Pull
led = DigitalInOut(board.LED)
led.direction = Direction.OUTPUT
led.value = True
button = DigitalInOut(board.GP2)
button.pull = Pull.UP
print(button.value, led.value, led.direction)
";
    assert_eq!(board.output(digital).await, "True True digitalio.Direction.OUTPUT\r\n");
    assert!(board.board.pin("LED").level());
    board.board.pin("GP2").set(false);
    assert_eq!(board.output("print(button.value)").await, "False\r\n");
    let (_, error) = board.run("button.value = True").await;
    assert!(error.contains("AttributeError: Cannot set value when direction is input."), "{error}");

    board.output("import pwmio\np = pwmio.PWMOut(board.GP15, frequency=1000, duty_cycle=32768)").await;
    assert_eq!(board.board.pin("GP15").pwm(), Some((1000, 32_768)));

    let clocks = "
import microcontroller, supervisor, time
start = time.monotonic()
time.sleep(0.02)
print(0.02 <= time.monotonic() - start < 5, supervisor.runtime.serial_bytes_available, round(microcontroller.cpu.temperature))
";
    assert_eq!(board.output(clocks).await, "True 0 27\r\n");
}
