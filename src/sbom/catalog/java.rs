//! Java archives: jars, and the archives in them, as deep as class loaders look.
//!
//! Coordinates are those of `META-INF/maven/**/pom.properties`. Several of these are those of a shaded jar: the main one has the
//! name of the file, and the others are contained; a `pom.xml` beside one states what it needs. Without any the name of the file, or its manifest, tells a name and a version;
//! a group is never derived from a class or a bundle's name.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::digests::{DigestQueue, HeldFile, PendingDigest};
use super::file_body::FileBody;
use super::known_groups;
use super::pom_xml;
use super::text::{licence, word};
use crate::artifact::JarManifest;
use crate::formats::zip::{Method, ZipArchive};
use crate::runtime::budget::{Budget, OverBudget, STEP};
use crate::sbom::package::{CoordinateEvidence, PackageFacts};
use crate::types::digest::{Digest, Sha256};

/// So deep archives lie in each other: a library in a WAR in an EAR.
const MAX_DEPTH: usize = 3;
/// The largest archive in another one that is inflated.
const MAX_INFLATED: u64 = 64 << 20;
/// The largest manifest that is read: the main section stands at its start.
const MAX_MANIFEST: u64 = 256 << 10;
/// The largest `pom.properties` that is read.
const MAX_POM: u64 = 64 << 10;
/// The largest `pom.xml` that is read.
const MAX_POM_XML: u64 = 512 << 10;
/// So many of a jar are read.
const MAX_POMS: usize = 4096;
/// The memory of an entry of an open archive beside its name.
const ENTRY: usize = 128;

const EXTENSIONS: [&str; 10] = ["jar", "war", "ear", "par", "sar", "nar", "jpi", "hpi", "kar", "lpkg"];

/// Whether a file of this name is a Java archive.
pub(super) fn is_archive(name: &[u8]) -> bool {
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else { return false };
    EXTENSIONS.iter().any(|extension| name[dot + 1..].eq_ignore_ascii_case(extension.as_bytes()))
}

/// The packages in the archive in `body`, whose file has this name, and the digests of them that `queue` will know.
///
/// # Errors
/// When it costs too much, or cannot be read; the message says why.
pub(super) fn archive(
    name: &[u8],
    body: FileBody,
    budget: &Budget,
    queue: &mut DigestQueue<'_>,
) -> Result<(Vec<PackageFacts>, Vec<PendingDigest>), String> {
    let size = body.size().map_err(|error| error.to_string())?;
    let held = queue.hold(FileBody::memory(size));
    // A damaged archive is none that Java loads.
    let outer = body.into_archive().map_err(|_| "it is no archive that can be read".to_owned())?;
    let mut reader = JarReader { budget, found: Vec::new(), pending: Vec::new(), outer, held, queue };
    let digest = reader.hashed(0..size);
    let (archive, name) = (Arc::clone(&reader.outer), String::from_utf8_lossy(name).into_owned());
    let jar = OpenJar { archive, name, within: String::new(), digest };
    reader.jar(&jar, 1).map_err(|error| error.to_string())?;
    Ok((reader.found, reader.pending))
}

/// The artifact that an unpacked `pom.properties` states.
pub(super) fn pom(text: &[u8]) -> Option<PackageFacts> {
    Pom::parse(text).map(|pom| pom.facts())
}

struct OpenJar {
    archive: Arc<ZipArchive>,
    /// The name of its file.
    name: String,
    /// Where in the outermost archive it is.
    within: String,
    digest: OpenJarDigest,
}

/// The digest of an open jar.
#[derive(Clone, Copy)]
enum OpenJarDigest {
    /// It is known.
    Known(Digest),
    /// The queue will know it under this ticket.
    Ticket(usize),
}

struct JarReader<'b, 'w> {
    budget: &'b Budget,
    found: Vec<PackageFacts>,
    /// The digests that packages lack.
    pending: Vec<PendingDigest>,
    /// The archive that all others lie in.
    outer: Arc<ZipArchive>,
    held: Arc<HeldFile>,
    queue: &'b mut DigestQueue<'w>,
}

