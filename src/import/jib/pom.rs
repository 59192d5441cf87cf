//! `pom.xml`: the settings of jib-maven-plugin as Maven merges them, and the artifact that Maven makes.
//!
//! Of a project, the file, its parents below the working directory and profiles that are active by default count. A property
//! that comes from elsewhere stays unknown.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::ImportSurroundings;
use super::super::error::ImportError;
use super::super::paths::below;
use super::super::remark::Remark;
use super::super::setting::{SettingNode, SettingValue};
use super::artifact::JavaProject;
use super::xml::{self, XmlElement};

/// The most parents that are followed.
const MAX_PARENTS: usize = 16;
/// Properties may name each other to this depth, and a value is at most so long.
const MAX_EXPANSIONS: usize = 32;
const MAX_VALUE: usize = 4096;

/// The properties that are settings; others may begin in the same way.
const SETTINGS: [&str; 5] =
    ["jib.from.", "jib.to.", "jib.container.", "jib.extraDirectories.", "jib.containerizingMode"];

/// A file of the project and where it is.
struct PomFile {
    path: Rc<str>,
    root: XmlElement,
}

/// Reads the settings of Jib in a file, and what is known of its project.
pub(super) fn read(
    text: &str,
    path: &str,
    around: &ImportSurroundings<'_>,
    remarks: &mut Vec<Remark>,
) -> Result<(SettingNode, JavaProject), ImportError> {
    let files = with_parents(text, path, around, remarks)?;
    let properties = properties(&files);
    let mut settings = SettingNode::new("jib", 1, SettingValue::Nodes(Vec::new()));
    let mut is_there = false;
    for (number, file) in files.iter().enumerate() {
        let name = (number > 0).then(|| Rc::clone(&file.path));
        for section in sections(file) {
            for plugins in
                [section.at(&["build", "plugins"]), section.at(&["build", "pluginManagement", "plugins"])]
            {
                let all = plugins.iter().flat_map(|plugins| &plugins.elements);
                for plugin in all.filter(|plugin| plugin.text_of("artifactId") == Some("jib-maven-plugin")) {
                    is_there = true;
                    for configuration in configurations(plugin, name.as_ref(), remarks) {
                        settings.merge(&setting(configuration, name.as_ref(), &properties));
                    }
                }
            }
        }
        tell_profiles(file, name.as_ref(), remarks);
    }
    if !is_there {
        return Err(ImportError::NoSettings("the plugin `jib-maven-plugin`"));
    }
    // Properties of these names are settings, and stronger than the plugin's own.
    let is_setting = |name: &str| SETTINGS.iter().any(|start| name.starts_with(start));
    for (name, (value, line)) in properties.iter().filter(|(name, _)| is_setting(name)) {
        let value = expand(value, &properties);
        let mut node = SettingNode::new("", *line, SettingValue::Text(value));
        for part in name.split('.').rev().take(4) {
            node.name = part.to_owned();
            node = SettingNode::new("", *line, SettingValue::Nodes(vec![node]));
        }
        if let [inner] = node.nodes() {
            let mut stronger = inner.clone();
            stronger.merge(&settings);
            settings = stronger;
        }
    }
    Ok((settings, project(&files, path, &properties)))
}

/// The file and its parents, as far as they are files below the working directory.
fn with_parents(
    text: &str,
    path: &str,
    around: &ImportSurroundings<'_>,
    remarks: &mut Vec<Remark>,
) -> Result<Vec<PomFile>, ImportError> {
    let mut files = vec![PomFile { path: path.into(), root: xml::read(text)? }];
    while let Some(file) = files.last().filter(|_| files.len() <= MAX_PARENTS) {
        let Some(parent) = file.root.find("parent") else { break };
        let directory = file.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let relative = match parent.find("relativePath").map(|path| path.text.trim()) {
            Some("") => break,
            Some(path) if path.ends_with(".xml") => path.to_owned(),
            Some(path) => format!("{path}/pom.xml"),
            None => "../pom.xml".to_owned(),
        };
        let found = below(directory, &relative).and_then(|path| Some(((around.read)(&path)?, path)));
        let read =
            found.and_then(|(text, path)| Some(PomFile { root: xml::read(&text).ok()?, path: path.into() }));
        match read.filter(|read| read.root.text_of("artifactId") == parent.text_of("artifactId")) {
            Some(read) => files.push(read),
            // Parents of others, such as that of Spring Boot, have no settings of Jib.
            None if parent.find("relativePath").is_none() => break,
            None => {
                let text =
                    format!("the parent `{relative}` is not read: it is not below the working directory");
                remarks.push(Remark::check(parent.line, text));
                break;
            }
        }
    }
    Ok(files)
}

