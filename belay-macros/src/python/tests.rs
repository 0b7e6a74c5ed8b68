//! What is said about Python that is wrong, and that nothing is said about Python that is right.

#![cfg(feature = "syntax")]

use proc_macro2::{TokenStream, TokenTree};

/// The messages of an expansion.
fn errors(expanded: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut compile_error = false;
    for token in expanded {
        match token {
            TokenTree::Ident(ident) => compile_error |= ident == "compile_error",
            TokenTree::Group(group) if std::mem::take(&mut compile_error) => {
                let text: syn::LitStr = syn::parse2(group.stream()).unwrap();
                found.push(text.value());
            }
            _ => {}
        }
    }
    found
}

fn device(item: &str) -> Vec<String> {
    errors(crate::expand_device(TokenStream::new(), item.parse().unwrap_or_else(|error| panic!("{error}: {item}"))))
}

/// A task with two parameters in a trait with a setup.
fn task(python: &str) -> Vec<String> {
    task_with("from machine import ADC, Pin\nimport time\nadc = ADC(4)\nclass Led: pass", "-> Result<u8>", python)
}

fn task_with(setup: &str, output: &str, python: &str) -> Vec<String> {
    device(&format!(
        "trait T {{ #[setup] async fn open(&self) -> Result<()> {{ {setup:?} }}
         #[task] async fn read(&self, count: u8, period: u8) {output} {{ {python:?} }} }}"
    ))
}

/// A stream in a trait without a setup.
fn stream(python: &str) -> Vec<String> {
    device(&format!(
        "trait T {{ #[task] fn read(&self, count: u8) -> impl Stream<Item = Result<u8>> {{ {python:?} }} }}"
    ))
}

fn thread(python: &str) -> Vec<String> {
    device(&format!("trait T {{ #[thread] async fn blink(&self, count: u8) -> Result<Thread> {{ {python:?} }} }}"))
}

/// A setup with a parameter, a task and a teardown.
fn whole(setup: &str, task: &str, teardown: &str) -> Vec<String> {
    device(&format!(
        "trait T {{ #[setup] async fn prepare(&self, pin: u8) -> Result<()> {{ {setup:?} }}
         #[task] async fn read(&self) -> Result<u8> {{ {task:?} }}
         #[teardown] async fn off(&self) -> Result<()> {{ {teardown:?} }} }}"
    ))
}

fn alone(python: &str) -> Vec<String> {
    let item = format!("async fn read(device: &Device, count: u8) -> Result<u8> {{ {python:?} }}");
    errors(crate::expand_alone(crate::model::Kind::Task, TokenStream::new(), item.parse().unwrap()))
}

fn setup(python: &str) -> Vec<String> {
    device(&format!("trait T {{ #[setup] async fn open(&self) -> Result<()> {{ {python:?} }} }}"))
}

/// Exactly one message, which contains a text.
#[track_caller]
fn one(errors: Vec<String>, expected: &str) {
    assert_eq!(errors.len(), 1, "{expected}: {errors:#?}");
    assert!(errors[0].contains(expected), "{expected}: {}", errors[0]);
}

