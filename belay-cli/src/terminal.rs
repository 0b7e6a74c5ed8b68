//! What the command writes: results to standard output, what concerns the person at the terminal to standard error.

use std::{
    cell::{Cell, RefCell},
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::failure::Failure;

/// What is done sooner than this shows no progress.
pub(crate) const SOON: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(100);

const ERROR: Style = AnsiColor::Red.on_default().bold();
const STOPPED: Style = AnsiColor::Yellow.on_default().bold();
const NEXT: Style = AnsiColor::Cyan.on_default();
/// Names in tables.
pub(crate) const NAME: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const BAR: Style = AnsiColor::Cyan.on_default();

/// Standard output and standard error, and how much of what may go there.
#[derive(Debug)]
pub(crate) struct Terminal {
    json: bool,
    quiet: bool,
    /// Whether a person looks at standard error.
    watched: bool,
    colours: bool,
    /// The last thing a board printed did not end its line.
    open_line: Cell<bool>,
    /// Something that goes on is being shown: its parts are not.
    showing: Cell<bool>,
    /// What is drawn at the bottom, and has to make way for everything else.
    bar: RefCell<Option<ProgressBar>>,
}

impl Terminal {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let stderr = io::stderr();
        let colours = anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never;
        let watched = stderr.is_terminal();
        Self {
            json,
            quiet,
            watched,
            colours,
            open_line: Cell::new(false),
            showing: Cell::new(false),
            bar: RefCell::new(None),
        }
    }

    /// Whether JSON is wanted.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether a person looks on, and the board's last print ended its line: what is drawn now is drawn below it.
    pub(crate) fn has_room(&self) -> bool {
        self.watched && !self.open_line.get()
    }

    /// Writes a line of results. Colours in it reach terminals only.
    pub(crate) fn line(&self, text: impl std::fmt::Display) -> Result<(), Failure> {
        self.aside(|| {
            let mut out = anstream::stdout().lock();
            written(writeln!(out, "{text}").and_then(|()| out.flush()))
        })
    }

    /// Writes one JSON object on a line of its own.
    pub(crate) fn object(&self, value: &Value) -> Result<(), Failure> {
        self.bytes(format!("{value}\n").as_bytes())
    }

    /// Writes bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        if let Some(last) = bytes.last() {
            self.open_line.set(*last != b'\n');
        }
        self.aside(|| {
            let mut out = io::stdout().lock();
            written(out.write_all(bytes).and_then(|()| out.flush()))
        })
    }

    /// Says something to the person.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Says what went wrong.
    pub(crate) fn fail(&self, failure: &Failure) {
        if matches!(failure, Failure::Unread) {
            return;
        }
        if self.json {
            // Nobody is left to be told of a standard output that does not work.
            let _ = self.object(&failure.to_json());
            return;
        }
        match failure {
            // A traceback says by itself what it is.
            Failure::Board(belay::Error::Exception { .. }) => self.say(failure),
            Failure::Stopped(None | Some(Ok(()))) => self.say(format_args!("{STOPPED}{failure}{STOPPED:#}")),
            _ => self.say(format_args!("{ERROR}error{ERROR:#}: {failure}")),
        }
        if let Some(step) = failure.next_step() {
            self.say(format_args!("{NEXT}next{NEXT:#}: {step}"));
        }
    }

    fn say(&self, text: impl std::fmt::Display) {
        let gap = if self.open_line.take() && io::stdout().is_terminal() { "\n" } else { "" };
        // The same: standard error was the last resort.
        let _ = self.aside(|| writeln!(anstream::stderr().lock(), "{gap}{text}"));
    }

    fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Waits for `work`, and shows that something is going on as soon as it takes long.
    pub(crate) async fn during<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        self.progress(what, 0).during(work).await
    }

    /// Progress through `total` steps, of which 0 is an unknown number. It appears when it has gone on for long.
    pub(crate) fn progress(&self, what: &str, total: u64) -> Progress<'_> {
        let what = what.to_owned();
        Progress { terminal: self, what, total, bytes: false, begun: Instant::now(), shown: false }
    }

    /// Progress through `total` bytes.
    pub(crate) fn sending(&self, what: &str, total: u64) -> Progress<'_> {
        let mut progress = self.progress(what, total);
        progress.bytes = true;
        progress
    }
}

/// A standard output that is closed early ends the command, and is no error.
fn written(outcome: io::Result<()>) -> Result<(), Failure> {
    outcome.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Unread,
        _ => Failure::system("standard output", error),
    })
}

/// Something that goes on: a bar on a terminal, a plain line elsewhere, nothing if it is soon over. It disappears with
/// this value.
pub(crate) struct Progress<'a> {
    terminal: &'a Terminal,
    what: String,
    total: u64,
    bytes: bool,
    begun: Instant,
    shown: bool,
}

impl Progress<'_> {
    /// So many steps are done.
    pub(crate) fn set(&mut self, position: u64) {
        if self.begun.elapsed() > SOON {
            self.show();
        }
        if let (true, Some(bar)) = (self.shown, &*self.terminal.bar.borrow()) {
            bar.set_position(position);
        }
    }

    /// Waits for a part of it, and shows it as soon as it has gone on for long.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(SOON.saturating_sub(self.begun.elapsed())) => {}
        }
        self.show();
        work.await
    }

    /// Shows it, unless what it is a part of is being shown already.
    pub(crate) fn show(&mut self) {
        if !self.shown && !self.terminal.showing.replace(true) {
            self.shown = true;
            self.draw();
        }
    }

    /// Clears it away.
    pub(crate) fn hide(&mut self) {
        if std::mem::take(&mut self.shown) {
            self.terminal.showing.set(false);
            if let Some(bar) = self.terminal.bar.take() {
                bar.finish_and_clear();
            }
        }
    }

    fn draw(&self) {
        let Self { terminal, what, total, bytes, begun, .. } = self;
        if terminal.quiet {
            return;
        }
        if !terminal.watched {
            return terminal.say(format_args!("{what} …"));
        }
        let bar = ProgressBar::with_draw_target((*total > 0).then_some(*total), ProgressDrawTarget::stderr());
        let (spinner, full) = if terminal.colours { (".cyan", ".cyan/dim") } else { ("", "") };
        let template = if *bytes {
            format!("{{spinner{spinner}}} {{msg}} {{bar:30{full}}} {{bytes}}/{{total_bytes}}, {{eta}} left")
        } else if *total > 0 {
            format!("{{spinner{spinner}}} {{msg}} {{bar:30{full}}} {{pos}}/{{len}}")
        } else {
            format!("{{spinner{spinner}}} {{msg}} {{elapsed}}")
        };
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        let bar = bar.with_elapsed(begun.elapsed());
        bar.set_message(what.clone());
        bar.enable_steady_tick(TICK);
        terminal.bar.replace(Some(bar));
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.hide();
    }
}
