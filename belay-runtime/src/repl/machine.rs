//! Requests in flight, and what the board's bytes say about them.

use std::{collections::VecDeque, ops::Deref};

use super::{
    frame::{Form, Reading},
    hidden::Hidden,
    notes::{Meaning, Notes, Span},
    received::Received,
    understand::{LONGEST_TEXT, banner_overlap, find, find_banner, overlap},
};
use crate::codec::msgpack::Limits;

/// What a board says when it enters the raw REPL; behind a terminal that translates line ends, the second.
pub(super) const BANNERS: [&[u8]; 2] = [b"raw REPL; CTRL-B to exit\r\n>", b"raw REPL; CTRL-B to exit\r\r\n>"];
/// Ctrl-E A Ctrl-A: asks for raw-paste.
const ASK_RAW_PASTE: &[u8] = b"\x05A\x01";
pub(super) const END: u8 = 0x04;
/// How many bytes of the board's input credit are never used, so that Ctrl-C is always seen.
const FOR_CTRL_C: usize = 2;

/// Code to run, and how its answer is recognised.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) id: u64,
    /// Python source without any byte that the REPL acts on.
    pub(crate) code: Vec<u8>,
    pub(crate) lane: Lane,
    pub(crate) expect: Expect,
}

/// How code travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// One write that surely fits the board's input buffer.
    Plain,
    /// With credit given by the board. `window` is set once it is known: then the handshake is not waited for.
    RawPaste { window: Option<usize> },
}

/// How the answer of a request is recognised in the board's output.
#[derive(Clone, Debug)]
pub(crate) enum Expect {
    /// One frame.
    Frame(Form),
    /// What is printed between two texts that no program prints by chance. Whatever else is open, this answer is found,
    /// and ends what was sent before it.
    Text(Box<Marks>),
}

/// What stands before and behind a printed answer.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    pub(crate) open: Vec<u8>,
    pub(crate) close: Vec<u8>,
}

impl Expect {
    pub(crate) fn between(open: impl Into<Vec<u8>>, close: impl Into<Vec<u8>>) -> Self {
        Self::Text(Box::new(Marks { open: open.into(), close: close.into() }))
    }
}

/// What is asked of the machine, as a trace keeps it.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Buffer(usize),
    Sync,
    Control(Vec<u8>),
    Submit(Request),
}

/// What the board's bytes mean.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Printed by the board.
    Output(Vec<u8>),
    /// The raw REPL has been entered, as `sync` asked. Nothing is in flight any more.
    Banner,
    /// The board answered the request for raw-paste. `None`: it has no raw-paste, and the request did not run.
    RawPaste { id: u64, window: Option<usize> },
    /// So much of a raw-paste has been handed to the line.
    Progress { id: u64, sent: usize, total: usize },
    /// The answer.
    Reply { id: u64, payload: Vec<u8> },
    /// What looks like the answer, but without the prompt behind it: something printed in between, or bytes of it are
    /// lost. On a line without checks only the board can tell which.
    Doubtful {
        id: u64,
        payload: Vec<u8>,
        /// What stands between it and the prompt.
        between: Vec<u8>,
    },
    /// It looks as if the request had ended without an answer. The answer to any later request proves it.
    Suspect { id: u64 },
    /// The request ended without an answer; what the board printed as an error.
    Ended { id: u64, error: Vec<u8> },
    /// The request that was answered has ended, and the board takes the next one.
    Done { id: u64 },
    /// What the board says looks like an echo of this request, or like the prompt for people: perhaps it is not in the
    /// raw REPL. Whatever runs beside the code may have printed the same, so this proves nothing.
    Echo { id: u64 },
    /// The request ended without a word of the raw REPL after what looked like its own echo, that of one before it, or,
    /// where no byte is lost, the prompt for people: unless the board counted it, it has not run.
    NotRun { id: u64 },
    /// Nothing was asked, and the board announced a REPL: it may have been reset.
    Announced,
}

#[derive(Debug)]
pub(super) struct Flight {
    pub(super) id: u64,
    pub(super) expect: Expect,
    pub(super) phase: Phase,
    /// Bytes that lie in the board's input buffer until it says `OK`.
    pub(super) unread: usize,
    pub(super) suspected: bool,
    pub(super) echoed: bool,
    /// What looks like its own text came before any `OK`: the prompt for people has read it.
    pub(super) typed: bool,
    pub(super) begins: Begins,
}

