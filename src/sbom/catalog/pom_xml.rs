//! The dependencies that a `pom.xml` states for itself: groups, names and versions of Maven artifacts.
//!
//! Only what the file itself says is taken: parents and managed versions elsewhere are not known, so a version may be missing.
//! The reader knows the XML that Maven writes; a file with a document type, or that is not well formed, tells nothing.

use std::collections::BTreeMap;

use super::header::MOST_NAMES;
use super::text::word;

/// Elements in each other.
const MAX_DEPTH: usize = 64;
/// Properties that name each other.
const MAX_STEPS: usize = 8;

/// The dependencies that the artifact needs when it runs, as `GROUP:NAME` or `GROUP:NAME:VERSION`.
pub(super) fn dependencies(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let Some(project) = PomProject::parse(&text) else { return Vec::new() };
    let needed = project.dependencies.iter().filter(|dependency| dependency.is_needed());
    let mut found: Vec<String> = needed.filter_map(|one| project.coordinates(one)).take(MOST_NAMES).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The elements of one dependency by their names.
#[derive(Default)]
struct PomDependency<'a>(BTreeMap<&'a str, &'a str>);

impl PomDependency<'_> {
    /// Whether it is there when the artifact runs.
    fn is_needed(&self) -> bool {
        let text = |name| self.0.get(name).copied().unwrap_or_default();
        matches!(text("scope"), "" | "compile" | "runtime")
            && text("optional") != "true"
            && matches!(text("type"), "" | "jar" | "bundle")
    }
}

/// The statements of a `pom.xml`.
#[derive(Default)]
struct PomProject<'a> {
    /// By the names that `${…}` has.
    properties: BTreeMap<String, &'a str>,
    dependencies: Vec<PomDependency<'a>>,
}

impl<'a> PomProject<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut project = Self::default();
        let mut parent = BTreeMap::new();
        let mut path: Vec<&str> = Vec::new();
        let mut events = XmlEvents { rest: text };
        loop {
            match events.next()? {
                XmlEvent::Open(name) => {
                    path.push(name);
                    if path.len() > MAX_DEPTH {
                        return None;
                    }
                    if path == ["project", "dependencies", "dependency"] {
                        project.dependencies.push(PomDependency::default());
                    }
                }
                XmlEvent::Close(name) => {
                    if path.pop() != Some(name) {
                        return None;
                    }
                }
                XmlEvent::Empty => {}
                XmlEvent::End => break,
                XmlEvent::Text(value) => match path[..] {
                    ["project", name @ ("groupId" | "artifactId" | "version")] => {
                        project.properties.insert(format!("project.{name}"), value);
                    }
                    ["project", "parent", name @ ("groupId" | "version")] => {
                        parent.insert(name, value);
                    }
                    ["project", "properties", name] => {
                        project.properties.insert(name.to_owned(), value);
                    }
                    ["project", "dependencies", "dependency", name] => {
                        if let Some(PomDependency(elements)) = project.dependencies.last_mut() {
                            elements.insert(name, value);
                        }
                    }
                    _ => {}
                },
            }
        }
        for (name, value) in parent {
            project.properties.insert(format!("project.parent.{name}"), value);
            // They are those of the parent where the project has none of its own.
            project.properties.entry(format!("project.{name}")).or_insert(value);
        }
        path.is_empty().then_some(project)
    }

    /// Group, name and, where the file states it, version.
    fn coordinates(&self, PomDependency(elements): &PomDependency<'_>) -> Option<String> {
        let text = |name: &str| self.resolved(elements.get(name)?);
        let (group, name) = (text("groupId")?, text("artifactId")?);
        // A range is no version.
        let version = text("version").filter(|version| !version.contains(['[', '(', ',']));
        Some(version.map_or_else(|| format!("{group}:{name}"), |version| format!("{group}:{name}:{version}")))
    }

    /// A text with the values of its properties; `None` where one is not known, or nothing is left.
    fn resolved(&self, text: &str) -> Option<String> {
        let mut text = text.to_owned();
        for _ in 0..MAX_STEPS {
            let Some(start) = text.find("${") else { break };
            let end = start + text[start..].find('}')?;
            let value = self.properties.get(&text[start + 2..end])?;
            text.replace_range(start..=end, value);
            // It is too long.
            if word(&text).is_empty() {
                return None;
            }
        }
        let found = word(&text);
        (!found.is_empty() && !found.contains(['$', ':', ' '])).then(|| found.to_owned())
    }
}

