//! The servlet API of an application against the container of the base.

use crate::artifact::ServletUse;
use crate::bases::{Container, ContainerKind, Servlet, container};
use crate::oci::ConfigFile;
use crate::types::finding::{Finding, Severity};
use crate::types::rule::Rule;

/// Whether the container of the base runs what the application uses.
pub(super) fn check(usage: &ServletUse, artifact: &str, base: Option<&ConfigFile>) -> Finding {
    let rule = Rule::ServletApi;
    let note = |message: String| Finding::unknown(rule, message).at(Severity::Note);
    let Some(container) = base.and_then(container) else {
        let message = "The base has no servlet container that `pack` knows, so `pack` cannot check whether it runs the application's servlet API.";
        return note(message.to_owned())
            .hint("name a base whose configuration tells its server, such as Tomcat's own");
    };
    let runs = container.servlet();
    match usage {
        ServletUse::Uses { servlet, shown_by, descriptor } => match runs {
            None => note(unknown_version(&container, *servlet, shown_by, descriptor.as_deref())),
            Some(wanted) if wanted == *servlet => Finding::met(
                rule,
                format!(
                    "The application is written for {} ({shown_by}), which {} runs.",
                    wanted.package(),
                    container.describe()
                ),
            )
            .at(Severity::Note),
            Some(wanted) => Finding::not_met(
                rule,
                format!(
                    "{artifact} is written for {} ({shown_by}), but {} in the base runs {}",
                    servlet.package(),
                    container.describe(),
                    wanted.package()
                ),
            )
            .hint(match wanted {
                Servlet::Jakarta => {
                    "use a base with Tomcat 9 or Jetty 10, or migrate the application to `jakarta.servlet`"
                }
                Servlet::Javax => "use a base with Tomcat 10 or 11, or Jetty 11 or 12",
            }),
        },
        ServletUse::Declares(servlet) => match runs {
            Some(wanted) if wanted != *servlet => Finding::not_met(
                rule,
                format!(
                    "`WEB-INF/web.xml` is written for {}, and {} runs {}; no class of the application uses either.",
                    servlet.package(),
                    container.describe(),
                    wanted.package()
                ),
            )
            .at(Severity::Warning),
            Some(_) => Finding::met(rule, format!("`WEB-INF/web.xml` is written for {}", servlet.package())),
            None => note(unknown_version(&container, *servlet, "`WEB-INF/web.xml`", None)),
        },
        ServletUse::TooMuch => note(
            "Which servlet API the application is written for is not known: the part of its classes and libraries that is \
             read does not show it."
                .to_owned(),
        ),
        ServletUse::Unseen => note(
            "Nothing shows which servlet API the application is written for: neither its classes, nor what `web.xml` \
             names, nor an initializer in `WEB-INF/lib`."
                .to_owned(),
        ),
        ServletUse::NotSearched => note("Which servlet API the application is written for was not looked for.".to_owned()),
        ServletUse::None => Finding::met(rule, "the application has no code that uses a servlet API".to_owned()),
    }
}

fn unknown_version(
    container: &Container,
    servlet: Servlet,
    shown_by: &str,
    descriptor: Option<&str>,
) -> String {
    let needs = if container.kind == ContainerKind::Jetty && container.version.is_some() {
        let modules = match (servlet, descriptor) {
            (Servlet::Javax, _) => "`ee8`",
            (Servlet::Jakarta, Some("5.0")) => "`ee9` (or a later one)",
            (Servlet::Jakarta, Some("6.0")) => "`ee10` (or a later one)",
            (Servlet::Jakarta, Some("6.1")) => "`ee11`",
            (Servlet::Jakarta, _) => "`ee9`, `ee10` or `ee11`",
        };
        format!("its modules for {modules} must be enabled in the base")
    } else if container.kind == ContainerKind::Liberty {
        "the features in its `server.xml` must be for that".to_owned()
    } else {
        "the base does not name its version, so `pack` cannot check whether it runs that".to_owned()
    };
    format!(
        "The application is written for {} ({shown_by}), the base has {}: {needs}.",
        servlet.package(),
        container.describe()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::RunConfig;
    use crate::types::finding::Answer;

    fn base(env: &[&str]) -> ConfigFile {
        let env = env.iter().map(|word| (*word).to_owned()).collect();
        ConfigFile { config: Some(RunConfig { env, ..RunConfig::default() }), ..ConfigFile::default() }
    }

    fn uses(servlet: Servlet) -> ServletUse {
        ServletUse::Uses { servlet, shown_by: "`WEB-INF/classes/A.class`".to_owned(), descriptor: None }
    }

    #[test]
    fn a_container_runs_one_generation() {
        let nine = base(&["CATALINA_HOME=/usr/local/tomcat", "TOMCAT_VERSION=9.0.80"]);
        let ten = base(&["CATALINA_HOME=/usr/local/tomcat", "TOMCAT_VERSION=10.1.24"]);
        let answer = |usage: &ServletUse, base: &ConfigFile| check(usage, "shop.war", Some(base)).answer;
        assert_eq!(answer(&uses(Servlet::Jakarta), &ten), Answer::Met);
        assert_eq!(answer(&uses(Servlet::Javax), &nine), Answer::Met);
        assert_eq!(answer(&uses(Servlet::Jakarta), &nine), Answer::NotMet);
        let refused = check(&uses(Servlet::Javax), "shop.war", Some(&ten));
        assert_eq!((refused.answer, refused.level), (Answer::NotMet, Severity::Error));
        assert!(refused.message.contains("javax.servlet (`WEB-INF/classes/A.class`), but Tomcat 10"));
        assert!(refused.hint.is_some_and(|hint| hint.contains("Tomcat 9")));
        let declared = check(&ServletUse::Declares(Servlet::Javax), "shop.war", Some(&ten));
        assert_eq!((declared.answer, declared.level), (Answer::NotMet, Severity::Warning));
    }

    #[test]
    fn what_the_base_does_not_tell_is_no_pass() {
        let twelve = base(&["JETTY_BASE=/j", "JETTY_VERSION=12.0.9"]);
        for base in [&base(&[]), &base(&["JETTY_BASE=/j"]), &twelve] {
            let finding = check(&uses(Servlet::Javax), "shop.war", Some(base));
            assert_eq!((finding.answer, finding.level), (Answer::Unknown, Severity::Note));
        }
        assert_eq!(check(&ServletUse::NotSearched, "shop.war", None).answer, Answer::Unknown);
        assert!(check(&uses(Servlet::Javax), "shop.war", Some(&twelve)).message.contains("`ee8`"));
    }
}
