//! Text of others in messages.
//!
//! File names in archives, labels of images, answers of registries, output of programs: their authors must not be
//! able to move the reader's cursor, to turn the direction of writing, to put another line into a message, or to give
//! a command to a system that reads logs. [`Foreign`] holds such text for a message; every printed line also goes
//! through [`one_line`].

use std::borrow::Cow;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::secret::{redact, redact_message};

/// The most names of one list in a message.
const MOST_NAMES: usize = 10;

/// The most characters of one foreign text in a message.
const LONGEST: usize = 1_024;

/// Text that others wrote: one line of limited length, without characters that a terminal or a log acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Foreign<'a>(Cow<'a, str>);

impl<'a> Foreign<'a> {
    /// Such text.
    pub(crate) fn new(text: &'a str) -> Self {
        Self(match redact_message(text) {
            Cow::Borrowed(text) => cut(text, LONGEST),
            Cow::Owned(text) => Cow::Owned(cut(&text, LONGEST).into_owned()),
        })
    }

    /// The readable beginning: at most `limit` characters, and one space for each run of white space and controls.
    pub(crate) fn short(text: &str, limit: usize) -> Self {
        let is_gap = |character: char| character.is_whitespace() || character.is_control();
        let text = redact_message(text);
        let words: Vec<&str> = text.split(is_gap).filter(|word| !word.is_empty()).collect();
        Self(Cow::Owned(cut(&words.join(" "), limit).into_owned()))
    }
}

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.0))
    }
}

/// At most `limit` characters of a text, and `…` for what is left out.
pub(crate) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// At most `limit` characters of a text without its secrets. They are taken out first: a part of one is not known as one.
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    cut(&redact_message(text), limit).into_owned()
}

/// Names of others in a message, with `around` before and after each: the first ones, and how many more there are. A
/// list of others may have any number of names.
pub(crate) fn listed<T: fmt::Display>(
    names: impl IntoIterator<Item = T>,
    around: &str,
    joint: &str,
) -> String {
    let mut names = names.into_iter();
    let one = |name: T| format!("{around}{}{around}", Foreign::new(&name.to_string()));
    let first: Vec<String> = names.by_ref().take(MOST_NAMES).map(one).collect();
    match names.count() {
        0 => first.join(joint),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// A word as a shell reads it, on one line.
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    let word = one_line(word);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.into_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Bytes of a name as text that is harmless on a terminal.
pub(crate) fn shown(bytes: &[u8]) -> String {
    one_line(&String::from_utf8_lossy(bytes)).into_owned()
}

/// The first `room` bytes of a name as such text, so that a long name does not fill a page.
pub(crate) fn shown_start(bytes: &[u8], room: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = redact(&text);
    if text.len() <= room {
        one_line(&text).into_owned()
    } else {
        format!("{}…", one_line(&text[..text.floor_char_boundary(room)]))
    }
}

/// A path as text that cannot upset a terminal.
pub(crate) fn shown_path(path: &Path) -> String {
    shown(path.as_os_str().as_bytes())
}

/// `text` on one line, with everything escaped that a terminal or a log acts on.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    escape(text, false)
}

/// Like [`one_line`], but line breaks and tabs stay: for messages that were laid out in lines by ourselves.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escape(text, true)
}

/// JSON in which active characters and commands are escaped, as JSON allows. Outside of strings there are only our
/// own line breaks.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let is_left = |character: char| character == '\n' || !is_active(character);
    if text.chars().all(is_left) && !text.contains("##") {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut units = [0; 2];
    for (at, character) in text.char_indices() {
        if is_left(character) && !(character == '[' && is_command(&text[..at])) {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Cow::Owned(escaped)
}

/// A text as TOML writes it, between quotes, with active characters escaped.
pub(crate) fn toml_text(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => written.extend(['\\', character]),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\u{8}' => written.push_str("\\b"),
            '\u{c}' => written.push_str("\\f"),
            '\u{10000}'.. if is_active(character) => {
                written.push_str(&format!("\\U{:08X}", u32::from(character)));
            }
            _ if is_active(character) => written.push_str(&format!("\\u{:04X}", u32::from(character))),
            _ => written.push(character),
        }
    }
    written.push('"');
    written
}

