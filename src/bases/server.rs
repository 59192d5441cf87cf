//! Servers in a base image, known by its configuration: where applications and pages go, and which servlet
//! API it runs. No layer is read.

use serde::{Deserialize, Serialize};

use crate::layer::EntryPath;
use crate::oci::ConfigFile;

/// The two generations of the servlet API, which exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Servlet {
    /// `javax.servlet`, up to Servlet 4.0.
    Javax,
    /// `jakarta.servlet`, from Servlet 5.0.
    Jakarta,
}

impl Servlet {
    /// The package of its classes.
    #[must_use]
    pub const fn package(self) -> &'static str {
        match self {
            Self::Javax => "javax.servlet",
            Self::Jakarta => "jakarta.servlet",
        }
    }

    /// As it is written in the constants of a class file.
    pub(crate) const fn in_classes(self) -> &'static str {
        match self {
            Self::Javax => "javax/servlet/",
            Self::Jakarta => "jakarta/servlet/",
        }
    }
}

/// Which servlet container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContainerKind {
    /// Apache Tomcat.
    Tomcat,
    /// Eclipse Jetty.
    Jetty,
    /// Apache TomEE.
    TomEe,
    /// WildFly, or JBoss EAP.
    WildFly,
    /// Open Liberty, or WebSphere Liberty.
    Liberty,
    /// Payara Server.
    Payara,
    /// Payara Micro.
    PayaraMicro,
    /// Eclipse GlassFish.
    GlassFish,
}

impl ContainerKind {
    /// Its name for people.
    const fn name(self) -> &'static str {
        match self {
            Self::Tomcat => "Tomcat",
            Self::Jetty => "Jetty",
            Self::TomEe => "TomEE",
            Self::WildFly => "WildFly",
            Self::Liberty => "Liberty",
            Self::Payara => "Payara Server",
            Self::PayaraMicro => "Payara Micro",
            Self::GlassFish => "GlassFish",
        }
    }
}

/// A servlet container in a base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Which.
    pub kind: ContainerKind,
    /// Major version, if the configuration tells.
    pub version: Option<u32>,
    /// The directory that it deploys applications from.
    pub webapps: EntryPath,
    /// The part of the configuration that shows it.
    pub sign: String,
}

impl Container {
    /// Its name with the version, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let name = self.kind.name();
        self.version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
    }

    /// Which servlet API it runs; `None` if the version is not known, or runs either by its modules.
    #[must_use]
    pub const fn servlet(&self) -> Option<Servlet> {
        let Some(version) = self.version else { return None };
        let first_of_jakarta = match self.kind {
            ContainerKind::Tomcat => 10,
            ContainerKind::TomEe => 9,
            ContainerKind::WildFly => 27,
            ContainerKind::Payara | ContainerKind::PayaraMicro | ContainerKind::GlassFish => 6,
            // From 12 on, its modules decide.
            ContainerKind::Jetty if version < 12 => 11,
            // Its features decide.
            ContainerKind::Jetty | ContainerKind::Liberty => return None,
        };
        Some(if version < first_of_jakarta { Servlet::Javax } else { Servlet::Jakarta })
    }

    /// Whether it takes an application as the archive that it is, and not as a directory.
    #[must_use]
    pub const fn takes_archives(&self) -> bool {
        !matches!(self.kind, ContainerKind::Tomcat | ContainerKind::Jetty | ContainerKind::TomEe)
    }

    /// Whether an application with the name `ROOT` is the one of the address `/`; else its name is the first part of its
    /// address.
    #[must_use]
    pub const fn knows_root(&self) -> bool {
        !matches!(self.kind, ContainerKind::Liberty | ContainerKind::Payara | ContainerKind::GlassFish)
    }
}

