//! Commands that start a container.

/// The command of `ENTRYPOINT` or `CMD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StartCommand {
    /// Where it says it.
    pub(super) line: usize,
    /// The words.
    pub(super) words: Vec<String>,
    /// The text that a shell gets, where one does.
    pub(super) script: Option<String>,
}

impl StartCommand {
    pub(super) fn of(line: usize, rest: &str, shell: &[String]) -> Self {
        match exec_form(rest) {
            Some(words) => Self { line, words, script: None },
            None => {
                let words = shell.iter().cloned().chain([rest.to_owned()]).collect();
                Self { line, words, script: Some(rest.to_owned()) }
            }
        }
    }

    /// The words of the program that runs at last, if no shell is needed to tell: no variable, no second command.
    fn plain(&self) -> Option<Vec<String>> {
        let Some(script) = &self.script else { return Some(self.words.clone()) };
        let means_something = |letter: char| "$`\"'\\;&|<>(){}*?[]#~!".contains(letter);
        if script.contains(means_something) {
            return None;
        }
        let mut words: Vec<String> = script.split_whitespace().map(str::to_owned).collect();
        if words.first().is_some_and(|word| word == "exec") {
            words.remove(0);
        }
        (!words.is_empty()).then_some(words)
    }
}

/// A list of texts in JSON, if it is one; anything else is text for a shell.
pub(super) fn exec_form(rest: &str) -> Option<Vec<String>> {
    let rest = rest.trim();
    if !rest.starts_with('[') {
        return None;
    }
    serde_json::from_str(rest).ok()
}

/// How a container starts.
pub(super) struct ContainerStart<'a> {
    pub(super) entrypoint: Option<&'a StartCommand>,
    pub(super) cmd: Option<&'a StartCommand>,
}

/// A start of a jar by Java.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JarStart {
    /// The jar as it is written.
    pub(super) jar: String,
    /// Options of Java.
    pub(super) options: Vec<String>,
    /// The words behind the jar.
    pub(super) arguments: Vec<String>,
}

impl ContainerStart<'_> {
    /// The start of a jar, if it is one that needs no shell.
    pub(super) fn jar(&self) -> Option<JarStart> {
        let words = match (self.entrypoint, self.cmd) {
            (Some(entrypoint), None) => entrypoint.plain()?,
            (None, Some(cmd)) => cmd.plain()?,
            // A shell that has its own text takes no arguments.
            (Some(entrypoint), Some(cmd)) if entrypoint.script.is_none() && cmd.script.is_none() => {
                entrypoint.words.iter().chain(&cmd.words).cloned().collect()
            }
            _ => return None,
        };
        let (program, rest) = words.split_first()?;
        if program.rsplit('/').next() != Some("java") {
            return None;
        }
        let place = rest.iter().position(|word| word == "-jar")?;
        let options = rest[..place].to_vec();
        // The value of such an option is a word of its own.
        if options.iter().any(|option| !option.starts_with('-') || option == "-cp" || option == "-classpath")
        {
            return None;
        }
        let jar = rest.get(place + 1)?.clone();
        Some(JarStart { jar, options, arguments: rest[place + 2..].to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> Vec<String> {
        vec!["/bin/sh".to_owned(), "-c".to_owned()]
    }

    #[test]
    fn a_list_is_run_as_it_is_and_a_text_by_a_shell() {
        assert_eq!(StartCommand::of(1, "[\"a\", \"b c\"]", &shell()).words, ["a", "b c"]);
        assert_eq!(StartCommand::of(1, "a b", &shell()).words, ["/bin/sh", "-c", "a b"]);
        assert_eq!(StartCommand::of(1, "['a']", &shell()).words, ["/bin/sh", "-c", "['a']"]);
    }

    #[test]
    fn the_start_of_a_jar_is_known_where_no_shell_decides() {
        let start = |entrypoint: &str| {
            let command = StartCommand::of(1, entrypoint, &shell());
            ContainerStart { entrypoint: Some(&command), cmd: None }.jar()
        };
        let found = start("[\"java\", \"-Xmx1g\", \"-jar\", \"/app.jar\", \"--x\"]").expect("known");
        assert_eq!(
            (found.jar.as_str(), &found.options[..], &found.arguments[..]),
            ("/app.jar", &["-Xmx1g".to_owned()][..], &["--x".to_owned()][..])
        );
        assert_eq!(start("exec java -jar app.jar").expect("known").jar, "app.jar");
        for other in [
            "java $OPTS -jar a.jar",
            "java -cp a.jar Main",
            "[\"sh\", \"-c\", \"java -jar a.jar\"]",
            "java -jar",
            "node a.js",
        ] {
            assert_eq!(start(other), None, "{other}");
        }
    }
}
