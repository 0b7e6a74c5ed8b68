//! The options in the parentheses of an attribute: `timeout = "2s"`, `idempotent`, `name = "…"`,
//! `file = "…"`, `crate = "…"`.

use std::time::Duration;

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Lit, LitStr, Path, Token};

use crate::check::is_python_name;
use crate::problem::{Problem, Problems};

/// The attribute whose options are read: it decides which keys are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    Device,
    TaskInTrait,
    TaskAlone,
    ThreadInTrait,
    ThreadAlone,
    /// A setup or a teardown.
    Module,
}

impl Site {
    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Device => &["crate"],
            Self::TaskInTrait => &["timeout", "idempotent", "name", "file"],
            Self::TaskAlone => &["timeout", "idempotent", "name", "file", "crate"],
            Self::ThreadInTrait => &["timeout", "name", "file"],
            Self::ThreadAlone => &["timeout", "name", "file", "crate"],
            Self::Module => &["timeout", "file"],
        }
    }
}

/// Keys that will mean something one day: they get a message of their own.
const LATER: &[&str] = &["memo", "family"];

/// What the user asked for; `None` and `false` where nothing was said.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) timeout: Option<Duration>,
    pub(crate) idempotent: bool,
    pub(crate) name: Option<LitStr>,
    pub(crate) file: Option<LitStr>,
    pub(crate) krate: Option<Path>,
}

/// One `key` or `key = value`.
struct Entry {
    key: Ident,
    value: Option<Expr>,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any)?;
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Some(input.parse()?)
        } else {
            None
        };
        Ok(Self { key, value })
    }
}

impl Options {
    /// Reads what stands between the parentheses of an attribute.
    pub(crate) fn read(tokens: TokenStream, site: Site, problems: &Problems) -> Self {
        let mut options = Self::default();
        let entries = match Punctuated::<Entry, Token![,]>::parse_terminated.parse2(tokens) {
            Ok(entries) => entries,
            Err(error) => {
                problems.keep(error);
                return options;
            }
        };
        let mut seen: Vec<String> = Vec::new();
        for entry in entries {
            let key = entry.key.to_string();
            if seen.contains(&key) {
                problems.add(&entry.key, &Problem::DuplicateOption(&key));
                continue;
            }
            options.set(&key, &entry, site, problems);
            seen.push(key);
        }
        options
    }

    fn set(&mut self, key: &str, entry: &Entry, site: Site, problems: &Problems) {
        if !site.known().contains(&key) {
            let problem = match (key, site) {
                ("crate", Site::TaskInTrait | Site::ThreadInTrait | Site::Module) => Problem::CrateInsideTrait,
                _ if LATER.contains(&key) => Problem::LaterOption(key),
                _ => Problem::UnknownOption { found: key, known: site.known() },
            };
            problems.add(&entry.key, &problem);
            return;
        }
        match key {
            "timeout" => {
                let Some(text) = string(key, "2s", entry, problems) else { return };
                self.timeout = duration(&text.value());
                if self.timeout.is_none() {
                    problems.add(&text, &Problem::BadTimeout);
                }
            }
            "name" => {
                let Some(text) = string(key, "python_name", entry, problems) else { return };
                let value = text.value();
                if is_python_name(&value) {
                    self.name = Some(text);
                } else {
                    problems.add(&text, &Problem::BadName(&value));
                }
            }
            "file" => self.file = string(key, "body.py", entry, problems),
            "crate" => {
                let Some(text) = string(key, "my_belay", entry, problems) else { return };
                match text.parse_with(Path::parse_mod_style) {
                    Ok(path) => self.krate = Some(path),
                    Err(_) => problems.add(&text, &Problem::BadCrate),
                }
            }
            _ => match &entry.value {
                None => self.idempotent = true,
                Some(value) => problems.add(value, &Problem::OptionTakesNoValue(key)),
            },
        }
    }
}

/// The string of `key = "…"`; anything else is a problem that shows the form.
fn string(key: &str, example: &str, entry: &Entry, problems: &Problems) -> Option<LitStr> {
    match &entry.value {
        Some(value) => {
            if let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = ungroup(value) {
                return Some(text.clone());
            }
            problems.add(value, &Problem::OptionNeedsValue { key, example });
        }
        None => problems.add(&entry.key, &Problem::OptionNeedsValue { key, example }),
    }
    None
}

/// What stands in the invisible group that `macro_rules!` puts around an expression.
pub(crate) fn ungroup(mut expr: &Expr) -> &Expr {
    while let Expr::Group(group) = expr {
        expr = &group.expr;
    }
    expr
}

/// `500ms`, `2s`, `1m`: a whole number greater than 0 and a unit.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok().filter(|&number| number > 0)?;
    let millis = match unit.trim_start() {
        "ms" => number,
        "s" => number.checked_mul(1000)?,
        "m" => number.checked_mul(60_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, site: Site) -> (Options, String) {
        let problems = Problems::new();
        let options = Options::read(text.parse().unwrap(), site, &problems);
        (options, problems.finish().to_string())
    }

    #[test]
    fn durations_have_three_units() {
        for (text, millis) in [("1ms", 1), ("500ms", 500), ("2s", 2000), ("3 s", 3000), ("1m", 60_000)] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "2", "s", "0s", "-1s", "1.5s", "2h", "2 s ", "99999999999999999999s", "18446744073709551615m"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn every_option_is_read() {
        let (options, errors) =
            read(r#"timeout = "2s", idempotent, name = "py", file = "x.py", crate = "::my::belay","#, Site::TaskAlone);
        assert_eq!(errors, "");
        assert_eq!(options.timeout, Some(Duration::from_secs(2)));
        assert!(options.idempotent);
        assert_eq!(options.name.unwrap().value(), "py");
        assert_eq!(options.file.unwrap().value(), "x.py");
        assert_eq!(options.krate.unwrap().segments.len(), 2);
    }

    #[test]
    fn a_wrong_option_says_what_is_right() {
        for (text, site, expected) in [
            ("timeuot = \"2s\"", Site::TaskInTrait, "known here: timeout, idempotent, name, file"),
            ("name = \"x\"", Site::Module, "unknown option `name`; known here: timeout, file"),
            ("idempotent", Site::ThreadInTrait, "unknown option `idempotent`; known here: timeout, name, file"),
            ("memo", Site::TaskInTrait, "not supported yet"),
            ("crate = \"x\"", Site::TaskInTrait, "named once"),
            ("crate = \"x y\"", Site::Device, "not a path"),
            ("idempotent, idempotent", Site::TaskInTrait, "given twice"),
            ("idempotent = true", Site::TaskInTrait, "takes no value"),
            ("timeout", Site::TaskInTrait, "`timeout = \\\"2s\\\"`"),
            ("timeout = 2", Site::TaskInTrait, "`timeout = \\\"2s\\\"`"),
            ("timeout = \"soon\"", Site::TaskInTrait, "not a timeout"),
            ("name = \"2x\"", Site::TaskInTrait, "cannot name a Python function"),
            ("name = \"lambda\"", Site::TaskInTrait, "cannot name a Python function"),
            ("timeout \"2s\"", Site::TaskInTrait, "expected `,`"),
        ] {
            let (_, errors) = read(text, site);
            assert!(errors.contains(expected), "{text}: {errors}");
            assert_eq!(errors.matches("compile_error").count(), 1, "{text}: {errors}");
        }
    }

    #[test]
    fn all_wrong_options_are_reported_at_once() {
        let (_, errors) = read("a, b, timeout = 3", Site::TaskInTrait);
        assert_eq!(errors.matches("compile_error").count(), 3, "{errors}");
    }
}
