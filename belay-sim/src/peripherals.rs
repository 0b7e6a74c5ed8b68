//! What is soldered to the board: what a test sets, what the board's Python did, and the requests by which the modules in
//! `python/` reach both.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::Network;
use crate::families::Family;

/// Path of the device file that carries the requests.
pub(crate) const DEVICE: &str = "/dev/board";

/// Levels that a pin remembers, and bytes that a UART or SPI bus remembers, at most: a loop must not fill the host.
const MEMORY: usize = 65_536;

/// Pins that a board may name.
const PINS: usize = 256;
/// UARTs and SPI buses that a board may name.
const BUSES: u32 = 16;

/// What a touch pad of an ESP32 reads while nobody touches it.
const UNTOUCHED: u16 = 600;

const FALLING: u32 = 4;
const RISING: u32 = 8;

/// A pin as the board drives it and the test drives it.
#[derive(Debug, Default)]
pub(crate) struct Pin {
    /// `Pin.IN`, `Pin.OUT` or `Pin.OPEN_DRAIN`.
    pub(crate) mode: Option<u32>,
    pub(crate) pull_up: bool,
    /// What the board drives it to.
    pub(crate) output: bool,
    /// What the test drives it to.
    pub(crate) input: Option<bool>,
    /// Every level that the board wrote.
    pub(crate) writes: Vec<bool>,
    /// Hertz and duty of 65535.
    pub(crate) pwm: Option<(u32, u16)>,
    pub(crate) pixels: Vec<u8>,
    /// Edges and the number of the callback.
    interrupt: Option<(u32, u32)>,
}

impl Pin {
    const OUT: u32 = 1;

    /// What a meter shows: the board's level if it drives the pin, else the test's, else the pull-up's.
    pub(crate) fn level(&self) -> bool {
        if self.mode == Some(Self::OUT) { self.output } else { self.input.unwrap_or(self.pull_up) }
    }

    fn write(&mut self, level: bool) {
        self.output = level;
        if self.writes.len() < MEMORY {
            self.writes.push(level);
        }
    }
}

/// A device on an I²C bus: registers behind an address that counts up.
#[derive(Debug, Default)]
pub(crate) struct Registers {
    pub(crate) bytes: Vec<u8>,
    pub(crate) next: usize,
}

/// A UART or SPI bus.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    /// Towards the board.
    pub(crate) input: VecDeque<u8>,
    /// What the board wrote.
    pub(crate) output: Vec<u8>,
}

impl Bus {
    fn written(&mut self, data: &[u8]) {
        let room = MEMORY.saturating_sub(self.output.len());
        self.output.extend(data.iter().take(room));
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.input.drain(..count.min(self.input.len())).collect()
    }
}

#[derive(Debug)]
struct Timer {
    due: Instant,
    period: Duration,
    repeats: bool,
}

#[derive(Debug)]
pub(crate) struct Peripherals {
    family: &'static Family,
    frequency: u32,
    pub(crate) adc: BTreeMap<String, u16>,
    pub(crate) touch: BTreeMap<String, u16>,
    /// Of 64 steps, 21 of which are the earth's gravity.
    pub(crate) acceleration: [i8; 3],
    pub(crate) networks: Vec<Network>,
    pub(crate) pins: BTreeMap<String, Pin>,
    pub(crate) i2c: BTreeMap<(u32, u32), Registers>,
    pub(crate) spi: BTreeMap<u32, Bus>,
    pub(crate) uart: BTreeMap<u32, Bus>,
    timers: BTreeMap<u32, Timer>,
    switched_on: Instant,
    /// Address of the Python function that runs callbacks.
    callback: Option<u32>,
    /// Numbers of the callbacks that are to run.
    due: VecDeque<u32>,
    interrupts_off: bool,
    /// `machine.reset()` was called.
    reset: bool,
}

impl Peripherals {
    pub(crate) fn new(family: &'static Family) -> Self {
        let adc = family.thermometer.map(|(channel, value)| (channel.to_string(), value));
        Self {
            family,
            frequency: family.frequency,
            adc: adc.into_iter().collect(),
            touch: BTreeMap::new(),
            acceleration: [0, 0, 21],
            networks: Vec::new(),
            switched_on: Instant::now(),
            pins: BTreeMap::new(),
            i2c: BTreeMap::new(),
            spi: BTreeMap::new(),
            uart: BTreeMap::new(),
            timers: BTreeMap::new(),
            callback: None,
            due: VecDeque::new(),
            interrupts_off: false,
            reset: false,
        }
    }

