//! `jib.yaml`, the build file of Jib's command line: layers of files, as a build file of `pack` has them.

use super::super::ImportSurroundings;
use super::super::draft::{DraftFiles, DraftLayer, Imported, line_name};
use super::super::remark::Remark;
use super::super::setting::{SettingNode, SettingValue, shortened};

/// The most files of all layers.
const MOST: usize = 256;

/// Puts a build file of Jib into one of `pack`.
pub(super) fn take(settings: &SettingNode, around: &ImportSurroundings<'_>, imported: &mut Imported) {
    let mut taker = BuildFileImport { around, imported };
    taker.imported.draft.lines.set("", "", settings.place());
    if settings.find("kind").and_then(SettingNode::text) != Some("BuildFile") {
        taker.say(Remark::check(1, "`kind` is not `BuildFile`: is this a build file of Jib?"));
    }
    for node in settings.nodes() {
        taker.section(node);
    }
}

/// The settings with values, and the keys that they become.
const KEYS: [(&str, &str); 9] = [
    ("from", "base"),
    ("environment", "env"),
    ("labels", "labels"),
    ("volumes", "volumes"),
    ("exposedPorts", "ports"),
    ("user", "user"),
    ("workingDirectory", "workdir"),
    ("entrypoint", "entrypoint"),
    ("cmd", "cmd"),
];

/// The import of a build file.
struct BuildFileImport<'a> {
    around: &'a ImportSurroundings<'a>,
    imported: &'a mut Imported,
}