/// A part of an XML document.
enum XmlEvent<'a> {
    /// The start of an element.
    Open(&'a str),
    /// The end of one.
    Close(&'a str),
    /// A text that is not empty, without blanks around it.
    Text(&'a str),
    /// A part without a meaning here.
    Empty,
    /// The end.
    End,
}

/// The parts of an XML document, in their order.
struct XmlEvents<'a> {
    rest: &'a str,
}

impl<'a> XmlEvents<'a> {
    /// The next part; `None` where it is not well formed, or a document type.
    fn next(&mut self) -> Option<XmlEvent<'a>> {
        if self.rest.is_empty() {
            return Some(XmlEvent::End);
        }
        let Some(tag) = self.rest.strip_prefix('<') else {
            let end = self.rest.find('<').unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest;
            let text = text.trim().trim_start_matches('\u{feff}');
            return Some(if text.is_empty() { XmlEvent::Empty } else { XmlEvent::Text(text) });
        };
        for (start, end) in [("!--", "-->"), ("?", "?>")] {
            if let Some(inside) = tag.strip_prefix(start) {
                self.rest = &inside[inside.find(end)? + end.len()..];
                return Some(XmlEvent::Empty);
            }
        }
        if let Some(inside) = tag.strip_prefix("![CDATA[") {
            let (text, rest) = inside.split_once("]]>")?;
            self.rest = rest;
            return Some(XmlEvent::Text(text.trim()));
        }
        if tag.starts_with('!') {
            return None;
        }
        let end = end_of_tag(tag)?;
        let inside = &tag[..end];
        self.rest = &tag[end + 1..];
        let name = |text: &'a str| text.split(|character: char| character.is_whitespace()).next();
        if let Some(closed) = inside.strip_prefix('/') {
            return name(closed).map(XmlEvent::Close);
        }
        // An element without content says nothing.
        if inside.ends_with('/') {
            return Some(XmlEvent::Empty);
        }
        name(inside).filter(|name| !name.is_empty()).map(XmlEvent::Open)
    }
}

/// Where a tag ends: a `>` in quotes belongs to an attribute.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_is_needed_and_only_stated_versions_are_known() {
        let text = br#"<?xml version="1.0"?><!-- <dependency> -->
            <project xmlns="x" a='>'><parent><groupId>g</groupId><version>3</version></parent><artifactId>own</artifactId>
            <properties><v>1.${minor}</v><minor>5</minor><loop>${loop}</loop></properties>
            <dependencyManagement><dependencies><dependency><groupId>m</groupId><artifactId>m</artifactId></dependency></dependencies></dependencyManagement>
            <dependencies>
              <dependency><groupId>a</groupId><artifactId>b</artifactId><version>${v}</version></dependency>
              <dependency><groupId>${project.groupId}</groupId><artifactId>core</artifactId><version>${project.version}</version><scope>runtime</scope></dependency>
              <dependency><groupId>a</groupId><artifactId>managed</artifactId><exclusions><exclusion><groupId>z</groupId></exclusion></exclusions></dependency>
              <dependency><groupId>a</groupId><artifactId>range</artifactId><version>[1,2)</version></dependency>
              <dependency><groupId>a</groupId><artifactId>unknown</artifactId><version>${elsewhere}</version></dependency>
              <dependency><groupId>${loop}</groupId><artifactId>x</artifactId></dependency>
              <dependency><groupId>a</groupId><artifactId>test</artifactId><scope>test</scope></dependency>
              <dependency><groupId>a</groupId><artifactId>optional</artifactId><optional>true</optional></dependency>
              <dependency><groupId>a</groupId><artifactId>tests</artifactId><type>test-jar</type></dependency>
            </dependencies>
            <build><plugins><plugin><dependencies><dependency><groupId>p</groupId><artifactId>p</artifactId></dependency></dependencies></plugin></plugins></build>
            </project>"#;
        assert_eq!(dependencies(text), ["a:b:1.5", "a:managed", "a:range", "a:unknown", "g:core:3"]);
    }

    #[test]
    fn a_file_that_is_not_well_formed_tells_nothing() {
        let part = "<dependencies><dependency><groupId>a</groupId><artifactId>b</artifactId></dependency></dependencies>";
        assert_eq!(dependencies(format!("<project>{part}</project>").as_bytes()), ["a:b"]);
        for text in [
            format!("<project>{part}"),
            format!("<project>{part}</other>"),
            format!("<!DOCTYPE x [<!ENTITY a 'b'>]><project>{part}</project>"),
            format!("<project>{part}<!-- </project>"),
            format!("{}{part}", "<a>".repeat(100)),
        ] {
            assert!(dependencies(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
