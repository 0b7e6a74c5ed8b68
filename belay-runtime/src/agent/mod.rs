//! The Python that lives on the board, and what the host says to it.
//!
//! One global name, `_b`. `_b(3,26)` calls task 3. Function 0 deploys: `_b(0,'''source''',scope,id,'name')` runs a
//! source in a namespace and, with an id, keeps the function of that name. `_b(-nonce,1)` greets. `_b(-1)` writes the
//! last reply again.
//!
//! On verified lines a request is a literal with a check, `_b(b'3,26....')`; what stands in it is evaluated in the
//! agent's namespace, which is how sources are deployed. There `_b(0)` writes the last reply again.

mod hello;
pub(crate) mod library;
mod pack;
mod probe;

use std::sync::LazyLock;

pub(crate) use hello::{Present, Status, between, hello, ping};
pub use probe::Capabilities;
pub(crate) use probe::{ALL_WAYS, probe};

use pack::Text;

use crate::{
    codec::KEPT,
    repl::{Expect, FACTOR, MODULUS, check},
    task::{FNV_BASIS, fnv1a},
};

/// One of the agents, made from its file.
pub(crate) struct Agent {
    /// Without comments, and without the lines that are for the other kind of line. They run one by one in a namespace
    /// of the agent's own.
    parts: Vec<String>,
    /// What tells it from others that a board may hold.
    version: u32,
    /// It understands sealed requests, and adds a check to its replies.
    pub(crate) verifies: bool,
}

/// The typecode of a list of floats where they have 64 bits: many come from sensors and are float32 values.
const PACK_WIDE: &str = "'df'[all(x==y for x,y in zip(v,A('f',v)))]";

/// The agents: `[full, tiny]`, each for `[trusted, verified]` lines.
static AGENTS: LazyLock<[[Agent; 2]; 2]> = LazyLock::new(|| {
    [include_str!("full.py"), include_str!("tiny.py")]
        .map(|file| [false, true].map(|verifies| Agent::from_file(file, verifies)))
});

impl Agent {
    /// Comments stand on lines of their own; a line that ends in `#T` or `#V` is for one kind of line only.
    fn from_file(file: &str, verifies: bool) -> Self {
        let mut parts = vec![String::new()];
        for line in file.lines() {
            if line == "# ---" {
                parts.push(String::new());
            }
            let line = match (line.strip_suffix(" #T"), line.strip_suffix(" #V")) {
                (Some(line), _) if !verifies => line,
                (_, Some(line)) if verifies => line,
                (None, None) if !line.trim_start().starts_with('#') => line,
                _ => continue,
            };
            if let Some(part) = parts.last_mut() {
                part.push_str(line);
                part.push('\n');
            }
        }
        let version = fnv1a(parts.concat().as_bytes(), FNV_BASIS) as u32;
        Self { parts, version, verifies }
    }

    /// The agent for a board and a line.
    pub(crate) fn choose(capabilities: &Capabilities, verified: bool) -> &'static Self {
        &AGENTS[usize::from(!capabilities.holds_full_agent())][usize::from(verified)]
    }

    /// The parts for a board, ready to run, in the board's own words: ways to write, names of modules.
    pub(crate) fn parts(&self, capabilities: &Capabilities, epoch: u32) -> Vec<String> {
        let boot = format!("{:x};{} {epoch}", self.version, capabilities.to_record());
        let fill = |part: &String| {
            part.replace("@WRITE@", capabilities.write())
                .replace("@STRUCT@", capabilities.struct_module())
                .replace("@PACK@", if capabilities.float_bits == 64 { PACK_WIDE } else { "'f'" })
                .replace("@F@", if capabilities.float_bits == 64 { "d" } else { "f" })
                .replace("@H@", if capabilities.float_bits == 64 { "203" } else { "202" })
                .replace("@BOOT@", &boot)
        };
        self.parts.iter().map(fill).collect()
    }
}

