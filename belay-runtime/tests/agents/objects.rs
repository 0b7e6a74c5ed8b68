//! Objects that stay on a board: read, called, indexed, freed, and gone with a reset.

use std::collections::BTreeMap;

use belay_runtime::Error;

use crate::Agent;

const SOURCE: &str = "
class Lamp:
    def __init__(self, pin):
        self.pin = pin
        self.big = bytearray(1000)
    def set(self, value, times=1):
        self.value = value * times
        return [self.pin, self.value]
    def again(self):
        return Lamp(self.pin + 1)
lamps = {'red': Lamp(1), 2: [10, 20]}
import gc
";

on_every_agent!(everything);

async fn everything(agent: &Agent) {
    let board = agent.board();
    let device = agent.attach(&board).await;
    let session = device.session();
    session.exec(SOURCE).await.unwrap();

    let lamps = session.object(" lamps").await.unwrap();
    assert_eq!(lamps.call::<u32>("get", (3, 2)).await.unwrap(), 2);
    assert_eq!(lamps.index::<Vec<u8>>(2).await.unwrap(), [10, 20]);
    let red = lamps.index_object("red").await.unwrap();
    assert_eq!(red.get::<u8>("pin").await.unwrap(), 1);
    assert_eq!(red.call::<(u8, String)>("set", ("on", 2)).await.unwrap(), (1, "onon".to_owned()));
    assert_eq!(red.call::<(u8, i8)>("set", [-3]).await.unwrap(), (1, -3));
    let next = red.call_object("again", ()).await.unwrap();
    drop(red);
    let big = next.get_object("big").await.unwrap();
    drop(next);
    assert_eq!(big.index::<u16>(999).await.unwrap(), 0);
    // Calling a mapping's method with a mapping.
    let map = BTreeMap::from([("green", 1)]);
    lamps.call::<()>("update", (&map,)).await.unwrap();
    assert_eq!(lamps.index::<u8>("green").await.unwrap(), 1);

    // What goes wrong is named.
    match lamps.get::<u8>("no_such").await {
        Err(Error::Exception { task, exception }) => {
            assert_eq!((task.as_str(), exception.kind()), ("lamps", "AttributeError"));
        }
        other => panic!("{other:?}"),
    }
    match lamps.index::<String>(2).await {
        Err(Error::WrongType { task, .. }) => assert_eq!(task, "lamps"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(session.object("no_such").await, Err(Error::Exception { .. })));

    // What is dropped is freed with the next call.
    let gc = session.object("gc").await.unwrap();
    let free = async || {
        gc.call::<()>("collect", ()).await.unwrap();
        gc.call::<u32>("mem_free", ()).await.unwrap()
    };
    drop(big);
    let before = free().await;
    let held = session.object("bytearray(1000)").await.unwrap();
    let during = free().await;
    // Of what stood there before, some bytes may be freed meanwhile.
    assert!(during + 900 <= before, "{before} before, {during} while it is held");
    drop(held);
    let after = free().await;
    assert!(after + 300 > before, "{before} before, {after} after");

    // Another program frees what this one left.
    let left = session.object("bytearray(1000)").await.unwrap();
    std::mem::forget(left);
    drop((gc, lamps, device));
    let device = agent.attach(&board).await;
    let gc = device.session().object("gc").await.unwrap();
    gc.call::<()>("collect", ()).await.unwrap();
    let after = gc.call::<u32>("mem_free", ()).await.unwrap();
    assert!(after + 600 > before, "{before} before, {after} after another program came");

    // A reset takes everything with it.
    device.session().soft_reset().await.unwrap();
    let sent = device.session().traffic();
    assert!(matches!(gc.call::<()>("collect", ()).await, Err(Error::Gone { .. })));
    assert_eq!(device.session().traffic(), sent, "something was sent");
    assert_eq!(device.session().object("(7,)").await.unwrap().index::<u8>(0).await.unwrap(), 7);
}
