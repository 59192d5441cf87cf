//! The limits of a build file from an unknown author, as in a pull request of a stranger.
//!
//! A build file names what goes into the image and where the image goes. With it alone one could copy a secret of the
//! machine into an image, or push to any repository that the machine may write to. Its author cannot do what is
//! refused here; the user who runs the build can, by a flag or a variable. All that is refused is reported together.
//!
//! Nothing that the build file names is read before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::own::real_path;
use crate::layer::scan::IGNORE_FILE;
use crate::project::config::{
    BaseSetting, ConfigError, Diagnostic, DiskPath, Settings, Span, Spanned, Template,
};
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// A file that belongs to a project and leads out of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is a link that leads out of the project, which `--untrusted` forbids", shown_path(.0))]
pub struct LeadsOut(pub PathBuf);

impl Explain for LeadsOut {
    fn kind(&self) -> Kind {
        Kind::Policy
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::UntrustedRefused)
    }

    fn hint(&self) -> Option<String> {
        Some("put the file itself there".to_owned())
    }
}

/// Checks that a file of the project at `project` is in it, before it is read.
///
/// # Errors
/// When it is a link that leads out.
pub fn check_file(path: &Path, project: &Path) -> Result<(), LeadsOut> {
    if real_path(path).starts_with(real_path(project)) { Ok(()) } else { Err(LeadsOut(path.to_owned())) }
}

/// Checks the settings of the project at `project`; `pushes` says whether the image goes to a registry.
///
/// # Errors
/// [`ConfigError::Forbidden`] with everything that is not allowed.
pub fn check(settings: &Settings, project: &Path, pushes: bool) -> Result<(), ConfigError> {
    let mut checker = Checker { settings, project: real_path(project), refused: Vec::new() };
    checker.paths();
    checker.templates();
    checker.registries();
    if pushes {
        checker.outputs();
    }
    checker.checks();
    checker.webhooks();
    checker.signatures();
    match checker.refused.is_empty() {
        true => Ok(()),
        false => Err(settings.sources.forbidden(checker.refused)),
    }
}

/// Checks the policy at `path` that the project at `project` names: what a file of the project names belongs to it, too.
///
/// # Errors
/// [`ConfigError::Forbidden`] with the files that lie outside.
pub fn check_policy(settings: &Settings, path: &Path, project: &Path) -> Result<(), ConfigError> {
    let mut checker = Checker { settings, project: real_path(project), refused: Vec::new() };
    // The user named a policy that lies elsewhere, and trusts it.
    if real_path(path).starts_with(&checker.project) {
        checker.policy();
    }
    match checker.refused.is_empty() {
        true => Ok(()),
        false => Err(settings.sources.forbidden(checker.refused)),
    }
}

struct Checker<'a> {
    settings: &'a Settings,
    /// As it really is.
    project: PathBuf,
    refused: Vec<Diagnostic>,
}

