//! What may stand on the command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::verbs::bench::FIGURES;

const PORTS: &str = "\
PORT is what a program gives to Device::open:
  /dev/ttyACM0, COM3   a serial port; ?baud=9600 sets its rate
  tcp://host:port      a board behind a TCP bridge
  exec:micropython -i  a program that speaks the REPL on its standard input and output
  sim:pico             a virtual board; sim:pico?latency=1ms&baud=115200 is a slow one
  ?trust=trusted, ?trust=verified   calls travel bare, or with checks, whatever the line is

Exit codes:
  0 done  1 the Python code raised  2 the command line, or a file named in it
  3 no board: the port does not open, or the line ended  4 too late
  5 the board answers something else than it should  130 stopped by Ctrl-C";

/// Talks to MicroPython boards: what they are, what a call costs, and virtual ones.
#[derive(Debug, Parser)]
#[command(name = "belay", version, after_help = PORTS, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// Write JSON, one object a line, for programs to read.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Show no progress.
    #[arg(long, short, global = true, env = "BELAY_QUIET", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) quiet: bool,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say what the board is and what it can do.
    Info {
        #[command(flatten)]
        port: Port,
    },
    /// Run Python on the board; what it prints appears as it comes.
    Exec {
        #[command(flatten)]
        port: Port,
        #[command(flatten)]
        timeout: Timeout,
        /// The code; `-` reads it from standard input.
        code: String,
    },
    /// Print the value of a Python expression.
    ///
    /// As Python shows it, or with --json as JSON, where tuples and sets are arrays, a dict whose keys are not all
    /// strings is an array of pairs, and bytes, nan, inf and integers beyond 64 bits are strings as Python shows them.
    Eval {
        #[command(flatten)]
        port: Port,
        #[command(flatten)]
        timeout: Timeout,
        /// The expression.
        expression: String,
    },
    /// Run a Python file of this machine on the board.
    Run {
        #[command(flatten)]
        port: Port,
        #[command(flatten)]
        timeout: Timeout,
        /// The file.
        file: PathBuf,
    },
    /// Reset the interpreter, as Ctrl-D does.
    Reset {
        #[command(flatten)]
        port: Port,
        /// Reset the processor, as its button does.
        #[arg(long)]
        hard: bool,
    },
    /// Measure what a call costs that does nothing.
    Latency {
        #[command(flatten)]
        port: Port,
        /// How many calls to make.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        calls: u32,
    },
    /// Measure what calls, data, sources and openings cost.
    Bench {
        #[command(flatten)]
        port: Port,
        /// What to measure; all of it unless given.
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(FIGURES))]
        figures: Vec<String>,
        /// Draw how long calls took, as an SVG.
        #[arg(long, value_name = "FILE")]
        plot: Option<PathBuf>,
    },
    /// Show the bytes of a session, with what they mean.
    Trace {
        #[command(flatten)]
        port: Port,
        /// Keep the trace, which belay's own tests can replay.
        #[arg(long, value_name = "FILE")]
        save: Option<PathBuf>,
        /// Python to run; without it the session only begins and ends.
        code: Option<String>,
    },
    /// Start a virtual board that any program can open, and keep it running until Ctrl-C.
    Sim {
        /// Which board, with options: `pico`, `esp32?heap=64k`, `pico?latency=1ms&baud=115200`.
        family: String,
        #[command(flatten)]
        way: Way,
    },
    /// Print a script that completes the words of this command in a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Port {
    /// The board.
    #[arg(long, env = "BELAY_PORT", value_name = "PORT")]
    pub(crate) port: Option<String>,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Timeout {
    /// Stop the board after this long, such as 500ms, 10s or 5m; unless given, it may take as long as it likes.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// How other programs reach a virtual board; unless given, by a new pseudo-terminal.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Way {
    /// By a pseudo-terminal, to which LINK becomes a symbolic link.
    #[arg(long, value_name = "LINK")]
    pub(crate) pty: Option<PathBuf>,
    /// By TCP; 127.0.0.1:0 chooses a free port.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) tcp: Option<String>,
}

/// `500ms`, `10s`, `5m`.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err("write a number and its unit: 500ms, 10s or 5m".into()),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{number}` is no number"))?;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(time) if !time.is_zero() && time <= LONGEST => Ok(time),
        _ => Err("it must be more than nothing and less than a year".into()),
    }
}

/// What code may take that has no deadline.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        for wrong in ["", "5", "s", "0s", "1e9s", "-1s", "99999999999m", "1.2.3s", "5h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
