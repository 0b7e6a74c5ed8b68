//! System calls on files, as the build's C library encodes them.

use wasmi::{Caller, Error, Val};

use super::descriptors::Descriptors;
use super::host::{Host, read, write};
use super::imports::{Import, number, with};
use crate::files::{Errno, Stat};

const DIRECTORY_MODE: u32 = 0o040_777;
const FILE_MODE: u32 = 0o100_666;
const BLOCK: u32 = 4096;
const REMOVE_DIRECTORY: u32 = 0o1000;

/// Finds the system call with this name.
pub(super) fn find(name: &str) -> Option<Import> {
    Some(match name {
        "__syscall_openat" => |caller, args| {
            negative(caller, args, |files, memory, args| {
                let path = string(memory, number(args, 1));
                files.open(&path, number(args, 2))
            })
        },
        "__syscall_stat64" | "__syscall_lstat64" => |caller, args| {
            negative(caller, args, |files, memory, args| {
                let stat = files.stat(&string(memory, number(args, 0)))?;
                put_stat(memory, number(args, 1), stat)
            })
        },
        "__syscall_newfstatat" => |caller, args| {
            negative(caller, args, |files, memory, args| {
                let stat = files.stat(&string(memory, number(args, 1)))?;
                put_stat(memory, number(args, 2), stat)
            })
        },
        "__syscall_fstat64" => |caller, args| {
            negative(caller, args, |files, memory, args| {
                let stat = files.stat_open(number(args, 0))?;
                put_stat(memory, number(args, 1), stat)
            })
        },
        "__syscall_statfs64" => {
            |caller, args| negative(caller, args, |files, memory, args| put_usage(files, memory, number(args, 2)))
        }
        "__syscall_mkdirat" => |caller, args| {
            negative(caller, args, |files, memory, args| {
                let path = files.resolve(&string(memory, number(args, 1)));
                files.files().make_directory(&path).map(|()| 0)
            })
        },
        "__syscall_rmdir" => |caller, args| {
            negative(caller, args, |files, memory, args| {
                let path = files.resolve(&string(memory, number(args, 0)));
                files.files().remove_directory(&path).map(|()| 0)
            })
        },
        "__syscall_unlinkat" => |caller, args| {
            negative(caller, args, |files, memory, args| {
                let path = files.resolve(&string(memory, number(args, 1)));
                let mut tree = files.files();
                if number(args, 2) & REMOVE_DIRECTORY != 0 { tree.remove_directory(&path) } else { tree.remove(&path) }
                    .map(|()| 0)
            })
        },
        "__syscall_renameat" => |caller, args| {
            negative(caller, args, |files, memory, args| {
                let (from, to) =
                    (files.resolve(&string(memory, number(args, 1))), files.resolve(&string(memory, number(args, 3))));
                files.files().rename(&from, &to).map(|()| 0)
            })
        },
        "__syscall_chdir" => |caller, args| {
            negative(caller, args, |files, memory, args| {
                files.change_directory(&string(memory, number(args, 0))).map(|()| 0)
            })
        },
        "__syscall_getcwd" => |caller, args| {
            negative(caller, args, |files, memory, args| {
                let path = [files.directory().as_bytes(), b"\0"].concat();
                if path.len() > number(args, 1) as usize || !write(memory, number(args, 0), &path) {
                    return Err(Errno::Invalid);
                }
                Ok(path.len() as u32)
            })
        },
        "__syscall_getdents64" => |caller, args| negative(caller, args, put_entries),
        "fd_close" => |caller, args| positive(caller, args, |files, _, args| files.close(number(args, 0))),
        "fd_sync" => |_, _| Ok(Some(Val::I32(0))),
        "fd_seek" => |caller, args| {
            positive(caller, args, |files, memory, args| {
                let Some(Val::I64(distance)) = args.get(1) else { return Err(Errno::Invalid) };
                let offset = files.seek(number(args, 0), *distance, number(args, 2))?;
                write(memory, number(args, 3), &offset.to_le_bytes());
                Ok(())
            })
        },
        _ => return None,
    })
}

