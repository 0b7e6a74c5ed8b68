//! What a body means before it runs: names that nobody defines, values that are never returned, parameters that
//! nobody reads. Where names may come from elsewhere (star imports, `exec`), nothing is said.

use std::ops::Range;

use crate::python::names;
use crate::python::scope::{How, Name, Scope, ScopeKind};
use crate::python::slip::{Hint, Slip, What};
use crate::python::syntax::{Module, TokenKind};

/// What all bodies of one trait share on the board.
#[derive(Debug, Default)]
pub(crate) struct Namespace {
    /// Globals of the setups, and whatever any body declares `global`.
    names: Vec<String>,
    /// Imports of the setups.
    imports: Vec<String>,
    /// All names that a setup defines, as long as nobody silenced the line.
    defined: Vec<String>,
    /// Whether there may be names that nobody can see.
    open: bool,
    alone: bool,
}

/// What a call of a task promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// A value: None will not do.
    Value,
    /// Nothing, or something that may be None, or who knows.
    Any,
    /// A generator, for its items.
    Items,
    /// A generator, for the points at which it can be stopped.
    Pauses,
}

impl Namespace {
    /// A namespace that one sees only a part of: that of a task that stands alone.
    pub(crate) fn alone() -> Self {
        Self { alone: true, ..Self::default() }
    }

    /// A body could not be read: what it defines is unknown.
    pub(crate) fn add_unknown(&mut self) {
        self.open = true;
    }

    /// Adds the globals of a setup, which its parameters become too.
    pub(crate) fn add_setup(&mut self, module: &Module, params: &[String]) {
        self.names.extend_from_slice(params);
        self.defined.extend_from_slice(params);
        for binding in &module.scope.bindings {
            self.names.push(binding.name.text.clone());
            if !module.is_silenced(&binding.name.range) {
                self.defined.push(binding.name.text.clone());
                if binding.how == How::Import {
                    self.imports.push(binding.name.text.clone());
                }
            }
        }
        self.add_function(module);
    }

    /// Adds what a body declares global.
    pub(crate) fn add_function(&mut self, module: &Module) {
        self.open |= module.scope.is_dynamic();
        let globals = module.scope.all().into_iter().flat_map(|scope| &scope.globals);
        self.names.extend(globals.map(|name| name.text.clone()));
    }

    /// Judges a body that is the first function of the module.
    pub(crate) fn function(&self, module: &Module, promise: Promise) -> Vec<Slip> {
        let mut slips = self.undefined(module);
        // The `def` itself is the first thing that the module defines.
        if let Some(own) = module.scope.bindings.first().map(|binding| &binding.name)
            && self.defined.contains(&own.text)
        {
            slips.push(Slip { range: own.range.clone(), what: What::HidesSetup(own.text.clone()) });
        }
        if let Some(function) = module.scope.children.first() {
            slips.extend(self.hidden(module, function));
            let missing = match (promise, &function.yields) {
                (Promise::Items | Promise::Pauses, Some(_)) => None,
                (Promise::Items, None) => Some(What::NoItem),
                (Promise::Pauses, None) => Some(What::NoPause),
                (Promise::Value | Promise::Any, Some(yields)) => {
                    slips.push(Slip { range: yields.clone(), what: What::Yield });
                    None
                }
                (Promise::Value, None) if !function.returns && function.ends => Some(What::NoValue),
                (Promise::Value | Promise::Any, None) => None,
            };
            if let Some(what) = missing {
                // At the end of the last statement: the user did not write the `def`.
                let layout = [TokenKind::Newline, TokenKind::Indent, TokenKind::Dedent];
                let last = module.tokens.iter().rev().find(|token| !layout.contains(&token.kind));
                let end = last.map_or(0, |token| token.range.end);
                slips.push(Slip { range: end..end, what });
            }
        }
        keep_wanted(module, slips)
    }

    /// Judges the body of a setup or a teardown.
    pub(crate) fn module(&self, module: &Module, params: &[String]) -> Vec<Slip> {
        let mut slips = self.undefined(module);
        let imports = module.scope.bindings.iter().filter(|binding| binding.how == How::Import);
        slips.extend(imports.filter(|import| params.contains(&import.name.text)).map(|import| Slip {
            range: import.name.range.clone(),
            what: What::ShadowsImport { name: import.name.text.clone(), in_setup: false },
        }));
        keep_wanted(module, slips)
    }

    /// Parameters and imports of one name.
    fn hidden(&self, module: &Module, function: &Scope) -> Vec<Slip> {
        let parameters = function.bindings.iter().filter(|binding| binding.how == How::Parameter);
        parameters
            .filter_map(|parameter| {
                let name = &parameter.name.text;
                let here = function
                    .bindings
                    .iter()
                    .find(|binding| binding.how == How::Import && binding.name.text == *name)
                    .filter(|import| !module.is_silenced(&import.name.range));
                let what = |in_setup| What::ShadowsImport { name: name.clone(), in_setup };
                match here {
                    Some(import) => Some(Slip { range: import.name.range.clone(), what: what(false) }),
                    None if self.imports.contains(name) => {
                        Some(Slip { range: parameter.name.range.clone(), what: what(true) })
                    }
                    None => None,
                }
            })
            .collect()
    }

