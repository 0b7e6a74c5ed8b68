//! Who defines which name and who reads it: the scopes of a Python text, as plain data.

use std::ops::Range;

/// A name at a place of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    /// Bytes of the text.
    pub(crate) range: Range<usize>,
}

/// A name that gets a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) name: Name,
    pub(crate) how: How,
}

/// How a name gets its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Parameter,
    Import,
    /// `def` and `class`.
    Definition,
    Assignment,
    /// `:=`.
    Walrus,
    /// `+=` and its like, which read the old value first.
    Update,
}

/// What opens a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeKind {
    Module,
    /// Also `lambda`.
    Function,
    Class,
    Comprehension,
}

/// A region of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) kind: ScopeKind,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) reads: Vec<Name>,
    pub(crate) globals: Vec<Name>,
    pub(crate) nonlocals: Vec<Name>,
    pub(crate) children: Vec<Scope>,
    pub(crate) star_import: bool,
    /// `async def`.
    pub(crate) is_async: bool,
    /// Its names mean something else: inline assembler.
    pub(crate) opaque: bool,
    /// The first `yield`.
    pub(crate) yields: Option<Range<usize>>,
    /// Whether some `return` gives a value.
    pub(crate) returns: bool,
    /// Whether the end may be reached, where None is returned.
    pub(crate) ends: bool,
}

impl Scope {
    pub(crate) fn new(kind: ScopeKind) -> Self {
        Self {
            kind,
            bindings: Vec::new(),
            reads: Vec::new(),
            globals: Vec::new(),
            nonlocals: Vec::new(),
            children: Vec::new(),
            star_import: false,
            is_async: false,
            opaque: false,
            yields: None,
            returns: false,
            ends: true,
        }
    }

    /// Whether the scope itself gives the name a value.
    pub(crate) fn binds(&self, name: &str) -> bool {
        self.bindings.iter().any(|binding| binding.name.text == name)
    }

    /// Whether the scope gives the name a new value that is made of the old one.
    pub(crate) fn updates(&self, name: &str) -> bool {
        self.bindings.iter().any(|binding| binding.how == How::Update && binding.name.text == name)
    }

    /// Whether the name was read or bound in the scope itself.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.binds(name) || self.reads.iter().any(|read| read.text == name)
    }

    pub(crate) fn declares_global(&self, name: &str) -> bool {
        self.globals.iter().any(|global| global.text == name)
    }

    /// This scope and all inside of it.
    pub(crate) fn all(&self) -> Vec<&Self> {
        let mut all = vec![self];
        for child in &self.children {
            all.extend(child.all());
        }
        all
    }

    /// What is declared `nonlocal` and defined in no function around; `around` are the functions around this scope.
    pub(crate) fn unbound_nonlocals<'a>(&'a self, around: &[&'a Self]) -> Vec<&'a Name> {
        let bound = |name: &Name| around.iter().any(|scope| scope.binds(&name.text));
        let mut unbound: Vec<&Name> = self.nonlocals.iter().filter(|name| !bound(name)).collect();
        let mut around = around.to_vec();
        around.extend((self.kind == ScopeKind::Function).then_some(self));
        unbound.extend(self.children.iter().flat_map(|child| child.unbound_nonlocals(&around)));
        unbound
    }

    /// Whether names may appear or be read without a trace in the text.
    pub(crate) fn is_dynamic(&self) -> bool {
        const WAYS: &[&str] = &["exec", "eval", "execfile", "globals", "locals", "vars", "compile"];
        self.all()
            .iter()
            .any(|scope| scope.star_import || scope.reads.iter().any(|read| WAYS.contains(&read.text.as_str())))
    }
}
