//! Blobs: whether one is there, and opening it.

use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, RANGE};

use super::super::auth::access::Access;
use super::super::wire::advice::shorten;
use super::super::wire::context::{Context, RequestStep, context};
use super::super::wire::error::{RegistryError, is_transient};
use super::super::wire::host::Host;
use super::super::wire::request::HttpRequest;
use super::super::wire::response::Response;
use super::api::Api;
use crate::oci::Descriptor;

impl Api {
    /// Whether a blob is there, as far as one HEAD can tell; a registry that does not answer HEAD has nothing.
    pub(in crate::registry) async fn has_blob(
        &self,
        host: &Host,
        access: &Access,
        descriptor: &Descriptor,
    ) -> Result<bool, RegistryError> {
        let (path, digest) = (access.repository.path(), descriptor.digest);
        let url = host.url(&format!("/v2/{path}/blobs/{digest}"));
        let context = context(&host.registry, RequestStep::CheckBlob, path, &digest.to_string());
        let response = self.send(host, access, &context, HttpRequest::new(Method::HEAD, url)).await?;
        let status = response.status();
        if response.is_success() {
            // Some servers say 200 to everything: something must show that this blob is meant.
            let right_digest = response.digest().map(|found| found == digest);
            let right_size = response.content_length().map(|size| size == descriptor.size);
            return Ok(right_digest != Some(false)
                && right_size != Some(false)
                && (right_digest.is_some() || right_size.is_some()));
        }
        if status == 403 {
            response.discard().await;
            return self.gives_blob(host, access, &context, descriptor).await;
        }
        if status == 401 || is_transient(status) {
            return Err(self.failure(host, access, &context, response).await);
        }
        Ok(false)
    }

    /// Whether a blob is given to who asks for its first byte: some proxies refuse HEAD and let GET through.
    async fn gives_blob(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        descriptor: &Descriptor,
    ) -> Result<bool, RegistryError> {
        let url = host.url(&format!("/v2/{}/blobs/{}", access.repository.path(), descriptor.digest));
        let request =
            HttpRequest::new(Method::GET, url).header(ACCEPT_ENCODING, "identity").header(RANGE, "bytes=0-0");
        let response = self.send(host, access, context, request).await?;
        let total = response.header("content-range").and_then(|range| range.rsplit_once('/'));
        let size = match response.status() {
            206 => total.and_then(|(_, total)| total.trim().parse().ok()),
            200 => response.content_length(),
            _ => None,
        };
        Ok(size == Some(descriptor.size))
    }

    /// Opens a blob from byte `from` on.
    pub(super) async fn open_blob(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        descriptor: &Descriptor,
        from: u64,
    ) -> Result<BlobResponse, RegistryError> {
        let url = host.url(&format!("/v2/{}/blobs/{}", access.repository.path(), descriptor.digest));
        let mut request = HttpRequest::new(Method::GET, url).header(ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(RANGE, &format!("bytes={from}-"));
        }
        let response = self.send(host, access, context, request).await?;
        match response.status() {
            // The whole blob: what has been read already is read once more and thrown away.
            200 => Ok(BlobResponse { response, skip: from }),
            206 if from > 0 && is_range(&response, from, descriptor.size) => {
                Ok(BlobResponse { response, skip: 0 })
            }
            206 => Err(RegistryError::Mismatch {
                context: Box::new(context.clone()),
                expected: format!("the bytes from {from} on"),
                found: format!("`{}`", shorten(response.header("content-range").unwrap_or_default(), 100)),
            }),
            404 => {
                response.discard().await;
                Err(RegistryError::NotFound { context: Box::new(context.clone()) })
            }
            _ => Err(self.failure(host, access, context, response).await),
        }
    }
}

pub(super) struct BlobResponse {
    pub(super) response: Response,
    pub(super) skip: u64,
}

/// Whether the answer holds exactly the bytes from `from` to the end.
fn is_range(response: &Response, from: u64, size: u64) -> bool {
    let range = response.header("content-range").and_then(|range| range.trim().strip_prefix("bytes "));
    let Some((range, total)) = range.and_then(|range| range.split_once('/')) else { return false };
    let Some((first, last)) = range.split_once('-') else { return false };
    let is = |text: &str, number: u64| text.trim().parse() == Ok(number);
    is(first, from) && is(last, size - 1) && (total.trim() == "*" || is(total, size))
}
