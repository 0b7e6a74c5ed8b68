//! One MicroPython interpreter: started, fed with bytes, thrown away at a reset.

mod descriptors;
mod disguise;
mod host;
mod imports;
mod patch;
mod roots;
mod syscalls;

use std::sync::{Arc, OnceLock};

use wasmi::{CompilationMode, Config, Engine, Func, Instance, Linker, Module, Store, Val};

pub(crate) use descriptors::Storage;
pub(crate) use host::{Halt, Serial};
use host::{Handles, Host, read, write};
use patch::address;

use crate::families::{Family, Feature};
use crate::wire::Wire;
use crate::{Error, firmware};

/// What a tool's soft reset, one in the raw REPL, still runs of a family's autostart; the rest would keep it waiting.
const BOOT: &str = "/boot.py";

/// The REPL that a board starts in, kept over a soft reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplMode {
    Friendly,
    Raw,
}

/// Sizes of a board's memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Bytes of the garbage-collected heap.
    pub(crate) heap: u32,
    /// Words for Python frames, which bound the recursion.
    pub(crate) frames: u32,
}

/// What an interpreter runs on.
#[derive(Debug, Clone)]
pub(crate) struct Hardware {
    pub(crate) family: &'static Family,
    pub(crate) hidden: Vec<Feature>,
    pub(crate) serial: Serial,
    pub(crate) memory: Memory,
}

/// Why [`Vm::run`] returned.
#[derive(Debug)]
pub(crate) enum Exit {
    /// Ctrl-D on an empty line, or `SystemExit`.
    SoftReset,
    Halted(Halt),
    /// The interpreter trapped, as a board that meets a hard fault.
    Crashed(String),
}

fn ended(error: &wasmi::Error) -> Exit {
    match error.downcast_ref::<Halt>() {
        Some(halt) => Exit::Halted(*halt),
        None => Exit::Crashed(error.to_string()),
    }
}

struct Build {
    engine: Engine,
    module: Module,
    linker: Linker<Host>,
}

/// The build, compiled once a process.
fn build() -> Result<&'static Build, Error> {
    static BUILD: OnceLock<Build> = OnceLock::new();
    static LOADING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    if let Some(build) = BUILD.get() {
        return Ok(build);
    }
    let _one_at_a_time = LOADING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(build) = BUILD.get() {
        return Ok(build);
    }
    let wasm = patch::apply(&firmware::load()?)?;
    let mut config = Config::default();
    config.consume_fuel(true).compilation_mode(CompilationMode::Eager);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, &wasm[..]).map_err(broken)?;
    let linker = imports::linker(&engine, &module).map_err(broken)?;
    Ok(BUILD.get_or_init(|| Build { engine, module, linker }))
}

fn broken(error: wasmi::Error) -> Error {
    Error::Interpreter(error.to_string())
}

/// Loads and compiles the interpreter's build, so that what can fail fails before a board's thread starts.
pub(crate) fn prepare() -> Result<(), Error> {
    build().map(|_| ())
}

pub(crate) struct Vm {
    store: Store<Host>,
    start_repl: Func,
    process_char: Func,
    run_callbacks: Func,
    handles: Handles,
    autostart: &'static [&'static str],
}

impl Vm {
    /// Powers an interpreter up.
    pub(crate) fn boot(wire: Arc<Wire>, hardware: &Hardware, storage: Storage, noise: &[u8]) -> Result<Self, Error> {
        let build = build()?;
        storage.peripherals().restart();
        let mut store = Store::new(&build.engine, Host::new(wire, hardware.serial.clone(), storage, noise));
        store.set_fuel(imports::SLICE).map_err(broken)?;
        let instance = build.linker.instantiate_and_start(&mut store, &build.module).map_err(broken)?;
        let missing = || Error::Interpreter("the MicroPython build lacks an export".into());
        let handles = Handles {
            memory: instance.get_memory(&store, "memory").ok_or_else(missing)?,
            table: instance.get_table(&store, "__indirect_function_table").ok_or_else(missing)?,
            stack_pointer: instance.get_global(&store, patch::STACK_POINTER).ok_or_else(missing)?,
        };
        store.data_mut().handles = Some(handles);
        let process_char = instance.get_func(&store, "mp_js_repl_process_char").ok_or_else(missing)?;
        let run_callbacks = instance.get_func(&store, patch::RUN_CALLBACKS).ok_or_else(missing)?;
        let start_repl = instance.get_func(&store, "mp_js_repl_init").ok_or_else(missing)?;
        let mut vm =
            Self { store, start_repl, process_char, run_callbacks, handles, autostart: hardware.family.autostart };
        vm.start(&instance, hardware).map_err(broken)?;
        Ok(vm)
    }