/// How the code of a request begins, at most three bytes, by which an echo is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Begins {
    bytes: [u8; 3],
    len: u8,
}

impl Begins {
    fn of(code: &[u8]) -> Self {
        let mut begins = Self::default();
        for (to, from) in begins.bytes.iter_mut().zip(code) {
            *to = *from;
            begins.len += 1;
        }
        begins
    }
}

impl Deref for Begins {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

// A request is handed on once for each call: what only few of them have is in a box.
#[derive(Debug)]
pub(super) enum Phase {
    Handshake(Box<Paste>),
    Pasting(Box<Paste>),
    /// The end of the code has been sent; the board has not confirmed it.
    Pasted,
    /// The code has been sent; the board has not read it.
    Sent,
    /// The code runs.
    Running,
    /// A printed answer has come; its line has not ended.
    LineEnd,
    /// The answer has come.
    Answered,
}

#[derive(Debug, Default)]
pub(super) struct Paste {
    code: Vec<u8>,
    sent: usize,
    ended: bool,
    window: usize,
    /// Below zero only while a first write runs ahead of the board's grant.
    credit: isize,
}

/// The host's end of a raw REPL.
#[derive(Debug)]
pub(crate) struct Repl {
    pub(super) flights: VecDeque<Flight>,
    /// Bytes whose meaning is open.
    pub(super) received: Received,
    /// The frame that the head waits for, as far as it has come, and the place where it begins.
    pub(super) reading: Option<(u64, Reading)>,
    /// What may hide behind it.
    pub(super) hidden: Hidden,
    /// Before this place, no mark begins a frame of the head.
    pub(super) unmasked: u64,
    /// What looks like a landmark before this place is none.
    passed: u64,
    /// The last bytes that came while nothing was in flight.
    pub(super) idle_tail: Vec<u8>,
    outgoing: Vec<u8>,
    /// What a trace has not taken yet; `None` without one.
    notes: Option<Box<Notes>>,
    /// What is to be written begins something new, rather than going on with what credit allows.
    asks: bool,
    pub(super) events: VecDeque<Event>,
    syncing: bool,
    pub(super) limits: Limits,
    /// What the board's input buffer surely holds.
    buffer: usize,
}

/// Something whose place in what the board says is certain.
struct Landmark {
    /// Where it begins, and the length of its opening.
    found: Option<(usize, usize)>,
    /// How many bytes at the end may begin it.
    begun: usize,
    /// What ends it.
    close: Vec<u8>,
    /// The request that it answers, if it answers one.
    answers: Option<u64>,
}

impl Repl {
    pub(crate) fn new(buffer: usize, limits: Limits) -> Self {
        Self {
            flights: VecDeque::new(),
            received: Received::default(),
            reading: None,
            hidden: Hidden::default(),
            unmasked: 0,
            passed: 0,
            idle_tail: Vec::new(),
            outgoing: Vec::new(),
            notes: None,
            asks: false,
            events: VecDeque::new(),
            syncing: false,
            limits,
            buffer,
        }
    }

    /// Keeps for a trace what is asked of it, and what it takes bytes for.
    pub(crate) fn keep_notes(&mut self) {
        self.notes = Some(Box::default());
    }

    /// What has been asked since this was asked last.
    pub(crate) fn take_inputs(&mut self) -> Vec<Input> {
        self.notes.as_mut().map(|notes| std::mem::take(&mut notes.inputs)).unwrap_or_default()
    }

    /// What bytes have been taken for since this was asked last.
    pub(crate) fn take_spans(&mut self) -> Vec<Span> {
        self.notes.as_mut().map(|notes| std::mem::take(&mut notes.took)).unwrap_or_default()
    }

    fn note(&mut self, input: impl FnOnce() -> Input) {
        if let Some(notes) = &mut self.notes {
            notes.inputs.push(input());
        }
    }

    fn take_for(&mut self, meaning: Meaning, bytes: usize) {
        if let Some(notes) = &mut self.notes {
            notes.take(meaning, bytes);
        }
    }

