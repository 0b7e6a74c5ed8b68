//! The hardware that the interpreter sees: its receive interrupt, its input buffer, its output, its clock.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmi::{Global, Memory, Table};

use super::descriptors::{Descriptors, Storage};
use super::patch::{INTERRUPTED, address};
use crate::families::RawPaste;
use crate::wire::{Power, Wire};

/// How the two halves of the line begin in which the friendly REPL introduces itself.
const BANNER: &[u8] = b"MicroPython v";
/// See [`BANNER`].
const BANNER_END: &[u8] = b"; JS with";

const CTRL_A: u8 = 1;
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
/// Output is handed over in pieces of at most this size, or when the interpreter waits.
const OUTPUT_PIECE: usize = 1024;

/// Why the interpreter must stop without having finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    Reset,
    Off,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "the board was reset",
            Self::Off => "the board was switched off",
        })
    }
}

impl wasmi::errors::HostError for Halt {}

/// How big the input buffer is and what else differs between boards' serial code.
#[derive(Debug, Clone)]
pub(crate) struct Serial {
    /// What the friendly REPL calls itself.
    pub(crate) banner: String,
    /// `print` and the REPL turn `\n` into `\r\n`.
    pub(crate) cooked: bool,
    /// A reset of the processor interrupts the line.
    pub(crate) usb: bool,
    /// The answer to the request for raw-paste.
    pub(crate) raw_paste: RawPaste,
    /// Bytes of the board's input buffer.
    pub(crate) input_buffer: usize,
    /// Window increment of raw-paste.
    pub(crate) window: u16,
    /// Ctrl-C empties the input buffer and is not seen while the buffer is full.
    pub(crate) ctrl_c_clears: bool,
}

/// A raw-paste transfer that is being received.
struct Paste {
    /// Bytes until the next window is granted.
    remaining: u16,
    ended: bool,
}

/// The memory-mapped parts of the instance, known once it exists.
#[derive(Clone, Copy)]
pub(crate) struct Handles {
    pub(crate) memory: Memory,
    pub(crate) table: Table,
    pub(crate) stack_pointer: Global,
}

pub(crate) struct Host {
    pub(crate) handles: Option<Handles>,
    pub(super) descriptors: Descriptors,
    wire: Arc<Wire>,
    serial: Serial,
    input: VecDeque<u8>,
    arrived: Vec<u8>,
    output: Vec<u8>,
    /// `R\x01` has been written, the window comes next.
    handshake: bool,
    paste: Option<Paste>,
    /// The REPL's own words are not for the line.
    silent: bool,
    started: Instant,
}

impl Host {
    /// `noise` is what the line carries before the interpreter runs.
    pub(crate) fn new(wire: Arc<Wire>, serial: Serial, storage: Storage, noise: &[u8]) -> Self {
        Self {
            handles: None,
            descriptors: Descriptors::new(storage),
            wire,
            serial,
            input: VecDeque::new(),
            arrived: Vec::new(),
            output: noise.to_vec(),
            handshake: false,
            paste: None,
            silent: false,
            started: Instant::now(),
        }
    }

    /// Looks at the line if something happened there; cheap otherwise. Called between two slices of the interpreter.
    pub(crate) fn tick(&mut self, memory: &mut [u8]) -> Result<(), Halt> {
        self.flush(memory)?;
        self.schedule_callbacks(memory);
        if self.wire.has_news() { self.receive(memory) } else { Ok(()) }
    }

    /// The timers' and pins' interrupts: hands callbacks to MicroPython's scheduler, and says whether it has any.
    fn schedule_callbacks(&mut self, memory: &mut [u8]) -> bool {
        const DEPTH: u8 = 4;
        let place = |memory: &[u8]| {
            memory.get(address::SCHEDULER_LENGTH as usize..).and_then(|tail| tail.first_chunk::<2>()).copied()
        };
        while let Some([length, first]) = place(memory).filter(|[length, _]| *length < DEPTH) {
            let Some((function, number)) = self.descriptors.peripherals().next_callback() else { break };
            let slot = address::SCHEDULER_QUEUE + 8 * u32::from((first + length) % DEPTH);
            write(memory, slot, &function.to_le_bytes());
            write(memory, slot + 4, &small_int(number).to_le_bytes());
            write(memory, address::SCHEDULER_LENGTH, &[length + 1]);
            wake_scheduler(memory);
        }
        !scheduler_locked(memory) && place(memory).is_some_and(|[length, _]| length > 0)
    }

    /// Blocks until there are news, a timer fires or the time has come.
    fn wait(&self, memory: &[u8], deadline: Option<Instant>) {
        let timer = if scheduler_locked(memory) { None } else { self.descriptors.peripherals().next_timer() };
        self.wire.wait([deadline, timer].into_iter().flatten().min());
    }

