//! `build.toml` and what overrides it: parsed, checked, merged, with errors that point at the line.
//!
//! A [`Document`] is read, flags and variables are written into it, and [`Settings`] come out of it. All
//! that is wrong is reported together. This module reads no file but the one that it is given, and no
//! environment: [`Overrides`] carries what the command line found there.

mod app_argument;
pub(crate) mod decode;
pub(crate) mod document;
mod fingerprint;
#[cfg(test)]
pub(in crate::project) mod json_schema;
pub(crate) mod node;
mod policy;
mod refused;
mod registries;
pub(in crate::project) mod schema;
mod settings;
mod source;
mod template;
mod value;

pub use document::{BUILD_FILE, Document};
pub use refused::{RefusedSetting, SettingStep, refused_settings};
pub use registries::{UserFile, merge};
pub use schema::{
    AddedUserSettings, AppSettings, DirectorySettings, EnvironmentSettings, FilesSettings, LayerSettings,
    LinkSettings, NonEmptyName, PermissionSettings, PolicySettings, RegistryOptions, TagTemplate,
    WebhookSettings, WorkspaceSettings,
};
pub use settings::{AllowFlag, KeyFlag, MAX_LAYERS, Overrides, Settings};
pub use source::{ConfigError, Diagnostic, Diagnostics, Sources, Span, Spanned};
pub use template::{Facts, Template, TemplateError};
pub use value::{
    AccountName, Arguments, AttestPlaceSetting, BaseSetting, Buckets, CompressionSetting, Count, DiskPath,
    EnvName, ImagePath, ImagePattern, KindName, Layout, MemberPattern, Mode, Mtime, Owner, OwnerPart,
    Pattern, Percent, Period, SbomSetting, SiblingSetting, StartSetting, exposed_ports, url_as_source,
    without_dots,
};

#[cfg(test)]
mod tests;