impl JarReader<'_, '_> {
    /// Lists what is in a jar, and returns the number of the jar itself.
    fn jar(&mut self, jar: &OpenJar, depth: usize) -> Result<u32, OverBudget> {
        let entries = jar.archive.entries();
        let cost = entries.iter().map(|entry| ENTRY + entry.name.len()).sum();
        self.budget.keep(cost)?;
        self.budget.step(entries.len())?;
        let main = u32::try_from(self.found.len()).unwrap_or(u32::MAX);
        let inside = JarContent::of(&jar.archive, self.budget)?;
        let mut own = self.describe(jar, &inside)?;
        match jar.digest {
            OpenJarDigest::Known(digest) => own.digest = Some(digest),
            OpenJarDigest::Ticket(ticket) => {
                self.pending.push(PendingDigest { package: self.found.len(), ticket });
            }
        }
        self.add(own)?;
        let others: Vec<&Pom> =
            inside.poms.iter().filter(|pom| !pom.is_main(&self.found[main as usize])).collect();
        for pom in others {
            self.budget.step(inside.classes.len())?;
            let evidence = if inside.has_classes_of(pom) {
                CoordinateEvidence::Contained
            } else {
                CoordinateEvidence::Leftover
            };
            let within = join(&jar.within, &pom.path);
            self.need(main);
            self.add(PackageFacts { within, evidence, ..pom.facts() })?;
        }
        for index in inside.archives {
            if let Some(nested) = self.open(jar, index)? {
                if depth < MAX_DEPTH {
                    self.need(main);
                    let size = entries[index].size;
                    self.jar(&nested, depth + 1)?;
                    self.budget.release(usize::try_from(size).unwrap_or_default());
                } else {
                    self.remark(main, "pack:unread", join(&jar.within, &nested.name));
                }
            } else {
                let name = String::from_utf8_lossy(&entries[index].name).into_owned();
                self.remark(main, "pack:unread", join(&jar.within, &name));
            }
        }
        self.budget.release(cost);
        Ok(main)
    }

    /// The package that comes next is one that `main` has.
    fn need(&mut self, main: u32) {
        let next = u32::try_from(self.found.len()).unwrap_or(u32::MAX);
        self.found[main as usize].requires_here.push(next);
    }

    fn remark(&mut self, main: u32, name: &str, value: String) {
        self.found[main as usize].properties.push((name.to_owned(), value));
    }

    fn add(&mut self, facts: PackageFacts) -> Result<(), OverBudget> {
        self.budget.keep(facts.cost())?;
        self.found.push(facts);
        Ok(())
    }

    /// The digest of a part of the outermost archive.
    fn hashed(&mut self, range: Range<u64>) -> OpenJarDigest {
        let (outer, held) = (Arc::clone(&self.outer), Arc::clone(&self.held));
        OpenJarDigest::Ticket(self.queue.add(range.end - range.start, move || {
            let _held = held;
            let mut hasher = Sha256::new();
            outer.read_range(range, |piece| hasher.update(piece))?;
            Ok(hasher.finish())
        }))
    }

    /// The archive that is an entry of another one; `None` where it cannot be read.
    fn open(&mut self, jar: &OpenJar, index: usize) -> Result<Option<OpenJar>, OverBudget> {
        let entry = &jar.archive.entries()[index];
        self.budget.step(usize::try_from(entry.size / STEP).unwrap_or(usize::MAX))?;
        let path = String::from_utf8_lossy(&entry.name).into_owned();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let opened = if entry.method == Method::Stored {
            let archive = jar.archive.within(index).and_then(Result::ok);
            archive.and_then(|archive| Some((archive, self.digest_of_stored(jar, index)?)))
        } else if entry.size > MAX_INFLATED {
            None
        } else {
            jar.archive.read(index, MAX_INFLATED).ok().and_then(|bytes| {
                let digest = Digest::of(&bytes);
                Some((ZipArchive::from_bytes(jar.archive.path(), bytes).ok()?, OpenJarDigest::Known(digest)))
            })
        };
        let Some((archive, digest)) = opened else { return Ok(None) };
        self.budget.keep(usize::try_from(entry.size).unwrap_or(usize::MAX))?;
        Ok(Some(OpenJar { archive: Arc::new(archive), name, within: join(&jar.within, &path), digest }))
    }

