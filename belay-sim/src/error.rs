//! What can go wrong before a board runs; afterwards a board fails as boards do, on the line.

use std::path::PathBuf;

/// Why a virtual board could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no MicroPython to run.
    #[error(
        "no MicroPython for the virtual board: {reason}. Any of these helps: install Node.js so that the `npm` client \
         can fetch {package} once; put that package's micropython.wasm at {cache}; or name it in the environment \
         variable {variable}",
        cache = cache.display()
    )]
    NoFirmware {
        /// What was tried and failed.
        reason: String,
        /// The npm package and version that is looked for.
        package: &'static str,
        /// Where the file is kept between runs.
        cache: PathBuf,
        /// The environment variable that names a file.
        variable: &'static str,
    },
    /// The file is not the one build that virtual boards run.
    #[error("{path} is not the micropython.wasm of {package}: its SHA-512 differs; replace or remove the file", path = path.display())]
    WrongFirmware {
        /// The file.
        path: PathBuf,
        /// The npm package and version that was expected.
        package: &'static str,
    },
    /// The description of a board is not understood.
    #[error("`sim:{spec}`: {reason}")]
    Spec {
        /// What was given.
        spec: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The interpreter did not start.
    #[error("the virtual board's interpreter did not start: {0}")]
    Interpreter(String),
}
