//! The options of scanning a tree, from the settings.

use crate::artifact::AppOptions;
use crate::layer::{Rules, ScanOptions};
use crate::project::config::{self, Spanned};

/// The options of a scan of an artifact that is a directory.
pub(super) fn scan_options_of_app(app: &config::AppSettings) -> ScanOptions {
    taken_of(app).scan_options()
}

/// The options of a scan of files that are a directory.
pub(super) fn scan_options_of(files: &config::FilesSettings) -> ScanOptions {
    ScanOptions {
        include: patterns(&files.include),
        exclude: patterns(&files.exclude),
        ignore_file: true,
        xattrs: files.xattrs,
        directories: rules(files, 0, None).keeps_what_directories_have(),
        published: files.mode.is_none() && !files.keep_modes,
    }
}

/// The options that say what is taken of an artifact.
pub(super) fn taken_of(app: &config::AppSettings) -> AppOptions {
    let rules = Rules { file_mode: app.mode.as_ref().map(|mode| mode.value.bits()), ..Rules::default() };
    AppOptions {
        is_kind_given: app.kind.is_some(),
        include: patterns(&app.include),
        exclude: patterns(&app.exclude),
        rules,
        ..AppOptions::default()
    }
}

pub(super) fn patterns(patterns: &[Spanned<config::Pattern>]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.value.as_str().to_owned()).collect()
}

pub(super) fn rules(files: &config::FilesSettings, mtime: u64, owner: Option<(u64, u64)>) -> Rules {
    Rules {
        keep_modes: files.keep_modes,
        keep_owners: files.keep_owners,
        file_mode: files.mode.as_ref().map(|mode| mode.value.bits()),
        owner,
        mtime,
        devices: files.keep_modes,
        ..Rules::default()
    }
}
