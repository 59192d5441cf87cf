//! The script of a `RUN` as commands, of which some run for sure when the whole succeeds.

use super::command::exec_form;
use super::lines::Instruction;
use super::stage::ImageStage;
use super::words::{expand, words};

/// A command of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShellCommand {
    pub(super) text: String,
    /// Whether it begins a list, whose commands are joined by `&&`.
    pub(super) begins: bool,
    /// Whether it stands in the last list, all of whose commands have run where the script succeeds.
    pub(super) is_last: bool,
}

/// A script, or the command that no shell reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RunScript {
    /// Commands of a shell.
    Commands(Vec<ShellCommand>),
    /// A text that is not followed: of another structure, or for another program.
    Opaque(String),
}

impl RunScript {
    /// Reads an instruction without its flags.
    pub(super) fn of(instruction: &Instruction, rest: &str, shell: &[String]) -> Self {
        if let [document] = &instruction.documents[..] {
            // Before the text stands a program that reads it, unless the shell does.
            let is_script = rest.split_whitespace().count() == 1 && rest.starts_with("<<");
            return match is_script && is_shell(shell) && !document.text.starts_with("#!") {
                true => Self::read(&document.text),
                false => Self::Opaque(format!("{rest} {}", document.text)),
            };
        }
        if !instruction.documents.is_empty() {
            return Self::Opaque(rest.to_owned());
        }
        match exec_form(rest) {
            Some(words) => match &words[..] {
                [program, flag, script] if is_shell(&[program.clone(), flag.clone()]) => Self::read(script),
                words if words.iter().any(|word| word.contains('\'')) => Self::Opaque(words.join(" ")),
                words => {
                    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
                    let command = ShellCommand { text: words.join(" "), begins: true, is_last: true };
                    Self::Commands(vec![command])
                }
            },
            None if is_shell(shell) => Self::read(rest),
            None => Self::Opaque(rest.to_owned()),
        }
    }

    fn read(text: &str) -> Self {
        let lists = lists(text);
        let has_others = lists.iter().flatten().any(|part| {
            part.starts_with(['(', '{', '}'])
                || CONTROL.contains(&part.split_whitespace().next().unwrap_or(""))
        });
        if has_others {
            return Self::Opaque(text.trim().to_owned());
        }
        let last = lists.len().saturating_sub(1);
        let commands = lists.into_iter().enumerate().flat_map(|(number, list)| {
            let command =
                move |(place, text)| ShellCommand { text, begins: place == 0, is_last: number == last };
            list.into_iter().enumerate().map(command)
        });
        Self::Commands(commands.collect())
    }
}

/// Whether these words run a text by a shell as POSIX describes it.
fn is_shell(shell: &[String]) -> bool {
    let program = shell.first().and_then(|program| program.rsplit('/').next()).unwrap_or_default();
    let takes_text = |flag: &String| flag.starts_with('-') && !flag.starts_with("--") && flag.ends_with('c');
    ["sh", "bash", "ash", "dash", "zsh"].contains(&program)
        && shell.len() > 1
        && shell.last().is_some_and(takes_text)
}

/// The words that begin a command with others in it.
const CONTROL: [&str; 10] = ["if", "for", "while", "until", "case", "select", "function", "{", "(", "!"];

/// The lists of a script, which `;` and line ends part, each with its commands, which `&&` joins. A list with `||` is one
/// command.
fn lists(text: &str) -> Vec<Vec<String>> {
    let mut lists = vec![vec![String::new()]];
    let (mut quote, mut depth) = (None, 0usize);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let Some(list) = lists.last_mut() else { break };
        match (quote, letter) {
            (None, '#')
                if list.last().is_some_and(|part| part.is_empty() || part.ends_with(char::is_whitespace)) =>
            {
                while letters.next_if(|letter| *letter != '\n').is_some() {}
                continue;
            }
            (None, '&') if depth == 0 && letters.next_if_eq(&'&').is_some() => {
                list.push(String::new());
                continue;
            }
            (None, ';' | '\n') if depth == 0 => {
                // A list goes on behind `&&` and `||` at the end of a line.
                if letter == ';'
                    || list
                        .last()
                        .is_some_and(|part| !part.trim().is_empty() && !part.trim_end().ends_with('|'))
                {
                    lists.push(vec![String::new()]);
                }
                continue;
            }
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(letter),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        let Some(part) = list.last_mut() else { break };
        match letter {
            '\\' if quote != Some('\'') => match letters.next() {
                // A line that goes on.
                Some('\n') => part.push(' '),
                next => part.extend([Some(letter), next].into_iter().flatten()),
            },
            letter => part.push(letter),
        }
    }
    let whole = |list: Vec<String>| {
        let parts = list.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
        match list.iter().any(|part| part.contains("||")) {
            true => vec![parts.collect::<Vec<_>>().join(" && ")],
            false => parts.map(str::to_owned).collect(),
        }
    };
    lists.into_iter().map(whole).filter(|list: &Vec<String>| !list.is_empty()).collect()
}

