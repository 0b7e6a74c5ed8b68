//! What the output of a running request means: prints, its answer, its end.

use super::{
    frame::{Form, Parsed, Reading, needle, parse},
    machine::{BANNERS, END, Event, Expect, Flight, Phase, Repl},
    notes::Meaning,
};
#[cfg(test)]
use crate::codec::msgpack::WORK;

/// How much of a supposed error text is held back before it is taken for print output after all.
const LONGEST_ERROR: usize = 16 * 1024;
/// The prompt for people: a board that shows it has been reset.
const FRIENDLY: &[u8] = b">>> ";
/// What follows an answer when nothing went wrong behind it.
const PROMPT: &[u8] = b"\x04\x04>";

/// What is known of the frame that the first request in flight waits for.
enum Own {
    Frame {
        at: usize,
        payload: Vec<u8>,
        consumed: usize,
    },
    /// What begins here may become it.
    Waiting {
        at: usize,
    },
    None,
}

impl Repl {
    pub(super) fn step_idle(&mut self) -> bool {
        let earlier = self.idle_tail.len();
        self.idle_tail.extend_from_slice(&self.received);
        let announced = [&b"raw REPL;"[..], FRIENDLY]
            .iter()
            .filter_map(|text| find(&self.idle_tail, text).map(|at| at + text.len()))
            .min();
        if let Some(end) = announced {
            self.idle_tail.clear();
            self.print_received(end - earlier);
            self.events.push_back(Event::Announced);
            return true;
        }
        self.idle_tail.drain(..self.idle_tail.len().saturating_sub(8));
        self.print_received(self.received.len());
        false
    }

    pub(super) fn step_sent(&mut self) -> bool {
        let Some(head) = self.flights.front_mut() else { return false };
        let ok = find(&self.received, b"OK");
        let banner = find_banner(&self.received);
        let friendly = find(&self.received, FRIENDLY).map(|at| at + FRIENDLY.len());
        let typed = if head.typed || head.begins.is_empty() { None } else { find(&self.received, &head.begins) };
        let echo = [typed, friendly.filter(|_| !head.echoed)].into_iter().flatten().min();
        let Some(at) = [ok, banner.map(|(at, _)| at), echo].into_iter().flatten().min() else {
            let open: [&[u8]; 3] = [b"OK", FRIENDLY, &head.begins];
            let held = open.iter().map(|text| overlap(&self.received, text)).max().unwrap_or(0);
            let held = held.max(banner_overlap(&self.received));
            self.print_received(self.received.len() - held);
            return false;
        };
        // The end of a prompt may be where the next thing begins.
        if Some(at) == echo {
            head.typed |= Some(at) == typed;
            let first = !std::mem::replace(&mut head.echoed, true);
            let id = head.id;
            self.print_received(at);
            if first {
                self.events.push_back(Event::Echo { id });
            }
        } else if Some(at) == ok {
            head.phase = Phase::Running;
            head.unread = 0;
            self.print_received(at);
            self.take(2, Meaning::Ok);
        } else {
            // An entry that was asked for twice is announced twice.
            self.print_received(at);
            self.take(banner.map_or(0, |(_, len)| len), Meaning::Banner);
        }
        true
    }

    pub(super) fn step_frame(&mut self, form: &Form) -> bool {
        let needle = needle(form);
        let Some(at) = self.received.iter().position(|&b| b == needle[0] || b == END) else {
            self.print_received(self.received.len());
            return false;
        };
        self.print_received(at);
        if self.received[0] == END {
            return self.step_ending(&needle, form);
        }
        if self.received.len() < needle.len() && needle.starts_with(&self.received) {
            return false;
        }
        if !self.received.starts_with(&needle) {
            self.print_received(1);
            return true;
        }
        match self.frame_at(0, &needle, form) {
            Own::Frame { at: 0, payload, consumed } => self.answer_if_prompted(payload, consumed, &needle, form),
            Own::Frame { at, .. } => {
                self.print_received(at);
                true
            }
            Own::Waiting { .. } => false,
            Own::None => {
                self.print_received(1);
                true
            }
        }
    }

    /// The first frame of the head in what was received.
    fn own_frame(&mut self, needle: &[u8], form: &Form) -> Own {
        let candidates: Vec<usize> = positions(&self.received, needle).collect();
        candidates
            .into_iter()
            .map(|at| self.frame_at(at, needle, form))
            .find(|own| !matches!(own, Own::None))
            .unwrap_or(Own::None)
    }