    /// The interpreter starts anew: what it had set up is gone, what surrounds the board is not.
    pub(crate) fn restart(&mut self) {
        self.timers.clear();
        self.due.clear();
        self.callback = None;
        self.interrupts_off = false;
        self.reset = false;
        self.frequency = self.family.frequency;
        for pin in self.pins.values_mut() {
            (pin.mode, pin.pull_up, pin.pwm, pin.interrupt) = (None, false, None, None);
        }
    }

    pub(crate) fn pin(&mut self, name: &str) -> &mut Pin {
        // A board that goes through all names must not fill the host: the last pin is all that are too many.
        let full = self.pins.len() >= PINS && !self.pins.contains_key(name);
        self.pins.entry(if full { String::new() } else { name.to_owned() }).or_default()
    }

    /// Drives a pin from outside.
    pub(crate) fn drive(&mut self, name: &str, level: bool) {
        let pin = self.pin(name);
        let before = pin.level();
        pin.input = Some(level);
        let edge = match (before, pin.level()) {
            (false, true) => RISING,
            (true, false) => FALLING,
            _ => return,
        };
        if let Some((edges, callback)) = pin.interrupt
            && edges & edge != 0
        {
            self.queue(callback);
        }
    }

    /// A callback that is queued already, or one of too many, is dropped, as by `micropython.schedule`.
    fn queue(&mut self, callback: u32) {
        const DEPTH: usize = 16;
        if !self.due.contains(&callback) && self.due.len() < DEPTH {
            self.due.push_back(callback);
        }
    }

    /// Whether `machine.reset()` was called.
    pub(crate) fn take_reset(&mut self) -> bool {
        std::mem::take(&mut self.reset)
    }