    /// The digest of an entry that is not compressed; `None` where it cannot be read.
    fn digest_of_stored(&mut self, jar: &OpenJar, index: usize) -> Option<OpenJarDigest> {
        if let Some(range) = jar.archive.range_in(&self.outer, index) {
            return Some(self.hashed(range));
        }
        let mut hasher = Sha256::new();
        jar.archive.read_compressed(index, |piece| hasher.update(piece)).ok()?;
        Some(OpenJarDigest::Known(hasher.finish()))
    }

    /// The package that the jar is itself.
    fn describe(&self, jar: &OpenJar, inside: &JarContent) -> Result<PackageFacts, OverBudget> {
        let stem = jar.name.rsplit_once('.').map_or(&*jar.name, |(stem, _)| stem);
        let manifest = inside.manifest.filter(|index| jar.archive.entries()[*index].size <= MAX_MANIFEST);
        let manifest = manifest.and_then(|index| jar.archive.read(index, MAX_MANIFEST).ok());
        self.budget.step(manifest.as_ref().map_or(0, Vec::len))?;
        let manifest = JarManifest::parse(&manifest.unwrap_or_default());
        let stated = |names: &[&str]| {
            let found = names.iter().find_map(|name| manifest.text(name)).map(word);
            found.filter(|text| !text.is_empty())
        };
        let title = stated(&["Implementation-Title", "Bundle-SymbolicName"]);
        let mut facts = match main_pom(&inside.poms, stem, title) {
            Some(pom) => pom.facts(),
            None => unnamed(stem, &manifest, inside),
        };
        facts.licences = stated(&["Bundle-License"]).map(bundle_licences).unwrap_or_default();
        facts.within.clone_from(&jar.within);
        Ok(facts)
    }
}

/// A jar without coordinates of its own: its name and version, and its group where that is stated otherwise.
fn unnamed(stem: &str, manifest: &JarManifest, inside: &JarContent) -> PackageFacts {
    let (name, version) = split(stem);
    let stated = || ["Implementation-Version", "Bundle-Version"].iter().find_map(|name| manifest.text(name));
    let version = word(version.or_else(stated).unwrap_or_default());
    // Some build tools write all coordinates into the title: `group#name;version`.
    let titled = manifest.text("Implementation-Title").and_then(|title| {
        let (group, rest) = title.split_once('#')?;
        let is_it = rest.split(';').next() == Some(name);
        (is_it && group.contains('.')).then(|| word(group).to_owned())
    });
    let known = || known_groups::group(name, manifest, |directory| inside.has_classes_in(directory));
    let group = titled.or_else(|| known().map(str::to_owned));
    PackageFacts {
        evidence: if group.is_some() { CoordinateEvidence::Stated } else { CoordinateEvidence::FileName },
        ..PackageFacts::new(group.unwrap_or_default(), word(name), version)
    }
}

/// The parts of a jar that tell of packages.
struct JarContent {
    poms: Vec<Pom>,
    manifest: Option<usize>,
    archives: Vec<usize>,
    /// The directories with classes.
    classes: BTreeSet<String>,
}

impl JarContent {
    fn of(archive: &ZipArchive, budget: &Budget) -> Result<Self, OverBudget> {
        let mut content =
            Self { poms: Vec::new(), manifest: None, archives: Vec::new(), classes: BTreeSet::new() };
        let mut needs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (index, entry) in archive.entries().iter().enumerate() {
            let name = entry.name.as_slice();
            if name == b"META-INF/MANIFEST.MF" {
                content.manifest = Some(index);
            } else if is_archive(name) {
                content.archives.push(index);
            } else if is_pom(name) && content.poms.len() < MAX_POMS && entry.size <= MAX_POM {
                budget.step(usize::try_from(entry.size).unwrap_or_default())?;
                let pom = archive.read(index, MAX_POM).ok().and_then(|text| Pom::parse(&text));
                content
                    .poms
                    .extend(pom.map(|pom| Pom { path: String::from_utf8_lossy(name).into_owned(), ..pom }));
            } else if let Some(beside) = beside_pom_xml(name).filter(|_| needs.len() < MAX_POMS)
                && entry.size <= MAX_POM_XML
            {
                budget.step(usize::try_from(entry.size).unwrap_or_default())?;
                let found = archive.read(index, MAX_POM_XML).map(|text| pom_xml::dependencies(&text));
                let found = found.unwrap_or_default();
                budget.keep(found.iter().map(|name| ENTRY + name.len()).sum())?;
                needs.insert(beside, found);
            } else if name.ends_with(b".class")
                && let Some(slash) = name.iter().rposition(|byte| *byte == b'/')
            {
                let directory = String::from_utf8_lossy(&name[..=slash]);
                if !content.classes.contains(&*directory) {
                    budget.keep(ENTRY + directory.len())?;
                    content.classes.insert(directory.into_owned());
                }
            }
        }
        budget.release(content.classes.iter().map(|directory| ENTRY + directory.len()).sum());
        budget.release(needs.values().flatten().map(|name| ENTRY + name.len()).sum());
        for pom in &mut content.poms {
            pom.requires = needs.remove(&pom.path).unwrap_or_default();
        }
        content.poms.sort();
        content.poms.dedup_by(|one, other| one.coordinates() == other.coordinates());
        Ok(content)
    }

