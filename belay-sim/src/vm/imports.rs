//! What the interpreter's module imports: calls with `setjmp`, the doors of [`patch`](super::patch), and system calls.

use std::time::Duration;

use wasmi::{AsContextMut, Caller, Engine, Error, ExternType, Func, Linker, Module, Nullable, Ref, ResumableCall, Val};

use super::host::{Halt, Handles, Host, write};
use super::patch::{
    ASK_PASTE_BYTE, ASK_PASTE_CLOSE, ASK_TICKS_US, DOOR_ASK, DOOR_DELAY, TEXT_ERR, TEXT_IN, TEXT_OUT, address,
};
use super::syscalls;

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// Instructions between two looks at the line: about a millisecond.
pub(super) const SLICE: u64 = 300_000;

/// `longjmp` on its way to its `setjmp`.
#[derive(Debug)]
struct LongJump;

impl std::fmt::Display for LongJump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("longjmp without setjmp")
    }
}

impl wasmi::errors::HostError for LongJump {}

pub(super) type Import = fn(&mut Caller<'_, Host>, &[Val]) -> Result<Option<Val>, Error>;

/// Binds every import of the module.
pub(super) fn linker(engine: &Engine, module: &Module) -> Result<Linker<Host>, Error> {
    let mut linker = Linker::new(engine);
    for import in module.imports() {
        let ExternType::Func(ty) = import.ty().clone() else { continue };
        let name = import.name();
        if name.starts_with("invoke_") {
            linker.func_new(import.module(), name, ty, invoke)?;
            continue;
        }
        let import_fn = find(name);
        linker.func_new(import.module(), name, ty, move |mut caller, args, results| {
            let value = import_fn(&mut caller, args)?;
            if let (Some(value), Some(result)) = (value, results.first_mut()) {
                *result = value;
            }
            Ok(())
        })?;
    }
    Ok(linker)
}

fn find(name: &str) -> Import {
    match name {
        DOOR_DELAY => delay,
        DOOR_ASK => ask,
        "_emscripten_throw_longjmp" => |_, _| Err(Error::host(LongJump)),
        "_abort_js" => |_, _| Err(Error::new("the interpreter aborted")),
        "emscripten_resize_heap" => grow,
        "mp_js_random_u32" => |_, _| Ok(Some(Val::I32(random() as i32))),
        "mp_js_ticks_ms" => |caller, _| Ok(Some(Val::I32(caller.data().uptime().as_millis() as u32 as i32))),
        "mp_js_time_ms" => |caller, _| Ok(Some(Val::F64(caller.data().wall_clock().into()))),
        "fd_write" => fd_write,
        "fd_read" => fd_read,
        "__syscall_poll" => poll,
        name => syscalls::find(name).unwrap_or(|_, _| Err(Error::new("a board has no JavaScript"))),
    }
}

/// Runs a function to its end, in slices between which the board looks at its line.
pub(super) fn call(
    mut context: impl AsContextMut<Data = Host>,
    function: Func,
    args: &[Val],
    results: &mut [Val],
) -> Result<(), Error> {
    let mut state = function.call_resumable(&mut context, args, results)?;
    loop {
        match state {
            ResumableCall::Finished => return Ok(()),
            ResumableCall::HostTrap(trap) => return Err(trap.into_host_error()),
            ResumableCall::OutOfFuel(rest) => {
                let mut store = context.as_context_mut();
                let memory = store.data().handles.ok_or_else(unready)?.memory;
                let (bytes, host) = memory.data_and_store_mut(&mut store);
                host.tick(bytes).map_err(Error::host)?;
                store.set_fuel(SLICE.max(rest.required_fuel()))?;
                state = rest.resume(&mut context, results)?;
            }
        }
    }
}

fn unready() -> Error {
    Error::new("the interpreter called out before it was set up")
}

fn handles(caller: &Caller<'_, Host>) -> Result<Handles, Error> {
    caller.data().handles.ok_or_else(unready)
}

/// A call under `setjmp`: a `longjmp` below it ends it, restores the C stack and leaves a note in `__THREW__`.
fn invoke(mut caller: Caller<'_, Host>, args: &[Val], results: &mut [Val]) -> Result<(), Error> {
    let Handles { memory, table, stack_pointer } = handles(&caller)?;
    let (Some(Val::I32(index)), Some(args)) = (args.first(), args.get(1..)) else { return Err(unready()) };
    let Some(Ref::Func(Nullable::Val(function))) = table.get(&caller, *index as u32 as u64) else {
        return Err(Error::new("call through a null function pointer"));
    };
    let stack = stack_pointer.get(&caller);
    match call(&mut caller, function, args, results) {
        Err(error) if error.downcast_ref::<LongJump>().is_some() => {
            stack_pointer.set(&mut caller, stack)?;
            let bytes = memory.data_mut(&mut caller);
            if super::host::read(bytes, address::THREW) == 0 {
                write(bytes, address::THREW, &[1, 0, 0, 0, 0, 0, 0, 0]);
            }
            Ok(())
        }
        other => other,
    }
}

/// Runs `action` on linear memory and the host.
pub(super) fn with<R>(
    caller: &mut Caller<'_, Host>,
    action: impl FnOnce(&mut [u8], &mut Host) -> Result<R, Halt>,
) -> Result<R, Error> {
    let memory = handles(caller)?.memory;
    let (bytes, host) = memory.data_and_store_mut(caller);
    action(bytes, host).map_err(Error::host)
}

pub(super) fn number(args: &[Val], index: usize) -> u32 {
    match args.get(index) {
        Some(Val::I32(value)) => *value as u32,
        _ => 0,
    }
}

/// More room for the C library's `malloc`, from which the Python heap is taken once.
fn grow(caller: &mut Caller<'_, Host>, args: &[Val]) -> Result<Option<Val>, Error> {
    const PAGE: u64 = 65_536;
    const LIMIT: u64 = 256;
    let memory = handles(caller)?.memory;
    let (size, wanted) = (memory.size(&*caller), u64::from(number(args, 0)).div_ceil(PAGE));
    let grown = wanted <= LIMIT && memory.grow(&mut *caller, wanted.saturating_sub(size)).is_ok();
    Ok(Some(Val::I32(grown.into())))
}

fn delay(caller: &mut Caller<'_, Host>, args: &[Val]) -> Result<Option<Val>, Error> {
    let time = Duration::from_millis(number(args, 0).into()) + Duration::from_micros(number(args, 1).into());
    with(caller, |memory, host| host.delay(memory, time)).map(|()| None)
}

fn ask(caller: &mut Caller<'_, Host>, args: &[Val]) -> Result<Option<Val>, Error> {
    let answer = with(caller, |memory, host| {
        Ok(match number(args, 0) as i32 {
            ASK_PASTE_BYTE => host.paste_byte(memory)?,
            ASK_PASTE_CLOSE => host.paste_close(memory).map(|()| 0)?,
            ASK_TICKS_US => host.uptime().as_micros() as u32 as i32,
            _ => 0,
        })
    })?;
    Ok(Some(Val::I32(answer)))
}

fn fd_write(caller: &mut Caller<'_, Host>, args: &[Val]) -> Result<Option<Val>, Error> {
    let (descriptor, vectors, count, total_at) = (number(args, 0), number(args, 1), number(args, 2), number(args, 3));
    with(caller, |memory, host| {
        let bytes = gather(memory, vectors, count);
        match descriptor {
            STDOUT => host.write(memory, &bytes)?,
            TEXT_OUT | TEXT_ERR | STDERR => host.write_text(memory, &bytes)?,
            file => {
                if let Err(error) = host.descriptors.write(file, &bytes) {
                    return Ok(Some(Val::I32(error as i32)));
                }
                host.reset_if_asked()?;
            }
        }
        write(memory, total_at, &(bytes.len() as u32).to_le_bytes());
        Ok(Some(Val::I32(0)))
    })
}

/// The bytes that a list of (address, length) pairs describes.
fn gather(memory: &[u8], vectors: u32, count: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for vector in (0..count).map(|index| vectors.wrapping_add(8 * index)) {
        let (at, length) = (super::host::read(memory, vector), super::host::read(memory, vector.wrapping_add(4)));
        bytes.extend_from_slice(
            memory.get(at as usize..).and_then(|tail| tail.get(..length as usize)).unwrap_or_default(),
        );
    }
    bytes
}

fn fd_read(caller: &mut Caller<'_, Host>, args: &[Val]) -> Result<Option<Val>, Error> {
    let (descriptor, total_at) = (number(args, 0), number(args, 3));
    with(caller, |memory, host| {
        let result = match descriptor {
            STDIN | TEXT_IN => read_line(memory, host, args)?,
            _ => syscalls::read_file(&mut host.descriptors, memory, args).map_err(|error| error as i32),
        };
        Ok(Some(Val::I32(match result {
            Ok(total) => {
                write(memory, total_at, &total.to_le_bytes());
                0
            }
            Err(error) => error,
        })))
    })
}

/// Reads from the serial line; like boards, waits for as many bytes as were asked for.
fn read_line(memory: &mut [u8], host: &mut Host, args: &[Val]) -> Result<Result<u32, i32>, Halt> {
    /// What the build's C library calls an interrupted system call; makes MicroPython look at Ctrl-C.
    const EINTR: i32 = 27;
    let (text, vector) = (number(args, 0) == TEXT_IN, number(args, 1));
    let (at, length) = (super::host::read(memory, vector), super::host::read(memory, vector.wrapping_add(4)));
    for offset in 0..length {
        let Some(byte) = host.next_byte(memory)? else { return Ok(Err(EINTR)) };
        write(memory, at.wrapping_add(offset), &[if text && byte == b'\r' { b'\n' } else { byte }]);
    }
    Ok(Ok(length))
}

/// `select.poll` on the serial line: tells whether a byte waits, and naps a little when it does not, because MicroPython
/// asks again at once.
fn poll(caller: &mut Caller<'_, Host>, args: &[Val]) -> Result<Option<Val>, Error> {
    const NAP: Duration = Duration::from_millis(1);
    const IN: u16 = 1;
    const OUT: u16 = 4;
    with(caller, |memory, host| {
        let mut ready = 0;
        for entry in (0..number(args, 1)).map(|index| number(args, 0).wrapping_add(8 * index)) {
            let wanted = super::host::read(memory, entry.wrapping_add(4)) as u16;
            let readable = match super::host::read(memory, entry) {
                STDIN | TEXT_IN => host.has_input(memory)?,
                _ => true,
            };
            let found = wanted & (OUT | if readable { IN } else { 0 });
            ready += i32::from(found != 0);
            write(memory, entry.wrapping_add(6), &found.to_le_bytes());
        }
        if ready == 0 {
            host.delay(memory, NAP)?;
        }
        Ok(Some(Val::I32(ready)))
    })
}

fn random() -> u32 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish() as u32
}
