//! The machine against bytes as boards send them, whole and in pieces, right and wrong.

use proptest::prelude::*;

use super::{Event, Expect, Form, Lane, Repl, Request, Span, Way, check, mark, notes::Meaning};
use crate::codec::msgpack::{Limits, WORK};

const N: u32 = 7;

fn repl() -> Repl {
    Repl::new(256, Limits::default())
}

fn call(id: u64, n: u32, way: Way) -> Request {
    Request {
        id,
        code: b"_b(3,26)".to_vec(),
        lane: Lane::Plain,
        expect: Expect::Frame(Form { n, way, verified: false }),
    }
}

fn paste(code: &[u8], window: Option<usize>) -> Request {
    let expect = Expect::Frame(Form { n: N, way: Way::Exact, verified: false });
    Request { id: 1, code: code.to_vec(), lane: Lane::RawPaste { window }, expect }
}

/// A frame with the value 42.
fn frame(n: u32) -> Vec<u8> {
    [&mark(n)[..], &[42]].concat()
}

/// A frame with a check.
fn sealed(value: &[u8]) -> Vec<u8> {
    let head = 0xff << 24 | (0xff_ffff - u32::try_from(check(N.into(), value)).unwrap());
    [&head.to_be_bytes()[..], value].concat()
}

fn events(repl: &mut Repl) -> Vec<Event> {
    std::iter::from_fn(|| repl.next_event()).collect()
}

fn sent(repl: &mut Repl) -> Vec<u8> {
    std::mem::take(repl.outgoing())
}

/// Prints joined: where they are cut says nothing.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(Event::Output(last)), Event::Output(more)) => last.extend(more),
            (_, event) => joined.push(event),
        }
    }
    joined
}

fn reply(id: u64) -> Event {
    Event::Reply { id, payload: vec![42] }
}

#[test]
fn a_plain_call_is_one_write_and_its_reply_one_event() {
    let mut repl = repl();
    repl.submit(call(1, N, Way::Exact));
    assert_eq!(sent(&mut repl), b"_b(3,26)\x04");
    repl.receive(&[b"OK".to_vec(), frame(N), b"\x04\x04>".to_vec()].concat());
    assert_eq!(events(&mut repl), [reply(1), Event::Done { id: 1 }]);
    assert!(repl.is_idle());
}

#[test]
fn prints_that_look_like_an_end_or_like_a_frame_are_prints() {
    let mut repl = repl();
    repl.submit(call(1, N, Way::Exact));
    let mut print = b"no newline\x04 and \x04Traceback of mine \x04\x04\x04>".to_vec();
    print.extend(mark(N)); // the right mark, no value
    print.extend(b"\xda\xff\xffabc");
    print.extend(mark(N + 1)); // a frame of another call
    print.push(42);
    let bytes = [b"OK".to_vec(), print.clone(), frame(N), b"\x04\x04>".to_vec()].concat();
    repl.receive(&bytes);
    let got = joined(events(&mut repl).into_iter().filter(|e| !matches!(e, Event::Suspect { .. })).collect());
    assert_eq!(got, [Event::Output(print), reply(1), Event::Done { id: 1 }]);
}

#[test]
fn a_print_that_begins_like_a_long_frame_does_not_hide_the_reply() {
    let mut repl = repl();
    repl.submit(call(1, N, Way::Exact));
    let print = [&mark(N)[..], &[0xdc, 0, 100]].concat(); // a list of 100
    repl.receive(&[b"OK".to_vec(), print.clone(), frame(N), b"\x04\x04>".to_vec()].concat());
    assert_eq!(joined(events(&mut repl)), [Event::Output(print), reply(1), Event::Done { id: 1 }]);
}

#[test]
fn prints_between_a_frame_and_the_prompt_disturb_nothing() {
    let mut repl = repl();
    repl.submit(call(1, N, Way::Exact));
    repl.receive(&[b"OK".to_vec(), frame(N), b"from a timer".to_vec(), b"\x04\x04>".to_vec()].concat());
    let doubtful = Event::Doubtful { id: 1, payload: vec![42], between: b"from a timer".to_vec() };
    assert_eq!(events(&mut repl), [Event::Suspect { id: 1 }, doubtful, Event::Done { id: 1 }]);
}