    /// When the next timer fires.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.values().map(|timer| timer.due).min()
    }

    /// The next callback: the address of the function to call, and its argument.
    pub(crate) fn next_callback(&mut self) -> Option<(u32, u32)> {
        if self.interrupts_off || (self.timers.is_empty() && self.due.is_empty()) {
            return None;
        }
        let now = Instant::now();
        let mut fired = Vec::new();
        self.timers.retain(|number, timer| {
            let fires = timer.due <= now;
            if fires {
                fired.push(*number);
                timer.due = (timer.due + timer.period).max(now);
            }
            !fires || timer.repeats
        });
        for number in fired {
            self.queue(number);
        }
        let function = self.callback?;
        self.due.pop_front().map(|number| (function, number))
    }

    /// Answers one request, a line of text and data, with a Python expression.
    pub(crate) fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let end = request.iter().position(|byte| *byte == b'\n').unwrap_or(request.len());
        let (line, data) = request.split_at(end);
        let line = String::from_utf8_lossy(line);
        let mut words = line.split(' ');
        let what = words.next().unwrap_or_default();
        let name = words.clone().next().unwrap_or_default();
        let numbers: Vec<i64> = words.map(|word| word.parse().unwrap_or(0)).collect();
        self.reply(what, name, &numbers, data.get(1..).unwrap_or_default())
            .unwrap_or_else(|| "None".into())
            .into_bytes()
    }

    fn reply(&mut self, what: &str, name: &str, numbers: &[i64], data: &[u8]) -> Option<String> {
        let number = |index: usize| numbers.get(index).copied().unwrap_or(0);
        let word = |index: usize| u32::try_from(number(index)).unwrap_or(0);
        match what {
            "adc" => return Some(self.adc.get(name).copied().unwrap_or(0).to_string()),
            "touch" => return Some(self.touch.get(name).copied().unwrap_or(UNTOUCHED).to_string()),
            "accelerometer" => {
                let [x, y, z] = self.acceleration;
                return Some(format!("({x}, {y}, {z})"));
            }
            "networks" => {
                let seen: Vec<_> = self.networks.iter().map(Network::tuple).collect();
                return Some(format!("[{}]", seen.join(",")));
            }
            "uptime" => return Some(self.switched_on.elapsed().as_nanos().to_string()),
            "pin.get" => return Some(u8::from(self.pin(name).level()).to_string()),
            "pin.set" => self.pin(name).write(number(1) != 0),
            "pin.toggle" => {
                let pin = self.pin(name);
                pin.write(!pin.output);
            }
            "pin.init" => {
                let pin = self.pin(name);
                pin.mode = u32::try_from(number(1)).ok().or(pin.mode);
                pin.pull_up = number(2) == 1;
            }
            "pin.irq" => self.pin(name).interrupt = Some((word(1), word(2))),
            "pwm" => self.pin(name).pwm = (word(1) > 0).then(|| (word(1), number(2).clamp(0, 65_535) as u16)),
            "pixels" => self.pin(name).pixels = data.to_vec(),
            "i2c.scan" => {
                let found: Vec<_> =
                    self.i2c.keys().filter(|(bus, _)| *bus == word(0)).map(|(_, address)| address).collect();
                return Some(format!("{found:?}"));
            }
            "i2c.write" => return self.i2c_write((word(0), word(1)), data),
            "i2c.read" => {
                let device = self.i2c.get_mut(&(word(0), word(1)))?;
                let count = (word(2) as usize).min(MEMORY);
                let bytes: Vec<u8> = device.bytes.iter().cycle().skip(device.next).take(count).copied().collect();
                device.next = (device.next + count) % device.bytes.len().max(1);
                return Some(literal(&bytes));
            }
            "spi" => {
                let bus = self.spi.entry(word(0) % BUSES).or_default();
                bus.written(data);
                let mut answer = bus.take(data.len());
                answer.resize(data.len(), 0);
                return Some(literal(&answer));
            }
            "uart.any" => return Some(self.uart.entry(word(0) % BUSES).or_default().input.len().to_string()),
            "uart.write" => {
                self.uart.entry(word(0) % BUSES).or_default().written(data);
                return Some(data.len().to_string());
            }
            "uart.read" => {
                let bytes = self
                    .uart
                    .entry(word(0) % BUSES)
                    .or_default()
                    .take(usize::try_from(number(1)).unwrap_or(usize::MAX));
                return (!bytes.is_empty()).then(|| literal(&bytes));
            }
            "uart.readline" => {
                let bus = self.uart.entry(word(0) % BUSES).or_default();
                let line = bus.input.iter().position(|byte| *byte == b'\n').map_or(bus.input.len(), |end| end + 1);
                let bytes = bus.take(line);
                return (!bytes.is_empty()).then(|| literal(&bytes));
            }
            "callback" => self.callback = Some(word(0)),
            "timer" => {
                let period = Duration::from_micros(u64::from(word(1)).max(100));
                self.timers.insert(word(0), Timer { due: Instant::now() + period, period, repeats: number(2) != 0 });
            }
            "timer.off" => {
                self.timers.remove(&word(0));
            }
            "irq" => return Some(u8::from(!std::mem::replace(&mut self.interrupts_off, number(0) == 0)).to_string()),
            "reset" => self.reset = true,
            "unique_id" => return Some(literal(self.family.unique_id)),
            "freq" if numbers.is_empty() => return Some(self.frequency.to_string()),
            "freq" => self.frequency = word(0),
            "uname" => {
                let Family { platform, machine, firmware, .. } = self.family;
                let version = firmware.rsplit("Python ").next().unwrap_or_default();
                let release = version.split(' ').next().unwrap_or_default().trim_start_matches('v');
                return Some(format!("{:?}", (platform, platform, release, version, machine)));
            }
            _ => {}
        }
        None
    }

    /// The first byte written is the register to go on from.
    fn i2c_write(&mut self, device: (u32, u32), data: &[u8]) -> Option<String> {
        let device = self.i2c.get_mut(&device)?;
        if let Some((register, values)) = data.split_first() {
            device.next = usize::from(*register);
            for value in values {
                if let Some(place) = device.bytes.get_mut(device.next) {
                    *place = *value;
                }
                device.next += 1;
            }
        }
        Some(data.len().to_string())
    }
}

/// Bytes as Python writes them.
pub(crate) fn literal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 4 + 3);
    text.push_str("b'");
    for byte in bytes {
        let _ = write!(text, "\\x{byte:02x}");
    }
    text.push('\'');
    text
}
