//! Code of the moment: exec, eval, files, and in whose namespace.

use belay::{Error, Result};

use crate::{bench::Bench, rig::Rig};

#[tokio::test]
async fn expressions_have_typed_values_and_see_what_was_executed() {
    let device = Bench::new().device().await;
    let session = device.session();
    session.exec("x = 40\ndef twice(n):\n    return 2 * n\n").await.unwrap();
    assert_eq!(session.eval::<u32>("x + 2").await.unwrap(), 42);
    assert_eq!(session.eval::<Vec<String>>(" [str(twice(n)) for n in range(3)] ").await.unwrap(), ["0", "2", "4"]);
    assert_eq!(session.eval::<Option<u8>>("None").await.unwrap(), None);
    assert_eq!(session.eval::<String>("'it\\'s \\\\ \"ü\"'").await.unwrap(), "it's \\ \"ü\"");
    assert_eq!(session.eval::<u32>(&format!("len('{}')", "y".repeat(2000))).await.unwrap(), 2000);
}

#[tokio::test]
async fn evaluating_costs_one_turn_prints_nothing_and_keeps_no_memory() {
    let device = Bench::new().device().await;
    let session = device.session();
    session.exec("import gc").await.unwrap();
    let mut output = session.output();
    let free = async || {
        session.exec("gc.collect()").await.unwrap();
        session.eval::<u32>("gc.mem_free()").await.unwrap()
    };
    for n in 0..20 {
        session.eval::<u32>(&format!("{n}+7")).await.unwrap();
    }
    let before = (free().await, session.traffic());
    for n in 0..500 {
        assert_eq!(session.eval::<u32>(&format!("{n}*3+1")).await.unwrap(), n * 3 + 1);
    }
    let turns = session.traffic() - before.1;
    assert_eq!((turns.turns, turns.writes), (500, 500), "{turns:?}");
    let after = free().await;
    assert!(after + 128 >= before.0, "{} bytes before, {after} after", before.0);
    assert_eq!(output.take_text(), "");
}

#[tokio::test]
async fn what_goes_wrong_is_typed() {
    let device = Bench::new().device().await;
    let session = device.session();
    let error = session.eval::<u8>("1 // 0").await.unwrap_err();
    assert!(matches!(&error, Error::Exception { exception, .. } if exception.kind() == "ZeroDivisionError"), "{error}");
    let error = session.eval::<u8>("x =").await.unwrap_err();
    assert!(matches!(&error, Error::Exception { exception, .. } if exception.kind() == "SyntaxError"), "{error}");
    let error = session.eval::<u8>("'n/a'").await.unwrap_err();
    assert!(matches!(&error, Error::WrongType { .. }) && error.to_string().contains("u8"), "{error}");
    assert_eq!(session.eval::<u8>("1").await.unwrap(), 1);
}

#[tokio::test]
async fn code_can_run_among_a_traits_tasks() {
    let device = Bench::new().device().await;
    let session = device.session();
    let error = session.exec_in("Rig", "log.append(7)").await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported { .. }) && error.to_string().contains("`Rig`"), "{error}");
    device.note(1).await.unwrap();
    session.exec_in("Rig", "log.append(7)").await.unwrap();
    session.exec_in("sessions::rig::Rig", "log.append(8)").await.unwrap();
    assert_eq!(device.ran().await.unwrap(), [1, 7, 8]);
    assert_eq!(session.eval_in::<u32>("rig::Rig", "sum(log)").await.unwrap(), 16);
    let error = session.eval_in::<u32>("ig", "1").await.unwrap_err();
    assert!(error.to_string().contains("sessions::rig::Rig"), "{error}");
    let error = session.eval::<u32>("log").await.unwrap_err();
    assert!(matches!(&error, Error::Exception { exception, .. } if exception.kind() == "NameError"), "{error}");
    // After a reset the setup runs again, for code as for tasks.
    session.soft_reset().await.unwrap();
    session.exec_in("Rig", "log.append(9)").await.unwrap();
    assert_eq!(device.ran().await.unwrap(), [9]);
    session.soft_reset().await.unwrap();
    assert_eq!(session.eval_in::<Vec<u32>>("Rig", "log").await.unwrap(), [0_u32; 0]);
}

#[tokio::test]
async fn a_soft_reset_prints_what_the_board_prints_and_not_what_the_repl_says() {
    let device = Bench::new().device().await;
    let session = device.session();
    let mut output = session.output();
    session.soft_reset().await.unwrap();
    assert_eq!(output.take_text(), "");
    let written: Result<()> =
        session.exec("with open('boot.py', 'w') as f:\n    f.write(\"print('from boot.py')\")").await;
    written.unwrap();
    session.soft_reset().await.unwrap();
    assert_eq!(output.take_text(), "from boot.py\r\n");
}

#[tokio::test]
async fn a_file_of_this_machine_runs_on_the_board() {
    let device = Bench::new().device().await;
    let session = device.session();
    let path = std::env::temp_dir().join(format!("belay's-{}.py", std::process::id()));
    std::fs::write(&path, "y = 'from a file'\n\ndef slip():\n    return 1 // 0\n").unwrap();
    let outcome: Result<()> = session.run_file(&path).await;
    outcome.unwrap();
    assert_eq!(session.eval::<String>("y").await.unwrap(), "from a file");
    let text = session.eval::<u8>("slip()").await.unwrap_err().to_string();
    assert!(text.contains(&format!("belay_s-{}.py\", line 4", std::process::id())), "{text}");
    std::fs::remove_file(&path).unwrap();
    let error = session.run_file(&path).await.unwrap_err();
    assert!(matches!(&error, Error::File { .. }) && error.to_string().contains(".py"), "{error}");
}