/// The profiles that are active by default, and then the project itself: in the order of their strength.
fn sections(file: &PomFile) -> impl Iterator<Item = &XmlElement> {
    let profiles = file.root.find("profiles").into_iter().flat_map(|profiles| &profiles.elements);
    profiles.filter(|profile| is_active(profile)).chain([&file.root])
}

fn is_active(profile: &XmlElement) -> bool {
    profile.at(&["activation", "activeByDefault"]).is_some_and(|active| active.text.trim() == "true")
}

/// Says which profiles with settings of Jib are not taken.
fn tell_profiles(file: &PomFile, name: Option<&Rc<str>>, remarks: &mut Vec<Remark>) {
    let profiles = file.root.find("profiles").into_iter().flat_map(|profiles| &profiles.elements);
    for profile in profiles.filter(|profile| !is_active(profile)) {
        let plugins = profile.at(&["build", "plugins"]).into_iter().flat_map(|plugins| &plugins.elements);
        let mut of_jib = plugins.filter(|plugin| plugin.text_of("artifactId") == Some("jib-maven-plugin"));
        if let Some(plugin) = of_jib
            .find(|plugin| plugin.find("configuration").is_some() || plugin.find("executions").is_some())
        {
            let id = profile.text_of("id").unwrap_or_default();
            let text =
                format!("the profile `{id}` is not active by default: its settings of Jib are not taken");
            remarks.push(Remark { file: name.map(ToString::to_string), ..Remark::left(plugin.line, text) });
        }
    }
}

/// The settings of a plugin: those of its only execution that has some, and its own.
fn configurations<'a>(
    plugin: &'a XmlElement,
    name: Option<&Rc<str>>,
    remarks: &mut Vec<Remark>,
) -> Vec<&'a XmlElement> {
    let executions = plugin.find("executions").into_iter().flat_map(|executions| &executions.elements);
    let of_executions: Vec<&XmlElement> =
        executions.filter_map(|execution| execution.find("configuration")).collect();
    let mut all = match &of_executions[..] {
        [one] => vec![*one],
        [] => Vec::new(),
        several => {
            let text = "several executions have settings of their own: an image is one build file, write one for each";
            for one in several {
                remarks.push(Remark { file: name.map(ToString::to_string), ..Remark::left(one.line, text) });
            }
            Vec::new()
        }
    };
    all.extend(plugin.find("configuration"));
    all
}

type PomProperties = BTreeMap<String, (String, usize)>;

/// The properties of all files, those of the nearest file first.
fn properties(files: &[PomFile]) -> PomProperties {
    let mut all = PomProperties::new();
    for file in files {
        for properties in sections(file).filter_map(|section| section.find("properties")) {
            for property in &properties.elements {
                all.entry(property.name.clone())
                    .or_insert_with(|| (property.text.trim().to_owned(), property.line));
            }
        }
    }
    let inherited = |name: &str| {
        let of = |file: &PomFile| {
            let own = file.root.text_of(name).map(str::to_owned);
            own.or_else(|| file.root.at(&["parent", name]).map(|element| element.text.trim().to_owned()))
        };
        files.iter().find_map(of)
    };
    let own = |name: &str| files.first().and_then(|file| file.root.text_of(name)).map(str::to_owned);
    let parent = |name: &str| {
        files.first().and_then(|file| file.root.at(&["parent", name])).map(|it| it.text.trim().to_owned())
    };
    let artifact = own("artifactId");
    let known = [
        ("groupId", inherited("groupId")),
        ("version", inherited("version")),
        ("name", own("name").or_else(|| artifact.clone())),
        ("artifactId", artifact),
        ("description", own("description")),
        ("url", own("url")),
        ("parent.version", parent("version")),
        ("parent.groupId", parent("groupId")),
        ("parent.artifactId", parent("artifactId")),
        ("basedir", Some(".".to_owned())),
        ("build.directory", Some("target".to_owned())),
        ("build.outputDirectory", Some("target/classes".to_owned())),
        (
            "build.finalName",
            files
                .first()
                .and_then(|file| file.root.at(&["build", "finalName"]))
                .map(|it| it.text.trim().to_owned()),
        ),
    ];
    for (name, value) in known {
        let Some(value) = value else { continue };
        for prefix in ["project.", "pom.", ""] {
            if prefix.is_empty() && !["version", "groupId", "artifactId", "basedir"].contains(&name) {
                continue;
            }
            all.entry(format!("{prefix}{name}")).or_insert_with(|| (value.clone(), 1));
        }
    }
    let name = "${project.artifactId}-${project.version}".to_owned();
    all.entry("project.build.finalName".to_owned()).or_insert((name, 1));
    all
}