impl Checker<'_> {
    /// Refuses what the file says; what was typed is the user's own word.
    fn refuse(&mut self, span: Span, what: &str, hint: &str) {
        if !self.settings.sources.is_typed(span) {
            self.refuse_in_any_case(span, what, hint);
        }
    }

    fn refuse_in_any_case(&mut self, span: Span, what: &str, hint: &str) {
        let message = format!("{what}, which `--untrusted` forbids");
        self.refused.push(Diagnostic {
            message,
            hint: Some(hint.to_owned()),
            span,
            code: ErrorCode::UntrustedRefused,
        });
    }

    fn paths(&mut self) {
        let settings = self.settings;
        let app = settings.apps.iter().flat_map(|app| app.paths.as_slice());
        let files = settings.layers.iter().flat_map(|layer| &layer.files).map(|files| &files.from);
        for path in app.chain(files) {
            self.inside(&path.value, path.span);
            self.ignore_file(path);
        }
        if let Some(base) = &settings.base {
            match &base.value {
                BaseSetting::Layout { path, .. } => {
                    self.inside(path, base.span);
                    self.parts_of_layout(path, base.span);
                }
                BaseSetting::OciArchive { path, .. } | BaseSetting::DockerArchive { path, .. } => {
                    self.inside(path, base.span);
                }
                // An image in the store may have been built from anything on this machine.
                BaseSetting::Store(_) => {
                    let what = format!("`{}` is an image of this machine's own store", base.value);
                    self.refuse(
                        base.span,
                        &what,
                        "name the image in its registry, or give this one by `--base`",
                    );
                }
                BaseSetting::Scratch | BaseSetting::Registry(_) => {}
            }
        }
        self.policy();
        for options in settings.registries.values() {
            for file in [&options.client_cert, &options.client_key].into_iter().flatten() {
                self.inside(&file.value, file.span);
            }
        }
    }

    /// The policy of another file, and keys.
    fn policy(&mut self) {
        let settings = self.settings;
        for file in settings.policy.files() {
            self.inside(&file.value, file.span);
        }
    }

    /// The parts of an image layout in the project belong to the project, no matter who named it: its author chose where
    /// links in it lead.
    fn parts_of_layout(&mut self, layout: &DiskPath, span: Span) {
        if !self.is_inside(layout) {
            return;
        }
        let links = |directory: &str| {
            let entries = std::fs::read_dir(layout.path().join(directory)).into_iter().flatten().flatten();
            let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
            links.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        let parts = ["", "blobs", "blobs/sha256"].into_iter().flat_map(links);
        let Some(part) = parts.into_iter().find(|part| !real_path(part).starts_with(&self.project)) else {
            return;
        };
        let part = part.strip_prefix(layout.path()).unwrap_or(&part);
        let what = format!(
            "`{}` in `{}` is a link that leads out of the project",
            shown_path(part),
            layout.written()
        );
        self.refuse_in_any_case(span, &what, "put the file itself there");
    }

    /// The patterns of a tree belong to the tree, no matter who named it.
    fn ignore_file(&mut self, tree: &Spanned<DiskPath>) {
        let file = real_path(&tree.value.path().join(IGNORE_FILE));
        if !file.starts_with(real_path(tree.value.path())) && !file.starts_with(&self.project) {
            let what =
                format!("`{IGNORE_FILE}` in `{}` is a link that leads out of the project", tree.written());
            self.refuse_in_any_case(tree.span, &what, "put the file itself there");
        }
    }

    fn is_inside(&self, path: &DiskPath) -> bool {
        real_path(path.path()).starts_with(&self.project)
    }

    fn inside(&mut self, path: &DiskPath, span: Span) {
        if !self.is_inside(path) {
            let what = format!("`{}` lies outside of the project", path.written());
            self.refuse(
                span,
                &what,
                "name a path below the directory of the build file, or give this one by a flag",
            );
        }
    }

    fn templates(&mut self) {
        let settings = self.settings;
        let tags = settings.tags.iter().map(|tag| (tag.span, tag.value.template()));
        let texts = settings.annotations.values().chain(settings.config.labels.values());
        let all: Vec<(Span, &Template)> = tags.chain(texts.map(|text| (text.span, &text.value))).collect();
        for (span, template) in all {
            if let Some(name) = template.env_names().next() {
                let what = format!("`{{env.{name}}}` reads the environment");
                self.refuse(span, &what, "give its value by a flag: `--tag`, or `--set KEY=VALUE`");
            }
        }
    }

    fn registries(&mut self) {
        for addition in self.settings.additions(&BTreeMap::new()) {
            let what =
                format!("`{}` for `{}` is not the project's to say", addition.what.key(), addition.registry);
            self.refuse(addition.span(), &what, "write it into your own configuration, or give it by a flag");
        }
        if let Some(repository) = &self.settings.cache.repository {
            let what = format!("`{}` is another repository to keep the cache in", repository.value);
            self.refuse(repository.span, &what, "give it by `--cache-repo`");
        }
    }

    /// The checks are for the user who runs the build; more of them may be wanted, and none taken away.
    fn checks(&mut self) {
        for (span, what) in self.settings.weaker_checks() {
            let what = format!("{what} lets through what the checks find");
            self.refuse(span, &what, "remove it, or allow the rule by `--allow RULE=WHY`");
        }
    }

    /// The receivers of events, who may be anyone, and the secrets that sign them.
    fn webhooks(&mut self) {
        let settings = self.settings;
        for webhook in &settings.webhooks {
            let what = format!("sending events to `{}`", webhook.url.value);
            self.refuse(webhook.url.span, &what, "remove the `[[webhook]]`, or build without `--untrusted`");
        }
    }

    /// A signature is the word of the user who has the key.
    fn signatures(&mut self) {
        let settings = self.settings;
        if let Some(sign) = settings.attest.sign.as_ref().filter(|sign| sign.value) {
            self.refuse(
                sign.span,
                "`sign` signs the image",
                "remove it, or sign by `--sign` and `--key FILE`",
            );
        }
        if let Some(key) = &settings.attest.key {
            let what = format!("`{}` is a private key", key.value.written());
            self.refuse(key.span, &what, "remove it, or give the key by `--key`");
        }
    }

    /// Where the image goes, and which names there become it.
    fn outputs(&mut self) {
        let settings = self.settings;
        if let Some(name) = &settings.name {
            let what = format!("pushing to `{}`, which the build file names", name.value);
            self.refuse(name.span, &what, "give the place by `--name`");
        }
        for tag in &settings.tags {
            let what = format!("pushing the tag `{}`, which the build file names", tag.value.template());
            self.refuse(tag.span, &what, "give the tags by `--tag`");
        }
    }
}
