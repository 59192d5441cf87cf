//! The layers of a Spring Boot archive: those of its `layers.idx`, else by how often files change.

use std::collections::{BTreeMap, BTreeSet};

use super::super::error::ArtifactError;
use super::super::java::unfit;
use super::structure::{BootStructure, REBUILD};
use crate::types::shown::shown;

/// The layers, in the order of the image.
#[derive(Clone, Debug)]
pub(super) struct BootLayers {
    /// Their names.
    pub(super) names: Vec<String>,
    /// Why they are these, for people.
    pub(super) source: String,
    rules: LayerRules,
    application: usize,
}

#[derive(Clone, Debug)]
enum LayerRules {
    /// Paths with their numbers and layers: of those that fit a file, the first counts; one with a slash at the end stands
    /// for all below it.
    Index(BTreeMap<String, (usize, usize)>),
    /// There is no index.
    Usual { libraries: Vec<String> },
}

/// The layers without an index.
const USUAL: [&str; 4] = ["dependencies", "spring-boot-loader", "snapshot-dependencies", "application"];
const LOADER: &[u8] = b"org/springframework/boot/loader/";

impl BootLayers {
    /// The layers of an archive that has these files and directories.
    ///
    /// # Errors
    /// When the index cannot be read, is malformed, gives one path two layers, or names a file that is not there.
    pub(super) fn of<'n>(
        structure: &BootStructure<'_>,
        names: impl Iterator<Item = &'n [u8]>,
    ) -> Result<Self, ArtifactError> {
        let Some((path, text)) = structure.layers_index()? else {
            let libraries = std::iter::once(&structure.libraries).chain(&structure.provided);
            return Ok(Self {
                names: USUAL.map(str::to_owned).to_vec(),
                source: "by how often they change, as it has no `layers.idx`".to_owned(),
                rules: LayerRules::Usual { libraries: libraries.cloned().collect() },
                application: USUAL.len() - 1,
            });
        };
        let (layers, rules) = parse(&text).map_err(|wrong| match wrong {
            IndexFault::Line(number, line) => structure.malformed(path, number, line),
            IndexFault::Said(why) => unfit(structure.material(), format!("`{path}` in it {why}"), REBUILD),
        })?;
        let there: BTreeSet<&[u8]> = names.collect();
        // An index may name itself and the other one where a build tool wrote none.
        let is_missing = |rule: &&IndexRule| {
            !rule.path.ends_with('/')
                && !there.contains(rule.path.as_bytes())
                && !structure.index_paths().any(|index| index == rule.path)
        };
        if let Some(IndexRule { path: name, layer, line }) = rules.iter().find(is_missing) {
            let why = format!(
                "line {line} of `{path}` in it puts `{}` into the layer `{}`, and the archive has no such file",
                shown(name.as_bytes()),
                shown(layers[*layer].as_bytes())
            );
            return Err(unfit(structure.material(), why, REBUILD));
        }
        let source = format!("by `{path}`");
        let numbered = rules.into_iter().enumerate().map(|(number, rule)| (rule.path, (number, rule.layer)));
        let rules = LayerRules::Index(numbered.collect());
        let mut found = Self { names: layers, source, rules, application: 0 };
        // The application's layer is that of the index itself.
        found.application = found.layer_of(structure, path.as_bytes())?;
        Ok(found)
    }

    /// The layer of the application.
    pub(super) const fn application(&self) -> usize {
        self.application
    }

    /// The layer of a file.
    ///
    /// # Errors
    /// When the index has none for it.
    pub(super) fn layer_of(
        &self,
        structure: &BootStructure<'_>,
        name: &[u8],
    ) -> Result<usize, ArtifactError> {
        match &self.rules {
            LayerRules::Index(rules) => {
                let above = memchr::memchr_iter(b'/', name).map(|slash| &name[..=slash]);
                let fitting =
                    above.chain([name]).filter_map(|path| rules.get(std::str::from_utf8(path).ok()?));
                fitting.min().map(|(_, layer)| *layer).ok_or_else(|| {
                    let why = format!("its index of layers has none for `{}`", shown(name));
                    unfit(structure.material(), why, REBUILD)
                })
            }
            LayerRules::Usual { libraries } => {
                let library = libraries.iter().find_map(|directory| name.strip_prefix(directory.as_bytes()));
                Ok(match library {
                    Some(library) if memchr::memmem::find(library, b"SNAPSHOT").is_some() => 2,
                    Some(_) => 0,
                    None if name.starts_with(LOADER) => 1,
                    None => 3,
                })
            }
        }
    }
}