    fn queued_as(&mut self, meaning: Meaning, bytes: usize) {
        if let Some(notes) = &mut self.notes {
            notes.queue(meaning, bytes);
        }
    }

    /// Takes the first `n` received bytes away, whose meaning is known now.
    pub(super) fn take(&mut self, n: usize, meaning: Meaning) -> &[u8] {
        self.take_for(meaning, n);
        self.received.take(n)
    }

    pub(crate) fn set_buffer(&mut self, bytes: usize) {
        self.note(|| Input::Buffer(bytes));
        self.buffer = bytes;
    }

    /// Whether code of `len` bytes may be sent in the plain lane now, behind what is in flight.
    pub(crate) fn takes_plain(&self, len: usize) -> bool {
        let pasting =
            self.flights.iter().any(|f| matches!(f.phase, Phase::Handshake(_) | Phase::Pasting(_) | Phase::Pasted));
        let unread: usize = self.flights.iter().map(|f| f.unread).sum();
        !pasting && unread + len < self.buffer.saturating_sub(FOR_CTRL_C)
    }

    /// How much credit a paste that is under way has and does not use; `None` if none is.
    #[cfg(test)]
    pub(crate) fn unused_credit(&self) -> Option<usize> {
        match self.flights.front().map(|head| &head.phase) {
            Some(Phase::Pasting(paste)) => Some(usize::try_from(paste.credit).unwrap_or(0).saturating_sub(FOR_CTRL_C)),
            _ => None,
        }
    }

    /// How many received bytes are held back because their meaning is open.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.received.len()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// Whether the code of this request is still on its way in raw-paste.
    pub(crate) fn is_pasting(&self, id: u64) -> bool {
        let pasting = |phase: &Phase| matches!(phase, Phase::Handshake(_) | Phase::Pasting(_) | Phase::Pasted);
        self.flights.iter().any(|f| f.id == id && pasting(&f.phase))
    }

    /// Whether the code of this request has been read by the board and has not answered.
    pub(crate) fn is_running(&self, id: u64) -> bool {
        self.flights.iter().any(|f| f.id == id && matches!(f.phase, Phase::Running))
    }

    /// Bytes to write, in order.
    pub(crate) fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// The first `n` bytes to write have been written; for a trace, what they are.
    pub(crate) fn wrote(&mut self, n: usize) -> Vec<Span> {
        self.outgoing.drain(..n);
        self.notes.as_mut().map(|notes| notes.wrote(n)).unwrap_or_default()
    }

    /// Whether what is written next begins something that the board has to answer.
    pub(crate) fn take_asks(&mut self) -> bool {
        std::mem::take(&mut self.asks)
    }

    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Sends control bytes that are no request, such as Ctrl-C.
    pub(crate) fn control(&mut self, bytes: &[u8]) {
        self.note(|| Input::Control(bytes.to_vec()));
        self.asks = true;
        self.queued_as(Meaning::Control, bytes.len());
        self.outgoing.extend_from_slice(bytes);
    }

    /// Waits for the raw REPL's banner from now on. What is in flight goes on until it comes.
    pub(crate) fn sync(&mut self) {
        self.note(|| Input::Sync);
        self.syncing = true;
        self.outgoing.clear();
        if let Some(notes) = &mut self.notes {
            notes.unqueue();
        }
        // An interrupt ends a paste; credit that still comes must not send any more of it.
        for flight in &mut self.flights {
            if matches!(flight.phase, Phase::Handshake(_) | Phase::Pasting(_) | Phase::Pasted) {
                flight.phase = Phase::Running;
            }
        }
    }

