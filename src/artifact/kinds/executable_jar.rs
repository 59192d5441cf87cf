//! Java applications in one jar, which a Java runtime starts by itself: `java -jar`. The jar goes into the image as it is.

use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::jar_surroundings::{check_whole, distribution_of};
use super::super::java::{self, unfit};
use super::super::kind::ArtifactKind;
use super::super::material::Material;
use super::super::options::{AppOptions, ArtifactLayout};
use super::super::proposal::Proposal;
use super::super::requirement::{Requirements, Search};
use super::super::whole_jar;
use crate::layer::scan::Scanner;
use crate::oci::ConfigFile;
use crate::types::shown::shown_path;

/// A jar whose manifest has a main class.
pub(super) struct ExecutableJar;

impl ArtifactKind for ExecutableJar {
    fn name(&self) -> &'static str {
        "executable-jar"
    }

    fn describe(&self) -> &'static str {
        "an executable jar"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Archive]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        (form == Form::Archive).then_some("`META-INF/MANIFEST.MF`")
    }

    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        let Some(main) = main_class(glimpse.material())? else { return Ok(None) };
        Ok(Some(vec![format!("It is a zip archive whose manifest has the main class `{main}`.")]))
    }

    fn check(&self, material: &Material) -> Result<(), ArtifactError> {
        check_whole(material)
    }

    fn propose(
        &self,
        material: &Material,
        options: &AppOptions,
        base: Option<&ConfigFile>,
        _: &Scanner,
    ) -> Result<Proposal, ArtifactError> {
        check_alone(material)?;
        java::check_names(material)?;
        let mut proposal = whole_jar::propose(material, options, base)?;
        if let Some(distribution) = distribution_of(material.path()) {
            proposal.warnings.push(format!(
                "the other jars of `lib` are left out, to which a start script belongs: the whole distribution is `{}`",
                shown_path(&distribution)
            ));
        }
        Ok(proposal)
    }

    fn requirements(
        &self,
        material: &Material,
        options: &AppOptions,
        _: Search,
        _: &Scanner,
    ) -> Result<Requirements, ArtifactError> {
        Ok(java::requirements(material, options, java_version(material)?))
    }

    fn layouts(&self) -> &'static [ArtifactLayout] {
        &[ArtifactLayout::Packaged]
    }

    fn usual_base(&self, _: &Material) -> String {
        java::USUAL_BASE.to_owned()
    }

    fn root_hint(&self) -> &'static str {
        whole_jar::ROOT_HINT
    }
}

/// The main class that the manifest names.
fn main_class(material: &Material) -> Result<Option<&str>, ArtifactError> {
    let main = material.manifest()?.and_then(|manifest| manifest.get("Main-Class"));
    Ok(main.map(str::trim).filter(|main| !main.is_empty()))
}

/// Refuses a jar that needs others beside it: they would not be in the image.
fn check_alone(material: &Material) -> Result<(), ArtifactError> {
    let beside = material.manifest()?.and_then(|manifest| manifest.get("Class-Path")).unwrap_or_default();
    let named: Vec<&str> = beside.split_whitespace().collect();
    let Some(first) = named.first() else { return Ok(()) };
    let more = match named.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let why = format!("its `Class-Path` names other files, which it needs beside it: `{first}`{more}");
    let hint = "build one jar with all dependencies in it; or put the jar and these files into a directory, give that with \
                `kind = \"tree\"`, and set the entrypoint in `[config]`";
    Err(unfit(material, why, hint))
}

