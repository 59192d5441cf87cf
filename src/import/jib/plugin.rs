//! The settings of Jib's plugins, which have the same names in Maven and Gradle, as a build file.

use super::super::ImportSurroundings;
use super::super::draft::{DraftApp, DraftFiles, DraftLayer, Imported, line_name};
use super::super::remark::Remark;
use super::super::setting::{SettingNode, SettingValue, shortened, texts};
use super::artifact::JavaProject;

/// The directory whose files Jib copies where none is named.
const EXTRA: &str = "src/main/jib";
/// The most extra directories and permissions.
const MOST: usize = 256;

/// The settings of `container`, and the keys that they become.
const KEYS: [(&str, &str); 9] = [
    ("environment", "env"),
    ("labels", "labels"),
    ("ports", "ports"),
    ("volumes", "volumes"),
    ("user", "user"),
    ("workingDirectory", "workdir"),
    ("entrypoint", "entrypoint"),
    ("args", "cmd"),
    ("appRoot", "apps"),
];

/// Puts settings into the build file.
pub(super) fn take(
    settings: &SettingNode,
    project: &JavaProject,
    around: &ImportSurroundings<'_>,
    imported: &mut Imported,
) {
    let mut taker = PluginImport { project, around, imported, options: Vec::new(), has_own_start: false };
    taker.imported.draft.lines.set("", "", settings.place());
    taker.imported.draft.apps.push(DraftApp {
        path: project.artifact.clone(),
        commands: vec![project.command.to_owned()],
        ..DraftApp::default()
    });
    for node in settings.nodes() {
        taker.section(node);
    }
    taker.finish(settings);
}

/// The import of the settings of a plugin.
struct PluginImport<'a> {
    project: &'a JavaProject,
    around: &'a ImportSurroundings<'a>,
    imported: &'a mut Imported,
    /// Options of Java.
    options: Vec<String>,
    /// Whether an entrypoint is named.
    has_own_start: bool,
}