fn escape(text: &str, has_lines: bool) -> Cow<'_, str> {
    match redact(text) {
        Cow::Borrowed(text) => escape_active(text, has_lines),
        Cow::Owned(text) => Cow::Owned(escape_active(&text, has_lines).into_owned()),
    }
}

fn escape_active(text: &str, has_lines: bool) -> Cow<'_, str> {
    let is_kept = |character: char| has_lines && matches!(character, '\n' | '\t');
    let is_harmless = |character: char| !is_active(character) || is_kept(character);
    if text.chars().all(is_harmless) && !text.contains("##") && !text.contains("::") {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    // Whether nothing but white space stands before it in its line.
    let mut begins = true;
    for (at, character) in text.char_indices() {
        let rest = &text[at..];
        if !is_harmless(character)
            || (begins && rest.starts_with("::"))
            || (character == '[' && is_command(&text[..at]))
        {
            push_escaped(&mut escaped, character);
        } else {
            escaped.push(character);
        }
        begins = is_kept(character) && character == '\n' || begins && character.is_whitespace();
    }
    Cow::Owned(escaped)
}

/// Whether the `[` after `before` begins a command to a CI system that looks for them anywhere in a line: `##[`,
/// `##vso[`, `##teamcity[`. GitHub's `::NAME::` counts at the beginning of a line alone, after white space too.
fn is_command(before: &str) -> bool {
    before.trim_end_matches(|character: char| character.is_ascii_alphabetic()).ends_with("##")
}

/// Whether a terminal, an editor or a reader of logs acts on a character, or does not show it: controls, breaks of lines
/// and paragraphs, directions of writing, and what has no width.
pub(crate) fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// `\n`, `\t` and the like by name, everything else by number.
fn push_escaped(text: &mut String, character: char) {
    if character.is_ascii_graphic() {
        text.extend(character.escape_unicode());
    } else {
        text.extend(character.escape_default());
    }
}