/// On a line without checks, a frame that lost a byte may begin with another whole value: what follows shows it.
#[test]
fn a_frame_that_lost_a_byte_is_never_the_answer() {
    let values: [&[u8]; 8] = [
        &[0xcd, 0x12, 0x34],
        &[0xa3, b'k', b'1', b'6'],
        &[0xcb, 0x40, 0x4a, 0x40, 0, 0, 0, 0, 0],
        &[0x93, 1, 2, 3],
        &[0xc4, 3, b'>', 4, 4],
        &[0xd1, 0xff, 0x04],
        &[0x81, 1, 0xa2, b'x', b'y'],
        &[0xc3],
    ];
    for value in values {
        let whole = [&mark(N)[..], value, b"\x04\x04>"].concat();
        for lost in 0..whole.len() {
            let mut repl = repl();
            repl.submit(call(1, N, Way::Exact));
            let came = [&whole[..lost], &whole[lost + 1..]].concat();
            // What is asked behind it when it is suspected, and answered.
            let expect = Expect::between("-9", "\n");
            repl.receive(&[b"OK", &came[..]].concat());
            repl.submit(Request { id: 2, code: b"print(~8)".to_vec(), lane: Lane::Plain, expect });
            repl.receive(b"OK-9\r\n\x04\x04>");
            let got = events(&mut repl);
            let answers: Vec<_> = got
                .iter()
                .filter(|event| matches!(event, Event::Reply { id: 1, payload } if payload != value))
                .collect();
            assert!(answers.is_empty(), "{value:x?} without byte {lost}: {got:?}");
            let ends = got.iter().filter(|event| matches!(event, Event::Ended { id: 1, .. } | Event::Done { id: 1 }));
            assert_eq!(ends.count(), 1, "{value:x?} without byte {lost}: {got:?}");
            assert!(repl.is_idle(), "{value:x?} without byte {lost}: {got:?}");
        }
    }
}

/// What is held back is bounded by its length, not by the chunks in which it comes.
#[test]
fn long_outputs_mean_the_same_in_any_chunking() {
    let far = vec![b'.'; 20_000];
    let ending = [b"OK\x04Traceback", &far[..], b"\x04>OK", &frame(N + 1), b"\x04\x04>"].concat();
    let answered = [b"OK", &frame(N)[..], b"\x04Traceback", &far, b"\x04>", &far].concat();
    let between = [b"OK", &frame(N)[..], &far, b"\x04\x04>", &far].concat();
    let text =
        [b"OK", &frame(N)[..], b"\x04\x04>OK", &frame(N + 1), b"\x04\x04>OK\x04T", &far, b"\x04>", &far].concat();
    for (what, bytes) in [("ending", ending), ("answered", answered), ("between", between), ("text", text)] {
        let (in_one, ..) = play(&bytes, &[bytes.len()], Way::Exact, false, Lane::Plain, false);
        for cut in [61, 4096] {
            assert!(
                play(&bytes, &[cut], Way::Exact, false, Lane::Plain, false).0 == in_one,
                "{what} in pieces of {cut}"
            );
        }
    }
}

#[test]
fn an_end_without_a_frame_is_believed_when_a_later_request_answers() {
    let mut repl = repl();
    repl.submit(call(1, N, Way::Exact));
    repl.receive(b"OK\x04NameError: _b\r\n\x04>");
    assert_eq!(events(&mut repl), [Event::Suspect { id: 1 }]);
    repl.submit(call(2, N + 1, Way::Exact));
    repl.receive(&[b"OK".to_vec(), frame(N + 1), b"\x04\x04>".to_vec()].concat());
    let ended = Event::Ended { id: 1, error: b"NameError: _b\r\n".to_vec() };
    assert_eq!(events(&mut repl), [ended, reply(2), Event::Done { id: 2 }]);
}

