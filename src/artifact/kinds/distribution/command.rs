//! The `java` command that a start script ends in, read from the script's text, so that an image can start without a
//! shell. Nothing is run: assignments, quotes and variables are read as a shell reads them, and anything else that the
//! command depends on is refused.
//!
//! | script of | class path | options | command |
//! |---|---|---|---|
//! | Gradle 7 and later | `CLASSPATH=` | `DEFAULT_JVM_OPTS=`, split by `xargs` | `set -- … "$@"` |
//! | Gradle before 7 | `CLASSPATH=` | `DEFAULT_JVM_OPTS=`, read by `eval` | `eval set -- …` |
//! | appassembler, and others | any variable | in the command | `exec JAVA … "$@"` |
//! | sbt | `app_classpath=` | `addJava`, `conf/application.ini` | `app_mainclass=` |

use std::collections::BTreeMap;

use super::directory::{change, commands, is_here, joined, own_commands, with_own_directory};
use super::script::Script;

/// The files of a distribution, as far as a command depends on them.
pub(super) trait DistributionFiles {
    /// Whether there is a file of this path.
    fn has_file(&self, path: &str) -> bool;
    /// The names of the jars in this directory, sorted.
    fn jars_in(&self, directory: &str) -> Vec<String>;
    /// The text of a file; `None` where there is none.
    fn text(&self, path: &str) -> Option<String>;
}

/// The command that a script ends in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JavaCommand {
    /// The arguments of `java`, with absolute paths.
    pub(super) arguments: Vec<String>,
    /// The directory in which it runs, where the script changes to one, or has relative paths.
    pub(super) directory: Option<String>,
}

/// The command that `script` would end in, in a distribution at `home` of the image; an error continues a sentence that
/// begins with the script.
pub(super) fn java_command(
    script: &Script,
    home: &str,
    files: &dyn DistributionFiles,
) -> Result<JavaCommand, String> {
    let text = with_own_directory(script.text(), home);
    let lines = logical_lines(&text);
    let mut shell = Shell { home, variables: assignments(&lines), here: BTreeMap::new() };
    let mut directory = shell.follow(&lines)?;
    let arguments = match shell.variables.get("app_mainclass") {
        Some(_) => sbt(&shell, &lines, files)?,
        None => generated(&shell, &lines)?,
    };
    let paths = ArgumentPaths { home, directory: directory.as_deref().unwrap_or(home), files };
    let has_relative = paths.has_relative(&arguments);
    let arguments = paths.absolute(arguments)?;
    if !has_main(&arguments) {
        return Err("names no main class".to_owned());
    }
    // A script that changes no directory is started in that of the distribution, where its paths lead to files.
    if has_relative {
        directory.get_or_insert_with(|| home.to_owned());
    }
    Ok(JavaCommand { arguments, directory })
}

/// The lines of a script without comments, each with those that continue it.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut continues = false;
    for line in text.lines() {
        if !continues && line.trim_start().starts_with('#') {
            continue;
        }
        let (part, more) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match lines.last_mut() {
            Some(last) if continues => last.push_str(part),
            _ => lines.push(part.to_owned()),
        }
        continues = more;
    }
    // The command behind `cd DIRECTORY &&` is one of its own.
    let is_change = |line: &String| line.trim_start().starts_with("cd ");
    let split = |line: String| -> Vec<String> {
        if is_change(&line) { commands(&line).into_iter().map(str::to_owned).collect() } else { vec![line] }
    };
    lines.into_iter().flat_map(split).collect()
}

