//! The `belay` command: reads the command line, runs one verb, and turns its outcome into an exit code.

mod args;
mod board;
mod failure;
mod figures;
mod terminal;
mod value;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Arguments, Verb};
use failure::Failure;
use terminal::Terminal;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let terminal = Terminal::new(arguments.json, arguments.quiet);
    let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(arguments.verb, &terminal));
            // A read of the terminal that nobody waits for any more must not hold up the end.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Failure::system("the asynchronous runtime does not start", error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.fail(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Says what is wrong with the command line, in the form that it asks for; or prints the help.
fn refuse(error: &clap::Error) -> ExitCode {
    let asks_for_json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    if !asks_for_json || !error.use_stderr() {
        error.exit();
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // What follows is how to use the command at all.
    let reason = text.split("\n\n").next().unwrap_or(text).trim_end();
    let failure = Failure::Usage(reason.to_owned());
    Terminal::new(true, true).fail(&failure);
    ExitCode::from(failure.exit_code())
}

async fn run(verb: Verb, terminal: &Terminal) -> Result<(), Failure> {
    match verb {
        Verb::Info { port } => verbs::info::run(&port, terminal).await,
        Verb::Exec { port, timeout, code } => verbs::exec::run_code(&port, timeout, &code, terminal).await,
        Verb::Eval { port, timeout, expression } => verbs::eval::run(&port, timeout, &expression, terminal).await,
        Verb::Run { port, timeout, file } => verbs::exec::run_file(&port, timeout, &file, terminal).await,
        Verb::Reset { port, hard } => verbs::reset::run(&port, hard, terminal).await,
        Verb::Latency { port, calls } => verbs::latency::run(&port, calls, terminal).await,
        Verb::Bench { port, figures, plot } => verbs::bench::run(&port, &figures, plot.as_deref(), terminal).await,
        Verb::Trace { port, save, code } => verbs::trace::run(&port, code.as_deref(), save.as_deref(), terminal).await,
        Verb::Sim { family, way } => verbs::sim::run(&family, way, terminal).await,
        Verb::Completions { shell } => verbs::completions::run(shell, terminal),
    }
}
