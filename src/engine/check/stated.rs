//! The requirements of artifacts, remembered by the content that they follow from.
//!
//! The key hashes the kind, the name of the artifact's file, the options, the extent of the search, and the path and
//! content of every entry. Neither the base, the platform, nor the place of the artifact is part of it: the same content on
//! another base is not read again. A record that is damaged is a miss.

use serde::{Deserialize, Serialize};

use crate::artifact::{
    self, AppOptions, Artifact, ArtifactLayout, Requirement, Requirements, Search, StartWay,
};
use crate::engine::error::BuildError;
use crate::engine::memo::Memos;
use crate::layer::{Entry, Scanner};
use crate::store::Store;
use crate::types::digest::{Key, KeyBuilder};
use crate::types::error::BoxedError;
use crate::types::finding::Finding;

const NAMESPACE: &str = "requirements";

/// The statements of an artifact about the image that it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stated {
    requirements: Vec<Requirement>,
    findings: Vec<Finding>,
}

/// The requirements of `artifact`, and its other findings. `entries` are all that it has in the image.
pub(in crate::engine) fn stated<'e>(
    store: &Store,
    memos: &mut Memos<'_>,
    (artifact, options): (&Artifact, &AppOptions),
    entries: impl Iterator<Item = &'e Entry> + Clone,
    search: Search,
    scanner: &Scanner,
) -> Result<(Requirements, Vec<Finding>), BoxedError> {
    let question = question(artifact, options, search);
    let key = memos.content_key(&question, entries.clone()).map_err(BuildError::Content)?;
    let known = key.and_then(|key| store.memo_load::<Stated>(NAMESPACE, &key));
    let stated = match known {
        Some(stated) => stated,
        None => {
            let stated = read(artifact, options, search, scanner)?;
            // A kind that requires nothing reads nothing.
            if !stated.is_empty() {
                remember(memos, key, question, entries, stated.clone());
            }
            stated
        }
    };
    let Stated { requirements: all, findings } = stated;
    Ok((Requirements { artifact: artifact.path().to_owned(), all }, findings))
}

impl Stated {
    const fn is_empty(&self) -> bool {
        self.requirements.is_empty() && self.findings.is_empty()
    }
}

fn read(
    artifact: &Artifact,
    options: &AppOptions,
    search: Search,
    scanner: &Scanner,
) -> Result<Stated, BoxedError> {
    Ok(Stated {
        findings: artifact::findings(artifact, search)?,
        requirements: artifact::requirements(artifact, options, search, scanner)?.all,
    })
}

fn remember<'e>(
    memos: &mut Memos<'_>,
    key: Option<Key>,
    question: Key,
    entries: impl Iterator<Item = &'e Entry>,
    stated: Stated,
) {
    match key {
        Some(key) => memos.writer().save(NAMESPACE, key, stated),
        None => memos.when_contents_are_known(question, entries.cloned().collect(), move |writer, key| {
            writer.save(NAMESPACE, key, stated);
        }),
    }
}