/// The first value that each variable is given, as it is written. Later ones are those of other systems.
fn assignments(lines: &[String]) -> BTreeMap<&str, &str> {
    let mut variables = BTreeMap::new();
    for line in lines {
        let mut line = line.trim();
        for word in ["declare -r ", "declare -a ", "declare ", "export ", "readonly ", "local "] {
            line = line.strip_prefix(word).unwrap_or(line);
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        if is_name(name) {
            variables.entry(name).or_insert(value);
        }
    }
    variables
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The arguments in the command of a script of Gradle, of appassembler, or of the same form.
fn generated(shell: &Shell<'_>, lines: &[String]) -> Result<Vec<String>, String> {
    let starts_java = |words: &[&str]| {
        let flags = ["-classpath", "-cp", "--class-path", "-jar", "--module", "-m"];
        matches!(words.first(), Some(&("set" | "eval" | "exec")))
            && words.iter().any(|word| flags.contains(word))
    };
    let mut commands =
        lines.iter().filter_map(|line| raw_words(line).ok().filter(|words| starts_java(words)));
    let words = commands.next().ok_or("has no command that starts Java")?;
    let is_evaluated = words[0] == "eval";
    let words = if is_evaluated { &words[1..] } else { &words[..] };
    // Behind `set --` or `exec JAVA` stand the arguments.
    let words = words.get(2..).unwrap_or_default();
    let has_options = words.iter().any(|word| word.contains("DEFAULT_JVM_OPTS"));
    let mut arguments = Vec::new();
    if !has_options && shell.variables.contains_key("DEFAULT_JVM_OPTS") {
        arguments = shell.words(&shell.value("DEFAULT_JVM_OPTS", &mut Vec::new())?.replace("\\$", "$"))?;
    }
    let given = ["\"$@\"", "$@", "\"$APP_ARGS\"", "$APP_ARGS"];
    for word in words.iter().take_while(|word| !given.contains(word)) {
        let read = shell.words(word)?;
        match is_evaluated {
            true => arguments.extend(shell.words(&read.join(" "))?),
            false => arguments.extend(read),
        }
    }
    Ok(arguments)
}

/// The arguments that a script of sbt's makes.
fn sbt(shell: &Shell<'_>, lines: &[String], files: &dyn DistributionFiles) -> Result<Vec<String>, String> {
    /// Options of the application, which the script reads beside the command line.
    const INI: &str = "conf/application.ini";
    let (mut options, mut own) = (Vec::new(), Vec::new());
    for line in lines {
        let line = line.trim();
        // The functions themselves are defined as `addJava () {`.
        for (call, to) in [("addJava ", &mut options), ("addApp ", &mut own)] {
            if let Some(rest) = line.strip_prefix(call).filter(|rest| !rest.starts_with('(')) {
                to.extend(shell.words(rest)?);
            }
        }
    }
    if shell.variables.contains_key("script_conf_file")
        && let Some(text) = files.text(INI)
    {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.strip_prefix("-J") {
                Some(option) => options.push(option.to_owned()),
                None if line.starts_with("-D") => options.push(line.to_owned()),
                None => own.push(line.to_owned()),
            }
        }
    }
    let main = shell.variables["app_mainclass"];
    let main = main.strip_prefix('(').and_then(|main| main.strip_suffix(')')).unwrap_or(main);
    let class_path = shell.value("app_classpath", &mut Vec::new())?;
    options.extend(["-cp".to_owned(), class_path]);
    options.extend(shell.words(main)?);
    options.extend(own);
    Ok(options)
}

/// The paths in the arguments of Java.
struct ArgumentPaths<'a> {
    /// The distribution's directory in the image.
    home: &'a str,
    /// The directory that relative paths are taken from.
    directory: &'a str,
    files: &'a dyn DistributionFiles,
}

/// The options whose next argument is a class path or module path.
const PATH_OPTIONS: [&str; 5] = ["-classpath", "-cp", "--class-path", "--module-path", "-p"];

/// The options whose argument is a path, up to an equal sign.
const AGENTS: [&str; 2] = ["-javaagent:", "-agentpath:"];

