//! Where the bench finds its board again after it has closed it.

use belay::{Device, Trust, sim};

use crate::failure::Failure;

/// A board that can be opened again and again.
pub(super) enum Place {
    Port(String),
    /// A virtual board, which would be another one each time it is opened by its spec.
    Virtual {
        spec: String,
        cable: sim::LineHandle,
        trust: Trust,
    },
}

impl Place {
    pub(super) async fn new(spec: &str) -> Result<Self, Failure> {
        let Some(board) = spec.strip_prefix("sim:") else { return Ok(Self::Port(spec.to_owned())) };
        // What Device::open takes from the spec of a virtual board.
        let (family, options) = board.split_once('?').unwrap_or((board, ""));
        let (said, others): (Vec<&str>, Vec<&str>) =
            options.split('&').filter(|option| !option.is_empty()).partition(|option| option.starts_with("trust="));
        let noisy =
            others.iter().any(|option| ["drop=", "flip=", "double="].iter().any(|kind| option.starts_with(kind)));
        let trust = match said.last() {
            None if noisy => Trust::Verified,
            Some(&"trust=verified") => Trust::Verified,
            None | Some(&"trust=trusted") => Trust::Trusted,
            Some(other) => {
                return Err(Failure::Usage(format!("`{other}`: known are trust=trusted and trust=verified")));
            }
        };
        let board = if others.is_empty() { family.to_owned() } else { format!("{family}?{}", others.join("&")) };
        let started = tokio::task::spawn_blocking(move || sim::open(&board)).await;
        let started = started.map_err(|error| Failure::system("the board's thread", std::io::Error::other(error)))?;
        let (_, line) = started.map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(Self::Virtual { spec: spec.to_owned(), cable: line.handle(), trust })
    }

    pub(super) async fn open(&self) -> belay::Result<Device> {
        let builder = Device::builder();
        match self {
            Self::Port(spec) => builder.open(spec).await,
            Self::Virtual { spec, cable, trust } => builder.trust(*trust).connect(spec, cable.replug()).await,
        }
    }

    /// What was given as its port.
    pub(super) fn spec(&self) -> &str {
        match self {
            Self::Port(spec) | Self::Virtual { spec, .. } => spec,
        }
    }

    /// Whether the board is still the same when it is opened again.
    pub(super) fn stays(&self) -> bool {
        !matches!(self, Self::Port(spec) if spec.starts_with("exec:"))
    }
}