#[test]
fn a_greeting_that_is_answered_ends_what_was_sent_before_it() {
    let mut repl = repl();
    repl.submit(call(1, N, Way::Exact));
    repl.submit(call(2, N + 1, Way::Exact));
    let expect = Expect::between("-9 ", " -10");
    repl.submit(Request { id: 3, code: b"hello".to_vec(), lane: Lane::Plain, expect });
    repl.receive(b"OKprinted\x04NameError: _b\r\n\x04>OK\x04NameError: _b\r\n\x04>OK-9 - -10\r\n\x04\x04>");
    let error = || b"NameError: _b\r\n".to_vec();
    let got: Vec<Event> = events(&mut repl).into_iter().filter(|e| !matches!(e, Event::Suspect { .. })).collect();
    assert_eq!(got[0], Event::Output(b"printed".to_vec()));
    assert_eq!(got[1..3], [Event::Ended { id: 1, error: error() }, Event::Ended { id: 2, error: error() }]);
    assert_eq!(got[3], Event::Reply { id: 3, payload: b"-".to_vec() });
    assert_eq!(got.last(), Some(&Event::Done { id: 3 }));
}

#[test]
fn a_damaged_frame_is_no_reply_on_a_verified_line() {
    let form = Form { n: N, way: Way::Exact, verified: true };
    let good = [&[0xff], &(!super::check(N.into(), &[42])).to_be_bytes()[5..], &[42]].concat();
    let answer = |frame: &[u8]| {
        let mut repl = repl();
        repl.submit(Request { id: 1, code: b"f()".to_vec(), lane: Lane::Plain, expect: Expect::Frame(form) });
        repl.receive(&[b"OK", frame, b"\x04\x04>"].concat());
        events(&mut repl).into_iter().any(|event| matches!(event, Event::Reply { .. }))
    };
    assert!(answer(&good));
    for at in 0..good.len() {
        for flip in 1..=255 {
            let mut bad = good.clone();
            bad[at] ^= flip;
            assert!(!answer(&bad), "byte {at} flipped by {flip:#x}");
        }
        assert!(!answer(&[&good[..at], &good[at + 1..]].concat()), "byte {at} lost");
    }
}

#[test]
fn cooked_and_hexadecimal_frames_are_undone() {
    for way in [Way::Cooked, Way::Hex] {
        let mut repl = repl();
        repl.submit(call(1, N, way));
        let plain = [&mark(N)[..], &[0xc4, 4, b'\n', b'\r', b'\n', 4]].concat();
        let escaped: Vec<u8> = match way {
            Way::Hex => plain.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect(),
            _ => plain.iter().flat_map(|&b| if b == b'\n' { vec![b'\r', b'\n'] } else { vec![b] }).collect(),
        };
        repl.receive(&[b"OKfff".to_vec(), escaped, b"\x04\x04>".to_vec()].concat());
        let reply = Event::Reply { id: 1, payload: vec![0xc4, 4, b'\n', b'\r', b'\n', 4] };
        assert_eq!(
            joined(events(&mut repl)),
            [Event::Output(b"fff".to_vec()), reply, Event::Done { id: 1 }],
            "{way:?}"
        );
    }
}

#[test]
fn calls_behind_each_other_are_told_apart() {
    let mut repl = repl();
    for id in 1..=3 {
        assert!(repl.takes_plain(9));
        repl.submit(call(id, id as u32, Way::Exact));
    }
    for id in 1..=3 {
        repl.receive(&[b"OKx".to_vec(), frame(id), b"\x04\x04>".to_vec()].concat());
    }
    let expected: Vec<Event> =
        (1..=3).flat_map(|id| [Event::Output(b"x".to_vec()), reply(id), Event::Done { id }]).collect();
    assert_eq!(events(&mut repl), expected);
}

#[test]
fn what_is_unread_on_the_board_never_exceeds_its_buffer_less_two_bytes() {
    let mut repl = Repl::new(32, Limits::default());
    let mut unread = 0;
    let mut id = 0;
    while repl.takes_plain(9) {
        id += 1;
        repl.submit(call(id, id as u32, Way::Exact));
        unread += 9;
    }
    assert_eq!(unread, 27);
    repl.receive(b"OK");
    assert!(repl.takes_plain(9), "the first one has been read");
}

