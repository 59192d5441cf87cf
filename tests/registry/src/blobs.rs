//! Blobs as they are asked for: end-2, end-10.

use super::message::{Reply, Request};
use super::server::State;
use crate::digest::Digest;

fn unknown() -> Reply {
    Reply::error(404, "BLOB_UNKNOWN", "blob unknown")
}

impl State {
    pub(super) fn get_blob(&self, request: &Request, foreign: &str) -> Reply {
        let Some((repository, name)) = request.split("/blobs/") else { return unknown() };
        let Ok(digest) = name.parse::<Digest>() else {
            return Reply::error(400, "DIGEST_INVALID", "no digest");
        };
        let Some(bytes) = self.content.at(request.replica).blob(&repository, &digest) else {
            return unknown();
        };
        if self.quirks.redirects && request.is("GET") {
            return Reply::new(307).header("Location", format!("http://{foreign}/cdn/{digest}?sig=a%2Bb%3D"));
        }
        let reply = ranged(request, bytes);
        if self.quirks.names_digests {
            reply.header("Docker-Content-Digest", digest.to_string())
        } else {
            reply
        }
    }

    pub(super) fn delete_blob(&mut self, request: &Request) -> Reply {
        let named = request.split("/blobs/").and_then(|(owner, name)| Some((owner, name.parse().ok()?)));
        let Some((repository, digest)) = named else { return unknown() };
        let found = self.content.at(request.replica).blob(&repository, &digest).is_some();
        self.content.change(request.replica, move |content| {
            content.delete_blob(&repository, &digest);
        });
        if found { Reply::new(202) } else { unknown() }
    }

    /// A blob at the other host, which knows of addresses and not of logins.
    pub(super) fn cdn(&self, request: &Request) -> Reply {
        if request.header("authorization").is_some() {
            return Reply::new(400).body("Authentication information is not given in the correct format");
        }
        let digest: Option<Digest> = request.path.strip_prefix("/cdn/").and_then(|text| text.parse().ok());
        let found = digest.and_then(|digest| self.content.at(request.replica).blob_anywhere(&digest));
        found.map_or_else(|| Reply::new(403), |bytes| ranged(request, bytes))
    }
}

/// All bytes, or those that `Range` asks for (RFC 9110, 14.2; one range).
fn ranged(request: &Request, bytes: &[u8]) -> Reply {
    let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let Some((first, last)) = range else {
        return Reply::new(200).header("Content-Type", "application/octet-stream").body(bytes);
    };
    let end = bytes.len().saturating_sub(1);
    let (first, last) = (first.parse().unwrap_or(usize::MAX), last.parse().unwrap_or(end).min(end));
    if first > last || bytes.is_empty() {
        return Reply::new(416).header("Content-Range", format!("bytes */{}", bytes.len()));
    }
    Reply::new(206)
        .header("Content-Type", "application/octet-stream")
        .header("Content-Range", format!("bytes {first}-{last}/{}", bytes.len()))
        .body(&bytes[first..=last])
}
