//! The builder that a provenance names: a CI system by its own address, or this program on any machine.

use super::environment::Environment;
use crate::attest::provenance::ProvenanceBuilder;

/// This program where no CI system runs it.
const LOCAL: &str = "urn:pack:builder:local";
/// This program in a CI system that is not known.
const CI: &str = "urn:pack:builder:ci";

/// Why the level is not more than 1.
const LEVEL_ONE: &str = "the document is written by the build itself, and no hosted builder signs it";

/// The builder of this run. The level of a build is 1, wherever it runs: only a hosted builder that signs with a key that
/// builds cannot use may claim more.
#[must_use]
pub fn provenance_builder(environment: &Environment) -> ProvenanceBuilder {
    let id = known(environment)
        .unwrap_or_else(|| if environment.is_ci() { CI.to_owned() } else { LOCAL.to_owned() });
    ProvenanceBuilder { id, level: 1, why: LEVEL_ONE.to_owned() }
}

/// The address of a known CI system. It is the same for all runs of a project, so that one build has one provenance.
fn known(environment: &Environment) -> Option<String> {
    let text = |name: &str| environment.text(name).filter(|value| !value.is_empty());
    let address = |name: &str| {
        let url = text(name)?.trim_end_matches('/');
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        // A login in it must not be published.
        (!rest.contains('@')).then(|| url.to_owned())
    };
    if text("GITHUB_ACTIONS").is_some() {
        let server = address("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
        let hosted = text("RUNNER_ENVIRONMENT").unwrap_or("self-hosted");
        return Some(format!("{server}/actions/runner/{hosted}"));
    }
    if text("GITLAB_CI").is_some() {
        return Some(format!("{}/-/runners", address("CI_SERVER_URL")?));
    }
    if let Some(organization) = text("BUILDKITE_ORGANIZATION_SLUG") {
        return Some(format!("https://buildkite.com/{organization}"));
    }
    if text("CIRCLECI").is_some() {
        return Some("https://circleci.com".to_owned());
    }
    if text("BITBUCKET_BUILD_NUMBER").is_some() {
        return Some("https://bitbucket.org/product/features/pipelines".to_owned());
    }
    if text("TF_BUILD").is_some() {
        return address("SYSTEM_COLLECTIONURI");
    }
    if text("DRONE").is_some() {
        return Some(format!("{}://{}", text("DRONE_SYSTEM_PROTO")?, text("DRONE_SYSTEM_HOST")?));
    }
    address("JENKINS_URL")
}

#[cfg(test)]
mod tests {
    use super::super::environment::for_test;
    use super::*;

    #[test]
    fn a_builder_is_named_by_the_system_that_runs_it() {
        let id = |variables: &[(&str, &str)]| provenance_builder(&for_test(variables)).id;
        assert_eq!(id(&[]), LOCAL);
        assert_eq!(id(&[("CI", "true")]), CI);
        let github = [("GITHUB_ACTIONS", "true"), ("RUNNER_ENVIRONMENT", "github-hosted")];
        assert_eq!(id(&github), "https://github.com/actions/runner/github-hosted");
        let gitlab = [("GITLAB_CI", "true"), ("CI_SERVER_URL", "https://gitlab.example.com/")];
        assert_eq!(id(&gitlab), "https://gitlab.example.com/-/runners");
        assert_eq!(id(&[("JENKINS_URL", "https://ci.example.com/")]), "https://ci.example.com");
        assert_eq!(
            id(&[("JENKINS_URL", &*format!("https://{}@ci.example.com/", "me:word"))]),
            LOCAL,
            "no login is in it"
        );
        assert_eq!(provenance_builder(&for_test(&github)).level, 1, "no system is believed more");
    }
}
