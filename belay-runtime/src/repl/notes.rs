//! What a trace keeps of the machine beside the bytes: what was asked of it, and what it takes each byte for.

use std::collections::VecDeque;

use super::machine::Input;

/// What the machine writes a span of bytes as, or takes one for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Written: bytes that the REPL acts on at once.
    Control,
    /// Written: the question for raw-paste.
    AskRawPaste,
    /// Written: code.
    Code,
    /// Written: the end of the code.
    End,
    /// Printed by the board.
    Output,
    /// The raw REPL has been entered.
    Banner,
    /// The board takes raw-paste, in windows of this size.
    Window,
    /// The board takes no raw-paste.
    NoRawPaste,
    /// A window of a paste has been read.
    Credit,
    /// The board wants no more of a paste.
    PasteOver,
    /// The code has been read, and runs.
    Ok,
    /// The answer.
    Reply,
    /// What may be the answer, and what stands between it and the prompt.
    Doubtful,
    /// The end of the line of a printed answer.
    LineEnd,
    /// The end of a request that was answered, and the prompt.
    Prompt,
    /// The end of a request that was not answered, with the error text.
    Ended,
    /// The beginning of something whose end never came.
    Cut,
}

/// So many bytes with one meaning. All of them together are all bytes in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) meaning: Meaning,
    pub(crate) bytes: usize,
}

/// What has happened since the trace was written last.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) inputs: Vec<Input>,
    pub(super) took: Vec<Span>,
    /// What lies in the machine's outgoing bytes.
    queued: VecDeque<Span>,
}

impl Notes {
    /// The machine took the next bytes for this.
    pub(super) fn take(&mut self, meaning: Meaning, bytes: usize) {
        match self.took.last_mut() {
            _ if bytes == 0 => {}
            Some(last) if last.meaning == meaning => last.bytes += bytes,
            _ => self.took.push(Span { meaning, bytes }),
        }
    }

    /// The machine is going to write this.
    pub(super) fn queue(&mut self, meaning: Meaning, bytes: usize) {
        match self.queued.back_mut() {
            _ if bytes == 0 => {}
            Some(last) if last.meaning == meaning => last.bytes += bytes,
            _ => self.queued.push_back(Span { meaning, bytes }),
        }
    }

    /// What is queued will not be written.
    pub(super) fn unqueue(&mut self) {
        self.queued.clear();
    }

    /// So many of the queued bytes have been written.
    pub(super) fn wrote(&mut self, mut bytes: usize) -> Vec<Span> {
        let mut written = Vec::new();
        while bytes > 0
            && let Some(first) = self.queued.front_mut()
        {
            let part = first.bytes.min(bytes);
            written.push(Span { bytes: part, ..*first });
            first.bytes -= part;
            bytes -= part;
            if first.bytes == 0 {
                self.queued.pop_front();
            }
        }
        written
    }
}
