//! Lists that come in pages, each of which says where the next one is (RFC 8288, "Web Linking").
//!
//! A list never leaves the registry's own host, and is bounded in pages and in the bytes of a page.

use reqwest::Method;
use reqwest::header::ACCEPT;
use url::Url;

use super::super::auth::access::Access;
use super::super::wire::answer::Answer;
use super::super::wire::context::Context;
use super::super::wire::error::RegistryError;
use super::super::wire::host::Host;
use super::super::wire::location;
use super::super::wire::request::Request;
use super::super::wire::response::Response;
use super::api::Api;
use crate::oci::MAX_DOCUMENT;

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
pub(super) struct Place {
    request: Option<Request>,
    pages: usize,
}

impl Place {
    /// The beginning of the list at `first`.
    pub(super) fn first(first: Url) -> Self {
        Self { request: Some(Request::new(Method::GET, first)), pages: 0 }
    }

    /// Whether no page was read yet.
    pub(super) const fn is_first(&self) -> bool {
        self.pages == 0
    }
}

impl Pages<'_> {
    /// The answer with the next page, whatever its status; `None` at the end of the list.
    pub(super) async fn next(&self, place: &mut Place) -> Result<Option<Response>, RegistryError> {
        let Some(mut request) = place.request.take() else { return Ok(None) };
        if place.pages == self.most {
            let message = format!("more than {} pages of {}", self.most, self.what);
            return Err(self.not_a_list(message));
        }
        if let Some(accept) = &self.accept {
            request = request.header(ACCEPT, accept);
        }
        self.api.send(self.host, self.access, &self.context, request).await.map(Some)
    }

    /// The body of a page, once its status is found to be good; notes where the list goes on.
    pub(super) async fn read(&self, place: &mut Place, page: Response) -> Result<Vec<u8>, RegistryError> {
        let boxed = || Box::new(self.context.clone());
        if let Some(link) = page.headers("link").find_map(next_page) {
            let refuse = |why| RegistryError::Location { context: boxed(), why };
            let target = location::resolve(&self.host.base, &page.url, link).map_err(refuse)?;
            if !target.own {
                return Err(refuse(format!("the list of {} goes on at another host", self.what)));
            }
            place.request = Some(Request::to(Method::GET, &target));
        }
        place.pages += 1;
        let broken = |fault| RegistryError::NoAnswer { context: boxed(), fault, reached_before: true };
        let body = page.body(MAX_DOCUMENT).await.map_err(broken)?;
        body.ok_or_else(|| RegistryError::TooLarge { context: boxed(), limit: MAX_DOCUMENT })
    }

    /// The error for an answer of status 200 that is no list.
    pub(super) fn not_a_list(&self, message: String) -> RegistryError {
        let answer = Box::new(Answer { status: 200, message, ..Answer::default() });
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
