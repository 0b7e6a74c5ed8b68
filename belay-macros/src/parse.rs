//! From syn's items to the model. Whatever is wrong is noted and parsing goes on, so that one slip hides no other.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Block, Expr, ExprLit, FnArg, ItemTrait, Lit, LitStr, Meta, Pat, Path, ReturnType, Signature, Stmt,
    Token, TraitItem, TraitItemFn, Type, Visibility, parse_quote,
};

use crate::model::{Alone, Body, DeviceTrait, Function, Home, Item, Kind, Param, stream_type};
use crate::options::{Options, Site, ungroup};
use crate::problem::{Problem, Problems};

/// Reads a trait with `#[belay::device]`; `None` if it is no trait at all.
pub(crate) fn device_trait(args: TokenStream, item: TokenStream, problems: &Problems) -> Option<DeviceTrait> {
    let options = Options::read(args, Site::Device, problems);
    let mut head: ItemTrait = match syn::parse2(item.clone()) {
        Ok(head) => head,
        Err(error) if syn::parse2::<syn::Item>(item.clone()).is_err() => {
            problems.keep(error);
            return None;
        }
        Err(_) => {
            problems.add(&item, &Problem::NotATrait);
            return None;
        }
    };
    if head.unsafety.take().is_some() | head.modifiers.auto_token.take().is_some() {
        problems.add(&head.ident, &Problem::UnsafeTrait);
    }
    let mut attribute_paths = Vec::new();
    let items = std::mem::take(&mut head.items)
        .into_iter()
        .filter_map(|item| trait_item(item, &mut attribute_paths, problems))
        .collect();
    Some(DeviceTrait { krate: krate(&options), head, items, attribute_paths })
}

/// Reads a task or a thread that stands outside of a device trait; `None` if it is no function at all.
pub(crate) fn alone(kind: Kind, args: TokenStream, item: TokenStream, problems: &Problems) -> Option<Alone> {
    let site = if kind == Kind::Thread { Site::ThreadAlone } else { Site::TaskAlone };
    let options = Options::read(args, site, problems);
    let AnyFunction { attrs, vis, sig, block } = any_function(item, problems)?;
    let body = body(&sig, block.as_ref(), &options, problems);
    let params = params(&sig, Home::Alone, problems);
    let krate = krate(&options);
    let kind = form(kind, &sig);
    let function = Function { kind, home: Home::Alone, attrs, sig, params, options, body, python: None };
    Some(Alone { krate, vis, function })
}

/// Reads a function whose attribute has no business outside of a device trait: its signature is kept.
pub(crate) fn misplaced(item: TokenStream, problem: &Problem<'_>, problems: &Problems) -> Option<Alone> {
    let AnyFunction { attrs, vis, sig, .. } = any_function(item, problems)?;
    problems.add(&sig.ident, problem);
    let options = Options::default();
    let krate = krate(&options);
    let function = Function {
        kind: Kind::Task,
        home: Home::Alone,
        attrs,
        sig,
        params: Vec::new(),
        options,
        body: None,
        python: None,
    };
    Some(Alone { krate, vis, function })
}

/// A function in an impl, in a trait or on its own.
struct AnyFunction {
    attrs: Vec<Attribute>,
    vis: Visibility,
    sig: Signature,
    block: Option<Block>,
}

impl Parse for AnyFunction {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let block = if input.peek(Token![;]) {
            input.parse::<Token![;]>()?;
            None
        } else {
            Some(input.parse()?)
        };
        Ok(Self { attrs, vis, sig, block })
    }
}

/// Reads any kind of function.
fn any_function(item: TokenStream, problems: &Problems) -> Option<AnyFunction> {
    match syn::parse2(item.clone()) {
        Ok(function) => Some(function),
        Err(error) => {
            match syn::parse2::<syn::Item>(item.clone()) {
                Ok(_) => problems.add(&item, &Problem::NotAFunction),
                Err(_) => problems.keep(error),
            }
            None
        }
    }
}

fn krate(options: &Options) -> Path {
    options.krate.clone().unwrap_or_else(|| parse_quote!(::belay))
}

fn trait_item(item: TraitItem, paths: &mut Vec<Path>, problems: &Problems) -> Option<Item> {
    match item {
        TraitItem::Fn(method) => Some(trait_method(method, paths, problems)),
        TraitItem::Const(item) => {
            problems.add(&item.ident, &Problem::AssociatedItem("constants"));
            // Without a value it would leave a second error at the implementation.
            item.default.is_some().then_some(Item::Other(Box::new(TraitItem::Const(item))))
        }
        TraitItem::Type(item) => {
            problems.add(&item.ident, &Problem::AssociatedItem("types"));
            None
        }
        other => Some(Item::Other(Box::new(other))),
    }
}