/// Reads back what `install` left on the board; `None` if the agent there is none of these.
fn read_record(record: &str) -> Option<(&'static Agent, Capabilities)> {
    let (version, record) = record.split_once(';')?;
    let version = u32::from_str_radix(version, 16).ok()?;
    let agent = AGENTS.iter().flatten().find(|agent| agent.version == version)?;
    Some((agent, Capabilities::from_record(record)?))
}

/// A request as it is sent on a trusted line.
pub(crate) fn bare(body: &[u8]) -> Vec<u8> {
    [b"_b(", body, b")"].concat()
}

/// A request as it is sent on a verified line: inside a literal whose last four characters make the check over the
/// count of calls before it and over itself zero. The board runs nothing of it unless it is.
///
/// `pad`: the board keeps literals of up to 10 bytes for ever, and every seal differs from all others.
pub(crate) fn seal(body: &[u8], calls_before: u32, raw: bool, pad: bool) -> Vec<u8> {
    let mut body = body.to_vec();
    if pad {
        body.resize(body.len().max(KEPT + 1 - SEAL), b' ');
    }
    let mut out = b"_b(b'".to_vec();
    escape(&body, b'\'', raw, &mut out);
    out.extend_from_slice(&seal_of(check(calls_before.into(), &body)));
    out.extend_from_slice(b"')");
    out
}

const SEAL: usize = 4;

/// The four characters behind which a check becomes zero. Between `(` and `[` none has to be escaped.
fn seal_of(sum: i64) -> [u8; SEAL] {
    let mut seal = [b'('; SEAL];
    let mut missing = MODULUS - check(sum, &seal);
    for byte in seal.iter_mut().rev() {
        *byte += (missing % FACTOR) as u8;
        missing /= FACTOR;
    }
    seal
}

/// What a request asks for, before it is put into a form that suits the line.
pub(crate) struct Body {
    before: Vec<u8>,
    source: Option<Text>,
    after: Vec<u8>,
}

impl Body {
    /// A call: index and arguments.
    pub(crate) fn call(text: Vec<u8>) -> Self {
        Self { before: text, source: None, after: Vec::new() }
    }

    /// In one request.
    pub(crate) fn whole(&self) -> Vec<u8> {
        let mut body = self.before.clone();
        match &self.source {
            Some(Text::Plain(source)) => quote(source, &mut body),
            Some(Text::Packed { bytes, open, close, raw }) => {
                body.extend_from_slice(open.as_bytes());
                body.extend_from_slice(b"b'");
                pack::literal(bytes, *raw, &mut body);
                body.push(b'\'');
                body.extend_from_slice(close.as_bytes());
            }
            None => {}
        }
        body.extend_from_slice(&self.after);
        body
    }

    /// What travels in pieces, and the request that uses it. A source is taken as it is: evaluating a text that evaluates
    /// a text that runs a source is more than the smallest boards' six frames.
    pub(crate) fn in_pieces(&self) -> (Vec<u8>, Vec<u8>) {
        match &self.source {
            Some(Text::Plain(source)) => {
                (source.clone().into_bytes(), [self.before.as_slice(), JOINED, &self.after].concat())
            }
            Some(Text::Packed { bytes, open, close, .. }) => {
                let last = [&self.before, open.as_bytes(), JOINED, close.as_bytes(), &self.after].concat();
                (bytes.clone(), last)
            }
            None => (self.before.clone(), [b"eval(", JOINED, b")"].concat()),
        }
    }

    /// Whether it carries a source, rather than a call.
    pub(crate) fn is_source(&self) -> bool {
        self.source.is_some()
    }

    /// The same with its source compressed, if that makes it shorter and the board can undo it.
    pub(crate) fn packed(mut self, board: &Capabilities) -> Self {
        if let Some(Text::Plain(source)) = &self.source
            && let Some(packed) = pack::pack(source, board)
        {
            self.source = Some(packed);
        }
        self
    }
}

