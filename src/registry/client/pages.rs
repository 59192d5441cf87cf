//! Lists that come in pages, each of which says where the next one is (RFC 8288, "Web Linking").
//!
//! A list never leaves the registry's own host, asks for no page twice, and is bounded in pages, in bytes and in time.
//! Pages and time are bounded by the entries, too: a list whose pages are empty, or nearly so, ends soon.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::ACCEPT;
use url::Url;

use super::super::auth::access::Access;
use super::super::wire::answer::ErrorAnswer;
use super::super::wire::context::Context;
use super::super::wire::error::RegistryError;
use super::super::wire::fault::Fault;
use super::super::wire::host::Host;
use super::super::wire::location;
use super::super::wire::request::HttpRequest;
use super::super::wire::response::Response;
use super::api::Api;
use crate::oci::MAX_DOCUMENT;
use crate::types::digest::Digest;

/// All pages of a list may have so many bytes: entries may be few and long.
const MAX_LIST: u64 = 4 * MAX_DOCUMENT;
/// A list may take so many times as long as one document, whatever it has.
const MAX_TIMES: u32 = 10;
/// A list may take as long as one document, and so long for each entry: registries with pages of 100 entries need less.
const TIME_OF_AN_ENTRY: Duration = Duration::from_millis(20);
/// A list may have so many pages, and one more for each [`ENTRIES_OF_A_PAGE`].
const FREE_PAGES: usize = 16;
/// The fewest entries of a page, on average. The registries that are known have pages of 50 at least.
const ENTRIES_OF_A_PAGE: usize = 20;

/// A list on its way.
pub(super) struct Pages<'a> {
    pub(super) api: &'a Api,
    pub(super) host: &'a Host,
    pub(super) access: &'a Access,
    pub(super) context: Context,
    /// The listed things, for messages.
    pub(super) what: &'static str,
    /// The media type of a page, where the registry is to be asked for one.
    pub(super) accept: Option<String>,
    /// So many pages are read.
    pub(super) most: usize,
}

/// Where a list goes on, and how many pages of it were read.
pub(super) struct PageCursor {
    request: Option<HttpRequest>,
    pages: usize,
    entries: usize,
    bytes: u64,
    /// The addresses of the pages that were asked for.
    asked: BTreeSet<Digest>,
    /// When the first page was asked for.
    begun: Option<Instant>,
}

impl PageCursor {
    /// The beginning of the list at `first`.
    pub(super) fn first(first: Url) -> Self {
        let request = Some(HttpRequest::new(Method::GET, first));
        Self { request, pages: 0, entries: 0, bytes: 0, asked: BTreeSet::new(), begun: None }
    }

    /// Notes that a page had so many entries.
    pub(super) const fn note_entries(&mut self, count: usize) {
        self.entries = self.entries.saturating_add(count);
    }

    /// Whether no page was read yet.
    pub(super) const fn is_first(&self) -> bool {
        self.pages == 0
    }
}

impl Pages<'_> {
    /// The answer with the next page, whatever its status; `None` at the end of the list.
    pub(super) async fn next(&self, place: &mut PageCursor) -> Result<Option<Response>, RegistryError> {
        let Some(mut request) = place.request.take() else { return Ok(None) };
        if place.pages == self.most {
            let message = format!("more than {} pages of {}", self.most, self.what);
            return Err(self.not_a_list(message));
        }
        let PageCursor { pages, entries, .. } = *place;
        if pages >= FREE_PAGES + entries / ENTRIES_OF_A_PAGE {
            let what = self.what;
            return Err(
                self.not_a_list(format!("{pages} pages of {what} with {entries} {what} in all, and no end"))
            );
        }
        if !place.asked.insert(Digest::of(request.url.as_str().as_bytes())) {
            return Err(self.not_a_list(format!("a list of {} that goes round in a circle", self.what)));
        }
        let settings = self.api.wire_settings();
        let now = settings.clock.now();
        let of_a_document = settings.timeouts.document;
        let of_entries = TIME_OF_AN_ENTRY.saturating_mul(u32::try_from(entries).unwrap_or(u32::MAX));
        let limit = of_a_document.saturating_add(of_entries).min(of_a_document.saturating_mul(MAX_TIMES));
        let took = now.saturating_duration_since(*place.begun.get_or_insert(now));
        if pages > 0 && took >= limit {
            return Err(self.broken(Fault::Endless(self.what)));
        }
        if let Some(accept) = &self.accept {
            request = request.header(ACCEPT, accept);
        }
        self.api.send(self.host, self.access, &self.context, request).await.map(Some)
    }

    /// The body of a page, once its status is found to be good; notes where the list goes on.
    pub(super) async fn read(
        &self,
        place: &mut PageCursor,
        page: Response,
    ) -> Result<Vec<u8>, RegistryError> {
        let boxed = || Box::new(self.context.clone());
        if let Some(link) = page.headers("link").find_map(next_page) {
            let refuse = |why| RegistryError::Location { context: boxed(), why };
            let target = location::resolve(&self.host.base, &page.url, link).map_err(refuse)?;
            if !target.own {
                return Err(refuse(format!("the list of {} goes on at another host", self.what)));
            }
            place.request = Some(HttpRequest::to(Method::GET, &target));
        }
        place.pages += 1;
        let too_large = |limit| RegistryError::TooLarge { context: boxed(), limit };
        let body = page.body(MAX_DOCUMENT).await.map_err(|fault| self.broken(fault))?;
        let body = body.ok_or_else(|| too_large(MAX_DOCUMENT))?;
        place.bytes += body.len() as u64;
        if place.bytes > MAX_LIST { Err(too_large(MAX_LIST)) } else { Ok(body) }
    }

    fn broken(&self, fault: Fault) -> RegistryError {
        RegistryError::NoAnswer { context: Box::new(self.context.clone()), fault, reached_before: true }
    }

    /// The error for an answer of status 200 that is no list.
    pub(super) fn not_a_list(&self, message: String) -> RegistryError {
        let answer = Box::new(ErrorAnswer { status: 200, message, ..ErrorAnswer::default() });
        RegistryError::Refused { context: Box::new(self.context.clone()), answer }
    }

    /// The error for an answer of another status.
    pub(super) async fn failure(&self, page: Response) -> RegistryError {
        self.api.failure(self.host, self.access, &self.context, page).await
    }
}

/// The address in `<address>; rel="next"`.
fn next_page(header: &str) -> Option<&str> {
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
}
