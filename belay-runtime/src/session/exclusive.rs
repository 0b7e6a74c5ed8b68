//! Having a board to oneself for a while.

use std::{ops::Deref, sync::Arc};

use super::{Command, Shared};
use crate::device::Device;

/// A board that nobody else's calls get through to, until this is dropped.
///
/// It is a [`Device`]: the calls that go through it, through its clones and through its session pass, those of all
/// others wait in their order, up to their deadlines. A clone that lives longer than this is a handle like any other.
#[derive(Debug)]
pub struct Exclusive {
    device: Device,
    _lease: Lease,
}

impl Exclusive {
    pub(crate) fn new(device: Device, lease: Lease) -> Self {
        Self { device, _lease: lease }
    }
}

impl Deref for Exclusive {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.device
    }
}

impl AsRef<Device> for Exclusive {
    fn as_ref(&self) -> &Device {
        &self.device
    }
}

/// A number under which the board may be lent. Dropping it gives the board back, or takes back that it was asked for.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) id: u64,
    shared: Arc<Shared>,
}

impl Lease {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { id: shared.next_id(), shared: Arc::clone(shared) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A session that has ended needs no telling.
        let _ = self.shared.tell(Command::GiveBack(self.id));
    }
}
