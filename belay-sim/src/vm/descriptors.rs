//! Open files, because the interpreter speaks of numbers and offsets where the flash has paths.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::files::{Errno, Files, Stat, normalise};
use crate::modules::Shelf;
use crate::peripherals::{DEVICE, Peripherals};

const FIRST_DESCRIPTOR: u32 = 3;

/// Flags of `open`.
pub(super) mod flag {
    pub(crate) const CREATE: u32 = 0o100;
    pub(crate) const EXCLUSIVE: u32 = 0o200;
    pub(crate) const TRUNCATE: u32 = 0o1000;
    pub(crate) const APPEND: u32 = 0o2000;
}

enum Open {
    File { path: String, offset: usize, append: bool },
    Module { source: &'static str, offset: usize },
    Directory { path: String, offset: usize },
    Device { reply: Vec<u8> },
}

/// What outlives the interpreter.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    pub(crate) files: Arc<Mutex<Files>>,
    pub(crate) peripherals: Arc<Mutex<Peripherals>>,
    /// Found wherever `sys.path` looks, listed nowhere.
    pub(crate) modules: &'static [Shelf],
}

impl Storage {
    pub(crate) fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn peripherals(&self) -> MutexGuard<'_, Peripherals> {
        self.peripherals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Descriptors {
    storage: Storage,
    open: BTreeMap<u32, Open>,
    directory: String,
}

impl Descriptors {
    pub(super) fn new(storage: Storage) -> Self {
        Self { storage, open: BTreeMap::new(), directory: "/".into() }
    }

    pub(super) fn peripherals(&self) -> MutexGuard<'_, Peripherals> {
        self.storage.peripherals()
    }

    pub(super) fn files(&self) -> MutexGuard<'_, Files> {
        self.storage.files()
    }

    pub(super) fn resolve(&self, path: &str) -> String {
        normalise(&self.directory, path)
    }

    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    pub(super) fn change_directory(&mut self, path: &str) -> Result<(), Errno> {
        let path = self.resolve(path);
        if !self.files().stat(&path)?.directory {
            return Err(Errno::NotDirectory);
        }
        self.directory = path;
        Ok(())
    }

    pub(super) fn stat(&self, path: &str) -> Result<Stat, Errno> {
        let path = self.resolve(path);
        let found = self.files().stat(&path);
        found.or_else(|error| {
            self.module(&path).map(|source| Stat { directory: false, size: source.len() }).ok_or(error)
        })
    }

    pub(super) fn stat_open(&self, descriptor: u32) -> Result<Stat, Errno> {
        match self.open.get(&descriptor).ok_or(Errno::BadDescriptor)? {
            Open::File { path, .. } | Open::Directory { path, .. } => self.files().stat(path),
            Open::Module { source, .. } => Ok(Stat { directory: false, size: source.len() }),
            Open::Device { .. } => Ok(Stat { directory: false, size: 0 }),
        }
    }

    pub(super) fn open(&mut self, path: &str, flags: u32) -> Result<u32, Errno> {
        let path = self.resolve(path);
        let opened = if path == DEVICE { Open::Device { reply: Vec::new() } } else { self.open_path(path, flags)? };
        let descriptor =
            (FIRST_DESCRIPTOR..).find(|number| !self.open.contains_key(number)).unwrap_or(FIRST_DESCRIPTOR);
        self.open.insert(descriptor, opened);
        Ok(descriptor)
    }

    fn open_path(&self, path: String, flags: u32) -> Result<Open, Errno> {
        let has = |bit: u32| flags & bit != 0;
        let mut files = self.files();
        match files.stat(&path) {
            Ok(Stat { directory: true, .. }) => return Ok(Open::Directory { path, offset: 0 }),
            Ok(_) if has(flag::CREATE) && has(flag::EXCLUSIVE) => return Err(Errno::Exists),
            Ok(_) if has(flag::TRUNCATE) => files.create(&path)?,
            Ok(_) => {}
            Err(Errno::NotFound) if has(flag::CREATE) => files.create(&path)?,
            Err(error) => {
                return self.module(&path).map(|source| Open::Module { source, offset: 0 }).ok_or(error);
            }
        }
        Ok(Open::File { path, offset: 0, append: has(flag::APPEND) })
    }

    pub(super) fn close(&mut self, descriptor: u32) -> Result<(), Errno> {
        self.open.remove(&descriptor).map(|_| ()).ok_or(Errno::BadDescriptor)
    }

    pub(super) fn read(&mut self, descriptor: u32, count: usize) -> Result<Vec<u8>, Errno> {
        let Self { storage, open, .. } = self;
        let (offset, content) = match open.get_mut(&descriptor).ok_or(Errno::BadDescriptor)? {
            Open::Directory { .. } => return Err(Errno::IsDirectory),
            Open::Device { reply } => return Ok(reply.drain(..count.min(reply.len())).collect()),
            Open::Module { source, offset } => {
                let tail = source.as_bytes().get(*offset..).unwrap_or_default().to_vec();
                (offset, tail)
            }
            Open::File { path, offset, .. } => {
                let tail = storage.files().read(path)?.get(*offset..).unwrap_or_default().to_vec();
                (offset, tail)
            }
        };
        let taken = content.get(..count).map_or_else(|| content.clone(), <[u8]>::to_vec);
        *offset += taken.len();
        Ok(taken)
    }

    pub(super) fn write(&mut self, descriptor: u32, bytes: &[u8]) -> Result<(), Errno> {
        let Self { storage, open, .. } = self;
        match open.get_mut(&descriptor).ok_or(Errno::BadDescriptor)? {
            Open::Directory { .. } => Err(Errno::IsDirectory),
            Open::Module { .. } => Err(Errno::BadDescriptor),
            Open::Device { reply } => {
                *reply = storage.peripherals().answer(bytes);
                Ok(())
            }
            Open::File { path, offset, append } => {
                let mut files = storage.files();
                if *append {
                    *offset = files.stat(path)?.size;
                }
                files.write(path, *offset, bytes)?;
                *offset += bytes.len();
                Ok(())
            }
        }
    }

    /// Moves the offset and returns it; `whence` is 0 for the start, 1 for the offset, 2 for the end.
    pub(super) fn seek(&mut self, descriptor: u32, distance: i64, whence: u32) -> Result<u64, Errno> {
        let size = self.stat_open(descriptor)?.size as i64;
        let (Open::File { offset, .. } | Open::Module { offset, .. } | Open::Directory { offset, .. }) =
            self.open.get_mut(&descriptor).ok_or(Errno::BadDescriptor)?
        else {
            return Err(Errno::Invalid);
        };
        let start = match whence {
            0 => 0,
            1 => *offset as i64,
            _ => size,
        };
        let target = start.checked_add(distance).and_then(|target| u64::try_from(target).ok()).ok_or(Errno::Invalid)?;
        *offset = usize::try_from(target).map_err(|_| Errno::Invalid)?;
        Ok(target)
    }

    /// The next entries of an open directory.
    pub(super) fn entries(&mut self, descriptor: u32, count: usize) -> Result<Vec<(String, Stat)>, Errno> {
        let Self { storage, open, .. } = self;
        let Some(Open::Directory { path, offset }) = open.get_mut(&descriptor) else {
            return Err(Errno::BadDescriptor);
        };
        let entries: Vec<_> = storage.files().list(path)?.into_iter().skip(*offset).take(count).collect();
        *offset += entries.len();
        Ok(entries)
    }

    fn module(&self, path: &str) -> Option<&'static str> {
        self.storage.modules.iter().copied().flatten().find(|(name, _)| *name == path).map(|(_, source)| *source)
    }
}
