//! From the body that the user wrote to the text that goes to the board: read, checked, made smaller, every line of
//! it traced back to where it was written.

#[cfg(test)]
mod corpus;
#[cfg(feature = "syntax")]
mod excerpt;
mod lines;
#[cfg(feature = "syntax")]
mod meaning;
#[cfg(feature = "syntax")]
mod minify;
#[cfg(feature = "syntax")]
mod names;
#[cfg(test)]
mod reference;
#[cfg(feature = "syntax")]
mod scope;
#[cfg(feature = "syntax")]
mod slip;
mod source;
#[cfg(feature = "syntax")]
mod syntax;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use proc_macro2::Ident;

use crate::model::{Alone, Body, DeviceTrait, Function, python_ident};
#[cfg(feature = "syntax")]
use crate::model::{Kind, type_argument};
use crate::problem::{Problem, Problems};
use lines::Draft;
pub(crate) use lines::Script;
use source::Source;

/// A body as it goes to the board.
pub(crate) struct Python {
    pub(crate) script: Script,
    /// The user's file as the compiler names it, if it is known.
    pub(crate) file: Option<String>,
    /// The file on disk, if the body is in one of its own.
    pub(crate) include: Option<PathBuf>,
    /// The parameters that the body never reads.
    pub(crate) unread: Vec<Ident>,
}

/// Compiles the bodies of a trait.
pub(crate) fn device_trait(device: &mut DeviceTrait, problems: &Problems) {
    let mut functions: Vec<&mut Function> = device.functions_mut().collect();
    compile(&mut functions, false, problems);
}

/// Compiles the body of a task that stands alone.
pub(crate) fn alone(alone: &mut Alone, problems: &Problems) {
    compile(&mut [&mut alone.function], true, problems);
}

/// A body that was read.
struct Read {
    source: Source,
    include: Option<PathBuf>,
    draft: Draft,
}

fn read(function: &Function, problems: &Problems) -> Option<Read> {
    let (source, include) = match function.body.as_ref()? {
        Body::Literal(literal) => (Source::literal(literal), None),
        Body::File(path) => {
            let (source, include) = file(path).map_err(|problem| problems.add(path, &problem)).ok()?;
            (source, Some(include))
        }
    };
    let draft = if function.kind.is_module() {
        lines::module(&source)
    } else {
        let place = source::place(function.sig.ident.span());
        lines::function(&function.python_name(), &param_names(function), &source, place)
    };
    Some(Read { source, include, draft })
}

fn param_names(function: &Function) -> Vec<String> {
    function.params.iter().map(|param| python_ident(&param.ident)).collect()
}

/// Reads the file of a body, which is named relative to the Rust file that the name stands in.
fn file(path: &syn::LitStr) -> Result<(Source, PathBuf), Problem<'static>> {
    let name = path.value();
    let unreadable = |reason: String| Problem::UnreadableFile { path: name.clone(), reason };
    let rust =
        path.span().local_file().ok_or_else(|| unreadable("where this Rust file is, is not known".to_owned()))?;
    let absolute = std::path::absolute(rust.with_file_name(&name)).map_err(|error| unreadable(error.to_string()))?;
    let text =
        std::fs::read_to_string(&absolute).map_err(|error| unreadable(format!("{}: {error}", absolute.display())))?;
    let shown = source::file(path.span()).unwrap_or_else(|| rust.display().to_string());
    let shown = PathBuf::from(shown).with_file_name(&name).display().to_string();
    Ok((Source::file(shown, &text), absolute))
}

#[cfg(not(feature = "syntax"))]
fn compile(functions: &mut [&mut Function], _alone: bool, problems: &Problems) {
    for function in functions {
        let Some(Read { source, include, draft }) = read(function, problems) else { continue };
        function.python = Some(Python { script: draft.script(), file: source.file, include, unread: Vec::new() });
    }
}