#[test]
fn right_code_has_no_errors() {
    for python in [
        "return count",
        "time.sleep_ms(period)\nreturn [adc.read_u16() for _ in range(count)]",
        "def inner(a, *b, c=count, **d):\n    nonlocal period\n    period = a\n    return lambda x, y=b: x + y + c\nreturn inner(1)",
        "global state\nstate = 1\nreturn state",
        "global later\nreturn later",
        "try:\n    import os\nexcept ImportError as error:\n    print(error)\n    os = None\nreturn os",
        "with (open('x')) as f: pass\nwith (count): pass\nwith open('x') as f, open('y') as g:\n    return f.read() + g.read()",
        "class A:\n    x = 1\n    y = [x for _ in range(3)]\n    def f(self): return self.x\nreturn A().f()",
        "for i, (a, *b) in enumerate(count):\n    print(i, a, b)\nelse:\n    i = 0\nreturn i",
        "if (n := count) > 3: return n\nreturn [y := 1, y]",
        "return [last := x for x in range(3)][0] + last",
        "return {k: v for k, v in zip('ab', range(2)) if k}",
        "x = 1\ndel x\nreturn read(count, period)",
        "@micropython.native\ndef f(a): return a\n@micropython.viper\ndef g(a: ptr8) -> int: return int(a[0])\nreturn f(1) + g(b'a')",
        "@micropython.asm_thumb\ndef f(r0):\n    mov(r1, 5)\n    label(LOOP)\n    b(LOOP)\nreturn f(1)",
        "import rp2\n@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)\ndef blink():\n    wrap_target()\n    set(pins, 1) [31]\n    nop() [31]\n    wrap()\nreturn rp2.StateMachine(0, blink)",
        "from rp2 import asm_pio\n@asm_pio()\ndef f():\n    label('loop')\n    out(x, 1).side(0)[2]\n    jmp(not_x, 'loop')\nreturn f",
        "from rp2 import asm_pio\n@asm_pio\ndef f():\n    wrap()\nreturn f",
        "return __name__",
        "a = b = 0\na += 1\nb.x += 1\nreturn a",
        "x = 1; match = x; return match + period",
        "if count: x = 1; match = x; return match\nreturn 1",
        "return undefined  # noqa",
        "x = 1  # noqa: it ends in an exception",
        "return (yield 1)  # noqa: the board makes a list of it",
        "return undefined  # noqa: F821 it is in boot.py",
        "exec('x = 1')\nreturn x",
        "return globals()['x'] + y",
        "while True:\n    print(count, period)",
        "raise NotImplementedError",
        "if count:\n    raise ValueError\nelse:\n    while 1: pass",
        "try:\n    raise OSError\nexcept OSError:\n    raise ValueError",
        "return None",
        "x: int = 1\ny: str\nreturn x",
        "async def f():\n    async with a as b:\n        await b\n    async for c in b: pass\na = 1\nreturn f()",
        "return f'{count:>{period}} {count!r} {count=} {count =!r:>5} {count != 3}'",
        "return f'{[count, 1][0:]} {dict(a=1)[\"a:\"]} { {1: 2}[1] } {\"!r\"} {(1, 2)} {\"{}\".format(1)}'",
        "return f'{[lambda: 1, (lambda: 2)][0]()} {[x := 1]}{x}'",
        "return f'''{count # two\n} {adc[\"a:b\"]:>5}'''",
        "from math import *\nreturn sin(pi)",
    ] {
        assert_eq!(task(python), Vec::<String>::new(), "{python}");
    }
    assert_eq!(task_with("from m import *", "-> Result<u8>", "return anything"), Vec::<String>::new());
    assert_eq!(
        task_with("def f(): return g()\ndef g(): return 1", "-> Result<u8>", "return f()"),
        Vec::<String>::new()
    );
    assert_eq!(alone("import gc\nreturn gc.mem_free()"), Vec::<String>::new());
    for output in ["-> Result<()>", "-> Result<Option<u8>>", "-> Result<serde_json::Value>", "-> Result<T>", "-> Mine"]
    {
        assert_eq!(task_with("", output, "print(count, period)"), Vec::<String>::new(), "{output}");
    }
}

#[test]
fn an_undefined_name_has_a_suggestion() {
    one(task("volts = 1\nreturn volst"), "`volst` is not defined; did you mean `volts`?");
    one(task("return acd.read()"), "did you mean `adc`?");
    one(task("return conut"), "did you mean `count`?");
    one(task("pritn(1)\nreturn 1"), "did you mean `print`?");
    one(task("return math.pi"), "add `import math`");
    one(task("Timer(-1)\nreturn 1"), "add `from machine import Timer`");
    one(task("return spam"), "define it here or in a setup of this trait");
    one(alone("return spam"), "write `global spam` if another task of this module does");
    one(setup("adc = ADC(4)"), "add `from machine import ADC`");
    one(task("return spam + spam"), "`spam` is not defined");
    assert_eq!(task("return spam + eggs").len(), 2);
}