    fn has_classes_in(&self, directory: &str) -> bool {
        let next = self.classes.range(directory.to_owned()..).next();
        next.is_some_and(|found| found.starts_with(directory))
    }

    /// Whether classes of an artifact seem to be there, perhaps below another directory, where a shaded jar moves them: a
    /// directory has the last part of the group, or a word of the name.
    fn has_classes_of(&self, pom: &Pom) -> bool {
        let group = pom.group.replace('.', "/");
        let part = |text: &str| format!("/{text}/");
        let last = part(pom.group.rsplit('.').next().unwrap_or_default());
        let whole = part(&group);
        let words: Vec<String> = pom
            .name
            .split(['-', '.', '_'])
            .filter(|word| word.len() > 2)
            .map(|word| part(&word.to_lowercase()))
            .collect();
        self.classes.iter().any(|directory| {
            let directory = format!("/{directory}").to_lowercase();
            directory.contains(&whole)
                || directory.contains(&last)
                || words.iter().any(|word| directory.contains(word))
        })
    }
}

/// The coordinates in a `pom.properties`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pom {
    group: String,
    name: String,
    version: String,
    path: String,
    /// Its dependencies, where a `pom.xml` beside it states them.
    requires: Vec<String>,
}

impl Pom {
    fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let value = |key: &str| {
            let lines = text.lines().filter_map(|line| line.trim().split_once('='));
            let found =
                lines.filter(|(name, _)| name.trim() == key).map(|(_, value)| word(value)).next_back();
            // A property that the build did not fill in.
            found.filter(|value| !value.is_empty() && !value.contains("${")).map(str::to_owned)
        };
        Some(Self {
            group: value("groupId")?,
            name: value("artifactId")?,
            version: value("version")?,
            path: String::new(),
            requires: Vec::new(),
        })
    }

    fn coordinates(&self) -> (&str, &str, &str) {
        (&self.group, &self.name, &self.version)
    }

    fn facts(&self) -> PackageFacts {
        PackageFacts {
            requires: self.requires.clone(),
            ..PackageFacts::new(self.group.clone(), self.name.clone(), self.version.clone())
        }
    }

    fn is_main(&self, main: &PackageFacts) -> bool {
        self.coordinates() == (&main.namespace, &main.name, &main.version)
    }
}

/// The coordinates of the jar itself: those whose name is the file's, with the version before without it; else those that its
/// manifest names.
fn main_pom<'p>(poms: &'p [Pom], stem: &str, title: Option<&str>) -> Option<&'p Pom> {
    let named = |pom: &&Pom| stem == format!("{}-{}", pom.name, pom.version);
    let begins = |pom: &&Pom| {
        stem.strip_prefix(&pom.name).is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(&pom.version))
        })
    };
    let title = title.map(|title| title.split(';').next().unwrap_or_default().trim());
    let titled = |pom: &&Pom| {
        title.is_some_and(|title| title == pom.name || title == format!("{}.{}", pom.group, pom.name))
    };
    poms.iter()
        .find(named)
        .or_else(|| poms.iter().filter(begins).max_by_key(|pom| pom.name.len()))
        .or_else(|| poms.iter().find(titled))
}

fn is_pom(name: &[u8]) -> bool {
    name.starts_with(b"META-INF/maven/") && name.ends_with(b"/pom.properties")
}

