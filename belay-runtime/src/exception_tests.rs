use proptest::prelude::*;

use super::*;
use crate::task::{Kind, Origin, Scope};

fn read(text: &str) -> Exception {
    Exception::from_traceback(text.as_bytes()).unwrap()
}

fn frames(exception: &Exception) -> Vec<(&str, u32, Option<&str>)> {
    exception.frames.iter().map(|f| (f.file.as_str(), f.line, f.function.as_deref())).collect()
}

#[test]
fn every_form_that_boards_print_is_read() {
    for (text, kind, message, errno, count) in [
        // 1.27, by `sys.print_exception` and by the REPL.
        (
            "Traceback (most recent call last):\r\n  File \"<stdin>\", line 1, in <module>\r\nValueError: x\r\n",
            "ValueError",
            "x",
            None,
            1,
        ),
        (
            "Traceback (most recent call last):\r\n  File \"<stdin>\", line 1, in <module>\r\n  \
             File \"read_temp\", line 3, in read_temp\r\nOSError: [Errno 19] ENODEV\r\n",
            "OSError",
            "[Errno 19] ENODEV",
            Some(19),
            2,
        ),
        (
            "Traceback (most recent call last):\r\n  File \"<stdin>\", line 1\r\nSyntaxError: invalid syntax\r\n",
            "SyntaxError",
            "invalid syntax",
            None,
            1,
        ),
        (
            "Traceback (most recent call last):\r\n  File \"<stdin>\", line 1, in <module>\r\nKeyboardInterrupt: \r\n",
            "KeyboardInterrupt",
            "",
            None,
            1,
        ),
        // 1.9.2.
        (
            "Traceback (most recent call last):\r\n  File \"<string>\", line 2, in f\r\nOSError: 2\r\n",
            "OSError",
            "2",
            Some(2),
            1,
        ),
        ("OSError: (5, 'bus')\r\n", "OSError", "(5, 'bus')", Some(5), 0),
        ("MemoryError: \r\n", "MemoryError", "", None, 0),
        ("MemoryError\n", "MemoryError", "", None, 0),
        // CircuitPython.
        (
            "Traceback (most recent call last):\r\n  File \"<stdin>\", line 2, in <module>\r\nKeyError: a\r\n\r\n\
             During handling of the above exception, another exception occurred:\r\n\r\n\
             Traceback (most recent call last):\r\n  File \"<stdin>\", line 4, in <module>\r\nValueError: b\r\n",
            "ValueError",
            "b",
            None,
            1,
        ),
        // Messages that look like something else.
        (
            "Traceback (most recent call last):\n  File \"a\", line 1, in f\nE: one\n\n  File \"b\", line 2, in g\nlast\n",
            "E",
            "one\n\n  File \"b\", line 2, in g\nlast",
            None,
            1,
        ),
        (
            "Traceback (most recent call last):\n  File \"a\", line 1, in f\nÄrger: é\u{fffd}\n",
            "Ärger",
            "é\u{fffd}",
            None,
            1,
        ),
        ("m.Own: Traceback: x", "m.Own", "Traceback: x", None, 0),
        ("garbage, and more: of it", "Exception", "garbage, and more: of it", None, 0),
        ("Traceback (most recent call last):\n", "Exception", "Traceback (most recent call last):", None, 0),
    ] {
        let exception = read(text);
        assert_eq!(exception.kind, kind, "{text}");
        assert_eq!(exception.message, message, "{text}");
        assert_eq!(exception.errno, errno, "{text}");
        assert_eq!(exception.frames.len(), count, "{text}");
        assert_eq!(exception.traceback, text.replace("\r\n", "\n"));
    }
    assert_eq!(Exception::from_traceback(b""), None);
    assert_eq!(Exception::from_traceback(b"\r\n"), None);
}

#[test]
fn frames_tell_file_line_and_function() {
    let text = "Traceback (most recent call last):\n  File \"<stdin>\", line 12, in <module>\n  File \"a \"b\".py\"\n  \
                File \"c\", line 99999999999999, in \nX\n";
    let exception = read(text);
    assert_eq!(frames(&exception), [("<stdin>", 12, Some("<module>")), ("a \"b\".py", 0, None), ("c", 0, None)]);
    assert_eq!(exception.kind, "X");
}

/// `[kind, message, errno, traceback]` in extension 2, as the agent writes it.
fn reply(fields: impl serde::Serialize) -> Vec<u8> {
    let body = rmp_serde::to_vec(&fields).unwrap();
    let mut payload = vec![0xc8];
    payload.extend_from_slice(&(body.len() as u16).to_be_bytes());
    payload.push(2);
    payload.extend_from_slice(&body);
    payload
}

