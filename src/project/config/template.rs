//! Templates of tags, labels and annotations: `{git.short}`, `{version}`, `{env.CI_JOB}`.
//!
//! A template is parsed with the build file and resolved when the facts are there. A tag that names a commit is a
//! promise, so with uncommitted changes `{git.commit}` and `{git.short}` end in `-dirty-CONTENT`. The content is
//! known last: [`Template::needs_content`] says who must wait for it. The supplier of [`Facts::content`] derives it
//! from the layers, never from anything that templates are part of.
//!
//! `{{` and `}}` stand for the braces themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::decode::{FromText, Wrong, list};
use crate::project::git::GitFacts;
use crate::types::error::{Explain, Kind, nearest};
use crate::types::error_code::ErrorCode;
use crate::types::reference::Tag;
use crate::types::shown::shown_path;
use crate::types::time;

/// Text with variables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Template {
    written: String,
    parts: Vec<TemplatePart>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum TemplatePart {
    Text(String),
    Variable(Variable),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Variable {
    Commit,
    Short,
    Branch,
    Time,
    Version,
    Content,
    Env(String),
}

const NAMES: [&str; 7] =
    ["git.commit", "git.short", "git.branch", "git.time", "version", "content", "env.NAME"];

/// The values of variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The commit, if there is one.
    pub git: Option<GitFacts>,
    /// The artifact's version, if it says.
    pub version: Option<String>,
    /// Where that was looked for, for messages.
    pub version_sought: Vec<String>,
    /// At least the variables of [`Template::env_names`] that are set.
    pub env: BTreeMap<String, String>,
    /// A short digest of the layers, once it is known.
    pub content: Option<String>,
}

/// Why a template has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It cannot be parsed.
    #[error("{message}")]
    Syntax {
        /// The fault.
        message: String,
        /// The hint.
        hint: Option<String>,
    },
    /// A `{git.…}` without a commit.
    #[error("the template `{0}` needs a git commit, and there is none")]
    NoGit(String),
    /// `{git.branch}` without one.
    #[error("the template `{0}` needs a git branch, and HEAD is detached")]
    NoBranch(String),
    /// `{version}` of an artifact without one.
    #[error(
        "the template `{template}` needs a version, and the artifact does not say its own{}",
        looked_at(sought)
    )]
    NoVersion {
        /// The template.
        template: String,
        /// Where it was looked for.
        sought: Vec<String>,
    },
    /// `{env.NAME}` that is not set.
    #[error("the template `{template}` needs the environment variable `{name}`, which is not set")]
    NoEnv {
        /// The template.
        template: String,
        /// The variable.
        name: String,
    },
    /// `{content}` before it is known.
    #[error("the template `{template}` is known only when the image is built{}", because(*is_dirty, first_change.as_deref()))]
    ContentUnknown {
        /// The template.
        template: String,
        /// Whether it has the content in it because of uncommitted changes.
        is_dirty: bool,
        /// The first of them, where it is known.
        first_change: Option<PathBuf>,
    },
    /// Its value is not a tag.
    #[error("the template `{template}` gives `{value}`, which is not a tag")]
    NotATag {
        /// The template.
        template: String,
        /// The value.
        value: String,
    },
    /// `latest` from a variable.
    #[error("the template `{0}` gives `latest`, which the build file must name literally")]
    Latest(String),
}

impl Explain for TemplateError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Syntax { .. } | Self::Latest(_) => Some(ErrorCode::SettingWrong),
            _ => Some(ErrorCode::TemplateUnfilled),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Syntax { hint, .. } => return hint.clone(),
            Self::NoGit(_) => "build inside a git repository with a commit, or use `{content}`".to_owned(),
            Self::NoBranch(_) => {
                "check out a branch, or use `{env.NAME}` with the variable of your CI".to_owned()
            }
            Self::NoVersion { .. } => {
                "use `{git.short}`, or `{env.NAME}` with the version in a variable, or write \
                                       `{version}` into `app.path` where its name has one"
                    .to_owned()
            }
            Self::NoEnv { name, .. } => format!("set `{name}`, or take `{{env.{name}}}` out"),
            Self::NotATag { .. } => {
                "a tag is at most 128 letters, digits, `_`, `.` and `-`, and starts with neither `.` nor `-`"
                    .to_owned()
            }
            Self::Latest(_) => "write `\"latest\"` into `tags`".to_owned(),
            Self::ContentUnknown { is_dirty: true, .. } => {
                "commit the changes that `git status` shows, or have git ignore the files".to_owned()
            }
            Self::ContentUnknown { is_dirty: false, .. } => "use a tag without `{content}`".to_owned(),
        })
    }
}

