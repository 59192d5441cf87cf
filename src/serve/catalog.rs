//! The repositories, tags and blobs that the local store can serve, as its index says.
//!
//! A repository is called by its path, as in its own registry. If several registries have the path, only the whole name says
//! which one is meant, with `_` in the place of the colon before a port: `localhost_5000/shop/app`. As elsewhere, a name of one
//! word is short for Docker Hub's `library/`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::oci::{BASE_NAME, Descriptor, Index, ManifestOrIndex, MediaType, RawDocument};
use crate::store::{LayoutError, Store, name_of};
use crate::transport::referrer;
use crate::types::digest::Digest;
use crate::types::reference::{Reference, Repository};

/// The most documents that are looked at for all repositories together.
const MOST_DOCUMENTS: usize = 50_000;
/// The most blobs that are known for all repositories together.
const MOST_BLOBS: usize = 500_000;
/// So many bytes of descriptors of referrers are kept.
const MOST_REFERRER_BYTES: u64 = 32 << 20;
/// How deep documents are followed: an index, an image, a document about it, a signature of that.
const MOST_DEPTH: usize = 8;

/// The content of the store that can be served.
pub struct Catalog {
    store: Store,
    last: Mutex<Option<(Arc<Index>, Arc<CatalogState>)>>,
}

/// The store as its index was at one moment.
#[derive(Default)]
pub struct CatalogState {
    /// By whole name.
    repositories: BTreeMap<String, ServedRepository>,
    /// The whole names of those that have a path.
    paths: BTreeMap<String, Vec<String>>,
    /// By the digest that they refer to.
    referrers: BTreeMap<Digest, Vec<Descriptor>>,
}

/// A repository.
#[derive(Clone, Default)]
pub struct ServedRepository {
    /// The manifest or index of each tag.
    pub tags: BTreeMap<String, Descriptor>,
    /// Everything that can be had by digest.
    pub content: BTreeMap<Digest, ServedContent>,
}

/// Something that can be had by its digest.
#[derive(Clone, Debug)]
pub struct ServedContent {
    /// Its media type and size.
    pub descriptor: Descriptor,
    /// Whether it is a manifest or an index.
    pub is_document: bool,
    /// The repository of the base that has it, where it is a layer that the base may have.
    pub base: Option<Repository>,
}

/// The meaning of a request's name of a repository.
pub enum FoundRepository<'a> {
    /// This one.
    One(&'a ServedRepository),
    /// None.
    None,
    /// Several, which have these whole names.
    Several(&'a [String]),
}

impl Catalog {
    /// Of this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, last: Mutex::default() }
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The state of now. It is put together again only if the index has changed.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn state(&self) -> Result<Arc<CatalogState>, LayoutError> {
        let index = self.store.layout().shared_index()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, state)) = &*last
            && Arc::ptr_eq(seen, &index)
        {
            return Ok(Arc::clone(state));
        }
        let state = Arc::new(Survey::new(&self.store).survey(&index));
        *last = Some((index, Arc::clone(&state)));
        Ok(state)
    }
}

impl CatalogState {
    /// The repository of this name; `of` is the registry that a client wanted to ask in the first place.
    #[must_use]
    pub fn find(&self, name: &str, of: Option<&str>) -> FoundRepository<'_> {
        let one = |name: &str| self.repositories.get(name).map(FoundRepository::One);
        if let Some(registry) = of {
            return one(&whole_name(registry, name)).unwrap_or(FoundRepository::None);
        }
        let in_library =
            || (!name.contains('/')).then(|| self.paths.get(&format!("library/{name}"))).flatten();
        match self.paths.get(name).or_else(in_library).map(Vec::as_slice) {
            Some([whole]) => one(whole).unwrap_or(FoundRepository::None),
            Some(names) => FoundRepository::Several(names),
            None => one(name).unwrap_or(FoundRepository::None),
        }
    }

    /// The names of all repositories: the path where it says enough.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        let names = self.paths.iter().flat_map(|(path, names)| match &**names {
            [_] => std::slice::from_ref(path),
            names => names,
        });
        names.map(String::as_str).collect()
    }

    /// The documents that refer to this digest.
    #[must_use]
    pub fn referrers(&self, subject: &Digest) -> &[Descriptor] {
        self.referrers.get(subject).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The whole name of a repository as a path: no name of a repository may have a colon.
fn whole_name(registry: &str, path: &str) -> String {
    format!("{}/{path}", registry.replace(':', "_").to_lowercase())
}

/// A walk over everything that names reach.
struct Survey<'a> {
    store: &'a Store,
    documents: BTreeMap<Digest, Option<Arc<SurveyedDocument>>>,
    referrers: BTreeMap<Digest, Vec<Descriptor>>,
    referrer_bytes: u64,
    blobs: usize,
}

