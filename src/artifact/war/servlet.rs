//! `javax.servlet` or `jakarta.servlet`: what an application is written for, against what the container runs.
//!
//! A mismatch deploys without a message and answers 404, so it is found here. The classes of the application
//! decide, since a container takes old descriptors with new classes; `web.xml` alone decides only through the
//! classes that it names, wherever they lie. Libraries are not searched otherwise: many bring optional parts
//! for both.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use memchr::memmem;

use super::{Group, Member, Place};
use crate::artifact::{
    AppOptions, Artifact, ArtifactError, Container, ContainerKind, Findings, Servlet, Source, container,
};
use crate::image::ConfigFile;
use crate::layer::scan::{Found, FoundKind, Scanner};
use crate::shown::shown;
use crate::zip::{Archive, ArchiveEntryKind};

/// No class file is larger: its methods are limited to 64 KiB each, and real ones stay below 1 MiB.
const MAX_CLASS: u64 = 64 << 20;
const MAX_WEB_XML: u64 = 16 << 20;
/// Libraries that are larger are not opened to look for the classes that `web.xml` names.
const MAX_LIBRARY: u64 = 64 << 20;

/// What an application is written for, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Evidence {
    servlet: Servlet,
    shown_by: String,
}

pub(in crate::artifact) fn check(
    artifact: &Artifact,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    scanner: &Scanner,
) -> Result<Findings, ArtifactError> {
    let mut findings = Findings::default();
    let Some(container) = base.and_then(container) else {
        findings.notes.push(
            "The base has no known servlet container: that it runs the application's servlet API is not checked."
                .to_owned(),
        );
        return Ok(findings);
    };
    let found: Arc<Vec<Found>>;
    let members: Vec<Member<'_>> = match &artifact.source {
        Source::Archive(archive) => {
            let entries = archive.entries().iter().enumerate();
            let files = entries.filter(|(_, entry)| entry.kind == ArchiveEntryKind::File);
            files
                .map(|(index, entry)| Member { name: &entry.name, place: Place::Archive(archive, index) })
                .collect()
        }
        _ => {
            found = scanner.scan(&artifact.path, &options.scan_options())?;
            let files = found.iter().filter(|found| matches!(found.kind, FoundKind::File { .. }));
            files.map(|found| Member { name: found.relative(), place: Place::File(&found.path) }).collect()
        }
    };
    let descriptor = members.iter().find(|member| member.name == b"WEB-INF/web.xml");
    let descriptor = descriptor.map(|member| member.read(MAX_WEB_XML)).transpose()?;
    let descriptor = descriptor.map(|bytes| WebXml::parse(&bytes)).unwrap_or_default();

    let Some(wanted) = container.servlet() else {
        let evidence = match descriptor.servlet() {
            Some(servlet) => Some(Evidence { servlet, shown_by: "`WEB-INF/web.xml`".to_owned() }),
            None => first_of(&members, None)?,
        };
        findings.notes.push(unknown_version(&container, evidence.as_ref(), &descriptor));
        return Ok(findings);
    };
    let mut evidence = first_of(&members, Some(wanted))?;
    if evidence.is_none() {
        evidence = named_in_libraries(&members, &descriptor.classes, wanted)?;
    }
    match evidence {
        Some(evidence) if evidence.servlet == wanted => {
            findings.notes.push(format!(
                "The application is written for {} ({}), which {} runs.",
                wanted.package(),
                evidence.shown_by,
                container.describe()
            ));
        }
        Some(evidence) => {
            return Err(ArtifactError::OtherServlet {
                path: artifact.path.clone(),
                found: evidence.servlet,
                evidence: evidence.shown_by,
                wanted,
                container: container.describe(),
            });
        }
        None => match descriptor.servlet() {
            Some(servlet) if servlet != wanted => findings.warnings.push(format!(
                "`WEB-INF/web.xml` is written for {}, and {} runs {}; no class of the application uses either.",
                servlet.package(),
                container.describe(),
                wanted.package()
            )),
            _ => findings.notes.push("No class of the application uses the servlet API.".to_owned()),
        },
    }
    Ok(findings)
}

fn unknown_version(container: &Container, evidence: Option<&Evidence>, descriptor: &WebXml) -> String {
    let Some(evidence) = evidence else {
        return "No class of the application uses the servlet API.".to_owned();
    };
    let needs = if container.kind == ContainerKind::Jetty && container.version.is_some() {
        let modules = match (evidence.servlet, descriptor.version.as_deref()) {
            (Servlet::Javax, _) => "`ee8`",
            (Servlet::Jakarta, Some("5.0")) => "`ee9` (or a later one)",
            (Servlet::Jakarta, Some("6.0")) => "`ee10` (or a later one)",
            (Servlet::Jakarta, Some("6.1")) => "`ee11`",
            (Servlet::Jakarta, _) => "`ee9`, `ee10` or `ee11`",
        };
        format!("its modules for {modules} must be enabled in the base")
    } else {
        "the base does not tell its version, so whether it runs that is not checked".to_owned()
    };
    let (package, shown_by) = (evidence.servlet.package(), &evidence.shown_by);
    format!(
        "The application is written for {package} ({shown_by}), the base has {}: {needs}.",
        container.describe()
    )
}

