//! How many bytes of the examples' bodies go to a board: `cargo test -p belay-macros examples -- --nocapture`.

// Without the parser bodies are not made smaller.
#![cfg(feature = "syntax")]

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Item, LitStr};

/// The string literals of an expansion that stand after `source:`.
pub(crate) fn sources(tokens: TokenStream, found: &mut Vec<String>) {
    let mut after_source = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => after_source = ident == "source",
            TokenTree::Punct(_) => {}
            TokenTree::Literal(literal) => {
                if std::mem::take(&mut after_source) {
                    found.push(syn::parse2::<LitStr>(literal.into_token_stream()).unwrap().value());
                }
            }
            TokenTree::Group(group) => {
                after_source = false;
                sources(group.stream(), found);
            }
        }
    }
}

/// The bodies of a trait as they are written.
fn bodies(item: &syn::ItemTrait) -> Vec<String> {
    let block = |item: &syn::TraitItem| match item {
        syn::TraitItem::Fn(method) => method.default.clone(),
        _ => None,
    };
    let literal = |block: syn::Block| syn::parse2::<LitStr>(block.stmts.first().to_token_stream()).ok();
    item.items.iter().filter_map(block).filter_map(literal).map(|literal| literal.value()).collect()
}

#[test]
fn the_examples_become_small() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    // Not there when the crate is tested on its own.
    let Ok(entries) = std::fs::read_dir(examples) else { return };
    let mut written = Vec::new();
    let mut deployed = Vec::new();
    for entry in entries {
        let Ok(source) = std::fs::read_to_string(entry.unwrap().path().join("src/main.rs")) else { continue };
        for item in syn::parse_file(&source).unwrap().items {
            let Item::Trait(mut item) = item else { continue };
            let before = item.attrs.len();
            item.attrs.retain(|attr| attr.path().segments.last().is_none_or(|last| last.ident != "device"));
            if item.attrs.len() < before {
                written.extend(bodies(&item));
                sources(crate::expand_device(TokenStream::new(), item.into_token_stream()), &mut deployed);
            }
        }
    }
    let [before, after] = [&written, &deployed].map(|texts| texts.iter().map(String::len).sum::<usize>());
    println!("{} bodies of {before} bytes, deployed as {after}", written.len());
    assert_eq!(written.len(), deployed.len());
    assert!(!written.is_empty() && after < before);
}
