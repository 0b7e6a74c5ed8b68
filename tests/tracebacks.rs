//! What a board raises points at the lines of the program: the Rust file, or the file of the body.

use belay::{Device, Error, Result, Stream};

#[belay::device]
trait Raising {
    #[belay::setup]
    async fn prepare(&self) -> Result<()> {
        r#"
        def helper(n):
            """Divides."""

            return 1 / n  # in the helper
        "#
    }

    #[belay::task]
    async fn direct(&self, n: u8) -> Result<f32> {
        r#"
        # A comment, and a line in two parts.
        total = (1 +
                 2)

        return total / n  # in the task
        "#
    }

    #[belay::task]
    async fn through(&self, n: u8) -> Result<f32> {
        "
        def inner(n):
            return helper(n)  # in a function of the task
        return inner(n)  # in the caller
        "
    }

    #[belay::task]
    async fn once(&self, n: u8) -> Result<f32> {
        "return 1 / n  # in the task that is called"
    }

    #[belay::task]
    async fn twice(&self, n: u8) -> Result<f32> {
        "
        global once
        halves = once(n) / 2  # in the task that calls
        return halves + halves
        "
    }

    #[belay::task]
    fn each(&self, numbers: &[u8]) -> impl Stream<Item = Result<f32>> {
        "
        global once
        for n in numbers:
            yield once(n)  # in the stream that calls
        "
    }

    #[belay::task(file = "py/scale.py")]
    async fn scale(&self, value: f32, unit: &str) -> Result<f32>;

    #[belay::task]
    fn items(&self, n: u8) -> impl Stream<Item = Result<f32>> {
        "
        yield 1
        yield 1 / n  # in the stream
        "
    }
}

async fn board() -> Device {
    Device::open("sim:pico").await.unwrap()
}

/// The line of a file, from 1, that ends with a text.
fn line(file: &str, text: &str) -> usize {
    let source = std::fs::read_to_string(file).unwrap();
    source.lines().position(|line| line.ends_with(text)).unwrap_or_else(|| panic!("{text} is not in {file}")) + 1
}

/// The frames of an error as they are printed.
fn frames<T: std::fmt::Debug>(outcome: Result<T>) -> Vec<String> {
    let error = outcome.unwrap_err();
    let Error::Exception { exception, .. } = &error else { panic!("{error}") };
    let text = exception.to_string();
    text.lines().filter(|line| line.contains("File ")).map(|line| line.trim().to_owned()).collect()
}

fn frame(text: &str, function: &str) -> String {
    format!("File \"{}\", line {}, in {function}", file!(), line(file!(), text))
}

#[tokio::test]
async fn a_body_in_a_literal_raises_at_its_line_of_the_rust_file() {
    let outcome = board().await.direct(0).await;
    let text = outcome.as_ref().unwrap_err().to_string();
    assert!(text.contains("\n    return total / n  # in the task\n"), "{text}");
    assert_eq!(frames(outcome), [frame("# in the task", "direct")]);
}

#[tokio::test]
async fn every_function_on_the_way_has_its_line() {
    assert_eq!(
        frames(board().await.through(0).await),
        [
            frame("# in the caller", "through"),
            frame("# in a function of the task", "inner"),
            frame("# in the helper", "helper")
        ]
    );
}

#[tokio::test]
async fn a_task_that_another_one_calls_has_its_line_too() {
    let board = board().await;
    assert_eq!(board.once(1).await.unwrap(), 1.0);
    let called = frame("# in the task that is called\"", "once");
    assert_eq!(frames(board.twice(0).await), [frame("# in the task that calls", "twice"), called.clone()]);
    let item = board.each(&[0]).next().await.unwrap();
    assert_eq!(frames(item), [frame("# in the stream that calls", "each"), called]);
}

#[tokio::test]
async fn a_body_in_a_file_raises_at_its_line_of_that_file() {
    let frames = frames(board().await.scale(1.0, "K").await);
    let here = |text: &str, function| {
        let file = "tests/py/scale.py";
        format!("File \"{file}\", line {}, in {function}", line(file, text))
    };
    assert_eq!(frames, [here("return scaled(value)", "scale"), here("factors[unit]", "scaled")]);
}

#[tokio::test]
async fn an_item_raises_at_its_line() {
    let board = board().await;
    let mut items = board.items(0);
    assert!(matches!(items.next().await, Some(Ok(1.0))));
    assert_eq!(frames(items.next().await.unwrap()), [frame("# in the stream", "items")]);
}
