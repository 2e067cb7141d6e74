//! Parses templates.

use super::{Expression, InvalidTemplate, Template};
use crate::labels::matcher::bounded;

/// Functions may stand inside one another this deep.
const MAX_DEPTH: usize = 4;

impl Template {
    /// Parses a text with exactly one `{{expression}}`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let wrong = |reason: &str| InvalidTemplate { text: text.chars().take(64).collect(), reason: reason.to_owned() };
        let (prefix, rest) = text.split_once("{{").ok_or_else(|| wrong("\"{{\" is missing"))?;
        let (inner, suffix) = rest.split_once("}}").ok_or_else(|| wrong("\"}}\" is missing"))?;
        if Self::is_in(prefix) || Self::is_in(suffix) || inner.contains("{{") {
            return Err(wrong("there may be one {{…}} in a text"));
        }
        let mut parser = Parser { rest: inner };
        let expression = parser.expression(0).map_err(|reason| wrong(&reason))?;
        if !parser.rest.trim().is_empty() {
            return Err(wrong("something follows the expression"));
        }
        Ok(Self { prefix: prefix.into(), expression, suffix: suffix.into() })
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn expression(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > MAX_DEPTH {
            return Err("functions are nested too deep".to_owned());
        }
        let word = self.word();
        match word {
            "internal" | "external" => self.trait_name().map(Expression::Trait),
            "email" => self.function("local", depth, |parser, of| {
                let _ = parser;
                Ok(Expression::EmailLocal(Box::new(of)))
            }),
            "regexp" => self.function("replace", depth, |parser, of| {
                parser.expect(',')?;
                let regex = bounded(&parser.quoted()?)?;
                parser.expect(',')?;
                let with = parser.quoted()?.into();
                Ok(Expression::Replace { of: Box::new(of), regex, with })
            }),
            _ => Err("write internal.x, external.x, email.local(…) or regexp.replace(…)".to_owned()),
        }
    }

    fn function(
        &mut self,
        name: &str,
        depth: usize,
        rest: impl FnOnce(&mut Self, Expression) -> Result<Expression, String>,
    ) -> Result<Expression, String> {
        self.expect('.')?;
        if self.word() != name {
            return Err("the functions are email.local and regexp.replace".to_owned());
        }
        self.expect('(')?;
        let of = self.expression(depth + 1)?;
        let made = rest(self, of)?;
        self.expect(')')?;
        Ok(made)
    }

    fn trait_name(&mut self) -> Result<Box<str>, String> {
        if self.take('[') {
            let name = self.quoted()?;
            self.expect(']')?;
            return if name.is_empty() { Err("a trait has a name".to_owned()) } else { Ok(name.into()) };
        }
        self.expect('.')?;
        match self.word() {
            "" => Err("a trait has a name of letters, digits, '_' and '-'; write others as external[\"…\"]".to_owned()),
            name => Ok(name.into()),
        }
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-'));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn take(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(format!("{wanted:?} is missing")) }
    }

    /// Reads a text in double quotes; `\"` and `\\` stand for themselves, any other `\` stays for the expression.
    fn quoted(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                other => text.push(other),
            }
        }
        Err("a text in quotes has no end".to_owned())
    }
}