/// What the application's own classes use: `wanted` as soon as one does, else the other.
///
/// Without `wanted`, what the first class that uses one uses.
fn first_of(members: &[Member<'_>], wanted: Option<Servlet>) -> Result<Option<Evidence>, ArtifactError> {
    let mut other = None;
    for member in members.iter().filter(|member| Group::of(member.name) == Group::Classes) {
        let class = member.read(MAX_CLASS)?;
        for servlet in used_by(&class) {
            let evidence = Evidence { servlet, shown_by: format!("`{}`", shown(member.name)) };
            if wanted.is_none_or(|wanted| wanted == servlet) {
                return Ok(Some(evidence));
            }
            other.get_or_insert(evidence);
        }
    }
    Ok(other)
}

/// What the classes that `web.xml` names use, looked for in the libraries.
fn named_in_libraries(
    members: &[Member<'_>],
    named: &BTreeSet<String>,
    wanted: Servlet,
) -> Result<Option<Evidence>, ArtifactError> {
    if named.is_empty() {
        return Ok(None);
    }
    let mut other = None;
    let libraries = members.iter().filter(|member| {
        matches!(Group::of(member.name), Group::Dependencies | Group::Snapshots)
            && member.name.ends_with(b".jar")
    });
    for library in libraries.filter(|library| library.size() <= MAX_LIBRARY) {
        // A broken library is the container's to complain about.
        let Ok(jar) = Archive::from_bytes(Path::new(&shown(library.name)), library.read(MAX_LIBRARY)?) else {
            continue;
        };
        for (index, entry) in jar.entries().iter().enumerate() {
            let Some(name) = entry.name.strip_suffix(b".class") else { continue };
            let Ok(name) = std::str::from_utf8(name) else { continue };
            if !named.contains(&name.replace('/', ".")) {
                continue;
            }
            let Ok(class) = jar.read(index, MAX_CLASS) else { continue };
            for servlet in used_by(&class) {
                let shown_by = format!("`{}` of `{}`", shown(&entry.name), shown(library.name));
                let evidence = Evidence { servlet, shown_by };
                if servlet == wanted {
                    return Ok(Some(evidence));
                }
                other.get_or_insert(evidence);
            }
        }
    }
    Ok(other)
}

/// The generations that a class file's constants name. References are UTF-8 constants in internal form, so a
/// search of the bytes finds them all.
fn used_by(class: &[u8]) -> impl Iterator<Item = Servlet> + '_ {
    let generations = [Servlet::Javax, Servlet::Jakarta].into_iter();
    generations.filter(|servlet| memmem::find(class, servlet.in_classes().as_bytes()).is_some())
}

/// The facts of a deployment descriptor that matter here.
#[derive(Debug, Default, PartialEq, Eq)]
struct WebXml {
    jakarta: Option<bool>,
    version: Option<String>,
    /// Servlets, filters and listeners.
    classes: BTreeSet<String>,
}

impl WebXml {
    /// Reads tags, not XML: what it does not understand it leaves out.
    fn parse(bytes: &[u8]) -> Self {
        let text = without_comments(&String::from_utf8_lossy(bytes));
        let root = text.find("<web-app").map(|start| {
            let tag = &text[start..];
            &tag[..tag.find('>').unwrap_or(tag.len())]
        });
        let jakarta = root.and_then(|root| {
            if root.contains("jakarta.ee/xml/ns/") {
                Some(true)
            } else if root.contains("java.sun.com/xml/ns/") || root.contains("xmlns.jcp.org/xml/ns/") {
                Some(false)
            } else {
                text.contains("//DTD Web Application").then_some(false)
            }
        });
        let version = root.and_then(|root| {
            let value = root.split_once(" version=").or_else(|| root.split_once("\nversion="))?.1;
            let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            Some(value[1..].split(quote).next()?.to_owned())
        });
        let mut classes = BTreeSet::new();
        for tag in ["servlet-class", "filter-class", "listener-class"] {
            let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
            for part in text.split(&open).skip(1) {
                if let Some((class, _)) = part.split_once(&close) {
                    classes.insert(class.trim().to_owned());
                }
            }
        }
        Self { jakarta, version, classes }
    }

    fn servlet(&self) -> Option<Servlet> {
        self.jakarta.map(|jakarta| if jakarta { Servlet::Jakarta } else { Servlet::Javax })
    }
}

fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("<!--") {
        kept.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors() {
        let jakarta = r#"<?xml version="1.0"?><!-- <web-app version="2.3"> --><web-app
            xmlns="https://jakarta.ee/xml/ns/jakartaee" version='6.0'><servlet><servlet-class>
            a.B </servlet-class></servlet><!-- <filter-class>x</filter-class> --></web-app>"#;
        let parsed = WebXml::parse(jakarta.as_bytes());
        assert_eq!(parsed.servlet(), Some(Servlet::Jakarta));
        assert_eq!(parsed.version.as_deref(), Some("6.0"));
        assert_eq!(parsed.classes, BTreeSet::from(["a.B".to_owned()]));
        let javax = WebXml::parse(br#"<web-app xmlns="http://xmlns.jcp.org/xml/ns/javaee" version="4.0"/>"#);
        assert_eq!((javax.servlet(), javax.version.as_deref()), (Some(Servlet::Javax), Some("4.0")));
        let dtd = b"<!DOCTYPE web-app PUBLIC '-//Sun Microsystems, Inc.//DTD Web Application 2.3//EN' 'x'><web-app/>";
        assert_eq!(WebXml::parse(dtd).servlet(), Some(Servlet::Javax));
        for nothing in
            [&b""[..], b"<web-app", b"<web-app version=", b"\xff<!--", b"<web-app version=\xc3\xa9>"]
        {
            assert_eq!(WebXml::parse(nothing).servlet(), None);
        }
    }
}
