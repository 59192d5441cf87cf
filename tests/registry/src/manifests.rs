//! Manifests, tags and referrers: end-3, end-7, end-8, end-9, end-12.

use serde_json::{Value, json};

use super::content::Document;
use super::message::{Reply, Request};
use super::server::State;
use crate::digest::Digest;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn unknown() -> Reply {
    Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown")
}

fn digests<'a>(list: &'a Value) -> impl Iterator<Item = Digest> + 'a {
    list.as_array().into_iter().flatten().filter_map(|link| link["digest"].as_str()?.parse().ok())
}

/// Whether a tag may be called so, by the specification's pattern.
fn is_tag(name: &str) -> bool {
    let bytes = name.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    bytes.len() <= 128
        && bytes.first().is_some_and(is_word)
        && bytes.iter().all(|byte| is_word(byte) || b".-".contains(byte))
}

impl State {
    pub(super) fn get_manifest(&self, request: &Request) -> Reply {
        let Some((repository, name)) = request.split("/manifests/") else { return unknown() };
        if request.is("HEAD") && !self.quirks.heads_manifests {
            return Reply::error(405, "UNSUPPORTED", "no HEAD");
        }
        let content = self.content.at(request.replica);
        let digest = name.parse().ok().or_else(|| content.tag(&repository, &name));
        let found = digest.and_then(|digest| Some((digest, content.manifest(&repository, &digest)?)));
        let Some((digest, document)) = found else { return unknown() };
        let reply =
            Reply::new(200).header("Content-Type", document.media_type.clone()).body(document.bytes.to_vec());
        if self.quirks.names_digests {
            reply.header("Docker-Content-Digest", digest.to_string())
        } else {
            reply
        }
    }

    pub(super) fn put_manifest(&mut self, request: &Request) -> Reply {
        let Some((repository, name)) = request.split("/manifests/") else {
            return Reply::error(400, "NAME_INVALID", "invalid repository name");
        };
        let digest = Digest::of(&request.body);
        let is_digest = name.contains(':');
        if is_digest && name.parse().ok() != Some(digest) {
            return Reply::error(400, "DIGEST_INVALID", "other bytes");
        }
        if !is_digest && !is_tag(&name) {
            return Reply::error(400, "TAG_INVALID", "no valid tag");
        }
        let Ok(json) = serde_json::from_slice::<Value>(&request.body) else {
            return Reply::error(400, "MANIFEST_INVALID", "no JSON");
        };
        if let Some(refused) = self.refuse_links(request, &repository, &json) {
            return refused;
        }
        let content = self.content.at(request.replica);
        if let Some((status, code, why)) = self.quirks.immutable
            && content.tag(&repository, &name).is_some()
        {
            return Reply::error(status, code, why);
        }
        if self.quirks.conditional
            && request.header("if-none-match") == Some("*")
            && content.tag(&repository, &name).is_some()
        {
            return Reply::error(412, "MANIFEST_INVALID", "precondition failed");
        }
        let media_type = request.header("content-type").unwrap_or_default().to_owned();
        let document = Document { media_type, bytes: request.body.as_slice().into() };
        let owner = repository.clone();
        self.content.change(request.replica, move |content| {
            content.put_manifest(&owner, digest, document.clone());
            if !is_digest {
                content.put_tag(&owner, &name, digest);
            }
        });
        let mut reply = Reply::new(201).header("Location", format!("/v2/{repository}/manifests/{digest}"));
        if self.quirks.names_digests {
            reply.set("Docker-Content-Digest", Some(&digest.to_string()));
        }
        if let Some(subject) = json["subject"]["digest"].as_str().filter(|_| !self.quirks.hides_referrers) {
            reply.set("OCI-Subject", Some(subject));
        }
        reply
    }