impl ArgumentPaths<'_> {
    /// Whether the files that Java reads depend on the directory in which it runs.
    fn has_relative(&self, arguments: &[String]) -> bool {
        let is_relative = |path: &str| !path.is_empty() && !path.starts_with('/');
        let agent =
            |argument: &str| AGENTS.iter().find_map(|agent| argument.strip_prefix(agent).map(str::to_owned));
        let before = std::iter::once("").chain(arguments.iter().map(String::as_str));
        before.zip(arguments).any(|(before, argument)| {
            let entries = || argument.split(':').map(|entry| entry.trim_matches(['"', '\\']));
            (PATH_OPTIONS.contains(&before) && entries().any(is_relative))
                || (before == "-jar" && is_relative(argument))
                || agent(argument).is_some_and(|path| is_relative(&path))
        })
    }

    /// The arguments with each path checked against the files.
    fn absolute(&self, arguments: Vec<String>) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if PATH_OPTIONS.contains(&&*argument) {
                let path = self.class_path(&arguments.next().unwrap_or_default())?;
                if !path.is_empty() {
                    out.extend([argument, path]);
                }
                continue;
            }
            let agent = AGENTS.iter().find_map(|agent| Some((*agent, argument.strip_prefix(agent)?)));
            match (&*argument, agent) {
                ("-jar", _) => {
                    let path = arguments.next().unwrap_or_default();
                    out.extend([argument, self.class_path(&path)?]);
                }
                (_, Some((agent, rest))) => {
                    let (path, options) = rest.split_at(rest.find('=').unwrap_or(rest.len()));
                    out.push(format!("{agent}{}{options}", self.entry(path)?));
                }
                // A process of an image is the first one.
                _ => out.push(argument.replace("$$", "1")),
            }
        }
        Ok(out)
    }

    /// A class path whose jars are there, with those that `*` stands for by name: their order would be that of the
    /// directory.
    fn class_path(&self, path: &str) -> Result<String, String> {
        let mut all = Vec::new();
        // Newer scripts of Gradle have a class path of two quotes where they start a jar.
        let entries = path.split(':').map(|entry| entry.trim_matches(['"', '\\']));
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let Some(directory) =
                entry.strip_suffix('*').filter(|above| above.is_empty() || above.ends_with('/'))
            else {
                all.push(self.entry(entry)?);
                continue;
            };
            let place = joined(self.directory, directory);
            let Some(own) = self.own(&place) else {
                all.push(entry.to_owned());
                continue;
            };
            let jars = self.files.jars_in(&own);
            if jars.is_empty() {
                return Err(format!("names `{entry}`, where no jar is"));
            }
            all.extend(jars.iter().map(|jar| format!("{place}/{jar}")));
        }
        Ok(all.join(":"))
    }

    /// One file or directory, by its absolute path.
    fn entry(&self, path: &str) -> Result<String, String> {
        let place = joined(self.directory, path);
        match self.own(&place) {
            Some(own) if own.ends_with(".jar") && !self.files.has_file(&own) => {
                Err(format!("names `{own}`, which is not there"))
            }
            _ if path.starts_with('/') => Ok(path.to_owned()),
            _ => Ok(place),
        }
    }

    /// The path below the distribution's directory.
    fn own(&self, place: &str) -> Option<String> {
        Some(place.strip_prefix(self.home)?.trim_start_matches('/').to_owned())
    }
}

/// Whether something is started.
fn has_main(arguments: &[String]) -> bool {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match &**argument {
            "-jar" | "--module" | "-m" => return arguments.next().is_some(),
            "-classpath" | "-cp" | "--class-path" | "--module-path" | "-p" | "--add-modules"
            | "--add-opens" | "--add-exports" | "--add-reads" => {
                arguments.next();
            }
            option if option.starts_with('-') => {}
            _ => return true,
        }
    }
    false
}

/// The words of a line as they are written, quotes included.
fn raw_words(line: &str) -> Result<Vec<&str>, String> {
    let mut words = Vec::new();
    let (mut start, mut quote, mut escaped) = (None, None, false);
    for (at, character) in line.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match (quote, character) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('"') | None, '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(character),
            (None, blank) if blank.is_whitespace() => {
                words.extend(start.take().map(|start| &line[start..at]));
                continue;
            }
            _ => {}
        }
        start.get_or_insert(at);
    }
    if quote.is_some() {
        return Err("has a quote that does not end".to_owned());
    }
    words.extend(start.map(|start| &line[start..]));
    Ok(words)
}

/// The variables of a script.
struct Shell<'s> {
    /// The distribution's directory in the image.
    home: &'s str,
    variables: BTreeMap<&'s str, &'s str>,
    /// The directories that `$(pwd)` told, by the variables that have them; `None` is that in which the script is started.
    here: BTreeMap<&'s str, Option<String>>,
}

impl<'s> Shell<'s> {
    /// The directory in which the last command of a script runs; `None` is that in which the script is started.
    fn follow(&mut self, lines: &'s [String]) -> Result<Option<String>, String> {
        let (mut directory, mut before): (Option<String>, Option<String>) = (None, None);
        for command in own_commands(lines) {
            if let Some((name, _)) =
                command.split_once('=').filter(|(name, value)| is_name(name) && is_here(value))
            {
                self.here.entry(name).or_insert_with(|| directory.clone());
            }
            let Some(target) = change(command) else { continue };
            let unknown = || format!("changes to a directory that its text does not tell (`{command}`)");
            let name = raw_words(target)?.first().copied().unwrap_or_default().trim_matches('"');
            let variable = name.strip_prefix("${").and_then(|name| name.strip_suffix('}'));
            let variable = variable.or_else(|| name.strip_prefix('$'));
            let next = match variable.and_then(|name| self.here.get(name)) {
                Some(here) => here.clone(),
                None if name == "-" => before.clone(),
                None => {
                    let words = self.words(target).map_err(|_| unknown())?;
                    let path =
                        words.into_iter().next().filter(|path| !path.starts_with('~')).ok_or_else(unknown)?;
                    match &directory {
                        Some(above) => Some(joined(above, &path)),
                        None if path.starts_with('/') => Some(joined("/", &path)),
                        None => return Err(unknown()),
                    }
                }
            };
            before = std::mem::replace(&mut directory, next);
        }
        Ok(directory)
    }

