//! Uploads: end-4, end-5, end-6, end-11, end-13, and giving one up.

use super::content::Session;
use super::message::{Reply, Request};
use super::quirks::{Mount, Place};
use super::server::State;
use crate::digest::Digest;

fn unknown() -> Reply {
    Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown")
}

fn created(repository: &str, digest: &Digest) -> Reply {
    Reply::new(201)
        .header("Location", format!("/v2/{repository}/blobs/{digest}"))
        .header("Docker-Content-Digest", digest.to_string())
}

/// `0-LAST`; nothing at all looks like one byte, as everywhere.
fn range(length: usize) -> String {
    format!("0-{}", length.saturating_sub(1))
}

impl State {
    pub(super) fn mount(&mut self, request: &Request) -> Reply {
        let Some((repository, _)) = request.split("/blobs/uploads/") else { return Reply::new(404) };
        let digest: Option<Digest> = request.query("mount").and_then(|text| text.parse().ok());
        let found = digest.and_then(|digest| {
            let content = self.content.at(request.replica);
            let from = request.query("from");
            // Without `from` it may be taken from anywhere (end-11).
            let bytes =
                from.map_or_else(|| content.blob_anywhere(&digest), |from| content.blob(from, &digest));
            Some((digest, bytes?.clone()))
        });
        match (self.quirks.mount, found) {
            (Mount::Refused(status), _) | (Mount::DoneOr(status), None) => {
                Reply::error(status, "UNSUPPORTED", "cannot mount")
            }
            (Mount::Declined, _) | (Mount::Done, None) => self.open(request),
            (Mount::Done | Mount::DoneOr(_), Some((digest, bytes))) => {
                let owner = repository.clone();
                self.content.change(request.replica, move |content| {
                    content.put_blob(&owner, digest, bytes.clone());
                });
                created(&repository, &digest)
            }
        }
    }

    /// A session; or with a digest and all bytes, the blob (end-4b).
    pub(super) fn open(&mut self, request: &Request) -> Reply {
        let Some((repository, _)) = request.split("/blobs/uploads/") else {
            return Reply::error(400, "NAME_INVALID", "invalid repository name");
        };
        if request.query("digest").is_some() && request.query("mount").is_none() {
            return self.commit(request, &repository, request.body.clone());
        }
        self.next += 1;
        let id = format!("session-{}", self.next);
        let session = Session { repository, ..Session::default() };
        let mut reply = Reply::new(202).header("Location", self.place(request, &id, &session));
        reply.set("Range", Some(&range(0)));
        reply.set("Docker-Upload-UUID", Some(&id));
        if let Some(minimum) = self.quirks.chunk_minimum {
            reply.set("OCI-Chunk-Min-Length", Some(&minimum.to_string()));
        }
        self.content.at_mut(request.replica).sessions.insert(id, session);
        reply
    }

    fn place(&self, request: &Request, id: &str, session: &Session) -> String {
        let repository = &session.repository;
        let path = format!("/v2/{repository}/blobs/uploads/{id}");
        let own = request.header("host").unwrap_or_default();
        match self.quirks.place {
            Place::Path => path,
            Place::Address => format!("http://{own}{path}"),
            Place::Relative if request.is("POST") => format!("{id}?_nocache=false"),
            Place::Relative => format!("../uploads/{id}?_nocache=false"),
            Place::State => format!("{path}?_state=s%2B{}%3D&x", session.pieces),
            Place::Singular => format!("/v2/{repository}/blobs/upload/{id}"),
            Place::Elsewhere => format!("http://{}{path}?sig=a%2Bb", self.foreign),
        }
    }

    /// The session that a request is for, taken out.
    fn take(&mut self, request: &Request) -> Option<(String, Session)> {
        let part =
            if request.path.contains("/blobs/uploads/") { "/blobs/uploads/" } else { "/blobs/upload/" };
        let (repository, id) = request.split(part)?;
        let sessions = &mut self.content.at_mut(request.replica).sessions;
        let is_right = sessions.get(&id).is_some_and(|session| session.repository == repository);
        let session = if is_right { sessions.remove(&id)? } else { return None };
        Some((id, session))
    }

