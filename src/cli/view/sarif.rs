//! Findings as SARIF 2.1.0 (OASIS), the format that systems for code and CI show findings in.
//!
//! All rules are in the log, so that a reader knows them without this program. A result is a finding that is not met
//! (`fail`), or whose answer cannot be known (`open`; such a result has no level of its own, by section 3.27.10). A
//! finding that the user allows has a suppression. A requirement that is met is no result. Paths are relative to the directory that
//! the program was started in, and no host is named.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::check::CheckReport;
use crate::types::digest::{Digest, KeyBuilder};
use crate::types::finding::{Answer, Finding, SettingPlace, Severity};
use crate::types::rule::Rule;

/// The name of the directory that relative paths start from.
const ROOT: &str = "%SRCROOT%";

/// A whole log of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SarifLog(Value);

impl SarifLog {
    /// The log of a check that was started in `directory`.
    #[must_use]
    pub fn of(report: &CheckReport, directory: &Path) -> Self {
        let properties = json!({ "image": report.name, "base": report.base });
        Self::with(std::slice::from_ref(report), directory, &properties)
    }

    /// The log of a check of several images: one run, as systems that read logs take few.
    #[must_use]
    pub fn of_many(reports: &[CheckReport], directory: &Path) -> Self {
        let images: Vec<&str> = reports.iter().map(|report| &*report.name).collect();
        Self::with(reports, directory, &json!({ "images": images }))
    }

    fn with(reports: &[CheckReport], directory: &Path, properties: &Value) -> Self {
        let told = reports.iter().flat_map(|report| &report.findings).filter(|finding| !finding.is_pass());
        let results: Vec<Value> = told.map(|finding| result(finding, directory)).collect();
        let rules: Vec<Value> = Rule::ALL.iter().copied().map(rule).collect();
        let exit_code = i32::from(reports.iter().any(|report| report.summary.errors > 0));
        Self(json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": {
                    "driver": {
                        "name": "pack",
                        "version": env!("CARGO_PKG_VERSION"),
                        "semanticVersion": env!("CARGO_PKG_VERSION"),
                        "rules": rules,
                    },
                },
                "invocations": [{ "executionSuccessful": true, "exitCode": exit_code }],
                "originalUriBaseIds": {
                    ROOT: { "description": { "text": "The directory that `pack` was started in." } },
                },
                "columnKind": "unicodeCodePoints",
                "results": results,
                "properties": properties,
            }],
        }))
    }
}

/// A rule as SARIF describes it.
fn rule(rule: Rule) -> Value {
    json!({
        "id": rule.name(),
        "shortDescription": { "text": rule.reason() },
        "fullDescription": { "text": format!("{} {}", rule.reason(), rule.remedy()) },
        "help": { "text": rule.remedy() },
        "defaultConfiguration": { "level": level(rule.level()) },
        "properties": { "documentation": "docs/checks.md#rules" },
    })
}

fn result(finding: &Finding, directory: &Path) -> Value {
    let Finding { rule, answer, message, hint, evidence, allowed, .. } = finding;
    let text = match hint {
        Some(hint) => format!("{}. Hint: {hint}.", message.trim_end_matches('.')),
        None => message.clone(),
    };
    // An answer that is not known is a failure only where the user wants certainty.
    let is_open = *answer == Answer::Unknown && finding.level != Severity::Error;
    let of_finding = if allowed.is_some() { rule.level() } else { finding.level };
    let mut result = json!({
        "ruleId": rule.name(),
        "ruleIndex": Rule::ALL.iter().position(|other| other == rule),
        "kind": if is_open { "open" } else { "fail" },
        "level": if is_open { "none" } else { level(of_finding) },
        "message": { "text": text },
        "locations": [{ "physicalLocation": location(finding, directory) }],
        "partialFingerprints": { "packFinding/v1": fingerprint(finding, directory) },
        "properties": { "answer": answer, "level": finding.level, "evidence": evidence },
    });
    if let Some(why) = allowed {
        result["suppressions"] = json!([{ "kind": "external", "justification": why }]);
    }
    result
}

const fn level(level: Severity) -> &'static str {
    match level {
        Severity::Info => "none",
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// The line of the setting, else the file that the finding is about, else the directory.
fn location(finding: &Finding, directory: &Path) -> Value {
    match (&finding.setting, &finding.file) {
        (Some(SettingPlace { name, line: Some(line), column, .. }), _) => json!({
            "artifactLocation": artifact(name, directory),
            "region": { "startLine": line, "startColumn": column.unwrap_or(1) },
        }),
        (_, Some(file)) => match finding.line {
            Some(line) => {
                json!({ "artifactLocation": artifact(file, directory), "region": { "startLine": line } })
            }
            None => json!({ "artifactLocation": artifact(file, directory) }),
        },
        (_, None) => json!({ "artifactLocation": { "uri": "./", "uriBaseId": ROOT } }),
    }
}

fn artifact(path: &str, directory: &Path) -> Value {
    match relative(path, directory) {
        "" => json!({ "uri": "./", "uriBaseId": ROOT }),
        path if path.starts_with('/') => json!({ "uri": format!("file://{}", uri(path)) }),
        path => json!({ "uri": uri(path), "uriBaseId": ROOT }),
    }
}

/// A path from the directory, if it lies there.
fn relative<'a>(path: &'a str, directory: &Path) -> &'a str {
    let directory = directory.to_str().map(|directory| directory.trim_end_matches('/'));
    match directory.and_then(|directory| path.strip_prefix(directory)) {
        Some("") => "",
        Some(rest) if rest.starts_with('/') => &rest[1..],
        _ => path,
    }
}