    /// Sends a request. The caller has made sure that it fits: `takes_plain` or `is_idle`.
    pub(crate) fn submit(&mut self, request: Request) {
        self.note(|| Input::Submit(request.clone()));
        self.asks = true;
        let Request { id, code, lane, expect } = request;
        let begins = Begins::of(&code);
        let (phase, unread) = match lane {
            Lane::Plain => {
                self.queued_as(Meaning::Code, code.len());
                self.queued_as(Meaning::End, 1);
                self.outgoing.extend_from_slice(&code);
                self.outgoing.push(END);
                (Phase::Sent, code.len() + 1)
            }
            Lane::RawPaste { window } => {
                self.queued_as(Meaning::AskRawPaste, ASK_RAW_PASTE.len());
                self.outgoing.extend_from_slice(ASK_RAW_PASTE);
                let mut paste = Paste { code, sent: 0, ended: false, window: 0, credit: 0 };
                if let Some(window) = window {
                    // The handshake, too, lies in the board's buffer of two windows until it is read.
                    let room = (2 * window).min(self.buffer).saturating_sub(ASK_RAW_PASTE.len() + FOR_CTRL_C);
                    paste.send(room, &mut self.outgoing, self.notes.as_deref_mut());
                }
                (Phase::Handshake(Box::new(paste)), 0)
            }
        };
        self.idle_tail.clear();
        self.flights.push_back(Flight {
            id,
            expect,
            phase,
            unread,
            suspected: false,
            echoed: false,
            typed: false,
            begins,
        });
    }

    /// The line has ended: what was held back because more might have come is print output, unless it is a part of an
    /// answer.
    pub(crate) fn hang_up(&mut self) {
        let rest = self.received.take(self.received.len()).to_vec();
        let printed = self.printed_part(&rest).to_vec();
        self.take_for(Meaning::Output, printed.len());
        self.take_for(Meaning::Cut, rest.len() - printed.len());
        self.print(&printed);
    }

    /// Goes on with a request that was sent over an earlier line to the same board: it may answer yet.
    pub(crate) fn resume(&mut self, id: u64, expect: Expect, runs: bool) {
        let phase = if runs { Phase::Running } else { Phase::Sent };
        // A prompt for people says nothing of it: it may have run before the board was reset.
        let flight = Flight {
            id,
            expect,
            phase,
            unread: 0,
            suspected: false,
            echoed: true,
            typed: false,
            begins: Begins::default(),
        };
        self.flights.push_back(flight);
    }

    /// Takes what the board sent.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.received.push(bytes);
        // What is understood may confirm or end what a landmark was looked for.
        while self.land() || self.step_before_landmark() {}
    }

    /// Understands a little more; the start of a landmark is not taken for output while its end is on the way.
    fn step_before_landmark(&mut self) -> bool {
        let held = match self.landmark() {
            Some(landmark) => landmark.found.map_or(self.received.len() - landmark.begun, |(at, _)| at),
            None => self.received.len(),
        };
        self.received.hide(held);
        let understood = self.step();
        self.received.show();
        understood
    }

    /// What is looked for before anything else: the banner during a resync, else the answer of a greeting that stands
    /// behind other requests, or that the board has not confirmed.
    fn landmark(&mut self) -> Option<Landmark> {
        let (from, to) = (self.received.at(self.passed), self.received.len());
        if self.syncing {
            let found = BANNERS.iter().filter_map(|text| Some((self.received.find(text, from, to)?, text.len()))).min();
            return Some(Landmark { found, begun: banner_overlap(&self.received), close: Vec::new(), answers: None });
        }
        let texts = self.flights.iter().enumerate().filter_map(|(at, flight)| match &flight.expect {
            // Its `OK` may be lost, whether or not the prompt before it came with the bytes that are looked at now.
            Expect::Text(marks) if at > 0 || matches!(flight.phase, Phase::Sent) => {
                let Marks { open, close } = &**marks;
                let found = self.received.find(open, from, to).map(|at| (at, open.len()));
                let (begun, close) = (overlap(&self.received, open), close.clone());
                Some(Landmark { found, begun, close, answers: Some(flight.id) })
            }
            _ => None,
        });
        // A question that was lost is asked anew: the one that is answered first counts.
        texts.reduce(|one, other| {
            let begun = one.begun.max(other.begun);
            let first = match (one.found, other.found) {
                (Some((a, _)), Some((b, _))) if b < a => other,
                (None, Some(_)) => other,
                _ => one,
            };
            Landmark { begun, ..first }
        })
    }