    /// Variables that a user may set, and that are empty in an image where the user does not.
    fn is_of_user(name: &str) -> bool {
        name.ends_with("_OPTS") || ["CLASSPATH_PREFIX", "EXTRA_JVM_ARGUMENTS"].contains(&name)
    }

    /// The value of a variable. `above` are those whose values have it.
    fn value(&self, name: &str, above: &mut Vec<String>) -> Result<String, String> {
        match name {
            "APP_HOME" | "BASEDIR" => return Ok(self.home.to_owned()),
            // The directory of the script, in scripts of sbt's.
            "app_home" => return Ok(format!("{}/bin", self.home)),
            "lib_dir" => return Ok(format!("{}/lib", self.home)),
            _ => {}
        }
        match self.here.get(name) {
            Some(Some(directory)) => return Ok(directory.clone()),
            Some(None) => return Err(format!("uses `${name}`, the directory in which it is started")),
            None => {}
        }
        if above.iter().any(|other| other == name) {
            return Ok(String::new());
        }
        match self.variables.get(name) {
            Some(written) => {
                above.push(name.to_owned());
                let words = raw_words(written)?;
                let first = words.first().copied().unwrap_or_default();
                let value = self.expanded(first, above)?.into_iter().map(|part| part.text).collect();
                above.pop();
                Ok(value)
            }
            None if Self::is_of_user(name) => Ok(String::new()),
            None => Err(format!("uses `${name}`, which it does not set")),
        }
    }

    /// The words of a text, with variables in their place.
    fn words(&self, text: &str) -> Result<Vec<String>, String> {
        let mut words = Vec::new();
        for raw in raw_words(text)? {
            let mut word: Option<String> = None;
            for part in self.expanded(raw, &mut Vec::new())? {
                if part.is_quoted {
                    word.get_or_insert_default().push_str(&part.text);
                    continue;
                }
                // The shell splits a value without quotes.
                let begins_blank = part.text.starts_with(char::is_whitespace);
                let ends_blank = part.text.ends_with(char::is_whitespace);
                if begins_blank {
                    words.extend(word.take());
                }
                let mut values = part.text.split_whitespace().peekable();
                while let Some(value) = values.next() {
                    word.get_or_insert_default().push_str(value);
                    if values.peek().is_some() || ends_blank {
                        words.extend(word.take());
                    }
                }
            }
            words.extend(word);
        }
        Ok(words)
    }

    /// The parts of a word as it is written.
    fn expanded(&self, raw: &str, above: &mut Vec<String>) -> Result<Vec<WordPart>, String> {
        let mut parts: Vec<WordPart> = Vec::new();
        let mut quote = None;
        let mut rest = raw;
        while let Some(character) = rest.chars().next() {
            let after = &rest[character.len_utf8()..];
            match (quote, character) {
                (Some('\''), '\'') | (Some('"'), '"') => quote = None,
                (None, '\'' | '"') => {
                    quote = Some(character);
                    // An empty word in quotes is a word.
                    parts.push(WordPart { text: String::new(), is_quoted: true });
                }
                (None | Some('"'), '\\') => {
                    let next = after.chars().next().unwrap_or('\\');
                    let keeps = quote.is_some() && !matches!(next, '"' | '\\' | '$' | '`');
                    let text = if keeps { format!("\\{next}") } else { next.to_string() };
                    parts.push(WordPart { text, is_quoted: true });
                    rest = after.get(next.len_utf8()..).unwrap_or_default();
                    continue;
                }
                (None | Some('"'), '`') => return Err("runs a program for a part of its command".to_owned()),
                (None | Some('"'), '$') => {
                    let (text, left) = self.variable(after, above)?;
                    parts.push(WordPart { text, is_quoted: quote.is_some() });
                    rest = left;
                    continue;
                }
                // Text that is written is not split any more, for it is one word already.
                (_, character) => parts.push(WordPart { text: character.to_string(), is_quoted: true }),
            }
            rest = after;
        }
        Ok(parts)
    }

