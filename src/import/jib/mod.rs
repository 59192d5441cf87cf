//! Jib: the settings of its plugins for Maven and Gradle, and the build files of its command line.
//!
//! Jib makes an image of the classes and libraries that a build knows. `pack` makes one of the artifact that the build made,
//! so that the artifact is looked for where the build puts it.

mod artifact;
mod build_file;
mod gradle;
mod plugin;
mod pom;
mod tokens;
mod xml;

use self::artifact::JavaProject;
use super::ImportSurroundings;
use super::draft::Imported;
use super::error::ImportError;

/// The form of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JibForm {
    /// `pom.xml`.
    Maven,
    /// `build.gradle` or `build.gradle.kts`, or another file of Gradle that is applied to one.
    Gradle,
    /// `jib.yaml`.
    BuildFile,
}

/// Reads a description. `path` is where it is below the working directory.
///
/// # Errors
/// When it is not of its form, or has no settings of Jib.
pub fn read(
    form: JibForm,
    text: &str,
    path: &str,
    around: &ImportSurroundings<'_>,
) -> Result<Imported, ImportError> {
    if text.len() > MAX_SIZE {
        return Err(ImportError::Size);
    }
    let mut imported = Imported::default();
    match form {
        JibForm::Maven => {
            let (settings, project) = pom::read(text, path, around, &mut imported.remarks)?;
            plugin::take(&settings, &project, around, &mut imported);
        }
        JibForm::Gradle => {
            let directory = gradle_project(path);
            let read = gradle::read(text, path, directory.unwrap_or(""), around, &mut imported.remarks)?;
            let text = format!("{text}\n{}", read.applied);
            plugin::take(&read.settings, &of_gradle(&text, directory, around), around, &mut imported);
        }
        JibForm::BuildFile => {
            let settings = super::yaml::settings(text, &mut imported.remarks)?;
            build_file::take(&settings, around, &mut imported);
        }
    }
    imported.remarks.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    imported.remarks.dedup();
    Ok(imported)
}

/// The most bytes of a file.
const MAX_SIZE: usize = 1 << 20;

/// The directory of the project that a file is part of, if that is not the working directory.
fn gradle_project(path: &str) -> Option<&str> {
    let directory = path.rsplit_once('/').map(|(directory, _)| directory);
    // A file that is applied to the project lies below it.
    directory.filter(|directory| !["gradle", "buildSrc"].iter().any(|own| directory.starts_with(own)))
}

/// The facts of a project of Gradle that decide its artifact. They stand in other places than the settings of Jib.
fn of_gradle(text: &str, directory: Option<&str>, around: &ImportSurroundings<'_>) -> JavaProject {
    let at =
        |name: &str| directory.map_or_else(|| name.to_owned(), |directory| format!("{directory}/{name}"));
    let build = ["build.gradle", "build.gradle.kts"].iter().find_map(|name| (around.read)(&at(name)));
    let text = format!("{text}\n{}", build.unwrap_or_default());
    let has_plugin = |id: &str| text.contains(&format!("\"{id}\"")) || text.contains(&format!("'{id}'"));
    let settings = ["settings.gradle", "settings.gradle.kts"].iter().find_map(|name| (around.read)(name));
    let name = match directory.and_then(|directory| directory.rsplit('/').next()) {
        Some(name) => Some(name.to_owned()),
        None => settings.as_deref().and_then(|text| literal_after(text, "rootProject.name")),
    };
    let is_war = has_plugin("war");
    let is_application = has_plugin("application") || text.lines().any(|line| line.trim() == "application");
    let is_spring = has_plugin("org.springframework.boot");
    let pattern = name.as_deref().map_or_else(|| "*".to_owned(), |name| format!("{name}-*"));
    let (artifact, command) = match () {
        () if is_war => (format!("build/libs/{pattern}.war"), "gradle war"),
        () if has_plugin("io.quarkus") => ("build/quarkus-app".to_owned(), "gradle build"),
        () if is_application && !is_spring => {
            (format!("build/install/{}", name.as_deref().unwrap_or("NAME")), "gradle installDist")
        }
        () => (format!("build/libs/{pattern}.jar"), "gradle build"),
    };
    JavaProject {
        artifact: at(&artifact),
        command,
        is_war,
        is_whole: is_spring
            || is_application
            || has_plugin("io.quarkus")
            || has_plugin("com.gradleup.shadow")
            || has_plugin("com.github.johnrengelman.shadow"),
        java: java_version(&text),
        directory: directory.map(str::to_owned),
    }
}

/// The literal that a line sets a name to.
fn literal_after(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(name))?;
    let value = line.trim().strip_prefix('=')?.trim();
    let quote = value.chars().next().filter(|letter| "'\"".contains(*letter))?;
    let (value, _) = value[1..].split_once(quote)?;
    (!value.contains(['$', '/'])).then(|| value.to_owned())
}

/// The version of Java that a build file of Gradle names.
fn java_version(text: &str) -> Option<u32> {
    let starts = [
        "JavaLanguageVersion.of(",
        "jvmToolchain(",
        "JavaVersion.VERSION_1_",
        "JavaVersion.VERSION_",
        "sourceCompatibility = ",
    ];
    starts.iter().find_map(|start| {
        let (_, rest) = text.split_once(start)?;
        let rest = rest.trim_start_matches(['\'', '"']).trim_start_matches("1.");
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    })
}

#[cfg(test)]
mod tests;