/// The links of a document.
struct SurveyedDocument {
    manifests: Vec<Descriptor>,
    blobs: Vec<Descriptor>,
    base: Option<Repository>,
}

impl<'a> Survey<'a> {
    const fn new(store: &'a Store) -> Self {
        Self { store, documents: BTreeMap::new(), referrers: BTreeMap::new(), referrer_bytes: 0, blobs: 0 }
    }

    fn survey(mut self, index: &Index) -> CatalogState {
        // First, so that what refers to an image is known when the image is walked.
        for entry in &index.manifests {
            self.document(entry);
        }
        let mut by_repository: BTreeMap<Repository, ServedRepository> = BTreeMap::new();
        for entry in &index.manifests {
            let Some(reference) = name_of(entry).and_then(|name| name.parse::<Reference>().ok()) else {
                continue;
            };
            let repository = by_repository.entry(reference.repository().clone()).or_default();
            let root = Descriptor::new(entry.media_type.clone(), entry.digest, entry.size);
            if let Some(tag) = reference.tag() {
                repository.tags.insert(tag.to_string(), root.clone());
            }
            self.walk(&root, MOST_DEPTH, &mut repository.content);
        }
        let mut state = CatalogState { referrers: self.referrers, ..CatalogState::default() };
        for (repository, served) in by_repository {
            let name = whole_name(repository.registry().as_str(), repository.path());
            state.paths.entry(repository.path().to_owned()).or_default().push(name.clone());
            state.repositories.insert(name, served);
        }
        state
    }

    fn walk(&mut self, root: &Descriptor, depth: usize, content: &mut BTreeMap<Digest, ServedContent>) {
        if depth == 0 || content.contains_key(&root.digest) {
            return;
        }
        let Some(document) = self.document(root) else { return };
        let of = |descriptor: &Descriptor, is_document, base: Option<Repository>| {
            let Descriptor { media_type, digest, size, .. } = descriptor;
            ServedContent {
                descriptor: Descriptor::new(media_type.clone(), *digest, *size),
                is_document,
                base,
            }
        };
        content.insert(root.digest, of(root, true, None));
        for blob in &document.blobs {
            if self.blobs >= MOST_BLOBS {
                return;
            }
            self.blobs += 1;
            content.entry(blob.digest).or_insert_with(|| of(blob, false, document.base.clone()));
        }
        for manifest in &document.manifests {
            self.walk(manifest, depth - 1, content);
        }
        for referrer in self.referrers.get(&root.digest).cloned().unwrap_or_default() {
            self.walk(&referrer, depth - 1, content);
        }
    }

    /// The links of a document of the store, which is read once; `None` for one that is missing, or of another kind.
    fn document(&mut self, descriptor: &Descriptor) -> Option<Arc<SurveyedDocument>> {
        if let Some(known) = self.documents.get(&descriptor.digest) {
            return known.clone();
        }
        if self.documents.len() >= MOST_DOCUMENTS {
            return None;
        }
        let document = self.store.layout().document(descriptor).ok();
        let links = document.and_then(|document| self.links(descriptor, &document)).map(Arc::new);
        self.documents.insert(descriptor.digest, links.clone());
        links
    }

