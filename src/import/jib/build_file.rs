//! `jib.yaml`, the build file of Jib's command line: layers of files, as a build file of `pack` has them.

use super::super::ImportSurroundings;
use super::super::draft::{DraftFiles, DraftLayer, Imported};
use super::super::remark::Remark;
use super::super::setting::{SettingNode, shortened, texts};

/// The most files of all layers.
const MOST: usize = 256;

/// Puts a build file of Jib into one of `pack`.
pub(super) fn take(settings: &SettingNode, around: &ImportSurroundings<'_>, imported: &mut Imported) {
    let mut taker = BuildFileImport { around, imported };
    if settings.find("kind").and_then(SettingNode::text) != Some("BuildFile") {
        taker.say(Remark::check(1, "`kind` is not `BuildFile`: is this a build file of Jib?"));
    }
    for node in settings.nodes() {
        taker.section(node);
    }
}

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

    fn list(&mut self, node: &SettingNode) -> Vec<String> {
        match texts(node).filter(|all| !all.iter().any(|text| text.contains("${"))) {
            Some(all) => all,
            None => {
                self.say(node.unknown(&node.name));
                Vec::new()
            }
        }
    }

    /// The settings or items in it.
    fn items<'a>(&mut self, node: &'a SettingNode) -> &'a [SettingNode] {
        node.items(&node.name, &mut self.imported.remarks)
    }

    /// Those of the setting of this name in it.
    fn items_of<'a>(&mut self, node: &'a SettingNode, name: &str) -> &'a [SettingNode] {
        node.find(name).map(|node| self.items(node)).unwrap_or_default()
    }

    fn table(&mut self, node: &SettingNode) -> Vec<(String, String)> {
        self.items(node).iter().filter_map(|item| Some((item.name.clone(), self.text(item)?))).collect()
    }

    fn section(&mut self, node: &SettingNode) {
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
            "user" => self.imported.draft.config.user = self.text(node),
            "workingDirectory" => self.imported.draft.config.workdir = self.text(node),
            "entrypoint" => self.imported.draft.config.entrypoint = Some(self.list(node)).filter(|words| !words.is_empty()),
            "cmd" => self.imported.draft.config.cmd = Some(self.list(node)).filter(|words| !words.is_empty()),
            "creationTime" => self.say(node.check("`creationTime` is not carried over: no clock decides the image")),
            "format" => self.say(node.check("`format` is not carried over: all images are of OCI's form, which every registry and engine takes")),
            "layers" => self.layers(node),
            name => self.say(node.left(format!("`{}` is no setting that is known here", shortened(name)))),
        }
    }

    fn from(&mut self, node: &SettingNode) {
        self.items(node);
        if let Some(image) = node.find("image") {
            self.imported.draft.base = self.text(image);
        }
        for platform in self.items_of(node, "platforms") {
            self.items(platform);
            let mut part = |name: &str, default: &str| {
                platform.find(name).map_or_else(|| Some(default.to_owned()), |node| self.text(node))
            };
            if let (Some(os), Some(architecture)) = (part("os", "linux"), part("architecture", "amd64")) {
                self.imported.draft.platforms.push(format!("{os}/{architecture}"));
            }
        }
    }

    fn layers(&mut self, node: &SettingNode) {
        let all = node.find("properties");
        self.items(node);
        for layer in self.items_of(node, "entries") {
            self.items(layer);
            let own = layer.find("properties");
            let files = self.items_of(layer, "files");
            let mut draft = DraftLayer {
                name: layer.find("name").and_then(SettingNode::text).unwrap_or("layer").to_owned(),
                ..DraftLayer::default()
            };
            draft.name = name_of(&draft.name, &self.imported.draft.layers);
            for copied in files.iter().take(MOST) {
                draft.files.extend(self.files(copied, [copied.find("properties"), own, all]));
            }
            if files.len() > MOST || self.imported.draft.layers.len() > MOST {
                self.say(layer.left("it has more files than 256, the most that are taken over"));
            } else if !draft.files.is_empty() {
                self.imported.draft.layers.push(draft);
            }
        }
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
        let number = |name: &str| property(name).and_then(SettingNode::text).map(str::to_owned);
        let owner = match (number("user"), number("group")) {
            (None, None) => None,
            (user, group) => Some(format!(
                "{}:{}",
                user.unwrap_or_else(|| "0".to_owned()),
                group.unwrap_or_else(|| "0".to_owned())
            )),
        };
        let owner = owner.filter(|owner| !owner.contains("${")).or_else(|| {
            let unknown = property("user").or_else(|| property("group"));
            unknown.into_iter().for_each(|node| self.say(node.unknown("properties")));
            None
        });
        for name in ["directoryPermissions", "timestamp"] {
            if let Some(node) = property(name).filter(|node| node.text() != Some("755")) {
                self.say(node.check(format!("`{name}` is not carried over: `directory-mode` of `permissions` and `mtime` of the layer say the same")));
            }
        }
        let mode =
            number("filePermissions").filter(|mode| mode.chars().all(|digit| ('0'..='7').contains(&digit)));
        let mut patterns = |name: &str| node.find(name).map(|node| self.list(node)).unwrap_or_default();
        let (include, exclude) = (patterns("includes"), patterns("excludes"));
        let is_directory = (self.around.is_directory)(&from) == Some(true);
        Some(DraftFiles {
            to: if is_directory { to.trim_end_matches('/').to_owned() } else { to },
            from,
            include,
            exclude,
            mode: mode.map(|mode| format!("{mode:0>4}")),
            owner,
        })
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