/// A text with the values of its properties; those that are not known stay as they are written.
fn expand(text: &str, properties: &PomProperties) -> String {
    let mut text = text.to_owned();
    for _ in 0..MAX_EXPANSIONS {
        let mut out = String::new();
        let mut rest = text.as_str();
        let mut changed = false;
        while let Some(start) = rest.find("${") {
            let Some(end) = rest[start..].find('}') else { break };
            let name = &rest[start + 2..start + end];
            out.push_str(&rest[..start]);
            match properties.get(name) {
                Some((value, _)) => {
                    out.push_str(value);
                    changed = true;
                }
                None => out.push_str(&rest[start..=start + end]),
            }
            rest = &rest[start + end + 1..];
            if out.len() > MAX_VALUE {
                return text;
            }
        }
        out.push_str(rest);
        text = out;
        if !changed {
            break;
        }
    }
    text
}

/// An element as a setting.
fn setting(element: &XmlElement, file: Option<&Rc<str>>, properties: &PomProperties) -> SettingNode {
    let value = if element.elements.is_empty() {
        let text = expand(element.text.trim(), properties);
        if text.contains("${") { SettingValue::Computed(text) } else { SettingValue::Text(text) }
    } else {
        SettingValue::Nodes(element.elements.iter().map(|inner| setting(inner, file, properties)).collect())
    };
    SettingNode { file: file.cloned(), ..SettingNode::new(element.name.clone(), element.line, value) }
}

/// The facts of the project that decide its artifact.
fn project(files: &[PomFile], path: &str, properties: &PomProperties) -> JavaProject {
    let has_plugin = |name: &str| {
        files.iter().flat_map(sections).any(|section| {
            let plugins = section.at(&["build", "plugins"]).into_iter().flat_map(|plugins| &plugins.elements);
            plugins.into_iter().any(|plugin| plugin.text_of("artifactId") == Some(name))
        })
    };
    let packaging = files.first().and_then(|file| file.root.text_of("packaging")).unwrap_or("jar");
    let name = properties
        .get("project.build.finalName")
        .map(|(name, _)| expand(name, properties))
        .unwrap_or_default();
    let directory = path.rsplit_once('/').map(|(directory, _)| directory.to_owned());
    let own = |name: &str| match &directory {
        Some(directory) => format!("{directory}/{name}"),
        None => name.to_owned(),
    };
    // A version that is not known here is any.
    let name = match name.split_once("${") {
        Some((known, _)) => format!("{known}*"),
        None => name,
    };
    let names = ["maven.compiler.release", "maven.compiler.target", "java.version", "maven.compiler.source"];
    let java = names.iter().find_map(|name| Some(expand(&properties.get(*name)?.0, properties)));
    let is_war = packaging == "war";
    let artifact = match () {
        () if is_war => own(&format!("target/{name}.war")),
        () if has_plugin("quarkus-maven-plugin") => own("target/quarkus-app"),
        () => own(&format!("target/{name}.jar")),
    };
    JavaProject {
        artifact,
        command: "mvn package",
        is_war,
        is_whole: has_plugin("spring-boot-maven-plugin")
            || has_plugin("quarkus-maven-plugin")
            || has_plugin("maven-shade-plugin"),
        java: java.and_then(|text| text.trim_start_matches("1.").parse().ok()),
        directory,
    }
}
