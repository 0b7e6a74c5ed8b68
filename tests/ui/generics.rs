//! Generics that work, and what is said of those that cannot: a type that nobody promised to be data.

use belay::{Device, Result};

#[belay::device]
trait Generics {
    #[belay::task]
    async fn fine<T>(&self, value: T) -> Result<T>
    where
        T: serde::Serialize + serde::de::DeserializeOwned,
    {
        "return value"
    }

    #[belay::task]
    async fn argument<T>(&self, value: T) -> Result<u8> {
        "return len(value)"
    }

    #[belay::task]
    async fn opaque(&self, value: impl Copy) -> Result<u8> {
        "return len(value)"
    }

    #[belay::task]
    async fn result<T>(&self) -> Result<T> {
        "return 1"
    }

    #[belay::task]
    fn items<T>(&self) -> impl belay::Stream<Item = Result<T>> {
        "yield 1"
    }
}

#[belay::task]
async fn alone<T>(device: &Device, value: &[T]) -> Result<u8> {
    "return len(value)"
}

fn main() {}
