//! The rules about the configuration of the image, which no file of it decides: its user, ports, health check and base.
//!
//! An image that starts nothing, such as one of data alone, has no user and no port that matters.

use crate::engine::request::Request;
use crate::oci::RunConfig;
use crate::project::config::{BaseSetting, Span, exposed_ports};
use crate::types::finding::{Finding, SettingPlace};
use crate::types::rule::Rule;
use crate::types::shown::{listed, shown};

/// The first port that any user may listen on.
const FIRST_FREE_PORT: u16 = 1024;

/// The configuration of an image to be.
pub(super) struct ConfiguredImage<'a> {
    pub(super) request: &'a Request,
    /// The base's part of it.
    pub(super) base: Option<&'a RunConfig>,
    /// The user, as the settings or the base have it: `USER[:GROUP]`; empty is root.
    pub(super) user: &'a str,
    /// Whether a container of the image starts a program.
    pub(super) has_program: bool,
    /// The programs of an artifact of which none is taken.
    pub(super) programs: &'a [String],
}

impl ConfiguredImage<'_> {
    /// All findings.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.has_program {
            findings.extend([self.runs_as_root(), self.healthcheck()]);
            findings.extend(self.ports());
        }
        findings.push(self.entrypoint());
        findings.extend(self.base_latest());
        findings
    }

    /// Whether the settings say that the image starts nothing.
    fn starts_nothing(&self) -> bool {
        self.request
            .settings
            .config
            .entrypoint
            .as_ref()
            .is_some_and(|words| words.value.as_slice().is_empty())
    }

    /// Whether a container of the image starts what is meant.
    fn entrypoint(&self) -> Finding {
        let rule = Rule::NoEntrypoint;
        let quoted: Vec<String> =
            self.programs.iter().map(|program| format!("`{}`", shown(program.as_bytes()))).collect();
        match (&quoted[..], self.programs) {
            ([first @ .., last], [program, ..]) if !first.is_empty() => {
                let message = format!(
                    "cannot tell which script starts the application: {} or {last}",
                    listed(first, "", ", ")
                );
                let program = serde_json::Value::from(program.as_str());
                Finding::not_met(rule, message).hint(format!("set `config.entrypoint`, such as `[{program}]`"))
            }
            _ if self.has_program || self.starts_nothing() => {
                Finding::met(rule, "the settings, the artifact or the base say what starts".to_owned())
            }
            _ => Finding::not_met(
                rule,
                "a container of the image starts nothing: neither `[config]`, the artifact nor the base has a command"
                    .to_owned(),
            )
            .hint(
                "set `config.entrypoint`, or use a base that has a command, such as a web server's; if the image is a base or \
                 holds data, write `entrypoint = []`, or `--allow no-entrypoint=WHY`",
            ),
        }
    }

    fn place(&self, span: Span) -> Option<SettingPlace> {
        self.request.has_build_file.then(|| self.request.settings.sources.place(span))
    }

    fn is_root(&self) -> bool {
        let user = self.user.split(':').next().unwrap_or_default();
        user.is_empty() || user == "root" || user.parse() == Ok(0_u64)
    }

    fn runs_as_root(&self) -> Finding {
        let rule = Rule::RunsAsRoot;
        let setting = self.request.settings.config.user.as_ref();
        let place = setting.and_then(|user| self.place(user.span));
        if !self.is_root() {
            return Finding::met(rule, format!("the image runs as the user `{}`", self.user))
                .at_setting(place);
        }
        let message = match (setting, self.user) {
            (Some(_), _) => "the image runs as root, as `config.user` says",
            (None, "") => "the image runs as root: neither `config.user` nor the base names another user",
            (None, _) => "the image runs as root, as the base says",
        };
        Finding::not_met(rule, message.to_owned())
            .hint("set `config.user`, such as `\"1000\"`, if the application needs no rights of root")
            .at_setting(place)
    }

    fn healthcheck(&self) -> Finding {
        let rule = Rule::NoHealthcheck;
        let own = self.request.settings.config.healthcheck.as_ref();
        let of_base = self.base.and_then(|run| run.healthcheck.as_ref());
        match (own, of_base) {
            (Some(own), _) => {
                Finding::met(rule, "`config.healthcheck` decides how the application is watched".to_owned())
                    .at_setting(self.place(own.span))
            }
            (None, Some(_)) => Finding::met(rule, "the base has a health check".to_owned()),
            (None, None) => Finding::not_met(
                rule,
                "the image has no health check: Docker cannot tell whether the application answers"
                    .to_owned(),
            )
            .hint("set `config.healthcheck`, or `healthcheck = false` where something else watches it"),
        }
    }

    /// The ports, if there are some and the user is not root.
    fn ports(&self) -> Option<Finding> {
        let own = &self.request.settings.config.ports;
        let of_base = self.base.into_iter().flat_map(|run| run.exposed_ports.keys().cloned());
        let all = exposed_ports(own.iter().map(|ports| ports.value)).into_iter().chain(of_base);
        let mut ports: Vec<(u16, String)> = all.filter_map(|port| Some((number(&port)?, port))).collect();
        ports.sort();
        ports.dedup();
        let (first, _) = ports.first()?;
        let rule = Rule::PrivilegedPort;
        if self.is_root() || *first >= FIRST_FREE_PORT {
            return Some(Finding::met(rule, "the image's user may listen on its ports".to_owned()));
        }
        let low: Vec<String> = ports
            .iter()
            .filter(|(number, _)| *number < FIRST_FREE_PORT)
            .map(|(_, port)| format!("`{port}`"))
            .collect();
        let setting = own.iter().find(|ports| ports.value.first() < FIRST_FREE_PORT);
        let message = format!(
            "the image runs as the user `{}` and listens on {}: some container runtimes let only root do that",
            self.user,
            listed(low, "", ", ")
        );
        Some(
            Finding::not_met(rule, message)
                .hint(
                    "have the application listen on a port from 1024 on, and write that into `config.ports`",
                )
                .at_setting(setting.and_then(|ports| self.place(ports.span))),
        )
    }

    /// Of a base in a registry, whether something says which version it is.
    fn base_latest(&self) -> Option<Finding> {
        let setting = self.request.settings.base.as_ref()?;
        let BaseSetting::Registry(reference) = &setting.value else { return None };
        let rule = Rule::BaseLatest;
        let place = self.place(setting.span);
        let tag = reference.tag().map_or("latest", |tag| tag.as_str());
        let met = |message: String| Some(Finding::met(rule, message).at_setting(place.clone()));
        if reference.digest().is_some() {
            return met("the base is named by its digest".to_owned());
        }
        if tag != "latest" {
            return met(format!("the base is named by its tag `{tag}`"));
        }
        if self.request.locked_base().is_some() {
            return met("`build.lock` holds the digest of the base".to_owned());
        }
        let hint = if self.request.has_build_file {
            "name a version of the base, or keep the `build.lock` that `pack update` writes"
        } else {
            "name a version of the base, or its digest"
        };
        let message = format!("the base `{reference}` has no version, and no `build.lock` holds its digest");
        Some(Finding::not_met(rule, message).hint(hint).at_setting(place))
    }
}

/// The number of a port that is written as `8080/tcp`.
fn number(port: &str) -> Option<u16> {
    port.split('/').next()?.parse().ok()
}