/// A path in JSON, which is UTF-8 where a path need not be.
pub(crate) fn path_as_text<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_excerpt_has_no_part_of_a_secret() {
        let text = "fetch https://joe:Sup3rpassword@host.example.com/x";
        for limit in 0..text.len() {
            let shown = excerpt(text, limit);
            assert!(!shown.contains("Sup") && shown.chars().count() <= limit + 1, "{limit}: {shown}");
        }
        assert_eq!(excerpt("abc", 3), "abc");
    }

    #[test]
    fn a_list_tells_its_first_names_and_how_many_more() {
        let names = |count: u32| (0..count).map(|number| format!("e{number}")).collect::<Vec<_>>();
        assert_eq!(listed(names(0), "`", " or "), "");
        assert_eq!(listed(names(2), "`", " or "), "`e0` or `e1`");
        assert_eq!(listed(names(10), "", ", "), "e0, e1, e2, e3, e4, e5, e6, e7, e8, e9");
        let long = listed(names(100_000), "`", " or ");
        assert!(long.starts_with("`e0`, `e1`, ") && long.ends_with("`e9` and 99990 more"), "{long}");
        assert_eq!(harm(&listed(["a\nb\u{1b}"], "`", ", ")), None);
    }

    /// Everything that `text` could do to a reader.
    fn harm(text: &str) -> Option<&'static str> {
        let commands = ["##[", "##vso[", "##teamcity["];
        if text.chars().any(is_active) {
            return Some("an active character");
        }
        if text.trim_start().starts_with("::") || commands.iter().any(|command| text.contains(command)) {
            return Some("a command");
        }
        None
    }

    #[test]
    fn a_word_is_one_word_for_a_shell() {
        for (word, shown) in [
            ("--set=a", "--set=a"),
            ("api-*", "'api-*'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("a;b`c`", "'a;b`c`'"),
        ] {
            assert_eq!(shell_word(word), shown);
        }
    }

    #[test]
    fn what_acts_is_escaped_and_all_else_stays() {
        let cases = [
            ("plain ü 日本 😀 #1 ## a::b [x]", "plain ü 日本 😀 #1 ## a::b [x]"),
            ("a\n::error::b\r\u{1b}[2J", "a\\n::error::b\\r\\u{1b}[2J"),
            ("\u{7f}\u{85}\u{9b}", "\\u{7f}\\u{85}\\u{9b}"),
            ("a\u{202e}b\u{2066}\u{200f}\u{61c}\u{2028}", "a\\u{202e}b\\u{2066}\\u{200f}\\u{61c}\\u{2028}"),
            ("z\u{200b}w\u{feff}", "z\\u{200b}w\\u{feff}"),
            (" ::set-output::", " \\u{3a}:set-output::"),
            ("x ##vso[task.x] ##[group]", "x ##vso\\u{5b}task.x] ##\\u{5b}group]"),
            ("app##1.war", "app##1.war"),
        ];
        for (text, expected) in cases {
            assert_eq!(one_line(text), expected);
            assert_eq!(Foreign::new(text).to_string(), expected);
            assert_eq!(shown(text.as_bytes()), expected);
        }
        assert_eq!(lines("a\n\tb\r\n ::error::"), "a\n\tb\\r\n \\u{3a}:error::");
        assert_eq!(shown(b"a\xff"), "a\u{fffd}");
    }

    #[test]
    fn a_text_is_cut_at_a_character() {
        assert_eq!(Foreign::short(" a\n\u{1b}[31mb\t c ", 20).to_string(), "a [31mb c");
        assert_eq!(Foreign::short(&"ü".repeat(30), 5).to_string(), "üüüüü…");
        assert_eq!(Foreign::new(&"x".repeat(5_000)).to_string().chars().count(), LONGEST + 1);
    }

    #[test]
    fn json_stays_the_same_value() {
        let value =
            serde_json::json!({ "a\u{7f}": "\u{9b}\u{202e}\u{e0041}\n\u{1}", "b": "ü😀", "c": "##vso[x]" });
        let text = serde_json::to_string_pretty(&value).expect("json");
        let safe = json(&text);
        assert!(safe.chars().all(|character| character == '\n' || !is_active(character)), "{safe}");
        assert!(!safe.contains("##vso["), "{safe}");
        assert!(
            safe.contains("ü😀") && safe.contains("\\u202e") && safe.contains("\\udb40\\udc41"),
            "{safe}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).expect("json"), value);
    }

    #[test]
    fn a_text_in_toml_stays_the_same() {
        let text = "a \"b\" \\c\n\r\t\u{8}\u{c}\u{0}\u{1b}\u{7f}\u{85}\u{9b}\u{202e}\u{e0041}ü😀 ##[x]";
        let written = toml_text(text);
        assert!(!written.chars().any(is_active), "{written}");
        assert!(written.contains("\\u202E\\U000E0041ü😀"), "{written}");
        let table: toml::Table = format!("a = {written}\n").parse().expect("TOML");
        assert_eq!(table["a"].as_str(), Some(text));
    }

    proptest! {
        #[test]
        fn any_bytes_come_out_as_one_harmless_line(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = String::from_utf8_lossy(&bytes);
            for shown in [
                shown(&bytes),
                Foreign::new(&text).to_string(),
                Foreign::short(&text, 50).to_string(),
                one_line(&text).into_owned(),
            ] {
                prop_assert_eq!(harm(&shown), None, "{:?}", shown);
            }
        }

        #[test]
        fn any_text_comes_out_as_one_harmless_line(
            text in "([a-z:#\\[ \n\r\t\u{85}\u{9b}\u{61c}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2066}-\u{2069}]|::|##vso\\[|##\\[){0,40}",
        ) {
            for shown in [shown(text.as_bytes()), Foreign::new(&text).to_string(), Foreign::short(&text, 50).to_string()] {
                prop_assert_eq!(harm(&shown), None, "{:?}", shown);
            }
            for line in lines(&text).lines() {
                prop_assert_eq!(harm(&line.replace('\t', " ")), None, "{:?}", line);
            }
        }
    }
}
