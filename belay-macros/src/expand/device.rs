//! A device trait: the trait itself, with futures that can be spawned, and its implementation for `Device`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Attribute, Block, Expr, Path, ReceiverKind, Stmt, TraitItemFn};

use crate::expand::task;
use crate::model::{DeviceTrait, Function, Item, Kind, python_ident};

/// The trait and its implementation.
pub(crate) fn device(device: &DeviceTrait) -> TokenStream {
    let mut head = device.head.clone();
    head.items = device.items.iter().map(|item| syn::TraitItem::Verbatim(trait_item(item))).collect();
    let implementation = implementation(device);
    quote! {
        #head
        #implementation
    }
}

fn trait_item(item: &Item) -> TokenStream {
    match item {
        Item::Python(function) => {
            let attrs = &function.attrs;
            let sig = task::signature(function);
            let span = function.sig.ident.span();
            let body = if function.kind.is_module() {
                // Whoever mocks the trait has no board to set up.
                let params = task::params(&function.sig);
                let done = quote!(::core::future::ready(::core::result::Result::Ok(())));
                task::braced(span, quote!(#(let _ = &#params;)* #done)).to_token_stream()
            } else {
                syn::Token![;](span).to_token_stream()
            };
            // The runtime calls what has no parameters, and nobody else needs to.
            let by_itself = function.kind.is_module() && function.params.is_empty();
            let unused = by_itself.then(|| quote!(#[allow(dead_code)]));
            quote!(#(#attrs)* #unused #sig #body)
        }
        Item::Helper(helper) => self::helper(helper).into_token_stream(),
        Item::Other(item) => item.to_token_stream(),
    }
}

/// A method with a Rust body; an async one is written out so that its future is `Send`.
fn helper(helper: &TraitItemFn) -> TraitItemFn {
    let mut helper = helper.clone();
    if helper.sig.asyncness.is_none() {
        return helper;
    }
    helper.sig = task::future(&helper.sig);
    let Some(block) = helper.default.take() else { return helper };
    // What the future holds while it waits must be `Send` too, and only the default body knows that it holds it.
    let held = match helper.sig.receiver().map(|receiver| &receiver.kind) {
        Some(ReceiverKind::Reference(_, _, None)) => Some("Sync"),
        Some(_) => Some("Send"),
        None => None,
    };
    if let Some(held) = held {
        let span = helper.sig.ident.span();
        let held = Ident::new(held, span);
        let clause = helper.sig.generics.make_where_clause();
        if clause.predicates.is_empty() {
            clause.where_token.span = span;
        }
        clause.predicates.push(syn::parse_quote!(Self: ::core::marker::#held));
    }
    let brace_token = block.brace_token;
    let future: Expr = syn::parse_quote!(async move #block);
    helper.default = Some(Block { brace_token, stmts: vec![Stmt::Expr(future, None)] });
    helper
}

fn implementation(device: &DeviceTrait) -> TokenStream {
    let DeviceTrait { krate, head, .. } = device;
    let name = &head.ident;
    // The path of a module says nothing of the function that a trait may stand in; that of a type does.
    let mut marker = name.clone();
    marker.set_span(Span::call_site());
    let key = format!("::{}", python_ident(name));
    let key = quote!(::core::concat!(::core::module_path!(), #key));
    let place = quote!({
        enum #marker {}
        ::core::any::type_name::<#marker>()
    });
    let scope = format_ident!("__BELAY_SCOPE");
    let of_kinds = |kinds: &[Kind]| -> TokenStream {
        let functions =
            device.functions().filter(|function| kinds.contains(&function.kind) && function.python.is_some());
        let names = functions.map(|function| {
            let cfgs = task::cfgs(&function.attrs);
            let task = static_name(function);
            quote!(#(#cfgs)* &#task,)
        });
        names.collect()
    };
    let has_tasks = device.functions().any(|function| function.python.is_some());
    let scope_static = has_tasks.then(|| task::scope_static(krate, &scope, &key, &place, of_kinds));
    let tasks =
        device.functions().filter_map(|function| task::task_static(krate, function, &static_name(function), &scope));
    let methods = device.functions().map(|function| method(krate, function));
    let uses = device.attribute_paths.iter().map(|path| quote!(#[#path(__belay_used)] const _: () = ();));
    let attrs = head.attrs.iter().filter_map(for_implementation);
    // To implement a deprecated trait is to use it.
    let deprecated = head.attrs.iter().any(|attr| attr.path().is_ident("deprecated"));
    let deprecated = deprecated.then(|| quote!(#[allow(deprecated)]));
    let (impl_generics, ty_generics, where_clause) = head.generics.split_for_impl();
    quote! {
        #[doc(hidden)]
        #deprecated
        const _: () = {
            #scope_static
            #(#tasks)*
            #(#attrs)*
            impl #impl_generics #name #ty_generics for #krate::Device #where_clause {
                #(#methods)*
            }
            #(#uses)*
        };
    }
}

fn method(krate: &Path, function: &Function) -> TokenStream {
    let attrs = function.attrs.iter().filter_map(for_implementation);
    let (refined, sig) = match task::named_stream(krate, function) {
        // The trait promises some stream; this one is known to borrow neither the board nor an argument.
        Some(sig) => (Some(quote!(#[allow(refining_impl_trait)])), sig),
        None => (None, task::signature(function)),
    };
    let call = task::call(krate, function, &static_name(function));
    let body = task::braced(function.sig.ident.span(), call);
    quote!(#(#attrs)* #refined #sig #body)
}

/// What of a method's attributes the implementation needs: whether it is there, and which lints to leave alone.
fn for_implementation(attr: &Attribute) -> Option<TokenStream> {
    let path = attr.path();
    if path.is_ident("cfg") || path.is_ident("allow") {
        return Some(attr.to_token_stream());
    }
    // An expectation that is fulfilled in the trait may not be here.
    let list = path.is_ident("expect").then(|| attr.meta.require_list().ok())??;
    let lints = &list.tokens;
    Some(quote!(#[allow(#lints)]))
}

/// Two methods may differ in the case of a letter only, so it is kept.
fn static_name(function: &Function) -> Ident {
    format_ident!("__BELAY_TASK_{}", python_ident(&function.sig.ident))
}