/// Why a template has the content in it.
fn because(is_dirty: bool, first_change: Option<&Path>) -> String {
    const CONTENT: &str = "it has the content of the image in it";
    let first =
        first_change.map(|path| format!(" (the first is `{}`)", shown_path(path))).unwrap_or_default();
    match is_dirty {
        true => format!(": the working tree has uncommitted changes{first}, so {CONTENT}"),
        false => format!(": {CONTENT}"),
    }
}

/// Where a version was looked for.
fn looked_at(sought: &[String]) -> String {
    if sought.is_empty() { String::new() } else { format!(": looked at {}", sought.join(", ")) }
}

/// The text that stands for [`Facts::content`] until it is known: as long, and as fit for a tag.
const STAND_IN: &str = "000000000000";

/// The value of a variable.
struct VariableValue {
    text: String,
    /// Whether the content follows.
    with_content: bool,
}

impl Template {
    /// The tag of an image that got none: the commit, or the content if there is no commit.
    #[must_use]
    pub fn default_tag(facts: &Facts) -> Self {
        let (name, variable) = match facts.git {
            Some(_) => ("{git.short}", Variable::Short),
            None => ("{content}", Variable::Content),
        };
        Self { written: name.to_owned(), parts: vec![TemplatePart::Variable(variable)] }
    }

