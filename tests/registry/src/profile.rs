//! Well-known registries, each with what it is known to do differently.
//!
//! Every profile names where that was reported. They are caricatures: a quirk that came and went with a
//! version, or shows now and then, is there all the time.

use std::time::Duration;

use super::auth::Auth;
use super::quirks::{Mount, Place, Quirks};

/// A well-known registry.
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// Its differences.
    pub quirks: fn() -> Quirks,
    /// How it wants to be asked; given host and port of the other host.
    pub auth: fn(&str) -> Auth,
}

fn login() -> Option<(String, String)> {
    Some(("alice".to_owned(), "hunter2".to_owned()))
}

fn bearer(_: &str) -> Auth {
    Auth { bearer: true, login: login(), ..Auth::default() }
}

fn basic(_: &str) -> Auth {
    Auth { login: login(), ..Auth::default() }
}

/// All of them.
pub const PROFILES: [Profile; 11] = [
    Profile { name: "GHCR", quirks: ghcr, auth: bearer },
    Profile { name: "GAR", quirks: gar, auth: bearer },
    Profile { name: "ECR", quirks: ecr, auth: basic },
    Profile { name: "Docker Hub", quirks: docker_hub, auth: docker_hub_auth },
    Profile { name: "Quay", quirks: quay, auth: bearer },
    Profile { name: "Harbor", quirks: harbor, auth: bearer },
    Profile { name: "ACR", quirks: acr, auth: bearer },
    Profile { name: "Artifactory", quirks: artifactory, auth: basic },
    Profile { name: "GitLab", quirks: gitlab, auth: gitlab_auth },
    Profile { name: "Nexus", quirks: nexus, auth: nexus_auth },
    Profile { name: "registry:2", quirks: registry_2, auth: bearer },
];

/// A ranged PATCH above 4 MiB is a 416 (oras-project/rust-oci-client#35). Sessions live below
/// `blobs/upload/`, and a PUT to one is answered `404 BLOB_UPLOAD_UNKNOWN` though the blob was stored
/// (GoogleContainerTools/jib#4301).
fn ghcr() -> Quirks {
    Quirks {
        range_limit: Some(4 << 20),
        place: Place::Singular,
        forgets_first: true,
        redirects: true,
        ..Quirks::default()
    }
}

/// No chunked uploads (containers/skopeo#1101, dotnet/sdk-container-builds#287); whole addresses as
/// `Location`.
fn gar() -> Quirks {
    Quirks { refuses_ranges: true, place: Place::Address, redirects: true, ..Quirks::default() }
}

/// PATCH answers 201 and a `Range` that stands still (aws/containers-roadmap#2831); no digest in the answers
/// for manifests (aws/containers-roadmap#1931); a tag that must not move refuses even what it has
/// (aws/containers-roadmap#2380, moby/buildkit#3776): see the cells of immutable tags.
fn ecr() -> Quirks {
    Quirks {
        patched: 201,
        stuck_range: true,
        names_digests: false,
        redirects: true,
        mount: Mount::Declined,
        ..Quirks::default()
    }
}

/// A token server on another host; a mount whose source the token does not cover opens a session
/// (moby/moby#20387). Its `429`, which is not even valid HTTP (docker/hub-feedback#1907), is a cell of its
/// own.
fn docker_hub() -> Quirks {
    Quirks { redirects: true, place: Place::State, ..Quirks::default() }
}

fn docker_hub_auth(foreign: &str) -> Auth {
    Auth {
        realm: Some(format!("http://{foreign}/token")),
        refused_scope: Some("shop/private".to_owned()),
        ..bearer(foreign)
    }
}

/// A mount that it cannot do was a `400 INVALID_REQUEST` (GoogleContainerTools/jib#703, quay/quay#899), and
/// so was one without `from`.
fn quay() -> Quirks {
    Quirks { mount: Mount::DoneOr(400), redirects: true, ..Quirks::default() }
}

/// A mount from a name that it finds invalid is a 400 (goharbor/harbor#22078).
fn harbor() -> Quirks {
    Quirks { mount: Mount::Refused(400), place: Place::State, ..Quirks::default() }
}

/// `Location` is relative and has a query that must be kept. Blobs are redirected to a storage that refuses a
/// request with a foreign login (Azure/acr#217).
fn acr() -> Quirks {
    Quirks { place: Place::Relative, redirects: true, ..Quirks::default() }
}

/// A PUT with the blob is a `404 BLOB_UNKNOWN`: it wants PATCH and an empty PUT (docker/buildx#196,
/// containerd/containerd#3533).
fn artifactory() -> Quirks {
    Quirks { refuses_whole: Some((404, "BLOB_UNKNOWN")), place: Place::Address, ..Quirks::default() }
}

/// Tokens end in the middle of a push (moby/moby#33558): here, after eight requests.
fn gitlab() -> Quirks {
    Quirks { place: Place::State, mount: Mount::DoneOr(404), ..Quirks::default() }
}

fn gitlab_auth(foreign: &str) -> Auth {
    let lifetime = Some(Duration::from_secs(300));
    Auth { uses: Some(8), lifetime, expires_in: Some("900"), ..bearer(foreign) }
}

/// Challenges of two schemes at once, the token server's address being nonsense in some versions
/// (sonatype/nexus-public#565, #580): Basic must do.
fn nexus() -> Quirks {
    Quirks { place: Place::Address, heads_manifests: false, names_digests: false, ..Quirks::default() }
}

fn nexus_auth(foreign: &str) -> Auth {
    let challenge = r#"BASIC realm="Sonatype Nexus Repository Manager", Bearer service="null""#;
    Auth { challenge: Some(challenge.to_owned()), ..basic(foreign) }
}

/// The session's state travels in the query and changes with every piece (distribution/distribution#1599);
/// several of them behind one name forget each other's sessions (distribution/distribution#2519): see the
/// cells of replicas.
fn registry_2() -> Quirks {
    Quirks { place: Place::State, ..Quirks::default() }
}