impl PluginImport<'_> {
    fn say(&mut self, remark: Remark) {
        self.imported.remarks.push(remark);
    }

    /// The text of a setting, or a remark that it is not known.
    fn text(&mut self, node: &SettingNode, path: &str) -> Option<String> {
        let text = node.text().map(str::to_owned);
        if text.is_none() {
            self.say(node.unknown(path));
        }
        text.filter(|text| !text.is_empty())
    }

    /// The texts of a list; the items that are not known are told.
    fn list(&mut self, node: &SettingNode, path: &str) -> Vec<String> {
        if let Some(all) = texts(node) {
            return all;
        }
        if !matches!(node.value, SettingValue::Nodes(_)) {
            self.say(node.unknown(path));
        }
        node.nodes().iter().filter_map(|item| self.text(item, path)).collect()
    }

    /// The names and texts of a table.
    fn table(&mut self, node: &SettingNode, path: &str) -> Vec<(String, String)> {
        if !matches!(node.value, SettingValue::Nodes(_)) && node.text() != Some("") {
            self.say(node.unknown(path));
        }
        let mut pairs = Vec::new();
        for item in node.nodes() {
            let path = format!("{path}.{}", item.name);
            match item.text() {
                Some(text) if !item.name.is_empty() => pairs.push((item.name.clone(), text.to_owned())),
                _ => self.say(item.unknown(&path)),
            }
        }
        pairs
    }

    fn section(&mut self, node: &SettingNode) {
        match node.name.as_str() {
            "from" => self.each(node, Self::from),
            "to" => self.each(node, Self::to),
            "container" => self.each(node, Self::container),
            "extraDirectories" | "extraDirectory" => self.extra(node),
            "containerizingMode" => {
                let text = "`containerizingMode` is not carried over: the kind of the artifact decides its layers, and `layout` may change them";
                self.say(node.check(text));
            }
            "allowInsecureRegistries" => {
                let text = "`allowInsecureRegistries` is not carried over: write `plain-http = true` into the `[registry.\"…\"]` that needs it";
                self.say(node.check(text));
            }
            "skip" | "skaffold" | "outputPaths" | "dockerClient" | "configurationName"
            | "packagingOverride" => {
                self.say(node.check(format!("`{}` is not about the content of the image", node.name)));
            }
            "pluginExtensions" => {
                self.say(node.left(
                    "extensions of Jib are programs, and none is run: see what they change in the image",
                ));
            }
            name => self.say(node.left(format!("`{}` is no setting that is known here", shortened(name)))),
        }
    }

    /// Takes each setting of a section.
    fn each(&mut self, section: &SettingNode, take: fn(&mut Self, &SettingNode)) {
        match &section.value {
            SettingValue::Nodes(nodes) => nodes.iter().for_each(|node| take(self, node)),
            SettingValue::Text(text) if text.trim().is_empty() => {}
            _ => self.say(section.unknown(&section.name)),
        }
    }

    fn from(&mut self, node: &SettingNode) {
        let keys = [("image", "base"), ("platforms", "platforms")];
        self.note(node, &keys);
        match node.name.as_str() {
            "image" => {
                let Some(image) = self.text(node, "from.image") else { return };
                if let Some(file) = image.strip_prefix("tar://") {
                    self.imported.draft.base = Some(format!("docker-archive:{}", self.project.path(file)));
                } else if image.starts_with("docker://") {
                    let text = format!(
                        "the base `{image}` is in an engine on this machine: push it, or write it to a file and have `docker-archive:FILE` as `base`"
                    );
                    self.say(node.left(text));
                } else {
                    self.imported.draft.base = Some(image.trim_start_matches("registry://").to_owned());
                }
            }
            "platforms" => {
                for platform in node.nodes() {
                    self.platform(platform);
                }
                if !matches!(node.value, SettingValue::Nodes(_)) {
                    self.say(node.unknown("from.platforms"));
                }
            }
            "auth" | "credHelper" => self.login(node),
            name => {
                self.say(node.left(format!("`from.{}` is no setting that is known here", shortened(name))));
            }
        }
    }

    fn platform(&mut self, platform: &SettingNode) {
        let mut part = |name: &str, default: &str| match platform.find(name) {
            Some(node) => self.text(node, "from.platforms"),
            None => Some(default.to_owned()),
        };
        let (Some(architecture), Some(os)) = (part("architecture", "amd64"), part("os", "linux")) else {
            return;
        };
        match os.as_str() {
            "linux" => self.imported.draft.platforms.push(format!("{os}/{architecture}")),
            _ => self.say(platform.left(format!("images for `{os}` are not made here"))),
        }
    }

    fn login(&mut self, node: &SettingNode) {
        let text = format!(
            "`{}` is not carried over: `pack login` and the files of Docker and Podman have logins",
            node.name
        );
        self.say(node.check(text));
    }

    /// Notes the lines of a setting as those of the key that it becomes.
    fn note(&mut self, node: &SettingNode, keys: &[(&str, &'static str)]) {
        if let Some((_, key)) = keys.iter().find(|(name, _)| *name == node.name) {
            node.note(key, &mut self.imported.draft.lines);
        }
    }

    fn to(&mut self, node: &SettingNode) {
        self.note(node, &[("image", "tags"), ("tags", "tags")]);
        match node.name.as_str() {
            "image" => {
                let Some(image) = self.text(node, "to.image") else { return };
                let (name, tag) = image
                    .rsplit_once(':')
                    .filter(|(_, tag)| !tag.contains('/'))
                    .map_or((image.as_str(), None), |(name, tag)| (name, Some(tag)));
                self.imported.draft.name = Some(name.to_owned());
                self.imported.draft.tags.extend(tag.map(str::to_owned));
            }
            "tags" => {
                let tags = self.list(node, "to.tags");
                self.imported.draft.tags.extend(tags);
            }
            "auth" | "credHelper" => self.login(node),
            name => self.say(node.left(format!("`to.{}` is no setting that is known here", shortened(name)))),
        }
    }

    fn container(&mut self, node: &SettingNode) {
        let path = format!("container.{}", node.name);
        let is_inherited = node.text() == Some("INHERIT");
        self.note(node, &KEYS);
        match node.name.as_str() {
            "mainClass" => {
                if let Some(class) = self.text(node, &path) {
                    let text = format!("the main class `{}` must be in the manifest of the artifact: `pack` starts that", shortened(&class));
                    self.say(node.check(text));
                }
            }
            "jvmFlags" => self.options(node),
            "entrypoint" if is_inherited => {
                self.say(node.left("`INHERIT` is not carried over: write the entrypoint of the base into `[config]`"));
            }
            "entrypoint" => {
                let words = self.words(node, &path);
                self.has_own_start = !words.is_empty();
                self.imported.draft.config.entrypoint = (!words.is_empty()).then_some(words);
            }
            "args" if is_inherited => {
                self.say(node.left("`INHERIT` is not carried over: write the `cmd` of the base into `[config]`"));
            }
            "args" => {
                let words = self.words(node, &path);
                self.imported.draft.config.cmd = (!words.is_empty()).then_some(words);
            }
            "environment" => {
                let pairs = self.table(node, &path);
                self.imported.draft.config.env.extend(pairs);
            }
            "labels" => {
                let pairs = self.table(node, &path);
                self.imported.draft.config.labels.extend(pairs);
            }
            "ports" => {
                let ports = self.list(node, &path);
                self.imported.draft.config.ports.extend(ports.iter().map(|port| port.trim_end_matches("/tcp").to_owned()));
            }
            "volumes" => {
                let volumes = self.list(node, &path);
                self.imported.draft.config.volumes.extend(volumes);
            }
            "user" => self.imported.draft.config.user = self.text(node, &path),
            "workingDirectory" => self.imported.draft.config.workdir = self.text(node, &path),
            "appRoot" => {
                let root = self.text(node, &path);
                self.imported.draft.apps.iter_mut().for_each(|app| app.root.clone_from(&root));
            }
            "creationTime" | "filesModificationTime" | "useCurrentTimestamp" => {
                let text = format!("`{}` is not carried over: no clock decides the image, and `mtime` of `[app]` the times of files", node.name);
                self.say(node.check(text));
            }
            "format" => self.say(node.check("`format` is not carried over: all images are of OCI's form, which every registry and engine takes")),
            "extraClasspath" | "expandClasspathDependencies" => {
                let text = format!("`{}` is not carried over: the manifest or the start script of the artifact has its class path", node.name);
                self.say(node.left(text));
            }
            name => self.say(node.left(format!("`container.{}` is no setting that is known here", shortened(name)))),
        }
    }

    /// The words of a command: with one that is not known, none of it is taken.
    fn words(&mut self, node: &SettingNode, path: &str) -> Vec<String> {
        match &node.value {
            SettingValue::Nodes(nodes) if nodes.iter().all(|item| item.text().is_some()) => {
                nodes.iter().filter_map(|item| item.text().map(str::to_owned)).collect()
            }
            SettingValue::Text(_) => texts(node).unwrap_or_default(),
            _ => {
                let unknown = node.nodes().iter().find(|item| item.text().is_none()).unwrap_or(node);
                self.say(unknown.unknown(path));
                Vec::new()
            }
        }
    }

    fn options(&mut self, node: &SettingNode) {
        for option in self.list(node, "container.jvmFlags") {
            if option.contains(char::is_whitespace) {
                let text = format!(
                    "the option `{}` has a blank: a variable of Java cannot have it",
                    shortened(&option)
                );
                self.say(node.left(text));
            } else {
                self.options.push(option);
            }
        }
    }

    /// Directories whose files go into the image, with the modes of some.
    fn extra(&mut self, node: &SettingNode) {
        let modes = node.find("permissions").map(|permissions| self.modes(permissions)).unwrap_or_default();
        let before = self.imported.draft.layers.len();
        match (node.find("paths"), &node.value) {
            (Some(paths), _) => match &paths.value {
                SettingValue::Nodes(items) => items.iter().take(MOST).for_each(|item| self.directory(item)),
                SettingValue::Text(text) => {
                    text.split(',').for_each(|path| self.copied(node, path.trim(), "/", &[], &[]));
                }
                SettingValue::Computed(_) => self.say(paths.unknown("extraDirectories.paths")),
            },
            (None, SettingValue::Nodes(_)) => self.usual_extra(node),
            (None, SettingValue::Text(text)) => self.copied(node, text.trim(), "/", &[], &[]),
            (None, SettingValue::Computed(_)) => self.say(node.unknown("extraDirectories")),
        }
        for (path, mode) in modes {
            let own = |layer: &DraftLayer| {
                layer.files.iter().any(|files| {
                    (self.around.is_directory)(&format!("{}/{}", files.from, path.trim_start_matches('/')))
                        .is_some()
                })
            };
            let layers = self.imported.draft.layers.get_mut(before..).unwrap_or_default();
            let place = layers.iter().position(own).or_else(|| layers.len().checked_sub(1));
            match place.and_then(|place| layers.get_mut(place)) {
                Some(layer) => layer.modes.push((path, mode)),
                None => self.say(node.left(format!("the mode of `{path}` has no directory here"))),
            }
        }
        for other in
            node.nodes().iter().filter(|other| !["paths", "permissions"].contains(&other.name.as_str()))
        {
            self.say(other.left(format!(
                "`extraDirectories.{}` is no setting that is known here",
                shortened(&other.name)
            )));
        }
    }

    /// Paths in the image with their modes: a list of `file` and `mode`, or a table.
    fn modes(&mut self, node: &SettingNode) -> Vec<(String, String)> {
        let mut modes = Vec::new();
        for item in node.nodes().iter().take(MOST) {
            let (path, mode) = match (item.find("file"), item.find("mode")) {
                (Some(file), Some(mode)) => (file.text().map(str::to_owned), mode.text()),
                _ => (Some(item.name.clone()).filter(|name| !name.is_empty()), item.text()),
            };
            let octal = mode.filter(|mode| {
                mode.chars().all(|digit| ('0'..='7').contains(&digit)) && (3..=4).contains(&mode.len())
            });
            match (path, octal) {
                (Some(path), Some(mode)) => {
                    self.imported.draft.lines.set("permissions", &path, item.place());
                    modes.push((path, format!("{mode:0>4}")));
                }
                _ => self.say(item.unknown("extraDirectories.permissions")),
            }
        }
        if matches!(node.value, SettingValue::Computed(_)) {
            self.say(node.unknown("extraDirectories.permissions"));
        }
        modes
    }

    /// An extra directory: a path alone, or with its place and patterns.
    fn directory(&mut self, item: &SettingNode) {
        if let SettingValue::Text(path) = &item.value {
            return self.copied(item, path.trim(), "/", &[], &[]);
        }
        let Some(from) = item
            .find("from")
            .map_or_else(|| Some(EXTRA.to_owned()), |node| self.text(node, "extraDirectories.paths"))
        else {
            return;
        };
        let to = match item.find("into") {
            Some(node) => match self.text(node, "extraDirectories.paths") {
                Some(to) => to,
                None => return,
            },
            None => "/".to_owned(),
        };
        if matches!(item.value, SettingValue::Computed(_)) {
            return self.say(item.unknown("extraDirectories.paths"));
        }
        let mut patterns = |name: &str| {
            item.find(name).map(|node| self.list(node, "extraDirectories.paths")).unwrap_or_default()
        };
        let (include, exclude) = (patterns("includes"), patterns("excludes"));
        self.copied(item, &from, &to, &include, &exclude);
    }

    fn copied(&mut self, node: &SettingNode, from: &str, to: &str, include: &[String], exclude: &[String]) {
        if from.is_empty() {
            return;
        }
        let from = self.project.path(from);
        if (self.around.is_directory)(&from).is_none() {
            self.say(node.check(format!("the directory `{from}` is not there: have the project's own build make it before `pack build`")));
        }
        let number = self.imported.draft.layers.len();
        let name = if number == 0 { "extra".to_owned() } else { format!("extra-{}", number + 1) };
        let files = DraftFiles {
            from,
            to: to.to_owned(),
            include: include.to_vec(),
            exclude: exclude.to_vec(),
            ..DraftFiles::default()
        };
        self.imported.draft.lines.set("files", &line_name(&files.from, &files.to), node.place());
        self.imported.draft.layers.push(DraftLayer { name, files: vec![files], ..DraftLayer::default() });
    }

    /// The directory that Jib takes where none is named.
    fn usual_extra(&mut self, node: &SettingNode) {
        if (self.around.is_directory)(&self.project.path(EXTRA)) == Some(true) {
            self.copied(node, EXTRA, "/", &[], &[]);
        }
    }

    /// Follows what the settings leave to Jib.
    fn finish(&mut self, settings: &SettingNode) {
        if settings.find("extraDirectories").is_none() && settings.find("extraDirectory").is_none() {
            self.usual_extra(settings);
        }
        let is_named = settings.find("from").is_some_and(|from| from.find("image").is_some());
        if self.imported.draft.base.is_none() && !is_named {
            self.imported.draft.base = self.project.usual_base();
            let text = match &self.imported.draft.base {
                Some(base) => format!("no base is named: `{base}` is the one that Jib takes"),
                None => {
                    "no base is named, and the version of Java is not known here: write `base`".to_owned()
                }
            };
            let is_known = self.imported.draft.base.is_some();
            self.say(if is_known { settings.check(text) } else { settings.left(text) });
        }
        if self.has_own_start {
            if !self.options.is_empty() {
                self.say(settings.check(
                    "with an `entrypoint` Jib passes no `jvmFlags` to Java: they are left out here as well",
                ));
            }
            let text = "the `entrypoint` must find the artifact where `pack plan` shows it: Jib has classes in `/app/classes` and libraries in `/app/libs`, and no such place is here";
            self.say(settings.check(text));
        } else if !self.options.is_empty() {
            // Java 8 reads the older variable only.
            let is_old = self.project.java.is_some_and(|java| java < 9);
            let name = if is_old { "JAVA_TOOL_OPTIONS" } else { "JDK_JAVA_OPTIONS" };
            let known = self.imported.draft.config.env.remove(name).into_iter();
            let all: Vec<String> = known.chain(self.options.drain(..)).collect();
            self.imported.draft.config.env.insert(name.to_owned(), all.join(" "));
        }
        if self.project.is_war && self.imported.draft.apps.iter().all(|app| app.root.is_none()) {
            let is_jetty = self.imported.draft.base.as_deref().is_some_and(|base| base.contains("jetty"));
            if is_jetty {
                let root = Some("/var/lib/jetty/webapps/ROOT".to_owned());
                self.imported.draft.apps.iter_mut().for_each(|app| app.root.clone_from(&root));
            }
        }
        if !self.project.is_whole && !self.project.is_war {
            let text = format!(
                "Jib takes classes and libraries from the build, `pack` from the artifact: have `{}` name its libraries (`Class-Path`) or contain them",
                self.project.artifact
            );
            self.say(settings.check(text));
        }
    }
}
