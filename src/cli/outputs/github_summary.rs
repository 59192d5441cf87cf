//! `--ci github`: a table for people, which is appended to the file `$GITHUB_STEP_SUMMARY`.

use super::OutputImage;

/// The table in Markdown, with all text of others escaped.
#[must_use]
pub fn table(images: &[OutputImage]) -> Vec<u8> {
    let mut text =
        "### Images built by pack\n\n| image | tags | digest | platforms | pushed |\n|---|---|---|---|---|\n"
            .to_owned();
    for image in images {
        let platforms: Vec<String> = image.platforms.iter().map(ToString::to_string).collect();
        let cells = [
            escaped(&image.name),
            escaped(&image.tags.join(", ")),
            escaped(&image.digest.to_string()),
            escaped(&platforms.join(", ")),
            if image.is_pushed { "yes" } else { "no" }.to_owned(),
        ];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text.push('\n');
    text.into_bytes()
}

/// Text as one cell of a table: every character that Markdown or HTML may take for a mark is written as a number, and
/// the end of a line is a space.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut cell = String::new();
    for character in text.chars() {
        match character {
            _ if character.is_ascii_alphanumeric() => cell.push(character),
            ' ' | '.' | ',' | '/' | '-' => cell.push(character),
            _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') => cell.push(' '),
            _ if character.is_ascii() => cell.push_str(&format!("&#{};", u32::from(character))),
            _ => cell.push(character),
        }
    }
    cell
}
