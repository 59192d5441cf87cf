//! The formats of descriptors, by the names of files.

use std::fmt;
use std::str::FromStr;

/// The subject of a file, and its syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DescriptorFormat {
    /// Objects of Kubernetes, as YAML or JSON.
    Kubernetes,
    /// A `kustomization.yaml`.
    Kustomization,
    /// The values of a Helm chart.
    Helm,
    /// A Compose file, or a stack of Docker Swarm.
    Compose,
    /// Apps, groups and pods of Marathon.
    Marathon,
    /// A job of Nomad, as HCL or JSON.
    Nomad,
    /// Terraform, as HCL.
    Terraform,
    /// Variables of Terraform, as JSON.
    TerraformJson,
    /// YAML of which nothing is known.
    Yaml,
    /// JSON of which nothing is known.
    Json,
    /// Any text.
    Text,
}

/// All of them, with the names that `--as` takes.
const NAMES: [(DescriptorFormat, &str); 11] = [
    (DescriptorFormat::Kubernetes, "kubernetes"),
    (DescriptorFormat::Kustomization, "kustomization"),
    (DescriptorFormat::Helm, "helm"),
    (DescriptorFormat::Compose, "compose"),
    (DescriptorFormat::Marathon, "marathon"),
    (DescriptorFormat::Nomad, "nomad"),
    (DescriptorFormat::Terraform, "terraform"),
    (DescriptorFormat::TerraformJson, "terraform-json"),
    (DescriptorFormat::Yaml, "yaml"),
    (DescriptorFormat::Json, "json"),
    (DescriptorFormat::Text, "text"),
];

impl DescriptorFormat {
    /// The names, for `--as`.
    #[must_use]
    pub fn names() -> [&'static str; 11] {
        NAMES.map(|(_, name)| name)
    }

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(format, _)| *format == self).map_or("text", |(_, name)| name)
    }

    /// The format that the name of a file says; of `-`, and of names that say nothing, `None`.
    #[must_use]
    pub fn of_name(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        Some(match name.as_str() {
            "kustomization" | "kustomization.yaml" | "kustomization.yml" => Self::Kustomization,
            _ if ends(&[".tfvars.json", ".tf.json"]) => Self::TerraformJson,
            _ if ends(&[".tf", ".tfvars"]) => Self::Terraform,
            _ if ends(&[".hcl", ".nomad"]) => Self::Nomad,
            _ if ends(&[".json"]) => Self::Json,
            _ if !ends(&[".yaml", ".yml"]) => return None,
            _ if name.starts_with("values") || ends(&["values.yaml", "values.yml"]) => Self::Helm,
            _ if name.starts_with("compose") || name.starts_with("docker-compose") => Self::Compose,
            _ => Self::Yaml,
        })
    }

    /// The format of a text without a name that says it.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let is_yaml = |line: &str| {
            line.starts_with("---") || line.starts_with("%YAML") || line.contains(": ") || line.ends_with(':')
        };
        let first = text.lines().find(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty());
        match text.as_bytes().first() {
            Some(b'{' | b'[') => Self::Json,
            _ if first.is_some_and(|line| is_yaml(line.trim_end())) => Self::Yaml,
            _ => Self::Text,
        }
    }
}

impl fmt::Display for DescriptorFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DescriptorFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = NAMES.iter().find(|(_, name)| *name == text).map(|(format, _)| *format);
        known.ok_or_else(|| format!("it is none of {}", Self::names().join(", ")))
    }
}
