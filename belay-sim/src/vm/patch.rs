//! Small repairs to the WebAssembly build, because it was made for browsers and a board is not one.
//!
//! The official build cannot wait: its delays spin on a clock, its raw-paste reader returns zeros for ever, its
//! collector only sets a flag that is looked at between two executions (see [`roots`]), and its heap grows without bound.
//! All of these are functions of a line or two, so they get new bodies here that ask the host through *doors*: imports
//! that serve JavaScript objects and can never be reached on a board. Function numbers are safe to use because only one
//! build is accepted (see [`crate::firmware`]).

use super::roots;
use crate::Error;

/// The host waits: parameters are milliseconds and microseconds.
pub(crate) const DOOR_DELAY: &str = "call0";
/// The host answers a question, one of the `ASK_` numbers.
pub(crate) const DOOR_ASK: &str = "js_check_existing";

/// The next byte of a raw-paste transfer, -1 at its end, or [`INTERRUPTED`].
pub(crate) const ASK_PASTE_BYTE: i32 = 0;
/// The compiler needs no more of a raw-paste transfer.
pub(crate) const ASK_PASTE_CLOSE: i32 = 1;
/// Microseconds since power-on, modulo 2^32.
pub(crate) const ASK_TICKS_US: i32 = 2;

/// Answer to [`ASK_PASTE_BYTE`]: Ctrl-C ended the transfer.
pub(crate) const INTERRUPTED: i32 = -2;

/// File descriptors of the text streams after [`address::TEXT_STREAMS`] are told apart: boards turn `\n` into `\r\n` there
/// and only there.
pub(crate) const TEXT_IN: u32 = 100;
/// See [`TEXT_IN`].
pub(crate) const TEXT_OUT: u32 = 101;
/// See [`TEXT_IN`].
pub(crate) const TEXT_ERR: u32 = 102;

/// Name under which the C stack pointer is exported.
pub(crate) const STACK_POINTER: &str = "stack_pointer";
/// Name under which the function that runs scheduled callbacks is exported.
pub(crate) const RUN_CALLBACKS: &str = "run_callbacks";