#[test]
fn the_frames_of_the_agent_are_read() {
    let text = "Traceback (most recent call last):\r\n  File \"<stdin>\", line 9, in b\r\nOSError: [Errno 5] EIO\r\n";
    let exception = Exception::from_reply(&reply(("OSError", "[Errno 5] EIO", 5, text))).unwrap();
    assert_eq!(exception, read(text));
    let exception = Exception::from_reply(&reply(("Own", "", None::<i32>, None::<&str>))).unwrap();
    assert_eq!((exception.kind(), exception.message(), exception.errno()), ("Own", "", None));
    assert_eq!(exception.to_string(), "Own");
    // Errors may be numbers no errno has.
    let exception = Exception::from_reply(&reply(("OSError", "", i64::MAX, None::<&str>))).unwrap();
    assert_eq!(exception.errno(), None);
    // Without memory for more.
    let exception = Exception::from_reply(&[0xc7, 0, 2]).unwrap();
    assert!(exception.message().contains("memory"), "{exception}");
    for value in [&[0xc0][..], &[0xc7, 1, b'b', 2], &[0xc7, 9, 2], &[0xc7], &[]] {
        assert_eq!(Exception::from_reply(value), None, "{value:02x?}");
    }
}

static SCOPE: Scope = Scope { key: "tests", place: || "tests", setups: &[], tasks: &[], teardowns: &[] };
static TASK: Task = Task {
    name: "read_temp",
    kind: Kind::Task,
    params: &[],
    source: "def read_temp():\n x=1\n def inner ():\n  return x/0\n return inner()",
    hash: 0,
    timeout: None,
    idempotent: false,
    origin: Origin {
        file: "src/sensors.rs",
        lines: &[0, 41, 43, 44, 46],
        text: &[
            "def read_temp():",
            "        x = 1",
            "        def inner ():",
            "            return x / 0",
            "        return inner()",
        ],
    },
    scope: &SCOPE,
};

#[test]
fn lines_of_a_task_are_lines_of_the_rust_file() {
    let mut exception = read(
        "Traceback (most recent call last):\n  File \"<stdin>\", line 30, in b\n  File \"read_temp\", line 5, in read_temp\n  \
         File \"read_temp\", line 4, in inner\n  File \"other\", line 4, in other\nZeroDivisionError: divide by zero\n",
    );
    exception.locate(&TASK);
    assert_eq!(
        exception.to_string(),
        "Traceback (most recent call last):\n  File \"src/sensors.rs\", line 46, in read_temp\n    return inner()\n  \
         File \"src/sensors.rs\", line 44, in inner\n    return x / 0\n  File \"other\", line 4, in other\n\
         ZeroDivisionError: divide by zero"
    );
    let source = exception.frames()[2].source.unwrap();
    assert_eq!((source.file, source.line, source.text), ("src/sensors.rs", 44, "            return x / 0"));
}

#[test]
fn old_boards_name_no_file_but_the_function() {
    let mut exception = read(
        "Traceback (most recent call last):\n  File \"<string>\", line 5, in read_temp\n  File \"<string>\", line 4, in inner\n  \
         File \"<string>\", line 4, in helper\n  File \"<string>\", line 1, in read_temp\n  File \"<string>\", line 9, in inner\nE: \n",
    );
    exception.locate(&TASK);
    let lines: Vec<_> = exception.frames.iter().map(|frame| frame.source.map(|source| source.line)).collect();
    // A helper of a setup is not this task's; line 1 is the `def`, which the user did not write; line 9 is no line.
    assert_eq!(lines, [Some(46), Some(44), None, None, None]);
}

#[test]
fn only_the_end_of_an_endless_text_is_kept() {
    let mut text = "x".repeat(1 << 20);
    text.push_str("\nTraceback (most recent call last):\n  File \"a\", line 1, in f\nE: m\n");
    let exception = read(&text);
    assert_eq!((exception.kind(), exception.message()), ("E", "m"));
    assert!(exception.traceback().len() <= LONGEST);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0..300_usize) {
        let _ = Exception::from_traceback(&bytes);
        let mut framed = reply(("ValueError", "é", 5, "Traceback (most recent call last):\n  File \"a\", line 1\nE"));
        for (to, from) in framed.iter_mut().skip(cut).zip(&bytes) {
            *to = *from;
        }
        if let Some(mut exception) = Exception::from_reply(&framed) {
            exception.locate(&TASK);
            let _ = exception.to_string();
        }
    }

    #[test]
    fn what_is_printed_is_what_is_read(
        kind in "[A-Z][A-Za-z_]{0,12}",
        message in "[^\r\n ]([^\r]{0,40}[^\r\n ])?",
        lines in prop::collection::vec(("[a-z<>./ ]{1,12}", 1..999_u32, "[a-z_<>]{1,8}"), 0..5),
    ) {
        prop_assume!(!CHAINS.iter().any(|chain| message.contains(chain)));
        let mut text = format!("{HEADER}\r\n");
        for (file, line, function) in &lines {
            text.push_str(&format!("  File \"{file}\", line {line}, in {function}\r\n"));
        }
        text.push_str(&format!("{kind}: {message}\r\n"));
        let exception = read(&text);
        prop_assert_eq!(exception.kind(), &kind);
        prop_assert_eq!(exception.message(), &message);
        let expected: Vec<_> = lines.iter().map(|(file, line, name)| (file.as_str(), *line, Some(name.as_str()))).collect();
        prop_assert_eq!(frames(&exception), expected);
    }
}
