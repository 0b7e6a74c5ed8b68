//! One way of the line: when each byte that is sent arrives, and as what.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::fault::{Direction, Fault, FaultKind, Noise};
use super::{LineOptions, Way};

/// Bytes that a computer's driver keeps until the wire is free.
const DRIVER_BUFFER: usize = 4096;
/// What a board's UART keeps.
const BOARD_BUFFER: usize = 256;
/// Bytes on their way at most, which is what bounds an infinitely fast line.
const IN_FLIGHT: usize = 64 * 1024;
/// Start bit, eight data bits, stop bit.
const BITS_PER_BYTE: u64 = 10;

/// How far a line with a rate may lag behind the clock. This program's computer was busy then, and a board must not pay
/// for that with bytes that come faster than its line could carry them.
const LAG: Duration = Duration::from_millis(2);

/// What comes out at the far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    Byte(u8),
    /// Keeps the place of a lost byte, whose time on the wire has passed all the same.
    Lost,
    Cut,
}

pub(super) struct Transit {
    direction: Direction,
    latency: Duration,
    byte_time: Duration,
    /// Sorted by position.
    faults: VecDeque<Fault>,
    noise: Noise,
    position: u64,
    /// When the wire has finished with everything that was sent.
    free: Instant,
    last_arrival: Instant,
    flight: VecDeque<(Instant, Arrival)>,
}

impl Transit {
    pub(super) fn new(direction: Direction, way: Way, options: &LineOptions) -> Self {
        let mut faults: Vec<Fault> =
            options.faults.iter().copied().filter(|fault| fault.direction == direction).collect();
        faults.sort_by_key(|fault| fault.at);
        let now = Instant::now();
        Self {
            direction,
            latency: way.latency,
            byte_time: match way.baud {
                0 => Duration::ZERO,
                baud => Duration::from_nanos(BITS_PER_BYTE * 1_000_000_000 / u64::from(baud)),
            },
            faults: faults.into(),
            noise: options.noise,
            position: 0,
            free: now,
            last_arrival: now,
            flight: VecDeque::new(),
        }
    }

    /// How many bytes may be sent now.
    pub(super) fn room(&self, now: Instant) -> usize {
        let waiting = match self.byte_time.as_nanos() {
            0 => 0,
            each => self.free.saturating_duration_since(now).as_nanos().div_ceil(each) as usize,
        };
        let buffer = match self.direction {
            Direction::ToBoard => DRIVER_BUFFER,
            Direction::ToHost => BOARD_BUFFER,
        };
        buffer.saturating_sub(waiting).min(IN_FLIGHT.saturating_sub(self.flight.len()))
    }

    pub(super) fn send(&mut self, now: Instant, bytes: &[u8]) {
        self.free = self.free.max(now);
        for &byte in bytes {
            let mut delay = Duration::ZERO;
            let mut arrivals = [Some(Arrival::Byte(byte)), None];
            let scripted = self.faults.front().is_some_and(|fault| fault.at <= self.position);
            let fault = if scripted {
                self.faults.pop_front().map(|fault| fault.kind)
            } else {
                self.noise.strike(self.direction, self.position)
            };
            match fault {
                None => {}
                Some(FaultKind::Cut) => arrivals = [Some(Arrival::Cut), None],
                Some(FaultKind::Drop) => arrivals = [Some(Arrival::Lost), None],
                Some(FaultKind::Flip(mask)) => arrivals = [Some(Arrival::Byte(byte ^ mask)), None],
                Some(FaultKind::Double) => arrivals = [Some(Arrival::Byte(byte)); 2],
                Some(FaultKind::Stall(time)) => self.free += time,
                Some(FaultKind::Delay(time)) => delay = time,
            }
            self.position += 1;
            self.free += self.byte_time;
            // A line keeps the order.
            self.last_arrival = self.last_arrival.max(self.free + self.latency + delay);
            self.flight.extend(arrivals.into_iter().flatten().map(|arrival| (self.last_arrival, arrival)));
        }
    }

    /// The sender has hung up: the line ends behind what is on its way.
    pub(super) fn send_end(&mut self) {
        self.flight.push_back((self.last_arrival, Arrival::Cut));
    }

    /// When the next byte arrives.
    pub(super) fn next(&self) -> Option<Instant> {
        self.flight.front().map(|(time, _)| *time)
    }

    /// The next byte, if it has arrived by `now`.
    pub(super) fn arrival(&mut self, now: Instant) -> Option<Arrival> {
        let late = self.next().map_or(Duration::ZERO, |time| now.saturating_duration_since(time));
        if late > LAG && !self.byte_time.is_zero() {
            self.flight.iter_mut().for_each(|(time, _)| *time += late);
            self.last_arrival += late;
            self.free += late;
        }
        let (_, arrival) = self.flight.pop_front_if(|(time, _)| *time <= now)?;
        Some(arrival)
    }

    /// What is on its way is lost.
    pub(super) fn clear(&mut self) {
        self.flight.clear();
        self.free = Instant::now();
        self.last_arrival = self.free;
    }
}