#[test]
fn a_paste_sends_what_the_credit_allows_and_keeps_two_bytes() {
    let mut repl = repl();
    repl.submit(paste(&[b'x'; 300], None));
    assert_eq!(sent(&mut repl), b"\x05A\x01");
    repl.receive(b"R\x01\x80\x00");
    assert_eq!(sent(&mut repl).len(), 126);
    repl.receive(b"\x01");
    assert_eq!(sent(&mut repl).len(), 128);
    repl.receive(b"\x01");
    assert_eq!(sent(&mut repl), [&[b'x'; 46][..], b"\x04"].concat());
    repl.receive(&[b"\x01\x04".to_vec(), frame(N), b"\x04\x04>".to_vec()].concat());
    let got = events(&mut repl);
    assert_eq!(got[0], Event::RawPaste { id: 1, window: Some(128) });
    assert_eq!(got[got.len() - 2..], [reply(1), Event::Done { id: 1 }]);
}

#[test]
fn a_paste_with_a_known_window_does_not_wait_for_the_handshake() {
    let mut repl = repl();
    repl.submit(paste(b"f()", Some(128)));
    assert_eq!(sent(&mut repl), b"\x05A\x01f()\x04");
    repl.receive(b"R\x01\x80\x00\x01\x04");
    repl.receive(&[frame(N), b"\x04\x04>".to_vec()].concat());
    let got = events(&mut repl);
    assert_eq!(got[1..], [reply(1), Event::Done { id: 1 }]);
}

#[test]
fn a_board_that_has_seen_enough_is_told_that_nothing_more_comes() {
    let mut repl = repl();
    repl.submit(paste(&[b'('; 400], None));
    repl.receive(b"R\x01\x80\x00\x01");
    sent(&mut repl);
    repl.receive(b"\x04");
    assert_eq!(sent(&mut repl), b"\x04");
    repl.receive(b"\x04SyntaxError: invalid syntax\r\n\x04>");
    assert_eq!(events(&mut repl).last(), Some(&Event::Suspect { id: 1 }));
}

#[test]
fn boards_without_raw_paste_say_so_in_two_ways() {
    for answer in [&b"R\x00>"[..], b"raw REPL; CTRL-B to exit\r\n>", b"raw REPL; CTRL-B to exit\r\r\n>"] {
        let mut repl = repl();
        repl.submit(paste(b"f()", None));
        repl.receive(answer);
        assert_eq!(events(&mut repl), [Event::RawPaste { id: 1, window: None }]);
        assert!(repl.is_idle());
    }
}

#[test]
fn an_echo_betrays_the_friendly_repl() {
    let mut repl = repl();
    repl.submit(call(1, N, Way::Exact));
    repl.submit(question());
    repl.receive(b"_b(3,26)");
    assert_eq!(events(&mut repl).first(), Some(&Event::Echo { id: 1 }));
    repl.receive(b"\r\n-9\r\n>>> ");
    let got = events(&mut repl);
    assert!(got.contains(&Event::NotRun { id: 1 }) && got.contains(&Event::Done { id: 2 }), "{got:?}");
}

#[test]
fn what_looks_like_an_echo_and_is_printed_proves_nothing() {
    for text in [&b"_b(3,26)\r\n"[..], b">>> temp 21\r\n"] {
        let mut repl = repl();
        repl.submit(call(1, N, Way::Exact));
        repl.receive(text);
        assert!(events(&mut repl).contains(&Event::Echo { id: 1 }));
        repl.submit(question());
        repl.receive(&[b"OK".to_vec(), frame(N), b"\x04\x04>OK-9\r\n\x04\x04>".to_vec()].concat());
        let got = joined(events(&mut repl));
        assert!(got.contains(&reply(1)) && !got.contains(&Event::NotRun { id: 1 }), "{got:?}");
        assert_eq!(got.last(), Some(&Event::Done { id: 2 }));
    }
}

/// What a board is asked behind a request.
fn question() -> Request {
    let expect = Expect::between("-9", "\n");
    Request { id: 2, code: b"\rprint(~8)\r#".to_vec(), lane: Lane::Plain, expect }
}