    /// The receive interrupt: each byte goes into the input buffer, is lost there, or interrupts the program.
    fn receive(&mut self, memory: &mut [u8]) -> Result<(), Halt> {
        let mut arrived = std::mem::take(&mut self.arrived);
        let power = self.wire.receive(&mut arrived);
        let interrupt_char = read(memory, address::INTERRUPT_CHAR);
        for byte in arrived.drain(..) {
            let full = self.input.len() >= self.serial.input_buffer;
            if u32::from(byte) == interrupt_char && !(full && self.serial.ctrl_c_clears) {
                if self.serial.ctrl_c_clears {
                    self.input.clear();
                }
                schedule_keyboard_interrupt(memory);
            } else if !full {
                self.input.push_back(byte);
            }
        }
        self.arrived = arrived;
        match power {
            Power::On => Ok(()),
            Power::Reset => Err(Halt::Reset),
            Power::Off => Err(Halt::Off),
        }
    }

    /// Blocks until there is a byte; `None` if Ctrl-C interrupts the wait or a callback is to run.
    pub(crate) fn next_byte(&mut self, memory: &mut [u8]) -> Result<Option<u8>, Halt> {
        self.flush(memory)?;
        loop {
            self.receive(memory)?;
            if let Some(byte) = self.input.pop_front() {
                return Ok(Some(byte));
            }
            if read(memory, address::PENDING_EXCEPTION) != 0 || self.schedule_callbacks(memory) {
                return Ok(None);
            }
            self.wait(memory, None);
        }
    }

    /// As [`Host::next_byte`] while the compiler reads, when no callback can run.
    fn next_source_byte(&mut self, memory: &mut [u8]) -> Result<Option<u8>, Halt> {
        self.flush(memory)?;
        loop {
            self.receive(memory)?;
            if let Some(byte) = self.input.pop_front() {
                return Ok(Some(byte));
            }
            if read(memory, address::PENDING_EXCEPTION) != 0 {
                return Ok(None);
            }
            self.wire.wait(None);
        }
    }

    /// Changes a request for raw-paste, of which `byte` is the last, into what the board makes of it.
    pub(crate) fn answer_raw_paste(&self, memory: &mut [u8], byte: u8) {
        const LENGTH: u32 = 4;
        const ADDRESS: u32 = 8;
        const REQUEST: &[u8] = b"\x05A";
        if byte != CTRL_A || self.serial.raw_paste == RawPaste::Windows {
            return;
        }
        let line = read(memory, address::REPL_LINE);
        let (length, text) = (read(memory, line + LENGTH), read(memory, line + ADDRESS));
        if length as usize != REQUEST.len() || memory.get(text as usize..).is_none_or(|text| !text.starts_with(REQUEST))
        {
            return;
        }
        match self.serial.raw_paste {
            // MicroPython refuses every kind but `A`.
            RawPaste::Refused => write(memory, text + 1, b"?"),
            _ => write(memory, line + LENGTH, &0_u32.to_le_bytes()),
        };
    }

    /// Whether [`Host::next_byte`] would return at once.
    pub(crate) fn has_input(&mut self, memory: &mut [u8]) -> Result<bool, Halt> {
        self.receive(memory)?;
        Ok(!self.input.is_empty())
    }

    /// Blocks for a time, less if Ctrl-C interrupts it or a callback is to run.
    pub(crate) fn delay(&mut self, memory: &mut [u8], time: Duration) -> Result<(), Halt> {
        let deadline = Instant::now() + time;
        self.flush(memory)?;
        loop {
            self.receive(memory)?;
            let interrupted = read(memory, address::PENDING_EXCEPTION) != 0 || self.schedule_callbacks(memory);
            if interrupted || Instant::now() >= deadline {
                return Ok(());
            }
            self.wait(memory, Some(deadline));
        }
    }

    /// Whether the REPL's own words go nowhere; what programs print goes out.
    pub(crate) fn silence(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Output of the REPL and of `print`.
    pub(crate) fn write(&mut self, memory: &mut [u8], bytes: &[u8]) -> Result<(), Halt> {
        if self.silent && !running(memory) {
            return Ok(());
        }
        match bytes {
            b"R\x01" if !running(memory) => self.handshake = true,
            [_, _, 1] if self.handshake => {
                self.handshake = false;
                let window = self.serial.window;
                self.paste = Some(Paste { remaining: window, ended: false });
                self.output.extend(window.to_le_bytes());
                self.output.push(1);
                return Ok(());
            }
            _ => self.handshake = false,
        }
        let bytes = match bytes {
            _ if running(memory) => bytes,
            _ if bytes.starts_with(BANNER) => self.serial.banner.as_bytes(),
            _ if bytes.starts_with(BANNER_END) => b"",
            _ => bytes,
        };
        self.output.extend_from_slice(bytes);
        if self.output.len() >= OUTPUT_PIECE { self.flush(memory) } else { Ok(()) }
    }

    /// Output of `sys.stdout` and `sys.stderr`, where boards turn `\n` into `\r\n`.
    pub(crate) fn write_text(&mut self, memory: &mut [u8], bytes: &[u8]) -> Result<(), Halt> {
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if index > 0 {
                self.output.extend_from_slice(if self.serial.cooked { b"\r\n" } else { b"\n" });
            }
            self.output.extend_from_slice(line);
        }
        if self.output.len() >= OUTPUT_PIECE { self.flush(memory) } else { Ok(()) }
    }