/// The `pom.properties` beside a `pom.xml`.
fn beside_pom_xml(name: &[u8]) -> Option<String> {
    let directory = name.strip_suffix(b"/pom.xml").filter(|_| name.starts_with(b"META-INF/maven/"))?;
    Some(format!("{}/pom.properties", String::from_utf8_lossy(directory)))
}

/// Name and version of `name-1.2`.
fn split(stem: &str) -> (&str, Option<&str>) {
    let starts = stem.match_indices('-').map(|(at, _)| at);
    let digit = |at: usize| stem[at + 1..].starts_with(|character: char| character.is_ascii_digit());
    match starts.into_iter().find(|at| *at > 0 && digit(*at)) {
        Some(at) => (&stem[..at], Some(&stem[at + 1..])),
        None => (stem, None),
    }
}

/// Licences of a bundle: identifiers, names or addresses, with attributes behind a semicolon.
fn bundle_licences(text: &str) -> Vec<String> {
    let names = text.split(',').filter_map(|one| licence(one.split(';').next()?.trim_matches(['"', ' '])));
    names.collect()
}

fn join(within: &str, path: &str) -> String {
    if within.is_empty() { path.to_owned() } else { format!("{within}!/{path}") }
}

#[cfg(test)]
mod tests {
    use super::super::digests::CatalogDraft;
    use super::super::file_catalog::FileCatalog;
    use super::*;
    use crate::formats::zip::fixture::{Item, write};
    use crate::runtime::workers::Workers;
    use crate::sbom::package::Ecosystem;

    fn pom_item(group: &str, name: &str, version: &str) -> Item {
        let path = format!("META-INF/maven/{group}/{name}/pom.properties");
        let text = format!("#Generated\ngroupId={group}\nartifactId={name}\nversion={version}\n");
        Item::stored(path.as_bytes(), text.as_bytes())
    }

    /// The packages in an archive, with their digests.
    fn read(name: &[u8], bytes: Vec<u8>, budget: &Budget) -> Result<Vec<PackageFacts>, String> {
        let workers = Workers::default();
        let mut queue = DigestQueue::new(&workers);
        let (packages, pending) = archive(name, FileBody::Memory(bytes), budget, &mut queue)?;
        let catalog = FileCatalog::Packages(Ecosystem::Java, packages);
        let digests = queue.finish().expect("digests");
        match (CatalogDraft { catalog, pending }).complete(&digests) {
            FileCatalog::Packages(_, packages) => Ok(packages),
            other => panic!("{other:?}"),
        }
    }

    fn found(name: &str, items: &[Item]) -> Vec<PackageFacts> {
        let budget = Budget::new("the layer", 64 << 20, 1 << 20);
        read(name.as_bytes(), write(items), &budget).expect("read")
    }

    fn shown(facts: &PackageFacts) -> String {
        format!("{}:{}:{} {:?}", facts.namespace, facts.name, facts.version, facts.evidence)
    }

    #[test]
    fn libraries_in_archives_are_listed_with_their_own_digest() {
        let library = write(&[pom_item("org.a", "lib", "1.0")]);
        let war = [Item::stored(b"WEB-INF/lib/lib-1.0.jar", &library), pom_item("org.b", "shop", "2.0")];
        let found = found("shop-2.0.war", &war);
        assert_eq!(
            found.iter().map(shown).collect::<Vec<_>>(),
            ["org.b:shop:2.0 Stated", "org.a:lib:1.0 Stated"]
        );
        assert_eq!(found[1].digest, Some(Digest::of(&library)));
        assert_eq!(found[1].within, "WEB-INF/lib/lib-1.0.jar");
        assert_eq!(found[0].requires_here, [1]);
    }

    #[test]
    fn dependencies_are_those_of_the_pom_beside() {
        let text = "<project><dependencies><dependency><groupId>org.a</groupId><artifactId>lib</artifactId>\
            </dependency></dependencies></project>";
        let of =
            |name: &str| Item::stored(format!("META-INF/maven/{name}/pom.xml").as_bytes(), text.as_bytes());
        let items =
            [pom_item("org.b", "shop", "2.0"), of("org.b/shop"), pom_item("org.c", "c", "1"), of("org.d/d")];
        let found = found("shop-2.0.jar", &items);
        assert_eq!((&found[0].requires[..], found[1].requires.len()), (&["org.a:lib".to_owned()][..], 0));
    }