/// The Java that the main class was compiled for, and what shows it.
fn java_version(material: &Material) -> Result<Option<(u32, String)>, ArtifactError> {
    let Some(main) = main_class(material)? else { return Ok(None) };
    let found = java::java_of(material, main)?;
    if found.is_none() {
        let why = format!("its main class `{main}` is not in it");
        return Err(unfit(material, why, "build the jar with the classes of the application in it"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::artifact::fixture::{detect, detect_as};
    use crate::artifact::{Artifact, Requirement, propose, requirements};
    use crate::formats::zip::fixture::{Item, write};
    use crate::oci::RunConfig;
    use crate::types::error::Explain as _;

    const CLASS: &[u8] = b"\xca\xfe\xba\xbe\0\0\0\x3d java/lang/Object";

    fn jar(directory: &Path, manifest: &str, class: &[u8]) -> Artifact {
        let path: PathBuf = directory.join("shop-1.2.jar");
        let items =
            [Item::deflated("META-INF/MANIFEST.MF", manifest.as_bytes()), Item::deflated("a/B.class", class)];
        std::fs::write(&path, write(&items)).expect("written");
        detect(&path).expect("detected")
    }

    fn base(env: &[&str]) -> ConfigFile {
        let env = env.iter().map(|variable| (*variable).to_owned()).collect();
        ConfigFile { config: Some(RunConfig { env, ..RunConfig::default() }), ..ConfigFile::default() }
    }

    fn proposed(
        artifact: &Artifact,
        options: &AppOptions,
        base: &ConfigFile,
    ) -> Result<Proposal, ArtifactError> {
        propose(artifact, options, Some(base), &Scanner::default())
    }

    fn start(env: &[&str]) -> Vec<String> {
        let directory = tempfile::tempdir().expect("a directory");
        let artifact = jar(directory.path(), "Main-Class: a.B\n", CLASS);
        let proposal = proposed(&artifact, &AppOptions::default(), &base(env)).expect("proposed");
        proposal.entrypoint.expect("an entrypoint")
    }

    #[test]
    fn a_jar_is_started_by_the_java_of_the_base() {
        assert_eq!(start(&[]), ["java", "-jar", "/app/app.jar"]);
        assert_eq!(start(&["PATH=/opt/j/bin:/bin", "JAVA_HOME=/opt/j"])[0], "java");
        assert_eq!(start(&["PATH=/bin", "JAVA_HOME=/opt/j/"])[0], "/opt/j/bin/java");
        assert_eq!(start(&["JAVA_HOME=j"])[0], "java");
    }

    #[test]
    fn a_jar_goes_where_it_is_wanted() {
        let directory = tempfile::tempdir().expect("a directory");
        let artifact = jar(directory.path(), "Main-Class: a.B\nClass-Path:\n", CLASS);
        assert_eq!(artifact.kind.name(), "executable-jar");
        let place = |root: Option<&str>, into_root| {
            let root = root.map(|root| root.parse().expect("a root"));
            let options = AppOptions { root, into_root, ..AppOptions::default() };
            let proposal = proposed(&artifact, &options, &base(&[]))?;
            assert_eq!(proposal.layers.len(), 1);
            let entry = &proposal.layers[0].entries[0];
            assert_eq!((entry.metadata.mode, proposal.app_root.as_ref()), (0o644, Some(&entry.path)));
            Ok::<String, ArtifactError>(entry.path.to_string())
        };
        assert_eq!(place(None, false).expect("a place"), "/app/app.jar");
        assert_eq!(place(Some("/srv/x.jar"), false).expect("a place"), "/srv/x.jar");
        assert_eq!(place(Some("/srv"), true).expect("a place"), "/srv/shop-1.2.jar");
        assert!(matches!(place(Some("/"), true), Err(ArtifactError::FileAsRoot { .. })));
    }

    #[test]
    fn a_jar_requires_the_java_that_it_was_compiled_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let required = |class: &[u8]| {
            let artifact = jar(directory.path(), "Main-Class: a.B\n", class);
            requirements(&artifact, &AppOptions::default(), Search::on(None), &Scanner::default())
                .map(|found| found.all)
        };
        let shown_by = "`a/B.class` in `shop-1.2.jar`".to_owned();
        assert_eq!(
            required(CLASS).expect("read"),
            [
                Requirement::Executable { name: "java".to_owned(), home: Some("JAVA_HOME".to_owned()) },
                Requirement::Java { major: 17, shown_by }
            ]
        );
        let artifact = jar(directory.path(), "Main-Class: a.B\n", CLASS);
        let options = AppOptions { has_entrypoint: true, ..AppOptions::default() };
        let found = requirements(&artifact, &options, Search::on(None), &Scanner::default()).expect("read");
        assert!(matches!(found.all[..], [Requirement::Java { major: 17, .. }]), "{:?}", found.all);
        let error = required(b"no class").expect_err("no class file");
        assert!(error.to_string().contains("`a/B.class` in it is not a class file"), "{error}");
        let artifact = jar(directory.path(), "Main-Class: a.Missing\n", CLASS);
        let error = requirements(&artifact, &AppOptions::default(), Search::on(None), &Scanner::default())
            .expect_err("missing");
        assert!(error.to_string().contains("its main class `a.Missing` is not in it"), "{error}");
    }

    #[test]
    fn a_jar_that_needs_others_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("shop-1.2.jar");
        let manifest = b"Main-Class: a.B\nClass-Path: lib/a.jar\n  lib/b.jar\n";
        std::fs::write(&path, write(&[Item::deflated("META-INF/MANIFEST.MF", manifest)])).expect("written");
        assert_eq!(detect(&path).expect("detected").kind.name(), "jar");
        let artifact = detect_as(&path, &ExecutableJar).expect("said to be one");
        let error = proposed(&artifact, &AppOptions::default(), &base(&[])).expect_err("refused");
        assert!(error.to_string().ends_with("beside it: `lib/a.jar` and 1 more"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("one jar")), "{error}");
    }
}
