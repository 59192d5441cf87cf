//! The tags of a repository (distribution specification, "Listing Tags").
//!
//! A list may come in pages, each of which says where the next one is. It never leaves the registry's own host, and is
//! bounded in pages, in tags and in the bytes of a page.

use super::super::auth::access::Access;
use super::super::wire::context::{Context, RequestStep};
use super::super::wire::error::RegistryError;
use super::super::wire::host::Host;
use super::api::Api;
use super::handle::Client;
use super::pages::{PageCursor, Pages};
use crate::formats::json::{self, FromJson, JsonError, JsonValue, Object};
use crate::types::reference::{Repository, Tag};

/// Tags to ask for in one page.
const PAGE: usize = 1000;
/// The answer may come in so many pages.
const MAX_PAGES: usize = 1000;
/// A repository may have so many tags.
const MAX_TAGS: usize = 100_000;

impl Client {
    /// Lists the tags of a repository in lexical order, as the specification has it and not every registry.
    ///
    /// # Errors
    /// When there is no such repository, the registry cannot be asked, or its answer is no list of tags.
    pub fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, RegistryError> {
        self.api().wire().routes.check_not_blocked(repository.registry(), repository.path())?;
        self.list_tags(&Access::pull(repository))
    }

    /// As [`Client::tags`], where the same repository is pushed to: one token does for both.
    ///
    /// # Errors
    /// As for [`Client::tags`].
    pub fn tags_for_push(&self, repository: &Repository) -> Result<Vec<Tag>, RegistryError> {
        self.list_tags(&Access::push(repository))
    }

    fn list_tags(&self, access: &Access) -> Result<Vec<Tag>, RegistryError> {
        let repository = &access.repository;
        let host = self.api().host(repository.registry())?;
        self.wait(async {
            let _slot = host.document_slot().await;
            self.api().retrying(&host, async || self.api().tags(&host, access).await).await
        })
    }
}

impl Api {
    async fn tags(&self, host: &Host, access: &Access) -> Result<Vec<Tag>, RegistryError> {
        let path = access.repository.path();
        let context = Context {
            registry: host.registry.clone(),
            step: RequestStep::ListTags,
            subject: path.to_owned(),
        };
        let mut first = host.url(&format!("/v2/{path}/tags/list"));
        first.set_query(Some(&format!("n={PAGE}")));
        let pages = Pages { api: self, host, access, context, what: "tags", accept: None, most: MAX_PAGES };
        let mut place = PageCursor::first(first);
        let mut found: Vec<Tag> = Vec::new();
        while let Some(page) = pages.next(&mut place).await? {
            match page.status() {
                200 => {}
                404 => {
                    page.discard().await;
                    return Err(RegistryError::NotFound { context: Box::new(pages.context) });
                }
                _ => return Err(pages.failure(page).await),
            }
            let body = pages.read(&mut place, page).await?;
            let page: TagPage =
                json::decode(&body).map_err(|error| pages.not_a_list(format!("no list of tags: {error}")))?;
            place.note_entries(page.0.len());
            for tag in page.0 {
                let wrong = |_| pages.not_a_list(format!("a list with `{tag}` in it, which is not a tag"));
                found.push(tag.parse().map_err(wrong)?);
            }
            if found.len() > MAX_TAGS {
                return Err(pages.not_a_list(format!("more than {MAX_TAGS} tags")));
            }
        }
        found.sort();
        Ok(found)
    }
}

/// `{"name": …, "tags": […]}`; without tags, `null` is what some registries say.
struct TagPage(Vec<String>);

impl FromJson for TagPage {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut page = Object::open(value, &["name", "tags"])?;
        let tags = page.take_or_default("tags")?;
        page.finish()?;
        Ok(Self(tags))
    }

    fn wanted() -> String {
        "a list of tags".to_owned()
    }
}
