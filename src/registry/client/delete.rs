//! Deleting manifests and tags (distribution specification, "Deleting tags" and "Deleting Manifests").
//!
//! The client looks for a deleted document before it believes the answer, and for one that seems not to be deleted
//! too: an answer may be lost.
//!
//! Those who delete ask a destination, which says whether it can (`transport::Capabilities::deletes`).

use reqwest::Method;

use super::super::auth::access::Access;
use super::super::wire::context::{Context, RequestStep, context};
use super::super::wire::error::RegistryError;
use super::super::wire::host::Host;
use super::super::wire::request::HttpRequest;
use super::api::Api;
use super::handle::Client;
use crate::types::reference::{Reference, Repository};

impl Client {
    /// Deletes a manifest with every tag that names it, if the reference has a digest, else one tag. Answers whether
    /// there was any. Blobs stay until the registry collects them.
    ///
    /// # Errors
    /// When the registry cannot be asked, refuses, or still has it afterwards. A registry that deletes no tags is not
    /// asked to delete the manifest instead, which may have other tags.
    pub fn delete(&self, reference: &Reference) -> Result<bool, RegistryError> {
        let repository = reference.repository();
        let host = self.api().host(repository.registry())?;
        self.wait(async {
            let _slot = host.document_slot().await;
            self.api().delete(&host, repository, &reference.manifest_name()).await
        })
    }
}

impl Api {
    async fn delete(&self, host: &Host, repository: &Repository, name: &str) -> Result<bool, RegistryError> {
        let (access, path) = (Access::delete(repository), repository.path());
        let context = context(&host.registry, RequestStep::Delete, path, name);
        let mut retry = self.retry();
        let mut may_be_done = false;
        loop {
            let error = match self.request_deletion(host, &access, &context, name).await {
                Ok(status) => match self.manifest_digest(host, &access, name).await {
                    Ok(Some(_)) => RegistryError::Unverified { context: Box::new(context.clone()), status },
                    // Without a way to look, the answer is believed.
                    Ok(None) | Err(_) => return Ok(true),
                },
                Err(error) => error,
            };
            let is_absent = error.status() == Some(404);
            if !error.is_ours() && matches!(self.manifest_digest(host, &access, name).await, Ok(None)) {
                return Ok(may_be_done || !is_absent);
            }
            may_be_done |= !is_absent;
            host.pause(retry.after(error)?).await;
        }
    }

    /// One request; its status, if that says that it was done.
    async fn request_deletion(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        name: &str,
    ) -> Result<u16, RegistryError> {
        let url = host.url(&format!("/v2/{}/manifests/{name}", access.repository.path()));
        let response = self.send(host, access, context, HttpRequest::new(Method::DELETE, url)).await?;
        if !response.is_success() {
            return Err(self.failure(host, access, context, response).await);
        }
        let status = response.status();
        response.discard().await;
        Ok(status)
    }
}