/// The servlet container of a base with this configuration.
#[must_use]
pub fn container(base: &ConfigFile) -> Option<Container> {
    if let Some(server) = application_server(base) {
        return Some(server);
    }
    let words = words(base);
    let mentions = |what: &str| words.iter().find(|(_, word)| word.contains(what));
    // Debian's units and images start `tomcatN` from its own directories; `CATALINA_BASE` may not be set.
    let debian = words.iter().find_map(|(place, word)| Some((place, word, debian_tomcat(word)?)));
    if let Some((place, word, version)) = debian {
        let base_directory =
            base.env("CATALINA_BASE").map_or_else(|| format!("/var/lib/tomcat{version}"), str::to_owned);
        return Some(Container {
            kind: ContainerKind::Tomcat,
            version: Some(version),
            webapps: webapps(&base_directory)?,
            sign: format!("{place} has `{word}`"),
        });
    }
    for name in ["CATALINA_BASE", "CATALINA_HOME", "TOMCAT_VERSION"] {
        let Some(value) = base.env(name) else { continue };
        let directory = if name == "TOMCAT_VERSION" { "/usr/local/tomcat" } else { value };
        return Some(Container {
            kind: ContainerKind::Tomcat,
            version: tomcat_version(base),
            webapps: webapps(directory)?,
            sign: format!("its environment has `{name}={value}`"),
        });
    }
    for name in ["JETTY_BASE", "JETTY_VERSION", "JETTY_HOME"] {
        let Some(value) = base.env(name) else { continue };
        let directory = if name == "JETTY_BASE" { value } else { "/var/lib/jetty" };
        return Some(Container {
            kind: ContainerKind::Jetty,
            version: base.env("JETTY_VERSION").or_else(|| titled(base, "jetty")).and_then(major),
            webapps: webapps(directory)?,
            sign: format!("its environment has `{name}={value}`"),
        });
    }
    if let Some((place, word)) = mentions("/usr/local/tomcat").or_else(|| mentions("catalina.sh")) {
        let sign = format!("{place} has `{word}`");
        let (kind, version) = (ContainerKind::Tomcat, tomcat_version(base));
        return Some(Container { kind, version, webapps: webapps("/usr/local/tomcat")?, sign });
    }
    if let Some((place, word)) = mentions("/usr/local/jetty").or_else(|| mentions("/var/lib/jetty")) {
        let sign = format!("{place} has `{word}`");
        let (kind, version) = (ContainerKind::Jetty, titled(base, "jetty").and_then(major));
        return Some(Container { kind, version, webapps: webapps("/var/lib/jetty")?, sign });
    }
    for (title, kind, directory) in [
        ("tomcat", ContainerKind::Tomcat, "/usr/local/tomcat"),
        ("jetty", ContainerKind::Jetty, "/var/lib/jetty"),
    ] {
        if let Some(version) = titled(base, title) {
            let sign = format!("its label `{TITLE}` has `{title}`");
            return Some(Container { kind, version: major(version), webapps: webapps(directory)?, sign });
        }
    }
    None
}

/// The program `name` of a base with this configuration: its name where the `PATH` has the directory that the variable
/// `home` names, else its path in there.
#[must_use]
pub fn program(base: Option<&ConfigFile>, name: &str, home: &str) -> String {
    let home = base.and_then(|base| base.env(home)).filter(|home| home.starts_with('/'));
    let Some(home) = home.map(|home| home.trim_end_matches('/')) else { return name.to_owned() };
    let programs = format!("{home}/bin");
    let path = base.and_then(|base| base.env("PATH")).unwrap_or_default();
    let is_on_path = path.split(':').any(|directory| directory.trim_end_matches('/') == programs);
    if is_on_path { name.to_owned() } else { format!("{programs}/{name}") }
}

/// A server that its own variables or labels tell. TomEE is a Tomcat too, so these come first.
fn application_server(base: &ConfigFile) -> Option<Container> {
    let at = |kind, name: &str, value: &str, version: Option<u32>, directory: &str| {
        let webapps = EntryPath::new(directory.as_bytes()).ok()?;
        Some(Container { kind, version, webapps, sign: format!("its environment has `{name}={value}`") })
    };
    let number = |name: &str| base.env(name).and_then(major);
    if let Some(version) = base.env("TOMEE_VER") {
        let home = base.env("CATALINA_HOME").unwrap_or("/usr/local/tomee");
        return at(ContainerKind::TomEe, "TOMEE_VER", version, major(version), &format!("{home}/webapps"));
    }
    if let Some(home) = base.env("JBOSS_HOME") {
        let directory = format!("{home}/standalone/deployments");
        return at(ContainerKind::WildFly, "JBOSS_HOME", home, number("WILDFLY_VERSION"), &directory);
    }
    for (name, kind) in [("PAYARA_DIR", ContainerKind::Payara), ("PAYARA_HOME", ContainerKind::PayaraMicro)] {
        let Some(home) = base.env(name) else { continue };
        let directory = base.env("DEPLOY_DIR").unwrap_or("/opt/payara/deployments");
        let version = number("PAYARA_VERSION").or_else(|| titled(base, "payara").and_then(major));
        return at(kind, name, home, version, directory);
    }
    if let Some(home) = base.env("PATH_GF_HOME") {
        let named = || home.rsplit('/').next()?.strip_prefix("glassfish").and_then(major);
        let version = number("GLASSFISH_VERSION").or_else(named);
        let directory = format!("{home}/glassfish/domains/domain1/autodeploy");
        return at(ContainerKind::GlassFish, "PATH_GF_HOME", home, version, &directory);
    }
    let labels = base.config.as_ref().map(|config| &config.labels)?;
    for label in ["io.openliberty.version", "com.ibm.websphere.liberty.version"] {
        let Some(version) = labels.get(label) else { continue };
        // A link to the directory of the server, wherever that is.
        let webapps = EntryPath::new(b"config/dropins").ok()?;
        let sign = format!("its label `{label}` is there");
        return Some(Container { kind: ContainerKind::Liberty, version: major(version), webapps, sign });
    }
    None
}

