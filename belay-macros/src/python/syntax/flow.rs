//! Where a function cannot come to its end.

use ruff_python_ast::{self as ast, ExceptHandler, Expr, Stmt};

/// Whether a suite certainly never comes to its end: only then is it no mistake that nothing is returned there.
pub(super) fn never_ends(body: &[Stmt]) -> bool {
    body.iter().any(|stmt| match stmt {
        Stmt::Raise(_) | Stmt::Return(_) => true,
        Stmt::While(ast::StmtWhile { test, body, .. }) => is_true(test) && !breaks(body),
        Stmt::If(ast::StmtIf { body, elif_else_clauses, .. }) => {
            never_ends(body)
                && elif_else_clauses.last().is_some_and(|clause| clause.test.is_none())
                && elif_else_clauses.iter().all(|clause| never_ends(&clause.body))
        }
        Stmt::Try(ast::StmtTry { body, handlers, finalbody, .. }) => {
            let handled = |handler: &ExceptHandler| {
                let ExceptHandler::ExceptHandler(handler) = handler;
                never_ends(&handler.body)
            };
            never_ends(finalbody) || (never_ends(body) && handlers.iter().all(handled))
        }
        Stmt::With(ast::StmtWith { body, .. }) => never_ends(body),
        _ => false,
    })
}

fn is_true(expr: &Expr) -> bool {
    match expr {
        Expr::BooleanLiteral(literal) => literal.value,
        Expr::NumberLiteral(literal) => {
            matches!(&literal.value, ast::Number::Int(int) if int.as_u64().is_none_or(|value| value != 0))
        }
        _ => false,
    }
}

/// Whether a `break` in these statements leaves the loop around them.
fn breaks(body: &[Stmt]) -> bool {
    body.iter().any(|stmt| match stmt {
        Stmt::Break(_) => true,
        Stmt::If(inner) => breaks(&inner.body) || inner.elif_else_clauses.iter().any(|clause| breaks(&clause.body)),
        Stmt::With(inner) => breaks(&inner.body),
        Stmt::For(inner) => breaks(&inner.orelse),
        Stmt::While(inner) => breaks(&inner.orelse),
        Stmt::Try(inner) => {
            let handled = |handler: &ExceptHandler| {
                let ExceptHandler::ExceptHandler(handler) = handler;
                breaks(&handler.body)
            };
            breaks(&inner.body)
                || breaks(&inner.orelse)
                || breaks(&inner.finalbody)
                || inner.handlers.iter().any(handled)
        }
        _ => false,
    })
}
