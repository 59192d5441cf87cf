//! Referrers: manifests that name another one as their `subject`, such as signatures, SBOMs and attestations
//! (distribution specification 1.1, "Listing Referrers").
//!
//! A registry lists them by its referrers API. One that has none is asked for the tag `sha256-HEX`, an index
//! that clients keep in its place. Both are lists that somebody else wrote: what they link to is checked by
//! whoever fetches it.

use reqwest::Method;
use reqwest::header::ACCEPT;

use super::Client;
use super::auth::Access;
use super::error::{RegistryError, Step};
use super::http::{Host, Http, Request, Response, context};
use super::location;
use crate::oci::{
    Descriptor, DocumentError, MAX_CHILDREN, MAX_DOCUMENT, ManifestOrIndex, MediaType, RawDocument,
};
use crate::types::digest::Digest;
use crate::types::reference::{Repository, Tag};

/// The answer may come in so many pages.
const MAX_PAGES: usize = 100;

/// What a registry says about the referrers of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub enum Referrers {
    /// What its referrers API lists, in its order.
    Api(Vec<Descriptor>),
    /// It has no such API; what the tag `sha256-HEX` lists.
    Tag(Vec<Descriptor>),
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
    /// Lists what refers to `subject` in a repository, all pages of it.
    ///
    /// # Errors
    /// When the registry cannot be asked, or its answer is no list of manifests.
    pub fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Referrers, RegistryError> {
        self.list_referrers(&Access::pull(repository), subject)
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
        self.list_referrers(&Access::push(repository), subject)
    }

    fn list_referrers(&self, access: &Access, subject: &Digest) -> Result<Referrers, RegistryError> {
        let host = self.http().host(access.repository.registry())?;
        self.wait(async {
            let _slot = host.document_slot().await;
            let listed = self
                .http()
                .retrying(&host, async || self.http().referrers(&host, access, subject).await)
                .await?;
            if let Some(listed) = listed {
                return Ok(Referrers::Api(listed));
            }
            let tag = fallback_tag(subject);
            let fetch = async || {
                self.http().fetch_document(&host, access, tag.as_str(), None, Step::ListReferrers).await
            };
            match self.http().retrying(&host, fetch).await {
                Ok(document) => {
                    let context =
                        context(&host.registry, Step::ListReferrers, access.repository.path(), tag.as_str());
                    let wrong = |source| RegistryError::Document {
                        context: Box::new(context),
                        source: Box::new(source),
                    };
                    index(&document).map(Referrers::Tag).map_err(wrong)
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

impl Http {
    /// What the referrers API lists; `None` where there is no such API.
    async fn referrers(
        &self,
        host: &Host,
        access: &Access,
        subject: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let path = access.repository.path();
        let context = context(&host.registry, Step::ListReferrers, path, &subject.to_string());
        let boxed = || Box::new(context.clone());
        let document =
            |source: DocumentError| RegistryError::Document { context: boxed(), source: Box::new(source) };
        let first = host.url(&format!("/v2/{path}/referrers/{subject}"));
        let mut request = Request::new(Method::GET, first);
        let mut found: Vec<Descriptor> = Vec::new();
        for page in 0..MAX_PAGES {
            let accept = MediaType::ImageIndex.to_string();
            let response = self.send(host, access, &context, request.header(ACCEPT, &accept)).await?;
            match response.status() {
                200 if page > 0 || is_index(&response) => {}
                // A page for people, or whatever else a server without the API says to everything.
                200 | 400 | 404 | 405 | 406 | 501 if page == 0 => {
                    response.discard().await;
                    return Ok(None);
                }
                _ => return Err(self.failure(host, access, &context, response).await),
            }
            let next = match response.headers("link").find_map(next_page) {
                Some(link) => {
                    let refuse = |why| RegistryError::Location { context: boxed(), why };
                    let target = location::resolve(&host.base, &response.url, link).map_err(refuse)?;
                    if !target.own {
                        return Err(refuse("the list of referrers goes on at another host".to_owned()));
                    }
                    Some(target)
                }
                None => None,
            };
            let body = response.body(MAX_DOCUMENT).await.map_err(|fault| RegistryError::NoAnswer {
                context: boxed(),
                fault,
                reached_before: true,
            })?;
            let body =
                body.ok_or_else(|| RegistryError::TooLarge { context: boxed(), limit: MAX_DOCUMENT })?;
            let raw = RawDocument::new(Some(&MediaType::ImageIndex), body).map_err(document)?;
            found.extend(index(&raw).map_err(document)?);
            if found.len() > MAX_CHILDREN {
                let (found, limit) = (found.len() as u64, MAX_CHILDREN as u64);
                return Err(document(DocumentError::Limit { what: "referrers", found, limit }));
            }
            let Some(next) = next else { return Ok(Some(found)) };
            request = Request::to(Method::GET, &next);
        }
        let (found, limit) = (MAX_PAGES as u64 + 1, MAX_PAGES as u64);
        Err(document(DocumentError::Limit { what: "pages of referrers", found, limit }))
    }
}

fn is_index(response: &Response) -> bool {
    response
        .header("content-type")
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim() == MediaType::ImageIndex.to_string())
}

/// The address in `<address>; rel="next"` (RFC 8288).
pub(super) fn next_page(header: &str) -> Option<&str> {
    let (address, parameters) = header.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = |parameter: &str| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"') == "next"
        })
    };
    parameters.split(';').any(is_next).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_next_page() {
        assert_eq!(next_page("</v2/a/referrers/x?n=2>; rel=\"next\""), Some("/v2/a/referrers/x?n=2"));
        assert_eq!(next_page("<u>;title=x; REL=next"), Some("u"));
        for other in ["<u>; rel=\"prev\"", "u; rel=next", "<u", "<u>", ""] {
            assert_eq!(next_page(other), None, "{other}");
        }
    }

    #[test]
    fn the_tag_is_the_specifications() {
        let digest = Digest::of(b"");
        assert_eq!(fallback_tag(&digest).as_str(), format!("sha256-{}", digest.hex()));
    }
}
