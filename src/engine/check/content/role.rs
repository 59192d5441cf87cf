//! The part that a file plays, by its path alone: which matchers its content is given to.

use crate::layer::EntryPath;

/// The part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum FileRole {
    /// Text, if its content is text.
    Text,
    /// Variables of one machine: `.env`, `.env.local`.
    Environment,
    /// Settings of npm: `.npmrc`.
    Npm,
    /// Settings for uploads to PyPI: `.pypirc`.
    Pypi,
    /// Settings of Maven.
    Maven,
    /// Logins to registries.
    Docker,
    /// Logins to Kubernetes.
    Kubernetes,
    /// Addresses of remote repositories: `.git/config`.
    Git,
    /// Logins that git keeps: `.git-credentials`.
    GitCredentials,
    /// Logins to hosts: `.netrc`.
    Netrc,
    /// Keys and certificates in PKCS#12 or JKS.
    KeyStore,
    /// A private key of SSH, by its name.
    SshKey,
    /// State of Terraform.
    Terraform,
    /// A library or application of Java, packed.
    Jar,
    /// Settings of the application.
    Settings,
    /// Paths that are read when a program or build runs: `pyvenv.cfg`, `.la`, `.pc`.
    Paths,
    /// No content of it is looked at: class files and pictures, which are many.
    Skipped,
}

/// Endings of files whose content is never text, and of which applications have thousands.
const SKIPPED: [&[u8]; 12] =
    [b"class", b"png", b"gif", b"jpg", b"jpeg", b"webp", b"ico", b"woff", b"woff2", b"ttf", b"eot", b"pyc"];

/// Names of `.env` files that are made to be shared.
const SHARED: [&[u8]; 7] = [b"example", b"sample", b"template", b"dist", b"defaults", b"tpl", b"schema"];

impl FileRole {
    /// The role of the file at `path`.
    pub(super) fn of(path: &EntryPath) -> Self {
        let name = path.file_name();
        let ending = memchr::memrchr(b'.', name).map(|dot| &name[dot + 1..]).unwrap_or_default();
        let is_in = |directory: &[u8]| {
            path.directory()
                .strip_suffix(b"/")
                .is_some_and(|above| above == directory || above.ends_with(&[b"/", directory].concat()))
        };
        match name {
            b".npmrc" | b"npmrc" => Self::Npm,
            b".pypirc" => Self::Pypi,
            b"settings.xml" | b"settings-security.xml" => Self::Maven,
            b".dockerconfigjson" | b".dockercfg" => Self::Docker,
            b"config.json" if is_in(b".docker") => Self::Docker,
            b"kubeconfig" | b".kubeconfig" => Self::Kubernetes,
            b"config" if is_in(b".kube") => Self::Kubernetes,
            b"config" if is_in(b".git") => Self::Git,
            b".git-credentials" => Self::GitCredentials,
            b".netrc" | b"_netrc" => Self::Netrc,
            b"id_rsa" | b"id_dsa" | b"id_ecdsa" | b"id_ed25519" | b"id_ecdsa_sk" | b"id_ed25519_sk" => {
                Self::SshKey
            }
            b"terraform.tfstate" | b"terraform.tfstate.backup" => Self::Terraform,
            b".env" => Self::Environment,
            b"pyvenv.cfg" | b"RECORD" => Self::Paths,
            // Maven leaves it in a jar; nothing reads it.
            b"pom.xml" | b"pom.properties" => Self::Text,
            b"package.json" | b"package-lock.json" | b"composer.json" | b"tsconfig.json" => Self::Text,
            _ if name.starts_with(b".env.") => match SHARED.iter().any(|shared| name.ends_with(shared)) {
                true => Self::Text,
                false => Self::Environment,
            },
            _ => match ending {
                b"p12" | b"pfx" | b"jks" | b"keystore" => Self::KeyStore,
                b"kubeconfig" => Self::Kubernetes,
                b"tfstate" => Self::Terraform,
                b"jar" | b"war" => Self::Jar,
                b"la" | b"pc" | b"pth" => Self::Paths,
                b"properties" | b"yml" | b"yaml" | b"json" | b"xml" if !is_of_package(path) => Self::Settings,
                ending if SKIPPED.contains(&ending) => Self::Skipped,
                _ => Self::Text,
            },
        }
    }
}

/// Directories of packages of others.
pub(super) const PACKAGES: [&[u8]; 6] =
    [b"node_modules", b"site-packages", b"dist-packages", b"vendor", b"bower_components", b".pnpm"];

/// Whether a file belongs to a package of others.
fn is_of_package(path: &EntryPath) -> bool {
    path.directory().split(|byte| *byte == b'/').any(|part| PACKAGES.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_directories_tell() {
        for (path, role) in [
            ("srv/app/.env", FileRole::Environment),
            ("srv/app/.env.production", FileRole::Environment),
            ("srv/app/.env.example", FileRole::Text),
            ("srv/app/.env.local.sample", FileRole::Text),
            ("srv/app/environment", FileRole::Text),
            ("root/.docker/config.json", FileRole::Docker),
            ("srv/config.json", FileRole::Settings),
            ("srv/node_modules/a/config.json", FileRole::Text),
            ("srv/package.json", FileRole::Text),
            ("srv/.venv/pyvenv.cfg", FileRole::Paths),
            (".git/config", FileRole::Git),
            ("a/my.git/config", FileRole::Text),
            ("root/.kube/config", FileRole::Kubernetes),
            ("a/b/keys/server.p12", FileRole::KeyStore),
            ("a/id_rsa", FileRole::SshKey),
            ("a/id_rsa.pub", FileRole::Text),
            ("a/A.class", FileRole::Skipped),
            ("class", FileRole::Text),
        ] {
            assert_eq!(FileRole::of(&EntryPath::new(path.as_bytes()).expect("a path")), role, "{path}");
        }
    }
}