#[cfg(feature = "syntax")]
fn compile(functions: &mut [&mut Function], alone: bool, problems: &Problems) {
    use meaning::Namespace;

    let mut namespace = if alone { Namespace::alone() } else { Namespace::default() };
    let mut parsed = Vec::new();
    for function in functions.iter() {
        let read = read(function, problems);
        let module = read.as_ref().and_then(|read| parse(function, read, problems));
        match (&module, function.kind) {
            (Some(module), Kind::Setup) => namespace.add_setup(module, &param_names(function)),
            (Some(module), _) => namespace.add_function(module),
            (None, Kind::Setup) => namespace.add_unknown(),
            (None, _) => {}
        }
        parsed.push(read.zip(module));
    }
    // The parameters of a setup are globals, for every body to read.
    let everything: Vec<&syntax::Module> = parsed.iter().flatten().map(|(_, module)| module).collect();
    let unread_by_all: Vec<Vec<Ident>> = functions
        .iter()
        .map(|function| {
            let of_setup = function.params.iter().filter(|_| function.kind == Kind::Setup).map(|param| &param.ident);
            let read = |ident: &Ident| everything.iter().any(|module| meaning::mentions(module, &python_ident(ident)));
            of_setup.filter(|ident| !read(ident)).cloned().collect()
        })
        .collect();
    for ((function, parsed), unread) in functions.iter_mut().zip(parsed).zip(unread_by_all) {
        let Some((Read { source, include, draft }, module)) = parsed else { continue };
        let slips = if function.kind.is_module() {
            namespace.module(&module, &param_names(function))
        } else {
            namespace.function(&module, promise(function))
        };
        if !slips.is_empty() {
            report(function, source.file.as_deref(), &draft, &slips, problems);
            continue;
        }
        let unread = if function.kind.is_module() {
            unread
        } else {
            let unread = |ident: &&Ident| !meaning::reads(&module, &python_ident(ident));
            function.params.iter().map(|param| &param.ident).filter(unread).cloned().collect()
        };
        let script = minify::minify(&draft, &module);
        function.python = Some(Python { script, file: source.file, include, unread });
    }
}

#[cfg(feature = "syntax")]
fn parse(function: &Function, read: &Read, problems: &Problems) -> Option<syntax::Module> {
    let slips = match syntax::parse(&read.draft.text()) {
        Ok(mut module) => {
            module.silence();
            if module.slips.is_empty() {
                return Some(module);
            }
            module.slips
        }
        Err(slip) => vec![slip],
    };
    report(function, read.source.file.as_deref(), &read.draft, &slips, problems);
    None
}

#[cfg(feature = "syntax")]
fn report(function: &Function, file: Option<&str>, draft: &Draft, slips: &[slip::Slip], problems: &Problems) {
    let Some(body) = &function.body else { return };
    let name = function.sig.ident.to_string();
    for slip in slips {
        let what = slip.what.to_string();
        let problem = |excerpt| Problem::Python { function: &name, what: &what, excerpt };
        // What the `def` is to blame for stands in the Rust signature.
        let param = function.params.iter().map(|param| &param.ident).find(|param| slip.what.is_about(Some(param)));
        match param.or(slip.what.is_about(None).then_some(&function.sig.ident)) {
            Some(ident) => problems.add(ident, &problem("")),
            None => problems.add(body.token(), &problem(&excerpt::excerpt(file, draft, &slip.range))),
        }
    }
}

/// What the type says of the body. That of a task leaves no room for None if it is written out and is neither `()` nor
/// made for values of any kind.
#[cfg(feature = "syntax")]
fn promise(function: &Function) -> meaning::Promise {
    use meaning::Promise;
    use syn::{ReturnType, Type};

    const ROOM: &[&str] = &["Option", "Value", "IgnoredAny"];
    match function.kind {
        Kind::Stream => return Promise::Items,
        Kind::Thread => return Promise::Pauses,
        Kind::Task | Kind::Setup | Kind::Teardown => {}
    }
    let ReturnType::Type(_, output) = &function.sig.output else { return Promise::Any };
    let Type::Path(output) = &**output else { return Promise::Any };
    match type_argument(&output.path) {
        Some(Type::Tuple(tuple)) if tuple.elems.is_empty() => Promise::Any,
        Some(Type::Path(path)) => {
            let last = path.path.segments.last().map(|segment| &segment.ident);
            let generic = |ident: &Ident| function.sig.generics.type_params().any(|param| param.ident == *ident);
            match last {
                // A generic of the trait or of the impl cannot be told from a type: one letter is one.
                Some(ident) if ROOM.iter().any(|room| ident == room) || generic(ident) => Promise::Any,
                Some(ident) if ident.to_string().chars().count() == 1 => Promise::Any,
                Some(_) => Promise::Value,
                None => Promise::Any,
            }
        }
        Some(_) => Promise::Value,
        None => Promise::Any,
    }
}