    fn links(&mut self, descriptor: &Descriptor, document: &RawDocument) -> Option<SurveyedDocument> {
        let of = |media_type: &MediaType| (media_type.clone(), descriptor.digest, descriptor.size);
        match document.parse().ok()? {
            ManifestOrIndex::Manifest(manifest) => {
                let (media_type, digest, size) = of(&document.media_type);
                if let Some(subject) = &manifest.subject {
                    self.add_referrer(subject.digest, referrer(&manifest, media_type, digest, size));
                }
                let base =
                    manifest.annotations.get(BASE_NAME).and_then(|name| name.parse::<Reference>().ok());
                let base = base.map(|base| base.repository().clone());
                let blobs = [manifest.config].into_iter().chain(manifest.layers).collect();
                Some(SurveyedDocument { manifests: Vec::new(), blobs, base })
            }
            ManifestOrIndex::Index(index) => {
                if let Some(subject) = &index.subject {
                    let (media_type, digest, size) = of(&document.media_type);
                    let referrer = Descriptor {
                        artifact_type: index.artifact_type.clone(),
                        annotations: index.annotations.clone(),
                        ..Descriptor::new(media_type, digest, size)
                    };
                    self.add_referrer(subject.digest, referrer);
                }
                Some(SurveyedDocument { manifests: index.manifests, blobs: Vec::new(), base: None })
            }
        }
    }

    fn add_referrer(&mut self, subject: Digest, referrer: Descriptor) {
        self.referrer_bytes += referrer.size;
        if self.referrer_bytes <= MOST_REFERRER_BYTES {
            self.referrers.entry(subject).or_default().push(referrer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::events::Progress;
    use crate::store::EntryName;

    const NOTHING: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]"#;

    fn put(store: &Store, name: Option<&str>, rest: &str) -> Descriptor {
        let bytes = format!("{NOTHING}{rest}}}").into_bytes();
        let layout = store.writable_layout().expect("writable");
        layout.blobs().put(&bytes).expect("written");
        let descriptor = Descriptor::of(MediaType::ImageManifest, &bytes);
        let names: Vec<EntryName> =
            name.map(|name| EntryName::full(&name.parse().expect("a name"))).into_iter().collect();
        layout.set_all(&names, &descriptor).expect("named");
        descriptor
    }

    #[test]
    fn names_reach_their_content_and_what_refers_to_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path(), &Progress::default());
        let image = put(
            &store,
            Some("localhost:5000/shop/app:1"),
            r#","annotations":{"org.opencontainers.image.base.name":"localhost:5001/base:3"}"#,
        );
        let subject = format!(
            r#","subject":{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{}}}"#,
            image.digest, image.size
        );
        let signature = put(&store, None, &subject);
        let other = put(&store, Some("docker.io/shop/app:1"), r#","annotations":{"a":"b"}"#);
        put(&store, Some("localhost:5000/alone:2"), r#","annotations":{"a":"c"}"#);
        let lonely = put(&store, None, r#","annotations":{"a":"d"}"#);
        let catalog = Catalog::new(store.clone());
        let state = catalog.state().expect("readable");
        let names: Vec<&str> = state.names().into_iter().collect();
        assert_eq!(names, ["alone", "docker.io/shop/app", "localhost_5000/shop/app"]);
        assert!(matches!(state.find("shop/app", None), FoundRepository::Several(names) if names.len() == 2));
        assert!(matches!(state.find("alone", Some("docker.io")), FoundRepository::None));
        let FoundRepository::One(found) = state.find("shop/app", Some("localhost:5000")) else {
            panic!("not found")
        };
        assert!(found.content.contains_key(&image.digest) && found.content.contains_key(&signature.digest));
        assert!(!found.content.contains_key(&other.digest) && !found.content.contains_key(&lonely.digest));
        let config = found.content.values().find(|content| !content.is_document).expect("a configuration");
        assert_eq!(config.base.as_ref().map(ToString::to_string).as_deref(), Some("localhost:5001/base"));
        assert_eq!(state.referrers(&image.digest)[0].digest, signature.digest);
        assert!(Arc::ptr_eq(&state, &catalog.state().expect("readable")), "it is put together once");

        put(&store, Some("docker.io/library/short:1"), r#","annotations":{"a":"e"}"#);
        let state = catalog.state().expect("readable");
        assert!(matches!(state.find("short", None), FoundRepository::One(_)));
        assert!(matches!(state.find("short", Some("localhost:5000")), FoundRepository::None));
        assert!(matches!(state.find("hort", None), FoundRepository::None));
    }
}
