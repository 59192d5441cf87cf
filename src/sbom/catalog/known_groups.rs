//! Groups of Maven artifacts whose jars state a name and a version, and no `pom.properties`.
//!
//! A line needs three statements to agree: the name of the file, an attribute of its manifest, and the packages of its classes. So
//! a library of the same name from elsewhere gets no coordinates of these.

use crate::artifact::JarManifest;

/// The attribute that must agree.
enum ManifestStatement {
    /// The module is called as the artifact, with dots.
    ModuleIsName,
    /// The module is called so.
    Module(&'static str),
    /// The title is the name of the artifact.
    TitleIsName,
    /// The title is this.
    Title(&'static str),
    /// The vendor is called so.
    Vendor(&'static str),
}

/// A family of artifacts: how the name of each begins, the attribute, the directory with its classes, and the group.
type KnownGroup = (&'static str, ManifestStatement, &'static str, &'static str);

/// The first whose name fits and whose attribute agrees counts.
const KNOWN: [KnownGroup; 17] = [
    ("spring-boot", ManifestStatement::ModuleIsName, "org/springframework/boot/", "org.springframework.boot"),
    (
        "spring-data-",
        ManifestStatement::ModuleIsName,
        "org/springframework/data/",
        "org.springframework.data",
    ),
    (
        "spring-security-",
        ManifestStatement::ModuleIsName,
        "org/springframework/security/",
        "org.springframework.security",
    ),
    ("spring-jcl", ManifestStatement::TitleIsName, "org/apache/commons/logging/", "org.springframework"),
    ("spring-", ManifestStatement::TitleIsName, "org/springframework/", "org.springframework"),
    ("tomcat-embed-", ManifestStatement::Title("Apache Tomcat"), "org/apache/", "org.apache.tomcat.embed"),
    (
        "hibernate-core",
        ManifestStatement::Module("org.hibernate.orm.core"),
        "org/hibernate/",
        "org.hibernate.orm",
    ),
    (
        "hibernate-commons-annotations",
        ManifestStatement::Vendor("org.hibernate"),
        "org/hibernate/annotations/common/",
        "org.hibernate.common",
    ),
    ("aspectjweaver", ManifestStatement::Module("org.aspectj.weaver"), "org/aspectj/", "org.aspectj"),
    ("aspectjrt", ManifestStatement::Module("org.aspectj.runtime"), "org/aspectj/", "org.aspectj"),
    ("thymeleaf", ManifestStatement::TitleIsName, "org/thymeleaf/", "org.thymeleaf"),
    ("attoparser", ManifestStatement::Vendor("org.attoparser"), "org/attoparser/", "org.attoparser"),
    ("unbescape", ManifestStatement::Vendor("org.unbescape"), "org/unbescape/", "org.unbescape"),
    ("h2", ManifestStatement::Module("com.h2database"), "org/h2/", "com.h2database"),
    ("jdom2", ManifestStatement::Module("org.jdom2"), "org/jdom2/", "org.jdom"),
    (
        "reactive-streams",
        ManifestStatement::Module("org.reactivestreams"),
        "org/reactivestreams/",
        "org.reactivestreams",
    ),
    ("micrometer-", ManifestStatement::ModuleIsName, "io/micrometer/", "io.micrometer"),
];

impl ManifestStatement {
    fn agrees(&self, name: &str, manifest: &JarManifest) -> bool {
        let (attribute, expected) = match self {
            Self::ModuleIsName => ("Automatic-Module-Name", name.replace('-', ".")),
            Self::Module(module) => ("Automatic-Module-Name", (*module).to_owned()),
            Self::TitleIsName => ("Implementation-Title", name.to_owned()),
            Self::Title(title) => ("Implementation-Title", (*title).to_owned()),
            Self::Vendor(vendor) => ("Implementation-Vendor-Id", (*vendor).to_owned()),
        };
        manifest.text(attribute) == Some(&expected)
    }
}

/// The group of the artifact `name`; `has_classes` says whether there are classes in a directory.
pub(super) fn group(
    name: &str,
    manifest: &JarManifest,
    has_classes: impl Fn(&str) -> bool,
) -> Option<&'static str> {
    let fits = |known: &&KnownGroup| {
        let is_named = match known.0.strip_suffix('-') {
            Some(_) => name.starts_with(known.0),
            // A name alone, or one with more words.
            None => name.strip_prefix(known.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
        };
        is_named && known.1.agrees(name, manifest) && has_classes(known.2)
    };
    KNOWN.iter().find(fits).map(|known| known.3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_statements_must_agree() {
        let manifest = |text: &str| JarManifest::parse(text.as_bytes());
        let spring = |directory: &str| "org/springframework/core/".starts_with(directory);
        let core = manifest("Implementation-Title: spring-core\n");
        assert_eq!(group("spring-core", &core, spring), Some("org.springframework"));
        assert_eq!(group("spring-core", &core, |_| false), None);
        assert_eq!(group("spring-core", &manifest("Implementation-Title: other\n"), spring), None);
        assert_eq!(group("spring-core", &manifest(""), spring), None);
        assert_eq!(group("other", &core, spring), None);
        let h2 = manifest("Automatic-Module-Name: com.h2database\n");
        assert_eq!(group("h2", &h2, |_| true), Some("com.h2database"));
        assert_eq!(group("h2o", &h2, |_| true), None);
    }
}
