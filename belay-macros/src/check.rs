//! The rules that need more than one token to judge. Each says why it exists.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{FnArg, ReceiverKind, ReturnType, Safety, Type};

use crate::model::{Alone, DeviceTrait, Function, Home, Item, Kind, Param, python_ident, stream_item, type_argument};
use crate::problem::{Problem, Problems};

/// The inherent methods of `belay::Device`. Rust prefers them to a trait's, so a task of such a name could never be
/// called with a dot.
const RESERVED: &[&str] =
    &["open", "builder", "session", "with", "with_timeout", "with_layer", "executor", "close", "exclusive"];

/// The keywords of Python 3, and `async`/`await`, which MicroPython has as keywords too.
const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Judges a device trait.
pub(crate) fn device_trait(device: &mut DeviceTrait, problems: &Problems) {
    for item in &mut device.items {
        match item {
            Item::Python(function) => {
                let before = problems.count();
                // What runs by itself may be called what it likes.
                if !function.kind.is_module() || !function.params.is_empty() {
                    reserved(&function.sig.ident, problems);
                }
                check_function(function, problems);
                if problems.count() > before {
                    function.body = None;
                }
            }
            Item::Helper(helper) => reserved(&helper.sig.ident, problems),
            Item::Other(_) => {}
        }
    }
    same_names(device, problems);
}

/// Judges a task that stands alone.
pub(crate) fn alone(alone: &mut Alone, problems: &Problems) {
    check_function(&alone.function, problems);
    if problems.count() > 0 {
        alone.function.body = None;
    }
}

/// Whether Python takes this text as a name. Non-ASCII letters are left out: not every board's lexer has them.
pub(crate) fn is_python_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEYWORDS.contains(&text)
}

fn check_function(function: &Function, problems: &Problems) {
    qualifiers(function, problems);
    receiver(function, problems);
    output(function, problems);
    // The names of the function and its parameters become names in Python.
    if !function.kind.is_module() && function.options.name.is_none() {
        let name = python_ident(&function.sig.ident);
        if KEYWORDS.contains(&name.as_str()) {
            let fix = "choose another with `name = \"…\"`".to_owned();
            problems.add(&function.sig.ident, &Problem::PythonKeyword { what: "function", name: &name, fix });
        }
    }
    for Param { ident, .. } in &function.params {
        let name = python_ident(ident);
        if KEYWORDS.contains(&name.as_str()) {
            let fix = format!("write `{name}_`");
            problems.add(ident, &Problem::PythonKeyword { what: "parameter", name: &name, fix });
        }
    }
    if function.kind == Kind::Teardown
        && let Some(first) = function.params.first()
    {
        problems.add(&first.ident, &Problem::TeardownParameters);
    }
    if function.kind == Kind::Stream && function.options.idempotent {
        problems.add(&function.sig.ident, &Problem::IdempotentStream);
    }
}

/// A body on a board is neither `const` nor `unsafe` nor C, and it has no variable number of arguments.
fn qualifiers(function: &Function, problems: &Problems) {
    let sig = &function.sig;
    if let Some(token) = &sig.constness {
        problems.add(token, &Problem::QualifiedFn("const"));
    }
    if let Safety::Safe(_) | Safety::Unsafe(_) = &sig.safety {
        problems.add(&sig.safety, &Problem::QualifiedFn("unsafe"));
    }
    if let Some(abi) = &sig.abi {
        problems.add(abi, &Problem::QualifiedFn("extern"));
    }
    if let Some(variadic) = &sig.variadic {
        problems.add(variadic, &Problem::QualifiedFn("variadic"));
    }
}

fn receiver(function: &Function, problems: &Problems) {
    match (function.home, function.sig.inputs.first()) {
        (_, Some(FnArg::Receiver(receiver))) => {
            if !matches!(receiver.kind, ReceiverKind::Reference(_, _, None)) {
                problems.add(receiver, &Problem::Receiver);
            }
        }
        (Home::Device, _) => problems.add(&function.sig.ident, &Problem::Receiver),
        // Without `self` only a reference can be the board; which type it is, the compiler checks.
        (Home::Alone, Some(FnArg::Typed(first))) => {
            if !matches!(&*first.ty, Type::Reference(reference) if reference.mutability.is_none()) {
                problems.add(first, &Problem::NoDevice);
            }
        }
        (Home::Alone, None) => problems.add(&function.sig.ident, &Problem::NoDevice),
    }
}