/// The body that hands over a piece, by running nothing in a namespace that is made for it. The first one makes the
/// board forget what it may have of another request.
pub(crate) fn piece(piece: &[u8], first: bool, raw: bool) -> Vec<u8> {
    let mut body = b"'0','',{0:".to_vec();
    if first {
        body.extend_from_slice(b"B.clear()or ");
    }
    body.extend_from_slice(b"B.append(b\"");
    escape(piece, b'"', raw, &mut body);
    // The smallest boards keep literals of up to 10 bytes for ever. What is joined may end in spaces.
    body.resize(body.len() + (KEPT + 1).saturating_sub(piece.len()), b' ');
    body.extend_from_slice(b"\")}");
    body
}

/// What stands for all pieces.
const JOINED: &[u8] = b"(b''.join(B),B.clear())[0]";

/// Bytes inside a literal, without any that the raw REPL, a lexer or flow control acts on.
fn escape(bytes: &[u8], quote: u8, raw: bool, out: &mut Vec<u8>) {
    for &byte in bytes {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            _ if byte == quote => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            6..=0x10 | 0x12 | 0x14.. if raw && byte != b'\r' => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
}

/// `source` as a triple-quoted literal without any byte that the REPL or a lexer acts on.
pub(crate) fn quote(source: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"'''");
    for c in source.chars() {
        match c {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\'' => out.extend_from_slice(b"\\'"),
            '\n' | '\t' => out.push(c as u8),
            '\0'..='\x1f' | '\x7f' => out.extend_from_slice(format!("\\x{:02x}", c as u32).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.extend_from_slice(b"'''");
}

/// The number of the agent's own namespace.
pub(crate) const OWN: u64 = 1;

/// What is to be run in a namespace.
pub(crate) struct Source<'a> {
    pub(crate) text: &'a str,
    /// The namespace; [`OWN`] is the agent's.
    pub(crate) scope: u64,
    /// What stands for it in tracebacks; if it is kept, the function of it that is called.
    pub(crate) name: &'a str,
    /// What it is known by, if it is to be kept.
    pub(crate) keep: Option<u64>,
}

impl Source<'_> {
    /// The request that runs it. A board that keeps it answers its index.
    pub(crate) fn body(&self, agent: &Agent, capabilities: &Capabilities) -> Body {
        let Self { text, scope, name, keep } = *self;
        let id = keep.unwrap_or(0);
        let (before, after) = if !agent.verifies {
            ("0,".into(), format!(",{scope},{id},'{name}'"))
        } else {
            let (space, made) = match scope {
                OWN => ("globals()".into(), "globals()".into()),
                _ => (format!("S[{scope}]"), format!("S.setdefault({scope},{{}})")),
            };
            let then = match keep {
                Some(_) => format!("T.insert(len(H)+1,{space}.get('{name}'))or H.append({id})or len(H)"),
                None => "None".into(),
            };
            let (open, close) =
                if capabilities.compile { ("compile(", format!(",'{name}','exec')")) } else { ("", String::new()) };
            (format!("\"{then}\",{open}"), format!("{close},{made}"))
        };
        Body { before: before.into(), source: Some(Text::Plain(text.into())), after: after.into() }
    }
}

/// The request that has the last reply written again.
pub(crate) fn again(verified: bool) -> &'static [u8] {
    if verified { b"_b(0)" } else { b"_b(-1)" }
}

/// Code that runs `part` in the namespace that is going to be the agent's.
pub(crate) fn in_namespace(part: &str) -> String {
    format!("exec(r'''{part}''',_b)\n")
}

/// Code that prints the free heap, twice.
pub(crate) fn free_heap(nonce: u32) -> Vec<u8> {
    format!("_b=__import__('gc');_b.collect();print(~-{nonce},_b.mem_free(),_b.mem_free(),~{nonce})").into_bytes()
}

/// Code that says that what stands before it has run.
pub(crate) fn done(nonce: u32) -> String {
    format!("print(~-{nonce},0,~{nonce})\n")
}

/// Makes the namespace.
pub(crate) const MAKE_NAMESPACE: &str = "_b={}\n";
/// Puts the agent in the place of its namespace.
pub(crate) const START: &str = "_b=_b['b']\n";