    #[test]
    fn of_several_coordinates_those_of_the_file_name_are_the_jar() {
        let items = [
            pom_item("org.x", "app", "1.0"),
            pom_item("org.x", "app-core", "1.0"),
            pom_item("com.fasterxml.jackson.core", "jackson-databind", "2.11.1"),
            pom_item("org.gone", "gone", "1"),
            Item::stored(b"com/fasterxml/jackson/databind/X.class", b""),
            Item::stored(b"hidden/app/core/Y.class", b""),
        ];
        let found = found("app-core-1.0.jar", &items);
        let shown: Vec<String> = found.iter().map(shown).collect();
        assert_eq!(
            shown,
            [
                "org.x:app-core:1.0 Stated",
                "com.fasterxml.jackson.core:jackson-databind:2.11.1 Contained",
                "org.gone:gone:1 Leftover",
                "org.x:app:1.0 Contained",
            ]
        );
    }

    #[test]
    fn no_group_is_made_up() {
        let manifest = "Manifest-Version: 1.0\nMain-Class: org.example.deep.Main\nBundle-SymbolicName: org.example.bundle\n\
            Implementation-Version: 3.1\nBundle-License: \"Apache-2.0\";link=x,MIT\n\n";
        let items = [Item::stored(b"META-INF/MANIFEST.MF", manifest.as_bytes())];
        let of = found("tool.jar", &items);
        assert_eq!(shown(&of[0]), ":tool:3.1 FileName");
        assert_eq!(of[0].licences, ["Apache-2.0", "MIT"]);
        assert_eq!(shown(&found("a-b-1.2-SNAPSHOT.jar", &items)[0]), ":a-b:1.2-SNAPSHOT FileName");
        // A shaded jar of another build has only coordinates of what is in it.
        let shaded = [pom_item("org.lib", "lib", "1"), Item::stored(b"org/lib/A.class", b"")];
        let shaded: Vec<String> = found("app-all.jar", &shaded).iter().map(shown).collect();
        assert_eq!(shaded, [":app-all: FileName", "org.lib:lib:1 Contained"]);
    }

    #[test]
    fn a_title_may_state_all_coordinates() {
        let manifest =
            "Manifest-Version: 1.0\nImplementation-Title: io.micrometer#micrometer-core;1.15.5\n\n";
        let items = [Item::stored(b"META-INF/MANIFEST.MF", manifest.as_bytes())];
        assert_eq!(
            shown(&found("micrometer-core-1.15.5.jar", &items)[0]),
            "io.micrometer:micrometer-core:1.15.5 Stated"
        );
        assert_eq!(shown(&found("other-1.jar", &items)[0]), ":other:1 FileName");
    }

    #[test]
    fn a_title_names_the_jar_that_was_renamed() {
        let manifest = "Manifest-Version: 1.0\nImplementation-Title: shop\n\n";
        let items =
            [Item::stored(b"META-INF/MANIFEST.MF", manifest.as_bytes()), pom_item("org.b", "shop", "2.0")];
        assert_eq!(
            found("ROOT.war", &items).iter().map(shown).collect::<Vec<_>>(),
            ["org.b:shop:2.0 Stated"]
        );
    }

    #[test]
    fn nests_and_damage_are_said() {
        let mut jar = write(&[pom_item("a", "x", "1")]);
        for _ in 0..4 {
            jar = write(&[Item::stored(b"x-1.jar", &jar)]);
        }
        let deep = found("x.jar", &[Item::stored(b"x-1.jar", &jar), Item::stored(b"bad.jar", b"no zip")]);
        let unread: Vec<&str> =
            deep.iter().flat_map(|it| &it.properties).map(|(_, value)| value.as_str()).collect();
        assert_eq!(unread.len(), 2, "{unread:?}");
        let budget = Budget::new("the layer", 1000, 1 << 20);
        let many: Vec<Item> = (0..100).map(|n| Item::stored(format!("f{n}").as_bytes(), b"")).collect();
        read(b"a.jar", write(&many), &budget).expect_err("too large");
        read(b"a.jar", b"text".to_vec(), &budget).expect_err("no archive");
    }
}