fn trait_method(mut method: TraitItemFn, paths: &mut Vec<Path>, problems: &Problems) -> Item {
    let before = problems.count();
    let mut found: Option<(Kind, Attribute)> = None;
    method.attrs.retain(|attr| {
        let Some(kind) = belay_attribute(attr) else { return true };
        // Once is enough for each spelling.
        let spelling = |path: &Path| path.to_token_stream().to_string();
        if !paths.iter().any(|path| spelling(path) == spelling(attr.path())) {
            paths.push(attr.path().clone());
        }
        if found.is_some() {
            problems.add(attr, &Problem::TwoAttributes);
        } else {
            found = Some((kind, attr.clone()));
        }
        false
    });
    let Some((kind, attr)) = found else { return helper(method, problems) };
    let site = match kind {
        Kind::Task | Kind::Stream => Site::TaskInTrait,
        Kind::Thread => Site::ThreadInTrait,
        Kind::Setup | Kind::Teardown => Site::Module,
    };
    let tokens = match attr.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens,
        Meta::NameValue(pair) => {
            problems.add(&pair, &Problem::AttributeForm);
            TokenStream::new()
        }
    };
    let options = Options::read(tokens, site, problems);
    let TraitItemFn { attrs, sig, default, .. } = method;
    let body = body(&sig, default.as_ref(), &options, problems);
    let params = params(&sig, Home::Device, problems);
    let body = body.filter(|_| problems.count() == before);
    let kind = form(kind, &sig);
    Item::Python(Box::new(Function { kind, home: Home::Device, attrs, sig, params, options, body, python: None }))
}

/// A method without an attribute of ours needs a Rust body.
fn helper(mut method: TraitItemFn, problems: &Problems) -> Item {
    let problem = match &method.default {
        None => Problem::HelperWithoutBody,
        Some(block) if literal(block).is_some() && !returns_reference(&method.sig) => Problem::PythonWithoutAttribute,
        Some(_) => return Item::Helper(Box::new(method)),
    };
    match &method.default {
        Some(block) => problems.add(block, &problem),
        None => problems.add(&method.sig, &problem),
    }
    // One that fits every signature, so that nothing else is wrong with this one.
    method.default = Some(parse_quote!({ ::core::unreachable!() }));
    Item::Helper(Box::new(method))
}

/// Which of our attributes this is: a macro sees no imports, so the last segment decides.
fn belay_attribute(attr: &Attribute) -> Option<Kind> {
    let last = &attr.path().segments.last()?.ident;
    let known = [("task", Kind::Task), ("thread", Kind::Thread), ("setup", Kind::Setup), ("teardown", Kind::Teardown)];
    known.into_iter().find(|(name, _)| last == name).map(|(_, kind)| kind)
}

/// A task whose type says so is a stream.
fn form(kind: Kind, sig: &Signature) -> Kind {
    if kind == Kind::Task && stream_type(sig).is_some() { Kind::Stream } else { kind }
}

/// The body of a function: the literal between the braces, or the file in the options.
fn body(sig: &Signature, block: Option<&Block>, options: &Options, problems: &Problems) -> Option<Body> {
    let stmts = block.map(|block| block.stmts.as_slice()).unwrap_or_default();
    match (stmts, &options.file, block) {
        ([], Some(file), _) => return Some(Body::File(file.clone())),
        ([first, ..], Some(_), _) => problems.add(first, &Problem::TwoBodies),
        ([], None, Some(block)) => problems.add(block, &Problem::NoBody),
        ([], None, None) => problems.add(sig, &Problem::NoBody),
        ([first, ..], None, block) => match block.and_then(literal) {
            Some(literal) => return Some(Body::Literal(literal.clone())),
            None => problems.add(first, &Problem::BodyNotALiteral),
        },
    }
    None
}

/// Whether a string literal could be this function's Rust body.
fn returns_reference(sig: &Signature) -> bool {
    matches!(&sig.output, ReturnType::Type(_, ty) if matches!(&**ty, Type::Reference(_)))
}

/// The literal of a block that is nothing but a string literal.
fn literal(block: &Block) -> Option<&LitStr> {
    let [Stmt::Expr(expr, None)] = block.stmts.as_slice() else { return None };
    match ungroup(expr) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), attrs }) if attrs.is_empty() => Some(text),
        _ => None,
    }
}

/// The parameters that go to the board. For a function that stands alone without `self`, the first is the board.
fn params(sig: &Signature, home: Home, problems: &Problems) -> Vec<Param> {
    let mut params = Vec::new();
    for (index, input) in sig.inputs.iter().enumerate() {
        let FnArg::Typed(input) = input else { continue };
        for attr in &input.attrs {
            problems.add(attr, &Problem::ParameterAttribute);
        }
        let is_board = index == 0 && home == Home::Alone;
        match &*input.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => {
                if let Some(mutability) = &pat.mutability {
                    problems.add(mutability, &Problem::Mutable);
                }
                if !is_board {
                    params.push(Param { ident: pat.ident.clone(), ty: (*input.ty).clone() });
                }
            }
            other => problems.add(other, &Problem::Pattern),
        }
    }
    params
}
