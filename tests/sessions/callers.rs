//! Many callers of one board: their order, how many may wait, and who has it to themselves.

use std::time::{Duration, Instant};

use belay::{AfterTimeout, Device, Error};
use tokio::task::JoinSet;

use crate::{
    bench::Bench,
    rig::{Rig, assert_took, watch_timers},
};

/// Waits until so many calls of `device` wait for the board or run on it.
async fn waiting(device: &Device, calls: usize) {
    while device.session().waiting() < calls {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn callers_are_served_in_the_order_in_which_they_came() {
    let device = Bench::new().device().await;
    device.note(0).await.unwrap();
    let have = device.exclusive().await.unwrap();
    let mut calls = JoinSet::new();
    for n in 1..=200 {
        let board = device.clone();
        calls.spawn(async move { board.note(n).await });
        waiting(&device, n as usize).await;
    }
    drop(have);
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    assert_eq!(device.ran().await.unwrap(), (0..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn too_many_callers_are_turned_away_and_those_that_wait_are_served() {
    let device = Bench::new().device().await;
    device.note(0).await.unwrap();
    let have = device.exclusive().await.unwrap();
    let mut calls = JoinSet::new();
    for n in 1..=4096 {
        let board = device.clone();
        calls.spawn(async move { board.note(n).await });
    }
    waiting(&device, 4096).await;
    let error = device.note(5000).await.unwrap_err();
    assert!(matches!(&error, Error::Busy { waiting: 4096, port } if port == "bench"), "{error}");
    assert!(error.is_retryable() && error.to_string().contains("4096 calls wait for bench"), "{error}");
    assert_eq!(device.session().statistics().refused, 1);
    // Giving up makes room.
    calls.abort_all();
    while calls.join_next().await.is_some() {}
    drop(have);
    assert_eq!(device.note(1).await.unwrap(), 1);
    assert_eq!(device.ran().await.unwrap(), [0, 1]);
}

#[tokio::test]
async fn while_somebody_has_the_board_to_themselves_the_others_wait() {
    let device = Bench::new().device().await;
    device.note(0).await.unwrap();
    let have = device.exclusive().await.unwrap();
    let other = device.clone();
    let outside = tokio::spawn(async move { other.note(100).await });
    waiting(&device, 1).await;
    for n in 1..=3 {
        have.note(n).await.unwrap();
        // The session of the handle is part of it, and so is a handle with other options.
        have.session().exec("x = 1").await.unwrap();
        have.with_timeout(Duration::from_secs(1)).note(n * 10).await.unwrap();
    }
    let kept = have.clone();
    drop(have);
    assert_eq!(outside.await.unwrap().unwrap(), 100);
    assert_eq!(kept.note(4).await.unwrap(), 4, "a clone that is left is a handle like any other");
    assert_eq!(device.ran().await.unwrap(), [0, 1, 10, 2, 20, 3, 30, 100, 4]);
}

#[tokio::test]
async fn who_asks_for_the_board_has_a_place_among_the_callers() {
    let device = Bench::new().device().await;
    device.note(0).await.unwrap();
    let first = device.exclusive().await.unwrap();
    let mut calls = JoinSet::new();
    let before = device.clone();
    calls.spawn(async move { before.note(1).await.map(drop) });
    waiting(&device, 1).await;
    let asks = device.clone();
    calls.spawn(async move {
        let have = asks.exclusive().await?;
        have.note(2).await?;
        have.note(3).await.map(drop)
    });
    waiting(&device, 2).await;
    let after = device.clone();
    calls.spawn(async move { after.note(4).await.map(drop) });
    waiting(&device, 3).await;
    drop(first);
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    assert_eq!(device.ran().await.unwrap(), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn who_gives_up_waiting_for_the_board_disturbs_nobody() {
    let device = Bench::new().device().await;
    device.note(0).await.unwrap();
    let have = device.exclusive().await.unwrap();
    let asks = device.clone();
    let given_up = tokio::spawn(async move { asks.exclusive().await.map(drop) });
    waiting(&device, 1).await;
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    have.note(1).await.unwrap();
    drop(have);
    assert_eq!(device.note(2).await.unwrap(), 2);
    // And it can be had again.
    device.exclusive().await.unwrap().note(3).await.unwrap();
    assert_eq!(device.ran().await.unwrap(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn deadlines_are_kept_while_somebody_has_the_board_to_themselves() {
    watch_timers();
    let device = Bench::new().device().await;
    device.note(0).await.unwrap();
    let have = device.exclusive().await.unwrap();
    let limit = Duration::from_millis(300);
    let hurried = device.with_timeout(limit);
    let begun = Instant::now();
    let (call, lease) = tokio::join!(hurried.note(1), hurried.exclusive());
    assert_took(begun.elapsed(), limit);
    for error in [call.unwrap_err(), lease.map(drop).unwrap_err()] {
        assert!(matches!(&error, Error::TimedOut { board: AfterTimeout::NotSent, .. }), "{error}");
    }
    have.note(2).await.unwrap();
    drop(have);
    assert_eq!(device.ran().await.unwrap(), [0, 2]);
}

#[tokio::test]
async fn having_the_board_to_oneself_twice_is_an_error_at_once() {
    let device = Bench::new().device().await;
    let have = device.exclusive().await.unwrap();
    let error = have.exclusive().await.map(drop).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { .. }), "{error}");
    let kept = have.clone();
    drop(have);
    kept.exclusive().await.unwrap().note(1).await.unwrap();
}
