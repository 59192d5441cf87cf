//! The modules that a file of JavaScript loads as soon as it starts: its `import` and `export … from`, and its calls of
//! `require` that stand as statements of their own.
//!
//! A call in a function, a block, a condition or an expression may never run, and does not count. The text is read as words,
//! strings, regular expressions and brackets, not as a tree. Where that does not come out even, nothing is said. A call behind
//! a place where the file may end (`process.exit`, `return`) or change how modules are found does not count either.

/// The modules that a file loads as soon as it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticModules {
    /// Names in `require`, in the order of their calls, up to the place where the file may end or may change how modules are
    /// found.
    pub required: Vec<String>,
    /// Names in `import` and `export … from`.
    pub imported: Vec<String>,
    /// Whether it has a statement that only ES modules have.
    pub is_module: bool,
}

/// So many modules are told, and so long a name.
const MAX_MODULES: usize = 1000;
const MAX_NAME: usize = 214;

/// So many brackets may be open at once.
const MAX_DEPTH: usize = 10_000;

/// Texts of code that changes how modules are found.
const RESOLVERS: [&[u8]; 17] = [
    b"_resolveFilename",
    b"_initPaths",
    b"_nodeModulePaths",
    b"_findPath",
    b"_resolveLookupPaths",
    b"odule._load",
    b"_extensions",
    b"globalPaths",
    b"NODE_PATH",
    b"module.paths",
    b"main.paths",
    b"require.cache",
    b"require.extensions",
    b"registerHooks",
    b"_moduleAliases",
    b"addAlias",
    b"addPath(",
];

/// Texts of code that ends the process.
const ENDINGS: [&[u8]; 4] = [b"process.exit", b"process.reallyExit", b"process.abort", b"process.kill"];

/// The place of the first of these texts.
fn first_of(text: &[u8], words: &[&[u8]]) -> Option<usize> {
    words.iter().filter_map(|word| memchr::memmem::find(text, word)).min()
}

/// Whether a file of JavaScript has code that changes how modules are found.
#[must_use]
pub fn may_change_modules(text: &[u8]) -> bool {
    first_of(text, &RESOLVERS).is_some()
}

/// Functions of compilers around a `require`.
const HELPERS: [&[u8]; 9] = [
    b"__importDefault",
    b"__importStar",
    b"__toESM",
    b"_interopRequireDefault",
    b"_interopRequireWildcard",
    b"_interopDefault",
    b"_interopDefaultLegacy",
    b"_interopNamespace",
    b"_interopNamespaceDefault",
];

/// Words behind which a `/` begins a regular expression.
const BEFORE_VALUE: [&[u8]; 15] = [
    b"return",
    b"typeof",
    b"case",
    b"in",
    b"of",
    b"delete",
    b"void",
    b"throw",
    b"new",
    b"else",
    b"do",
    b"instanceof",
    b"yield",
    b"await",
    b"default",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScriptToken<'a> {
    Word(&'a [u8]),
    /// The text between the quotes, where it has no escape.
    Text(Option<&'a [u8]>),
    Other,
    Mark(u8),
}

/// An open bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// `(`, and whether a condition is in it.
    Round {
        is_condition: bool,
    },
    Square,
    /// `{`, and whether it is a block of a statement, not of a function.
    Curly {
        is_block: bool,
    },
    /// `${` in a template.
    Template,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    open: Vec<Open>,
    last: Option<ScriptToken<'a>>,
    /// Whether a `/` would be a division.
    is_value: bool,
    /// Whether a line ended before the next token.
    is_new_line: bool,
    /// The tokens of the statement at the top level, as far as they matter.
    statement: Vec<ScriptToken<'a>>,
    /// Where the statement begins.
    begin: usize,
    /// From here on, the file may have ended, or modules may be found elsewhere.
    certain: usize,
    /// Whether the last bracket that was closed is that of a condition.
    is_behind_condition: bool,
    /// Whether `require` is another function than that of Node.js.
    is_own_require: bool,
    found: StaticModules,
}

/// Reads a file; `None` where it is not understood.
#[must_use]
pub fn static_modules(text: &[u8]) -> Option<StaticModules> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let at = if text.starts_with(b"#!") { memchr::memchr(b'\n', text).unwrap_or(text.len()) } else { 0 };
    let mut reader = Reader {
        text,
        at,
        open: Vec::new(),
        last: None,
        is_value: false,
        is_new_line: true,
        statement: Vec::new(),
        begin: 0,
        certain: first_of(text, &RESOLVERS)
            .into_iter()
            .chain(first_of(text, &ENDINGS))
            .min()
            .unwrap_or(text.len()),
        is_behind_condition: false,
        is_own_require: false,
        found: StaticModules::default(),
    };
    reader.read()?;
    let mut found = reader.found;
    if reader.is_own_require {
        found.required.clear();
    }
    found.imported.sort_unstable();
    found.imported.dedup();
    Some(found)
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'\\') || byte >= 0x80
}

