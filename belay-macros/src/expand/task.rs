//! One Python body: the `static` that describes it, the call that runs it, and the task that stands alone.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, FnArg, GenericArgument, Pat, Path, PathArguments, ReturnType, Signature, Type, TypeParamBound};

use crate::model::{Alone, Function, Home, Kind, bound, python_ident, stream_item, stream_type};

/// A task outside of a device trait: everything stands inside of the function.
pub(crate) fn alone(alone: &Alone) -> TokenStream {
    let Alone { krate, vis, function } = alone;
    let attrs = &function.attrs;
    let sig = signature(function);
    let scope = Ident::new("__BELAY_SCOPE", Span::call_site());
    let task = Ident::new("__BELAY_TASK", Span::call_site());
    let statics = task_static(krate, function, &task, &scope).map(|task| {
        let module = quote!(::core::module_path!());
        let scope = scope_static(krate, &scope, &module, &module, |_| TokenStream::new());
        quote!(#scope #task)
    });
    let call = call(krate, function, &task);
    let body = braced(function.sig.ident.span(), quote!(#statics #call));
    quote!(#(#attrs)* #vis #sig #body)
}

/// A block that lints take for the user's: the span of a function reaches from its first to its last token, and if
/// one of them is the macro's, all of it is.
pub(crate) fn braced(span: Span, tokens: TokenStream) -> Group {
    let mut group = Group::new(Delimiter::Brace, tokens);
    group.set_span(span);
    group
}

/// `async fn f(&self, …) -> R` as `fn f(&self, …) -> impl Future<Output = R> + Send`; a stream as one that is `Send`,
/// and `Unpin`, so that its items can be asked for where it stands.
pub(crate) fn signature(function: &Function) -> Signature {
    let mut sig = match function.kind {
        Kind::Stream => stream(function),
        _ => future(&function.sig),
    };
    plain_params(&mut sig);
    sig
}

/// The signature of a stream with the runtime's own type, if this is one: inside of the implementation for `Device`.
pub(crate) fn named_stream(krate: &Path, function: &Function) -> Option<Signature> {
    if function.kind != Kind::Stream {
        return None;
    }
    let mut sig = function.sig.clone();
    let streaming = streaming(krate, function);
    sig.asyncness = None;
    sig.output = syn::parse_quote!(-> #streaming);
    plain_params(&mut sig);
    Some(sig)
}

/// The runtime's stream of the items that are promised.
fn streaming(krate: &Path, function: &Function) -> Type {
    match stream_item(&function.sig) {
        Some(item) => syn::parse_quote!(#krate::__private::Streaming<#item>),
        None => syn::parse_quote!(#krate::__private::Streaming<()>),
    }
}

fn stream(function: &Function) -> Signature {
    let mut sig = function.sig.clone();
    let Some(implemented) = stream_type(&sig) else { return sig };
    let mut implemented = implemented.clone();
    for name in ["Send", "Unpin"] {
        if bound(&implemented, name).is_none() {
            let name = Ident::new(name, Span::call_site());
            implemented.bounds.push(syn::parse_quote!(::core::marker::#name));
        }
    }
    // Outside of a device trait nobody else implements it, and it is known to borrow nothing.
    let borrows =
        |bound: &TypeParamBound| matches!(bound, TypeParamBound::Lifetime(_) | TypeParamBound::PreciseCapture(_));
    if function.home == Home::Alone && !implemented.bounds.iter().any(borrows) {
        implemented.bounds.push(syn::parse_quote!('static));
    }
    sig.asyncness = None;
    sig.output = syn::parse_quote!(-> #implemented);
    sig
}

/// A signature without a body takes plain names only.
fn plain_params(sig: &mut Signature) {
    for input in &mut sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        match &mut *input.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => pat.mutability = None,
            // Reported.
            other => *other = syn::parse_quote!(_),
        }
    }
}

/// The signature with its future written out, which is `Send`; errors about that point at the `async`.
pub(crate) fn future(sig: &Signature) -> Signature {
    let mut sig = sig.clone();
    let output = output(&sig);
    let written = sig.asyncness.take().map_or(sig.fn_token.span, |token| token.span);
    // The ends are the user's, so that lints take the signature for the user's; the paths are not, so that no lint
    // looks at how they are spelled.
    let impl_token = syn::Token![impl](written);
    let send = Ident::new("Send", written);
    sig.output = syn::parse_quote_spanned! {Span::call_site().located_at(written)=>
        -> #impl_token ::core::future::Future<Output = #output> + ::core::marker::#send
    };
    sig
}

/// The type that a call gives back.
pub(crate) fn output(sig: &Signature) -> Type {
    match &sig.output {
        ReturnType::Type(_, ty) => (**ty).clone(),
        ReturnType::Default => syn::parse_quote!(()),
    }
}

/// The attributes that decide whether an item is there.
pub(crate) fn cfgs(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
}

/// The `static` of a namespace on the board.
pub(crate) fn scope_static(
    krate: &Path,
    scope: &Ident,
    key: &TokenStream,
    place: &TokenStream,
    bodies: impl Fn(&[Kind]) -> TokenStream,
) -> TokenStream {
    let setups = bodies(&[Kind::Setup]);
    let tasks = bodies(&[Kind::Task, Kind::Stream, Kind::Thread]);
    let teardowns = bodies(&[Kind::Teardown]);
    quote! {
        static #scope: #krate::__private::Scope = #krate::__private::Scope {
            key: #key,
            place: || #place,
            setups: &[#setups],
            tasks: &[#tasks],
            teardowns: &[#teardowns],
        };
    }
}

/// The `static` of a body; nothing if the body is in error.
pub(crate) fn task_static(krate: &Path, function: &Function, task: &Ident, scope: &Ident) -> Option<TokenStream> {
    let python = function.python.as_ref()?;
    let name = if function.kind.is_module() { python_ident(&function.sig.ident) } else { function.python_name() };
    let kind = match function.kind {
        Kind::Task => quote!(Task),
        Kind::Stream => quote!(Stream),
        Kind::Thread => quote!(Thread),
        Kind::Setup => quote!(Setup),
        Kind::Teardown => quote!(Teardown),
    };
    let params = function.params.iter().map(|param| python_ident(&param.ident));
    let text = python.script.text();
    let hash: TokenStream = format!("{:#018x}", fnv1a(text.as_bytes())).parse().unwrap_or_default();
    let timeout = match function.options.timeout {
        Some(timeout) => {
            let millis = Literal::u64_unsuffixed(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
            quote!(::core::option::Option::Some(::core::time::Duration::from_millis(#millis)))
        }
        None => quote!(::core::option::Option::None),
    };
    let idempotent = function.options.idempotent;
    let file = match &python.file {
        Some(file) => file.to_token_stream(),
        None => quote!(::core::file!()),
    };
    let numbers = python.script.lines.iter().map(|line| Literal::u32_unsuffixed(line.number));
    let originals = python.script.lines.iter().map(|line| &line.original);
    let cfgs = cfgs(&function.attrs);
    // The compiler builds anew when the file changes.
    let include = python.include.as_ref().and_then(|path| path.to_str()).map(|path| {
        quote!(
            const _: &::core::primitive::str = ::core::include_str!(#path);
        )
    });
    Some(quote! {
        #include
        #(#cfgs)*
        #[allow(non_upper_case_globals)]
        static #task: #krate::__private::Task = #krate::__private::Task {
            name: #name,
            kind: #krate::__private::Kind::#kind,
            params: &[#(#params),*],
            source: #text,
            hash: #hash,
            timeout: #timeout,
            idempotent: #idempotent,
            origin: #krate::__private::Origin {
                file: #file,
                lines: &[#(#numbers),*],
                text: &[#(#originals),*],
            },
            scope: &#scope,
        };
    })
}

/// The body of the Rust function: arguments, then one call that is not async, so that the future borrows nothing.
pub(crate) fn call(krate: &Path, function: &Function, task: &Ident) -> TokenStream {
    let Some(python) = &function.python else { return nothing(krate, function) };
    let args = Ident::new("args", Span::mixed_site());
    let mutability = (!function.params.is_empty()).then(|| quote!(mut));
    let pushes = function.params.iter().map(|param| {
        // Underlined at its type if it cannot be sent.
        let (first, last) = ends(&param.ty);
        let mut name = param.ident.clone();
        name.set_span(name.span().located_at(last));
        let and = syn::Token![&](first);
        quote!(#args.push(#and #name);)
    });
    let board = board(krate, function);
    let call = match function.kind {
        Kind::Thread => quote!(thread(#board, #args)),
        Kind::Stream => {
            let item = stream_item(&function.sig);
            quote!(stream(#board, #args, #krate::__private::item::<#item>))
        }
        Kind::Task | Kind::Setup | Kind::Teardown => {
            let output = output(&function.sig);
            quote!(call(#board, #args, #krate::__private::returns::<#output>()))
        }
    };
    // The compiler's own warning, with its own ways to silence it.
    let unread = &python.unread;
    let unread = (!unread.is_empty()).then(|| quote!({ #(let #unread = ();)* }));
    quote! {
        #unread
        let #mutability #args = #krate::__private::Args::new(&#task);
        #(#pushes)*
        #krate::__private::#call
    }
}

/// The body of a function in error: it fits the signature, and adds no warning about parameters to the error.
fn nothing(krate: &Path, function: &Function) -> TokenStream {
    let params = params(&function.sig);
    let nothing = if function.kind == Kind::Stream {
        let streaming = streaming(krate, function);
        // In a function of its own the compiler does not see that it never comes back.
        quote!({
            fn nothing<T>() -> T {
                ::core::unreachable!()
            }
            nothing::<#streaming>()
        })
    } else {
        match unnamed(&function.sig) {
            // Without a type the compiler would ask for one.
            Some(output) => quote!(::core::future::pending::<#output>()),
            None => quote!(::core::future::pending()),
        }
    };
    quote! {
        #(let _ = &#params;)*
        #nothing
    }
}

/// A type that fits a result with an `impl …` in it.
fn unnamed(sig: &Signature) -> Option<Type> {
    let Type::Path(mut output) = output(sig) else { return None };
    let PathArguments::AngleBracketed(arguments) = &mut output.path.segments.last_mut()?.arguments else { return None };
    let first = arguments.args.first_mut()?;
    if !matches!(first, GenericArgument::Type(Type::ImplTrait(_))) {
        return None;
    }
    *first = syn::parse_quote!(());
    Some(Type::Path(output))
}

/// The names of all parameters that have one, without `self`.
pub(crate) fn params(sig: &Signature) -> impl Iterator<Item = &Ident> {
    sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(input) => match &*input.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Some(&pat.ident),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    })
}

/// The expression that is the `&Device`.
fn board(krate: &Path, function: &Function) -> TokenStream {
    match (function.home, function.sig.inputs.first()) {
        (Home::Device, Some(FnArg::Receiver(receiver))) => receiver.self_token.to_token_stream(),
        (Home::Alone, Some(FnArg::Receiver(receiver))) => {
            let this = receiver.self_token;
            quote!(::core::convert::AsRef::<#krate::Device>::as_ref(#this))
        }
        (_, Some(FnArg::Typed(first))) => first.pat.to_token_stream(),
        (_, None) => TokenStream::new(),
    }
}

/// The spans of the first and the last token.
fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let mut spans = tokens.to_token_stream().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
}

/// FNV-1a, 64 bit, as the runtime computes it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