/// Reads from a file into the places that a list of (address, length) pairs names.
pub(super) fn read_file(files: &mut Descriptors, memory: &mut [u8], args: &[Val]) -> Result<u32, Errno> {
    let mut total = 0;
    for vector in (0..number(args, 2)).map(|index| number(args, 1).wrapping_add(8 * index)) {
        let (at, length) = (read(memory, vector), read(memory, vector.wrapping_add(4)));
        let bytes = files.read(number(args, 0), length as usize)?;
        write(memory, at, &bytes);
        total += bytes.len() as u32;
        if (bytes.len() as u32) < length {
            break;
        }
    }
    Ok(total)
}

type Call<R> = fn(&mut Descriptors, &mut [u8], &[Val]) -> Result<R, Errno>;

/// Linux system calls return an error as a negative number.
fn negative(caller: &mut Caller<'_, Host>, args: &[Val], call: Call<u32>) -> Result<Option<Val>, Error> {
    with(caller, |memory, host| {
        let result = call(&mut host.descriptors, memory, args);
        Ok(Some(Val::I32(result.map_or_else(|error| -(error as i32), |value| value as i32))))
    })
}

/// WASI calls return it as a positive one.
fn positive(caller: &mut Caller<'_, Host>, args: &[Val], call: Call<()>) -> Result<Option<Val>, Error> {
    with(caller, |memory, host| {
        let result = call(&mut host.descriptors, memory, args);
        Ok(Some(Val::I32(result.map_or_else(|error| error as i32, |()| 0))))
    })
}

fn string(memory: &[u8], at: u32) -> String {
    let tail = memory.get(at as usize..).unwrap_or_default();
    let end = tail.iter().position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(tail.get(..end).unwrap_or_default()).into_owned()
}

fn put_stat(memory: &mut [u8], at: u32, stat: Stat) -> Result<u32, Errno> {
    let mut buffer = [0; 96];
    let mode = if stat.directory { DIRECTORY_MODE } else { FILE_MODE };
    put(&mut buffer, 4, &mode.to_le_bytes());
    put(&mut buffer, 8, &1_u32.to_le_bytes());
    put(&mut buffer, 24, &(stat.size as u64).to_le_bytes());
    put(&mut buffer, 32, &BLOCK.to_le_bytes());
    if write(memory, at, &buffer) { Ok(0) } else { Err(Errno::Invalid) }
}

fn put_usage(files: &mut Descriptors, memory: &mut [u8], at: u32) -> Result<u32, Errno> {
    let (capacity, used) = files.files().usage();
    let mut buffer = [0; 72];
    let free = (capacity.saturating_sub(used) / BLOCK as usize) as u64;
    put(&mut buffer, 4, &BLOCK.to_le_bytes());
    put(&mut buffer, 8, &((capacity / BLOCK as usize) as u64).to_le_bytes());
    put(&mut buffer, 16, &free.to_le_bytes());
    put(&mut buffer, 24, &free.to_le_bytes());
    put(&mut buffer, 56, &255_u32.to_le_bytes());
    put(&mut buffer, 60, &BLOCK.to_le_bytes());
    if write(memory, at, &buffer) { Ok(0) } else { Err(Errno::Invalid) }
}

fn put_entries(files: &mut Descriptors, memory: &mut [u8], args: &[Val]) -> Result<u32, Errno> {
    const ENTRY: usize = 280;
    const NAME: usize = 19;
    const DIRECTORY: u8 = 4;
    const FILE: u8 = 8;
    let entries = files.entries(number(args, 0), number(args, 2) as usize / ENTRY)?;
    let mut at = number(args, 1);
    for (name, stat) in &entries {
        let mut entry = [0; ENTRY];
        put(&mut entry, 0, &1_u64.to_le_bytes());
        put(&mut entry, 16, &(ENTRY as u16).to_le_bytes());
        put(&mut entry, 18, &[if stat.directory { DIRECTORY } else { FILE }]);
        let name = name.as_bytes();
        put(&mut entry, NAME, name.get(..ENTRY - NAME - 1).unwrap_or(name));
        if !write(memory, at, &entry) {
            return Err(Errno::Invalid);
        }
        at = at.wrapping_add(ENTRY as u32);
    }
    Ok((entries.len() * ENTRY) as u32)
}

fn put(buffer: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = buffer.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