#[test]
fn a_banner_that_comes_twice_is_not_print_output() {
    let mut repl = repl();
    repl.sync();
    repl.receive(b"\r\nraw REPL; CTRL-B to exit\r\n>");
    repl.submit(call(1, N, Way::Exact));
    repl.receive(&[b"raw REPL; CTRL-B to exit\r\n>OK".to_vec(), frame(N), b"\x04\x04>".to_vec()].concat());
    let got = events(&mut repl);
    assert_eq!(got, [Event::Output(b"\r\n".to_vec()), Event::Banner, reply(1), Event::Done { id: 1 }]);
}

/// Whatever a reply is made of, and in however many pieces it comes, each byte of it is looked at once.
#[test]
fn a_long_reply_in_small_pieces_costs_what_it_is_long() {
    const ITEMS: u16 = 20_000;
    let mut value = [&[0xdc][..], &ITEMS.to_be_bytes()].concat();
    for i in 0..ITEMS {
        value.extend(if i % 2 == 0 { &[7][..] } else { b"\xa3a\nb" });
    }
    for (way, verified) in [(Way::Exact, false), (Way::Cooked, false), (Way::Hex, false), (Way::Exact, true)] {
        let mut repl = repl();
        let expect = Expect::Frame(Form { n: N, way, verified });
        repl.submit(Request { id: 1, code: b"f()".to_vec(), lane: Lane::Plain, expect });
        let head = match verified {
            true => (0xff << 24 | (0xff_ffff - u32::try_from(check(N.into(), &value)).unwrap())).to_be_bytes().to_vec(),
            false => mark(N).to_vec(),
        };
        let frame = [head, value.clone()].concat();
        let frame: Vec<u8> = match way {
            Way::Exact => frame,
            Way::Cooked => frame.iter().flat_map(|&b| if b == b'\n' { vec![b'\r', b'\n'] } else { vec![b] }).collect(),
            Way::Hex => frame.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect(),
        };
        let bytes = [&b"OK"[..], &frame, b"\x04\x04>"].concat();
        let before = WORK.get();
        // A piece of eight bytes, as small as lines make them.
        let pieces = bytes.chunks(8);
        let most = 2 * bytes.len() + usize::from(ITEMS) + 4 * pieces.len();
        pieces.for_each(|piece| repl.receive(piece));
        let work = WORK.get() - before;
        assert!(work > usize::from(ITEMS) && work <= most, "{work} steps for {} bytes, {way:?}", bytes.len());
        assert_eq!(events(&mut repl), [Event::Reply { id: 1, payload: value.clone() }, Event::Done { id: 1 }]);
    }
}

