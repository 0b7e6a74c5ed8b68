//! `belay completions`: a script for a shell.

use clap::CommandFactory as _;

use crate::{args::Arguments, failure::Failure, terminal::Terminal};

pub(crate) fn run(shell: clap_complete::Shell, terminal: &Terminal) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "belay", &mut script);
    terminal.bytes(&script)
}