/// Changes by commands before, for the shell that runs the next ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ShellChange {
    /// Its variables: a value of the image may be another one here.
    pub(super) variables: bool,
    /// Its directory, its mask, or all that follows.
    pub(super) rest: bool,
}

impl ShellChange {
    /// Heeds a command; `is_known` where it was understood.
    pub(super) fn heed(&mut self, command: &str, is_known: bool) {
        let first = command.split_whitespace().next().unwrap_or_default();
        self.variables |= first.contains('=')
            || ["export", "unset", "read", "declare", "typeset", "local", "readonly", "printf", "let"]
                .contains(&first);
        self.rest |= !is_known
            && [
                "cd", "pushd", "popd", "umask", "source", ".", "eval", "exec", "exit", "return", "alias",
                "shopt", "command", "builtin",
            ]
            .contains(&first);
    }
}

/// Whether a command has more in it than words: other commands, redirections, patterns.
pub(super) fn has_syntax(command: &str) -> bool {
    let mut quote = None;
    let mut before = ' ';
    let mut letters = command.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied().unwrap_or(' ');
        let is_name = |letter: char| letter.is_ascii_alphabetic() || "_{".contains(letter);
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some('\''), _) => {}
            (_, '`') => return true,
            (_, '$') if !is_name(next) => return true,
            (_, '\\') => _ = letters.next(),
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, '|' | '&' | '<' | '>' | '(' | ')' | '*' | '?' | '[') => return true,
            (None, '{') if before != '$' => return true,
            (None, '#' | '!' | '~') if before.is_whitespace() => return true,
            (None, '~') if before == '=' || before == ':' => return true,
            _ => {}
        }
        before = letter;
    }
    quote.is_some()
}

/// Variables that a shell has without an instruction.
const OF_SHELL: [&str; 9] = ["HOME", "PWD", "OLDPWD", "HOSTNAME", "PATH", "UID", "EUID", "USER", "IFS"];

/// Whether a command names a variable.
fn names(command: &str, name: &str) -> bool {
    command.split('$').skip(1).any(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest).strip_prefix(name);
        rest.is_some_and(|rest| {
            !rest.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_')
        })
    })
}

/// The words of a command, if it is plain and all its values are known and are single words.
pub(super) fn plain_words(stage: &ImageStage, command: &str) -> Option<Vec<String>> {
    let is_set = |name: &&str| !stage.config.env.contains_key(*name) && names(command, name);
    if has_syntax(command) || OF_SHELL.iter().any(is_set) {
        return None;
    }
    let word = |word: &String| {
        let value = expand(word, '\\', stage.variables()).ok()?;
        let is_split = value.is_empty()
            || value.contains(|letter: char| letter.is_whitespace() || "*?[".contains(letter));
        (!word.contains('$') || !is_split).then_some(value)
    };
    words(command, '\\').iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_lists_of_commands() {
        for (text, expected) in [
            ("a && b; c", vec![vec!["a", "b"], vec!["c"]]),
            ("a &&\n b\nc # d\n", vec![vec!["a", "b"], vec!["c"]]),
            ("a || b && c; d", vec![vec!["a || b && c"], vec!["d"]]),
            ("a 'x;y && z' \"&&\"", vec![vec!["a 'x;y && z' \"&&\""]]),
            ("a $(b; c) && d", vec![vec!["a $(b; c)", "d"]]),
            ("a \\\n b", vec![vec!["a   b"]]),
        ] {
            assert_eq!(lists(text), expected, "{text}");
        }
    }

    #[test]
    fn commands_with_others_in_them_are_known() {
        for command in [
            "a | b",
            "a & b",
            "a > b",
            "a `b`",
            "a $(b)",
            "a \"$(b)\"",
            "a *",
            "a x{1,2}",
            "a ~/b",
            "a # b",
            "a $1",
            "a 'b",
            "a b=~/c",
        ] {
            assert!(has_syntax(command), "{command}");
        }
        for command in ["a b", "a 'x | y'", "a ${B} $C \"$D\"", "a \\* b~ b#", "a \"(b)\""] {
            assert!(!has_syntax(command), "{command}");
        }
    }
}
