//! What `belay bench` and `belay latency` promise to programs that read them, on a virtual board and on the micro:bit.

#[path = "../../tests/conformance/microbit.rs"]
mod microbit;

use std::process::{Command, Output};

use serde_json::Value;

fn belay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_belay")).args(arguments).env("BELAY_QUIET", "1").output().expect("it runs")
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).expect("it is JSON")
}

const FIGURES: [&str; 10] = [
    "call",
    "call_concurrent_16",
    "first_call",
    "list_1000_int",
    "stream_100",
    "bytes_4096_in",
    "bytes_4096_out",
    "source_4k",
    "attach_cold",
    "attach_warm",
];

fn number(report: &Value, figure: &str, field: &str) -> f64 {
    report[figure][field].as_f64().unwrap_or_else(|| panic!("{figure}.{field} is no number: {report}"))
}

#[test]
fn a_bench_of_a_virtual_board_has_every_figure() {
    let plot = std::env::temp_dir().join(format!("belay-bench-{}.svg", std::process::id()));
    let report = json(&belay(&["bench", "--port", "sim:pico", "--json", "--plot", &plot.to_string_lossy()]));
    for figure in FIGURES {
        assert!(number(&report, figure, "ms_median") > 0.0, "{figure}: {report}");
        assert!(number(&report, figure, "ms_p99") >= number(&report, figure, "ms_median"), "{figure}: {report}");
        assert!(number(&report, figure, "bytes_out") > 0.0 && number(&report, figure, "bytes_in") > 0.0, "{report}");
    }
    assert_eq!(report["reasons"], serde_json::json!({}));
    assert_eq!(number(&report, "call", "turns"), 1.0);
    assert!(number(&report, "call", "bytes_out") < 16.0, "a cached call carries no source: {report}");
    assert!(number(&report, "bytes_4096_in", "bytes_in") >= 4096.0, "{report}");
    assert!(number(&report, "bytes_4096_out", "bytes_out") >= 4096.0, "{report}");
    assert!(number(&report, "stream_100", "turns") < 10.0, "items come in batches: {report}");
    // A warm opening finds what a cold one brings.
    let (cold, warm) = (number(&report, "attach_cold", "bytes_out"), number(&report, "attach_warm", "bytes_out"));
    assert!(cold > 10.0 * warm, "{report}");

    let svg = std::fs::read_to_string(&plot).expect("it was drawn");
    std::fs::remove_file(&plot).expect("it is ours");
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    for text in
        ["How long a cached call takes on sim:pico", "median ", "p99 ", "milliseconds from the call to its result"]
    {
        assert!(svg.contains(text), "{text} is not in the picture");
    }
}

#[test]
#[cfg(unix)]
fn a_bench_on_a_pseudo_terminal_has_every_figure() {
    use std::{io::BufRead as _, process::Stdio};

    let mut sim = Command::new(env!("CARGO_BIN_EXE_belay"));
    let mut sim = sim.args(["sim", "pico", "--json"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut said = String::new();
    std::io::BufReader::new(sim.stdout.take().expect("it is ours")).read_line(&mut said).expect("it says where it is");
    let said: Value = serde_json::from_str(&said).expect("it is JSON");
    let port = said["port"].as_str().expect("it names its port");
    let output = belay(&["bench", "--port", port, "--json"]);
    sim.kill().expect("it runs");
    sim.wait().expect("it ends");
    let report = json(&output);
    assert_eq!((&report["port"], &report["reasons"]), (&port.into(), &serde_json::json!({})), "{report}");
    for figure in FIGURES {
        for field in ["ms_median", "ms_p99", "bytes_out", "bytes_in"] {
            assert!(number(&report, figure, field) > 0.0, "{figure}.{field}: {report}");
        }
        assert!(number(&report, figure, "turns") >= 0.0, "{figure}: {report}");
    }
    assert_eq!(number(&report, "call", "turns"), 1.0, "{report}");
}

#[test]
fn one_figure_alone_is_measured_alone() {
    let report = json(&belay(&["bench", "call", "--port", "sim:pico?trust=verified", "--json"]));
    assert!(number(&report, "call", "bytes_out") > 9.0, "calls on a verified line carry checks: {report}");
    let measured: Vec<&str> = FIGURES.into_iter().filter(|figure| report.get(*figure).is_some()).collect();
    assert_eq!(measured, ["call"]);
}

#[test]
fn what_a_board_cannot_do_is_null_with_a_reason() {
    let report = json(&belay(&["bench", "--port", "sim:pico?heap=10k", "--json"]));
    assert_eq!(report["source_4k"], Value::Null, "{report}");
    assert!(report["reasons"]["source_4k"].as_str().is_some_and(|reason| reason.contains("Memory")), "{report}");
    assert!(number(&report, "call", "ms_median") > 0.0);
}

#[tokio::test]
async fn latency_of_the_microbit() {
    let microbit = match microbit::Microbit::start().await {
        Ok(microbit) => microbit,
        Err(reason) if std::env::var_os("CI").is_some() => panic!("{reason}"),
        Err(reason) => return println!("left out: {reason}"),
    };
    let port = microbit.port.clone();
    let output = tokio::task::spawn_blocking(move || belay(&["latency", "--port", &port, "--calls", "50", "--json"]));
    let report = json(&output.await.expect("it ends"));
    println!("{report}");
    assert_eq!((&report["calls"], &report["turns"]), (&50.into(), &1.into()), "{report}");
    assert!(report["board"].as_str().is_some_and(|board| board.contains("microbit")), "{report}");
    let ms = |name: &str| report[name].as_f64().unwrap_or(f64::NAN);
    assert!(0.0 < ms("ms_min") && ms("ms_min") <= ms("ms_median") && ms("ms_median") <= ms("ms_max"), "{report}");
}