    /// Hands the output over; blocks while the program does not read.
    pub(crate) fn flush(&mut self, memory: &mut [u8]) -> Result<(), Halt> {
        while !self.output.is_empty() {
            let taken = self.wire.send(&self.output);
            self.output.drain(..taken);
            if !self.output.is_empty() {
                self.wire.wait(None);
                self.receive(memory)?;
            }
        }
        Ok(())
    }

    /// The next byte of a raw-paste transfer, as MicroPython's `mp_reader_stdin_readbyte` gives it to the compiler.
    pub(crate) fn paste_byte(&mut self, memory: &mut [u8]) -> Result<i32, Halt> {
        const END_OF_FILE: i32 = -1;
        if self.paste.as_ref().is_none_or(|paste| paste.ended) {
            return Ok(END_OF_FILE);
        }
        let byte = self.next_source_byte(memory)?;
        let Some(paste) = &mut self.paste else { return Ok(END_OF_FILE) };
        match byte {
            None | Some(CTRL_C) => {
                paste.ended = true;
                self.output.push(CTRL_D);
                Ok(INTERRUPTED)
            }
            Some(CTRL_D) => {
                paste.ended = true;
                self.output.push(CTRL_D);
                Ok(END_OF_FILE)
            }
            Some(byte) => {
                paste.remaining -= 1;
                if paste.remaining == 0 {
                    paste.remaining = self.serial.window;
                    self.output.push(1);
                }
                Ok(i32::from(byte))
            }
        }
    }

    /// The compiler is done with a raw-paste transfer; if it gave up early, the rest is thrown away.
    pub(crate) fn paste_close(&mut self, memory: &mut [u8]) -> Result<(), Halt> {
        if self.paste.take().is_some_and(|paste| !paste.ended) {
            self.output.push(CTRL_D);
            while !matches!(self.next_source_byte(memory)?, None | Some(CTRL_C | CTRL_D)) {}
        }
        Ok(())
    }

    /// `machine.reset()`: where USB is the processor's own, the line goes with it.
    pub(crate) fn reset_if_asked(&mut self) -> Result<(), Halt> {
        if !self.descriptors.peripherals().take_reset() {
            return Ok(());
        }
        if self.serial.usb {
            self.wire.hang_up();
        }
        Err(Halt::Reset)
    }

    /// Time since power-on.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Milliseconds since 1970.
    pub(crate) fn wall_clock(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as f64
    }
}

/// Whether a program runs, as opposed to the REPL waiting for one.
fn running(memory: &[u8]) -> bool {
    read(memory, address::INTERRUPT_CHAR) != u32::MAX
}

/// What the exported `mp_sched_keyboard_interrupt` does, without a call into the interpreter in mid-flight.
fn schedule_keyboard_interrupt(memory: &mut [u8]) {
    write(memory, address::KEYBOARD_INTERRUPT_TRACEBACK, &0_u32.to_le_bytes());
    write(memory, address::PENDING_EXCEPTION, &address::KEYBOARD_INTERRUPT.to_le_bytes());
    wake_scheduler(memory);
}

/// Makes MicroPython look at what is pending, unless it is doing so.
fn wake_scheduler(memory: &mut [u8]) {
    if memory.get(address::SCHEDULER_STATE as usize..address::SCHEDULER_STATE as usize + 2) == Some(&[1, 0]) {
        write(memory, address::SCHEDULER_STATE, &[0, 0]);
    }
}

/// Whether a callback runs, so that others have to wait.
fn scheduler_locked(memory: &[u8]) -> bool {
    read(memory, address::SCHEDULER_STATE) & 0x8000 != 0
}

/// An integer as a MicroPython object.
fn small_int(number: u32) -> u32 {
    number << 1 | 1
}

/// A word of linear memory; 0 outside.
pub(crate) fn read(memory: &[u8], at: u32) -> u32 {
    memory.get(at as usize..).and_then(|tail| tail.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
}

/// Writes to linear memory and says whether the place exists.
pub(crate) fn write(memory: &mut [u8], at: u32, bytes: &[u8]) -> bool {
    let place = memory.get_mut(at as usize..).and_then(|tail| tail.get_mut(..bytes.len()));
    place.map(|place| place.copy_from_slice(bytes)).is_some()
}