/// What takes long code on a board that has no raw-paste and no agent yet: sealed pieces, joined. It prints how many it
/// took, whether it took this one or not.
pub(crate) fn loader(nonce: u32) -> (Vec<u8>, Expect) {
    // Collecting often keeps what stays close together: what is scattered leaves no room for anything larger.
    let code = format!(
        "try:__import__('gc').threshold(999)\nexcept:0\ndef _b(s=0,a=[0,{{}}]):\n __import__('gc').collect()\n if s==1:return a[1]\n \
         if s==0:s=b''.join(a[2:]);a[2:]=[];return s\n h=a[0]\n for c in s:h=(h*{FACTOR}+c)%{MODULUS}\n \
         if h==0:a[0]+=1;a.append(s[:-4])\n print(~-{nonce},a[0],~{nonce})\n"
    );
    // What checks everything else is checked itself.
    let sum = check(0, code.as_bytes());
    let mut checked = b"_b=b'".to_vec();
    escape(code.as_bytes(), b'\'', false, &mut checked);
    checked.extend_from_slice(
        format!("'\nh=0\nfor c in _b:h=(h*{FACTOR}+c)%{MODULUS}\nif h=={sum}:exec(_b)\ndel h,c\n").as_bytes(),
    );
    ([&checked, LOADER_COUNT].concat(), hello::between(nonce))
}

/// Has the loader print its count: no piece, whatever the count is.
pub(crate) const LOADER_COUNT: &[u8] = b"_b(b'?')";
/// Runs what the loader took and forgets it. Not from inside the loader: the smallest boards have six frames.
pub(crate) const RUN_ONCE: &str = "exec(_b(),{})";
/// Runs what the loader took in the agent's namespace.
pub(crate) const RUN_PART: &str = "exec(_b(),_b(1))";
/// Puts the agent that was loaded in the loader's place.
pub(crate) const START_LOADED: &str = "_b=_b(1)['b']\n";

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes over the line to install an agent, without what is filled in for the board.
    fn size(agent: &Agent) -> usize {
        let parts: usize = agent.parts.iter().map(|part| in_namespace(&part.replace("@PACK@", PACK_WIDE)).len()).sum();
        MAKE_NAMESPACE.len() + parts + START.len()
    }

    #[test]
    fn the_agents_keep_their_sizes() {
        let parts =
            AGENTS.each_ref().map(|kind| kind.each_ref().map(|a| a.parts.iter().map(String::len).sum::<usize>()));
        let whole = AGENTS.each_ref().map(|kind| kind.each_ref().map(size));
        println!("[[full trusted, verified], [tiny trusted, verified]]: {parts:?}, as installed {whole:?}");
        assert!(whole[0].iter().all(|&size| size <= 1700), "{whole:?}");
        assert!(parts[1].iter().all(|&size| size <= 1000), "{parts:?}");
    }

    #[test]
    fn a_seal_makes_the_check_zero_and_needs_no_escape() {
        for n in [0, 1, 2, 51, 52, 7_311_592, 7_311_593, u32::MAX] {
            for body in [&b""[..], b"3,26", b"2,'x'", &[0xff; 300]] {
                let seal = seal_of(check(n.into(), body));
                assert!(seal.iter().all(|byte| (b'('..=b'[').contains(byte)), "{seal:?}");
                assert_eq!(check(n.into(), &[body, &seal].concat()), 0);
            }
        }
    }

    #[test]
    fn no_sealed_request_is_a_literal_that_small_boards_keep() {
        for body in [&b"2,"[..], b"3,26", b"12,'x'", b"1,b'0123456789'"] {
            let sealed = seal(body, 7, true, true);
            let inside = sealed.strip_prefix(b"_b(b'").and_then(|rest| rest.strip_suffix(b"')")).unwrap();
            assert!(inside.len() > KEPT, "{}", sealed.escape_ascii());
        }
        assert_eq!(seal(b"2,", 7, true, false).len(), b"_b(b'2,....')".len());
    }

    #[test]
    fn no_quoted_source_holds_a_byte_that_the_repl_acts_on() {
        let all: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        let mut out = Vec::new();
        quote(&all, &mut out);
        assert!(out.iter().all(|&b| b >= b' ' || b == b'\n' || b == b'\t'), "{}", out.escape_ascii());
    }
}