/// Addresses of MicroPython's state in linear memory.
pub(crate) mod address {
    /// `mp_state_ctx`.
    const STATE: u32 = 185_108;
    /// `mp_state_ctx.thread.pystack_start`: where the Python frames are.
    pub(crate) const FRAMES_START: u32 = STATE + 8;
    /// `mp_state_ctx.thread.pystack_cur`: where they end.
    pub(crate) const FRAMES_END: u32 = STATE + 16;
    /// `mp_state_ctx.mem.gc_stack_overflow`.
    pub(crate) const MARK_OVERFLOW: u32 = STATE + 416;
    /// `mp_state_ctx.thread.mp_pending_exception`.
    pub(crate) const PENDING_EXCEPTION: u32 = STATE + 40;
    /// `mp_state_ctx.vm.mp_kbd_exception`, an exception object.
    pub(crate) const KEYBOARD_INTERRUPT: u32 = STATE + 68;
    /// Its traceback.
    pub(crate) const KEYBOARD_INTERRUPT_TRACEBACK: u32 = STATE + 76;
    /// `mp_state_ctx.vm.repl_line`, a pointer to allocated bytes, length and address.
    pub(crate) const REPL_LINE: u32 = STATE + 232;
    /// `mp_state_ctx.vm.sched_state`, 16 bits: 1 idle, 0 pending, -1 locked.
    pub(crate) const SCHEDULER_STATE: u32 = STATE + 252;
    /// `mp_state_ctx.vm.sched_len` and `.sched_idx`, 8 bits each.
    pub(crate) const SCHEDULER_LENGTH: u32 = STATE + 254;
    /// `mp_state_ctx.vm.sched_queue`, four pairs of a function and an argument.
    pub(crate) const SCHEDULER_QUEUE: u32 = STATE + 192;
    /// `mp_state_ctx.mem.gc_alloc_threshold`, in blocks of 16 bytes.
    pub(crate) const GC_THRESHOLD: u32 = STATE + 940;
    /// `mp_interrupt_char`.
    pub(crate) const INTERRUPT_CHAR: u32 = 178_872;
    /// `pyexec_mode_kind`: 0 friendly, 1 raw.
    pub(crate) const REPL_MODE: u32 = 186_084;
    /// The file descriptors of `sys.stdin`, `sys.stdout` and `sys.stderr`, which the build shares with their `buffer`s.
    pub(crate) const TEXT_STREAMS: [u32; 3] = [178_852, 178_860, 178_868];
    /// The entries of the three streams in the table of the module `sys`.
    pub(crate) const STREAM_NAMES: [u32; 3] = [102_152, 102_160, 102_168];
    /// String objects: `sys.platform`, `sys.implementation._machine` and `._build`, and `sys.version`.
    pub(crate) const PLATFORM: u32 = 102_224;
    /// See [`PLATFORM`].
    pub(crate) const MACHINE: u32 = 102_260;
    /// See [`PLATFORM`].
    pub(crate) const BUILD: u32 = 102_276;
    /// See [`PLATFORM`].
    pub(crate) const VERSION: u32 = 102_208;
    /// The first item of the tuple `sys.implementation`.
    pub(crate) const IMPLEMENTATION_NAME: u32 = 102_332;
    /// Entries in the tables of built-in modules.
    pub(crate) const DEFLATE: u32 = 95_760 + 2 * 8;
    /// See [`DEFLATE`].
    pub(crate) const BINASCII: u32 = 95_888 + 8;
    /// See [`DEFLATE`].
    pub(crate) const JSON: u32 = 95_888 + 7 * 8;
    /// See [`DEFLATE`].
    pub(crate) const SELECT: u32 = 95_888 + 12 * 8;
    /// See [`DEFLATE`].
    pub(crate) const STRUCT: u32 = 95_888 + 13 * 8;
    /// The entries of `js` and `jsffi` in the table of built-in modules.
    pub(crate) const JAVASCRIPT_MODULES: [u32; 2] = [95_800, 95_808];
    /// `__THREW__`, which `setjmp` looks at after every call, and the value thrown.
    pub(crate) const THREW: u32 = 186_852;
}

const TICKS_MS: u32 = 14;
const CALL0: u32 = 21;
const JS_CHECK_EXISTING: u32 = 31;
const NLR_JUMP: u32 = 66;
const HANDLE_PENDING: u32 = 432;
/// The same with its argument.
const RUN_PENDING: u32 = 433;

/// Function numbers of what is replaced.
const MAX_NEW_SPLIT: u32 = 1277;
const PASTE_CLOSE: u32 = 1252;
const PASTE_BYTE: u32 = 1253;
const DELAY_MS: u32 = 1286;
const DELAY_US: u32 = 1288;
const TICKS_US: u32 = 1289;
const TICKS_CPU: u32 = 1290;

const IMPORTED_FUNCTIONS: u32 = 60;

/// Returns the module with its repairs.
pub(crate) fn apply(module: &[u8]) -> Result<Vec<u8>, Error> {
    const MEMORY: u8 = 5;
    const EXPORT: u8 = 7;
    const CODE: u8 = 10;
    let unexpected = || Error::Interpreter("the MicroPython build has not the expected layout".into());
    let repaired = map_sections(module, |id, content| match id {
        MEMORY => shrink_memory(content),
        EXPORT => add_exports(content),
        CODE => replace_bodies(content),
        _ => Some(content.to_vec()),
    })
    .ok_or_else(unexpected)?;
    let code = roots::spill(&repaired).map_err(|error| Error::Interpreter(error.to_string()))?;
    map_sections(&repaired, |id, content| Some(if id == CODE { code.clone() } else { content.to_vec() }))
        .ok_or_else(unexpected)
}