    fn undefined(&self, module: &Module) -> Vec<Slip> {
        let mut slips = Vec::new();
        if !self.open && !module.scope.is_dynamic() {
            self.visit(&[&module.scope], &mut slips);
        }
        slips
    }

    /// Looks at the innermost of the scopes and at those inside of it.
    fn visit(&self, chain: &[&Scope], slips: &mut Vec<Slip>) {
        let Some(scope) = chain.last().filter(|scope| !scope.opaque) else { return };
        for read in &scope.reads {
            if self.defines(chain, &read.text) || has(slips, &read.text) {
                continue;
            }
            let what = What::Undefined { name: read.text.clone(), hint: self.hint(chain, &read.text) };
            slips.push(Slip { range: read.range.clone(), what });
        }
        if scope.kind == ScopeKind::Function {
            slips.extend(self.only_updated(scope));
        }
        for child in &scope.children {
            let inner: Vec<&Scope> = chain.iter().copied().chain([child]).collect();
            self.visit(&inner, slips);
        }
    }

    /// Whether a name that is read in the innermost scope is defined there or around it.
    fn defines(&self, chain: &[&Scope], name: &str) -> bool {
        let (module, inner) = match chain.split_first() {
            Some((module, inner)) => (*module, inner),
            None => return false,
        };
        let mut innermost = true;
        for scope in inner.iter().rev() {
            if scope.declares_global(name) {
                break;
            }
            // What a class defines, its methods do not see.
            let visible = scope.kind != ScopeKind::Class || innermost;
            if visible && scope.binds(name) {
                return true;
            }
            innermost &= scope.kind == ScopeKind::Comprehension;
        }
        module.binds(name) || self.names.iter().any(|known| known == name) || names::is_builtin(name)
    }

    /// `x += 1` in a function makes `x` a local variable; if nothing else gives it a value, it has none.
    fn only_updated(&self, scope: &Scope) -> Vec<Slip> {
        let mut seen: Vec<&Name> = Vec::new();
        for binding in scope.bindings.iter().filter(|binding| binding.how == How::Update) {
            let name = &binding.name;
            let elsewhere = scope.declares_global(&name.text)
                || scope.nonlocals.iter().any(|outer| outer.text == name.text)
                || scope.bindings.iter().any(|other| other.how != How::Update && other.name.text == name.text);
            if !elsewhere && !seen.iter().any(|other| other.text == name.text) {
                seen.push(name);
            }
        }
        seen.into_iter()
            .map(|name| Slip { range: name.range.clone(), what: What::LocalOnlyUpdated(name.text.clone()) })
            .collect()
    }

    fn hint(&self, chain: &[&Scope], name: &str) -> Hint {
        let visible = chain.iter().flat_map(|scope| &scope.bindings).map(|binding| binding.name.text.as_str());
        let known = visible.chain(self.names.iter().map(String::as_str));
        if let Some(import) = names::import_of(name) {
            Hint::Import(import)
        } else if let Some(similar) = names::similar(name, known) {
            Hint::Similar(similar.to_owned())
        } else if self.alone {
            Hint::Alone
        } else {
            Hint::Setup
        }
    }
}

/// Whether a body reads a name anywhere; of one with an unseen way to read it, it does.
pub(crate) fn mentions(module: &Module, name: &str) -> bool {
    module.scope.is_dynamic()
        || module
            .scope
            .all()
            .iter()
            .any(|scope| scope.reads.iter().any(|read| read.text == name) || scope.updates(name))
}

/// Whether the body of a task reads a parameter; of one with an unseen way to read it, it does.
pub(crate) fn reads(module: &Module, parameter: &str) -> bool {
    let Some(function) = module.scope.children.first() else { return true };
    module.scope.is_dynamic()
        || function.all().iter().any(|scope| {
            let read = |name: &Name| name.text == parameter;
            scope.reads.iter().any(read) || scope.nonlocals.iter().any(read) || scope.updates(parameter)
        })
}

fn has(slips: &[Slip], name: &str) -> bool {
    slips.iter().any(|slip| matches!(&slip.what, What::Undefined { name: other, .. } if other == name))
}

/// Leaves out what the user silenced.
fn keep_wanted(module: &Module, mut slips: Vec<Slip>) -> Vec<Slip> {
    slips.retain(|slip| !module.is_silenced(&slip.range));
    slips.sort_by_key(|slip| slip.range.start);
    slips
}

impl Module {
    /// Leaves out what the user silenced of what depends on the board; what is no Python at all stays.
    pub(crate) fn silence(&mut self) {
        let mut slips = std::mem::take(&mut self.slips);
        slips.retain(|slip| !(slip.what.depends_on_the_board() && self.is_silenced(&slip.range)));
        self.slips = slips;
    }

    fn is_silenced(&self, range: &Range<usize>) -> bool {
        self.silenced.iter().any(|line| line.start <= range.start && range.start < line.end)
    }
}
