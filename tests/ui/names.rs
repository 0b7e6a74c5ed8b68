//! Names that Python or `Device` does not leave to a task.

use belay::Result;

#[belay::device]
trait Names {
    #[belay::task]
    async fn session(&self) -> Result<u8> {
        "return 1"
    }

    async fn close(&self) -> Result<u8> {
        Ok(1)
    }

    #[belay::task]
    async fn lambda(&self, from: u8, r#try: u8) -> Result<u8> {
        "return 1"
    }

    #[belay::task]
    async fn first(&self) -> Result<u8> {
        "return 1"
    }

    #[belay::task(name = "first")]
    async fn second(&self) -> Result<u8> {
        "return 1"
    }
}

fn main() {}