    /// Understands everything up to a landmark that has come; false if none has.
    fn land(&mut self) -> bool {
        let Some(Landmark { found: Some((at, len)), close, answers, .. }) = self.landmark() else { return false };
        let longest = at + LONGEST_TEXT;
        if !close.is_empty() && self.received.find(&close, at + len, longest).is_none() {
            if self.received.len() <= longest {
                return false;
            }
            // It was printed.
            self.passed = self.received.place(at + 1);
            return true;
        }
        self.forget();
        self.received.hide(at);
        while self.step() {}
        let ended = |id| !self.flights.iter().any(|flight| flight.id == id);
        if answers.is_some_and(ended) {
            // Before its answer, or what looks like that.
            self.received.show();
        } else if self.syncing {
            // An end that nothing proved is the REPL's own words, not the program's.
            let ended = self.received.first() == Some(&END) && find(&self.received, b"\x04>").is_some();
            if ended {
                self.take(self.received.len(), Meaning::Ended);
            } else {
                self.print_received(self.received.len());
            }
            self.flights.clear();
            self.syncing = false;
            self.received.show();
            self.take(len, Meaning::Banner);
            self.events.push_back(Event::Banner);
        } else {
            let ok = self.end_those_before(answers);
            self.received.show();
            self.take(ok, Meaning::Ok);
        }
        self.forget();
        true
    }

    /// A greeting has been answered: requests that stand before it have ended, with or without an answer. What precedes the
    /// answer is the `OK` of the greeting: says how long that is.
    fn end_those_before(&mut self, greeting: Option<u64>) -> usize {
        let all = self.received.len();
        let ok = if self.received.ends_with(b"OK") { 2 } else { 0 };
        self.received.hide(all - ok);
        let before = self.flights.iter().position(|flight| Some(flight.id) == greeting).unwrap_or(0);
        let mut echoed = false;
        for flight in self.flights.drain(..before).collect::<Vec<_>>() {
            // Where bytes may be lost, a prompt alone is no proof: a board that was reset may have begun, and its `OK` went
            // with that. What was resumed has no text that could be echoed.
            let loses = !matches!(&flight.expect, Expect::Frame(form) if !form.verified);
            echoed |= flight.typed || flight.echoed && !loses && !flight.begins.is_empty();
            if let Some((payload, consumed)) = self.doubtful_answer(&flight) {
                self.events.push_back(Event::Doubtful { id: flight.id, payload, between: Vec::new() });
                self.take(consumed, Meaning::Doubtful);
            }
            let error = match self.received.first() {
                Some(&END) => find(&self.received[1..], b"\x04>").map(|at| at + 1),
                _ => None,
            };
            let event = match (flight.phase, error) {
                (Phase::Answered, _) => Event::Done { id: flight.id },
                (_, Some(end)) => {
                    let error = self.received[1..end].to_vec();
                    self.take(end + 2, Meaning::Ended);
                    if self.received.starts_with(b"OK") {
                        self.take(2, Meaning::Ok);
                    }
                    Event::Ended { id: flight.id, error }
                }
                (Phase::Sent, None) if echoed => Event::NotRun { id: flight.id },
                (_, None) => Event::Ended { id: flight.id, error: Vec::new() },
            };
            self.events.push_back(event);
        }
        self.print_received(self.received.len());
        if let Some(head) = self.flights.front_mut() {
            head.phase = Phase::Running;
            head.unread = 0;
        }
        ok
    }

    pub(super) fn print(&mut self, bytes: &[u8]) {
        print(&mut self.events, bytes);
    }

    /// Forgets what was found out about the answer of the head, because another one is waited for.
    pub(super) fn forget(&mut self) {
        self.reading = None;
        self.hidden = Hidden::default();
        self.unmasked = 0;
    }

    /// Takes the first `n` received bytes as print output.
    pub(super) fn print_received(&mut self, n: usize) {
        self.take_for(Meaning::Output, n);
        print(&mut self.events, self.received.take(n));
    }

    /// Understands a little more; false when more bytes are needed.
    fn step(&mut self) -> bool {
        if self.received.is_empty() {
            return false;
        }
        let Some(head) = self.flights.front_mut() else { return self.step_idle() };
        match &mut head.phase {
            Phase::Handshake(_) => self.step_handshake(),
            Phase::Pasting(_) | Phase::Pasted => self.step_pasting(),
            Phase::Sent => self.step_sent(),
            Phase::Running => match &head.expect {
                Expect::Frame(form) => {
                    let form = *form;
                    self.step_frame(&form)
                }
                Expect::Text(marks) => {
                    let Marks { open, close } = *marks.clone();
                    self.step_text(&open, &close)
                }
            },
            Phase::LineEnd => self.step_line_end(),
            Phase::Answered => self.step_answered(),
        }
    }

