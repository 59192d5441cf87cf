//! `pack init`: a build file to start from.

use std::path::{Path, PathBuf};

use super::super::args::InitArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::file::OutputFile;
use super::super::session::Session;
use super::request::BUILD_FILE;
use crate::artifact;

/// Where build tools put what they made, by how often that is what is wanted.
const USUAL: [&str; 6] = ["target", "build/libs", "build", "dist", "out", "public"];

/// Writes a build file.
///
/// # Errors
/// When there is one already, or no artifact is found.
pub(super) fn run(session: &Session, args: &InitArgs) -> Result<(), CommandError> {
    let cwd = &session.environment.cwd;
    let target = cwd.join(BUILD_FILE);
    if target.exists() && !args.force {
        return Err(CommandError::new(ExitStatus::Input, format!("there is a `{BUILD_FILE}` already"))
            .hint("`--force` replaces it"));
    }
    let given = session.absolute(args.path.as_deref().unwrap_or(Path::new("")));
    let path = find(&given, args.path.is_some())?;
    let found = artifact::detect(&path)?;
    let shown = path.strip_prefix(cwd).unwrap_or(&path).display().to_string();
    session.printer.note(format!("`{shown}` is {}", found.kind.describe()));
    for why in &found.why {
        session.printer.note(why);
    }
    let name =
        args.name.as_ref().map_or_else(|| "localhost:5000/example/app".to_owned(), ToString::to_string);
    let base = args.base.clone().unwrap_or_else(|| default_base(found.kind).to_owned());
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let text = format!(
        "format = 1\n\n[image]\nname = {}\nbase = {}\n# tags = [\"{{git.short}}\"]\n\n[app]\npath = {}\n\
         # root = \"/where/it/goes\"          # default: from the kind of artifact and the base\n\n\
         # [config]\n# env = {{ JAVA_OPTS = \"-Xmx512m\" }}\n# ports = [8080]\n# user = \"1000:1000\"\n",
        quoted(&name),
        quoted(&base),
        quoted(&shown),
    );
    OutputFile::open(session, &target)?.write(session, text.as_bytes())?;
    session.printer.result(BUILD_FILE);
    Ok(())
}

const fn default_base(kind: artifact::ArtifactKind) -> &'static str {
    match kind {
        artifact::ArtifactKind::War => "docker.io/library/tomcat:10",
        artifact::ArtifactKind::Site => "docker.io/library/nginx:stable",
        artifact::ArtifactKind::SpringBoot | artifact::ArtifactKind::Jar => {
            "docker.io/library/eclipse-temurin:21-jre"
        }
        artifact::ArtifactKind::Node => "docker.io/library/node:22-slim",
        artifact::ArtifactKind::Python => "docker.io/library/python:3.13-slim",
        artifact::ArtifactKind::Tree | artifact::ArtifactKind::Binary => "scratch",
    }
}

/// The artifact that was named, or the newest one in the usual places.
fn find(given: &Path, named: bool) -> Result<PathBuf, CommandError> {
    if named {
        return Ok(given.to_owned());
    }
    let is_archive =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "war" || extension == "jar");
    for directory in USUAL {
        let Ok(entries) = std::fs::read_dir(given.join(directory)) else { continue };
        let mut archives: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_archive).collect();
        archives.sort();
        if let Some(archive) = archives.pop() {
            return Ok(archive);
        }
        if matches!(directory, "dist" | "public") {
            return Ok(given.join(directory));
        }
    }
    Err(CommandError::new(ExitStatus::Input, "found no artifact in target, build, dist, out or public")
        .hint("name it: `pack init build/libs/app.war`"))
}
