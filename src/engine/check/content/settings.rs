//! Secrets in the texts of the configuration: variables, labels, commands, and names.

use super::super::counted::CountedFindings;
use super::scan::FileScanner;
use crate::engine::apps::Start;
use crate::engine::request::Request;
use crate::project::config::{Arguments, Span, Spanned, Template};
use crate::types::finding::{Finding, Severity};
use crate::types::rule::Rule;
use crate::types::secret::is_secret_variable;

/// The remedy for a value that the program reads.
const OF_VALUE: &str = "give the value to the container when it starts, as a variable or a mounted file";
/// The remedy for all others.
const OF_TEXT: &str = "leave the secret out: all who have the image can read it";

/// A text of the configuration.
struct SettingText {
    /// The noun for it in a message.
    place: String,
    text: String,
    /// Where it was written; what an artifact asks for is in no setting.
    span: Option<Span>,
    remedy: &'static str,
}

/// The findings about them.
pub(super) fn findings(scanner: &FileScanner, request: &Request, start: &Start) -> Vec<Finding> {
    let place = |finding: Finding, span: Option<Span>| {
        let span = span.filter(|_| request.has_build_file);
        finding.at_setting(span.map(|span| request.settings.sources.place(span)))
    };
    let mut findings = CountedFindings::new(Rule::Secret, request.most_findings);
    for ImageVariable { name, value, span } in variables(request, start) {
        let noun = format!("the variable `{name}`");
        // Some forms are those of a value under its name.
        if let Some(finding) = secret_in(scanner, &noun, &format!("{name}={value}"), OF_VALUE) {
            findings.add(finding.level, || place(finding, span));
        } else if is_secret_variable(name.as_bytes(), value.as_bytes()) {
            let message =
                format!("{noun} of the image has a value that looks like a secret ({} bytes)", value.len());
            let finding = || Finding::not_met(Rule::Secret, message).hint(OF_VALUE);
            findings.add(Severity::Warning, || place(finding(), span));
        }
    }
    for SettingText { place: noun, text, span, remedy } in texts(request, start) {
        if let Some(finding) = secret_in(scanner, &noun, &text, remedy) {
            findings.add(finding.level, || place(finding, span));
        }
    }
    findings.finish()
}

/// A variable of the image.
struct ImageVariable<'a> {
    name: &'a str,
    value: &'a str,
    span: Option<Span>,
}

fn variables<'a>(request: &'a Request, start: &'a Start) -> impl Iterator<Item = ImageVariable<'a>> {
    let own = request.settings.config.env.iter().map(|(name, value)| ImageVariable {
        name: name.as_str(),
        value: value.value.as_str(),
        span: Some(value.span),
    });
    own.chain(start.env.iter().map(|(name, value)| ImageVariable { name, value, span: None }))
}

fn texts(request: &Request, start: &Start) -> Vec<SettingText> {
    let settings = &request.settings;
    let own = &settings.config;
    let mut texts = Vec::new();
    let mut add = |place: &str, text: &str, span: Option<Span>, remedy| {
        texts.push(SettingText { place: place.to_owned(), text: text.to_owned(), span, remedy });
    };
    let resolved = |name: &str, value: &Spanned<Template>| {
        let value = value.value.resolve(&request.facts).unwrap_or_else(|_| value.value.to_string());
        format!("{name}={value}")
    };
    if let Some(name) = &settings.name {
        add("`name`", &name.value.to_string(), Some(name.span), OF_TEXT);
    }
    for tag in &settings.tags {
        let text = tag.value.template();
        let text = text.resolve(&request.facts).unwrap_or_else(|_| text.to_string());
        add("`tags`", &text, Some(tag.span), OF_TEXT);
    }
    for (name, value) in &own.labels {
        add(
            &format!("the label `{}`", name.as_str()),
            &resolved(name.as_str(), value),
            Some(value.span),
            OF_TEXT,
        );
    }
    for (name, value) in &settings.annotations {
        let noun = format!("the annotation `{}`", name.as_str());
        add(&noun, &resolved(name.as_str(), value), Some(value.span), OF_TEXT);
    }
    let mut words = |noun: &str, own: Option<&Spanned<Arguments>>, of_artifact: Option<&Vec<String>>| {
        let span = own.map(|own| own.span);
        let of_artifact = || of_artifact.map(Vec::as_slice);
        for word in own.map(|own| own.value.as_slice()).or_else(of_artifact).unwrap_or_default() {
            add(noun, word, span, OF_VALUE);
        }
    };
    words("`entrypoint`", own.entrypoint.as_ref(), start.entrypoint.as_ref());
    words("`cmd`", own.cmd.as_ref(), start.cmd.as_ref());
    if let Some(Spanned { value, span }) = &own.healthcheck {
        for word in value.to_image().test {
            add("`healthcheck`", &word, Some(*span), OF_VALUE);
        }
    }
    for volume in &own.volumes {
        add("`volumes`", volume.value.as_str(), Some(volume.span), OF_TEXT);
    }
    if let Some(directory) = &own.workdir {
        add("`workdir`", directory.value.as_str(), Some(directory.span), OF_TEXT);
    }
    if let Some(user) = &own.user {
        add("`user`", user.value.as_str(), Some(user.span), OF_TEXT);
    }
    for layer in &settings.layers {
        add("the name of a layer", layer.name.value.as_str(), Some(layer.name.span), OF_TEXT);
    }
    texts
}

fn secret_in(scanner: &FileScanner, noun: &str, text: &str, remedy: &'static str) -> Option<Finding> {
    let (kind, length) = scanner.first_secret(text.as_bytes())?;
    let message = format!("{noun} of the image has {} ({length} bytes)", kind.noun());
    let level = if kind.is_certain() { Severity::Error } else { Severity::Warning };
    Some(Finding::not_met(Rule::Secret, message).at(level).hint(remedy))
}