    fn step_handshake(&mut self) -> bool {
        let yes = find(&self.received, b"R\x01");
        let no = find(&self.received, b"R\x00");
        let unknown = find_banner(&self.received);
        let Some(at) = [yes, no, unknown.map(|(at, _)| at)].into_iter().flatten().min() else {
            let held = overlap(&self.received, b"R\x01").max(banner_overlap(&self.received));
            self.print_received(self.received.len() - held);
            return false;
        };
        self.print_received(at);
        if Some(at) != yes {
            let answer = match (Some(at) == no, self.received.get(2)) {
                // The prompt comes again.
                (true, Some(b'>')) => 3,
                (true, Some(_)) => 2,
                (true, None) => return false,
                (false, _) => unknown.map_or(0, |(_, len)| len),
            };
            self.take(answer, Meaning::NoRawPaste);
            if let Some(flight) = self.flights.pop_front() {
                self.events.push_back(Event::RawPaste { id: flight.id, window: None });
            }
            return true;
        }
        let Some(&[low, high]) = self.received.get(2..4) else { return false };
        self.take(4, Meaning::Window);
        let window = usize::from(u16::from_le_bytes([low, high]));
        let Some(head) = self.flights.front_mut() else { return false };
        let id = head.id;
        if let Phase::Handshake(paste) = &mut head.phase {
            // A handshake that was waited for is a turn of its own.
            self.asks |= paste.sent == 0;
            paste.window = window;
            paste.credit += window.cast_signed();
            head.phase = if paste.ended { Phase::Pasted } else { Phase::Pasting(std::mem::take(paste)) };
        }
        self.events.push_back(Event::RawPaste { id, window: Some(window) });
        self.pump();
        true
    }

    /// Sends what the credit allows.
    fn pump(&mut self) {
        let Some(head) = self.flights.front_mut() else { return };
        let Phase::Pasting(paste) = &mut head.phase else { return };
        let spare = if paste.window < 8 { 0 } else { FOR_CTRL_C };
        let room = usize::try_from(paste.credit).unwrap_or(0).saturating_sub(spare);
        let before = paste.sent;
        paste.send(room, &mut self.outgoing, self.notes.as_deref_mut());
        if paste.sent > before {
            let progress = Event::Progress { id: head.id, sent: paste.sent, total: paste.code.len() };
            self.events.push_back(progress);
        }
        if paste.ended {
            head.phase = Phase::Pasted;
        }
    }

    fn step_pasting(&mut self) -> bool {
        let Some(head) = self.flights.front_mut() else { return false };
        match (self.received.first(), &mut head.phase) {
            (Some(0x01), phase) => {
                let pasting = if let Phase::Pasting(paste) = phase {
                    paste.credit += paste.window.cast_signed();
                    true
                } else {
                    false
                };
                self.take(1, Meaning::Credit);
                if pasting {
                    self.pump();
                }
            }
            (Some(&END), phase) => {
                // Before the end was sent: the board has seen enough (a syntax error), and waits for the end.
                let early = matches!(phase, Phase::Pasting(_));
                *phase = Phase::Running;
                self.take(1, Meaning::PasteOver);
                if early {
                    self.queued_as(Meaning::End, 1);
                    self.outgoing.push(END);
                }
            }
            _ => self.print_received(1),
        }
        true
    }
}

impl Paste {
    fn send(&mut self, room: usize, out: &mut Vec<u8>, mut notes: Option<&mut Notes>) {
        let n = room.min(self.code.len() - self.sent);
        if let Some(notes) = &mut notes {
            notes.queue(Meaning::Code, n);
        }
        out.extend_from_slice(&self.code[self.sent..self.sent + n]);
        self.sent += n;
        self.credit -= n.cast_signed();
        if self.sent == self.code.len() && !self.ended && room > n {
            out.push(END);
            if let Some(notes) = notes {
                notes.queue(Meaning::End, 1);
            }
            self.ended = true;
        }
    }
}

fn print(events: &mut VecDeque<Event>, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    match events.back_mut() {
        Some(Event::Output(last)) => last.extend_from_slice(bytes),
        _ => events.push_back(Event::Output(bytes.to_vec())),
    }
}
