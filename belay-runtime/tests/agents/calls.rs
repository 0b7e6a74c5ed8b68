//! Calls: values both ways, exceptions, prints, deadlines, and what a second program finds.

use std::time::Duration;

use belay_runtime::{
    __private::{Kind, Task},
    Error,
};

use crate::{Agent, FREE, ask, exception, plain, task};

static HALVES: Task = task(Kind::Task, "halves", "def halves(n):\n return n/2");
static ECHO: Task = task(Kind::Task, "echo", "def echo(value):\n return value");
static RAISES: Task =
    task(Kind::Task, "raises", "def raises(what):\n print('so far')\n raise eval(what)('not ' + 'now')");
static SPINS: Task = Task {
    timeout: Some(Duration::from_millis(200)),
    ..task(Kind::Task, "spins", "def spins():\n while True:\n  pass")
};
static FILLS: Task = task(Kind::Task, "fills", "def fills():\n x = []\n while True:\n  x.append(bytearray(256))");
static COUNTS: Task = task(Kind::Task, "counts", "count = 0\ndef counts():\n global count\n count += 1\n return count");
static NAMES: Task = task(
    Kind::Task,
    "names",
    "def names():\n import __main__\n return [n for n in dir(__main__) if n[:2] != '__' and n != 'machine']",
);
on_every_agent!(everything);

async fn everything(agent: &Agent) {
    let board = agent.board();
    let device = agent.attach(&board).await;
    let before = device.session().capabilities().unwrap().free_heap;

    let free: u32 = plain(&device, &FREE).await.unwrap();
    assert!(free > before / 2, "{free} of {before} bytes are left");
    assert_eq!(plain::<Vec<String>>(&device, &NAMES).await.unwrap(), ["_b"]);

    assert_eq!(ask::<f64>(&device, &HALVES, 5).await.unwrap(), 2.5);
    let text: String = "'\"\\\n\r\t\u{4}ä".repeat(40);
    assert_eq!(ask::<String>(&device, &ECHO, &text).await.unwrap(), text);
    let list: Vec<i64> = (0..40).map(|i| (i - 20) * 1_000_000_007).collect();
    assert_eq!(ask::<Vec<i64>>(&device, &ECHO, &list).await.unwrap(), list);
    assert_eq!(plain::<u32>(&device, &COUNTS).await.unwrap(), 1);

    let mut output = device.session().output();
    for kind in ["ValueError", "SystemExit", "KeyboardInterrupt"] {
        let raised = exception(ask::<()>(&device, &RAISES, kind).await);
        assert_eq!((raised.kind(), raised.message()), (kind, "not now"));
    }
    assert_eq!(output.take_text(), "so far\r\n".repeat(3));
    assert_eq!(exception(plain::<()>(&device, &FILLS).await).kind(), "MemoryError");
    match plain::<()>(&device, &SPINS).await {
        Err(Error::TimedOut { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(plain::<u32>(&device, &COUNTS).await.unwrap(), 2);

    // Another program finds everything where it was.
    drop(device);
    let device = agent.attach(&board).await;
    let sent = device.session().traffic();
    assert_eq!(plain::<u32>(&device, &COUNTS).await.unwrap(), 3);
    assert!((device.session().traffic() - sent).bytes_out < 20, "it was deployed again");
    device.session().soft_reset().await.unwrap();
    assert_eq!(plain::<u32>(&device, &COUNTS).await.unwrap(), 1);
}