#[test]
fn names_have_scopes() {
    one(task("def f():\n    inside = 1\nf()\nreturn inside"), "`inside` is not defined");
    one(task("class A:\n    x = 1\n    def f(self): return x\nreturn A"), "`x` is not defined");
    one(task("y = [i for i in range(3)]\nreturn i"), "`i` is not defined");
    one(task("missing += 1\nreturn 1"), "`missing` is a local variable here");
    one(task("adc += 1\nreturn 1"), "write `global adc`");
}

#[test]
fn a_promised_value_must_be_returned() {
    one(task("x = 1"), "never returns a value");
    one(task("if count: return\nprint(1)"), "never returns a value");
    one(task("while True:\n    if count: break"), "never returns a value");
    one(task("def f(): return 1\nf()"), "never returns a value");
    one(task_with("", "-> Result<Vec<Option<u8>>>", "pass"), "never returns a value");
}

#[test]
fn a_task_is_no_generator() {
    one(task("for i in range(count):\n    yield i"), "`yield` makes a generator");
    one(task("yield from range(3)"), "`yield` makes a generator");
}

#[test]
fn a_generator_is_a_stream_or_a_thread() {
    for python in [
        "for i in range(count):\n    yield i",
        "yield from range(count)",
        "x = yield count",
        "if count:\n    return\nyield 1",
    ] {
        assert_eq!(stream(python), Vec::<String>::new(), "{python}");
        assert_eq!(thread(python), Vec::<String>::new(), "{python}");
    }
    for python in ["return count", "def f():\n    yield count\nreturn f()", "while count: pass"] {
        one(stream(python), "this body never yields an item");
        one(thread(python), "this thread has no `yield`");
        let last = format!("{python} # noqa: who knows");
        assert_eq!(stream(&last), Vec::<String>::new(), "{python}");
    }
}

#[test]
fn the_parameters_of_a_setup_are_names_of_its_trait() {
    assert_eq!(whole("led = pin", "return led + pin", "print(led, pin)"), Vec::<String>::new());
    assert_eq!(whole("", "return pin", ""), Vec::<String>::new());
    one(whole("import pin", "return 1", "pass"), "the import `pin` in this body");
    one(whole("led = pni", "return led + pin", ""), "did you mean `pin`?");
    one(whole("global read\nread = pin", "return read", ""), "a setup of this trait defines `read`");
}

#[test]
fn a_teardown_sees_what_setups_define_and_defines_nothing() {
    assert_eq!(whole("led = pin", "global state\nstate = led\nreturn 1", "led = state"), Vec::<String>::new());
    one(whole("led = pin", "return late", "late = led"), "`late` is not defined");
    one(whole("led = pin", "return led", "return"), "`return` outside of a function");
    one(whole("led = pin", "return led", "lde.off()"), "did you mean `led`?");
}

#[test]
fn a_parameter_does_not_share_a_name_with_an_import() {
    one(task_with("import count", "-> Result<u8>", "return count"), "the import `count` in a setup");
    one(task("import os as period\nreturn period"), "the import `period` in this body");
    assert_eq!(task_with("import count  # noqa", "-> Result<u8>", "return count"), Vec::<String>::new());
}

#[test]
fn a_task_does_not_take_the_place_of_what_a_setup_defines() {
    one(task_with("read = 1", "-> Result<u8>", "return count"), "a setup of this trait defines `read`");
    assert_eq!(task_with("read = 1  # noqa", "-> Result<u8>", "return count"), Vec::<String>::new());
}