impl BuildFileImport<'_> {
    fn say(&mut self, remark: Remark) {
        self.imported.remarks.push(remark);
    }

    /// A text without the variables of Jib's command line, which are not known here.
    fn text(&mut self, node: &SettingNode) -> Option<String> {
        let text = node.text().filter(|text| !text.contains("${")).map(str::to_owned);
        if text.is_none() {
            self.say(node.unknown(&node.name));
        }
        text
    }

    /// The text of a setting that is as if it were not there when it has none.
    fn given(&mut self, node: &SettingNode) -> Option<String> {
        self.text(node).filter(|text| !text.is_empty())
    }

    /// The texts of a list; none of them if one is not known, or is no text.
    fn list(&mut self, node: &SettingNode) -> Vec<String> {
        let is_known = |item: &&SettingNode| {
            item.name.is_empty() && item.text().is_some_and(|text| !text.is_empty() && !text.contains("${"))
        };
        let unknown = node.nodes().iter().find(|item| !is_known(item));
        let is_nothing = node.text() == Some("");
        match (&node.value, unknown) {
            (SettingValue::Nodes(items), None) => {
                items.iter().filter_map(|item| item.text().map(str::to_owned)).collect()
            }
            _ if is_nothing => Vec::new(),
            (_, unknown) => {
                self.say(unknown.unwrap_or(node).unknown(&node.name));
                Vec::new()
            }
        }
    }

    /// The settings or items in it.
    fn items<'a>(&mut self, node: &'a SettingNode) -> &'a [SettingNode] {
        node.items(&node.name, &mut self.imported.remarks)
    }

    /// The items of the list of this name in it.
    fn items_of<'a>(&mut self, node: &'a SettingNode, name: &str) -> &'a [SettingNode] {
        let Some(list) = node.find(name) else { return &[] };
        list.list_items(name, &mut self.imported.remarks)
    }

    /// Says which settings of a table are not known, and whether it is none.
    fn known(&mut self, node: &SettingNode, path: &str, names: &[&str]) {
        for item in node.items(path, &mut self.imported.remarks) {
            if !names.contains(&item.name.as_str()) {
                let name = shortened(&item.name);
                self.say(item.left(format!("`{path}.{name}` is no setting that is known here")));
            }
        }
    }

    fn table(&mut self, node: &SettingNode) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for item in self.items(node) {
            match self.text(item) {
                Some(_) if item.name.is_empty() => self.say(item.unknown(&node.name)),
                Some(text) => pairs.push((item.name.clone(), text)),
                None => {}
            }
        }
        pairs
    }

    fn section(&mut self, node: &SettingNode) {
        if let Some((_, key)) = KEYS.iter().find(|(name, _)| *name == node.name) {
            node.note(key, &mut self.imported.draft.lines);
        }
        match node.name.as_str() {
            "apiVersion" | "kind" => {}
            "from" => self.from(node),
            "environment" => {
                let pairs = self.table(node);
                self.imported.draft.config.env.extend(pairs);
            }
            "labels" => {
                let pairs = self.table(node);
                self.imported.draft.config.labels.extend(pairs);
            }
            "volumes" => {
                let volumes = self.list(node);
                self.imported.draft.config.volumes.extend(volumes);
            }
            "exposedPorts" => {
                let ports = self.list(node);
                self.imported.draft.config.ports.extend(ports.iter().map(|port| port.trim_end_matches("/tcp").to_owned()));
            }
            "user" => self.imported.draft.config.user = self.given(node),
            "workingDirectory" => self.imported.draft.config.workdir = self.given(node),
            "entrypoint" => self.imported.draft.config.entrypoint = Some(self.list(node)).filter(|words| !words.is_empty()),
            "cmd" => self.imported.draft.config.cmd = Some(self.list(node)).filter(|words| !words.is_empty()),
            "creationTime" => self.say(node.check("`creationTime` is not carried over: no clock decides the image")),
            "format" => self.say(node.check("`format` is not carried over: all images are of OCI's form, which every registry and engine takes")),
            "layers" => self.layers(node),
            name => self.say(node.left(format!("`{}` is no setting that is known here", shortened(name)))),
        }
    }

    fn from(&mut self, node: &SettingNode) {
        self.known(node, "from", &["image", "platforms"]);
        if let Some(image) = node.find("image") {
            self.imported.draft.base = self.given(image);
        }
        if let Some(platforms) = node.find("platforms") {
            platforms.note("platforms", &mut self.imported.draft.lines);
        }
        for platform in self.items_of(node, "platforms") {
            self.known(platform, "platforms", &["os", "architecture"]);
            let mut part = |name: &str, default: &str| {
                platform.find(name).map_or_else(|| Some(default.to_owned()), |node| self.text(node))
            };
            if let (Some(os), Some(architecture)) = (part("os", "linux"), part("architecture", "amd64")) {
                self.imported.draft.platforms.push(format!("{os}/{architecture}"));
            }
        }
    }

    fn layers(&mut self, node: &SettingNode) {
        self.known(node, "layers", &["properties", "entries"]);
        let all = self.properties(node);
        for layer in self.items_of(node, "entries") {
            self.known(layer, "entries", &["name", "files", "properties"]);
            let own = self.properties(layer);
            if let Some(name) = layer.find("name").filter(|name| name.text().is_none()) {
                self.say(name.unknown("name"));
            }
            let files = self.items_of(layer, "files");
            let mut draft = DraftLayer {
                name: layer.find("name").and_then(SettingNode::text).unwrap_or("layer").to_owned(),
                ..DraftLayer::default()
            };
            draft.name = name_of(&draft.name, &self.imported.draft.layers);
            for copied in files.iter().take(MOST) {
                self.known(copied, "files", &["src", "dest", "includes", "excludes", "properties"]);
                let of_files = self.properties(copied);
                draft.files.extend(self.files(copied, [of_files, own, all]));
            }
            if files.len() > MOST || self.imported.draft.layers.len() > MOST {
                self.say(layer.left("it has more files than 256, the most that are taken over"));
            } else if !draft.files.is_empty() {
                self.imported.draft.layers.push(draft);
            }
        }
    }

    /// The owners and modes for what is in a part of the file.
    fn properties<'a>(&mut self, node: &'a SettingNode) -> Option<&'a SettingNode> {
        let names = ["filePermissions", "directoryPermissions", "user", "group", "timestamp"];
        let properties = node.find("properties")?;
        self.known(properties, "properties", &names);
        Some(properties)
    }

    fn files(&mut self, node: &SettingNode, properties: [Option<&SettingNode>; 3]) -> Option<DraftFiles> {
        let (Some(from), Some(to)) = (node.find("src"), node.find("dest")) else {
            self.say(node.left("it has no `src` or no `dest`"));
            return None;
        };
        let (from, to) = (self.text(from)?, self.text(to)?);
        // A path as Windows writes it.
        let from = from.replace('\\', "/").trim_end_matches('/').to_owned();
        let property = |name: &str| properties.into_iter().flatten().find_map(|table| table.find(name));
        let is_octal = |mode: &str| mode.chars().all(|digit| ('0'..='7').contains(&digit));
        let mut text_of = |name: &str| {
            let node = property(name).filter(|node| node.text() != Some(""))?;
            let is_right =
                |text: &&str| !text.contains("${") && (name != "filePermissions" || is_octal(text));
            let text = node.text().filter(is_right);
            if text.is_none() {
                self.say(node.unknown(name));
            }
            text.map(str::to_owned)
        };
        let mode = text_of("filePermissions");
        let owner = match (text_of("user"), text_of("group")) {
            (None, None) => None,
            (user, group) => Some(format!(
                "{}:{}",
                user.unwrap_or_else(|| "0".to_owned()),
                group.unwrap_or_else(|| "0".to_owned())
            )),
        };
        for name in ["directoryPermissions", "timestamp"] {
            if let Some(node) = property(name).filter(|node| node.text() != Some("755")) {
                self.say(node.check(format!("`{name}` is not carried over: `directory-mode` of `permissions` and `mtime` of the layer say the same")));
            }
        }
        let before = self.imported.remarks.len();
        let mut patterns = |name: &str| node.find(name).map(|node| self.list(node)).unwrap_or_default();
        let (include, exclude) = (patterns("includes"), patterns("excludes"));
        // Without a pattern other files would come into the image.
        if self.imported.remarks.len() > before {
            return None;
        }
        let is_directory = (self.around.is_directory)(&from) == Some(true);
        let to = match to.trim_end_matches('/') {
            directory if is_directory && !directory.is_empty() => directory.to_owned(),
            _ => to,
        };
        self.imported.draft.lines.set("files", &line_name(&from, &to), node.place());
        Some(DraftFiles { to, from, include, exclude, mode: mode.map(|mode| format!("{mode:0>4}")), owner })
    }
}

/// A name of a layer as this one may have, which no layer before it has.
fn name_of(wanted: &str, before: &[DraftLayer]) -> String {
    let own: String = wanted
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' })
        .collect();
    let own = if own.trim_matches(['-', '.']).is_empty() { "layer".to_owned() } else { own };
    let is_free = |name: &String| before.iter().all(|layer| layer.name != *name);
    let mut names = std::iter::once(own.clone()).chain((2..).map(|number| format!("{own}-{number}")));
    names.find(is_free).unwrap_or(own)
}