impl<'a> Reader<'a> {
    fn read(&mut self) -> Option<()> {
        while let Some(byte) = self.text.get(self.at).copied() {
            let rest = &self.text[self.at..];
            match byte {
                b'\n' => {
                    self.is_new_line = true;
                    self.at += 1;
                }
                _ if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
                b'/' if rest.starts_with(b"//") => {
                    self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                b'/' if rest.starts_with(b"/*") => {
                    let end = memchr::memmem::find(&rest[2..], b"*/")? + 4;
                    self.is_new_line |= rest[..end].contains(&b'\n');
                    self.at += end;
                }
                b'/' if !self.is_value => {
                    self.regular_expression()?;
                    self.token(ScriptToken::Other, true)?;
                }
                b'"' | b'\'' => {
                    let text = self.string(byte)?;
                    self.token(ScriptToken::Text(text), true)?;
                }
                b'`' => {
                    self.at += 1;
                    self.template()?;
                }
                _ if is_word(byte) => {
                    let end = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
                    let word = &rest[..end];
                    self.at += end;
                    let is_value =
                        !BEFORE_VALUE.contains(&word) || self.last == Some(ScriptToken::Mark(b'.'));
                    self.token(ScriptToken::Word(word), is_value)?;
                }
                _ => self.mark(byte)?,
            }
        }
        self.end_statement();
        self.open.is_empty().then_some(())
    }

    /// Behind the closing quote; the text without escapes.
    fn string(&mut self, quote: u8) -> Option<Option<&'a [u8]>> {
        let start = self.at + 1;
        let mut at = start;
        let mut is_plain = true;
        loop {
            match *self.text.get(at)? {
                b'\\' => {
                    is_plain = false;
                    at += 2;
                }
                b'\n' => return None,
                byte if byte == quote => break,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Some(is_plain.then(|| &self.text[start..at]))
    }

    fn regular_expression(&mut self) -> Option<()> {
        let mut at = self.at + 1;
        let mut is_class = false;
        loop {
            match *self.text.get(at)? {
                b'\\' => at += 1,
                b'\n' => return None,
                b'[' => is_class = true,
                b']' => is_class = false,
                b'/' if !is_class => break,
                _ => {}
            }
            at += 1;
        }
        let flags = &self.text[at + 1..];
        self.at = at + 1 + flags.iter().position(|byte| !is_word(*byte)).unwrap_or(flags.len());
        Some(())
    }

    /// The text of a template, to its end or to a `${`.
    fn template(&mut self) -> Option<()> {
        loop {
            match *self.text.get(self.at)? {
                b'\\' => self.at += 2,
                b'`' => {
                    self.at += 1;
                    return self.token(ScriptToken::Other, true);
                }
                b'$' if self.text.get(self.at + 1) == Some(&b'{') => {
                    self.at += 2;
                    self.token(ScriptToken::Other, false)?;
                    return self.enter(Open::Template);
                }
                _ => self.at += 1,
            }
        }
    }

    fn enter(&mut self, open: Open) -> Option<()> {
        self.open.push(open);
        (self.open.len() <= MAX_DEPTH).then_some(())
    }

    fn mark(&mut self, byte: u8) -> Option<()> {
        let doubled = self.last == Some(ScriptToken::Mark(byte)) && self.text[..self.at].ends_with(&[byte]);
        self.at += 1;
        match byte {
            b'(' => {
                let is_condition =
                    matches!(self.last, Some(ScriptToken::Word(b"if" | b"while" | b"for" | b"with")));
                self.token(ScriptToken::Mark(byte), false)?;
                self.enter(Open::Round { is_condition })
            }
            b'[' => {
                self.token(ScriptToken::Mark(byte), false)?;
                self.enter(Open::Square)
            }
            b'{' => {
                let is_block = match self.last {
                    Some(ScriptToken::Mark(b')')) => self.is_behind_condition,
                    Some(ScriptToken::Word(b"else" | b"do" | b"try" | b"finally")) => true,
                    _ => false,
                };
                self.token(ScriptToken::Mark(byte), false)?;
                self.enter(Open::Curly { is_block })
            }
            b')' | b']' | b'}' => match (byte, self.open.pop()?) {
                (b')', Open::Round { is_condition }) => {
                    self.is_behind_condition = is_condition;
                    self.token(ScriptToken::Mark(byte), !is_condition)
                }
                (b']', Open::Square) => self.token(ScriptToken::Mark(byte), true),
                (b'}', Open::Curly { .. }) => self.token(ScriptToken::Mark(byte), false),
                (b'}', Open::Template) => self.template(),
                _ => None,
            },
            // Behind `i++`, a `/` divides.
            b'+' | b'-' if doubled => self.token(ScriptToken::Mark(byte), true),
            _ => self.token(ScriptToken::Mark(byte), false),
        }
    }

    /// Takes one token; `is_value` says whether a `/` behind it divides.
    fn token(&mut self, token: ScriptToken<'a>, is_value: bool) -> Option<()> {
        /// A statement of interest is no longer.
        const MOST: usize = 4096;
        let is_new_line = std::mem::take(&mut self.is_new_line);
        let last = self.last.replace(token);
        self.is_value = is_value;
        let ends = matches!(token, ScriptToken::Word(b"return" | b"throw"));
        if ends && self.open.iter().all(|open| matches!(open, Open::Curly { is_block: true })) {
            self.certain = self.certain.min(self.at);
        }
        // Brackets that close are at the level outside of them, those that open too, as they come before `enter`.
        if !self.open.is_empty() && !self.is_of_statement() {
            return Some(());
        }
        let is_top = self.open.is_empty();
        if is_top && self.begins_statement(token, last, is_new_line) {
            self.end_statement();
        }
        if is_top && token == ScriptToken::Mark(b';') {
            self.end_statement();
        } else if self.statement.len() < MOST {
            if self.statement.is_empty() {
                self.begin = self.at;
            }
            self.statement.push(token);
        }
        Some(())
    }

    /// Whether the tokens in the open bracket may be those of `require("x")`, `f(require("x"))`, `{ a, b } = …` or
    /// `import { a } from`.
    fn is_of_statement(&self) -> bool {
        let is_round = |open: &Open| matches!(open, Open::Round { is_condition: false });
        self.open.iter().all(is_round) && self.open.len() <= 2
    }

    /// Whether a token at the top level is the first of a statement that always runs.
    fn begins_statement(
        &self,
        token: ScriptToken<'a>,
        last: Option<ScriptToken<'a>>,
        is_new_line: bool,
    ) -> bool {
        let ScriptToken::Word(word) = token else { return false };
        let is_head = matches!(
            word,
            b"const" | b"let" | b"var" | b"import" | b"export" | b"require" | b"function" | b"class"
        );
        if !is_head {
            return false;
        }
        match last {
            None => true,
            Some(ScriptToken::Mark(b'}')) => true,
            // Without a semicolon, only behind statements that are whole.
            Some(
                ScriptToken::Mark(b')' | b']')
                | ScriptToken::Text(_)
                | ScriptToken::Word(_)
                | ScriptToken::Other,
            ) => {
                let is_whole = match self.statement.first() {
                    Some(ScriptToken::Text(_)) => self.statement.len() == 1,
                    Some(ScriptToken::Word(first)) => {
                        matches!(
                            *first,
                            b"const"
                                | b"let"
                                | b"var"
                                | b"import"
                                | b"export"
                                | b"require"
                                | b"module"
                                | b"exports"
                        )
                    }
                    _ => false,
                };
                let needs_more = matches!(last, Some(ScriptToken::Word(word)) if BEFORE_VALUE.contains(&word)
                    || matches!(word, b"const" | b"let" | b"var" | b"import" | b"export" | b"from" | b"async" | b"extends"));
                is_new_line && is_whole && !needs_more
            }
            _ => false,
        }
    }

    /// Looks at the statement that ends.
    fn end_statement(&mut self) {
        let known = self.found.required.len();
        self.look_at_statement();
        if self.begin > self.certain {
            self.found.required.truncate(known);
        }
    }

    fn look_at_statement(&mut self) {
        let statement = std::mem::take(&mut self.statement);
        let Some((ScriptToken::Word(head), rest)) = statement.split_first() else { return };
        match *head {
            b"import" if !matches!(rest.first(), Some(ScriptToken::Mark(b'(' | b'.'))) => {
                let name = match rest.first() {
                    Some(ScriptToken::Text(name)) => Some(*name),
                    _ => from(rest),
                };
                if let Some(name) = name {
                    self.found.is_module = true;
                    keep(&mut self.found.imported, name);
                }
            }
            b"export" if !rest.is_empty() => {
                let is_one = matches!(
                    rest.first(),
                    Some(
                        ScriptToken::Mark(b'{' | b'*')
                            | ScriptToken::Word(
                                b"default" | b"const" | b"let" | b"var" | b"function" | b"class" | b"async"
                            )
                    )
                );
                self.found.is_module |= is_one;
                if matches!(rest.first(), Some(ScriptToken::Mark(b'{' | b'*')))
                    && let Some(name) = from(rest)
                {
                    keep(&mut self.found.imported, name);
                }
            }
            b"const" | b"let" | b"var" => {
                let is_made = makes_same_require(rest);
                self.is_own_require |= rest.first() == Some(&ScriptToken::Word(b"require")) && !is_made;
                declared(rest, &mut self.found.required);
            }
            b"function" => self.is_own_require |= rest.first() == Some(&ScriptToken::Word(b"require")),
            b"require" => {
                self.is_own_require |= rest.first() == Some(&ScriptToken::Mark(b'='));
                if let Some((name, _)) = called(&statement) {
                    keep(&mut self.found.required, name);
                }
            }
            _ => {}
        }
    }
}

/// Whether it is `require = createRequire(import.meta.url)` or `createRequire(__filename)`: it finds what the file itself
/// would.
fn makes_same_require(rest: &[ScriptToken<'_>]) -> bool {
    use ScriptToken::{Mark, Word};
    let Some(at) = rest.iter().position(|token| *token == Word(b"createRequire")) else { return false };
    matches!(
        rest[at + 1..],
        [Mark(b'('), Word(b"import"), Mark(b'.'), Word(b"meta"), Mark(b'.'), Word(b"url"), Mark(b')'), ..]
            | [Mark(b'('), Word(b"__filename"), Mark(b')'), ..]
    )
}

/// The name behind the `from` of an import or export at the end of its bindings.
fn from<'a>(rest: &[ScriptToken<'a>]) -> Option<Option<&'a [u8]>> {
    let at = rest
        .windows(2)
        .position(|pair| matches!(pair, [ScriptToken::Word(b"from"), ScriptToken::Text(_)]))?;
    match rest[at + 1] {
        ScriptToken::Text(name) => Some(name),
        _ => None,
    }
}