/// A fault of an index.
#[derive(Debug, PartialEq, Eq)]
enum IndexFault<'t> {
    /// A line that is not understood, by its number.
    Line(usize, &'t str),
    Said(String),
}

/// A path of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
struct IndexRule {
    path: String,
    /// The number of its layer.
    layer: usize,
    /// The line that has it, from 1.
    line: usize,
}

/// The names of layers, and the paths with their layers, of an index.
///
/// A layer is a line `- "NAME":`, a path a line `  - "PATH"` below it. There are no escapes, so a name may have quotes.
fn parse(text: &str) -> Result<(Vec<String>, Vec<IndexRule>), IndexFault<'_>> {
    let mut layers: Vec<String> = Vec::new();
    let mut rules: Vec<IndexRule> = Vec::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    // The layer of each path, and its line.
    let mut seen: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let line = line.trim_end();
        if let Some(name) = line.strip_prefix("- \"").and_then(|rest| rest.strip_suffix("\":")) {
            if name.is_empty() || name.chars().any(char::is_control) {
                return Err(IndexFault::Line(number, line));
            }
            if !names.insert(name) {
                let name = shown(name.as_bytes());
                return Err(IndexFault::Said(format!(
                    "has the layer `{name}` twice, again in line {number}"
                )));
            }
            layers.push(name.to_owned());
            continue;
        }
        let path = line.strip_prefix("  - \"").and_then(|rest| rest.strip_suffix('"'));
        let (Some(path), Some(layer)) = (path.filter(|path| !path.is_empty()), layers.len().checked_sub(1))
        else {
            return Err(IndexFault::Line(number, line));
        };
        if let Some((other, before)) = seen.insert(path, (layer, number)) {
            if other == layer {
                continue;
            }
            return Err(IndexFault::Said(format!(
                "puts `{}` into two layers, `{}` in line {before} and `{}` in line {number}",
                shown(path.as_bytes()),
                shown(layers[other].as_bytes()),
                shown(layers[layer].as_bytes())
            )));
        }
        rules.push(IndexRule { path: path.to_owned(), layer, line: number });
    }
    match layers.is_empty() {
        true => Err(IndexFault::Said("names no layer".to_owned())),
        false => Ok((layers, rules)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_index_has_names_of_any_kind() {
        let text = "- \"my \"own\" layer\":\r\n  - \"BOOT-INF/lib/a b.jar\"\r\n\r\n- \"empty\":\n- \"rest\":\n  - \"BOOT-INF/\"\n";
        let (layers, rules) = parse(text).expect("an index");
        assert_eq!(layers, ["my \"own\" layer", "empty", "rest"]);
        let rule = |path: &str, layer, line| IndexRule { path: path.to_owned(), layer, line };
        assert_eq!(rules, [rule("BOOT-INF/lib/a b.jar", 0, 2), rule("BOOT-INF/", 2, 6)]);
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for (text, says) in [
            ("", "names no layer"),
            ("- \"a\":\n- \"a\":\n", "has the layer `a` twice, again in line 2"),
            (
                "- \"a\":\n  - \"x\"\n- \"b\":\n  - \"x\"\n",
                "puts `x` into two layers, `a` in line 2 and `b` in line 4",
            ),
        ] {
            assert_eq!(parse(text), Err(IndexFault::Said(says.to_owned())), "{text}");
        }
        for line in ["- a:", "  - \"x\"", "- \"\":", "- \"a\u{7}\":", "x"] {
            assert_eq!(parse(line), Err(IndexFault::Line(1, line)), "{line}");
        }
        assert_eq!(parse("- \"a\":\n\n  - \"\"\n"), Err(IndexFault::Line(3, "  - \"\"")));
    }

    proptest! {
        #[test]
        fn any_text_is_an_index_or_refused(text in "([-a\": /.\r\n]|  - \"){0,80}") {
            if let Ok((layers, rules)) = parse(&text) {
                prop_assert!(!layers.is_empty());
                prop_assert!(rules.iter().all(|rule| !rule.path.is_empty() && rule.layer < layers.len()));
            }
        }
    }
}
