//! What the output of a running request means: prints, its answer, its end.

use super::{
    frame::{Form, Parsed, Reading, needle, parse},
    hidden::Prompted,
    machine::{BANNERS, END, Event, Expect, Flight, Phase, Repl},
    notes::Meaning,
};

/// How much of a supposed error text is held back before it is taken for print output after all.
const LONGEST_ERROR: usize = 16 * 1024;
/// How much is held back behind what begins the printed answer of a question.
pub(super) const LONGEST_TEXT: usize = 4 * LONGEST_ERROR;
/// How much is looked at in one step while nothing is in flight.
const IDLE_STEP: usize = 256;
/// The prompt for people: a board that shows it has been reset.
const FRIENDLY: &[u8] = b">>> ";
/// What follows an answer when nothing went wrong behind it.
pub(super) const PROMPT: &[u8] = b"\x04\x04>";

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
        let some = self.received.len().min(IDLE_STEP);
        self.idle_tail.extend_from_slice(&self.received[..some]);
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
        self.print_received(some);
        true
    }

    pub(super) fn step_sent(&mut self) -> bool {
        let Some(head) = self.flights.front_mut() else { return false };
        let all = self.received.len();
        let ok = self.received.find(b"OK", 0, all);
        let banner = BANNERS.iter().filter_map(|text| Some((self.received.find(text, 0, all)?, text.len()))).min();
        let friendly = self.received.find(FRIENDLY, 0, all).map(|at| at + FRIENDLY.len());
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
        match self.frame_at(0, self.received.len(), form) {
            Own::Frame { at: 0, payload, consumed } => self.answer_if_prompted(payload, consumed, form),
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

    /// The first frame of the head in what was received before `end`.
    fn own_frame(&mut self, end: usize, needle: &[u8], form: &Form) -> Own {
        loop {
            let from = self.received.at(self.unmasked);
            let Some(at) = self.received.find(needle, from, end) else { return Own::None };
            match self.frame_at(at, end, form) {
                Own::None => self.unmasked = self.received.place(at + 1),
                own => return own,
            }
        }
    }

    /// What the mark at `at` begins, as far as can be told before `end`.
    fn frame_at(&mut self, at: usize, end: usize, form: &Form) -> Own {
        let place = self.received.place(at);
        let output = &self.received[at..end];
        // A long reply comes in many pieces.
        let earlier = self.reading.take().filter(|(begun, reading)| *begun == place && reading.fits(output, form));
        let (_, mut reading) = earlier.unwrap_or_else(|| (place, Reading::new(*form, self.limits)));
        let parsed = reading.go_on(output);
        self.reading = Some((place, reading));
        // Had it come byte by byte, one inside of it would have been found before all of it was there.
        let (end, own) = match parsed {
            Parsed::Complete { payload, consumed } => (at + consumed - 1, Own::Frame { at, payload, consumed }),
            Parsed::Invalid { seen } => (at + seen - 1, Own::None),
            Parsed::Incomplete => (end, Own::Waiting { at }),
        };
        match self.hidden.find(&self.received, at, end, form, self.limits) {
            Some(Prompted { at, payload, consumed }) => Own::Frame { at, payload, consumed },
            None => own,
        }
    }

    /// What of the bytes behind which nothing more comes was printed, as far as can be told.
    pub(super) fn printed_part<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        let answers = match self.flights.front() {
            Some(Flight { phase: Phase::Running, expect: Expect::Frame(form), .. }) => {
                let needle = needle(form);
                rest.starts_with(&needle) || needle.starts_with(rest)
            }
            Some(Flight { phase: Phase::Running, expect: Expect::Text(marks), .. }) => {
                return rest.split_at(find(rest, &marks.open).unwrap_or(rest.len())).0;
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
    fn answer_if_prompted(&mut self, payload: Vec<u8>, consumed: usize, form: &Form) -> bool {
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
        let too_long = rest.len() > LONGEST_ERROR;
        let all = consumed + rest.len();
        let prompt = self.received.find(PROMPT, consumed, all);
        let friendly = self.received.find(FRIENDLY, consumed, all);
        self.suspect();
        match [prompt, friendly].into_iter().flatten().min() {
            Some(end) if Some(end) == prompt => {
                let real = self.hidden.find(&self.received, 0, end + PROMPT.len(), form, self.limits);
                match real.filter(|real| real.at + real.consumed == end) {
                    Some(real) => self.print_received(real.at),
                    None => return self.doubt(payload, consumed, end - consumed, 0),
                }
                true
            }
            Some(end) => self.doubt(payload, consumed, end - consumed, 0),
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
        let between = self.take(consumed + between, Meaning::Doubtful)[consumed..].to_vec();
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
            Expect::Text(_) => Phase::LineEnd,
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
        let too_long = self.received.len() > LONGEST_ERROR;
        let end = self.received.find(b"\x04>", 1, all);
        let own = self.own_frame(all, needle, form);
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
        let goes_on = |at: usize| proof.is_none_or(|proof| at + needle.len() <= proof);
        match own {
            Own::Frame { at, .. } if goes_on(at) => {
                self.print_received(at);
                return true;
            }
            Own::Waiting { at } if goes_on(at) => {}
            _ => {
                if let Some(end) = end.filter(|_| proof.is_some()) {
                    return self.end_head(end);
                }
            }
        }
        if too_long {
            self.print_received(1);
        }
        too_long
    }

    /// Where the first answer to a later request ends in what was received between `from` and `to`.
    fn later_answer(&mut self, from: usize, to: usize) -> Option<usize> {
        let ends = self.flights.iter().skip(1).filter_map(|flight| match &flight.expect {
            Expect::Frame(form) => {
                let needle = needle(form);
                let first = self.received.find(&needle, from, to)?;
                let rest = &self.received[first..to];
                positions(rest, &needle).find_map(|at| match parse(&rest[at..], form, &self.limits) {
                    Parsed::Complete { consumed, .. } => Some(first + at + consumed),
                    _ => None,
                })
            }
            // Found as a landmark.
            Expect::Text(_) => None,
        });
        ends.min()
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
        let opened = self.received.find(open, 0, self.received.len());
        let before = opened.unwrap_or(self.received.len());
        if let Some(at) = self.received[..before].iter().position(|&b| b == END) {
            self.print_received(at);
            let before = before - at;
            if let Some(end) = self.received.find(b"\x04>", 1, before.min(LONGEST_ERROR)) {
                return self.end_head(end);
            }
            let too_long = match opened {
                Some(_) => before + open.len() > LONGEST_ERROR + 1,
                None => before > LONGEST_ERROR,
            };
            if too_long {
                self.print_received(1);
            }
            if too_long || opened.is_none() {
                return too_long;
            }
        }
        let Some(at) = self.received.find(open, 0, self.received.len()) else {
            let held = overlap(&self.received, open);
            self.print_received(self.received.len() - held);
            return false;
        };
        let (start, longest) = (at + open.len(), at + LONGEST_TEXT);
        let Some(end) = self.received.find(close, start, longest) else {
            let too_long = self.received.len() > longest;
            if too_long {
                self.print_received(at + 1);
            } else if self.received.first() != Some(&END) {
                self.print_received(at);
            }
            return too_long;
        };
        self.print_received(at);
        let payload = self.received[open.len()..end - at].to_vec();
        self.answer(payload, end - at + close.len())
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
        if let Some(at) = find(&self.received[..end.unwrap_or(self.received.len())], FRIENDLY) {
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
        let end = self.received.find(b"\x04>", 1, all);
        match end {
            // An error text here: an interrupt came when the answer was already written.
            Some(end) if may_end(next) => {
                self.take(end + 2, Meaning::Prompt);
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
