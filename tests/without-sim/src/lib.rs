//! The facade as a program sees it that has real boards only.

/// A device as any program declares one.
#[belay::device]
pub trait Lamp {
    /// Switches it.
    #[belay::task]
    async fn switch(&self, on: bool) -> belay::Result<bool> {
        "return not on"
    }
}

#[cfg(test)]
mod tests {
    use belay::{Device, Error};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::Lamp;

    #[tokio::test]
    async fn a_virtual_board_is_refused_with_the_feature_that_is_missing() {
        let error = Device::open("sim:pico").await.unwrap_err();
        assert!(error.to_string().contains("feature `sim`"), "{error}");
    }

    #[tokio::test]
    async fn a_mock_needs_no_board() {
        struct Mock;
        impl Lamp for Mock {
            async fn switch(&self, on: bool) -> belay::Result<bool> {
                Ok(!on)
            }
        }
        assert!(Mock.switch(false).await.unwrap());
    }

    #[tokio::test]
    async fn a_peer_that_is_no_board_is_an_error_in_time() {
        let (ours, mut theirs) = duplex(256);
        let echo = tokio::spawn(async move {
            let mut bytes = [0; 64];
            while let Ok(n @ 1..) = theirs.read(&mut bytes).await {
                if theirs.write_all(&bytes[..n]).await.is_err() {
                    break;
                }
            }
        });
        let limit = std::time::Duration::from_millis(600);
        let error = Device::builder().open_timeout(limit).connect("echo", ours).await.unwrap_err();
        assert!(matches!(error, Error::Open { .. }), "{error}");
        echo.await.unwrap();
    }
}