fn map_sections(module: &[u8], map: impl Fn(u8, &[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut out = module.get(..8)?.to_vec();
    let mut rest = Reader(module.get(8..)?);
    while let Some(id) = rest.byte() {
        let size = rest.number()?;
        let content = map(id, rest.take(size)?)?;
        out.push(id);
        push_sized(&mut out, &content)?;
    }
    Some(out)
}

/// The build starts with 16 MB, of which a board needs the first 200 KB; its allocator asks for more.
fn shrink_memory(section: &[u8]) -> Option<Vec<u8>> {
    const PAGES: u32 = 3;
    let mut rest = Reader(section);
    let (count, flags, _minimum) = (rest.byte()?, rest.byte()?, rest.number()?);
    let mut out = vec![count, flags];
    push_number(&mut out, PAGES);
    out.extend_from_slice(rest.0);
    Some(out)
}

/// Two more exports. `setjmp` and `longjmp` live in the host, which therefore moves the C stack pointer on every Python
/// call: as a global it costs nothing, as the exported function it would cost a call into the interpreter.
fn add_exports(section: &[u8]) -> Option<Vec<u8>> {
    const FUNCTION: u8 = 0;
    const GLOBAL: u8 = 3;
    const STACK_POINTER_INDEX: u32 = 0;
    let mut rest = Reader(section);
    let count = rest.number()?;
    let mut out = Vec::with_capacity(section.len() + 64);
    push_number(&mut out, count.checked_add(2)?);
    out.extend_from_slice(rest.0);
    for (name, kind, index) in [(STACK_POINTER, GLOBAL, STACK_POINTER_INDEX), (RUN_CALLBACKS, FUNCTION, RUN_PENDING)] {
        push_sized(&mut out, name.as_bytes())?;
        out.push(kind);
        push_number(&mut out, index);
    }
    Some(out)
}

fn replace_bodies(section: &[u8]) -> Option<Vec<u8>> {
    let bodies = new_bodies();
    let mut rest = Reader(section);
    let count = rest.number()?;
    let mut out = Vec::with_capacity(section.len() + 1024);
    push_number(&mut out, count);
    for function in IMPORTED_FUNCTIONS..IMPORTED_FUNCTIONS.checked_add(count)? {
        let size = rest.number()?;
        let old = rest.take(size)?;
        let new = bodies.iter().find(|(number, _)| *number == function);
        push_sized(&mut out, new.map_or(old, |(_, body)| &body.0))?;
    }
    Some(out)
}

fn new_bodies() -> Vec<(u32, Body)> {
    vec![
        // The heap is what mp_js_init was given; gc.mem_free() no longer counts 128 MB that might come.
        (MAX_NEW_SPLIT, Body::new(0).constant(0).end()),
        (roots::COLLECT, roots::collect()),
        (DELAY_MS, delay(Body::ticks_ms, |body| body.local(0).constant(0))),
        (DELAY_US, delay(Body::ticks_us, |body| body.constant(0).local(0))),
        (TICKS_US, Body::new(0).ticks_us().end()),
        (TICKS_CPU, Body::new(0).ticks_us().end()),
        (PASTE_CLOSE, Body::new(0).constant(ASK_PASTE_CLOSE).call(JS_CHECK_EXISTING).drop().end()),
        (
            PASTE_BYTE,
            Body::new(1)
                .constant(ASK_PASTE_BYTE)
                .call(JS_CHECK_EXISTING)
                .tee(1)
                .constant(INTERRUPTED)
                .equal()
                .begin_if()
                .constant(address::KEYBOARD_INTERRUPT_TRACEBACK as i32)
                .constant(0)
                .store()
                .constant(address::KEYBOARD_INTERRUPT as i32)
                .call(NLR_JUMP)
                .end_if()
                .local(1)
                .end(),
        ),
    ]
}

/// Sleeps until a clock has gone on by the parameter. Like boards, raises KeyboardInterrupt right where it sleeps and runs
/// callbacks meanwhile.
fn delay(now: fn(Body) -> Body, left_to_wait: fn(Body) -> Body) -> Body {
    let (left, end) = (0, 1);
    let remains = |body: Body| now(body.local(end)).sub().tee(left).constant(0).greater();
    let body = remains(now(Body::new(1)).local(left).add().set(end).begin_loop()).begin_if();
    let body = left_to_wait(body).call(CALL0).end_if().constant(1).call(HANDLE_PENDING);
    remains(body).repeat_if().end_loop().end()
}

/// A function body under assembly.
pub(super) struct Body(Vec<u8>);

impl Body {
    /// Starts a body with that many `i32` locals.
    pub(super) fn new(locals: u8) -> Self {
        const I32: u8 = 0x7f;
        Self(if locals == 0 { vec![0] } else { vec![1, locals, I32] })
    }

    /// The instructions of a body without locals.
    pub(super) fn code(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }

    fn op(mut self, code: u8, operand: u32) -> Self {
        self.0.push(code);
        push_number(&mut self.0, operand);
        self
    }

    fn plain(mut self, code: &[u8]) -> Self {
        self.0.extend_from_slice(code);
        self
    }

    pub(super) fn constant(mut self, value: i32) -> Self {
        self.0.push(0x41);
        let mut value = value;
        loop {
            let low = (value & 0x7f) as u8;
            value >>= 7;
            let done = (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0);
            self.0.push(if done { low } else { low | 0x80 });
            if done {
                return self;
            }
        }
    }

    pub(super) fn local(self, index: u32) -> Self {
        self.op(0x20, index)
    }

    pub(super) fn tee(self, index: u32) -> Self {
        self.op(0x22, index)
    }

    pub(super) fn call(self, function: u32) -> Self {
        self.op(0x10, function)
    }

    pub(super) fn store(self) -> Self {
        self.plain(&[0x36, 2, 0])
    }

    /// Stores 32 bits that far behind the address.
    pub(super) fn store_at(self, offset: u32) -> Self {
        self.plain(&[0x36]).op(2, offset)
    }

    /// Stores 64 bits that far behind the address.
    pub(super) fn store_wide_at(self, offset: u32) -> Self {
        self.plain(&[0x37]).op(2, offset)
    }

    /// Loads 32 bits from a fixed address.
    pub(super) fn load(self, at: u32) -> Self {
        self.constant(0).plain(&[0x28]).op(2, at)
    }

    pub(super) fn set(self, index: u32) -> Self {
        self.op(0x21, index)
    }

    pub(super) fn global(self, index: u32) -> Self {
        self.op(0x23, index)
    }

    pub(super) fn set_global(self, index: u32) -> Self {
        self.op(0x24, index)
    }

    pub(super) fn add(self) -> Self {
        self.plain(&[0x6a])
    }

    pub(super) fn sub(self) -> Self {
        self.plain(&[0x6b])
    }

    pub(super) fn or(self) -> Self {
        self.plain(&[0x72])
    }

    fn equal(self) -> Self {
        self.plain(&[0x46])
    }

    fn drop(self) -> Self {
        self.plain(&[0x1a])
    }

    /// Milliseconds since power-on.
    fn ticks_ms(self) -> Self {
        self.call(TICKS_MS)
    }

    /// Microseconds since power-on.
    fn ticks_us(self) -> Self {
        self.constant(ASK_TICKS_US).call(JS_CHECK_EXISTING)
    }

    fn greater(self) -> Self {
        self.plain(&[0x4a])
    }

    fn begin_loop(self) -> Self {
        self.plain(&[0x03, 0x40])
    }

    fn repeat_if(self) -> Self {
        self.plain(&[0x0d, 0])
    }

    fn end_loop(self) -> Self {
        self.plain(&[0x0b])
    }

    fn begin_if(self) -> Self {
        self.plain(&[0x04, 0x40])
    }

    fn end_if(self) -> Self {
        self.plain(&[0x0b])
    }

    pub(super) fn end(self) -> Self {
        self.plain(&[0x0b])
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, size: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size as usize)?;
        self.0 = rest;
        Some(taken)
    }
}

pub(super) fn push_number(out: &mut Vec<u8>, mut value: u32) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        out.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return;
        }
    }
}

fn push_sized(out: &mut Vec<u8>, content: &[u8]) -> Option<()> {
    push_number(out, u32::try_from(content.len()).ok()?);
    out.extend_from_slice(content);
    Some(())
}
