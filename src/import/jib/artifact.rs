//! The artifact of a project that Jib packages: Jib takes classes and libraries from the build itself, `pack` what the build made.

/// The facts of a project of Java that decide its artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JavaProject {
    /// Where the build puts the artifact.
    pub(super) artifact: String,
    /// The command that makes it.
    pub(super) command: &'static str,
    /// Whether it is a web application.
    pub(super) is_war: bool,
    /// Whether the artifact has its libraries in it or beside it.
    pub(super) is_whole: bool,
    /// The version of Java that it is compiled for.
    pub(super) java: Option<u32>,
    /// The directory of the project below the working directory, if it is not that.
    pub(super) directory: Option<String>,
}

impl JavaProject {
    /// The base that Jib takes where none is named.
    pub(super) fn usual_base(&self) -> Option<String> {
        if self.is_war {
            return Some("jetty".to_owned());
        }
        let version = match self.java? {
            0..=8 => 8,
            9..=11 => 11,
            12..=17 => 17,
            18..=21 => 21,
            _ => 25,
        };
        Some(format!("eclipse-temurin:{version}-jre"))
    }

    /// A path of the project from the working directory.
    pub(super) fn path(&self, path: &str) -> String {
        let path = path.trim_start_matches("./").trim_end_matches('/');
        match &self.directory {
            Some(directory) if !path.starts_with('/') => format!("{directory}/{path}"),
            _ => path.to_owned(),
        }
    }
}
