//! Java applications that a Java runtime of the base starts: its program, and the version of classes.

use super::error::ArtifactError;
use super::material::Material;
use super::options::AppOptions;
use super::requirement::{Requirement, Requirements};
use crate::bases::program;
use crate::formats::zip::ZipArchive;
use crate::oci::ConfigFile;
use crate::types::shown::shown;

/// The base that a new build file of such an application begins with.
pub(super) const USUAL_BASE: &str = "docker.io/library/eclipse-temurin:21-jre";

/// No class file is larger: its methods are limited to 64 KiB each, and real ones stay below 1 MiB.
pub(super) const MAX_CLASS: u64 = 64 << 20;

/// The version of class files that Java 1.0 reads is 45; each Java since has added one.
const BEFORE_JAVA_1: u32 = 44;

/// The variable of a base with the directory of its Java.
const JAVA_HOME: &str = "JAVA_HOME";

/// The program that starts it: `java` where the base's `PATH` has that of its `JAVA_HOME`, else the one there.
pub(super) fn java(base: Option<&ConfigFile>) -> String {
    program(base, "java", JAVA_HOME)
}

/// The Java that a class file was compiled for; `None` for another file.
pub(super) fn java_of_class(start: &[u8]) -> Option<u32> {
    match start {
        [0xca, 0xfe, 0xba, 0xbe, _, _, high, low, ..] => {
            Some(u32::from(u16::from_be_bytes([*high, *low])).saturating_sub(BEFORE_JAVA_1))
        }
        _ => None,
    }
}

/// The file of a class, by its name.
pub(super) fn class_file(class: &str) -> String {
    format!("{}.class", class.replace('.', "/"))
}

/// The most classes whose version is read of one jar. The largest applications have some ten thousand of their own.
pub(super) const CLASSES: usize = 50_000;

/// The bytes of a class file up to its version.
pub(super) const CLASS_HEAD: u64 = 8;

/// The newest Java that the main class of the artifact, or one in its package or below, was compiled for, and what shows it;
/// `None` where the main class is not in it. Other packages of one jar are those of libraries, which may have classes for a
/// newer Java that they do not need.
///
/// # Errors
/// When it cannot be read, or is no class file.
pub(super) fn java_of(material: &Material, class: &str) -> Result<Option<(u32, String)>, ArtifactError> {
    let name = class_file(class);
    let Some(bytes) = material.read(&name, MAX_CLASS)? else { return Ok(None) };
    let Some(major) = java_of_class(&bytes) else {
        return Err(unfit(material, format!("`{name}` in it is not a class file"), "build the jar again"));
    };
    let mut newest = (major, name.clone().into_bytes());
    if let Some(archive) = material.archive() {
        let package = name.rfind('/').map(|end| &name.as_bytes()[..=end]);
        let is_own = |class: &[u8]| match package {
            Some(package) => class.starts_with(package),
            None => !class.contains(&b'/'),
        };
        // Of several classes for one Java, the main class is named.
        newest = newest_class(archive, is_own)?.filter(|found| found.0 > major).unwrap_or(newest);
    }
    let archive = shown(material.path().file_name().unwrap_or_default().as_encoded_bytes());
    Ok(Some((newest.0, format!("`{}` in `{archive}`", shown(&newest.1)))))
}

/// Whether any Java loads the class at this path of a jar: those of `META-INF/versions` are for later ones, and a
/// `module-info` of a class path is read by none.
pub(super) fn is_loaded_class(name: &[u8]) -> bool {
    name.ends_with(b".class") && !name.starts_with(b"META-INF/") && name != b"module-info.class"
}

/// The newest Java that one of these classes of a jar was compiled for, and that class. Classes for later versions of Java
/// than the jar needs do not count. Of each, no more than the first bytes are unpacked.
///
/// # Errors
/// When one cannot be read.
pub(super) fn newest_class(
    archive: &ZipArchive,
    is_meant: impl Fn(&[u8]) -> bool,
) -> Result<Option<(u32, Vec<u8>)>, ArtifactError> {
    let classes = archive.entries().iter().enumerate();
    let classes = classes.filter(|(_, entry)| is_loaded_class(&entry.name) && is_meant(&entry.name));
    let mut newest: Option<(u32, Vec<u8>)> = None;
    for (index, entry) in classes.take(CLASSES) {
        let Some(java) = java_of_class(&archive.head(index, CLASS_HEAD)?) else { continue };
        if newest.as_ref().is_none_or(|(known, _)| *known < java) {
            newest = Some((java, entry.name.clone()));
        }
    }
    Ok(newest)
}

/// Refuses an archive that Java cannot open: names of entries must be UTF-8, whatever the archive says of them.
pub(super) fn check_names(material: &Material) -> Result<(), ArtifactError> {
    let entries = material.archive().map(|archive| archive.entries()).unwrap_or_default();
    match entries.iter().find(|entry| std::str::from_utf8(&entry.name).is_err()) {
        None => Ok(()),
        Some(entry) => {
            let why =
                format!("the name `{}` in it is not UTF-8, so that Java cannot open it", shown(&entry.name));
            let hint = "build it with a tool that writes names as UTF-8, such as `jar`, or rename the file";
            Err(unfit(material, why, hint))
        }
    }
}

/// The error for an artifact that its kind cannot package.
pub(super) fn unfit(material: &Material, why: impl Into<String>, hint: &str) -> ArtifactError {
    ArtifactError::Unfit { path: material.path().to_owned(), why: why.into(), hint: hint.to_owned() }
}

/// The requirements of an application that the base's Java starts, of this version where that is known, with what shows
/// it. Where the settings say how the image starts, they name the Java, which may lie anywhere.
pub(super) fn requirements(
    material: &Material,
    options: &AppOptions,
    version: Option<(u32, String)>,
) -> Requirements {
    let java = Requirement::Executable { name: "java".to_owned(), home: Some(JAVA_HOME.to_owned()) };
    let mut all = Vec::new();
    if !options.has_entrypoint {
        all.push(java);
    }
    all.extend(version.map(|(major, shown_by)| Requirement::Java { major, shown_by }));
    Requirements { artifact: material.path().to_owned(), all }
}