    fn keep(&mut self, request: &Request, id: String, session: Session, status: u16) -> Reply {
        let length = if self.quirks.stuck_range { session.first } else { session.bytes.len() };
        let reply = Reply::new(status)
            .header("Location", self.place(request, &id, &session))
            .header("Docker-Upload-UUID", id.clone())
            .header("Range", range(length));
        self.content.at_mut(request.replica).sessions.insert(id, session);
        reply
    }

    pub(super) fn session(&mut self, request: &Request) -> Reply {
        let Some((id, mut session)) = self.take(request) else { return unknown() };
        if self.quirks.place == Place::State {
            let state = format!("s+{}=", session.pieces);
            if request.query("_state") != Some(state.as_str()) {
                self.keep(request, id, session, 204);
                return Reply::error(404, "BLOB_UPLOAD_INVALID", "invalid state");
            }
        }
        if request.is("DELETE") {
            return Reply::new(204);
        }
        if request.is("GET") {
            return self.keep(request, id, session, 204);
        }
        let is_last = request.is("PUT");
        if let Some(refused) = self.refuse_piece(request, &session, is_last) {
            let mut reply = self.keep(request, id, session, refused.status);
            reply.headers.extend(refused.headers);
            return reply.body(refused.body);
        }
        session.bytes.extend(&request.body);
        session.pieces += 1;
        session.latest = request.body.len();
        if session.pieces == 1 {
            session.first = session.bytes.len();
        }
        if is_last {
            return self.commit(request, &session.repository, session.bytes);
        }
        self.keep(request, id, session, self.quirks.patched)
    }

    /// Why a piece is not taken.
    fn refuse_piece(&self, request: &Request, session: &Session, is_last: bool) -> Option<Reply> {
        let (quirks, length) = (&self.quirks, request.body.len());
        if let Some((status, code)) = quirks.refuses_whole.filter(|_| is_last && length > 0) {
            return Some(Reply::error(status, code, "no such way to upload"));
        }
        // Only the last may be shorter, and that it is the last shows when another comes.
        let is_short = |minimum| session.pieces > 0 && session.latest < minimum;
        if quirks.chunk_minimum.is_some_and(is_short) && length > 0 {
            return Some(Reply::error(416, "SIZE_INVALID", "the piece before was too short"));
        }
        let (first, last) = request.header("content-range")?.split_once('-')?;
        let numbers = first.parse::<usize>().ok().zip(last.parse::<usize>().ok());
        let Some((first, last)) = numbers else {
            return Some(Reply::error(400, "BLOB_UPLOAD_INVALID", "no range"));
        };
        if quirks.refuses_ranges {
            return Some(Reply::error(405, "UNSUPPORTED", "chunked uploads are not supported"));
        }
        if first != session.bytes.len() {
            return Some(Reply::error(416, "RANGE_INVALID", "out of order"));
        }
        if last + 1 - first.min(last) != length {
            return Some(Reply::error(400, "SIZE_INVALID", "the range is not the body's"));
        }
        let is_too_long = quirks.range_limit.is_some_and(|limit| length > limit);
        is_too_long
            .then(|| Reply::error(416, "REQUESTED_RANGE_NOT_SATISFIABLE", "the request body is too large"))
    }

    fn commit(&mut self, request: &Request, repository: &str, bytes: Vec<u8>) -> Reply {
        let digest = Digest::of(&bytes);
        if request.digest() != Some(digest) {
            return Reply::error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        }
        let (owner, bytes) = (repository.to_owned(), bytes.into());
        self.content.change(request.replica, move |content| {
            content.put_blob(&owner, digest, std::sync::Arc::clone(&bytes));
        });
        *self.commits.entry(digest).or_default() += 1;
        if std::mem::take(&mut self.quirks.forgets_first) {
            return unknown();
        }
        let mut reply = created(repository, &digest);
        if !self.quirks.names_digests {
            reply.set("Docker-Content-Digest", None);
        }
        reply
    }
}
