//! The instructions of a Dockerfile as texts: lines joined, comments gone, texts between `<<END` and `END` beside them.
//!
//! The rules are those of BuildKit's parser: a comment in the middle of an instruction is passed by, and so is an empty line
//! there; a directive for the parser counts only before everything else.

use super::super::error::ImportError;

/// An instruction and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    /// Where it begins, from 1.
    pub(super) line: usize,
    /// The first word, in capitals.
    pub(super) keyword: String,
    /// The rest of its lines.
    pub(super) rest: String,
    /// Its texts.
    pub(super) documents: Vec<InlineText>,
}

/// A text that an instruction has after its own lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InlineText {
    /// The word that ends it.
    pub(super) end: String,
    /// The text.
    pub(super) text: String,
}

/// The instructions of a file, and the character that joins lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instructions {
    pub(super) all: Vec<Instruction>,
    pub(super) escape: char,
}

/// The most bytes of a Dockerfile.
const MAX_SIZE: usize = 1 << 20;
/// The instructions that take texts.
const WITH_DOCUMENTS: [&str; 3] = ["RUN", "COPY", "ADD"];

/// The most bytes of a word that ends a text.
const LONGEST_END: usize = 256;

/// Reads a file.
pub(super) fn instructions(text: &str) -> Result<Instructions, ImportError> {
    if text.len() > MAX_SIZE {
        return Err(ImportError::Size);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let escape = escape(text);
    let mut lines = text.lines().enumerate();
    let mut all = Vec::new();
    while let Some((number, line)) = lines.next() {
        if is_comment(line) || line.trim().is_empty() {
            continue;
        }
        let mut joined = String::new();
        let mut part = line.trim_start();
        loop {
            let Some(rest) = continued(part, escape) else {
                joined.push_str(part);
                break;
            };
            joined.push_str(rest);
            match lines.find(|(_, line)| !is_comment(line) && !line.trim().is_empty()) {
                Some((_, next)) => part = next,
                None => break,
            }
        }
        let joined = joined.trim();
        let (keyword, rest) = joined.split_once(char::is_whitespace).unwrap_or((joined, ""));
        let keyword = keyword.to_ascii_uppercase();
        let mut documents = Vec::new();
        if WITH_DOCUMENTS.contains(&keyword.as_str()) {
            for (end, strips_tabs) in document_ends(rest) {
                documents.push(document(&mut lines, number + 1, end, strips_tabs)?);
            }
        }
        all.push(Instruction { line: number + 1, keyword, rest: rest.trim().to_owned(), documents });
    }
    Ok(Instructions { all, escape })
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// A line without the character at its end that joins the next one, if it has it.
fn continued(line: &str, escape: char) -> Option<&str> {
    line.trim_end_matches([' ', '\t']).strip_suffix(escape)
}

/// The character of the directive `# escape=`, which must be among the first lines.
fn escape(text: &str) -> char {
    for line in text.lines() {
        let Some(comment) = line.trim_start().strip_prefix('#') else { break };
        let Some((key, value)) = comment.split_once('=') else { break };
        if key.trim().eq_ignore_ascii_case("escape") && value.trim() == "`" {
            return '`';
        }
    }
    '\\'
}

/// The words that end the texts of an instruction, and whether tabs at the beginning of their lines count for nothing.
fn document_ends(rest: &str) -> Vec<(String, bool)> {
    let mut ends = Vec::new();
    let mut quote = None;
    let mut letters = rest.char_indices().peekable();
    while let Some((place, letter)) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '<') if rest[place..].starts_with("<<<") => {
                letters.next();
                letters.next();
            }
            (None, '<') if rest[place..].starts_with("<<") => {
                let word = &rest[place + 2..];
                let (strips_tabs, word) = word.strip_prefix('-').map_or((false, word), |word| (true, word));
                // The name that ends a text is short, and a line may have very many of these signs.
                let length = word.char_indices().take(LONGEST_END).find(|(_, letter)| letter.is_whitespace());
                let length = length.map_or_else(|| word.floor_char_boundary(LONGEST_END), |(at, _)| at);
                let word = word[..length].trim_matches(['"', '\'']);
                let is_name = |word: &str| {
                    !word.is_empty()
                        && word.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-.".contains(letter))
                };
                letters.next();
                if is_name(word) {
                    ends.push((word.to_owned(), strips_tabs));
                    while letters.next_if(|(_, letter)| !letter.is_whitespace()).is_some() {}
                }
            }
            _ => {}
        }
    }
    ends
}

fn document<'a>(
    lines: &mut impl Iterator<Item = (usize, &'a str)>,
    line: usize,
    end: String,
    strips_tabs: bool,
) -> Result<InlineText, ImportError> {
    let mut text = String::new();
    for (_, next) in lines {
        let next = if strips_tabs { next.trim_start_matches('\t') } else { next };
        if next == end {
            return Ok(InlineText { end, text });
        }
        text.push_str(next);
        text.push('\n');
    }
    Err(ImportError::Open { line, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, String, String)> {
        let read = instructions(text).expect("a Dockerfile").all;
        read.into_iter().map(|one| (one.line, one.keyword, one.rest)).collect()
    }

    fn one(line: usize, keyword: &str, rest: &str) -> (usize, String, String) {
        (line, keyword.to_owned(), rest.to_owned())
    }

    #[test]
    fn lines_are_joined_and_comments_passed_by() {
        let text =
            "# syntax=docker/dockerfile:1\n\nfrom a\nRUN one && \\\n  # a comment\n\n  two \\  \n three\n";
        assert_eq!(read(text), [one(3, "FROM", "a"), one(4, "RUN", "one &&   two  three")]);
    }

    #[test]
    fn the_directive_for_windows_changes_what_joins() {
        let text = "# escape=`\nFROM a\nCOPY c:\\x `\n d\\\n";
        assert_eq!(read(text), [one(2, "FROM", "a"), one(3, "COPY", "c:\\x  d\\")]);
        let late = "FROM a\n# escape=`\nRUN a `\n";
        assert_eq!(read(late).len(), 2);
    }

    #[test]
    fn texts_end_at_their_word() {
        let text = "RUN <<EOF cat <<-'B'\necho hi\nEOF\n\tx\n\tB\nCOPY <<\"one\" /x\nCMD\none\nCMD a\n";
        let read = instructions(text).expect("a Dockerfile").all;
        let texts: Vec<&str> =
            read.iter().flat_map(|one| &one.documents).map(|one| one.text.as_str()).collect();
        assert_eq!(texts, ["echo hi\n", "x\n", "CMD\n"]);
        assert_eq!(read.len(), 3);
        let open = instructions("RUN <<EOF\nx\n").expect_err("open");
        assert_eq!(open.to_string(), "line 1: no line `EOF` ends the text that begins here");
    }

    #[test]
    fn a_shift_or_a_quoted_word_begins_no_text() {
        for text in ["RUN echo $((1 << 2))", "RUN echo '<<EOF'", "RUN cat <<<word", "ENV a=<<EOF"] {
            let read = instructions(text).expect("a Dockerfile").all;
            assert!(read[0].documents.is_empty(), "{text}");
        }
    }
}
