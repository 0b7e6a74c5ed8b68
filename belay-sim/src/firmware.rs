//! Finds the MicroPython build that virtual boards run: somebody else's work, so it is fetched once and never shipped.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha512};

use crate::Error;

/// The official MicroPython build for WebAssembly.
const PACKAGE: &str = "@micropython/micropython-webassembly-pyscript@1.27.0";
/// Names a `micropython.wasm` to use instead of the cached one.
const VARIABLE: &str = "BELAY_SIM_FIRMWARE";
const CACHED_NAME: &str = "micropython-1.27.0.wasm";
const ARCHIVE_MEMBER: &str = "package/micropython.wasm";

/// SHA-512 of the package as the npm registry publishes it (`npm view … dist.integrity`).
const ARCHIVE_SHA512: &str = "0e75f1e04ab182479a1444ab4b7b8aacbee62cc9389914ddd2633368e7771d44\
                              a265438013bb75d6e2e78dfddfb45f3b376c66e249c79d610a7152b82182140c";
/// SHA-512 of the one file in it that is needed.
const FILE_SHA512: &str = "3e7b93d21b7e01c202da81d58035d88a7705b1dcfcc91a765ef6d20ee1542a15\
                           3eb360e64e1945890a09c928e88b7c0f0177fa8f862cad01cb5bd73db3981bd5";

/// Returns the build's bytes: from the file that the environment names, else from the cache, else through `npm`.
pub(crate) fn load() -> Result<Vec<u8>, Error> {
    let cached = cache_dir().join(CACHED_NAME);
    let unavailable =
        |reason| Error::NoFirmware { reason, package: PACKAGE, cache: cached.clone(), variable: VARIABLE };

    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        let bytes = fs::read(&path)
            .map_err(|error| unavailable(format!("{VARIABLE} names {}, but {error}", path.display())))?;
        return checked(bytes, &path);
    }
    match fs::read(&cached) {
        Ok(bytes) => checked(bytes, &cached),
        Err(_) => fetch(&cached).map_err(unavailable),
    }
}

fn checked(bytes: Vec<u8>, path: &Path) -> Result<Vec<u8>, Error> {
    if sha512(&bytes) == FILE_SHA512 {
        Ok(bytes)
    } else {
        Err(Error::WrongFirmware { path: path.to_owned(), package: PACKAGE })
    }
}

/// Fetches the package next to where the file is to be, and moves the file into place in one step: two processes may
/// both fetch, and whoever reads finds nothing or the whole file.
fn fetch(cached: &Path) -> Result<Vec<u8>, String> {
    let work = cached.with_file_name(format!("fetch-{}", std::process::id()));
    let context = |what: &str, error: std::io::Error| format!("{what} {} failed: {error}", work.display());
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(|error| context("creating", error))?;
    let result = npm_pack(&work).and_then(|archive| {
        let bytes = unpack(&archive)?;
        let whole = work.join(CACHED_NAME);
        fs::write(&whole, &bytes).map_err(|error| context("writing to", error))?;
        // Whoever was first has put the same bytes there.
        fs::rename(&whole, cached)
            .or_else(|error| if cached.exists() { Ok(()) } else { Err(context("moving", error)) })?;
        Ok(bytes)
    });
    let _ = fs::remove_dir_all(&work);
    result
}

fn npm_pack(into: &Path) -> Result<Vec<u8>, String> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(npm)
        .args(["pack", PACKAGE, "--silent", "--pack-destination"])
        .arg(into)
        .current_dir(into)
        .output()
        .map_err(|error| format!("the `npm` client could not be run ({error})"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`npm pack {PACKAGE}` failed ({}): {}", output.status, complaint.trim()));
    }
    fs::read_dir(into)
        .ok()
        .and_then(|entries| {
            entries.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "tgz"))
        })
        .and_then(|archive| fs::read(archive).ok())
        .ok_or_else(|| format!("`npm pack {PACKAGE}` left no archive"))
}

fn unpack(archive: &[u8]) -> Result<Vec<u8>, String> {
    if sha512(archive) != ARCHIVE_SHA512 {
        return Err(format!("`npm` brought another {PACKAGE} than the published one: its SHA-512 differs"));
    }
    let mut members = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let entries = members.entries().map_err(|error| format!("unpacking {PACKAGE} failed: {error}"))?;
    for mut entry in entries.flatten() {
        if entry.path().is_ok_and(|path| path == Path::new(ARCHIVE_MEMBER)) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|error| format!("unpacking {PACKAGE} failed: {error}"))?;
            return Ok(bytes);
        }
    }
    Err(format!("{PACKAGE} has no {ARCHIVE_MEMBER}"))
}

fn sha512(bytes: &[u8]) -> String {
    Sha512::digest(bytes).iter().fold(String::with_capacity(128), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn cache_dir() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || variable("HOME").unwrap_or_else(std::env::temp_dir);
    let base = if cfg!(windows) {
        variable("LOCALAPPDATA").unwrap_or_else(std::env::temp_dir)
    } else if cfg!(target_os = "macos") {
        home().join("Library").join("Caches")
    } else {
        variable("XDG_CACHE_HOME").unwrap_or_else(|| home().join(".cache"))
    };
    base.join("belay")
}