    /// What the mark at `at` begins.
    fn frame_at(&mut self, at: usize, needle: &[u8], form: &Form) -> Own {
        let parsed = if at == 0 {
            // A long reply comes in many pieces.
            let reading = self.reading.take().filter(|reading| reading.fits(&self.received, form));
            let mut reading = reading.unwrap_or_else(|| Reading::new(*form, self.limits));
            let parsed = reading.go_on(&self.received);
            self.reading = Some(reading);
            parsed
        } else {
            parse(&self.received[at..], form, &self.limits)
        };
        match parsed {
            Parsed::Complete { payload, consumed } => {
                // Had it come byte by byte, this one would have been found before all of the other was there.
                let inside = self.prompted_frame(at, at + consumed - 1, needle, form);
                inside.unwrap_or(Own::Frame { at, payload, consumed })
            }
            Parsed::Invalid => Own::None,
            Parsed::Incomplete => {
                let behind = self.prompted_frame(at, self.received.len(), needle, form);
                if behind.is_none() {
                    self.searched = self.received.len().saturating_sub(PROMPT.len() - 1);
                }
                behind.unwrap_or(Own::Waiting { at })
            }
        }
    }

    /// The frame between `at` and `end` that a prompt follows: a print that looks like the start of a frame must not hide
    /// it.
    fn prompted_frame(&self, at: usize, end: usize, needle: &[u8], form: &Form) -> Option<Own> {
        let from = self.searched.max(at + 1).min(end);
        #[cfg(test)]
        WORK.set(WORK.get() + end - from);
        positions(&self.received[from..end], PROMPT).find_map(|prompt| {
            let body = &self.received[at + 1..from + prompt];
            positions(body, needle).find_map(|real| match parse(&body[real..], form, &self.limits) {
                Parsed::Complete { payload, consumed } if real + consumed == body.len() => {
                    Some(Own::Frame { at: at + 1 + real, payload, consumed })
                }
                _ => None,
            })
        })
    }

