//! `build.toml` and what overrides it: parsed, checked, merged, with errors that point at the line.
//!
//! A [`Document`] is read, flags and variables are written into it, and [`Settings`] come out of it. All
//! that is wrong is reported together. This module reads no file but the one that it is given, and no
//! environment: [`Overrides`] carries what the command line found there.

mod app_argument;
pub(crate) mod decode;
pub(crate) mod document;
mod fingerprint;
pub(crate) mod node;
mod registries;
mod schema;
mod settings;
mod source;
mod template;
mod value;

use std::io;
use std::path::PathBuf;

pub use document::Document;
pub use registries::{Added, Addition, UserFile, merge};
pub use schema::{
    App, Apps, BuildFile, Cache, Config, Directory, Files, Health, HealthCommand, Healthcheck, Image, Layer,
    Name, Paths, RegistryOptions, TagTemplate, Workspace, keys,
};
pub use settings::{Overrides, Settings};
pub use source::{Diagnostic, Report, Sources, Span, Spanned};
pub use template::{Facts, Template, TemplateError};
pub use value::{
    Arguments, Base, Buckets, ByteSize, Compression, Count, DiskPath, EnvName, EnvTable, EnvValue, Format,
    ImagePath, KindName, Layout, MirrorAddress, Mode, Mtime, Owner, Pattern, Percent, Period, Ports,
    Protocol, Signal, User,
};

use crate::types::error::Explain;
use crate::types::shown::shown_path;

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such build file.
    #[error("there is no `{}`", shown_path(.0))]
    NotFound(PathBuf),
    /// The file cannot be read.
    #[error("cannot read `{}`: {source}", shown_path(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in the build file is wrong. Hints are part of the report.
    #[error("{0}")]
    Invalid(Box<Report>),
    /// Something that was typed as a flag or a variable is not what such a setting looks like.
    #[error("{0}")]
    Usage(Box<Report>),
    /// The build file says something that it may not say.
    #[error("{0}")]
    Forbidden(Box<Report>),
}

impl Explain for ConfigError {
    fn kind(&self) -> crate::types::error::Kind {
        match self {
            Self::Forbidden(_) => crate::types::error::Kind::Policy,
            Self::Usage(_) => crate::types::error::Kind::Usage,
            _ => crate::types::error::Kind::Input,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound(_) => {
                Some("`pack init` writes one; an artifact can also be given itself".to_owned())
            }
            Self::Read { .. } | Self::Invalid(_) | Self::Usage(_) | Self::Forbidden(_) => None,
        }
    }

    /// A report shows the lines that it is about.
    fn is_laid_out(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Usage(_) | Self::Forbidden(_))
    }
}

#[cfg(test)]
mod tests;
