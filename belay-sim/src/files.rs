//! The board's flash: a small tree of files in memory, which outlives resets.

use std::collections::BTreeMap;
use std::io;

/// Error numbers as boards report them (`errno` of MicroPython), not as the WebAssembly system interface numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errno {
    NotFound = 2,
    BadDescriptor = 9,
    Exists = 17,
    NotDirectory = 20,
    IsDirectory = 21,
    Invalid = 22,
    NoSpace = 28,
    NotEmpty = 39,
}

impl From<Errno> for io::Error {
    fn from(error: Errno) -> Self {
        Self::from(match error {
            Errno::NotFound => io::ErrorKind::NotFound,
            Errno::BadDescriptor | Errno::Invalid => io::ErrorKind::InvalidInput,
            Errno::Exists => io::ErrorKind::AlreadyExists,
            Errno::NotDirectory => io::ErrorKind::NotADirectory,
            Errno::IsDirectory => io::ErrorKind::IsADirectory,
            Errno::NoSpace => io::ErrorKind::StorageFull,
            Errno::NotEmpty => io::ErrorKind::DirectoryNotEmpty,
        })
    }
}

#[derive(Debug, Clone)]
enum Node {
    Directory,
    File(Vec<u8>),
}

/// What `stat` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) directory: bool,
    pub(crate) size: usize,
}

/// Absolute, normalised paths and what stands there. The root always exists and has no entry.
#[derive(Debug)]
pub(crate) struct Files {
    nodes: BTreeMap<String, Node>,
    capacity: usize,
}

impl Files {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { nodes: BTreeMap::new(), capacity }
    }

    pub(crate) fn stat(&self, path: &str) -> Result<Stat, Errno> {
        match self.nodes.get(path) {
            Some(Node::File(content)) => Ok(Stat { directory: false, size: content.len() }),
            Some(Node::Directory) => Ok(Stat { directory: true, size: 0 }),
            None if path == "/" => Ok(Stat { directory: true, size: 0 }),
            None => Err(Errno::NotFound),
        }
    }

    pub(crate) fn read(&self, path: &str) -> Result<&[u8], Errno> {
        match self.nodes.get(path) {
            Some(Node::File(content)) => Ok(content),
            Some(Node::Directory) => Err(Errno::IsDirectory),
            None if path == "/" => Err(Errno::IsDirectory),
            None => Err(Errno::NotFound),
        }
    }

    /// Makes an empty file, or empties the one that is there.
    pub(crate) fn create(&mut self, path: &str) -> Result<(), Errno> {
        self.parent_exists(path)?;
        match self.stat(path) {
            Ok(Stat { directory: true, .. }) => Err(Errno::IsDirectory),
            _ => {
                self.nodes.insert(path.to_owned(), Node::File(Vec::new()));
                Ok(())
            }
        }
    }

    /// Writes into a file at `offset`, filling a gap with zeros.
    pub(crate) fn write(&mut self, path: &str, offset: usize, bytes: &[u8]) -> Result<(), Errno> {
        let used = self.used();
        let capacity = self.capacity;
        let Some(Node::File(content)) = self.nodes.get_mut(path) else { return Err(Errno::NotFound) };
        let end = offset.checked_add(bytes.len()).ok_or(Errno::NoSpace)?;
        if end.saturating_sub(content.len()) > capacity.saturating_sub(used) {
            return Err(Errno::NoSpace);
        }
        if end > content.len() {
            content.resize(end, 0);
        }
        if let Some(place) = content.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
        Ok(())
    }

    pub(crate) fn make_directory(&mut self, path: &str) -> Result<(), Errno> {
        self.parent_exists(path)?;
        if self.stat(path).is_ok() {
            return Err(Errno::Exists);
        }
        self.nodes.insert(path.to_owned(), Node::Directory);
        Ok(())
    }

    pub(crate) fn remove_directory(&mut self, path: &str) -> Result<(), Errno> {
        match self.stat(path)? {
            Stat { directory: false, .. } => Err(Errno::NotDirectory),
            _ if path == "/" => Err(Errno::Invalid),
            _ if !self.list(path)?.is_empty() => Err(Errno::NotEmpty),
            _ => {
                self.nodes.remove(path);
                Ok(())
            }
        }
    }

    pub(crate) fn remove(&mut self, path: &str) -> Result<(), Errno> {
        match self.stat(path)? {
            Stat { directory: true, .. } => Err(Errno::IsDirectory),
            _ => {
                self.nodes.remove(path);
                Ok(())
            }
        }
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        let Stat { directory, .. } = self.stat(from)?;
        self.parent_exists(to)?;
        let below = format!("{from}/");
        if from == "/" || to.starts_with(&below) {
            return Err(Errno::Invalid);
        }
        if from == to {
            return Ok(());
        }
        match self.stat(to) {
            Ok(Stat { directory: true, .. }) if !directory => return Err(Errno::IsDirectory),
            Ok(Stat { directory: true, .. }) => self.remove_directory(to)?,
            Ok(_) if directory => return Err(Errno::NotDirectory),
            _ => {}
        }
        let moved: Vec<String> =
            self.nodes.keys().filter(|path| *path == from || path.starts_with(&below)).cloned().collect();
        for path in moved {
            if let (Some(node), Some(tail)) = (self.nodes.remove(&path), path.get(from.len()..)) {
                self.nodes.insert(format!("{to}{tail}"), node);
            }
        }
        Ok(())
    }

    /// Names in a directory.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<(String, Stat)>, Errno> {
        if !self.stat(path)?.directory {
            return Err(Errno::NotDirectory);
        }
        let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        Ok(self
            .nodes
            .keys()
            .filter_map(|key| {
                let name = key.strip_prefix(&prefix).filter(|name| !name.contains('/'))?;
                Some((name.to_owned(), self.stat(key).ok()?))
            })
            .collect())
    }

    /// Bytes that fit, and bytes that are taken.
    pub(crate) fn usage(&self) -> (usize, usize) {
        (self.capacity, self.used())
    }

    fn used(&self) -> usize {
        self.nodes.values().map(|node| if let Node::File(content) = node { content.len() } else { 0 }).sum()
    }

    fn parent_exists(&self, path: &str) -> Result<(), Errno> {
        match path.rsplit_once('/') {
            Some(("", name)) if !name.is_empty() => Ok(()),
            Some((parent, _)) if self.stat(parent)?.directory => Ok(()),
            Some(_) => Err(Errno::NotDirectory),
            None => Err(Errno::NotFound),
        }
    }
}