    /// The error that a manifest gets for what it names and is not there.
    fn refuse_links(&self, request: &Request, repository: &str, json: &Value) -> Option<Reply> {
        let content = self.content.at(request.replica);
        let config = json["config"]["digest"].as_str().and_then(|digest| digest.parse().ok());
        let blob =
            digests(&json["layers"]).chain(config).find(|digest| content.blob(repository, digest).is_none());
        if let Some(blob) = blob {
            return Some(Reply::error(400, "MANIFEST_BLOB_UNKNOWN", &format!("blob unknown: {blob}")));
        }
        let mut children = digests(&json["manifests"]);
        let child = children.find(|digest| content.manifest(repository, digest).is_none())?;
        if self.quirks.calls_manifests_blobs {
            let (code, message) = ("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry");
            let error = json!({ "code": code, "message": message, "detail": child.to_string() });
            return Some(Reply::new(400).body(json!({ "errors": [error] }).to_string()));
        }
        Some(Reply::error(400, "MANIFEST_UNKNOWN", &format!("manifest unknown: {child}")))
    }

    pub(super) fn delete_manifest(&mut self, request: &Request) -> Reply {
        let Some((repository, name)) = request.split("/manifests/") else { return unknown() };
        let content = self.content.at(request.replica);
        let digest = name.parse::<Digest>().ok();
        let found = match &digest {
            Some(digest) => content.manifest(&repository, digest).is_some(),
            None => content.tag(&repository, &name).is_some(),
        };
        self.content.change(request.replica, move |content| {
            match &digest {
                Some(digest) => content.delete_manifest(&repository, digest),
                None => content.delete_tag(&repository, &name),
            };
        });
        if found { Reply::new(202) } else { unknown() }
    }

    pub(super) fn tags(&self, request: &Request) -> Reply {
        let Some((repository, _)) = request.split("/tags/list") else { return unknown() };
        let content = self.content.at(request.replica);
        if !content.knows(&repository) {
            return Reply::error(404, "NAME_UNKNOWN", "repository name not known");
        }
        let mut tags = content.tags(&repository);
        if let Some(last) = request.query("last") {
            tags.retain(|tag| tag.as_str() > last);
        }
        let limit = request.query("n").and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
        let is_cut = tags.len() > limit;
        tags.truncate(limit);
        let body = json!({ "name": repository, "tags": tags }).to_string();
        let reply = Reply::new(200).header("Content-Type", "application/json").body(body);
        match tags.last() {
            Some(last) if is_cut => {
                let next = format!("</v2/{repository}/tags/list?n={limit}&last={last}>; rel=\"next\"");
                reply.header("Link", next)
            }
            _ => reply,
        }
    }

    pub(super) fn referrers(&self, request: &Request) -> Reply {
        let Some((repository, subject)) = request.split("/referrers/") else { return unknown() };
        if self.quirks.hides_referrers {
            return Reply::error(404, "NOT_FOUND", "no such page");
        }
        if subject.parse::<Digest>().is_err() {
            return Reply::error(400, "DIGEST_INVALID", "no digest");
        }
        let wanted = request.query("artifactType");
        let mut found = Vec::new();
        for (digest, document) in self.content.at(request.replica).manifests(&repository) {
            let Ok(json) = serde_json::from_slice::<Value>(&document.bytes) else { continue };
            if json["subject"]["digest"].as_str() != Some(&subject) {
                continue;
            }
            let kind = json["artifactType"].as_str().or_else(|| json["config"]["mediaType"].as_str());
            if wanted.is_none_or(|wanted| kind == Some(wanted)) {
                found.push(json!({
                    "mediaType": document.media_type,
                    "digest": digest.to_string(),
                    "size": document.bytes.len(),
                    "artifactType": kind,
                    "annotations": json["annotations"],
                }));
            }
        }
        let body = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": found }).to_string();
        let reply = Reply::new(200).header("Content-Type", INDEX).body(body);
        if wanted.is_some() { reply.header("OCI-Filters-Applied", "artifactType") } else { reply }
    }
}
