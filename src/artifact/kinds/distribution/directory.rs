//! Directories in the text of a start script: its own, and the one in which its last command runs.

/// The ways to write the script's own path.
const SELF: [&str; 9] = [
    "$0",
    "\"$0\"",
    "$BASH_SOURCE",
    "\"$BASH_SOURCE\"",
    "${BASH_SOURCE[0]}",
    "\"${BASH_SOURCE[0]}\"",
    "\"${0}\"",
    "$PRG",
    "\"$PRG\"",
];

/// The programs that resolve the links of a path. The script of an image is no link.
const RESOLVERS: [&str; 4] = ["readlink -f", "readlink -e", "realpath", "realpath -e"];

/// The text of a script in `bin` of `home`, in which every usual way to write the directory of the script is that
/// directory, and `$(cd DIRECTORY && pwd)` the directory.
pub(super) fn with_own_directory(text: &str, home: &str) -> String {
    let bin = format!("{home}/bin");
    let mut text = text.replace("${0%/*}", &bin).replace("${BASH_SOURCE[0]%/*}", &bin);
    let resolved = RESOLVERS.iter().flat_map(|resolver| {
        SELF.iter()
            .flat_map(move |path| [format!("$({resolver} {path})"), format!("$({resolver} -- {path})")])
    });
    let resolved: Vec<String> = resolved.collect();
    for path in &resolved {
        text = text.replace(&format!("\"{path}\""), "\"$0\"").replace(path, "$0");
    }
    for path in SELF {
        for option in ["", "-- "] {
            text = text.replace(&format!("$(dirname {option}{path})"), &bin);
            text = text.replace(&format!("$( dirname {option}{path} )"), &bin);
            text = text.replace(&format!("`dirname {option}{path}`"), &bin);
            // Within quotes and backticks, quotes are escaped.
            let escaped = path.replace('"', "\\\"");
            text = text.replace(&format!("`dirname {option}{escaped}`"), &bin);
        }
    }
    with_entered(&text)
}

/// The text with each `$(cd DIRECTORY && pwd)` as the directory, where that is written without variables.
fn with_entered(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, open, close)) = [("$(", ')'), ("`", '`')]
        .iter()
        .filter_map(|(open, close)| Some((rest.find(open)?, *open, *close)))
        .min()
    {
        let inner = &rest[at + open.len()..];
        let entered = inner.split_once(close).and_then(|(command, after)| Some((entered(command)?, after)));
        match entered {
            Some((directory, after)) => {
                out.push_str(&rest[..at]);
                out.push_str(&directory);
                rest = after;
            }
            None => {
                out.push_str(&rest[..at + open.len()]);
                rest = inner;
            }
        }
    }
    out + rest
}

/// The directory that `cd DIRECTORY && pwd` tells.
fn entered(command: &str) -> Option<String> {
    let parts = commands(command);
    let [enters, tells] = &parts[..] else { return None };
    let mut words = enters.split_whitespace();
    let (Some("cd"), true) = (words.next(), is_pwd(tells)) else { return None };
    let words: Vec<&str> = words.filter(|word| !is_option(word)).collect();
    let (first, others) = words.split_first()?;
    let directory = first.trim_matches('"');
    let is_plain = directory.starts_with('/') && !directory.contains(['$', '`', '"', '\'', '\\', '*']);
    (is_plain && others.iter().all(|word| word.contains('>') || *word == "/dev/null"))
        .then(|| joined("/", directory))
}

fn is_option(word: &str) -> bool {
    matches!(word, "-P" | "-L" | "--" | "-PL" | "-LP")
}

/// Whether a command tells the directory that it runs in.
fn is_pwd(command: &str) -> bool {
    let command = command.trim();
    matches!(command, "pwd" | "pwd -P" | "pwd -L" | "/bin/pwd" | "echo $PWD" | "echo \"$PWD\"")
}

/// Whether a value, as it is written, is the directory in which the script is at that point.
pub(super) fn is_here(value: &str) -> bool {
    let value = value.trim().trim_matches('"');
    let command = value.strip_prefix("$(").and_then(|value| value.strip_suffix(')'));
    let command = command.or_else(|| value.strip_prefix('`')?.strip_suffix('`'));
    matches!(value, "$PWD" | "${PWD}" | ".") || command.is_some_and(is_pwd)
}

