//! Referrers: manifests that name another one as their `subject`, such as signatures, SBOMs and attestations
//! (distribution specification 1.1, "Listing Referrers").
//!
//! A registry lists them by its referrers API. One that has none is asked for the tag `sha256-HEX`, an index that
//! clients keep in its place. Both lists come from others: the fetcher of a linked document checks it.

use super::super::auth::access::Access;
use super::super::wire::context::{RequestStep, context};
use super::super::wire::error::RegistryError;
use super::super::wire::host::Host;
use super::super::wire::lock::lock;
use super::super::wire::response::Response;
use super::api::Api;
use super::handle::Client;
use super::pages::{PageCursor, Pages};
use crate::oci::{Descriptor, DocumentError, MAX_CHILDREN, ManifestOrIndex, MediaType, RawDocument};
use crate::types::digest::Digest;
use crate::types::reference::{Repository, Tag};

/// The answer may come in so many pages.
const MAX_PAGES: usize = 100;

/// A registry's statement about the referrers of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub enum Referrers {
    /// The list of its referrers API, in its order.
    Api(Vec<Descriptor>),
    /// It has no such API; what the tag `sha256-HEX` lists, and what that tag resolves to.
    Tag(Vec<Descriptor>, Digest),
    /// It has neither.
    Nothing,
}

/// The tag under which clients list the referrers of `subject` where a registry does not ("Referrers Tag
/// Schema").
#[must_use]
pub fn fallback_tag(subject: &Digest) -> Tag {
    let tag = format!("sha256-{}", subject.hex());
    tag.parse().unwrap_or_else(|_| unreachable!("letters, digits and a hyphen are a tag"))
}

impl Client {
    /// Lists what refers to `subject` in a repository, all pages of it; only artifacts of one type, if one is named.
    ///
    /// # Errors
    /// When the registry cannot be asked, or its answer is no list of manifests.
    pub fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers, RegistryError> {
        let found = self.list_referrers(&Access::pull(repository), subject, artifact_type)?;
        Ok(self.noted(repository, found))
    }

    /// As [`Client::referrers`], where the same repository is pushed to: one token does for both.
    ///
    /// # Errors
    /// As for [`Client::referrers`].
    pub fn referrers_for_push(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Referrers, RegistryError> {
        let found = self.list_referrers(&Access::push(repository), subject, None)?;
        Ok(self.noted(repository, found))
    }

    /// Whether a repository is known to have the referrers API: it answered in this run.
    #[must_use]
    pub fn lists_referrers(&self, repository: &Repository) -> bool {
        lock(&self.0.listing).contains(repository)
    }

    fn noted(&self, repository: &Repository, found: Referrers) -> Referrers {
        if matches!(found, Referrers::Api(_)) {
            lock(&self.0.listing).insert(repository.clone());
        }
        found
    }

    fn list_referrers(
        &self,
        access: &Access,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers, RegistryError> {
        let host = self.api().host(access.repository.registry())?;
        self.wait(async {
            let _slot = host.document_slot().await;
            let listed = self
                .api()
                .retrying(&host, async || self.api().referrers(&host, access, subject, artifact_type).await)
                .await?;
            if let Some(listed) = listed {
                return Ok(Referrers::Api(listed));
            }
            let tag = fallback_tag(subject);
            let fetch = async || {
                self.api().fetch_document(&host, access, tag.as_str(), None, RequestStep::ListReferrers).await
            };
            match self.api().retrying(&host, fetch).await {
                Ok(document) => {
                    let context = context(
                        &host.registry,
                        RequestStep::ListReferrers,
                        access.repository.path(),
                        tag.as_str(),
                    );
                    let wrong = |source| RegistryError::Document {
                        context: Box::new(context),
                        source: Box::new(source),
                    };
                    let listed = index(&document).map_err(wrong)?;
                    Ok(Referrers::Tag(of_type(listed, artifact_type), document.digest()))
                }
                Err(RegistryError::NotFound { .. }) => Ok(Referrers::Nothing),
                Err(error) => Err(error),
            }
        })
    }
}

fn index(document: &RawDocument) -> Result<Vec<Descriptor>, DocumentError> {
    match document.parse()? {
        ManifestOrIndex::Index(index) => Ok(index.manifests),
        ManifestOrIndex::Manifest(_) => Err(DocumentError::MediaType {
            inside: document.media_type.clone(),
            outside: MediaType::ImageIndex,
        }),
    }
}

impl Api {
    /// The list of the referrers API; `None` if there is no such API. A registry may leave the filter by type out, so
    /// that what it lists is filtered here again.
    async fn referrers(
        &self,
        host: &Host,
        access: &Access,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let path = access.repository.path();
        let context = context(&host.registry, RequestStep::ListReferrers, path, &subject.to_string());
        let mut first = host.url(&format!("/v2/{path}/referrers/{subject}"));
        if let Some(artifact_type) = artifact_type {
            first.query_pairs_mut().append_pair("artifactType", artifact_type);
        }
        let accept = Some(MediaType::ImageIndex.to_string());
        let pages = Pages { api: self, host, access, context, what: "referrers", accept, most: MAX_PAGES };
        let document = |source: DocumentError| RegistryError::Document {
            context: Box::new(pages.context.clone()),
            source: Box::new(source),
        };
        let mut place = PageCursor::first(first);
        let mut found: Vec<Descriptor> = Vec::new();
        while let Some(page) = pages.next(&mut place).await? {
            match page.status() {
                200 if !place.is_first() || is_index(&page) => {}
                // A page for people, or whatever else a server without the API says to everything.
                200 | 400 | 404 | 405 | 406 | 501 if place.is_first() => {
                    page.discard().await;
                    return Ok(None);
                }
                _ => return Err(pages.failure(page).await),
            }
            let body = pages.read(&mut place, page).await?;
            let raw = RawDocument::new(Some(&MediaType::ImageIndex), body).map_err(document)?;
            let entries = index(&raw).map_err(document)?;
            place.note_entries(entries.len());
            found.extend(entries);
            if found.len() > MAX_CHILDREN {
                let (found, limit) = (found.len() as u64, MAX_CHILDREN as u64);
                return Err(document(DocumentError::Limit { what: "referrers", found, limit }));
            }
        }
        Ok(Some(of_type(found, artifact_type)))
    }
}

/// Those of a type, if one is wanted.
fn of_type(mut listed: Vec<Descriptor>, wanted: Option<&str>) -> Vec<Descriptor> {
    listed.retain(|referrer| wanted.is_none_or(|wanted| referrer.artifact_type.as_deref() == Some(wanted)));
    listed
}

fn is_index(response: &Response) -> bool {
    response
        .header("content-type")
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim() == MediaType::ImageIndex.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_the_specifications() {
        let digest = Digest::of(b"");
        assert_eq!(fallback_tag(&digest).as_str(), format!("sha256-{}", digest.hex()));
    }
}