/// Output that is full of what the machine looks for costs what it is long, however the program came by it.
#[test]
fn hostile_output_costs_what_it_is_long() {
    // More than is held back in most states, so that looking at all of that for each byte would show.
    const LEN: usize = 1 << 15;
    let repeat = |text: &[u8]| text.iter().copied().cycle().take(LEN).collect::<Vec<u8>>();
    let bin = |data: &[u8]| [&[0xc6][..], &u32::try_from(data.len()).unwrap().to_be_bytes(), data].concat();
    let text = |id, code: &[u8]| {
        let expect = Expect::between("-9 ", " -10");
        Request { id, code: code.to_vec(), lane: Lane::Plain, expect }
    };
    let hostile: [&[u8]; 8] = [
        b"\xff",
        b"\x04",
        b"\xff\x04\x04>",
        b"\x04\x04>",
        b"\x04T",
        b">>> ",
        b"raw REPL; CTRL-B to exit\r\n>",
        &[&b"\xff\x00\x00\x00\xdc\xff\xff\x04T"[..], &[7; 200]].concat(),
    ];
    for unit in hostile {
        let data = repeat(unit);
        for (way, verified) in
            [(Way::Exact, true), (Way::Exact, false), (Way::Cooked, true), (Way::Hex, true), (Way::Hex, false)]
        {
            // As a value with a wrong check or mark, with a right one, as a print without and behind a printed end, between
            // an answer and its prompt, and behind the answer.
            let mut value = bin(&data);
            let head = |value: &[u8]| if verified { sealed(value)[..4].to_vec() } else { mark(N).to_vec() };
            let frame = |head: &[u8], value: &[u8]| -> Vec<u8> {
                let frame = [head, value].concat();
                match way {
                    Way::Hex => frame.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect(),
                    Way::Cooked => {
                        frame.iter().flat_map(|&b| if b == b'\n' { vec![b'\r', b'\n'] } else { vec![b] }).collect()
                    }
                    Way::Exact => frame,
                }
            };
            let right = head(&value);
            let whole = frame(&right, &value);
            value[LEN / 2] ^= 1;
            let damaged = frame(&right, &value);
            let small = frame(&head(&[42]), &[42]);
            let outputs = [
                [&b"OK"[..], &whole, b"\x04\x04>"].concat(),
                [&b"OK"[..], &damaged, b"\x04\x04>"].concat(),
                [&b"OK"[..], &data].concat(),
                [&b"OK\x04T"[..], &data].concat(),
                [&b"OK"[..], &small, &data].concat(),
                [&b"OK"[..], &small, b"\x04T", &data].concat(),
                data.clone(),
            ];
            for (place, bytes) in outputs.iter().enumerate() {
                for chunk in [4096, bytes.len()] {
                    let mut repl = repl();
                    let expect = Expect::Frame(Form { n: N, way, verified });
                    let first = Request { id: 1, code: b"f()".to_vec(), lane: Lane::Plain, expect: expect.clone() };
                    if place < 6 {
                        repl.submit(first);
                        if !verified {
                            repl.submit(call(2, N + 1, way));
                        }
                        repl.submit(text(3, b"hello"));
                    } else if chunk == 4096 {
                        repl.submit(text(3, b"hello"));
                    }
                    let before = WORK.get();
                    bytes.chunks(chunk).for_each(|piece| repl.receive(piece));
                    let work = WORK.get() - before;
                    let what = format!("{unit:x?} {way:?} verified {verified}, place {place} in pieces of {chunk}");
                    assert!(work < 300 * bytes.len(), "{} steps a byte: {what}", work / bytes.len());
                    if place == 0 {
                        let answered =
                            events(&mut repl).iter().any(|event| matches!(event, Event::Reply { id: 1, .. }));
                        assert!(answered, "{what}");
                    }
                }
            }
        }
    }
}

/// A question's number that nothing follows is a print after a while, and what comes behind it is not held back.
#[test]
fn a_question_that_is_half_answered_holds_nothing_back_for_ever() {
    let bytes = [
        &b"OK-9 "[..],
        &[b'.'; 1 << 20],
        &frame(N),
        b"\x04\x04>OK",
        &frame(N + 1),
        b"\x04\x04>OK-9 x -10\r\n\x04\x04>",
    ]
    .concat();
    let (in_one, ..) = play(&bytes, &[bytes.len()], Way::Exact, false, Lane::Plain, false);
    assert!(in_one.contains(&reply(1)) && in_one.contains(&reply(2)), "{:?}", in_one.last());
    for cut in [61, 4096] {
        assert!(play(&bytes, &[cut], Way::Exact, false, Lane::Plain, false).0 == in_one, "in pieces of {cut}");
    }
    let mut repl = repl();
    repl.submit(call(1, N, Way::Exact));
    let expect = Expect::between("-9", "\n");
    repl.submit(Request { id: 2, code: b"print(~8)".to_vec(), lane: Lane::Plain, expect });
    repl.receive(b"OK-9");
    for _ in 0..1000 {
        repl.receive(&[b'.'; 1000]);
        assert!(repl.held() <= 70_000, "{}", repl.held());
        events(&mut repl);
    }
}