/// A path, taken from a directory, without its `.` and `..`.
pub(super) fn joined(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let above = if path.starts_with('/') { "" } else { directory };
    for part in above.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The commands of a line: its parts between `;`, `|`, `&&` and `||` that stand in no quotes and no parentheses.
pub(super) fn commands(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    // The quotes that are open, innermost last, and for each open parenthesis the closing one.
    let mut open: Vec<char> = Vec::new();
    let mut before = ' ';
    for (at, character) in line.char_indices() {
        let is_escaped = std::mem::take(&mut escaped);
        let innermost = open.last().copied();
        match (innermost, character) {
            _ if is_escaped => {}
            (Some('\''), '\'') | (Some('"'), '"') | (Some('`'), '`') | (Some(')'), ')') => {
                open.pop();
            }
            (Some('\''), _) => {}
            (_, '\\') => escaped = true,
            (_, '"' | '`') => open.push(character),
            (Some('"'), '(') if before == '$' => open.push(')'),
            (Some('"'), _) => {}
            (_, '\'') => open.push('\''),
            (_, '(') => open.push(')'),
            // The number behind `>&` is that of a file.
            (None, ';' | '|' | '&') if !(character == '&' && matches!(before, '>' | '<')) => {
                parts.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        before = character;
    }
    parts.push(&line[start..]);
    parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect()
}

/// The commands of a script that run in its own process: neither those of a subshell, nor those of a function that no line
/// calls.
pub(super) fn own_commands(lines: &[String]) -> Vec<&str> {
    let function = |line: &str| {
        let line = line.trim().trim_start_matches("function ");
        let name = line.strip_suffix('{').unwrap_or(line).trim_end();
        let name = name.strip_suffix(')')?.trim_end().strip_suffix('(')?.trim_end();
        (!name.is_empty() && !name.contains(char::is_whitespace)).then(|| name.to_owned())
    };
    let called: Vec<&str> = lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
    let (mut subshells, mut is_skipped) = (0_usize, false);
    let mut own = Vec::new();
    for line in lines {
        let trimmed = line.trim();
        if let Some(name) = function(trimmed) {
            is_skipped = !called.contains(&&*name);
        }
        match trimmed {
            "(" => subshells += 1,
            ")" => subshells = subshells.saturating_sub(1),
            "}" => is_skipped = false,
            _ if subshells == 0 && !is_skipped => own.extend(commands(trimmed)),
            _ => {}
        }
    }
    own
}

/// The words behind `cd`, if this command is one: those that are no options and lead no output elsewhere.
pub(super) fn change(command: &str) -> Option<&str> {
    let mut rest = command.trim();
    for word in ["if ", "then ", "else ", "do ", "{ ", "! ", "command ", "builtin "] {
        rest = rest.strip_prefix(word).unwrap_or(rest).trim_start();
    }
    let mut rest = rest.strip_prefix("cd").or_else(|| rest.strip_prefix("pushd"))?;
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    loop {
        rest = rest.trim_start();
        match rest.split_whitespace().next() {
            Some(word) if is_option(word) => rest = &rest[word.len()..],
            _ => return Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_of_a_script_is_written_in_many_ways() {
        for text in [
            "$(dirname \"$0\")",
            "$(dirname $0)",
            "`dirname \"$0\"`",
            "`dirname \\\"$0\\\"`",
            "${0%/*}",
            "$(dirname \"$(readlink -f \"$0\")\")",
            "$(dirname \"$(realpath $0)\")",
            "$(dirname -- \"${BASH_SOURCE[0]}\")",
            "$( dirname \"$0\" )",
            "$(cd \"$(dirname \"$0\")\" && pwd)",
            "$(cd -P \"$(dirname \"$0\")/../bin\" > /dev/null && pwd -P)",
            "`cd \"$(dirname \"$0\")\"; pwd`",
        ] {
            assert_eq!(with_own_directory(text, "/app"), "/app/bin", "{text}");
        }
        for text in ["$(dirname \"$1\")", "$(cd \"$X\" && pwd)", "$(cd /a && ls)", "`pwd`", "$(cd /a"] {
            assert_eq!(with_own_directory(text, "/app"), text);
        }
    }

    #[test]
    fn commands_stand_between_their_marks() {
        assert_eq!(
            commands("cd \"$(a; b \"c;d\")/..\" >/dev/null 2>&1 || exit 1; exec 'x;y'"),
            ["cd \"$(a; b \"c;d\")/..\" >/dev/null 2>&1", "exit 1", "exec 'x;y'"]
        );
        assert_eq!(commands("A=`cd x; pwd`; (cd y; z)"), ["A=`cd x; pwd`", "(cd y; z)"]);
        let lines = ["f() {", "cd a", "}", "g () {", "cd b", "}", "(", "cd c", ")", "g", "cd d"];
        let lines: Vec<String> = lines.map(str::to_owned).to_vec();
        let changes: Vec<&str> = own_commands(&lines).into_iter().filter_map(change).collect();
        assert_eq!(changes, ["b", "d"]);
    }

    #[test]
    fn paths_are_taken_from_a_directory() {
        for (directory, path, expected) in [
            ("/app", "lib/a", "/app/lib/a"),
            ("/app/bin", "../lib", "/app/lib"),
            ("/", "/x/./y/..", "/x"),
            ("/a", "../..", "/"),
        ] {
            assert_eq!(joined(directory, path), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "[a-z$\"'\\\\{}()=:/ ;|&\n@*`0.-]{0,200}") {
            let read = with_own_directory(&text, "/app");
            let lines: Vec<String> = read.lines().map(str::to_owned).collect();
            let _ = own_commands(&lines);
        }
    }
}
