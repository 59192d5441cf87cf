//! The hint at a base that its registry does not give and that the local store has.

use std::error::Error;
use std::fmt;

use super::request::Request;
use super::session::Session;
use crate::project::config;
use crate::registry::RegistryError;
use crate::transport::layout::OciLayout;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::location::Name;

/// An error of the registry of a base, of which the store has an image of the same name.
#[derive(Debug)]
struct StoredBase {
    /// Its name in the store.
    name: String,
    /// The error of the registry.
    error: BoxedError,
}

/// Adds the hint to an `error` about the base of `request`, where it helps.
pub(super) fn hint_at_store(session: &Session, request: &Request, error: BoxedError) -> BoxedError {
    let base = request.settings.base.as_ref().map(|base| &base.value);
    let (Some(config::BaseSetting::Registry(reference)), Kind::Registry) = (base, error.kind()) else {
        return error;
    };
    let stored = OciLayout::in_store(&session.store, &Name::from(reference.clone()));
    match stored.as_ref().and_then(OciLayout::image_name) {
        Some(name) => Box::new(StoredBase { name: name.to_owned(), error }),
        None => error,
    }
}

impl fmt::Display for StoredBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for StoredBase {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl Explain for StoredBase {
    fn kind(&self) -> Kind {
        self.error.kind()
    }

    fn code(&self) -> Option<ErrorCode> {
        self.error.code()
    }

    fn hint(&self) -> Option<String> {
        let stored = format!("the local store has it: write `store:{}` for that image", self.name);
        let cause: &(dyn Error + 'static) = &*self.error;
        let is_not_there = matches!(cause.downcast_ref(), Some(RegistryError::NotFound { .. }));
        // That the name may be wrong is no help then.
        let other = self.error.hint().filter(|_| !is_not_there);
        Some(other.map_or(stored.clone(), |other| format!("{other}; {stored}")))
    }
}
