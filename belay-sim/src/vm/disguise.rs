//! Makes the one build look like the board it plays: its names, and what it lacks.

use super::host::write;
use super::patch::address;
use crate::families::{Family, Feature};

/// Bytes that [`disguise`] needs of the interpreter's memory.
pub(super) const ROOM: u32 = 512;

/// Changes the build's constants, before MicroPython starts. `room` is the address of [`ROOM`] free bytes.
pub(super) fn disguise(memory: &mut [u8], room: u32, family: &Family, hidden: &[Feature]) {
    let mut room = Room { memory, next: room };
    let version = format!("3.4.0; {}", family.firmware);
    room.text(address::PLATFORM, family.platform);
    room.text(address::MACHINE, family.machine);
    room.text(address::BUILD, family.build);
    room.text(address::VERSION, &version);
    let name = room.copy(address::MACHINE, 16);
    room.text(name, family.implementation);
    room.word(address::IMPLEMENTATION_NAME, name);
    for feature in hidden {
        room.hide(*feature);
    }
    for module in address::JAVASCRIPT_MODULES {
        room.forget(module);
    }
}

struct Room<'a> {
    memory: &'a mut [u8],
    next: u32,
}

impl Room<'_> {
    fn word(&mut self, at: u32, value: u32) {
        write(self.memory, at, &value.to_le_bytes());
    }

    /// Keeps bytes and returns their address.
    fn keep(&mut self, bytes: &[u8]) -> u32 {
        let at = self.next;
        write(self.memory, at, bytes);
        self.next += (bytes.len() as u32 + 7) & !3;
        at
    }

    /// Keeps a copy of an object and returns its address.
    fn copy(&mut self, object: u32, size: u32) -> u32 {
        let bytes = self.memory.get(object as usize..(object + size) as usize).unwrap_or_default().to_vec();
        self.keep(&bytes)
    }

    /// Gives a string object another text.
    fn text(&mut self, object: u32, text: &str) {
        const HASH: u32 = 4;
        const LENGTH: u32 = 8;
        const DATA: u32 = 12;
        let at = self.keep(text.as_bytes());
        self.word(object + HASH, 0);
        self.word(object + LENGTH, text.len() as u32);
        self.word(object + DATA, at);
    }

    fn hide(&mut self, feature: Feature) {
        match feature {
            Feature::Binascii => self.hide_module(address::BINASCII, "binascii"),
            Feature::Deflate => self.hide_module(address::DEFLATE, "deflate"),
            Feature::Json => self.hide_module(address::JSON, "json"),
            Feature::Select => self.hide_module(address::SELECT, "select"),
            Feature::Struct => self.hide_module(address::STRUCT, "struct"),
            Feature::Stdout => address::STREAM_NAMES.into_iter().for_each(|entry| self.forget(entry)),
            Feature::StdoutBuffer => self.hide_buffers(),
        }
    }

    fn hide_module(&mut self, entry: u32, name: &str) {
        self.forget(entry);
        // A frozen module of that name would be found instead. Names are followed by the modules' sizes and code, so this
        // changes nothing else.
        let file = format!("\0{name}.py\0");
        let mut from = 0;
        while let Some(found) = self
            .memory
            .get(from..)
            .and_then(|tail| tail.windows(file.len()).position(|window| window == file.as_bytes()))
        {
            from += found + 1;
            if let Some(first) = self.memory.get_mut(from) {
                *first = b'-';
            }
        }
    }

    /// Takes an entry out of a table.
    fn forget(&mut self, entry: u32) {
        self.word(entry, 0);
    }

    /// The attribute `buffer` is served for the three streams that the build knows by address, so `sys` gets copies.
    fn hide_buffers(&mut self) {
        const VALUE: u32 = 4;
        for (entry, stream) in address::STREAM_NAMES.into_iter().zip(address::TEXT_STREAMS) {
            let copy = self.copy(stream - 4, 8);
            self.word(entry + VALUE, copy);
        }
    }
}
