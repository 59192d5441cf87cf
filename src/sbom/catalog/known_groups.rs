//! Groups of Maven artifacts whose jars state a name and a version, and no group.
//!
//! A line needs three statements to agree: the name of the file, the title in its manifest, and the packages of its classes. So
//! a library of the same name from elsewhere gets no coordinates of these.

/// A family of artifacts.
struct KnownGroup {
    /// How the name of each begins.
    artifacts: &'static str,
    /// The directory that classes of each lie in.
    classes: &'static str,
    /// The title in the manifest of each; without one, its name.
    title: Option<&'static str>,
    group: &'static str,
}

/// The first that fits counts.
const KNOWN: [KnownGroup; 5] = [
    KnownGroup {
        artifacts: "spring-boot",
        classes: "org/springframework/boot/",
        title: None,
        group: "org.springframework.boot",
    },
    KnownGroup {
        artifacts: "spring-data-",
        classes: "org/springframework/data/",
        title: None,
        group: "org.springframework.data",
    },
    KnownGroup {
        artifacts: "spring-security-",
        classes: "org/springframework/security/",
        title: None,
        group: "org.springframework.security",
    },
    KnownGroup {
        artifacts: "spring-",
        classes: "org/springframework/",
        title: None,
        group: "org.springframework",
    },
    KnownGroup {
        artifacts: "tomcat-embed-",
        classes: "org/apache/",
        title: Some("Apache Tomcat"),
        group: "org.apache.tomcat.embed",
    },
];

/// The group of the artifact `name`, whose manifest has `title`; `has_classes` says whether there are classes in a directory.
pub(super) fn group(
    name: &str,
    title: Option<&str>,
    has_classes: impl Fn(&str) -> bool,
) -> Option<&'static str> {
    let known = KNOWN.iter().find(|known| name.starts_with(known.artifacts))?;
    let is_titled = title == Some(known.title.unwrap_or(name));
    (is_titled && has_classes(known.classes)).then_some(known.group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_statements_must_agree() {
        let classes = |directory: &str| directory.starts_with("org/springframework/");
        assert_eq!(group("spring-core", Some("spring-core"), classes), Some("org.springframework"));
        assert_eq!(group("spring-boot-jarmode-tools", Some("spring-boot-jarmode-tools"), |_| false), None);
        assert_eq!(group("spring-core", Some("other"), classes), None);
        assert_eq!(group("spring-core", None, classes), None);
        assert_eq!(group("other", Some("other"), classes), None);
    }
}
