//! A project with a registry of this process, and the keys that sign its image.

use pack_test_registry::Fake;

use crate::support::{Outcome, Project, text, tree_on};

/// The password of the key `pack.key`.
pub(crate) const PASSWORD: &str = "correct-horse-7Zq";

/// A project of two directories in files, whose image is `shop/app:1` in a registry of this process.
pub(crate) struct Shop {
    /// The registry.
    pub(crate) fake: Fake,
    /// The project.
    pub(crate) project: Project,
    /// The repository of the image.
    pub(crate) name: String,
    /// The image, by its tag.
    pub(crate) image: String,
}

impl Shop {
    /// On `scratch`, with these settings after those of the image.
    pub(crate) fn new(settings: &str) -> Self {
        let fake = Fake::start().unwrap();
        let project = Project::new();
        Self::of(fake, project, "scratch", settings)
    }

    /// On the base `base/tree:1` of the same registry.
    pub(crate) fn on_base(settings: &str) -> Self {
        let fake = Fake::start().unwrap();
        let base = format!("{}/base/tree", fake.address());
        let project = Project::with(&tree_on("scratch").replace("localhost/tree", &base));
        project.write("files/base.txt", "base\n");
        project.pack("build --push").ok();
        Self::of(fake, project, &format!("{base}:1"), settings)
    }

    fn of(fake: Fake, project: Project, base: &str, settings: &str) -> Self {
        let name = format!("{}/shop/app", fake.address());
        let text = tree_on(base).replace("localhost/tree", &name);
        project.write("build.toml", format!("{text}\n{settings}"));
        project.write("files/a.txt", "a\n").write("empty.txt", "\n");
        Self { image: format!("{name}:1"), fake, project, name }
    }

    /// With the key `pack.key`, which has a password.
    pub(crate) fn with_key(self) -> Self {
        self.ok("key generate");
        self
    }

    /// With keys of these names, whose password is that of `empty.txt`.
    pub(crate) fn with_open_keys(self, names: &[&str]) -> Self {
        for name in names {
            self.ok(&format!("key generate --output {name} --password-file empty.txt"));
        }
        self
    }

    /// Runs the program. `IMAGE` and `NAME` stand for the image and its repository, and no output has a secret.
    pub(crate) fn pack(&self, arguments: &str) -> Outcome {
        let arguments = arguments.replace("IMAGE", &self.image).replace("NAME", &self.name);
        let said = self.project.pack(&arguments).env("COSIGN_PASSWORD", PASSWORD).run();
        let all = format!("{}{}", said.stdout, said.stderr);
        assert!(!all.contains(PASSWORD) && !all.contains("PRIVATE KEY"), "{all}");
        said
    }

    pub(crate) fn ok(&self, arguments: &str) -> Outcome {
        self.pack(arguments).has_code(0)
    }

    /// Fails with this code and an error, and says nothing on stdout.
    pub(crate) fn fails(&self, code: i32, arguments: &str) -> Outcome {
        let said = self.pack(arguments).has_code(code);
        assert!(said.has_error() && said.stdout.is_empty(), "{said:?}");
        said
    }

    /// Fails because a policy refuses.
    pub(crate) fn refused(&self, arguments: &str) -> Outcome {
        self.pack(arguments).has_code(4).says(&["error: the policy refuses `"])
    }

    /// Attaches a list of one package with a licence; the name of its manifest.
    pub(crate) fn attach_sbom(&self, package: &str, licence: &str) -> String {
        let text = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{{"type":"library","name":"x","purl":"{package}","licenses":[{{"license":{{"id":"{licence}"}}}}]}}]}}"#
        );
        self.project.write("sbom.json", &text);
        let said = self.ok("attach IMAGE sbom.json --type application/vnd.cyclonedx+json");
        said.stdout.trim().to_owned()
    }

    /// The documents that refer to an image, by type and digest.
    pub(crate) fn referrers(&self, image: &str) -> Vec<(String, String)> {
        let json = self.ok(&format!("referrers {image} --json")).json();
        let listed = json["referrers"].as_array().unwrap();
        let mut all: Vec<_> =
            listed.iter().map(|it| (text(&it["artifactType"]), text(&it["digest"]))).collect();
        all.sort();
        all
    }

    /// The requests since the last time, as `METHOD PATH`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.fake.take_log().iter().map(|logged| format!("{} {}", logged.method, logged.target)).collect()
    }
}
