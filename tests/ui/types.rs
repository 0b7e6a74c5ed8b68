//! Types that cannot go to a board or come back from it are underlined where they stand.

use belay::{Device, Result};

struct Plain;

#[belay::device]
trait Types {
    #[belay::task]
    async fn argument(&self, good: u8, bad: Vec<Plain>) -> Result<u8> {
        "return good + bad"
    }

    #[belay::task]
    async fn result(&self) -> Result<Vec<Plain>> {
        "return []"
    }

    #[belay::task]
    async fn no_result(&self) -> u8 {
        "return 1"
    }

    #[belay::task]
    fn items(&self) -> impl belay::Stream<Item = Result<Plain>> {
        "yield 1"
    }

    #[belay::task]
    fn bare_items(&self) -> impl belay::Stream<Item = u8> {
        "yield 1"
    }

    #[belay::task]
    async fn objects(&self) -> Result<Vec<belay::Object>> {
        "return [object()]"
    }

    #[belay::task]
    fn object_items(&self) -> impl belay::Stream<Item = Result<belay::Object>> {
        "yield object()"
    }

    #[belay::task]
    async fn borrowed(&self) -> Result<&'static str> {
        "return 'a'"
    }
}

#[belay::task]
async fn alone(device: &Device, bad: Plain) -> Result<u8> {
    "return bad"
}

struct NoBoard;

impl NoBoard {
    #[belay::task]
    async fn method(&self) -> Result<u8> {
        "return 1"
    }
}

fn main() {}
