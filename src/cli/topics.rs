//! `pack help TOPIC`: subjects that are no commands, and the codes of errors. All texts are those of `docs/`.

use super::manual_text::{plain, sections};
use super::view::check::explained;
use crate::types::error_code::ErrorCode;
use crate::types::rule::Rule;

/// A subject that is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its word.
    pub name: &'static str,
    /// The subject.
    pub title: &'static str,
    /// The page that has the text.
    page: &'static str,
    /// The sections of the page, each by its heading; "" for the text before the first.
    headings: &'static [&'static str],
}

/// Lists topics by name, page and sections.
macro_rules! topics {
    ($($name:literal $title:literal $file:literal $headings:expr;)+) => {
        /// All of them, in the order of the list.
        pub const TOPICS: &[Topic] = &[$(Topic {
            name: $name,
            title: $title,
            page: include_str!(concat!("../../docs/", $file)),
            headings: &$headings,
        }),+];
    };
}

// `images` and `cache` are commands, and a topic takes no command's place.
topics! {
    "artifacts" "The kinds of artifacts, and what each becomes" "artifacts.md" ["Kinds"];
    "caching" "The local store, and the registry as a cache" "cache.md" ["", "Use", "The local store"];
    "environment" "The variables that are read" "environment.md" ["", "Variables"];
    "errors" "The codes of errors" "errors.md" [""];
    "exit-codes" "The meaning of exit codes" "reference.md" ["Exit codes"];
    "logins" "Where logins to registries are looked for" "registry.md" ["Logins"];
    "places" "How the place of an image is written" "images.md" ["Where an image is", "Into a running engine"];
    "reproducible" "The inputs that decide a digest" "why.md" ["Reproducible images"];
}

/// The page with the codes.
const ERRORS: &str = include_str!("../../docs/errors.md");

/// The text about a topic, the code of an error or a rule of the checks, laid out for so many columns.
#[must_use]
pub fn text(word: &str, columns: usize) -> Option<String> {
    if let Ok(code) = word.parse::<ErrorCode>() {
        return Some(plain(&sections(ERRORS, &[code.name()]).concat(), columns));
    }
    if let Ok(rule) = word.parse::<Rule>() {
        // A finding looks like an error with a code.
        return Some(explained(rule));
    }
    let topic = TOPICS.iter().find(|topic| topic.name == word)?;
    let mut text = plain(&sections(topic.page, topic.headings).join("\n\n"), columns);
    if topic.name == "errors" {
        text.push('\n');
        text.push_str(&plain(&list_of_codes(), columns));
    }
    Some(text)
}

fn list_of_codes() -> String {
    let row = |code: &ErrorCode| format!("| {code} | {} |\n", code.title());
    let rows: String = ErrorCode::ALL.iter().map(row).collect();
    format!("| code | |\n|---|---|\n{rows}")
}

/// The topics as the help of `pack` lists them, below the commands.
#[must_use]
pub fn list() -> String {
    let row = |topic: &Topic| format!("\n  {:14}{}", topic.name, topic.title);
    let rows: String = TOPICS.iter().map(row).collect();
    format!("Topics (`pack help TOPIC`; `pack help CODE` explains an error):{rows}")
}

/// The columns of a text where there is no terminal.
pub const COLUMNS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_there_and_fits_a_screen_of_80_columns() {
        for topic in TOPICS {
            assert_eq!(sections(topic.page, topic.headings).len(), topic.headings.len(), "{}", topic.name);
        }
        let words =
            TOPICS.iter().map(|topic| topic.name).chain(ErrorCode::ALL.iter().map(|code| code.name()));
        for word in words {
            let text = text(word, 200).expect(word);
            assert!(text.lines().count() > 3, "{word}: {text}");
            for line in text.lines().filter(|line| !line.starts_with("    ")) {
                assert!(line.chars().count() <= 80, "{word}: {line}");
            }
            assert!(!text.contains("](") && !text.contains("|--"), "{word}: {text}");
        }
        assert!(text("entrypoint-missing", 80).is_some_and(|text| text.contains("error")));
        assert_eq!(text("nothing", 80), None);
    }

    #[test]
    fn codes_and_sections_are_the_same() {
        let headings: Vec<&str> = ERRORS.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(headings, codes, "docs/errors.md has a section for each code, in the order of the table");
    }
}
