//! `javax.servlet` or `jakarta.servlet`: what an application is written for, against what the container runs.
//!
//! A mismatch deploys without a message and answers 404, so it is found here. The classes of the application
//! decide, since a container takes old descriptors with new classes; else the initializers and the classes named by
//! `web.xml` that libraries of `WEB-INF/lib` bring: those are what a container runs of them. Libraries are not
//! searched otherwise: many bring optional parts for both. The namespace of `web.xml` counts last, for all containers:
//! applications that were migrated keep their old descriptor.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use memchr::memmem;

use super::super::super::error::ArtifactError;
use super::super::super::java::{CLASS_HEAD, CLASSES, is_loaded_class, java_of_class};
use super::super::super::material::Material;
use super::super::super::options::AppOptions;
use super::super::super::requirement::{Requirement, Requirements, ServletSearch, ServletUse};
use super::layers::Group;
use super::members::{MemberLocation, WarMember};
use crate::bases::Servlet;
use crate::formats::zip::{ArchiveEntryKind, ZipArchive};
use crate::layer::scan::{FoundKind, Scanner, TreeItem};
use crate::types::shown::shown;

/// No class file is larger: its methods are limited to 64 KiB each, and real ones stay below 1 MiB.
const MAX_CLASS: u64 = 64 << 20;
const MAX_WEB_XML: u64 = 16 << 20;
/// Libraries that are larger are not opened.
const MAX_LIBRARY: u64 = 64 << 20;
/// How many bytes of classes and libraries are read of one application, unpacked: a second or two of work.
const MAX_READ: u64 = 2 << 30;

/// The bytes that may still be read of an application.
struct ReadBudget(u64);

impl ReadBudget {
    /// The bytes of `member`, at most `limit`; `None` when all is read that may be.
    fn read(&mut self, member: &WarMember<'_>, limit: u64) -> Result<Option<Vec<u8>>, ArtifactError> {
        let Some(left) = self.0.checked_sub(member.size()) else {
            self.0 = 0;
            return Ok(None);
        };
        self.0 = left;
        member.read(limit).map(Some)
    }

    const fn is_spent(&self) -> bool {
        self.0 == 0
    }
}

/// The servlet API of an application, and the file that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Evidence {
    servlet: Servlet,
    shown_by: String,
}

/// The requirements of a web application: a container that runs the generation of the servlet API that it uses, and the
/// Java that its own classes were compiled for. Without a container nothing is read.
pub(super) fn requirements(
    material: &Material,
    options: &AppOptions,
    search: ServletSearch,
    scanner: &Scanner,
) -> Result<Requirements, ArtifactError> {
    let artifact = material.path().to_owned();
    let wanted = match search {
        ServletSearch::None => {
            return Ok(Requirements { artifact, all: vec![Requirement::Servlet(ServletUse::NotSearched)] });
        }
        ServletSearch::Any => None,
        ServletSearch::First(servlet) => Some(servlet),
    };
    let found: Arc<Vec<TreeItem>>;
    let members: Vec<WarMember<'_>> = match material.archive() {
        Some(archive) => {
            let entries = archive.entries().iter().enumerate();
            let files = entries.filter(|(_, entry)| entry.kind == ArchiveEntryKind::File);
            files
                .map(|(index, entry)| WarMember {
                    name: &entry.name,
                    place: MemberLocation::Archive(archive, index),
                })
                .collect()
        }
        None => {
            found = scanner.scan(material.path(), &options.scan_options())?;
            let files = found.iter().filter(|found| matches!(found.kind, FoundKind::File { .. }));
            files
                .map(|found| WarMember { name: found.relative(), place: MemberLocation::File(&found.path) })
                .collect()
        }
    };
    let mut all = vec![Requirement::Servlet(usage(&members, wanted)?)];
    let java = newest_class(&members)?;
    all.extend(java.map(|(major, shown_by)| Requirement::Java { major, shown_by }));
    Ok(Requirements { artifact, all })
}