    /// What of the bytes behind which nothing more comes was printed, as far as can be told.
    pub(super) fn printed_part<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        let answers = match self.flights.front() {
            Some(Flight { phase: Phase::Running, expect: Expect::Frame(form), .. }) => {
                let needle = needle(form);
                rest.starts_with(&needle) || needle.starts_with(rest)
            }
            Some(Flight { phase: Phase::Running, expect: Expect::Text { open, .. }, .. }) => {
                return rest.split_at(find(rest, open).unwrap_or(rest.len())).0;
            }
            _ => false,
        };
        // Or the end of a request: an error text, perhaps empty, and the prompt.
        let ended = PROMPT.starts_with(rest) || rest.first() == Some(&END) && find(rest, b"\x04>").is_some();
        if answers || ended { &[] } else { rest }
    }

    /// A frame is believed when the end of the code follows it. If it lost bytes, what follows has become a part of it,
    /// or a part of it follows; a check does not tell it always: `k78` without its `7` and with the next `\x04` has the
    /// same.
    fn answer_if_prompted(&mut self, payload: Vec<u8>, consumed: usize, needle: &[u8], form: &Form) -> bool {
        let rest = &self.received[consumed..];
        let rest = &rest[..rest.len().min(LONGEST_ERROR + 1)];
        match *rest {
            // The prompt, or the error text of an interrupt that came when the answer was already written.
            [END, END, b'>', ..] | [END, b'K', b'e', ..] | [END, b'T', b'r', ..] => {
                return self.answer(payload, consumed);
            }
            [END, b'>', ..] => return self.doubt(payload, consumed, 0, 2),
            [] | [END] | [END, END | b'K' | b'T'] => return false,
            // Its last byte is lost, and the next thing follows.
            [END, END, other, ..] if other != END => return self.doubt(payload, consumed, 0, 2),
            _ => {}
        }
        // Printed in between, by whatever runs beside the code; or the frame was no frame.
        let prompt = find(rest, PROMPT);
        let end = [prompt, find(rest, FRIENDLY)].into_iter().flatten().min();
        let too_long = rest.len() > LONGEST_ERROR;
        self.suspect();
        match end {
            Some(end) => {
                let body = &self.received[1..consumed + end];
                let real = positions(body, needle).find(|&at| match parse(&body[at..], form, &self.limits) {
                    Parsed::Complete { consumed, .. } => at + consumed == body.len(),
                    _ => false,
                });
                match real.filter(|_| Some(end) == prompt) {
                    Some(at) => self.print_received(at + 1),
                    None => return self.doubt(payload, consumed, end, 0),
                }
                true
            }
            None if too_long => {
                self.print_received(1);
                true
            }
            None => false,
        }
    }

    /// An answer of `consumed` bytes that may have lost some; what stands in the `between` bytes behind it may be a part
    /// of it. `prompt` is how much is left of the prompt, if it is damaged, too.
    fn doubt(&mut self, payload: Vec<u8>, consumed: usize, between: usize, prompt: usize) -> bool {
        self.forget();
        let between = self.take(consumed + between, Meaning::Doubtful).skip(consumed).collect();
        self.take(prompt, Meaning::Prompt);
        let Some(head) = self.flights.front_mut() else { return false };
        let id = head.id;
        head.phase = Phase::Answered;
        self.events.push_back(Event::Doubtful { id, payload, between });
        if prompt > 0 {
            self.flights.pop_front();
            self.events.push_back(Event::Done { id });
        }
        true
    }

    /// What may be the answer of a flight that has certainly ended, at the start of what was received.
    pub(super) fn doubtful_answer(&self, flight: &Flight) -> Option<(Vec<u8>, usize)> {
        let Expect::Frame(form) = &flight.expect else { return None };
        if form.verified || !matches!(flight.phase, Phase::Running) || !self.received.starts_with(&needle(form)) {
            return None;
        }
        match parse(&self.received, form, &self.limits) {
            Parsed::Complete { payload, consumed } => Some((payload, consumed)),
            _ => None,
        }
    }

    /// It looks as if the head had ended without an answer.
    fn suspect(&mut self) {
        if let Some(head) = self.flights.front_mut().filter(|head| !head.suspected) {
            head.suspected = true;
            let id = head.id;
            self.events.push_back(Event::Suspect { id });
        }
    }

    fn answer(&mut self, payload: Vec<u8>, consumed: usize) -> bool {
        self.forget();
        self.take(consumed, Meaning::Reply);
        let Some(head) = self.flights.front_mut() else { return false };
        head.phase = match head.expect {
            Expect::Frame(_) => Phase::Answered,
            Expect::Text { .. } => Phase::LineEnd,
        };
        self.events.push_back(Event::Reply { id: head.id, payload });
        true
    }

    /// The received bytes begin with `\x04`, and no frame has come: a printed byte, or the end.
    fn step_ending(&mut self, needle: &[u8], form: &Form) -> bool {
        let Some(&next) = self.received.get(1) else { return false };
        if !may_end(next) {
            self.print_received(1);
            return true;
        }
        // Whatever comes at once, no more is looked at than would be held back if it came byte by byte.
        let all = self.received.len().min(LONGEST_ERROR);
        let end = find(&self.received[1..all], b"\x04>").map(|at| at + 1);
        let own = self.own_frame(needle, form);
        let own_at = match own {
            Own::Frame { at, .. } | Own::Waiting { at } => at,
            Own::None => usize::MAX,
        };
        if end.is_some_and(|end| end < own_at) {
            self.suspect();
        }
        let proof = end.and_then(|end| self.later_answer(end + 2, all));
        let proof = proof.or_else(|| end.filter(|&end| no_room(&self.received[end + 2..all])));
        // A frame before the proof says that the code went on.
        match (own, end, proof) {
            (Own::Frame { at, .. }, _, proof) if proof.is_none_or(|proof| at + needle.len() <= proof) => {
                self.print_received(at);
                true
            }
            (Own::Waiting { at }, _, Some(proof)) if at + needle.len() <= proof => false,
            (_, Some(end), Some(_)) => self.end_head(end),
            _ if self.received.len() > LONGEST_ERROR => {
                self.print_received(1);
                true
            }
            _ => false,
        }
    }

    /// Where the first answer to a later request ends in what was received between `from` and `to`.
    fn later_answer(&self, from: usize, to: usize) -> Option<usize> {
        let rest = &self.received[from..to];
        let ends = self.flights.iter().skip(1).filter_map(|flight| match &flight.expect {
            Expect::Frame(form) => {
                positions(rest, &needle(form)).find_map(|at| match parse(&rest[at..], form, &self.limits) {
                    Parsed::Complete { consumed, .. } => Some(at + consumed),
                    _ => None,
                })
            }
            // Found as a landmark.
            Expect::Text { .. } => None,
        });
        ends.min().map(|end| from + end)
    }

    /// The head has ended without an answer: its error text ends at `end`, where `\x04>` stands.
    fn end_head(&mut self, end: usize) -> bool {
        self.forget();
        let error = self.received[1..end].to_vec();
        self.take(end + 2, Meaning::Ended);
        if let Some(flight) = self.flights.pop_front() {
            self.events.push_back(Event::Ended { id: flight.id, error });
        }
        true
    }

    pub(super) fn step_text(&mut self, open: &[u8], close: &[u8]) -> bool {
        if let Some(at) = find(&self.received, open) {
            let start = at + open.len();
            let all = self.received.len().min(at + LONGEST_ERROR * 4);
            let Some(len) = find(self.received.get(start..all).unwrap_or_default(), close) else {
                if self.received.len() > all {
                    self.print_received(at + 1);
                    return true;
                }
                return false;
            };
            self.print_received(at);
            let payload = self.received[open.len()..open.len() + len].to_vec();
            return self.answer(payload, open.len() + len + close.len());
        }
        if let Some(at) = self.received.iter().position(|&b| b == END) {
            let all = self.received.len().min(at + LONGEST_ERROR);
            if let Some(end) = find(&self.received[at + 1..all], b"\x04>") {
                self.print_received(at);
                return self.end_head(1 + end);
            }
            if self.received.len() > all {
                self.print_received(at + 1);
                return true;
            }
            return false;
        }
        let held = overlap(&self.received, open);
        self.print_received(self.received.len() - held);
        false
    }

    /// The line end of a printed answer is no output of a program.
    pub(super) fn step_line_end(&mut self) -> bool {
        let first = self.received.first().copied();
        if let Some(b'\r' | b'\n') = first {
            self.take(1, Meaning::LineEnd);
        }
        if let Some(head) = self.flights.front_mut().filter(|_| first != Some(b'\r')) {
            head.phase = Phase::Answered;
        }
        true
    }

    pub(super) fn step_answered(&mut self) -> bool {
        let end = self.received.iter().position(|&b| b == END);
        if let Some(at) = find(&self.received, FRIENDLY).filter(|at| end.is_none_or(|end| *at < end)) {
            // Reset between the answer and its prompt: what is in flight behind it learns it from this same text.
            self.print_received(at);
            if let Some(flight) = self.flights.pop_front() {
                self.events.push_back(Event::Done { id: flight.id });
            }
            return true;
        }
        let Some(at) = end else {
            self.print_received(self.received.len() - overlap(&self.received, FRIENDLY));
            return false;
        };
        self.print_received(at);
        let Some(&next) = self.received.get(1) else { return false };
        match *self.received {
            [END, END] => return false,
            // Its prompt was lost: what follows is of the next one.
            [END, END, other, ..] if other != b'>' => {
                self.take(2, Meaning::Prompt);
                if let Some(flight) = self.flights.pop_front() {
                    self.events.push_back(Event::Done { id: flight.id });
                }
                return true;
            }
            _ => {}
        }
        let all = self.received.len().min(LONGEST_ERROR);
        let end = find(&self.received[1..all], b"\x04>");
        match end {
            // An error text here: an interrupt came when the answer was already written.
            Some(end) if may_end(next) => {
                self.take(end + 3, Meaning::Prompt);
                if let Some(flight) = self.flights.pop_front() {
                    self.events.push_back(Event::Done { id: flight.id });
                }
                true
            }
            None if may_end(next) && self.received.len() <= LONGEST_ERROR => false,
            _ => {
                self.print_received(1);
                true
            }
        }
    }
}

