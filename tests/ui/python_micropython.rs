//! Python that MicroPython does not have.

use belay::Result;

#[belay::device]
trait Modern {
    #[belay::task]
    async fn matches(&self, x: u8) -> Result<u8> {
        "match x:
            case 1: return 1"
    }

    #[belay::task]
    async fn groups(&self) -> Result<u8> {
        "
        try:
            return 1
        except* OSError:
            return 2
        "
    }

    #[belay::task]
    async fn positional(&self) -> Result<u8> {
        "def f(a, /): return a
         return f(1)"
    }

    #[belay::task]
    async fn unpacking(&self, x: &[u8]) -> Result<Vec<u8>> {
        "return [1, *x]"
    }
}

fn main() {}