/// The key of everything but the content.
fn question(artifact: &Artifact, options: &AppOptions, search: Search) -> Key {
    // Rules and attributes decide no requirement; the kind itself is in the key.
    let AppOptions {
        is_kind_given: _,
        layout,
        start,
        root,
        into_root,
        name,
        has_entrypoint,
        command,
        directory,
        rules: _,
        xattrs: _,
        include,
        exclude,
    } = options;
    let mut key = KeyBuilder::new("pack requirements 7");
    key.field("kind", artifact.kind.name());
    // Evidence names the file.
    key.add(artifact.path().file_name().unwrap_or_default().as_encoded_bytes());
    key.field("search", &search.key());
    let layout = layout.map(|layout| match layout {
        ArtifactLayout::Exploded => "exploded",
        ArtifactLayout::Packaged => "packaged",
        ArtifactLayout::Extracted => "extracted",
    });
    key.field("layout", &layout);
    key.field("starts by java", &(*start == Some(StartWay::Java)));
    key.field("has root", &root.is_some());
    key.field("root", &root.as_ref().and_then(|root| root.path()).map(ToString::to_string));
    key.field("into root", into_root);
    key.field("has entrypoint", has_entrypoint);
    key.field("command", command);
    key.field("directory", directory);
    key.field("name", name);
    key.field("include", include);
    key.field("exclude", exclude);
    key.finish()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::artifact::fixture::detect;
    use crate::artifact::{ServletUse, propose};
    use crate::bases::Servlet;
    use crate::engine::memo::MemoWriter;
    use crate::layer::{self, EntryKind};
    use crate::oci::{ConfigFile, RunConfig};
    use crate::runtime::events::Progress;
    use crate::types::reference::Reference;

    /// All that is written here is older than the build.
    const NOW: i64 = i64::MAX;

    fn tomcat(variables: &[&str]) -> ConfigFile {
        let env = [&["CATALINA_HOME=/usr/local/tomcat"], variables].concat();
        let env = env.iter().map(|variable| (*variable).to_owned()).collect();
        ConfigFile { config: Some(RunConfig { env, ..RunConfig::default() }), ..ConfigFile::default() }
    }

    fn damage(store: &Path) {
        for file in std::fs::read_dir(store.join("memo")).expect("memos").flatten() {
            if file.file_name().to_string_lossy().starts_with(NAMESPACE) {
                std::fs::write(file.path(), "damaged").expect("written");
            }
        }
    }

    #[test]
    fn requirements_of_the_same_content_are_not_read_again() {
        let place = tempfile::tempdir().expect("a directory");
        let war = place.path().join("shop");
        std::fs::create_dir_all(war.join("WEB-INF/classes")).expect("a directory");
        let class = war.join("WEB-INF/classes/A.class");
        std::fs::write(&class, b"\xca\xfe\xba\xbe jakarta/servlet/Servlet").expect("written");
        std::fs::write(war.join("WEB-INF/web.xml"), "<web-app/>").expect("written");
        let scanner = Scanner::default();
        let artifact = detect(&war).expect("a web application");
        let options = AppOptions::default();
        let ten = tomcat(&["TOMCAT_VERSION=10.1.24"]);
        let proposal = propose(&artifact, &options, Some(&ten), &scanner).expect("proposed");
        let entries: Vec<Entry> =
            proposal.layers.iter().flat_map(|layer| layer.entries.iter().cloned()).collect();
        let directory = place.path().join("store");
        let name: Reference = "localhost/shop".parse().expect("a name");
        let ask = |base: &ConfigFile, learn: bool| {
            let store = Store::open(&directory, &Progress::default());
            let writer = MemoWriter::new(&store);
            let mut memos = Memos::open(&store, writer.clone(), place.path(), name.repository(), NOW);
            let search = Search::on(Some(base));
            let found = stated(&store, &mut memos, (&artifact, &options), entries.iter(), search, &scanner);
            for entry in entries.iter().filter(|_| learn) {
                if let EntryKind::File(content) = &entry.kind {
                    memos.learn(
                        content,
                        layer::identify(content, &crate::runtime::interrupt::Interrupt::default())
                            .expect("read"),
                    );
                }
            }
            memos.save();
            found.map(|(requirements, _)| requirements.all)
        };
        let uses = |found: Vec<Requirement>| match &found[..] {
            [Requirement::Servlet(ServletUse::Uses { servlet, .. }), ..] => Some(*servlet),
            _ => None,
        };
        // The identities of files are learned after the requirements were read.
        let cold = ask(&ten, true).expect("read");
        assert_eq!(uses(cold.clone()), Some(Servlet::Jakarta));
        // Without the files, only what is remembered tells.
        std::fs::remove_file(&class).expect("removed");
        assert_eq!(ask(&ten, false).expect("remembered"), cold);
        let other = tomcat(&["TOMCAT_VERSION=11.0.1", "LANG=C"]);
        assert_eq!(ask(&other, false).expect("remembered"), cold, "on another base");
        let nine = tomcat(&["TOMCAT_VERSION=9.0.80"]);
        assert!(ask(&nine, false).is_err(), "another search reads the files");
        damage(&directory);
        assert!(ask(&ten, false).is_err(), "a damaged record is a miss");
    }
}