/// A path as part of a URI (RFC 3986). A colon is escaped, so that what is before it is no scheme.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// The mark of a finding from run to run, in which neither its line nor the place of the directory has a part.
fn fingerprint(finding: &Finding, directory: &Path) -> String {
    let text = |text: &str| match directory.to_str() {
        Some(directory) if directory.len() > 1 => text.replace(&format!("{directory}/"), ""),
        _ => text.to_owned(),
    };
    let place = finding.setting.as_ref().map(|place| text(&place.name));
    let file = finding.file.as_deref().map(text);
    let key = KeyBuilder::new("pack finding 1")
        .part(finding.rule.name().as_bytes())
        .part(place.unwrap_or_default().as_bytes())
        .part(file.unwrap_or_default().as_bytes())
        .part(text(&finding.message).as_bytes())
        .finish();
    Digest::of(&key.0).to_string().trim_start_matches("sha256:").chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::super::check::CheckSummary;
    use super::*;

    fn log(findings: Vec<Finding>, directory: &str) -> Value {
        let report = CheckReport {
            name: "localhost/app".to_owned(),
            base: None,
            summary: CheckSummary::of(&findings),
            findings,
            notes: Vec::new(),
            warnings: Vec::new(),
        };
        SarifLog::of(&report, Path::new(directory)).0
    }

    fn place(name: &str, line: usize) -> Option<SettingPlace> {
        Some(SettingPlace { name: name.to_owned(), line: Some(line), column: Some(8), bytes: 0..0 })
    }

    #[test]
    fn a_finding_is_a_result() {
        let user = |line, directory: &str| {
            Finding::not_met(Rule::UserUnknown, "the user nosuch is not there".to_owned())
                .hint("name another")
                .at_setting(place(&format!("{directory}/build.toml"), line))
        };
        let log =
            log(vec![user(12, "/src/shop"), Finding::met(Rule::JavaVersion, String::new())], "/src/shop");
        let result = &log["runs"][0]["results"][0];
        assert_eq!(log["runs"][0]["results"].as_array().map(Vec::len), Some(1));
        assert_eq!(
            (&result["ruleId"], &result["kind"], &result["level"]),
            (&json!("user-unknown"), &json!("fail"), &json!("error"))
        );
        let index = result["ruleIndex"].as_u64().expect("a number") as usize;
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][index]["id"], "user-unknown");
        assert_eq!(result["message"]["text"], "the user nosuch is not there. Hint: name another.");
        let location = &result["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"], json!({ "uri": "build.toml", "uriBaseId": ROOT }));
        assert_eq!(location["region"], json!({ "startLine": 12, "startColumn": 8 }));
        // Neither the line nor the directory changes the fingerprint.
        let other = fingerprint(&user(40, "/other"), Path::new("/other"));
        assert_eq!(result["partialFingerprints"]["packFinding/v1"], other);
        let third = Finding { message: "another".to_owned(), ..user(12, "/other") };
        assert_ne!(fingerprint(&third, Path::new("/other")), other);
    }

    #[test]
    fn what_is_allowed_is_suppressed_and_what_is_not_known_is_open() {
        let allowed = Finding {
            allowed: Some("a test".to_owned()),
            ..Finding::not_met(Rule::Secret, "a key".to_owned())
        }
        .at(Severity::Note)
        .in_file(Path::new("/src/a b/ä:c.war"));
        let unknown = Finding::unknown(Rule::ElfLibc, "cannot be known".to_owned());
        let certain = unknown.clone().at(Severity::Error);
        let log = log(vec![allowed, unknown, certain], "/src");
        let results = &log["runs"][0]["results"];
        assert_eq!(results[0]["suppressions"], json!([{ "kind": "external", "justification": "a test" }]));
        assert_eq!(results[0]["level"], "error");
        let uri = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(uri, "a%20b/%C3%A4%3Ac.war");
        assert_eq!((&results[1]["kind"], &results[1]["level"]), (&json!("open"), &json!("none")));
        assert_eq!((&results[2]["kind"], &results[2]["level"]), (&json!("fail"), &json!("error")));
    }

    #[test]
    fn a_path_elsewhere_is_whole() {
        assert_eq!(artifact("/else/app.war", Path::new("/src")), json!({ "uri": "file:///else/app.war" }));
        assert_eq!(
            artifact("/source/app.war", Path::new("/src")),
            json!({ "uri": "file:///source/app.war" })
        );
        assert_eq!(artifact("/src", Path::new("/src"))["uri"], "./");
    }
}