    /// The value of the variable whose name begins `text`, and the text after it.
    fn variable<'t>(&self, text: &'t str, above: &mut Vec<String>) -> Result<(String, &'t str), String> {
        if let Some(rest) = text.strip_prefix('$') {
            return Ok(("$$".to_owned(), rest));
        }
        let (name, rest) = match text.strip_prefix('{') {
            Some(braced) => braced.split_once('}').ok_or("has a brace that does not end")?,
            None => {
                let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
                text.split_at(text.find(|character| !is_part(character)).unwrap_or(text.len()))
            }
        };
        if !is_name(name) {
            return Err("makes a part of its command with more than variables".to_owned());
        }
        Ok((self.value(name, above)?, rest))
    }
}

/// A part of a word.
struct WordPart {
    text: String,
    /// Whether it is one word, whatever blanks it has.
    is_quoted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A distribution with two jars.
    struct TwoJars;

    impl DistributionFiles for TwoJars {
        fn has_file(&self, path: &str) -> bool {
            ["lib/shop.jar", "lib/a.jar"].contains(&path)
        }

        fn jars_in(&self, directory: &str) -> Vec<String> {
            if directory == "lib" { vec!["a.jar".to_owned(), "shop.jar".to_owned()] } else { Vec::new() }
        }

        fn text(&self, path: &str) -> Option<String> {
            (path == "conf/application.ini").then(|| "# options\n-J-Xmx1g\n-Dx=y\n\nserve\n".to_owned())
        }
    }

    fn read(text: &str) -> Result<String, String> {
        let script = Script::parse("shop".to_owned(), text.as_bytes()).expect("a script");
        java_command(&script, "/app", &TwoJars).map(|command| command.arguments.join("|"))
    }

    const GRADLE_8: &str = "#!/bin/sh\nDEFAULT_JVM_OPTS='\"-Xmx64m\" \"-Da=b c\" \"-Dhome=$APP_HOME/x\"'\n\
        CLASSPATH=$APP_HOME/lib/shop.jar:$APP_HOME/lib/a.jar\nif \"$cygwin\" ; then\n    CLASSPATH=$( cygpath --path \"$CLASSPATH\" )\nfi\n\
        # a comment: set -- -classpath none\nset -- \\\n        -classpath \"$CLASSPATH\" \\\n        shop.Main \\\n        \"$@\"\n\
        eval \"set -- $(\n  printf '%s\\n' \"$DEFAULT_JVM_OPTS $JAVA_OPTS $SHOP_OPTS\" | xargs -n1\n  )\" '\"$@\"'\nexec \"$JAVACMD\" \"$@\"\n";

    #[test]
    fn scripts_of_gradle_are_read() {
        let expected = "-Xmx64m|-Da=b c|-Dhome=/app/x|-classpath|/app/lib/shop.jar:/app/lib/a.jar|shop.Main";
        assert_eq!(read(GRADLE_8).as_deref(), Ok(expected));
        let escaped = GRADLE_8.replace("$APP_HOME/x", "\\$APP_HOME/x");
        assert_eq!(read(&escaped).as_deref(), Ok(expected));
        let old = "#!/usr/bin/env sh\nDEFAULT_JVM_OPTS='\"-Xmx64m\" \"-Da=b c\" \"-Dhome=$APP_HOME/x\"'\nCLASSPATH=$APP_HOME/lib/shop.jar:$APP_HOME/lib/a.jar\n\
                   eval set -- $DEFAULT_JVM_OPTS $JAVA_OPTS $SHOP_OPTS -classpath \"\\\"$CLASSPATH\\\"\" shop.Main \"$APP_ARGS\"\nexec \"$JAVACMD\" \"$@\"\n";
        assert_eq!(read(old).as_deref(), Ok(expected));
        let modules = "#!/bin/sh\nDEFAULT_JVM_OPTS=\"\"\nMODULE_PATH=$APP_HOME/lib/shop.jar\nCLASSPATH=\n\
                       set -- \\\n -classpath \"$CLASSPATH\" \\\n --module-path \"$MODULE_PATH\" \\\n --module shop/shop.Main \\\n \"$@\"\n";
        assert_eq!(read(modules).as_deref(), Ok("--module-path|/app/lib/shop.jar|--module|shop/shop.Main"));
        let jar = "#!/bin/sh\nCLASSPATH=\"\\\\\\\"\\\\\\\"\"\nset -- \\\n -jar \"$APP_HOME/lib/shop.jar\" \\\n \"$@\"\n";
        assert_eq!(read(jar).as_deref(), Ok("-jar|/app/lib/shop.jar"));
        let all = GRADLE_8.replace("lib/shop.jar:$APP_HOME/lib/a.jar", "lib/*");
        assert!(read(&all).expect("read").contains("/app/lib/a.jar:/app/lib/shop.jar"));
    }

