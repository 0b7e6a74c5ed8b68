//! Slips in Python: the place in the file, an excerpt, a caret, for every form of a body.

use belay::{Device, Result};

#[belay::device]
trait Syntax {
    #[belay::task]
    async fn raw(&self, count: u8) -> Result<u8> {
        r#"
        x = count +

        return x
        "#
    }

    #[belay::task]
    async fn on_the_line(&self) -> Result<u8> { "return (1" }

    #[belay::task]
    async fn escapes(&self) -> Result<u8> {
        "x = \"\t\"\nreturn x x"
    }

    #[belay::task]
    async fn unicode(&self) -> Result<u8> {
        "
        # Grüße
        return '日本' + + 'é' 1
        "
    }

    #[belay::task]
    async fn tabs(&self) -> Result<u8> {
		"
		x	=	1
		return	x x
		"
    }

    #[belay::task(file = "py/wrong.py")]
    async fn file(&self) -> Result<u8>;

    #[belay::setup]
    async fn prepare(&self) -> Result<()> {
        "return 1"
    }
}

macro_rules! made {
    ($body:expr) => {
        #[belay::task]
        async fn made(device: &Device) -> Result<u8> {
            $body
        }
    };
}

made!(
    r##"
    for i in range(3)
        print(i)
    "##
);

fn main() {}
