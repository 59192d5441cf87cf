//! The files, modules and classes that the words of a command have an interpreter run: `node server.js`, `python -m shop`,
//! `gunicorn shop:app`, `java -jar shop.jar`.

use super::java_words::{JavaRun, run_by_java};
use super::node_flags::{NodeFile, file_of, flags_change_modules};

/// Programs that start another one, whose words follow theirs.
const WRAPPERS: [&str; 3] = ["tini", "dumb-init", "catatonit"];

/// Servers of Python that are told a module and an object in it.
const SERVERS: [&str; 4] = ["gunicorn", "uvicorn", "hypercorn", "waitress-serve"];

/// Flags of those with which modules are looked for elsewhere.
const ELSEWHERE: [&str; 4] = ["--chdir", "--app-dir", "--pythonpath", "-c"];

/// Something that an interpreter runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpreted<'a> {
    /// A file of JavaScript, which may lack its ending.
    Script(&'a str),
    /// A file, directory or archive of Python.
    Python(&'a str),
    /// A module of Python.
    Module(&'a str),
    /// A jar or a class.
    Java(JavaRun<'a>),
}

/// The files, modules and classes that a command has an interpreter run, each with the name of that; none where it runs something
/// else, or the words do not tell.
#[must_use]
pub fn interpreted(words: &[String]) -> Vec<(&str, Interpreted<'_>)> {
    let mut found = Vec::new();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.first().is_some_and(|first| WRAPPERS.contains(&name_of(first))) {
        let skipped = words.iter().skip(1).take_while(|word| word.starts_with('-')).count();
        words.drain(..=skipped);
    }
    let mut rest = &words[..];
    // An interpreter, and the server that it runs.
    while let [first, behind @ ..] = rest {
        let name = name_of(first);
        let (run, left) = if name == "node" || name == "nodejs" {
            node(behind)
        } else if is_python(name) {
            python(behind)
        } else if SERVERS.contains(&name) {
            (server(behind), &[][..])
        } else if name == "java" {
            (run_by_java(behind).map(Interpreted::Java), &[][..])
        } else {
            break;
        };
        let Some(run) = run else { break };
        // A module that is a server is installed, and was looked for.
        found.push((name, run));
        rest = left;
    }
    found
}

/// Whether flags of `node` in a command change how modules are found.
pub(super) fn changes_modules(words: &[String]) -> bool {
    flags_change_modules(words.iter().map(String::as_str))
}

fn name_of(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// `python`, `python3`, `python3.11`.
fn is_python(name: &str) -> bool {
    name.strip_prefix("python")
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// The first thing that is run, and the words behind it.
type RunAndRest<'w, 'a> = (Option<Interpreted<'a>>, &'w [&'a str]);

/// Where a flag may have a value behind a blank, the file is not certain.
fn node<'w, 'a>(words: &'w [&'a str]) -> RunAndRest<'w, 'a> {
    let file = match file_of(words) {
        NodeFile::Certain(at) => Some(words[at]),
        NodeFile::Uncertain(_) | NodeFile::Nothing => None,
    };
    // `node inspect` debugs.
    (file.filter(|file| *file != "inspect").map(Interpreted::Script), &[])
}

fn python<'w, 'a>(mut words: &'w [&'a str]) -> RunAndRest<'w, 'a> {
    while let [word, rest @ ..] = words {
        match *word {
            "-m" => {
                let Some(module) = rest.first() else { break };
                return (Some(Interpreted::Module(module)), rest);
            }
            "-W" | "-X" => words = rest.get(1..).unwrap_or_default(),
            "-" | "-c" | "-V" | "-h" => break,
            flag if flag.starts_with('-') => {
                // `-um shop` and `-mshop` are rare; nothing is said of them.
                if !flag.starts_with("--") && flag.contains(['m', 'c', 'h', 'V']) {
                    break;
                }
                words = rest;
            }
            file => return (Some(Interpreted::Python(file)), words),
        }
    }
    (None, &[])
}

/// The module in `gunicorn -w 4 shop.web:app`.
fn server<'a>(words: &[&'a str]) -> Option<Interpreted<'a>> {
    let is_elsewhere = |word: &&str| ELSEWHERE.iter().any(|flag| word.split('=').next() == Some(flag));
    if words.iter().any(is_elsewhere) {
        return None;
    }
    let is_name = |text: &str| {
        !text.is_empty()
            && !text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let mut last = "";
    for word in words {
        let is_value = last.starts_with('-') && !last.contains('=');
        last = word;
        let Some((module, object)) = word.split_once(':') else { continue };
        if is_value || word.starts_with('-') {
            continue;
        }
        let object = object.split('(').next().unwrap_or_default();
        if module.split('.').all(is_name) && object.split('.').all(is_name) {
            return Some(Interpreted::Module(module));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_command_tell_what_is_run() {
        let script = |file| vec![Interpreted::Script(file)];
        for (words, expected) in [
            ("node server.js -m x", script("server.js")),
            ("/nodejs/bin/node -r ./a --max-old-space-size=2 dist/main", script("dist/main")),
            ("tini -g -- node a.js", script("a.js")),
            ("node -e x", Vec::new()),
            ("node", Vec::new()),
            ("node --title shop --disable-warning DEP0040 server.js", script("server.js")),
            ("node --new-flag shop server.js", Vec::new()),
            ("node --no-warnings -- server.js", script("server.js")),
            ("node --test a.js", Vec::new()),
            ("nodes a.js", Vec::new()),
            ("python3.11 -u -W ignore app.py x", vec![Interpreted::Python("app.py")]),
            ("python -m shop.web -c", vec![Interpreted::Module("shop.web")]),
            ("python -c x", Vec::new()),
            ("python -um shop", Vec::new()),
            ("gunicorn -w 4 shop.web:app", vec![Interpreted::Module("shop.web")]),
            ("gunicorn -b 0.0.0.0:80 localhost:80 shop:make('x')", vec![Interpreted::Module("shop")]),
            ("gunicorn --bind=h:80 -c conf.py shop:app", Vec::new()),
            ("uvicorn --factory shop", Vec::new()),
            (
                "/app/.venv/bin/python /app/.venv/bin/gunicorn shop:app",
                vec![Interpreted::Python("/app/.venv/bin/gunicorn"), Interpreted::Module("shop")],
            ),
            (
                "python3 -m uvicorn shop:app --port 80",
                vec![Interpreted::Module("uvicorn"), Interpreted::Module("shop")],
            ),
            ("/opt/java/bin/java -Xmx1g -jar a.jar", vec![Interpreted::Java(JavaRun::Jar("a.jar"))]),
            (
                "tini -- java -cp a:b shop.Main",
                vec![Interpreted::Java(JavaRun::Class { name: "shop.Main", class_path: Some("a:b") })],
            ),
            ("javac -cp a Main", Vec::new()),
        ] {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            let found: Vec<Interpreted<'_>> = interpreted(&words).into_iter().map(|(_, run)| run).collect();
            assert_eq!(found, expected, "{words:?}");
        }
    }
}
