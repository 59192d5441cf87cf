//! The tags of a repository (distribution specification, "Listing Tags").
//!
//! A list may come in pages, each of which says where the next one is. It never leaves the registry's own host, and is
//! bounded in pages, in tags and in the bytes of a page.

use reqwest::Method;

use super::Client;
use super::auth::Access;
use super::error::{Answer, Context, RegistryError, Step};
use super::http::{Host, Http, Request};
use super::location;
use super::referrers::next_page;
use crate::formats::json::{self, Decode, JsonError, Object, Value};
use crate::oci::MAX_DOCUMENT;
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
        self.http().check_not_blocked(repository.registry(), repository.path())?;
        let access = Access::pull(repository);
        let host = self.http().host(repository.registry())?;
        self.wait(async {
            let _slot = host.document_slot().await;
            self.http().retrying(&host, async || self.http().tags(&host, &access).await).await
        })
    }
}

impl Http {
    async fn tags(&self, host: &Host, access: &Access) -> Result<Vec<Tag>, RegistryError> {
        let path = access.repository.path();
        let context =
            Context { registry: host.registry.clone(), step: Step::ListTags, subject: path.to_owned() };
        let boxed = || Box::new(context.clone());
        let not_a_list = |message: String| {
            let answer = Box::new(Answer { status: 200, message, ..Answer::default() });
            RegistryError::Refused { context: boxed(), answer }
        };
        let mut first = host.url(&format!("/v2/{path}/tags/list"));
        first.set_query(Some(&format!("n={PAGE}")));
        let mut request = Request::new(Method::GET, first);
        let mut found: Vec<Tag> = Vec::new();
        for _ in 0..MAX_PAGES {
            let response = self.send(host, access, &context, request).await?;
            match response.status() {
                200 => {}
                404 => {
                    response.discard().await;
                    return Err(RegistryError::NotFound { context: boxed() });
                }
                _ => return Err(self.failure(host, access, &context, response).await),
            }
            let next = match response.headers("link").find_map(next_page) {
                Some(link) => {
                    let refuse = |why| RegistryError::Location { context: boxed(), why };
                    let target = location::resolve(&host.base, &response.url, link).map_err(refuse)?;
                    if !target.own {
                        return Err(refuse("the list of tags goes on at another host".to_owned()));
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
            let page: Page =
                json::decode(&body).map_err(|error| not_a_list(format!("no list of tags: {error}")))?;
            for tag in page.0 {
                let wrong = |_| not_a_list(format!("a list with `{tag}` in it, which is no tag"));
                found.push(tag.parse().map_err(wrong)?);
            }
            if found.len() > MAX_TAGS {
                return Err(not_a_list(format!("more than {MAX_TAGS} tags")));
            }
            let Some(next) = next else {
                found.sort();
                return Ok(found);
            };
            request = Request::to(Method::GET, &next);
        }
        Err(not_a_list(format!("a list of tags in more than {MAX_PAGES} pages")))
    }
}

/// `{"name": …, "tags": […]}`; without tags, `null` is what some registries say.
struct Page(Vec<String>);

impl Decode for Page {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        let mut page = Object::open(value, &["name", "tags"])?;
        let tags = page.take_or_default("tags")?;
        page.finish()?;
        Ok(Self(tags))
    }

    fn wanted() -> String {
        "a list of tags".to_owned()
    }
}