#[test]
fn what_micropython_lacks_is_named() {
    for (python, expected) in [
        ("match count:\n    case 1: return 1", "no `match` statement"),
        ("x = 1; match count:\n    case 1: return 1", "no `match` statement"),
        ("try: pass\nexcept* OSError: pass\nreturn 1", "no `except*`"),
        ("def f(a, /): pass\nreturn f", "no positional-only parameters"),
        ("return lambda a, /: a", "no positional-only parameters"),
        ("type A = int\nreturn 1", "no `type` statement"),
        ("def f[T](a): pass\nreturn f", "no type parameters"),
        ("return [*adc]", "no unpacking outside of calls"),
        ("return *adc, 1", "no unpacking outside of calls"),
        ("return {**adc}", "no `**` in a dictionary display"),
        ("with (open('a') as b): return b", "no parentheses around the items of `with`"),
        ("with (open('a') as b, open('c') as d): return b", "no parentheses around the items of `with`"),
        ("async def f(): return [x async for x in y]\nreturn f", "no `async` comprehensions"),
        ("async def f(): return [await x for x in y]\ny = 1\nreturn f", "no `await` in a comprehension"),
        ("@adc[0]\ndef f(): pass\nreturn f", "no expressions as decorators"),
        ("return t'{count}'", "no t-strings before 1.28 (and in most builds later)"),
        ("return f\"{f'{count}'}\"", "no f-strings inside of f-strings before 1.28"),
        ("return f'{count = }'", "no space after the `=` in an f-string"),
        ("return f'{count!a}'", "no `!a` in an f-string"),
        ("lazy import os\nreturn os", "no lazy imports"),
        ("try: pass\nexcept OSError, ValueError: pass\nreturn 1", "no bare lists of types in `except`"),
        ("return R'a'", "no capital letters before a string"),
        ("return '\\N{DIGIT ONE}'", "no `\\N{…}` escapes"),
        ("return {x := 1}", "no bare `:=` in this place"),
    ] {
        one(task(python), expected);
        // Whoever has a board that knows better says so on that line.
        let silenced = python.replace('\n', "  # noqa\n") + "  # noqa";
        let left = task(&silenced);
        assert!(left.iter().all(|message| !message.contains("MicroPython")), "{silenced}: {left:?}");
    }
    assert_eq!(task("return '\\\\N' + r'\\N' + rb'\\N'.decode()"), Vec::<String>::new());
}

