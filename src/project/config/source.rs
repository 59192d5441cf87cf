//! The texts that settings come from, and errors that point into them.
//!
//! A build file, a `--set`, a flag and an environment variable are all texts. [`Sources`] lays them out
//! one after another, so that a [`Span`] alone says which text a value came from and where in it. Every
//! value that may turn out wrong later, such as the path of a missing artifact, keeps its span.
//!
//! Rendering never panics: a span is clamped to its text and to character boundaries.

use std::collections::BTreeSet;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::{fmt, io};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::types::digest::KeyBuilder;
use crate::types::error::{Explain, text_code};
use crate::types::error_code::ErrorCode;
use crate::types::finding::{Finding, SettingPlace};
use crate::types::fingerprint::Fingerprint;
use crate::types::fingerprint::fingerprint_fields;
use crate::types::secret::{RedactedText, redact_message, redact_values, secrets_of_settings};
use crate::types::shown::one_line;
use crate::types::shown::shown_path;

/// Where a value was written: a range of [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// In no text.
    pub(in crate::project) const NOWHERE: Self = Self { start: usize::MAX, end: usize::MAX };

    /// `range` of the text that begins at `base`.
    pub(crate) const fn new(base: usize, range: &Range<usize>) -> Self {
        Self { start: base + range.start, end: base + range.end }
    }

    /// How many bytes it has, if another one lies in it.
    pub(super) const fn size_around(self, inner: Self) -> Option<usize> {
        if self.start <= inner.start && inner.end <= self.end { Some(self.end - self.start) } else { None }
    }

    /// The part `range` of this span, counted from its start.
    pub(super) const fn part(self, range: &Range<usize>) -> Self {
        Self { start: self.start + range.start, end: self.start + range.end }
    }
}

/// A value and where it was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

/// As the value: two settings that mean the same have the same key, wherever they stand.
impl<T: Fingerprint> Fingerprint for Spanned<T> {
    fn add_to(&self, key: &mut KeyBuilder) {
        let Self { value, span: _ } = self;
        value.add_to(key);
    }
}

/// As the value, for messages of tests.
impl<T: std::fmt::Debug> std::fmt::Debug for Spanned<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// The kind of source of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextOrigin {
    /// A whole TOML document.
    File,
    /// Something typed on the command line or in the environment: a bare value is taken for a string where
    /// one is wanted.
    Typed,
}

#[derive(Debug)]
struct SettingsText {
    /// The user's name for it: a path, `--set`, `PACK_BASE`; nothing for a plain argument.
    name: String,
    /// The directory that relative paths in it start from.
    directory: PathBuf,
    origin: TextOrigin,
    text: String,
    /// Where it lies in the common range.
    base: usize,
    /// Where its lines begin, once that was asked.
    lines: OnceLock<Vec<usize>>,
    /// Its secrets, once a message needs them.
    secrets: OnceLock<Vec<Range<usize>>>,
}

fingerprint_fields!(SettingsText { name, directory, origin, text } without { base, lines, secrets });

impl Fingerprint for TextOrigin {
    fn add_to(&self, key: &mut KeyBuilder) {
        key.text(match self {
            Self::File => "file",
            Self::Typed => "typed",
        });
    }
}

impl SettingsText {
    /// The text before it on the command line or in the environment.
    fn prefix(&self) -> String {
        match &*self.name {
            "" => String::new(),
            flag if flag.starts_with('-') => format!("{flag} "),
            variable => format!("{variable}="),
        }
    }

    /// Its secrets, line by line.
    fn secrets(&self) -> &[Range<usize>] {
        self.secrets.get_or_init(|| secrets_of_settings(&self.text))
    }

    /// The secrets in the lines of `range`.
    fn secrets_near(&self, range: &Range<usize>) -> Vec<&str> {
        let start = self.text[..range.start].rfind('\n').map_or(0, |end| end + 1);
        let end = self.text[range.end..].find('\n').map_or(self.text.len(), |length| range.end + length);
        let secrets = self.secrets();
        let (first, after) = (
            secrets.partition_point(|secret| secret.end <= start),
            secrets.partition_point(|secret| secret.start < end),
        );
        secrets[first..after.max(first)].iter().map(|secret| &self.text[secret.clone()]).collect()
    }

