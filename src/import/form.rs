//! The form of a description, by its name and its text.

use super::jib::JibForm;

/// The builder that reads a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportForm {
    /// A Dockerfile, by any name.
    Dockerfile,
    /// Jib.
    Jib(JibForm),
    /// ko.
    Ko,
}

impl ImportForm {
    /// The form of a file of this name with this text; none of YAML that no builder reads.
    #[must_use]
    pub fn of(name: &str, text: &str) -> Option<Self> {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let has =
            |starts: &[&str]| text.lines().any(|line| starts.iter().any(|start| line.starts_with(start)));
        let is_build_file = has(&["apiVersion: jib/", "kind: BuildFile"]);
        let name = name.to_ascii_lowercase();
        let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        if name.ends_with(".xml") || (text.starts_with('<') && !is_yaml) {
            Some(Self::Jib(JibForm::Maven))
        } else if name.ends_with(".gradle") || name.ends_with(".gradle.kts") {
            Some(Self::Jib(JibForm::Gradle))
        } else if is_build_file || name == "jib.yaml" || name == "jib.yml" {
            Some(Self::Jib(JibForm::BuildFile))
        } else if name == ".ko.yaml"
            || name == ".ko.yml"
            || has(&["defaultBaseImage:", "baseImageOverrides:", "defaultPlatforms:"])
        {
            Some(Self::Ko)
        } else if is_yaml {
            None
        } else {
            Some(Self::Dockerfile)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_or_the_text_tells_the_form() {
        let (maven, gradle, build_file) = (JibForm::Maven, JibForm::Gradle, JibForm::BuildFile);
        for (name, text, form) in [
            ("Dockerfile", "FROM a", Some(ImportForm::Dockerfile)),
            ("shop.dockerfile", "", Some(ImportForm::Dockerfile)),
            ("pom.xml", "", Some(ImportForm::Jib(maven))),
            ("-", " <project/>", Some(ImportForm::Jib(maven))),
            ("build.gradle", "", Some(ImportForm::Jib(gradle))),
            ("shop.gradle.kts", "", Some(ImportForm::Jib(gradle))),
            ("jib.yaml", "", Some(ImportForm::Jib(build_file))),
            ("-", "apiVersion: jib/v1alpha1\n", Some(ImportForm::Jib(build_file))),
            (".ko.yaml", "", Some(ImportForm::Ko)),
            (".ko.yaml", "<html>", Some(ImportForm::Ko)),
            ("ko.yml", "a: b\ndefaultBaseImage: x\n", Some(ImportForm::Ko)),
            ("compose.yaml", "services: {}\n", None),
        ] {
            assert_eq!(ImportForm::of(name, text), form, "{name}");
        }
    }
}