#[test]
fn an_expression_that_a_board_reads_to_another_end_can_be_silenced() {
    for python in ["return f\"{adc.split(':')[0]}\"", "return f'''\n{adc(\":\")}\n'''"] {
        one(task(python), "does not read this expression to its end");
        assert_eq!(task(&format!("{python}  # noqa: it is read here")), Vec::<String>::new(), "{python}");
    }
    assert_eq!(
        excerpt(r##"r#"return f"{len('a:b')}""#"##),
        " --> 3:55\n  |\n3 | return f\"{len('a:b')}\"\n  |                 ^"
    );
}

/// The expressions of f-strings, judged here and by a board, which must agree.
#[test]
fn f_strings_are_read_as_a_board_reads_them() {
    let read = [
        "f'{x:>{x}} {x!r} {x=} {x =!r:>5} {x != 3}'",
        "f'{[x, 1][0:]} {dict(a=1)[\"a:\"]} { {1: 2}[1] } {\"!r\"} {(1, 2)} {\"{}\".format(1)}'",
        "f'{[lambda: 1, (lambda: 2)][0]()} {[y := 1]}'",
        "f'''{x # two\n} {d[\"a:b\"]:>5}'''",
        "f\"{','.join(['a:b'])} {\"a\"} {'a' 'b':>5} {x if x else 2}\"",
        "f'{{x:}} {{{x}}}'",
        "rf'\\{x}' 'a' f'{x,}'",
    ];
    let refused = [
        "f\"{d.split(':')[0]}\"",
        "f\"{x:{d('a:')}}\"",
        "f'{\"}\"}'",
        "f'{\"{\"}'",
        "f'{\"]\"}'",
        "f'{\"!s}\"}'",
        "f'{(lambda: 1)()}'",
        "f'{(y := 1)}'",
        "f'''{x # two: three\n}'''",
        "f'{x = }'",
        "f'{x!a}'",
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let board = belay_sim::Board::start(&belay_sim::Options::for_family("pico").unwrap()).unwrap();
    runtime.block_on(async {
        let device = belay_runtime::Device::builder().connect("virtual", board.connect()).await.unwrap();
        for python in read.iter().chain(&refused) {
            let expected = read.contains(python);
            let said = alone(&format!("d = x = count\nreturn {python}"));
            assert_eq!(said.is_empty(), expected, "{python}: {said:?}");
            board.write_file("f.py", python.as_bytes()).unwrap();
            let compiled = device.session().exec("compile(open('f.py').read(),'f','eval')").await;
            assert_eq!(compiled.is_ok(), expected, "{python}: {compiled:?}");
        }
    });
}

#[test]
fn what_is_no_python_at_all_is_not_silenced() {
    one(task("break  # noqa"), "`break` outside of a loop");
    one(task("def f(a, a): pass  # noqa\nreturn f"), "the parameter `a` is there twice");
}

#[test]
fn what_a_compiler_refuses_is_refused() {
    for (python, expected) in [
        ("return 1 +", "expected an expression"),
        ("return (1", "unexpected EOF"),
        ("if count:\nreturn 1", "expected an indented block"),
        ("return 'abc", "missing closing quote in string literal"),
        ("break", "`break` outside of a loop"),
        ("for i in adc:\n    def f(): continue\nreturn f", "`continue` outside of a loop"),
        ("def f(a, a): pass\nreturn f", "the parameter `a` is there twice"),
        ("nonlocal spam\nreturn 1", "no function around this one has a variable `spam`"),
        ("x = 1\nglobal x\nreturn x", "`x` is used in this function before"),
        ("global count\nreturn count", "`count` is used in this function before"),
        ("class A:\n    return 1", "`return` outside of a function"),
    ] {
        one(task(python), expected);
    }
    one(setup("return 1"), "`return` outside of a function; the body of a setup");
    one(setup("yield 1"), "`yield` outside of a function");
    one(setup("await adc()\nadc = 1"), "`await` outside of an `async def`");
    one(task("return await adc"), "`await` outside of an `async def`");
    one(task("async for i in adc: pass\nreturn 1"), "`async for` outside of an `async def`");
    one(task("async with adc: pass\nreturn 1"), "`async with` outside of an `async def`");
}

#[test]
fn a_broken_setup_does_not_break_its_tasks() {
    one(task_with("adc = ADC(", "-> Result<u8>", "return adc.read()"), "in the Python of `open`");
}

/// The lines under the message of a slip in this Rust literal.
fn excerpt(literal: &str) -> String {
    let message = device(&format!("trait T {{\n #[task]\n async fn f(&self) -> Result<u8> {{ {literal} }}\n}}"));
    assert_eq!(message.len(), 1, "{message:?}");
    message[0].split_once('\n').unwrap().1.to_owned()
}

#[test]
fn the_caret_is_right_in_every_kind_of_literal() {
    // On the line of the function, which is the third; the literal begins in column 36.
    assert_eq!(excerpt(r#""return 1 +""#), " --> 3:47\n  |\n3 | return 1 +\n  |           ^");
    assert_eq!(excerpt(r###"r##"return spam"##"###), " --> 3:47\n  |\n3 | return spam\n  |        ^^^^");
    assert_eq!(excerpt("r#\"\n    x = 1\n    return spam\n\"#"), " --> 5:12\n  |\n5 | return spam\n  |        ^^^^");
    assert_eq!(excerpt("\"\n    x = 1\n    return spam\n\""), " --> 5:12\n  |\n5 | return spam\n  |        ^^^^");
    // Escapes: two characters in the file, one in Python.
    assert_eq!(excerpt(r#""x = \"\\t\"\nreturn spam""#), " --> 3:57\n  |\n3 | return spam\n  |        ^^^^");
    assert_eq!(
        excerpt(r#""x = \"\x41\u{1F40D}\"; return spam""#),
        " --> 3:67\n  |\n3 | x = \"A🐍\"; return spam\n  |                   ^^^^"
    );
    // A continued line.
    assert_eq!(
        excerpt("\"x = 1; \\\n      return spam\""),
        " --> 4:14\n  |\n4 | x = 1; return spam\n  |               ^^^^"
    );
    // Tabs, and characters that are wide or have no width.
    assert_eq!(excerpt("\"\n\tx = 1\n\treturn\tspam\n\""), " --> 5:9\n  |\n5 | return spam\n  |        ^^^^");
    assert_eq!(
        excerpt("\"\n    x = '日本e\u{301}'; return spam\n\""),
        " --> 4:24\n  |\n4 | x = '日本e\u{301}'; return spam\n  |                     ^^^^"
    );
    // Windows' line ends.
    assert_eq!(
        excerpt("r#\"\r\n    x = 1\r\n    return spam\r\n\"#"),
        " --> 5:12\n  |\n5 | return spam\n  |        ^^^^"
    );
    // A place without a character.
    assert_eq!(excerpt("\"\n    x = (1,\n\""), " --> 4:12\n  |\n4 | x = (1,\n  |        ^");
}

#[test]
fn a_value_that_never_comes_is_reported_at_the_end() {
    assert_eq!(excerpt("\"\n    x = 1\n    y = 2\n\""), " --> 5:10\n  |\n5 | y = 2\n  |      ^");
}

/// The lines under the message of the one slip in the text of a file, as the body of a task.
fn excerpt_of_file(text: &str) -> String {
    use super::{excerpt, lines, meaning, source, syntax};

    let body = source::Source::file("py/body.py".to_owned(), text);
    let draft = lines::function("f", &[], &body, source::Place { line: 900, column: 90 });
    let slip = match syntax::parse(&draft.text()) {
        Ok(module) => meaning::Namespace::default().function(&module, meaning::Promise::Value).remove(0),
        Err(slip) => slip,
    };
    excerpt::excerpt(body.file.as_deref(), &draft, &slip.range)
}

#[test]
fn the_caret_is_right_in_every_kind_of_file() {
    let spam = "\n --> py/body.py:3:8\n  |\n3 | return spam\n  |        ^^^^";
    for text in [
        "# A body.\nx = 1\nreturn spam\n",
        // The last line without its end, Windows' line ends, and the mark that its editors write.
        "# A body.\nx = 1\nreturn spam",
        "# A body.\r\nx = 1\r\nreturn spam\r\n",
        "# A body.\r\n\r\nreturn spam",
        "\u{feff}# A body.\nx = 1\nreturn spam",
    ] {
        assert_eq!(excerpt_of_file(text), spam, "{text:?}");
    }
    let at = |line: u32, column: u32, shown: &str, caret: &str| {
        let (gutter, place) = (" ".repeat(line.to_string().len()), format!("py/body.py:{line}:{column}"));
        format!("\n{gutter}--> {place}\n{gutter} |\n{line} | {shown}\n{gutter} | {caret}")
    };
    // Indentation that all lines have, by tabs or spaces; tabs in a line; what is wide or has no width.
    assert_eq!(excerpt_of_file("\tx = 1\n\treturn\tspam"), at(2, 9, "return spam", "       ^^^^"));
    assert_eq!(excerpt_of_file("    if f:\r\n        return spam\r\n"), at(2, 16, "return spam", "       ^^^^"));
    assert_eq!(
        excerpt_of_file("x = '日本e\u{301}'; return spam"),
        at(1, 20, "x = '日本e\u{301}'; return spam", "                    ^^^^")
    );
    assert_eq!(excerpt_of_file("# Grüße\nreturn '🐍' +"), at(2, 13, "return '🐍' +", "             ^"));
    // A place without a character, and a line number of more than one digit.
    assert_eq!(excerpt_of_file("x = (1,"), at(1, 8, "x = (1,", "       ^"));
    assert_eq!(
        excerpt_of_file(&format!("{}return x +", "x = 1\n".repeat(11))),
        at(12, 11, "return x +", "          ^")
    );
}