/// A web server in a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebServer {
    /// Its name for people.
    pub name: &'static str,
    /// The directory whose files it shows.
    pub pages: EntryPath,
    /// The variable that shows it.
    variable: &'static str,
}

impl WebServer {
    /// Why pages go where they go.
    #[must_use]
    pub fn why(&self) -> String {
        let Self { name, pages, variable } = self;
        format!("The base is {name} (`{variable}` is set): pages go to `{pages}`.")
    }
}

/// The web server of a base with this configuration.
#[must_use]
pub fn web_server(base: &ConfigFile) -> Option<WebServer> {
    let at = |pages: &str, name, variable| {
        Some(WebServer { name, pages: EntryPath::new(pages.as_bytes()).ok()?, variable })
    };
    if base.env("NGINX_VERSION").is_some() {
        return at("/usr/share/nginx/html", "nginx", "NGINX_VERSION");
    }
    if let Some(prefix) = base.env("HTTPD_PREFIX") {
        return at(&format!("{prefix}/htdocs"), "Apache httpd", "HTTPD_PREFIX");
    }
    if base.env("HTTPD_VERSION").is_some() {
        return at("/usr/local/apache2/htdocs", "Apache httpd", "HTTPD_VERSION");
    }
    if base.env("CADDY_VERSION").is_some() {
        return at("/usr/share/caddy", "Caddy", "CADDY_VERSION");
    }
    None
}

const TITLE: &str = "org.opencontainers.image.title";

/// Everything in a configuration that names programs and directories, with the place it is in.
fn words(base: &ConfigFile) -> Vec<(&'static str, &str)> {
    let Some(config) = &base.config else { return Vec::new() };
    let mut words = Vec::new();
    words.extend(config.entrypoint.iter().flatten().map(|word| ("its entrypoint", word.as_str())));
    words.extend(config.cmd.iter().flatten().map(|word| ("its command", word.as_str())));
    for name in ["CATALINA_BASE", "CATALINA_HOME"] {
        words.extend(base.env(name).map(|value| ("its environment", value)));
    }
    words.push(("its working directory", config.working_dir.as_str()));
    words
}

/// The version of Debian's package that a word names: `/usr/share/tomcat10/…`, `/usr/libexec/tomcat9/…`.
fn debian_tomcat(word: &str) -> Option<u32> {
    ["/var/lib/tomcat", "/usr/share/tomcat", "/usr/libexec/tomcat", "/etc/tomcat"].iter().find_map(|start| {
        let rest = &word[word.find(start)? + start.len()..];
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        (rest[digits..].is_empty() || rest[digits..].starts_with('/')).then(|| rest[..digits].parse().ok())?
    })
}

/// By the official image's variables, a directory such as `apache-tomcat-10.1.5`, or the labels.
fn tomcat_version(base: &ConfigFile) -> Option<u32> {
    let by_variable = || base.env("TOMCAT_VERSION").or_else(|| base.env("TOMCAT_MAJOR")).and_then(major);
    let by_directory = || {
        words(base).into_iter().find_map(|(_, word)| {
            let rest = &word[word.find("tomcat")? + "tomcat".len()..];
            major(rest.trim_start_matches('-'))
        })
    };
    by_variable().or_else(by_directory).or_else(|| titled(base, "tomcat").and_then(major))
}

/// The version label of an image whose title label has `title`.
fn titled<'a>(base: &'a ConfigFile, title: &str) -> Option<&'a str> {
    let labels = &base.config.as_ref()?.labels;
    let found = labels.get(TITLE)?.to_ascii_lowercase().contains(title);
    found.then(|| labels.get("org.opencontainers.image.version").map_or("", String::as_str))
}

/// `10` of `10.1.24`.
fn major(version: &str) -> Option<u32> {
    let digits = version.find(|character: char| !character.is_ascii_digit()).unwrap_or(version.len());
    version[..digits].parse().ok()
}