    /// The line and column of a place in the text, from 1.
    fn line_and_column(&self, place: usize) -> (usize, usize) {
        let starts = self.lines.get_or_init(|| {
            std::iter::once(0).chain(self.text.match_indices('\n').map(|(end, _)| end + 1)).collect()
        });
        let line = starts.partition_point(|start| *start <= place);
        let start = line.checked_sub(1).and_then(|line| starts.get(line)).copied().unwrap_or_default();
        (line, self.text.get(start..place).unwrap_or_default().chars().count() + 1)
    }
}

/// All texts of one run. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Arc<SettingsText>>);

/// The texts, in order.
impl Fingerprint for Sources {
    fn add_to(&self, key: &mut KeyBuilder) {
        let Self(sources) = self;
        sources.len().add_to(key);
        sources.iter().for_each(|source| source.add_to(key));
    }
}

impl Sources {
    /// The texts, in the order in which they were read.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|source| source.text.as_str())
    }

    /// The files, by name and text.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self.0.iter().filter(|source| source.origin == TextOrigin::File);
        files.map(|source| (source.name.as_str(), source.text.as_str()))
    }

    /// The flags and variables that gave settings, without what they gave.
    #[must_use]
    pub fn typed_names(&self) -> Vec<String> {
        let typed = self.0.iter().filter(|source| source.origin == TextOrigin::Typed);
        let names: BTreeSet<&String> =
            typed.map(|source| &source.name).filter(|name| !name.is_empty()).collect();
        names.into_iter().cloned().collect()
    }

    /// Adds a text and returns its base, to make spans from.
    pub(super) fn add(&mut self, name: &str, directory: &Path, origin: TextOrigin, text: &str) -> usize {
        // One more than the length, so that the end of one text is not the start of the next.
        let base = self.0.last().map_or(0, |last| last.base + last.text.len() + 1);
        self.0.push(Arc::new(SettingsText {
            name: name.to_owned(),
            directory: directory.to_owned(),
            origin,
            text: text.to_owned(),
            base,
            lines: OnceLock::new(),
            secrets: OnceLock::new(),
        }));
        base
    }

    /// The text that `span` lies in, and the range in it.
    fn find(&self, span: Span) -> Option<(&SettingsText, Range<usize>)> {
        let after = self.0.partition_point(|source| source.base <= span.start);
        let source = self.0.get(after.checked_sub(1)?)?;
        let floor = |at: usize| {
            let mut at = at.saturating_sub(source.base).min(source.text.len());
            while !source.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        Some((source, start..floor(span.end).max(start)))
    }

    /// The text that was written there.
    pub(super) fn text(&self, span: Span) -> &str {
        self.find(span).map_or("", |(source, range)| &source.text[range])
    }

    /// Whether it was typed as a flag or variable rather than written into a file.
    #[must_use]
    pub fn is_typed(&self, span: Span) -> bool {
        self.find(span).is_some_and(|(source, _)| source.origin == TextOrigin::Typed)
    }

    /// The directory that a relative path there starts from.
    pub(super) fn directory(&self, span: Span) -> &Path {
        self.find(span).map_or(Path::new(""), |(source, _)| &source.directory)
    }

    /// `build.toml:3:8`, or the flag or variable as it was typed: `--base debian`.
    #[must_use]
    pub fn location(&self, span: Span) -> String {
        let Some((source, range)) = self.find(span) else { return String::new() };
        if source.origin == TextOrigin::Typed {
            return redact_message(&(source.prefix() + &source.text)).into_owned();
        }
        let (line, column) = source.line_and_column(range.start);
        format!("{}:{line}:{column}", source.name)
    }

    /// Where `span` was written, for a finding about it.
    #[must_use]
    pub fn place(&self, span: Span) -> SettingPlace {
        let bytes = span.start..span.end;
        match self.find(span) {
            Some((source, range)) if source.origin == TextOrigin::File => {
                let (line, column) = source.line_and_column(range.start);
                SettingPlace { name: source.name.clone(), line: Some(line), column: Some(column), bytes }
            }
            _ => SettingPlace { name: self.location(span), line: None, column: None, bytes },
        }
    }

    /// A report of findings, each with the line of its setting and its remedy.
    #[must_use]
    pub fn report_of(&self, findings: &[Finding]) -> Diagnostics {
        let diagnostics = findings.iter().map(|finding| {
            let bytes = finding.setting.as_ref().map(|place| place.bytes.clone());
            Diagnostic {
                message: format!("{} [{}]", finding.message, finding.rule),
                hint: finding.hint.clone(),
                span: bytes.map_or(Span::NOWHERE, |bytes| Span { start: bytes.start, end: bytes.end }),
                code: ErrorCode::CheckFailed,
            }
        });
        Diagnostics { sources: self.clone(), diagnostics: diagnostics.collect(), has_codes: false }
    }

    /// An error about what was written at `span`, such as two settings that do not go together.
    #[must_use]
    pub fn error_at(&self, span: Span, message: impl Into<String>, hint: Option<String>) -> ConfigError {
        let diagnostics = vec![Diagnostic::of(span, message, hint)];
        ConfigError::Invalid(Box::new(self.report(diagnostics)))
    }

    /// An error of what was read: of the command line, if all that is wrong was typed there.
    #[must_use]
    pub fn error(&self, diagnostics: Vec<Diagnostic>) -> ConfigError {
        let is_typed = !diagnostics.is_empty() && diagnostics.iter().all(|it| self.is_typed(it.span));
        let report = Box::new(Diagnostics { has_codes: !is_typed, ..self.report(diagnostics) });
        if is_typed { ConfigError::Usage(report) } else { ConfigError::Invalid(report) }
    }

    /// The same of one thing.
    pub(super) fn wrong_at(
        &self,
        span: Span,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> ConfigError {
        self.error(vec![Diagnostic::of(span, message, hint)])
    }

    /// An error about things that are valid and not allowed.
    #[must_use]
    pub fn forbidden(&self, diagnostics: Vec<Diagnostic>) -> ConfigError {
        ConfigError::Forbidden(Box::new(self.report(diagnostics)))
    }

    fn report(&self, mut diagnostics: Vec<Diagnostic>) -> Diagnostics {
        diagnostics.sort_by_key(|diagnostic| diagnostic.span);
        diagnostics.dedup();
        Diagnostics { sources: self.clone(), diagnostics, has_codes: true }
    }
}

impl ConfigError {
    const fn report(&self) -> Option<&Diagnostics> {
        match self {
            Self::Invalid(report) | Self::Usage(report) | Self::Forbidden(report) => Some(report),
            Self::NotFound(_) | Self::Dockerfile(_) | Self::Read { .. } => None,
        }
    }

    /// All that is wrong, where lines are at fault.
    pub(super) fn faults(&self) -> &[Diagnostic] {
        self.report().map(|report| &*report.diagnostics).unwrap_or_default()
    }

    /// The texts that the faults are in.
    pub(super) fn sources(&self) -> Option<&Sources> {
        self.report().map(|report| &report.sources)
    }

    /// The same, where the line only names what is wrong elsewhere: a missing artifact, an unusable base.
    #[must_use]
    pub fn about(mut self, code: impl Into<Option<ErrorCode>>) -> Self {
        let Some(code) = code.into() else { return self };
        if let Self::Invalid(report) | Self::Usage(report) | Self::Forbidden(report) = &mut self {
            report.diagnostics.iter_mut().for_each(|diagnostic| diagnostic.code = code);
        }
        self
    }

    /// Whether the report says of each fault what to do.
    #[must_use]
    pub fn has_hints(&self) -> bool {
        self.report().is_some_and(|report| report.diagnostics.iter().all(|fault| fault.hint.is_some()))
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The fault, one sentence without a period.
    pub message: String,
    /// The next thing to do about it.
    pub hint: Option<String>,
    /// Where.
    pub span: Span,
    /// The situation.
    pub code: ErrorCode,
}

impl Diagnostic {
    /// A setting that cannot be used.
    #[must_use]
    pub fn of(span: Span, message: impl Into<String>, hint: Option<String>) -> Self {
        Self { message: message.into(), hint, span, code: ErrorCode::SettingWrong }
    }
}

/// So many faults are told with their lines: each costs a look at all lines before it.
const MOST_TOLD: usize = 20;

/// Everything that is wrong with a build file and the flags around it, in the order it was written.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    sources: Sources,
    diagnostics: Vec<Diagnostic>,
    /// Whether the faults after the first have codes: not those of the command line, and findings have their rules.
    has_codes: bool,
}

impl Diagnostics {
    /// The faults; never empty.
    #[cfg(test)]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The situation of the fault that is told first.
    fn code(&self) -> Option<ErrorCode> {
        self.diagnostics.first().map(|diagnostic| diagnostic.code)
    }

    /// The report as the renderer draws it: messages with the lines that they are about.
    ///
    /// The first message has no `error:` before it: the caller prints that.
    #[must_use]
    pub fn render(&self, renderer: &Renderer) -> String {
        let mut text = String::new();
        for (number, diagnostic) in self.diagnostics.iter().take(MOST_TOLD).enumerate() {
            if number > 0 {
                text.push_str("\n\n");
            }
            text.push_str(&self.render_one(diagnostic, number == 0, renderer));
        }
        let left = self.diagnostics.len().saturating_sub(MOST_TOLD);
        if left > 0 {
            text.push_str(&format!("\n\nand {left} more like these"));
        }
        text
    }

    fn render_one(&self, diagnostic: &Diagnostic, first: bool, renderer: &Renderer) -> String {
        let level = if first { Level::ERROR.no_name() } else { Level::ERROR };
        let found = (diagnostic.span != Span::NOWHERE).then(|| self.sources.find(diagnostic.span)).flatten();
        let secrets = found.as_ref().map(|(source, range)| source.secrets_near(range)).unwrap_or_default();
        // A value may hold line breaks or control characters; a title is one line.
        let line = |text: &str| one_line(&redact_message(&redact_values(text, &secrets))).into_owned();
        let mut place = None;
        let title = level.primary_title(line(&diagnostic.message));
        let has_code = !first && self.has_codes;
        let mut group = Group::with_title(if has_code { title.id(diagnostic.code.name()) } else { title });
        if let Some((source, range)) = found {
            let range = first_line(&source.text, range);
            let redacted = RedactedText::new(&source.text, source.secrets().to_vec());
            let shown = redacted.range(&range);
            let text = redacted.into_text();
            if source.origin == TextOrigin::File {
                place = Some((source, range.start, column(&text, shown.start)));
            }
            group = group.element(match source.origin {
                TextOrigin::File => {
                    Snippet::source(text).path(&*source.name).annotation(AnnotationKind::Primary.span(shown))
                }
                // As it was typed: a flag has a name, and no lines worth counting.
                TextOrigin::Typed => {
                    let prefix = source.prefix();
                    let shown = prefix.len() + shown.start..prefix.len() + shown.end;
                    Snippet::source(prefix + &text)
                        .line_numbering(false)
                        .annotation(AnnotationKind::Primary.span(shown))
                }
            });
        }
        if let Some(hint) = &diagnostic.hint {
            group = group.element(Level::HELP.with_name("hint").message(line(hint)));
        }
        let report = renderer.render(&[group]);
        match place {
            // A secret before it is shorter as it is shown: the place told is that in the file.
            Some((source, start, shown)) => {
                let (line, column) = source.line_and_column(start);
                let of = |column: usize| format!("{}:{line}:{column}", source.name);
                if column == shown { report } else { report.replacen(&of(shown), &of(column), 1) }
            }
            None => report,
        }
    }
}

/// The column of a place in its line, from 1.
fn column(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or_default();
    before.rsplit('\n').next().unwrap_or_default().chars().count() + 1
}

/// A value that spans lines is marked on its first one only: the caret says where to look, not how far.
fn first_line(text: &str, range: Range<usize>) -> Range<usize> {
    let end = text[range.clone()].find(['\n', '\r']).map_or(range.end, |length| range.start + length);
    range.start..end
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such build file.
    #[error("there is no `{}`", shown_path(.0))]
    NotFound(PathBuf),
    /// It is the build file of other tools, by its name.
    #[error("`{}` is a Dockerfile, and pack reads build.toml", shown_path(.0))]
    Dockerfile(PathBuf),
    /// The file cannot be read.
    #[error("cannot read `{}`: {source}", shown_path(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in the build file is wrong. Hints are part of the report.
    #[error("{0}")]
    Invalid(Box<Diagnostics>),
    /// Something that was typed as a flag or a variable is not what such a setting looks like.
    #[error("{0}")]
    Usage(Box<Diagnostics>),
    /// The build file says something that it may not say.
    #[error("{0}")]
    Forbidden(Box<Diagnostics>),
}

impl Explain for ConfigError {
    fn kind(&self) -> crate::types::error::Kind {
        match self {
            Self::Forbidden(_) => crate::types::error::Kind::Policy,
            Self::Usage(_) => crate::types::error::Kind::Usage,
            _ => crate::types::error::Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::NotFound(_) => Some(ErrorCode::BuildFileMissing),
            Self::Dockerfile(_) => Some(ErrorCode::BuildFileBroken),
            Self::Read { source, .. } => text_code(source, ErrorCode::BuildFileBroken),
            Self::Invalid(report) | Self::Forbidden(report) => report.code(),
            Self::Usage(_) => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Dockerfile(path) => {
                Some(format!("`pack init --from {}` writes a build.toml from it", shown_path(path)))
            }
            Self::NotFound(_) => {
                Some("`pack init` writes one; an artifact can also be given itself".to_owned())
            }
            Self::Read { .. } | Self::Invalid(_) | Self::Usage(_) | Self::Forbidden(_) => None,
        }
    }

    /// A report shows the lines that it is about.
    fn is_laid_out(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Usage(_) | Self::Forbidden(_))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_span_of_any_text_renders(
            text in "([a-zäß€😀\t \r\n\u{0}\u{7f}\u{200b}]|\r\n){0,40}",
            other in "[a-zß\n]{0,5}",
            start in 0_usize..60,
            length in 0_usize..20,
        ) {
            let mut sources = Sources::default();
            sources.add("build.toml", Path::new("x"), TextOrigin::File, &text);
            sources.add("--set", Path::new("x"), TextOrigin::Typed, &other);
            let span = Span::new(0, &(start..start + length));
            prop_assert!(sources.text(span).len() <= length + 4);
            let _ = sources.location(span);
            let error = sources.error_at(span, text, Some("do\nthis".to_owned()));
            prop_assert!(error.to_string().contains("hint"));
        }
    }

    /// The column is that of the file, which a person or an editor goes to.
    #[test]
    fn a_secret_before_a_fault_moves_no_column() {
        let text = "x = 1\nenv = { DB_PASSWORD = \"hunter2!Zq9xyzw\", ä = \"w\", PORT = \"x\" }\n";
        let mut sources = Sources::default();
        sources.add("build.toml", Path::new("x"), TextOrigin::File, text);
        let at = text.find("\"x\"").expect("a value");
        let span = Span::new(0, &(at..at + 3));
        let column =
            text.lines().nth(1).expect("a line").split("\"x\"").next().expect("a part").chars().count() + 1;
        let place = format!("build.toml:2:{column}");
        assert_eq!(sources.location(span), place);
        let told = sources.error_at(span, "no number", None).to_string();
        assert!(told.contains(&format!("--> {place}\n")), "{told}");
        assert!(!told.contains("hunter2") && told.contains("PORT = \"x\""), "{told}");
        // The marks are under the value as it is shown.
        let lines: Vec<&str> = told.lines().collect();
        let shown = lines.iter().position(|line| line.contains("PORT")).expect("the line");
        let chars = |line: &str, word: &str| line[..line.find(word).expect("a word")].chars().count();
        assert_eq!(chars(lines[shown], "\"x\""), chars(lines[shown + 1], "^^^"), "{told}");
    }

    #[test]
    fn a_span_without_a_source_renders() {
        let error = Sources::default().error_at(Span::new(3, &(0..2)), "wrong", None);
        assert_eq!(error.to_string(), "wrong");
    }
}
