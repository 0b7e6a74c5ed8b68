//! What names must exist on a board before any text was sent to it, and what to suggest for one that does not.

/// Python's builtins, whether or not every board has them: what a board lacks it says itself. Then what only
/// MicroPython knows without an import: `const`, and the types of viper code.
const BUILTINS: &str = "\
    ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError BrokenPipeError \
    BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError \
    ConnectionResetError DeprecationWarning EOFError Ellipsis EncodingWarning EnvironmentError Exception \
    ExceptionGroup False FileExistsError FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError \
    ImportError ImportWarning IndentationError IndexError InterruptedError IsADirectoryError KeyError \
    KeyboardInterrupt LookupError MemoryError ModuleNotFoundError NameError None NotADirectoryError NotImplemented \
    NotImplementedError OSError OverflowError PendingDeprecationWarning PermissionError ProcessLookupError \
    RecursionError ReferenceError ReloadException ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration \
    StopIteration SyntaxError SyntaxWarning SystemError SystemExit TabError TimeoutError True TypeError \
    UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError UnicodeWarning \
    UserWarning ValueError ViperTypeError Warning WindowsError ZeroDivisionError abs aiter all anext any ascii bin \
    bool breakpoint bytearray bytes callable chr classmethod compile complex const copyright credits delattr dict \
    dir divmod enumerate eval exec execfile exit filter float format frozenset getattr globals hasattr hash help hex \
    id input int isinstance issubclass iter len license list locals map max memoryview min next object \
    oct open ord pow print property ptr ptr16 ptr32 ptr8 quit range repr reversed round set setattr slice sorted \
    staticmethod str sum super tuple type uint vars zip";

/// Modules that boards have, for suggestions.
const MODULES: &str = "\
    _thread adafruit_bus_device aesio aioble alarm analogio array asyncio audiobusio audiocore binascii bitbangio \
    bluetooth board btree builtins busio camera canio cmath collections countio cryptolib deflate dht digitalio \
    displayio ds18x20 errno esp esp32 espnow framebuf gc gzip hashlib heapq io json keypad lcd160cr machine math \
    microbit microcontroller micropython mip neopixel network ntptime nvm onewire openamp os platform pulseio pwmio pyb random \
    re requests rotaryio rp2 rtc select socket ssl stm storage struct supervisor sys time tls touchio ubinascii \
    ucollections uctypes uerrno uhashlib uheapq uio ujson uos urandom ure uselect usocket ussl ustruct usys utime \
    uzlib vfs watchdog wifi zephyr zlib";

/// Names that people use as if they were there, and the module that has them.
const MEMBERS: &[(&str, &str)] = &[
    ("machine", "ADC I2C I2S PWM Pin RTC SPI Signal SoftI2C SoftSPI Timer UART WDT"),
    ("time", "sleep sleep_ms sleep_us ticks_add ticks_diff ticks_ms ticks_us"),
    ("math", "ceil cos floor log pi sin sqrt tan"),
    ("collections", "OrderedDict deque namedtuple"),
    ("neopixel", "NeoPixel"),
    ("framebuf", "FrameBuffer"),
    ("struct", "pack pack_into unpack unpack_from"),
    ("random", "choice randint randrange"),
];

/// Whether a name is there without anybody defining it.
pub(crate) fn is_builtin(name: &str) -> bool {
    // `__name__`, `__file__` and their like differ from board to board.
    (name.starts_with("__") && name.ends_with("__")) || has(BUILTINS, name)
}

fn has(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|other| other == word)
}

/// The import that would define a name.
pub(crate) fn import_of(name: &str) -> Option<String> {
    if has(MODULES, name) {
        return Some(format!("import {name}"));
    }
    let (module, _) = MEMBERS.iter().find(|(_, members)| has(members, name))?;
    Some(format!("from {module} import {name}"))
}

/// The name that was probably meant: of those given and the builtins, the nearest. Of equally near ones the user's own
/// wins, then the one with the same capital letters.
pub(crate) fn similar<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match name.chars().count() {
        0..=2 => return None,
        3..=5 => 1,
        _ => 2,
    };
    let small = name.to_lowercase();
    let builtins = BUILTINS.split_whitespace().map(|other| (1, other));
    known
        .map(|other| (0, other))
        .chain(builtins)
        .map(|(builtin, other)| (distance(&small, &other.to_lowercase()), builtin, distance(name, other), other))
        .filter(|&(distance, ..)| distance <= limit)
        .min()
        .map(|(.., other)| other)
}

/// How many insertions, deletions, replacements or swaps of neighbours lead from one word to the other.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&above, j) + usize::from(a != b)).min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && left.get(i - 1) == Some(b) && right.get(j - 1) == Some(a);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let known = ["ADC", "adc", "volts", "Pin"];
        for (name, expected) in [
            ("volst", Some("volts")),
            ("vlots", Some("volts")),
            ("acd", Some("adc")),
            ("ACD", Some("ADC")),
            ("pin", Some("Pin")),
            ("pritn", Some("print")),
            ("ValeError", Some("ValueError")),
            ("x", None),
            ("temperature", None),
        ] {
            assert_eq!(similar(name, known.into_iter()), expected, "{name}");
        }
    }

    #[test]
    fn a_known_name_has_an_import() {
        assert_eq!(import_of("machine").as_deref(), Some("import machine"));
        assert_eq!(import_of("Pin").as_deref(), Some("from machine import Pin"));
        assert_eq!(import_of("spam"), None);
    }

    #[test]
    fn the_tables_hold_no_name_twice() {
        for table in [BUILTINS, MODULES] {
            let words: Vec<&str> = table.split_whitespace().collect();
            let unique: std::collections::HashSet<_> = words.iter().collect();
            assert_eq!(unique.len(), words.len());
        }
    }
}