/// The name in `require("x")` at the beginning, and the rest.
fn called<'t, 'a>(tokens: &'t [ScriptToken<'a>]) -> Option<(Option<&'a [u8]>, &'t [ScriptToken<'a>])> {
    match tokens {
        [
            ScriptToken::Word(b"require"),
            ScriptToken::Mark(b'('),
            ScriptToken::Text(name),
            ScriptToken::Mark(b')'),
            rest @ ..,
        ] => Some((*name, rest)),
        _ => None,
    }
}

/// The modules in `a = require("a"), { b } = require("b")`, as long as each is of that form.
fn declared(mut rest: &[ScriptToken<'_>], required: &mut Vec<String>) {
    loop {
        // The name, or a pattern, whose inner words are not kept.
        rest = match rest {
            [ScriptToken::Word(_), ScriptToken::Mark(b'='), rest @ ..] => rest,
            [ScriptToken::Mark(b'{'), ScriptToken::Mark(b'}'), ScriptToken::Mark(b'='), rest @ ..] => rest,
            [ScriptToken::Mark(b'['), ScriptToken::Mark(b']'), ScriptToken::Mark(b'='), rest @ ..] => rest,
            _ => return,
        };
        let helped = match rest {
            [ScriptToken::Word(helper), ScriptToken::Mark(b'('), inner @ ..] if HELPERS.contains(helper) => {
                Some(inner)
            }
            [
                ScriptToken::Word(b"tslib_1" | b"tslib"),
                ScriptToken::Mark(b'.'),
                ScriptToken::Word(helper),
                ScriptToken::Mark(b'('),
                inner @ ..,
            ] if HELPERS.contains(helper) => Some(inner),
            _ => None,
        };
        let Some((name, behind)) = called(helped.unwrap_or(rest)) else { return };
        keep(required, name);
        let behind = if helped.is_some() {
            let Some(end) = behind.iter().position(|token| *token == ScriptToken::Mark(b')')) else { return };
            &behind[end + 1..]
        } else {
            behind
        };
        // `.b` and `()` behind it do not matter.
        let Some(next) = behind.iter().position(|token| *token == ScriptToken::Mark(b',')) else { return };
        let is_simple =
            |token: &ScriptToken<'_>| matches!(token, ScriptToken::Word(_) | ScriptToken::Mark(b'.'));
        if !behind[..next].iter().all(is_simple) {
            return;
        }
        rest = &behind[next + 1..];
    }
}

fn keep(names: &mut Vec<String>, name: Option<&[u8]>) {
    let Some(name) = name.and_then(|name| std::str::from_utf8(name).ok()) else { return };
    if !name.is_empty() && name.len() <= MAX_NAME && names.len() < MAX_MODULES {
        names.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn required(text: &str) -> Vec<String> {
        static_modules(text.as_bytes()).expect("understood").required
    }

    fn imported(text: &str) -> Vec<String> {
        let found = static_modules(text.as_bytes()).expect("understood");
        assert_eq!(found.is_module, !found.imported.is_empty() || text.contains("export"), "{text}");
        found.imported
    }

    #[test]
    fn calls_that_always_run_count() {
        for text in [
            "require('a')",
            "#!/usr/bin/env node\n'use strict'\nconst x = require(\"a\")\nx()",
            "var x=require(\"a\"),y=1;",
            "const { x, y: { z } } = require('a')\n",
            "const [x] = require('a');",
            "let b = 1; /* c */ let x = require('a').y(2)",
            "const x_1 = __importDefault(require(\"a\"));",
            "const x = tslib_1.__importStar(require(\"a\"))",
            "function f() { return /[/'{]/ }\nrequire('a')()",
            "const x = `${y ? `{` : '}'} /`\nvar z = require('a')",
            "i++ / 2; var z = require('a') // require('b')",
            "if (x) { require('b') }\nconst y = require('a')",
            "import { createRequire } from 'module';const require = createRequire(import.meta.url);const x = require('a')",
            "const x = require('a') || b",
        ] {
            assert_eq!(required(text), ["a"], "{text}");
        }
        assert_eq!(required("var x=require('b'),{y}=require('a').z,w=require('c')"), ["b", "a", "c"]);
        for text in [
            "const x = require('a')\nprocess.on('x', () => process.exit(1))\nconst y = require('b')",
            "require('a');if (x) { return }require('b')",
            "require('a');if (x) throw 1;require('b')",
            "require('a');try { return f } catch {}\nrequire('b')",
            "require('a'); process.env.NODE_PATH = 'x'; require('module')._initPaths(); require('b')",
            "function f() { return 1 }\nconst g = () => { throw 1 }\nrequire('a')",
        ] {
            assert_eq!(required(text), ["a"], "{text}");
        }
    }

    #[test]
    fn calls_that_may_not_run_do_not_count() {
        for text in [
            "try { require('a') } catch {}",
            "function f() { return require('a') }",
            "const f = () => require('a')",
            "const f = x => require('a')",
            "if (x) require('a')",
            "if (x)\n  var y = require('a')",
            "if (x) y(); else require('a')",
            "if (x) y()\nelse\nrequire('a')",
            "const x = y ? require('a') : 1",
            "const x = y && require('a')",
            "y && require('a')",
            "var e = { 1: m => { m.exports = require('a') } }; e[1]({})",
            "(() => { const x = require('a') })()",
            "// require('a')",
            "/* require('a') */",
            "'require(\"a\")'",
            "x.require('a')",
            "const x = require(y)",
            "const x = require('a' + y)",
            "const x = require(`a`)",
            "const x = require.resolve('a')",
            "var require = f; var x = require('a')",
            "const require = createRequire('/opt/'); const x = require('a')",
            "const require = createRequire(new URL('..', import.meta.url)); const x = require('a')",
            "function require(x) {}\nvar x = require('a')",
            "while (x) require('a')",
            "for (;;) require('a')",
        ] {
            assert_eq!(required(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn imports_are_modules() {
        for text in [
            "import 'a'",
            "import x from \"a\"",
            "import x, { y as z } from 'a';x()",
            "import*as x from\"a\";import(\"b\");",
            "export * from 'a'\nexport * as b from 'a'",
            "export { x } from 'a'",
            "import x from 'a' with { type: 'json' }\n",
            "import {\n  x,\n} from 'a'\nimport.meta.url",
        ] {
            assert_eq!(imported(text), ["a"], "{text}");
        }
        for text in [
            "import('a')",
            "const x = await import('a')",
            "`import 'a'`",
            "export const a = 1",
            "export default {}",
        ] {
            assert_eq!(imported(text), Vec::<String>::new(), "{text}");
        }
        assert!(!static_modules(b"exports.a = 1; exportx = 2").expect("understood").is_module);
    }

    #[test]
    fn what_does_not_come_out_even_is_not_told() {
        for text in ["require('a'", "f({)}", "var x = 'a\n'", "`${", "}", "/* ", "x = /a\n/"] {
            assert_eq!(static_modules(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not_told(text in "[a{}()'`$/\\\\\\[\\] \n;=*.,]{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = static_modules(text.as_bytes());
            let _ = static_modules(&bytes);
            let _ = static_modules([text.as_bytes(), b"\nrequire('x')"].concat().as_slice());
        }
    }
}
