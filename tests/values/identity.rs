//! Host to board to host is the identity, whichever way bytes leave the board.

use belay::{Trust, WayOut};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use tokio::runtime::Runtime;

use crate::{
    board::{Mirror, board},
    value::values,
};

/// Random values for every way out, unless `BELAY_VALUES` says how many.
const VALUES: usize = 200;
/// Values in one call.
const BATCH: usize = 20;
/// The same as hex, which the board makes byte by byte.
const HEX_BATCH: usize = 2;

/// The property: host to board to host is the identity.
fn identity(way: WayOut, trust: Trust) {
    let wanted = std::env::var("BELAY_VALUES").ok().map_or(VALUES, |n| n.parse().expect("BELAY_VALUES is a number"));
    let runtime = Runtime::new().unwrap();
    let board = runtime.block_on(board(way, trust));
    let batch = if way == WayOut::Hex { HEX_BATCH } else { BATCH };
    let config = Config { cases: wanted.div_ceil(batch) as u32, failure_persistence: None, ..Config::default() };
    // The usual run is the same everywhere; the long one looks elsewhere each time.
    let mut runner = match std::env::var_os("BELAY_VALUES") {
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
        Some(_) => TestRunner::new(config),
    };
    let outcome = runner.run(&vec(values(), batch), |sent| {
        let came = runtime.block_on(board.echo(sent.clone()));
        let came = came.map_err(|error| TestCaseError::fail(error.to_string()))?;
        for (came, sent) in came.iter().zip(&sent) {
            prop_assert_eq!(came, sent);
        }
        prop_assert_eq!(came.len(), sent.len());
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    println!("{way:?}, {trust:?}: {} values", wanted.div_ceil(batch) * batch);
}

#[test]
fn every_value_comes_back_as_exact_bytes_from_a_trusted_line() {
    identity(WayOut::Exact, Trust::Trusted);
}

#[test]
fn every_value_comes_back_as_exact_bytes_from_a_verified_line() {
    identity(WayOut::Exact, Trust::Verified);
}

#[test]
fn every_value_comes_back_as_cooked_text_from_a_trusted_line() {
    identity(WayOut::Cooked, Trust::Trusted);
}

#[test]
fn every_value_comes_back_as_cooked_text_from_a_verified_line() {
    identity(WayOut::Cooked, Trust::Verified);
}

#[test]
fn every_value_comes_back_as_hex_from_a_trusted_line() {
    identity(WayOut::Hex, Trust::Trusted);
}

#[test]
fn every_value_comes_back_as_hex_from_a_verified_line() {
    identity(WayOut::Hex, Trust::Verified);
}