/// Pieces of what boards send, right and wrong.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"OK".to_vec()),
        Just(b"\x04\x04>".to_vec()),
        Just(b"\x04".to_vec()),
        Just(b"\x01".to_vec()),
        Just(b"R\x01\x80\x00\x01".to_vec()),
        Just(b"R\x00".to_vec()),
        Just(b"raw REPL; CTRL-B to exit\r\n>".to_vec()),
        Just(b"raw REPL; CTRL-B to exit\r\r\n>".to_vec()),
        Just(b"\x04Traceback (most recent call last):\r\nValueError: x\r\n\x04>".to_vec()),
        (0u32..4).prop_map(|i| frame(N + i)),
        (0u32..4).prop_map(|i| mark(N + i).to_vec()),
        Just(b">>> ".to_vec()),
        Just(b"_b(".to_vec()),
        Just(b"\x04>".to_vec()),
        Just([&mark(N)[..], &[0xa5]].concat()),
        Just(sealed(&[42])),
        Just(sealed(&[0xa2, 0xff, 0x04])),
        Just(sealed(&[0xc4, 5, 0xff, 4, 4, b'>', 0xff])),
        Just(vec![0xff, 0, 0, 0, 0xdc, 0, 40]),
        Just([0xff, 0, 0, 0, 0xc4, 60].repeat(20)),
        Just(b"-9 0 0 record 77 [] -10\r\n".to_vec()),
        Just(b"-9 ".to_vec()),
        Just(b"-7 x -8".to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ]
}

/// A session of several requests over `bytes`, cut into pieces of the given lengths: what happened, what the bytes were
/// taken for, how many are held back.
fn play(
    bytes: &[u8],
    cuts: &[usize],
    way: Way,
    verified: bool,
    lane: Lane,
    sync: bool,
) -> (Vec<Event>, Vec<Span>, usize) {
    let mut repl = repl();
    repl.keep_notes();
    if sync {
        repl.sync();
    }
    let code = vec![b'x'; 20];
    repl.submit(Request { id: 1, code, lane, expect: Expect::Frame(Form { n: N, way, verified }) });
    if lane == Lane::Plain {
        // With checks, one call is under way at a time.
        if !verified {
            repl.submit(call(2, N + 1, way));
        }
        let expect = Expect::between("-9 ", " -10");
        repl.submit(Request { id: 3, code: b"hello".to_vec(), lane, expect });
        let expect = Expect::between("-7 ", " -8");
        repl.submit(Request { id: 4, code: b"again".to_vec(), lane, expect });
    }
    let (mut got, mut spans) = (Vec::new(), Vec::<Span>::new());
    let mut rest = bytes;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let n = cuts.next().map_or(rest.len(), |&n| n.clamp(1, rest.len()));
        repl.receive(&rest[..n]);
        rest = &rest[n..];
        got.extend(events(&mut repl));
        for span in repl.take_spans() {
            match spans.last_mut() {
                Some(last) if last.meaning == span.meaning => last.bytes += span.bytes,
                _ => spans.push(span),
            }
        }
        let queued = repl.outgoing().len();
        // Not all at once: a line takes what it takes.
        for part in [queued / 2, queued - queued / 2] {
            let spans = repl.wrote(part);
            assert_eq!(spans.iter().map(|span| span.bytes).sum::<usize>(), part);
            assert!(spans.iter().all(|span| span.meaning != Meaning::End || span.bytes == 1));
        }
    }
    (joined(got), spans, repl.held())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Any bytes, valid or not, mean the same in any chunking, and no more than a bound is held back.
    #[test]
    fn chunking_changes_nothing(
        pieces in prop::collection::vec(piece(), 0..24),
        cuts in prop::collection::vec(1usize..40, 1..12),
        way in prop_oneof![Just(Way::Exact), Just(Way::Cooked), Just(Way::Hex)],
        lane in prop_oneof![Just(Lane::Plain), Just(Lane::RawPaste { window: None }), Just(Lane::RawPaste { window: Some(128) })],
        verified: bool,
        sync: bool,
    ) {
        let bytes = pieces.concat();
        let (byte_by_byte, meant, _) = play(&bytes, &[1], way, verified, lane, sync);
        let (in_pieces, spans, held) = play(&bytes, &cuts, way, verified, lane, sync);
        prop_assert_eq!(&byte_by_byte, &in_pieces);
        prop_assert_eq!(meant, &spans[..]);
        // Every byte has been taken for one thing, and prints are what was printed.
        let (mut at, mut printed) = (0, Vec::new());
        for Span { meaning, bytes: n } in spans {
            if meaning == Meaning::Output {
                printed.extend_from_slice(&bytes[at..at + n]);
            }
            at += n;
        }
        prop_assert_eq!(at + held, bytes.len());
        let output = in_pieces.iter().filter_map(|event| if let Event::Output(text) = event { Some(&text[..]) } else { None });
        prop_assert_eq!(printed, output.collect::<Vec<_>>().concat());
    }
}

