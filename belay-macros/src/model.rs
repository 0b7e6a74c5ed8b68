//! The owned picture of what the user wrote: filled by `parse`, judged by `check`, written out by `expand`.

use proc_macro2::Ident;
use syn::{
    Attribute, GenericArgument, LitStr, Path, PathArguments, ReturnType, Signature, TraitItem, TraitItemFn, Type,
    TypeImplTrait, TypeParamBound, Visibility,
};

use crate::options::Options;
use crate::python::Python;

/// A trait with `#[belay::device]`.
pub(crate) struct DeviceTrait {
    /// Where the belay crate is: `::belay` unless renamed.
    pub(crate) krate: Path,
    /// The trait as written, without its items.
    pub(crate) head: syn::ItemTrait,
    pub(crate) items: Vec<Item>,
    /// The paths of the attributes that were taken off the methods.
    pub(crate) attribute_paths: Vec<Path>,
}

/// One item of a device trait.
pub(crate) enum Item {
    /// A method with a Python body.
    Python(Box<Function>),
    /// A method with a Rust body.
    Helper(Box<TraitItemFn>),
    /// What the macro has no opinion on.
    Other(Box<TraitItem>),
}

impl DeviceTrait {
    pub(crate) fn functions(&self) -> impl Iterator<Item = &Function> {
        self.items.iter().filter_map(|item| match item {
            Item::Python(function) => Some(&**function),
            Item::Helper(_) | Item::Other(_) => None,
        })
    }

    pub(crate) fn functions_mut(&mut self) -> impl Iterator<Item = &mut Function> {
        self.items.iter_mut().filter_map(|item| match item {
            Item::Python(function) => Some(&mut **function),
            Item::Helper(_) | Item::Other(_) => None,
        })
    }
}

/// A function with `#[belay::task]` that stands outside of a device trait.
pub(crate) struct Alone {
    pub(crate) krate: Path,
    pub(crate) vis: Visibility,
    pub(crate) function: Function,
}

/// How a body is called on the board. Mirrors the runtime's `Kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Task,
    /// A task that is a generator: its items come one by one.
    Stream,
    /// A generator that runs by itself between calls.
    Thread,
    Setup,
    Teardown,
}

impl Kind {
    /// Whether the body is the text of a module and not the inside of a function.
    pub(crate) fn is_module(self) -> bool {
        matches!(self, Self::Setup | Self::Teardown)
    }

    /// How messages call it.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Task | Self::Stream => "task",
            Self::Thread => "thread",
            Self::Setup => "setup",
            Self::Teardown => "teardown",
        }
    }
}

/// Where a call finds its board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// In `impl Trait for Device`: `self` is the board.
    Device,
    /// In an impl or a trait of the user's: `self` leads to the board. Or a free function: its first parameter does.
    Alone,
}

/// A function whose body is Python.
pub(crate) struct Function {
    pub(crate) kind: Kind,
    pub(crate) home: Home,
    /// The user's attributes, without ours.
    pub(crate) attrs: Vec<Attribute>,
    /// As the user wrote it.
    pub(crate) sig: Signature,
    /// The parameters after `self`, or after the board.
    pub(crate) params: Vec<Param>,
    pub(crate) options: Options,
    /// `None` where there is an error.
    pub(crate) body: Option<Body>,
    /// What became of the body; `None` until it is compiled, and where there is an error: then only the signature is
    /// emitted.
    pub(crate) python: Option<Python>,
}

/// Where the Python stands.
pub(crate) enum Body {
    Literal(LitStr),
    /// The name of a file, relative to the Rust file.
    File(LitStr),
}

impl Body {
    /// What the user wrote in the Rust file.
    #[cfg(feature = "syntax")]
    pub(crate) fn token(&self) -> &LitStr {
        match self {
            Self::Literal(literal) | Self::File(literal) => literal,
        }
    }
}

/// One value that goes to the board.
pub(crate) struct Param {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
}

impl Function {
    /// The name of the function on the board.
    pub(crate) fn python_name(&self) -> String {
        match &self.options.name {
            Some(name) => name.value(),
            None => python_ident(&self.sig.ident),
        }
    }
}

/// The `impl …Stream<…>` that a function promises, also where it stands wrongly inside of a `Result<…>`.
pub(crate) fn stream_type(sig: &Signature) -> Option<&TypeImplTrait> {
    let ReturnType::Type(_, ty) = &sig.output else { return None };
    let implemented = match &**ty {
        Type::ImplTrait(implemented) => implemented,
        Type::Path(path) => match type_argument(&path.path)? {
            Type::ImplTrait(implemented) => implemented,
            _ => return None,
        },
        _ => return None,
    };
    bound(implemented, "Stream").map(|_| implemented)
}

/// The type of a stream's items, if it is named.
pub(crate) fn stream_item(sig: &Signature) -> Option<&Type> {
    let path = bound(stream_type(sig)?, "Stream")?;
    let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == "Item" => Some(&assoc.ty),
        _ => None,
    })
}

/// The bound of an `impl …` whose path ends in this name: a macro sees no imports.
pub(crate) fn bound<'a>(implemented: &'a TypeImplTrait, name: &str) -> Option<&'a Path> {
    implemented.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().filter(|last| last.ident == name).map(|_| &bound.path)
        }
        _ => None,
    })
}

/// The first type in the angle brackets at the end of a path.
pub(crate) fn type_argument(path: &Path) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}

/// A Rust identifier as Python spells it.
pub(crate) fn python_ident(ident: &Ident) -> String {
    syn::ext::IdentExt::unraw(ident).to_string()
}
