//! What the REPL says of a soft reset itself, so that it does not pass for output of a program.

/// The answer to Ctrl-D, and what boards say before they start anew.
const WHOLE: &[u8] = b"OK\r\nMPY: soft reboot\r\n";
/// Not all of them say more than that.
const ANSWER: &[u8] = b"OK\r\n";

/// Takes it out of what comes, in whatever pieces it comes.
#[derive(Debug, Default)]
pub(super) struct Banter {
    /// What may be the beginning of it; `None` while no reset is under way.
    held: Option<Vec<u8>>,
}

impl Banter {
    /// From now on it is expected.
    pub(super) fn expect(&mut self) {
        self.held = Some(Vec::new());
    }

    /// What of these bytes, and of those that were held back, is a program's.
    pub(super) fn without(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let Some(held) = &mut self.held else { return bytes };
        held.extend(bytes);
        if held.len() < WHOLE.len() && WHOLE.starts_with(held) { Vec::new() } else { self.end() }
    }

    /// It is expected no more: what was held back for it.
    pub(super) fn end(&mut self) -> Vec<u8> {
        let held = self.held.take().unwrap_or_default();
        [WHOLE, ANSWER].iter().find_map(|banter| held.strip_prefix(*banter)).unwrap_or(&held).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prints(pieces: &[&str]) -> String {
        let mut banter = Banter::default();
        let mut printed = banter.without(b"before,".to_vec());
        banter.expect();
        for piece in pieces {
            printed.extend(banter.without(piece.as_bytes().to_vec()));
        }
        printed.extend(banter.end());
        printed.extend(banter.without(b",OK\r\n".to_vec()));
        String::from_utf8(printed).unwrap()
    }

    #[test]
    fn what_a_program_prints_stays() {
        for (pieces, expected) in [
            (&["OK\r\nMPY: soft reboot\r\n"][..], ""),
            (&["OK", "\r\nMPY: so", "ft reboot\r", "\n", "from boot.py\r\n"], "from boot.py\r\n"),
            (&["OK\r\nMPY: soft reboot\r\nfrom boot.py"], "from boot.py"),
            (&["OK\r\n"], ""),
            (&["OK\r\nfrom ", "boot.py"], "from boot.py"),
            (&["a timer\r\nOK\r\n"], "a timer\r\nOK\r\n"),
            (&["OK"], "OK"),
            (&[], ""),
        ] {
            assert_eq!(prints(pieces), format!("before,{expected},OK\r\n"), "{pieces:?}");
        }
    }
}
