//! The facts in a start script: its interpreter, the programs that it calls, and the application's own jar.

/// A start script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Script {
    /// Its name in `bin`.
    pub(super) name: String,
    /// The interpreter of its first line, with what it is given.
    interpreter: Vec<String>,
    text: String,
}

/// Programs that generated scripts call in any case: those of Gradle, sbt and appassembler. `ls` and `readlink` serve where the
/// script is a link, which it is not here.
const PROGRAMS: [&str; 7] = ["uname", "xargs", "sed", "tr", "dirname", "expr", "which"];

impl Script {
    /// The script of these bytes; `None` for any other file.
    pub(super) fn parse(name: String, bytes: &[u8]) -> Option<Self> {
        let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
        let words = std::str::from_utf8(line).ok()?.split_whitespace();
        let interpreter: Vec<String> = words.map(str::to_owned).collect();
        let text = String::from_utf8_lossy(bytes).into_owned();
        (!interpreter.is_empty()).then_some(Self { name, interpreter, text })
    }

    /// Its text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The programs that it needs, each once.
    pub(super) fn programs(&self) -> Vec<String> {
        let mut programs: Vec<String> = self.interpreter.first().cloned().into_iter().collect();
        let is_env = programs.first().is_some_and(|first| first.ends_with("/env"));
        if is_env && let Some(second) = self.interpreter.get(1).filter(|word| !word.starts_with('-')) {
            programs.push(second.clone());
        }
        programs.extend(
            PROGRAMS.iter().filter(|program| self.calls(program)).map(|program| (*program).to_owned()),
        );
        programs
    }

    /// Whether it starts the script of this name beside it, as `exec "$APP_HOME/bin/NAME"` does.
    pub(super) fn starts(&self, name: &str) -> bool {
        let commands = self.text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        commands.filter_map(|line| line.strip_prefix("exec ")).any(|command| {
            let program = command.split_inclusive([' ', '\t']).find_map(|word| {
                let word = word.trim_end().trim_end_matches(['"', '\'']);
                word.ends_with(&format!("/{name}")).then_some(word)
            });
            program.is_some()
        })
    }

    /// Whether a line calls this program: it is the first word of a command, and no function of the script.
    fn calls(&self, program: &str) -> bool {
        let commands = self.text.lines().filter(|line| !line.trim_start().starts_with('#'));
        commands.flat_map(|line| line.split(['|', ';', '&', '(', '`', '{'])).any(|command| {
            let mut words = command.split_whitespace().skip_while(|word| {
                matches!(*word, "!" | "if" | "then" | "else" | "elif" | "do" | "while" | "exec" | "command")
            });
            words.next().is_some_and(|word| word.trim_end_matches([')', '`', '"']) == program)
        })
    }

    /// The name in `lib` of the application's own jar: the first of the class path, which Gradle and sbt write into the
    /// script.
    pub(super) fn own_jar(&self) -> Option<String> {
        let line = self.text.lines().find_map(|line| {
            let line = line.trim_start();
            let gradle = line.strip_prefix("CLASSPATH=").map(|rest| rest.trim_start_matches(['"', '\\']));
            let gradle = gradle.and_then(|rest| rest.strip_prefix("$APP_HOME/lib/"));
            let sbt = line.strip_prefix("declare -r app_classpath=\"$lib_dir/");
            gradle.or(sbt)
        })?;
        let end = line.find([':', '"', '\n']).unwrap_or(line.len());
        let name = line[..end].trim();
        (name.ends_with(".jar") && !name.contains(['/', '$', '*'])).then(|| name.to_owned())
    }
}

/// Whether a library's name is that of the script with a version: `shop-1.2.jar` of `shop`.
pub(super) fn application_jar(script: &str, library: &[u8]) -> bool {
    let rest = library.strip_prefix(script.as_bytes()).and_then(|rest| rest.strip_suffix(b".jar"));
    rest.is_some_and(|rest| {
        rest.is_empty() || (rest[0] == b'-' && rest.get(1).is_some_and(u8::is_ascii_digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRADLE: &str = "#!/bin/sh\n# uses sed in a comment\napp_path=$0\nAPP_HOME=$( cd -P \"${APP_HOME:-./}..\" > /dev/null && printf '%s\\n' \"$PWD\" ) || exit\n\
                          case \"$( uname )\" in\nesac\nCLASSPATH=$APP_HOME/lib/shop-1.2.jar:$APP_HOME/lib/a.jar\n\
                          eval \"set -- $(\n    printf '%s\\n' \"$DEFAULT_JVM_OPTS\" |\n    xargs -n1 |\n    sed ' s~[^-]~~g; ' |\n    tr '\\n' ' '\n)\"\nexec java\n";

    fn script(text: &str) -> Script {
        Script::parse("shop".to_owned(), text.as_bytes()).expect("a script")
    }

    #[test]
    fn a_script_names_its_programs_and_its_jar() {
        let gradle = script(GRADLE);
        assert_eq!(gradle.programs(), ["/bin/sh", "uname", "xargs", "sed", "tr"]);
        assert_eq!(gradle.own_jar().as_deref(), Some("shop-1.2.jar"));
        let sbt = script(
            "#!/usr/bin/env bash\ndeclare -r app_classpath=\"$lib_dir/default.shop-0.1.jar:$lib_dir/b.jar\"\n",
        );
        assert_eq!(sbt.programs(), ["/usr/bin/env", "bash"]);
        assert_eq!(sbt.own_jar().as_deref(), Some("default.shop-0.1.jar"));
        let new = script("#!/bin/sh\nCLASSPATH=\"\\\\\\\"\\\\\\\"\"\nset -- -jar \"$APP_HOME/lib/a.jar\"\n");
        assert_eq!(new.own_jar(), None);
        let outer = script("#!/bin/sh\n# exec x/none\nexec \"$(dirname \"$0\")/run\" \"$@\"\n");
        assert!(outer.starts("run") && !outer.starts("none") && !outer.starts("un"));
        for other in ["", "#!", "#! \n", "\x7fELF", "java -jar x"] {
            assert_eq!(Script::parse("x".to_owned(), other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_jar_has_the_name_of_its_script() {
        for (library, expected) in [
            ("shop.jar", true),
            ("shop-1.2.jar", true),
            ("shop-api-1.2.jar", false),
            ("shopping-1.jar", false),
            ("shop-1.2.zip", false),
        ] {
            assert_eq!(application_jar("shop", library.as_bytes()), expected, "{library}");
        }
    }
}
