//! A board: an interpreter on a thread of its own, which lives as long as somebody holds the board or its port.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::families::{self, Family, Feature, RawPaste, SoftReset};
use crate::files::{Files, normalise};
use crate::peripherals::Peripherals;
use crate::vm::{self, Exit, Halt, Hardware, Memory, ReplMode, Serial, Storage, Vm};
use crate::wire::{Power, Wire};
use crate::{Error, Port};

/// Every Python call under `setjmp` is a call of the host's too, so deep recursion on the board needs this much; the
/// operating system gives it page by page, as it is used.
const STACK: usize = 32 << 20;

/// Words for Python frames: recursion to a depth of about 65, as on boards.
const FRAMES: u32 = 2048;

/// Bytes of a pico's file system.
const FLASH: usize = 1_441_792;

/// What a virtual board is like.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Bytes of the board's heap.
    pub heap: u32,
    /// Bytes of the board's input buffer; what arrives beyond it is lost.
    pub input_buffer: usize,
    /// Window increment of raw-paste, usually half the input buffer.
    pub window: u16,
    /// Whether Ctrl-C empties the input buffer and goes unseen while that is full, as on boards with native USB;
    /// otherwise what was queued is kept and run after it.
    pub ctrl_c_clears: bool,
    /// How it answers the request for raw-paste.
    pub raw_paste: RawPaste,
    /// What it lacks.
    pub hidden: Vec<Feature>,
    family: &'static Family,
}

impl Options {
    /// A board of the family with that name, one of [`families`](crate::families).
    #[must_use]
    pub fn for_family(name: &str) -> Option<Self> {
        families::find(name).map(Self::of)
    }

    fn of(family: &'static Family) -> Self {
        Self {
            heap: family.heap,
            input_buffer: family.input_buffer,
            window: 128,
            ctrl_c_clears: family.ctrl_c_clears,
            raw_paste: RawPaste::default(),
            hidden: Vec::new(),
            family,
        }
    }

    fn hardware(&self) -> Hardware {
        let Family { firmware, machine, cooked, usb, .. } = self.family;
        Hardware {
            family: self.family,
            hidden: self.hidden.clone(),
            serial: Serial {
                banner: format!("{firmware}; {machine}"),
                cooked: *cooked,
                usb: *usb,
                raw_paste: self.raw_paste,
                input_buffer: self.input_buffer,
                window: self.window,
                ctrl_c_clears: self.ctrl_c_clears,
            },
            memory: Memory { heap: self.heap, frames: FRAMES },
        }
    }
}

impl Default for Options {
    /// A Raspberry Pi Pico.
    fn default() -> Self {
        Self::of(families::pico())
    }
}

/// A virtual board. Clones are handles of the same board.
///
/// The interpreter runs until the last `Board` and the last [`Port`] of it are dropped.
#[derive(Debug, Clone)]
pub struct Board {
    handle: Arc<Handle>,
}

impl Board {
    /// Switches a new board on. It boots while this returns: connect, and wait for what you expect of it.
    ///
    /// # Errors
    ///
    /// [`Error::NoFirmware`] or [`Error::WrongFirmware`] if there is no MicroPython to run.
    pub fn start(options: &Options) -> Result<Self, Error> {
        vm::prepare()?;
        let storage = Storage {
            files: Arc::new(Mutex::new(Files::new(FLASH))),
            peripherals: Arc::new(Mutex::new(Peripherals::new(options.family))),
            modules: options.family.modules,
        };
        let handle = Arc::new(Handle { wire: Arc::default(), crash: Arc::default(), storage: storage.clone() });
        let (wire, crash, options) = (handle.wire.clone(), handle.crash.clone(), options.clone());
        thread::Builder::new()
            .name("belay-sim".into())
            .stack_size(STACK)
            .spawn(move || live(&wire, &crash, &storage, &options))
            .map_err(|error| Error::Interpreter(format!("no thread for it: {error}")))?;
        Ok(Self { handle })
    }

    /// Opens the board's line. A port that was open before reads end-of-file from now on.
    #[must_use]
    pub fn connect(&self) -> Port {
        Port::new(self.handle.clone())
    }

    /// Puts a file on the board, or replaces it. `boot.py` and `main.py` run at the next reset.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if its directory does not exist, [`io::ErrorKind::StorageFull`], or
    /// [`io::ErrorKind::IsADirectory`].
    pub fn write_file(&self, path: &str, contents: &[u8]) -> io::Result<()> {
        let path = normalise("/", path);
        let mut files = self.handle.storage.files();
        files.create(&path).and_then(|()| files.write(&path, 0, contents)).map_err(io::Error::from)
    }

    /// A file of the board.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] or [`io::ErrorKind::IsADirectory`].
    pub fn read_file(&self, path: &str) -> io::Result<Vec<u8>> {
        Ok(self.handle.storage.files().read(&normalise("/", path))?.to_vec())
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.handle.storage
    }

    /// Makes the board look at its pins.
    pub(crate) fn nudge(&self) {
        self.handle.wire.nudge();
    }

    /// Presses the reset button.
    pub fn reset(&self) {
        self.handle.wire.set_power(Power::Reset);
    }

    /// Why the board is dead: the interpreter's trap, or `None` while it lives. [`Board::reset`] revives it.
    #[must_use]
    pub fn crash(&self) -> Option<String> {
        self.handle.crash.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What boards and ports share; dropping the last one switches the board off.
pub(crate) struct Handle {
    pub(crate) wire: Arc<Wire>,
    crash: Arc<Mutex<Option<String>>>,
    storage: Storage,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.wire.set_power(Power::Off);
    }
}

/// The life of a board, from power-on to power-off.
fn live(wire: &Arc<Wire>, crash: &Mutex<Option<String>>, storage: &Storage, options: &Options) {
    let hardware = options.hardware();
    let note = |reason| *crash.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    let mut mode = ReplMode::Friendly;
    let mut noise = options.family.noise;
    loop {
        let (exit, last_mode) = match Vm::boot(wire.clone(), &hardware, storage.clone(), noise) {
            Ok(mut vm) => (vm.run(mode), vm.mode()),
            Err(error) => (Exit::Crashed(error.to_string()), mode),
        };
        let halt = match (exit, options.family.soft_reset) {
            (Exit::SoftReset, SoftReset::Reboots(text)) => {
                (mode, noise) = (last_mode, text.as_bytes());
                continue;
            }
            (Exit::SoftReset, SoftReset::Exits) => {
                wire.hang_up();
                wait_for_reset(wire)
            }
            (Exit::Halted(halt), _) => halt,
            (Exit::Crashed(reason), _) => {
                note(Some(reason));
                wire.hang_up();
                wait_for_reset(wire)
            }
        };
        if halt == Halt::Off {
            return;
        }
        note(None);
        (mode, noise) = (ReplMode::Friendly, options.family.noise);
    }
}

fn wait_for_reset(wire: &Wire) -> Halt {
    let mut unheard = Vec::new();
    loop {
        match wire.receive(&mut unheard) {
            Power::On => wire.wait(None),
            Power::Reset => return Halt::Reset,
            Power::Off => return Halt::Off,
        }
        unheard.clear();
    }
}