    fn start(&mut self, instance: &Instance, hardware: &Hardware) -> Result<(), wasmi::Error> {
        self.call_export(instance, "__wasm_call_ctors", &[], &mut [])?;
        let mut room = [Val::I32(0)];
        self.call_export(instance, "malloc", &[Val::I32(disguise::ROOM as i32)], &mut room)?;
        let bytes = self.handles.memory.data_mut(&mut self.store);
        for (at, descriptor) in
            address::TEXT_STREAMS.into_iter().zip([patch::TEXT_IN, patch::TEXT_OUT, patch::TEXT_ERR])
        {
            write(bytes, at, &descriptor.to_le_bytes());
        }
        if let [Val::I32(room)] = room {
            disguise::disguise(bytes, room as u32, hardware.family, &hardware.hidden);
        }
        let sizes = [hardware.memory.frames, hardware.memory.heap].map(|size| Val::I32(size as i32));
        self.call_export(instance, "mp_js_init", &sizes, &mut [])?;
        let bytes = self.handles.memory.data_mut(&mut self.store);
        // Boards collect when the heap is full, not every 16 KB.
        write(bytes, address::GC_THRESHOLD, &u32::MAX.to_le_bytes());
        Ok(())
    }

    fn call_export(
        &mut self,
        instance: &Instance,
        name: &str,
        args: &[Val],
        results: &mut [Val],
    ) -> Result<(), wasmi::Error> {
        let function = instance
            .get_func(&self.store, name)
            .ok_or_else(|| wasmi::Error::new(format!("the MicroPython build lacks {name}")))?;
        imports::call(&mut self.store, function, args, results)
    }

    /// Runs what boards run by themselves, then feeds the REPL from the line until it ends.
    pub(crate) fn run(&mut self, mode: ReplMode) -> Exit {
        for file in self.autostart {
            let wanted = mode == ReplMode::Friendly || *file == BOOT;
            if wanted
                && self.store.data().descriptors.stat(file).is_ok()
                && let Err(error) = self.run_file(file)
            {
                return ended(&error);
            }
        }
        if let Err(error) = self.enter_repl(mode) {
            return ended(&error);
        }
        loop {
            let (bytes, host) = self.handles.memory.data_and_store_mut(&mut self.store);
            let byte = match host.next_byte(bytes) {
                Ok(Some(byte)) => byte,
                Ok(None) => {
                    // Ctrl-C for a program that has ended, or the callbacks that one left.
                    write(bytes, address::PENDING_EXCEPTION, &0_u32.to_le_bytes());
                    if let Err(error) = imports::call(&mut self.store, self.run_callbacks, &[], &mut []) {
                        return ended(&error);
                    }
                    continue;
                }
                Err(halt) => return Exit::Halted(halt),
            };
            host.answer_raw_paste(bytes, byte);
            match self.process(byte) {
                Ok(false) => {}
                Ok(true) => {
                    // What was printed before the reset must not go down with the interpreter.
                    let (bytes, host) = self.handles.memory.data_and_store_mut(&mut self.store);
                    return host.flush(bytes).map_or_else(Exit::Halted, |()| Exit::SoftReset);
                }
                Err(error) => return ended(&error),
            }
        }
    }

    fn enter_repl(&mut self, mode: ReplMode) -> Result<(), wasmi::Error> {
        let bytes = self.handles.memory.data_mut(&mut self.store);
        write(bytes, address::REPL_MODE, &u32::from(mode == ReplMode::Raw).to_le_bytes());
        imports::call(&mut self.store, self.start_repl, &[], &mut [])
    }

    /// Gives the REPL a byte and says whether that ended it.
    fn process(&mut self, byte: u8) -> Result<bool, wasmi::Error> {
        const FORCED_EXIT: i32 = 0x100;
        let mut result = [Val::I32(0)];
        imports::call(&mut self.store, self.process_char, &[Val::I32(byte.into())], &mut result)?;
        Ok(matches!(result, [Val::I32(value)] if value & FORCED_EXIT != 0))
    }

    /// Runs a file in `__main__`, as a raw REPL that says nothing of itself.
    fn run_file(&mut self, file: &str) -> Result<(), wasmi::Error> {
        const CTRL_D: u8 = 4;
        let program = format!(
            "def _run():\n try: exec(compile(open('{file}').read(), '{file}', 'exec'), globals())\n \
             except SystemExit: pass\n except BaseException as e:\n  import sys\n  sys.print_exception(e)\n_run()\ndel _run"
        );
        self.store.data_mut().silence(true);
        self.enter_repl(ReplMode::Raw)?;
        for byte in program.bytes().chain([CTRL_D]) {
            self.process(byte)?;
        }
        self.store.data_mut().silence(false);
        Ok(())
    }

    /// The REPL that is on.
    pub(crate) fn mode(&self) -> ReplMode {
        match read(self.handles.memory.data(&self.store), address::REPL_MODE) {
            1 => ReplMode::Raw,
            _ => ReplMode::Friendly,
        }
    }
}