/// Makes `path` absolute and resolves `.` and `..`.
pub(crate) fn normalise(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let start = if path.starts_with('/') { "" } else { directory };
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised() {
        for (directory, path, expected) in [
            ("/", "a.py", "/a.py"),
            ("/lib", "./b/../c", "/lib/c"),
            ("/lib", "/x//y/", "/x/y"),
            ("/", "../..", "/"),
            ("/", "", "/"),
        ] {
            assert_eq!(normalise(directory, path), expected, "{directory} {path}");
        }
    }

    #[test]
    fn a_directory_moves_with_what_is_in_it() {
        let mut files = Files::new(1000);
        files.make_directory("/a").unwrap();
        files.create("/a/f").unwrap();
        files.write("/a/f", 2, b"xy").unwrap();
        files.create("/ab").unwrap();
        files.rename("/a", "/b").unwrap();
        assert_eq!(files.read("/b/f").unwrap(), b"\0\0xy");
        assert_eq!(files.stat("/a/f"), Err(Errno::NotFound));
        assert!(files.stat("/ab").is_ok());
        assert_eq!(files.rename("/b", "/b/c"), Err(Errno::Invalid));
        assert_eq!(files.remove_directory("/b"), Err(Errno::NotEmpty));
    }

    #[test]
    fn flash_gets_full() {
        let mut files = Files::new(10);
        files.create("/f").unwrap();
        files.write("/f", 0, b"12345678").unwrap();
        assert_eq!(files.write("/f", 8, b"abc"), Err(Errno::NoSpace));
        files.write("/f", 6, b"abcd").unwrap();
        assert_eq!(files.read("/f").unwrap(), b"123456abcd");
    }

    #[test]
    fn missing_parents_are_reported() {
        let mut files = Files::new(10);
        assert_eq!(files.create("/no/f"), Err(Errno::NotFound));
        files.create("/f").unwrap();
        assert_eq!(files.create("/f/g"), Err(Errno::NotDirectory));
        assert_eq!(files.make_directory("/f"), Err(Errno::Exists));
        assert_eq!(files.list("/f"), Err(Errno::NotDirectory));
    }
}