/// The newest Java that one of the application's classes was compiled for, and that class.
fn newest_class(members: &[WarMember<'_>]) -> Result<Option<(u32, String)>, ArtifactError> {
    let is_class =
        |member: &&WarMember<'_>| member.name.strip_prefix(b"WEB-INF/classes/").is_some_and(is_loaded_class);
    let mut newest: Option<(u32, String)> = None;
    for member in members.iter().filter(is_class).take(CLASSES) {
        let Some(java) = java_of_class(&member.head(CLASS_HEAD)?) else { continue };
        if newest.as_ref().is_none_or(|(known, _)| *known < java) {
            newest = Some((java, format!("`{}`", shown(member.name))));
        }
    }
    Ok(newest)
}

/// How the application uses the servlet API. The generation of the container is looked for first, since an application with both
/// generations runs on either. Where the container runs either, that of the descriptor is: it shows which of both is meant.
fn usage(members: &[WarMember<'_>], wanted: Option<Servlet>) -> Result<ServletUse, ArtifactError> {
    let descriptor = members.iter().find(|member| member.name == b"WEB-INF/web.xml");
    let descriptor = descriptor.map(|member| member.read(MAX_WEB_XML)).transpose()?;
    let descriptor = descriptor.map(|bytes| WebXml::parse(&bytes)).unwrap_or_default();

    let mut budget = ReadBudget(MAX_READ);
    let declared = descriptor.servlet();
    let evidence = used(members, &descriptor, wanted.or(declared), &mut budget)?;
    Ok(match (evidence, declared) {
        (Some(Evidence { servlet, shown_by }), _) => {
            ServletUse::Uses { servlet, shown_by, descriptor: descriptor.version }
        }
        (None, Some(servlet)) if wanted.is_none() => {
            let shown_by = "`WEB-INF/web.xml`".to_owned();
            ServletUse::Uses { servlet, shown_by, descriptor: descriptor.version }
        }
        (None, Some(servlet)) if wanted != Some(servlet) => ServletUse::Declares(servlet),
        _ => nothing_used(members, &budget),
    })
}

/// How an application uses the API that shows no generation. One without code, or of JSP that the container compiles,
/// needs none.
fn nothing_used(members: &[WarMember<'_>], budget: &ReadBudget) -> ServletUse {
    if budget.is_spent() {
        return ServletUse::TooMuch;
    }
    let has = |ends: &[&[u8]]| members.iter().any(|member| ends.iter().any(|end| member.name.ends_with(end)));
    let is_code = has(&[b".class", b".jar"]) && !has(&[b".jsp", b".jspx", b".jspf", b".tag"]);
    if is_code { ServletUse::Unseen } else { ServletUse::None }
}

/// The API that the application uses: `wanted` as soon as something of it does, else the other.
///
/// Without `wanted`, what is found first. The application's own classes come before its libraries.
fn used(
    members: &[WarMember<'_>],
    descriptor: &WebXml,
    wanted: Option<Servlet>,
    budget: &mut ReadBudget,
) -> Result<Option<Evidence>, ArtifactError> {
    let own = by_own_classes(members, wanted, budget)?;
    if own.is_some() {
        return Ok(own);
    }
    by_libraries(members, &descriptor.classes, wanted, budget)
}

/// Keeps the first evidence; says whether the search is over.
fn settles(found: &mut Option<Evidence>, evidence: Evidence, wanted: Option<Servlet>) -> bool {
    let is_over = wanted.is_none_or(|wanted| wanted == evidence.servlet);
    if is_over {
        *found = Some(evidence);
    } else {
        found.get_or_insert(evidence);
    }
    is_over
}

fn by_own_classes(
    members: &[WarMember<'_>],
    wanted: Option<Servlet>,
    budget: &mut ReadBudget,
) -> Result<Option<Evidence>, ArtifactError> {
    let mut found = None;
    for member in members {
        let shown_by = || format!("`{}`", shown(member.name));
        if let Some(servlet) = member.name.strip_prefix(b"WEB-INF/classes/").and_then(initialized) {
            let evidence = Evidence { servlet, shown_by: shown_by() };
            if settles(&mut found, evidence, wanted) {
                return Ok(found);
            }
        }
        if Group::of(member.name) != Group::Classes {
            continue;
        }
        let Some(class) = budget.read(member, MAX_CLASS)? else { break };
        for servlet in used_by(&class) {
            let evidence = Evidence { servlet, shown_by: shown_by() };
            if settles(&mut found, evidence, wanted) {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// The classes of libraries that the container runs: their initializers, and the classes that `web.xml` names.
fn by_libraries(
    members: &[WarMember<'_>],
    named: &BTreeSet<String>,
    wanted: Option<Servlet>,
    budget: &mut ReadBudget,
) -> Result<Option<Evidence>, ArtifactError> {
    let mut libraries: Vec<&WarMember<'_>> = members
        .iter()
        .filter(|member| {
            let below = member.name.strip_prefix(b"WEB-INF/lib/");
            below.is_some_and(|name| !name.contains(&b'/') && name.ends_with(b".jar"))
        })
        .filter(|library| library.size() <= MAX_LIBRARY)
        .collect();
    // Spring's has one in most applications that have any; the rest need not be read then.
    libraries.sort_by_key(|library| (!library.name.starts_with(b"WEB-INF/lib/spring-web"), library.name));
    let mut found = None;
    for library in libraries {
        let Some(bytes) = budget.read(library, MAX_LIBRARY)? else { break };
        // A broken library is the container's to complain about.
        let Ok(jar) = ZipArchive::from_bytes(Path::new(&shown(library.name)), bytes) else { continue };
        for (index, entry) in jar.entries().iter().enumerate() {
            let shown_by = || format!("`{}` of `{}`", shown(&entry.name), shown(library.name));
            let servlets = match initialized(&entry.name) {
                Some(servlet) => vec![servlet],
                None if is_named(&entry.name, named) => {
                    budget.0 = budget.0.saturating_sub(entry.size);
                    let class = if budget.is_spent() { None } else { jar.read(index, MAX_CLASS).ok() };
                    class.map(|class| used_by(&class).collect()).unwrap_or_default()
                }
                None => continue,
            };
            for servlet in servlets {
                let evidence = Evidence { servlet, shown_by: shown_by() };
                if settles(&mut found, evidence, wanted) {
                    return Ok(found);
                }
            }
        }
    }
    Ok(found)
}

/// The generation whose containers run the initializer that a file of this name declares.
fn initialized(name: &[u8]) -> Option<Servlet> {
    let service = name.strip_prefix(b"META-INF/services/")?.strip_suffix(b".ServletContainerInitializer")?;
    [Servlet::Javax, Servlet::Jakarta].into_iter().find(|servlet| servlet.package().as_bytes() == service)
}

/// Whether the class file `name` is one of the classes that `web.xml` names.
fn is_named(name: &[u8], named: &BTreeSet<String>) -> bool {
    let class = name.strip_suffix(b".class").and_then(|name| std::str::from_utf8(name).ok());
    !named.is_empty() && class.is_some_and(|class| named.contains(&class.replace('/', ".")))
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
