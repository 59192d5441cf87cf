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

/// The arguments of `java` that `script` would give it in a distribution at `home` of the image; an error continues a
/// sentence that begins with the script.
pub(super) fn arguments(
    script: &Script,
    home: &str,
    files: &dyn DistributionFiles,
) -> Result<Vec<String>, String> {
    let lines = logical_lines(script.text());
    let shell = Shell { home, variables: assignments(&lines) };
    let arguments = match shell.variables.get("app_mainclass") {
        Some(_) => sbt(&shell, &lines, files)?,
        None => generated(&shell, &lines)?,
    };
    let arguments = with_paths(arguments, home, files)?;
    if has_main(&arguments) { Ok(arguments) } else { Err("names no main class".to_owned()) }
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
    lines
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

/// The arguments with each class path and module path checked against the files.
fn with_paths(
    arguments: Vec<String>,
    home: &str,
    files: &dyn DistributionFiles,
) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match &*argument {
            "-classpath" | "-cp" | "--class-path" | "--module-path" | "-p" => {
                let path = arguments.next().unwrap_or_default();
                let path = existing(&path, home, files)?;
                if !path.is_empty() {
                    out.extend([argument, path]);
                }
            }
            "-jar" => {
                let path = arguments.next().unwrap_or_default();
                out.extend([argument, existing(&path, home, files)?]);
            }
            // A process of an image is the first one.
            _ => out.push(argument.replace("$$", "1")),
        }
    }
    Ok(out)
}

/// A class path whose jars are there, with those that `*` stands for by name: their order would be that of the directory.
fn existing(path: &str, home: &str, files: &dyn DistributionFiles) -> Result<String, String> {
    let below =
        |entry: &str| entry.strip_prefix(home).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
    let mut all = Vec::new();
    // Newer scripts of Gradle have a class path of two quotes where they start a jar.
    for entry in
        path.split(':').map(|entry| entry.trim_matches(['"', '\\'])).filter(|entry| !entry.is_empty())
    {
        match below(entry) {
            Some(own) if own.ends_with("/*") => {
                let directory = own.trim_end_matches("/*");
                all.extend(files.jars_in(directory).iter().map(|jar| format!("{home}/{directory}/{jar}")));
            }
            Some(own) if own.ends_with(".jar") && !files.has_file(&own) => {
                return Err(format!("names `{own}`, which is not there"));
            }
            _ => all.push(entry.to_owned()),
        }
    }
    Ok(all.join(":"))
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
}

impl Shell<'_> {
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
        arguments(&script, "/app", &TwoJars).map(|arguments| arguments.join("|"))
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