/// Whether this is what a board makes of a question that its heap has no room for.
fn no_room(bytes: &[u8]) -> bool {
    let Some(error) = bytes.strip_prefix(b"OK\x04") else { return false };
    find(error, b"\x04>").is_some_and(|end| find(&error[..end], b"MemoryError").is_some())
}

/// Whether `byte` can follow the `\x04` that ends the output: an error text begins with the name of an exception or
/// with `Traceback`, an empty one is followed by the next `\x04`.
fn may_end(byte: u8) -> bool {
    byte == END || byte.is_ascii_uppercase()
}

pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    positions(haystack, needle).next()
}

/// Where a banner stands, and how long it is.
pub(super) fn find_banner(haystack: &[u8]) -> Option<(usize, usize)> {
    BANNERS.iter().filter_map(|banner| Some((find(haystack, banner)?, banner.len()))).min()
}

/// The length of the longest end of `bytes` with which a banner begins.
pub(super) fn banner_overlap(bytes: &[u8]) -> usize {
    BANNERS.iter().map(|banner| overlap(bytes, banner)).max().unwrap_or(0)
}

fn positions<'a>(haystack: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    haystack.windows(needle.len().max(1)).enumerate().filter_map(move |(at, window)| (window == needle).then_some(at))
}

/// The length of the longest end of `bytes` with which `text` begins.
pub(super) fn overlap(bytes: &[u8], text: &[u8]) -> usize {
    (1..text.len()).rev().find(|&n| bytes.ends_with(&text[..n])).unwrap_or(0)
}
