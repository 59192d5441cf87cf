//! Differences of registries from the specification, or from each other where the specification leaves a choice.

/// Where the next request of an upload goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// A path: `/v2/…`.
    #[default]
    Path,
    /// A whole address on the registry itself.
    Address,
    /// A path relative to the request.
    Relative,
    /// A path with a query that changes with every piece; a request to an old one is refused.
    State,
    /// A path of its own, in the singular.
    Singular,
    /// A whole address on another host.
    Elsewhere,
}

/// How a mount is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mount {
    /// It is done where it can be, else a session is opened.
    #[default]
    Done,
    /// A session is opened, always.
    Declined,
    /// An error, always.
    Refused(u16),
    /// Done where it can be, else an error.
    DoneOr(u16),
}

/// Differences; the default has none.
#[derive(Clone, Debug)]
pub struct Quirks {
    /// Where uploads go.
    pub place: Place,
    /// How mounts are answered.
    pub mount: Mount,
    /// `OCI-Chunk-Min-Length`: after a piece that is shorter no other is taken.
    pub chunk_minimum: Option<usize>,
    /// A PATCH with a range that is longer is refused.
    pub range_limit: Option<usize>,
    /// Any PATCH with a range is refused.
    pub refuses_ranges: bool,
    /// A PUT with a body is refused with this.
    pub refuses_whole: Option<(u16, &'static str)>,
    /// The status after PATCH.
    pub patched: u16,
    /// After PATCH, `Range` tells of the first piece alone.
    pub stuck_range: bool,
    /// The first upload is stored, and answered with `404 BLOB_UPLOAD_UNKNOWN`.
    pub forgets_first: bool,
    /// Manifests and blobs are given with `Docker-Content-Digest`.
    pub names_digests: bool,
    /// HEAD of a manifest works.
    pub heads_manifests: bool,
    /// GET of a blob leads to another host, which refuses a login that is not its own.
    pub redirects: bool,
    /// A tag that exists is never written again, not even with what it has; this is the answer.
    pub immutable: Option<(u16, &'static str, &'static str)>,
    /// `If-None-Match: *` is heeded: a tag that exists is a 412 then.
    pub conditional: bool,
    /// There is no referrers API.
    pub hides_referrers: bool,
    /// A manifest that an index names and that is not there is told with the code of blobs, and in the detail alone, as
    /// docker-registry 2.8 does.
    pub calls_manifests_blobs: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            place: Place::Path,
            mount: Mount::Done,
            chunk_minimum: None,
            range_limit: None,
            refuses_ranges: false,
            refuses_whole: None,
            patched: 202,
            stuck_range: false,
            forgets_first: false,
            names_digests: true,
            heads_manifests: true,
            redirects: false,
            immutable: None,
            conditional: false,
            hides_referrers: false,
            calls_manifests_blobs: false,
        }
    }
}
