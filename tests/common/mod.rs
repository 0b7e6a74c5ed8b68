//! Tasks that more than one of these programs calls.

use belay::{Result, Stream};

#[belay::device]
pub(crate) trait Counter {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        "runs = 0"
    }

    /// How often this ran since the last reset.
    #[belay::task]
    async fn count(&self) -> Result<u32> {
        r#"
        global runs
        runs += 1
        return runs
        "#
    }

    #[belay::task]
    fn numbers(&self, count: u32) -> impl Stream<Item = Result<u32>> {
        r#"
        for n in range(count):
            yield n
        "#
    }
}