    /// Whether it has no variables.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.variables().next().is_none()
    }

    /// The environment variables that it asks for.
    pub fn env_names(&self) -> impl Iterator<Item = &str> {
        self.variables().filter_map(|variable| match variable {
            Variable::Env(name) => Some(&**name),
            _ => None,
        })
    }

    /// Whether its value depends on [`Facts::content`], given the others.
    #[must_use]
    pub fn needs_content(&self, facts: &Facts) -> bool {
        let dirty = facts.git.as_ref().is_some_and(|git| git.dirty);
        self.variables().any(|variable| match variable {
            Variable::Content => true,
            Variable::Commit | Variable::Short => dirty,
            _ => false,
        })
    }

    /// Its value, for a label or an annotation.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn resolve(&self, facts: &Facts) -> Result<String, TemplateError> {
        self.fill(facts, |value| value, facts.content.as_deref())
    }

    /// Whether it has a value, as far as that can be told before the content is known.
    ///
    /// # Errors
    /// As for [`Template::resolve`].
    pub fn check(&self, facts: &Facts) -> Result<(), TemplateError> {
        self.fill(facts, |value| value, Some(STAND_IN)).map(drop)
    }

    /// Its value as a tag, with `{content}` where that is not known.
    ///
    /// # Errors
    /// As for [`Template::resolve_tag`], whatever the content will be.
    pub fn preview_tag(&self, facts: &Facts) -> Result<String, TemplateError> {
        if facts.content.is_some() || !self.needs_content(facts) {
            return self.resolve_tag(facts).map(|tag| tag.to_string());
        }
        self.resolve_tag(&Facts { content: Some(STAND_IN.to_owned()), ..facts.clone() })?;
        self.fill(facts, |text| fit_for_tag(&text), Some("{content}"))
    }

    /// Its value as a tag: what a variable brings in is made fit, so that the branch `feat/x` gives `feat-x`.
    ///
    /// # Errors
    /// When a variable has no value, or the whole is not a tag, or is a `latest` that the file does not write.
    pub fn resolve_tag(&self, facts: &Facts) -> Result<Tag, TemplateError> {
        let mut value = self.fill(facts, |text| fit_for_tag(&text), facts.content.as_deref())?;
        if let Some(TemplatePart::Variable(_)) = self.parts.first() {
            value = value.trim_start_matches(['.', '-']).to_owned();
        }
        if value == "latest" && !self.is_literal() {
            return Err(TemplateError::Latest(self.written.clone()));
        }
        value.parse().map_err(|_| TemplateError::NotATag { template: self.written.clone(), value })
    }

    /// Whether the tag is one that moves by its nature: `latest`, the name of a branch alone, or the commit of a tree
    /// with changes, which promises no revision. Every other tag is a promise.
    #[must_use]
    pub fn moves(&self, facts: &Facts) -> bool {
        let is_dirty = facts.git.as_ref().is_some_and(|git| git.dirty);
        let mut variables = self.variables().peekable();
        if variables.peek().is_none() {
            return self.written == "latest";
        }
        let mut is_branch = true;
        for variable in variables {
            match variable {
                Variable::Commit | Variable::Short if is_dirty => return true,
                Variable::Branch => {}
                _ => is_branch = false,
            }
        }
        is_branch
    }

    /// Whether the text between the variables can be part of a tag.
    pub(super) fn check_tag(&self) -> Result<(), Wrong> {
        let text = self.parts.iter().filter_map(|part| match part {
            TemplatePart::Text(text) => Some(text),
            TemplatePart::Variable(_) => None,
        });
        let wrong = |what: &str| {
            let message = format!("`{}` is not a tag: {what}", self.written);
            let hint = match self.written.rsplit_once(':') {
                Some((name, tag)) if !name.is_empty() && !tag.is_empty() && !tag.contains('/') => {
                    format!(
                        "a tag has no name: write `--name {name} --tag {tag}`, or `name` and `tags` of `[image]`"
                    )
                }
                _ => "a tag is letters, digits, `_`, `.` and `-`, such as `\"{git.short}\"`".to_owned(),
            };
            Err(Wrong::new(message).hint(hint))
        };
        for character in text.flat_map(|text| text.chars()) {
            if tag_character(character) != character {
                return wrong(&format!("it has a `{}`", character.escape_default()));
            }
        }
        match self.parts.first() {
            None => wrong("it is empty"),
            Some(TemplatePart::Text(text)) if text.starts_with(['.', '-']) => {
                wrong("it starts with `.` or `-`")
            }
            _ if self.is_literal() && self.written.parse::<Tag>().is_err() => wrong("it is longer than 128"),
            _ => Ok(()),
        }
    }

    fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Text(_) => None,
            TemplatePart::Variable(variable) => Some(variable),
        })
    }

    /// With `fit` applied to what variables bring in, and `content` as it is.
    fn fill(
        &self,
        facts: &Facts,
        fit: impl Fn(String) -> String,
        content: Option<&str>,
    ) -> Result<String, TemplateError> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => filled.push_str(text),
                TemplatePart::Variable(variable) => {
                    let filling = self.value(variable, facts)?;
                    filled.push_str(&fit(filling.text));
                    if filling.with_content {
                        let unknown = || TemplateError::ContentUnknown {
                            template: self.written.clone(),
                            is_dirty: *variable != Variable::Content,
                            first_change: facts.git.as_ref().and_then(|git| git.first_change.clone()),
                        };
                        filled.push_str(content.ok_or_else(unknown)?);
                    }
                }
            }
        }
        Ok(filled)
    }

    fn value(&self, variable: &Variable, facts: &Facts) -> Result<VariableValue, TemplateError> {
        let written = || self.written.clone();
        let git = || facts.git.as_ref().ok_or_else(|| TemplateError::NoGit(written()));
        let plain = |text: String| VariableValue { text, with_content: false };
        let marked = |commit: &str, dirty: bool| match dirty {
            true => VariableValue { text: format!("{commit}-dirty-"), with_content: true },
            false => plain(commit.to_owned()),
        };
        Ok(match variable {
            Variable::Commit => git().map(|git| marked(&git.commit, git.dirty))?,
            Variable::Short => git().map(|git| marked(git.short(), git.dirty))?,
            Variable::Branch => {
                plain(git()?.branch.clone().ok_or_else(|| TemplateError::NoBranch(written()))?)
            }
            Variable::Time => plain(time::basic(git()?.time)),
            Variable::Version => plain(facts.version.clone().ok_or_else(|| TemplateError::NoVersion {
                template: written(),
                sought: facts.version_sought.clone(),
            })?),
            Variable::Content => VariableValue { text: String::new(), with_content: true },
            Variable::Env(name) => {
                let no_env = || TemplateError::NoEnv { template: written(), name: name.clone() };
                plain(facts.env.get(name).cloned().ok_or_else(no_env)?)
            }
        })
    }
}

fn fit_for_tag(value: &str) -> String {
    value.chars().map(tag_character).collect()
}

const fn tag_character(character: char) -> char {
    if character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-') { character } else { '-' }
}

