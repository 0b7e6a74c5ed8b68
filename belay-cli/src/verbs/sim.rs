//! `belay sim`: a virtual board for any tool.

use std::{
    io,
    path::{Path, PathBuf},
};

use belay::sim;
use serde_json::json;

use crate::{args::Way, board::interrupted, failure::Failure, terminal::Terminal};

pub(crate) async fn run(family: &str, way: Way, terminal: &Terminal) -> Result<(), Failure> {
    let spec = family.to_owned();
    let starting = tokio::task::spawn_blocking(move || sim::open(&spec));
    let started = terminal.during("starting the board", starting).await;
    let started = started.map_err(|error| Failure::system("the board's thread", io::Error::other(error)))?;
    let (_board, line) = started.map_err(|error| Failure::Usage(error.to_string()))?;
    match way {
        Way { tcp: Some(address), .. } => serve_tcp(family, &address, line, terminal).await,
        Way { pty, .. } => serve_pty(family, pty, line, terminal).await,
    }
}

async fn serve_tcp(family: &str, address: &str, line: sim::Line, terminal: &Terminal) -> Result<(), Failure> {
    let tcp = sim::Tcp::new(address, line).await;
    let tcp = tcp.map_err(|error| Failure::system(format!("cannot listen on {address}"), error))?;
    announce(family, &format!("tcp://{}", tcp.address()), terminal)?;
    interrupted().await;
    Ok(())
}

#[cfg(unix)]
async fn serve_pty(family: &str, link: Option<PathBuf>, line: sim::Line, terminal: &Terminal) -> Result<(), Failure> {
    let pty = sim::Pty::new(line).map_err(|error| Failure::system("no pseudo-terminal", error))?;
    let link = match link {
        Some(path) => Some(Link::new(path, pty.path())?),
        None => None,
    };
    let path = link.as_ref().map_or(pty.path(), |link| &link.path);
    announce(family, &path.display().to_string(), terminal)?;
    interrupted().await;
    Ok(())
}

#[cfg(not(unix))]
async fn serve_pty(family: &str, _: Option<PathBuf>, _: sim::Line, _: &Terminal) -> Result<(), Failure> {
    Err(Failure::Usage(format!("there are no pseudo-terminals here: belay sim {family} --tcp 127.0.0.1:0")))
}

fn announce(family: &str, port: &str, terminal: &Terminal) -> Result<(), Failure> {
    if terminal.json() {
        return terminal.object(&json!({ "family": family, "port": port }));
    }
    terminal.line(format_args!("a virtual {family} at {port}; Ctrl-C ends it"))
}

/// A symbolic link that is gone with this value.
struct Link {
    path: PathBuf,
    target: PathBuf,
}

#[cfg(unix)]
impl Link {
    fn new(path: PathBuf, target: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::system(format!("cannot make the link {}", path.display()), error);
        if path.symlink_metadata().is_ok() {
            if !left_behind(&path) {
                let path = path.display();
                return Err(Failure::Usage(format!(
                    "cannot make the link {path}: something else is there. Remove it, or give --pty another path"
                )));
            }
            std::fs::remove_file(&path).map_err(failed)?;
        }
        std::os::unix::fs::symlink(target, &path).map_err(failed)?;
        Ok(Self { path, target: target.to_owned() })
    }
}

/// Whether this is a link that a killed predecessor may have left: it leads nowhere, or to a pseudo-terminal, which may be
/// somebody else's by now.
#[cfg(unix)]
fn left_behind(path: &Path) -> bool {
    let Ok(target) = std::fs::read_link(path) else { return false };
    let terminal = ["/dev/pts/", "/dev/ttys"].iter().any(|kind| target.to_string_lossy().starts_with(kind));
    terminal || matches!(path.try_exists(), Ok(false))
}

impl Drop for Link {
    fn drop(&mut self) {
        // Another board may have taken the path over.
        if std::fs::read_link(&self.path).is_ok_and(|target| target == self.target) {
            // Whoever removed it first has done this work.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