fn output(function: &Function, problems: &Problems) {
    let sig = &function.sig;
    let says = |ty: &Type, word| mentions(ty.to_token_stream(), word);
    match &sig.output {
        ReturnType::Type(_, ty) if function.kind == Kind::Stream => match stream_item(sig) {
            _ if sig.asyncness.is_some() || !matches!(**ty, Type::ImplTrait(_)) => {
                problems.add(ty, &Problem::StreamForm);
            }
            None => problems.add(ty, &Problem::StreamForm),
            Some(item) if says(item, "impl") => problems.add(item, &Problem::UnnamedResult),
            Some(item) if says(item, "&") => problems.add(item, &Problem::BorrowedResult),
            Some(_) => {}
        },
        ReturnType::Type(_, ty) if sig.asyncness.is_none() && says(ty, "Stream") => {
            problems.add(ty, &Problem::StreamForm);
        }
        ReturnType::Type(_, _) if sig.asyncness.is_none() => problems.add(&sig.fn_token, &Problem::NotAsync),
        ReturnType::Type(_, ty) if function.kind == Kind::Thread && !is_result_of_thread(ty) => {
            problems.add(ty, &Problem::ThreadResult);
        }
        ReturnType::Type(_, ty) => match &**ty {
            Type::Tuple(tuple) if tuple.elems.is_empty() => problems.add(tuple, &Problem::NoResult),
            Type::Never(never) => problems.add(never, &Problem::NoResult),
            ty if mentions(ty.to_token_stream(), "impl") => problems.add(ty, &Problem::UnnamedResult),
            ty if mentions(ty.to_token_stream(), "&") => problems.add(ty, &Problem::BorrowedResult),
            _ => {}
        },
        ReturnType::Default => {
            problems.add(&sig.ident, &Problem::NoResult);
            if sig.asyncness.is_none() {
                problems.add(&sig.fn_token, &Problem::NotAsync);
            }
        }
    }
}

/// `Result<Thread>`, or a name without arguments, which may stand for it.
fn is_result_of_thread(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    match type_argument(&path.path) {
        Some(Type::Path(inner)) => inner.path.segments.last().is_some_and(|last| last.ident == "Thread"),
        Some(_) => false,
        None => true,
    }
}

/// Whether a word or sign stands anywhere in the tokens.
fn mentions(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => mentions(group.stream(), word),
        TokenTree::Punct(punct) => word.starts_with(punct.as_char()),
        TokenTree::Literal(_) => false,
    })
}

fn reserved(ident: &Ident, problems: &Problems) {
    let name = python_ident(ident);
    if RESERVED.contains(&name.as_str()) {
        problems.add(ident, &Problem::Reserved(&name));
    }
}

/// The tasks of a trait share a namespace on the board: of two with one name, one would call the other by mistake.
/// Methods under `cfg` are left out: two of them may never meet.
fn same_names(device: &DeviceTrait, problems: &Problems) {
    let mut seen: Vec<(String, &Function)> = Vec::new();
    for function in device.functions().filter(|function| !function.kind.is_module()) {
        if function.attrs.iter().any(|attr| attr.path().is_ident("cfg")) {
            continue;
        }
        let name = function.python_name();
        match seen.iter().find(|(other, _)| *other == name) {
            // Two methods of one Rust name are the compiler's to report.
            Some((_, other)) if other.sig.ident == function.sig.ident => {}
            Some((_, other)) => {
                let other = other.sig.ident.to_string();
                let problem = Problem::SameName { name: &name, other: &other };
                match &function.options.name {
                    Some(literal) => problems.add(literal, &problem),
                    None => problems.add(&function.sig.ident, &problem),
                }
            }
            None => seen.push((name, function)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_python_judges_them() {
        for name in ["a", "_", "a1", "match", "type", "print"] {
            assert!(is_python_name(name), "{name}");
        }
        for name in ["", "1a", "a b", "lambda", "None", "é", "a-b"] {
            assert!(!is_python_name(name), "{name}");
        }
    }

    /// The methods of `Device` stand in another crate that does not know this one: the sources are compared.
    #[test]
    fn the_methods_of_device_are_reserved() {
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../belay-runtime/src");
        let mut functions = Vec::new();
        let mut directories = vec![std::path::PathBuf::from(sources)];
        while let Some(directory) = directories.pop() {
            // Not there when the crate is tested on its own.
            let Ok(entries) = std::fs::read_dir(directory) else { return };
            for entry in entries {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                // `blocking::Device` is another type, of few methods, that a task may well share a name with.
                } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("blocking.rs")
                {
                    functions.extend(device_functions(&std::fs::read_to_string(path).unwrap()));
                }
            }
        }
        assert!(!functions.is_empty(), "no `impl Device` found");
        let unknown = RESERVED.iter().filter(|name| !functions.iter().any(|(function, _)| function == *name));
        assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&&str>::new(), "`Device` has none of these");
        functions.retain(|(name, is_method)| *is_method && !RESERVED.contains(&name.as_str()));
        assert!(functions.is_empty(), "add these to RESERVED: {functions:?}");
    }

    /// The public functions in the inherent implementations of `Device`, and whether they take `self`.
    fn device_functions(source: &str) -> Vec<(String, bool)> {
        let file = syn::parse_file(source).unwrap();
        let inherent = file.items.iter().filter_map(|item| match item {
            syn::Item::Impl(item)
                if item.trait_.is_none() && item.self_ty.to_token_stream().to_string() == "Device" =>
            {
                Some(&item.items)
            }
            _ => None,
        });
        let functions = inherent.flatten().filter_map(|item| match item {
            syn::ImplItem::Fn(method) if matches!(method.vis, syn::Visibility::Public(_)) => Some(&method.sig),
            _ => None,
        });
        functions.map(|sig| (sig.ident.to_string(), sig.receiver().is_some())).collect()
    }
}