#[test]
fn a_board_that_is_reset_between_an_answer_and_its_prompt_is_noticed() {
    let mut repl = repl();
    repl.submit(call(1, N, Way::Exact));
    repl.submit(call(2, N + 1, Way::Exact));
    repl.receive(&[b"OK".to_vec(), frame(N), b"MicroPython v1.27.0\r\n>>> ".to_vec()].concat());
    let got = joined(events(&mut repl));
    assert!(got.contains(&Event::Done { id: 1 }) && got.contains(&Event::Echo { id: 2 }), "{got:?}");
}

#[test]
fn a_question_behind_one_that_was_given_up_is_answered() {
    let text = |id: u64| Request {
        id,
        code: b"print()".to_vec(),
        lane: Lane::Plain,
        expect: Expect::between(format!("-{id} "), " ."),
    };
    let mut repl = repl();
    repl.submit(text(1));
    repl.submit(text(2));
    repl.receive(b"OK\x04\x04>OK-2 x .\r\n\x04\x04>");
    let got = events(&mut repl);
    assert!(got.contains(&Event::Reply { id: 2, payload: b"x".to_vec() }), "{got:?}");
    assert_eq!(got.last(), Some(&Event::Done { id: 2 }));
    assert!(repl.is_idle());
}

/// What happens on a verified line, whether the bytes come in one piece or one by one.
fn in_any_chunking(bytes: &[u8]) -> Vec<Event> {
    let (in_one, ..) = play(bytes, &[bytes.len()], Way::Exact, true, Lane::Plain, false);
    let (byte_by_byte, ..) = play(bytes, &[1], Way::Exact, true, Lane::Plain, false);
    assert_eq!(byte_by_byte, in_one);
    in_one
}

#[test]
fn a_question_is_answered_without_its_ok_in_any_chunking() {
    let mut bytes = [b"OK".to_vec(), sealed(&[42])].concat();
    bytes.extend_from_slice(b"\x04Traceback (most recent call last):\r\nValueError: x\r\n\x04>-9 x -10\r\n\x04\x04>");
    let got = in_any_chunking(&bytes);
    assert!(got.contains(&Event::Reply { id: 3, payload: b"x".to_vec() }), "{got:?}");
}

#[test]
fn a_reply_inside_of_what_only_looked_like_one_is_found_in_any_chunking() {
    // The print opens a list of 40 values. The reply and its prompt are among the first of them; only the last tells
    // that the check is wrong.
    let list = [0xff, 0, 0, 0, 0xdc, 0, 40];
    let bytes = [&b"OK"[..], &list, &sealed(&[42]), b"x", &sealed(&[43]), b"\x04\x04>", &[7; 40]].concat();
    let got = in_any_chunking(&bytes);
    assert!(got.contains(&Event::Reply { id: 1, payload: vec![43] }), "{got:?}");
}

#[test]
fn a_question_that_is_half_answered_does_not_hide_the_next_one_in_any_chunking() {
    let first = [&b"OK"[..], &sealed(&[42]), b"\x04\x04>"].concat();
    let got = in_any_chunking(&[&first, &b"OK-9 half\x04\x04>OK-7 x -8\r\n\x04\x04>"[..]].concat());
    assert!(got.contains(&Event::Ended { id: 3, error: Vec::new() }), "{got:?}");
    assert!(got.contains(&Event::Reply { id: 4, payload: b"x".to_vec() }), "{got:?}");
}

#[test]
fn what_is_printed_after_a_question_has_ended_is_no_answer_in_any_chunking() {
    let first = [&b"OK"[..], &sealed(&[42]), b"\x04\x04>"].concat();
    let got = in_any_chunking(&[&first, &b"OK\x04MemoryError: \r\n\x04>-9 x -10OK-7 y -8\r\n\x04\x04>"[..]].concat());
    assert!(got.contains(&Event::Output(b"-9 x -10".to_vec())), "{got:?}");
    assert!(got.contains(&Event::Reply { id: 4, payload: b"y".to_vec() }), "{got:?}");
}