    #[test]
    fn scripts_of_others_are_read() {
        let appassembler = "#!/bin/sh\nBASEDIR=`cd \"$PRGDIR/..\" >/dev/null; pwd`\nif [ -z \"$REPO\" ]\nthen\n  REPO=\"$BASEDIR\"/lib\nfi\n\
            CLASSPATH=\"$BASEDIR\"/etc:\"$REPO\"/shop.jar\nEXTRA=\"-Xms1m  -Xmx2m\"\nif [ -n \"$CLASSPATH_PREFIX\" ] ; then\n  CLASSPATH=$CLASSPATH_PREFIX:$CLASSPATH\nfi\n\
            exec \"$JAVACMD\" $JAVA_OPTS $EXTRA \\\n  -classpath \"$CLASSPATH\" \\\n  -Dapp.pid=\"$$\" \\\n  -Dapp.home=\"$BASEDIR\" \\\n  shop.Main \\\n  \"$@\"\n";
        let expected =
            "-Xms1m|-Xmx2m|-classpath|/app/etc:/app/lib/shop.jar|-Dapp.pid=1|-Dapp.home=/app|shop.Main";
        assert_eq!(read(appassembler).as_deref(), Ok(expected));
        for main in ["-r app_mainclass=\"shop.Main\"", "-a app_mainclass=(\"shop.Main\")"] {
            let sbt = format!(
                "#!/usr/bin/env bash\naddJava () {{\n  java_args+=( \"$1\" )\n}}\ndeclare -r app_home=\"$(dirname \"$(realpath \"$0\")\")\"\n\
                 declare -r lib_dir=\"$(realpath \"${{app_home}}/../lib\")\"\ndeclare {main}\ndeclare -r script_conf_file=\"${{app_home}}/../conf/application.ini\"\n\
                 declare -r app_classpath=\"$lib_dir/shop.jar:$lib_dir/a.jar\"\naddJava \"-Dconf=${{app_home}}/../conf\"\n"
            );
            let expected =
                "-Dconf=/app/bin/../conf|-Xmx1g|-Dx=y|-cp|/app/lib/shop.jar:/app/lib/a.jar|shop.Main|serve";
            assert_eq!(read(&sbt).as_deref(), Ok(expected));
        }
        let plain = "#!/bin/sh\nCP=$APP_HOME/lib/shop.jar\nexec \"${JAVA_HOME:+$JAVA_HOME/bin/}java\" -cp \"$CP\" shop.Main \"$@\"\n";
        assert_eq!(read(plain).as_deref(), Ok("-cp|/app/lib/shop.jar|shop.Main"));
    }

    #[test]
    fn what_is_more_than_text_is_refused() {
        for (script, says) in [
            ("#!/bin/sh\njava -cp x Main\n", "has no command that starts Java"),
            ("#!/bin/sh\nexec java -cp \"$(ls)\" Main \"$@\"\n", "with more than variables"),
            ("#!/bin/sh\nexec java -cp `ls` Main \"$@\"\n", "runs a program"),
            ("#!/bin/sh\nexec java -cp \"${A:-b}\" Main\n", "with more than variables"),
            ("#!/bin/sh\nexec java -cp \"$HERE/lib\" Main\n", "uses `$HERE`, which it does not set"),
            (
                "#!/bin/sh\nexec java -cp \"$APP_HOME/lib/none.jar\" Main\n",
                "names `lib/none.jar`, which is not there",
            ),
            ("#!/bin/sh\nexec java -cp x \"$@\"\n", "names no main class"),
            ("#!/bin/sh\nA=$B\nB=$A\nexec java -cp \"$A\" \"$@\"\n", "names no main class"),
        ] {
            let error = read(script).expect_err(script);
            assert!(error.contains(says), "{script}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z$\"'\\\\{}()=:/ \n@*`-]{0,200}") {
            let _ = read(&format!("#!/bin/sh\n{text}"));
            let _ = read(&format!("#!/bin/sh\nA={text}\nexec java -cp \"$A\" {text}\n"));
        }
    }
}