fn webapps(directory: &str) -> Option<EntryPath> {
    EntryPath::new(format!("{directory}/webapps").as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::RunConfig;

    fn base(env: &[&str], entrypoint: &[&str], cmd: &[&str]) -> ConfigFile {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let config = RunConfig {
            env: words(env),
            entrypoint: Some(words(entrypoint)),
            cmd: Some(words(cmd)),
            ..RunConfig::default()
        };
        ConfigFile { config: Some(config), ..ConfigFile::default() }
    }

    fn known(base: &ConfigFile) -> (String, String, Option<Servlet>) {
        let container = container(base).expect("a container");
        (container.describe(), container.webapps.to_string(), container.servlet())
    }

    #[test]
    fn containers() {
        let official = base(
            &["CATALINA_HOME=/usr/local/tomcat", "TOMCAT_MAJOR=10", "TOMCAT_VERSION=10.1.24"],
            &[],
            &["catalina.sh", "run"],
        );
        assert_eq!(
            known(&official),
            ("Tomcat 10".into(), "/usr/local/tomcat/webapps".into(), Some(Servlet::Jakarta))
        );
        let nine = base(&["CATALINA_HOME=/opt/apache-tomcat-9.0.80"], &[], &[]);
        assert_eq!(
            known(&nine),
            ("Tomcat 9".into(), "/opt/apache-tomcat-9.0.80/webapps".into(), Some(Servlet::Javax))
        );
        let debian =
            base(&["CATALINA_HOME=/usr/share/tomcat10", "CATALINA_BASE=/var/lib/tomcat10"], &[], &[]);
        assert_eq!(
            known(&debian),
            ("Tomcat 10".into(), "/var/lib/tomcat10/webapps".into(), Some(Servlet::Jakarta))
        );
        let unit = base(&[], &["/usr/libexec/tomcat9/tomcat-start.sh"], &[]);
        assert_eq!(
            known(&unit),
            ("Tomcat 9".into(), "/var/lib/tomcat9/webapps".into(), Some(Servlet::Javax))
        );
        let jetty = base(
            &["JETTY_VERSION=12.0.9", "JETTY_HOME=/usr/local/jetty", "JETTY_BASE=/var/lib/jetty"],
            &[],
            &[],
        );
        assert_eq!(known(&jetty), ("Jetty 12".into(), "/var/lib/jetty/webapps".into(), None));
        let bare = base(&[], &[], &["catalina.sh", "run"]);
        assert_eq!(known(&bare), ("Tomcat".into(), "/usr/local/tomcat/webapps".into(), None));
        assert_eq!(container(&base(&["PATH=/usr/bin"], &[], &["bash"])), None);
        assert_eq!(container(&ConfigFile::default()), None);
    }

    #[test]
    fn application_servers() {
        let of = |env: &[&str]| known(&base(env, &[], &["catalina.sh", "run"]));
        for (env, name, directory, servlet) in [
            (&["TOMEE_VER=8.0.16"][..], "TomEE 8", "/usr/local/tomee/webapps", Some(Servlet::Javax)),
            (&["TOMEE_VER=10.0.0"], "TomEE 10", "/usr/local/tomee/webapps", Some(Servlet::Jakarta)),
            (
                &["JBOSS_HOME=/opt/jboss/wildfly", "WILDFLY_VERSION=26.1.3.Final"],
                "WildFly 26",
                "/opt/jboss/wildfly/standalone/deployments",
                Some(Servlet::Javax),
            ),
            (
                &["JBOSS_HOME=/opt/server", "WILDFLY_VERSION=27.0.0.Final"],
                "WildFly 27",
                "/opt/server/standalone/deployments",
                Some(Servlet::Jakarta),
            ),
            (&["JBOSS_HOME=/opt/eap"], "WildFly", "/opt/eap/standalone/deployments", None),
            (
                &["PAYARA_DIR=/opt/payara/appserver", "DEPLOY_DIR=/d", "PAYARA_VERSION=5.2022.5"],
                "Payara Server 5",
                "/d",
                Some(Servlet::Javax),
            ),
            (
                &["PAYARA_HOME=/opt/payara", "PAYARA_VERSION=6.2024.1"],
                "Payara Micro 6",
                "/opt/payara/deployments",
                Some(Servlet::Jakarta),
            ),
            (
                &["PATH_GF_HOME=/opt/glassfish7"],
                "GlassFish 7",
                "/opt/glassfish7/glassfish/domains/domain1/autodeploy",
                Some(Servlet::Jakarta),
            ),
        ] {
            assert_eq!(of(env), (name.to_owned(), directory.to_owned(), servlet), "{env:?}");
        }
        let mut liberty = base(&[], &[], &[]);
        if let Some(config) = &mut liberty.config {
            config.labels.insert("io.openliberty.version".to_owned(), "24.0.0.1".to_owned());
        }
        assert_eq!(known(&liberty), ("Liberty 24".into(), "/config/dropins".into(), None));
    }

    #[test]
    fn web_roots() {
        let root = |env: &str| web_server(&base(&[env], &[], &[])).map(|server| server.pages.to_string());
        assert_eq!(root("NGINX_VERSION=1.27.0").as_deref(), Some("/usr/share/nginx/html"));
        assert_eq!(root("HTTPD_PREFIX=/usr/local/apache2").as_deref(), Some("/usr/local/apache2/htdocs"));
        assert_eq!(root("CADDY_VERSION=v2.8").as_deref(), Some("/usr/share/caddy"));
        assert_eq!(root("A=b"), None);
    }
}
