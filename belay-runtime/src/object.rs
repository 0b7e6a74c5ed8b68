//! Handles to Python objects that stay on the board.

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    agent::library::{KEEP, OBJ},
    call::{Answer, Outcome, Returns, check},
    codec::{EncodeError, args::Args, reply},
    device::Device,
    error::{Error, Result},
    executor::{Call, Held, Via, Work},
    session::{ADHOC, HoldingKind, Session, scope_key},
    task::{Scope, Task},
};

/// A Python object that stays on the board.
///
/// A task that returns `Result<Object>` keeps what its body gives back; so does [`Session::object`] with what an
/// expression gives. It is bound to one boot of the board: after a reset it is [`Error::Gone`]. It is freed with the next
/// call after it is dropped.
pub struct Object {
    session: Session,
    held: Held,
    /// How it came to be, for messages.
    name: String,
}

/// What a task gave back, where it is kept on the board.
#[derive(Debug)]
pub(crate) struct Kept {
    session: Session,
    held: Held,
}

impl Kept {
    /// Calls a task and has the board keep what it gives back. Gives the board's answer, and the way to what is kept.
    pub(crate) async fn call(device: &Device, task: &'static Task, args: Args) -> Result<(Vec<u8>, Self)> {
        let session = device.session().clone();
        let held = Held::new(session.held(), HoldingKind::Object, task.name);
        let via = Via::makes(&KEEP, &held);
        let payload = device.submit(Call::new(Work::Task { task, args: Arc::new(args), via: Some(via) })).await?;
        Ok((payload, Self { session, held }))
    }
}

/// A task whose result stays on the board: the handle is what the program gets.
#[diagnostic::do_not_recommend]
impl Returns for Result<Object> {
    const STAYS: bool = true;

    fn from_call(outcome: Outcome) -> Self {
        let Answer { task, payload, kept } = outcome?;
        check(task.name, &payload, Some(task))?;
        let Some(Kept { session, held }) = kept else {
            let reason = "a stream gives values, and no objects that stay on the board".to_owned();
            return Err(Error::Unsupported { what: format!("an object from {}", task.name), reason });
        };
        Ok(Object { session, held, name: task.name.to_owned() })
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is done with an object.
#[derive(Clone, Copy)]
enum Op {
    Make,
    Get,
    Call,
    Index,
}

impl Session {
    /// A handle to what a Python expression gives, in the namespace of [`exec`](Self::exec).
    ///
    /// # Errors
    /// [`Error::Exception`] if it raises, and whatever a call can fail with.
    pub async fn object(&self, expression: &str) -> Result<Object> {
        self.make(expression, &ADHOC).await
    }

    /// A handle to what a Python expression gives in the namespace of a trait, named as for [`exec_in`](Self::exec_in).
    ///
    /// # Errors
    /// As [`object`](Self::object) and [`exec_in`](Self::exec_in).
    pub async fn object_in(&self, namespace: &str, expression: &str) -> Result<Object> {
        self.make(expression, self.namespace(namespace)?).await
    }

    async fn make(&self, expression: &str, scope: &'static Scope) -> Result<Object> {
        let expression = expression.trim();
        let held = Held::new(self.held(), HoldingKind::Object, expression);
        let object = Object { session: self.clone(), held, name: expression.to_owned() };
        object
            .send(&object.name, Via::makes(&OBJ, &object.held), |args| {
                write(args, 0, Op::Make, expression, &scope_key(scope))
            })
            .await?;
        Ok(object)
    }
}

/// The arguments of the board's function: under which number to keep the result, what to do, with which name and rest.
fn write(
    args: &mut Args,
    keep: i64,
    op: Op,
    name: &(impl Serialize + ?Sized),
    rest: &impl Serialize,
) -> Result<(), EncodeError> {
    args.push(&keep)?;
    args.push(&(op as u8))?;
    args.push(name)?;
    args.push(rest)
}

impl Object {
    /// The value of an attribute.
    ///
    /// # Errors
    /// [`Error::Gone`] after a reset of the board, [`Error::Exception`] if there is no such attribute,
    /// [`Error::WrongType`] if it is no `T`, and whatever a call can fail with.
    pub async fn get<T: DeserializeOwned>(&self, attribute: &str) -> Result<T> {
        self.value(Op::Get, attribute, &()).await
    }

    /// What a method gives back for some arguments: a tuple or a list of them.
    ///
    /// ```no_run
    /// # async fn f(uart: belay_runtime::Object) -> belay_runtime::Result<()> {
    /// let written: u32 = uart.call("write", ("AT\r\n",)).await?;
    /// let waiting: u32 = uart.call("any", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn call<T: DeserializeOwned>(&self, method: &str, arguments: impl Serialize) -> Result<T> {
        self.value(Op::Call, method, &arguments).await
    }

    /// What stands at an index, or under a key.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn index<T: DeserializeOwned>(&self, key: impl Serialize) -> Result<T> {
        self.value(Op::Index, key, &()).await
    }

    /// An attribute that stays on the board.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_object(&self, attribute: &str) -> Result<Self> {
        self.kept(Op::Get, attribute, &(), attribute).await
    }

    /// What a method gives back, kept on the board.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn call_object(&self, method: &str, arguments: impl Serialize) -> Result<Self> {
        self.kept(Op::Call, method, &arguments, method).await
    }

    /// What stands at an index, kept on the board.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn index_object(&self, key: impl Serialize) -> Result<Self> {
        self.kept(Op::Index, key, &(), "[…]").await
    }

    async fn value<T: DeserializeOwned>(&self, op: Op, name: impl Serialize, rest: &impl Serialize) -> Result<T> {
        let payload =
            self.send(&self.name, Via::uses(&OBJ, &self.held), |args| write(args, 0, op, &name, rest)).await?;
        reply::decode(&payload).map_err(|source| Error::WrongType { task: self.name.clone(), source: Box::new(source) })
    }

    async fn kept(&self, op: Op, name: impl Serialize, rest: &impl Serialize, step: &str) -> Result<Self> {
        let made = format!("{}.{step}", self.name);
        let held = Held::new(self.session.held(), HoldingKind::Object, &made);
        let made = Self { session: self.session.clone(), held, name: made };
        let via = Via { makes: Some(made.held.key()), ..Via::uses(&OBJ, &self.held) };
        self.send(&made.name, via, |args| write(args, made.held.number(), op, &name, rest)).await?;
        Ok(made)
    }

    async fn send(
        &self,
        name: &str,
        via: Via,
        write: impl FnOnce(&mut Args) -> Result<(), EncodeError>,
    ) -> Result<Vec<u8>> {
        let mut args = Args::new();
        write(&mut args).map_err(|source| Error::Argument {
            task: name.to_owned(),
            param: "arguments".to_owned(),
            source: Box::new(source),
        })?;
        let [task, _] = &OBJ;
        let work = Work::Task { task, args: Arc::new(args), via: Some(via) };
        let payload = self.session.carry(Call::new(work)).await?.into_payload();
        check(name, &payload, None)?;
        Ok(payload)
    }
}