impl FromText for Template {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(character) = text[at..].chars().next() {
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(character);
                at += 2;
            } else if character == '{' {
                let Some(length) = rest.find('}') else {
                    return Err(part(text, at..text.len(), "`{` is never closed")
                        .hint("close it with `}`, or write `{{` for the brace itself"));
                };
                if !literal.is_empty() {
                    parts.push(TemplatePart::Text(std::mem::take(&mut literal)));
                }
                parts.push(TemplatePart::Variable(variable(text, at..at + length + 1)?));
                at += length + 1;
            } else if character == '}' {
                return Err(
                    part(text, at..at + 1, "`}` was never opened").hint("write `}}` for the brace itself")
                );
            } else {
                literal.push(character);
                at += character.len_utf8();
            }
        }
        if !literal.is_empty() {
            parts.push(TemplatePart::Text(literal));
        }
        Ok(Self { written: text.to_owned(), parts })
    }
}

fn part(template: &str, part: std::ops::Range<usize>, message: &str) -> Wrong {
    Wrong { part: Some(part), ..Wrong::new(format!("{message} in the template `{template}`")) }
}

/// The variable at `range`, which includes its braces.
fn variable(template: &str, range: std::ops::Range<usize>) -> Result<Variable, Wrong> {
    let name = &template[range.start + 1..range.end - 1];
    Ok(match name {
        "git.commit" => Variable::Commit,
        "git.short" => Variable::Short,
        "git.branch" => Variable::Branch,
        "git.time" => Variable::Time,
        "version" => Variable::Version,
        "content" => Variable::Content,
        _ => match name.strip_prefix("env.") {
            Some(name) if !name.is_empty() && !name.contains(['=', '\0', '{']) => {
                Variable::Env(name.to_owned())
            }
            _ => {
                let hint = match nearest(name, NAMES) {
                    Some(near) => format!("did you mean `{{{near}}}`?"),
                    None => format!("the variables are {}", list(NAMES)),
                };
                return Err(part(template, range, &format!("unknown variable `{name}`")).hint(hint));
            }
        },
    })
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        Self::from_text(text)
            .map_err(|wrong| TemplateError::Syntax { message: wrong.message, hint: wrong.hint })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

super::decode::text_values!(Template);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(text: &str) -> Template {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn facts(dirty: bool) -> Facts {
        Facts {
            git: Some(GitFacts {
                commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
                branch: Some("feat/Größe".to_owned()),
                time: 1_706_702_400,
                dirty,
                first_change: dirty.then(|| PathBuf::from("src/a.rs")),
                origin: None,
            }),
            version: Some("1.2+build".to_owned()),
            version_sought: Vec::new(),
            env: [("CI".to_owned(), "7".to_owned()), ("L".to_owned(), "latest".to_owned())].into(),
            content: None,
        }
    }

    #[test]
    fn variables_have_values() {
        let facts = facts(false);
        for (text, value, tag) in [
            ("{git.short}", "0123456789ab", "0123456789ab"),
            (
                "{git.commit}",
                "0123456789abcdef0123456789abcdef01234567",
                "0123456789abcdef0123456789abcdef01234567",
            ),
            ("b-{git.branch}", "b-feat/Größe", "b-feat-Gr--e"),
            ("{git.time}", "20240131T120000Z", "20240131T120000Z"),
            ("v{version}", "v1.2+build", "v1.2-build"),
            ("{env.CI}", "7", "7"),
            ("latest", "latest", "latest"),
        ] {
            assert_eq!(template(text).resolve(&facts).expect(text), value);
            assert_eq!(template(text).resolve_tag(&facts).expect(text).as_str(), tag);
            assert!(!template(text).needs_content(&facts));
        }
        assert_eq!(template("{{x}}").resolve(&facts).expect("literal"), "{x}");
        assert_eq!(template("{env.A}{env.B}{version}").env_names().collect::<Vec<_>>(), ["A", "B"]);
    }

    #[test]
    fn a_dirty_tree_waits_for_the_content() {
        let mut facts = facts(true);
        let short = template("{git.short}");
        assert!(short.needs_content(&facts) && !template("{git.branch}").needs_content(&facts));
        let early = short.resolve_tag(&facts).expect_err("unknown");
        assert_eq!(early.kind(), Kind::Input);
        assert!(early.to_string().contains("uncommitted changes (the first is `src/a.rs`)"), "{early}");
        facts.content = Some("ba5eba11".to_owned());
        assert_eq!(short.resolve_tag(&facts).expect("tag").as_str(), "0123456789ab-dirty-ba5eba11");
    }

    #[test]
    fn what_does_not_depend_on_the_content_is_found_wrong_before_it() {
        let facts = facts(true);
        let preview = |text: &str| template(text).preview_tag(&facts);
        assert_eq!(preview("{git.short}-{version}").expect("tag"), "0123456789ab-dirty-{content}-1.2-build");
        assert_eq!(preview("v{content}").expect("tag"), "v{content}");
        assert_eq!(preview("v1").expect("tag"), "v1");
        assert!(preview("{env.NOPE}-{content}").is_err());
        assert!(preview(&format!("{}{{content}}", "a".repeat(117))).is_err(), "one too long");
        assert!(preview(&format!("{}{{content}}", "a".repeat(116))).is_ok());
        let known = Facts { content: Some("ba5eba11".to_owned()), ..facts.clone() };
        assert_eq!(template("{content}").preview_tag(&known).expect("tag"), "ba5eba11");
        assert!(
            template("a {content} b").check(&facts).is_ok() && template("{env.NOPE}").check(&facts).is_err()
        );
    }

    #[test]
    fn only_some_tags_move_by_themselves() {
        for (text, clean, dirty) in [
            ("latest", true, true),
            ("{git.branch}", true, true),
            ("x-{git.branch}", true, true),
            ("{git.short}", false, true),
            ("{git.branch}-{git.commit}", false, true),
            ("{git.branch}-{git.time}", false, false),
            ("1.0", false, false),
            ("{version}", false, false),
            ("{content}", false, false),
            ("{env.CI}", false, false),
        ] {
            let tag = template(text);
            assert_eq!((tag.moves(&facts(false)), tag.moves(&facts(true))), (clean, dirty), "{text}");
        }
    }

    #[test]
    fn the_default_tag_is_the_commit_or_the_content() {
        assert_eq!(Template::default_tag(&facts(false)).to_string(), "{git.short}");
        let without = Facts { content: Some("ba5eba11".to_owned()), ..Facts::default() };
        let default = Template::default_tag(&without);
        assert!(default.needs_content(&without));
        assert_eq!(default.resolve_tag(&without).expect("tag").as_str(), "ba5eba11");
    }

    #[test]
    fn says_what_is_missing_and_what_to_do() {
        let mut detached = facts(false);
        detached.git.as_mut().expect("git").branch = None;
        let mut messages = String::new();
        for (text, facts) in [
            ("{git.short}", &Facts::default()),
            ("{git.branch}", &detached),
            ("{version}", &Facts::default()),
            ("{env.NOPE}", &detached),
            ("{env.L}", &detached),
            ("x{env.EMPTY}", &detached),
        ] {
            match template(text).resolve_tag(facts) {
                Ok(tag) => panic!("{tag}"),
                Err(error) => {
                    messages.push_str(&format!("{error}\n  hint: {}\n", error.hint().unwrap_or_default()));
                }
            }
        }
        insta::assert_snapshot!(messages, @r#"
        the template `{git.short}` needs a git commit, and there is none
          hint: build inside a git repository with a commit, or use `{content}`
        the template `{git.branch}` needs a git branch, and HEAD is detached
          hint: check out a branch, or use `{env.NAME}` with the variable of your CI
        the template `{version}` needs a version, and the artifact does not say its own
          hint: use `{git.short}`, or `{env.NAME}` with the version in a variable, or write `{version}` into `app.path` where its name has one
        the template `{env.NOPE}` needs the environment variable `NOPE`, which is not set
          hint: set `NOPE`, or take `{env.NOPE}` out
        the template `{env.L}` gives `latest`, which the build file must name literally
          hint: write `"latest"` into `tags`
        the template `x{env.EMPTY}` needs the environment variable `EMPTY`, which is not set
          hint: set `EMPTY`, or take `{env.EMPTY}` out
        "#);
    }

    #[test]
    fn refuses_what_cannot_be_a_tag() {
        for text in ["", "a b", "a/b", "-a", ".{version}", "a:{version}", &"a".repeat(129)] {
            assert!(template(text).check_tag().is_err(), "{text}");
        }
        for text in ["a", "{version}", "{version}-x", "_a.b", "latest"] {
            assert!(template(text).check_tag().is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_tags_are_tags(text in "[{}a-z./ß-]{0,20}|\\PC{0,20}", branch in "\\PC{0,20}") {
            if let Ok(template) = text.parse::<Template>() {
                let mut facts = facts(false);
                facts.git.as_mut().expect("git").branch = Some(branch);
                let _ = template.resolve(&facts);
                let _ = template.resolve_tag(&facts);
                let _ = template.check_tag();
            }
        }
    }
}
