//! One walk over the syntax tree that finds what is read and bound in which scope, what can be cut, and what
//! MicroPython does not take.

use ruff_python_ast::token::{TokenKind as Ruff, Tokens};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, AnyParameterRef, ExceptHandler, Expr, ExprContext, Parameters, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::{Cut, Module, TokenKind, bytes, flow, strings, tokens};
use crate::python::scope::{Binding, How, Name, Scope, ScopeKind};
use crate::python::slip::{Slip, What};

/// What a suite belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Suite {
    Module,
    /// Of a function or class: it may begin with a docstring.
    Documented,
    Block,
}

/// The walk and what it has found.
pub(super) struct Walk<'a> {
    text: &'a str,
    tokens: &'a Tokens,
    /// The scopes that are open, the innermost last.
    open: Vec<Scope>,
    cuts: Vec<Cut>,
    slips: Vec<Slip>,
    loops: usize,
    in_f_string: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str, tokens: &'a Tokens) -> Self {
        let open = vec![Scope::new(ScopeKind::Module)];
        Self { text, tokens, open, cuts: Vec::new(), slips: Vec::new(), loops: 0, in_f_string: false }
    }

    pub(super) fn finish(mut self) -> Module {
        self.cuts.sort_by_key(|cut| cut.range.start);
        let tokens = tokens(self.tokens);
        let line_start =
            |at: usize| self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let silenced = self
            .tokens
            .iter()
            .filter(|token| token.kind() == Ruff::Comment)
            .filter(|token| self.text_of(token.range()).to_ascii_lowercase().contains("noqa"))
            .map(|token| {
                let mut start = line_start(token.start().to_usize());
                // Inside of a string of several lines there is no room for a comment: the one after it is for all.
                for string in tokens.iter().rev().filter(|token| token.kind == TokenKind::String) {
                    if string.range.start < start && start < string.range.end {
                        start = line_start(string.range.start);
                    }
                }
                start..token.end().to_usize()
            })
            .collect();
        let scope = self.open.pop().unwrap_or_else(|| Scope::new(ScopeKind::Module));
        let unbound = scope.unbound_nonlocals(&[]);
        let slip = |name: &Name| Slip { range: name.range.clone(), what: What::NoNonlocal(name.text.clone()) };
        self.slips.extend(unbound.into_iter().map(slip));
        self.slips.sort_by_key(|slip| slip.range.start);
        Module { tokens, cuts: self.cuts, scope, slips: self.slips, silenced }
    }

    pub(super) fn module(&mut self, body: &'a [Stmt]) {
        self.slips.extend(strings::literals(self.text, self.tokens));
        self.suite(body, Suite::Module);
    }

    fn text_of(&self, range: TextRange) -> &'a str {
        self.text.get(bytes(range)).unwrap_or_default()
    }

    fn slip(&mut self, range: TextRange, what: What) {
        self.slips.push(Slip { range: bytes(range), what });
    }

    pub(super) fn missing(&mut self, range: TextRange, what: &'static str, instead: &'static str) {
        self.slip(range, What::NotMicroPython { what, instead });
    }

    pub(super) fn later(&mut self, range: TextRange, since: &'static str, what: &'static str, instead: &'static str) {
        self.slip(range, What::Later { since, what, instead });
    }

    fn scope(&mut self) -> Option<&mut Scope> {
        self.open.last_mut()
    }

    fn kind(&self) -> ScopeKind {
        self.open.last().map_or(ScopeKind::Module, |scope| scope.kind)
    }

    fn within(&mut self, kind: ScopeKind, visit: impl FnOnce(&mut Self)) {
        let loops = std::mem::take(&mut self.loops);
        self.open.push(Scope::new(kind));
        visit(self);
        let scope = self.open.pop();
        if let (Some(scope), Some(parent)) = (scope, self.scope()) {
            parent.children.push(scope);
        }
        self.loops = loops;
    }

    fn bind(&mut self, name: &str, range: TextRange, how: How) {
        let name = Name { text: name.to_owned(), range: bytes(range) };
        // `:=` in a comprehension binds outside of it.
        let outside = how == How::Walrus;
        let scope = self.open.iter_mut().rev().find(|scope| !(outside && scope.kind == ScopeKind::Comprehension));
        if let Some(scope) = scope {
            scope.bindings.push(Binding { name, how });
        }
    }

    fn read(&mut self, name: &str, range: TextRange) {
        let name = Name { text: name.to_owned(), range: bytes(range) };
        if let Some(scope) = self.scope() {
            scope.reads.push(name);
        }
    }

    /// Visits the statements of a suite, and cuts those that do nothing.
    fn suite(&mut self, body: &'a [Stmt], suite: Suite) {
        let docstring = suite != Suite::Block && body.first().is_some_and(is_docstring);
        let idle = |(index, stmt): (usize, &Stmt)| (index == 0 && docstring) || is_declaration(stmt);
        let idle: Vec<&Stmt> = body.iter().enumerate().filter(|&item| idle(item)).map(|(_, stmt)| stmt).collect();
        // A suite cannot be empty, except that of a module.
        let empty = idle.len() == body.len() && suite != Suite::Module;
        for (index, stmt) in idle.iter().enumerate() {
            let with = if empty && index == 0 { "pass" } else { "" };
            self.cuts.push(Cut { range: bytes(stmt.range()), with, statement: with.is_empty() });
        }
        for stmt in body {
            self.visit_stmt(stmt);
        }
    }

    /// Cuts an annotation that stands after `anchor`, with the parentheses around either. What both are in begins at
    /// `start`.
    fn cut_annotation(&mut self, start: usize, anchor: usize, annotation: &Expr) {
        let range = bytes(annotation.range());
        let from = self.past_parentheses(start, anchor);
        let to = self.past_parentheses(from, range.end).max(range.end);
        self.cuts.push(Cut { range: from..to, with: "", statement: false });
    }

    /// The end of what ends at `end`, with as many closing parentheses after it as there are more opening ones than
    /// closing ones between `start` and `end`.
    fn past_parentheses(&self, start: usize, end: usize) -> usize {
        let first = self.tokens.partition_point(|token| token.start().to_usize() < start);
        let mut open = 0usize;
        for token in self.tokens.iter().skip(first).take_while(|token| token.start().to_usize() < end) {
            match token.kind() {
                Ruff::Lpar => open += 1,
                Ruff::Rpar => open = open.saturating_sub(1),
                _ => {}
            }
        }
        let at_end = self.tokens.partition_point(|token| token.start().to_usize() < end);
        let closing = self.tokens.iter().skip(at_end).filter(|token| token.kind() == Ruff::Rpar);
        match open.checked_sub(1).and_then(|index| closing.map(Ranged::end).nth(index)) {
            Some(past) => past.to_usize(),
            None => end,
        }
    }

    fn function(&mut self, function: &'a ast::StmtFunctionDef) {
        let mut special = false;
        let mut assembler = false;
        for decorator in &function.decorator_list {
            assembler |= last_name(&decorator.expression).is_some_and(|name| name.starts_with("asm_"));
            if is_of_micropython(&decorator.expression) {
                // The compiler knows it, imported or not.
                special = true;
            } else {
                self.visit_decorator(decorator);
            }
        }
        self.defaults(&function.parameters);
        self.bind(&function.name.id, function.name.range, How::Definition);
        self.within(ScopeKind::Function, |walk| {
            if let Some(scope) = walk.scope() {
                scope.is_async = function.is_async;
            }
            walk.parameters(&function.parameters);
            if !special {
                // With `@micropython.viper` the annotations are types and mean something.
                for parameter in function.parameters.iter().map(AnyParameterRef::as_parameter) {
                    if let Some(annotation) = parameter.annotation() {
                        let name = bytes(parameter.name.range);
                        walk.cut_annotation(name.start, name.end, annotation);
                    }
                }
                if let Some(returns) = &function.returns {
                    let end = function.parameters.range.end().to_usize();
                    walk.cut_annotation(end, end, returns);
                }
            }
            walk.suite(&function.body, Suite::Documented);
            if let Some(scope) = walk.scope() {
                scope.ends = !flow::never_ends(&function.body);
                // An assembler has names of its own.
                scope.opaque = assembler;
            }
        });
    }

    fn defaults(&mut self, parameters: &'a Parameters) {
        for parameter in parameters.iter_non_variadic_params() {
            if let Some(default) = parameter.default() {
                self.visit_expr(default);
            }
        }
    }

    fn parameters(&mut self, parameters: &'a Parameters) {
        let mut seen: Vec<&str> = Vec::new();
        for parameter in parameters.iter().map(AnyParameterRef::as_parameter) {
            let name = parameter.name.id.as_str();
            if seen.contains(&name) {
                self.slip(parameter.name.range, What::ParameterTwice(name.to_owned()));
            }
            seen.push(name);
            self.bind(name, parameter.name.range, How::Parameter);
        }
    }

    /// `global` and `nonlocal` must come before any use.
    fn declare(&mut self, names: &[ast::Identifier], global: bool) {
        for name in names {
            let Some(scope) = self.scope() else { continue };
            let used = scope.mentions(&name.id);
            let declared = Name { text: name.id.to_string(), range: bytes(name.range) };
            if global {
                scope.globals.push(declared)
            } else {
                scope.nonlocals.push(declared)
            }
            if used && self.kind() == ScopeKind::Function && global {
                self.slip(name.range, What::LateGlobal(name.id.to_string()));
            }
        }
    }

    /// The scope that decides what a statement may be: comprehensions do not count.
    fn around(&self) -> Option<&Scope> {
        self.open.iter().rev().find(|scope| scope.kind != ScopeKind::Comprehension)
    }

    fn needs_function(&mut self, range: TextRange, what: &'static str) {
        if self.around().is_none_or(|scope| scope.kind != ScopeKind::Function) {
            self.slip(range, What::OutsideFunction(what));
        }
    }

    fn needs_async(&mut self, range: TextRange, what: &'static str) {
        if self.around().is_none_or(|scope| !scope.is_async) {
            self.slip(range, What::OutsideAsync(what));
        }
    }

    fn yields(&mut self, range: TextRange) {
        self.needs_function(range, "yield");
        if let Some(scope) = self.scope() {
            scope.yields.get_or_insert(bytes(range));
        }
    }

    fn comprehension(&mut self, generators: &'a [ast::Comprehension], results: &[&'a Expr]) {
        self.within(ScopeKind::Comprehension, |walk| {
            for generator in generators {
                if generator.is_async {
                    walk.missing(generator.range, "`async` comprehensions", "use an `async for` loop");
                }
                walk.visit_comprehension(generator);
            }
            for result in results {
                walk.visit_expr(result);
            }
        });
    }
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_body(&mut self, body: &'a [Stmt]) {
        self.suite(body, Suite::Block);
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}

    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => return self.function(function),
            Stmt::ClassDef(class) => {
                for decorator in &class.decorator_list {
                    self.visit_decorator(decorator);
                }
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
                self.bind(&class.name.id, class.name.range, How::Definition);
                return self.within(ScopeKind::Class, |walk| walk.suite(&class.body, Suite::Documented));
            }
            Stmt::Return(ret) => {
                self.needs_function(ret.range, "return");
                let value = ret.value.is_some();
                if let Some(scope) = self.scope() {
                    scope.returns |= value;
                }
            }
            Stmt::AugAssign(assign) => {
                if let Expr::Name(name) = &*assign.target {
                    self.visit_expr(&assign.value);
                    return self.bind(&name.id, name.range, How::Update);
                }
            }
            Stmt::AnnAssign(assign) if assign.value.is_some() => {
                self.cut_annotation(stmt.start().to_usize(), assign.target.end().to_usize(), &assign.annotation);
            }
            Stmt::AnnAssign(_) if is_declaration(stmt) => return,
            Stmt::Import(import) => {
                for alias in &import.names {
                    let first = alias.name.id.split('.').next().unwrap_or_default();
                    let (name, range) =
                        alias.asname.as_ref().map_or((first, alias.name.range), |name| (&name.id, name.range));
                    self.bind(name, range, How::Import);
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    if &name.id == "*" {
                        if let Some(scope) = self.scope() {
                            scope.star_import = true;
                        }
                    } else {
                        self.bind(&name.id, name.range, How::Import);
                    }
                }
            }
            Stmt::Global(global) => self.declare(&global.names, true),
            Stmt::Nonlocal(nonlocal) => self.declare(&nonlocal.names, false),
            Stmt::For(ast::StmtFor { is_async, target, iter, body, orelse, .. }) => {
                if *is_async {
                    self.needs_async(target.range(), "async for");
                }
                self.visit_expr(iter);
                self.visit_expr(target);
                self.loops += 1;
                self.visit_body(body);
                self.loops -= 1;
                return self.visit_body(orelse);
            }
            Stmt::While(ast::StmtWhile { test, body, orelse, .. }) => {
                self.visit_expr(test);
                self.loops += 1;
                self.visit_body(body);
                self.loops -= 1;
                return self.visit_body(orelse);
            }
            Stmt::With(with) => {
                if with.is_async {
                    self.needs_async(with.items.first().map_or(with.range, Ranged::range), "async with");
                }
                // The parser reports it for more than one item only.
                if let [item] = with.items.as_slice()
                    && item.optional_vars.is_some()
                    && self.past_parentheses(with.start().to_usize(), item.end().to_usize()) > item.end().to_usize()
                {
                    self.missing(item.range, "parentheses around the items of `with`", "remove them");
                }
            }
            Stmt::Break(at) if self.loops == 0 => self.slip(at.range, What::OutsideLoop("break")),
            Stmt::Continue(at) if self.loops == 0 => self.slip(at.range, What::OutsideLoop("continue")),
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(inner) = handler;
        if let Some(name) = &inner.name {
            self.bind(&name.id, name.range, How::Assignment);
        }
        visitor::walk_except_handler(self, handler);
    }

    fn visit_arguments(&mut self, arguments: &'a ast::Arguments) {
        for argument in &arguments.args {
            match argument {
                // Here, and in targets, is where MicroPython unpacks.
                Expr::Starred(starred) => self.visit_expr(&starred.value),
                argument => self.visit_expr(argument),
            }
        }
        for keyword in &arguments.keywords {
            self.visit_expr(&keyword.value);
        }
    }

    fn visit_interpolated_string_element(&mut self, element: &'a ast::InterpolatedStringElement) {
        if let ast::InterpolatedStringElement::Interpolation(element) = element {
            self.slips.extend(strings::interpolation(self.text, self.tokens, element));
        }
        let before = std::mem::replace(&mut self.in_f_string, true);
        visitor::walk_interpolated_string_element(self, element);
        self.in_f_string = before;
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => match name.ctx {
                ExprContext::Store => self.bind(&name.id, name.range, How::Assignment),
                ExprContext::Load | ExprContext::Invalid => self.read(&name.id, name.range),
                // What is deleted in a function is a variable of it.
                ExprContext::Del => {
                    self.read(&name.id, name.range);
                    self.bind(&name.id, name.range, How::Assignment);
                }
            },
            Expr::Named(named) => {
                self.visit_expr(&named.value);
                if let Expr::Name(name) = &*named.target {
                    self.bind(&name.id, name.range, How::Walrus);
                }
                return;
            }
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    self.defaults(parameters);
                }
                return self.within(ScopeKind::Function, |walk| {
                    if let Some(parameters) = &lambda.parameters {
                        walk.parameters(parameters);
                    }
                    walk.visit_expr(&lambda.body);
                });
            }
            Expr::FString(string) if self.in_f_string => {
                self.later(string.range, "1.28", "f-strings inside of f-strings", "give the value a name first");
            }
            Expr::ListComp(list) => return self.comprehension(&list.generators, &[&list.elt]),
            Expr::SetComp(set) => return self.comprehension(&set.generators, &[&set.elt]),
            Expr::Generator(generator) => return self.comprehension(&generator.generators, &[&generator.elt]),
            Expr::DictComp(dict) => {
                if dict.key.is_none() {
                    self.missing(dict.value.range(), "`**` in a comprehension", "use a loop");
                }
                let results: Vec<&Expr> = dict.key.as_deref().into_iter().chain([&*dict.value]).collect();
                return self.comprehension(&dict.generators, &results);
            }
            Expr::Yield(yields) => self.yields(yields.range),
            Expr::YieldFrom(yields) => self.yields(yields.range),
            Expr::Await(wait) => {
                if self.kind() == ScopeKind::Comprehension {
                    self.missing(wait.range, "`await` in a comprehension", "use a loop");
                }
                self.needs_async(wait.range, "await");
            }
            Expr::Starred(starred) if starred.ctx == ExprContext::Load => {
                self.missing(starred.range, "unpacking outside of calls and assignments", "use `list(…) + …`");
            }
            Expr::Dict(dict) => {
                if let Some(item) = dict.items.iter().find(|item| item.key.is_none()) {
                    self.missing(item.value.range(), "`**` in a dictionary display", "use `dict.update`");
                }
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}

fn is_docstring(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Expr(expr) if matches!(&*expr.value, Expr::StringLiteral(_)))
}

/// `x: int`, which does nothing.
fn is_declaration(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::AnnAssign(assign) if assign.value.is_none() && assign.simple)
}

/// Whether it is `@micropython.native` or another that the compiler knows.
fn is_of_micropython(decorator: &Expr) -> bool {
    let Expr::Attribute(attribute) = decorator else { return false };
    matches!(&*attribute.value, Expr::Name(module) if &module.id == "micropython")
}

/// `asm_pio` of `@rp2.asm_pio(…)`, `@rp2.asm_pio` and `@asm_pio`.
fn last_name(decorator: &Expr) -> Option<&str> {
    match decorator {
        Expr::Call(call) => last_name(&call.func),
        Expr::Attribute(attribute) => Some(attribute.attr.id.as_str()),
        Expr::Name(name) => Some(name.id.as_str()),
        _ => None,
    }
}
