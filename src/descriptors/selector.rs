//! `KIND=PATH`: where objects of a kind of one's own have their images.

use std::fmt;
use std::str::FromStr;

/// A place of an image in the objects of one kind: `Kind=spec.parts[].image`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSelector {
    pub(super) kind: String,
    pub(super) steps: Vec<SelectorStep>,
}

/// One step of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SelectorStep {
    /// The value of a key.
    Key(String),
    /// Each item of a list, or each value of a map.
    Each,
}

/// The most steps of a path.
const MAX_STEPS: usize = 32;

impl ImageSelector {
    /// The kind of its objects.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

impl FromStr for ImageSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form =
            "it is not of the form KIND=PATH, such as `Database=spec.image` or `Job=spec.steps[].image`";
        let (kind, path) = text.split_once('=').ok_or(form)?;
        let mut steps = Vec::new();
        for part in path.trim_start_matches('.').split('.') {
            let (mut key, mut lists) = (part, 0);
            while let Some(rest) = key.strip_suffix("[]") {
                (key, lists) = (rest, lists + 1);
            }
            match key {
                "" => return Err(form.to_owned()),
                "*" => steps.push(SelectorStep::Each),
                _ => steps.push(SelectorStep::Key(key.to_owned())),
            }
            steps.extend((0..lists).map(|_| SelectorStep::Each));
        }
        match kind.is_empty() || steps.len() > MAX_STEPS {
            true => Err(form.to_owned()),
            false => Ok(Self { kind: kind.to_owned(), steps }),
        }
    }
}

impl fmt::Display for ImageSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.kind)?;
        for (number, step) in self.steps.iter().enumerate() {
            match step {
                SelectorStep::Key(key) => write!(f, "{}{key}", if number > 0 { "." } else { "" })?,
                SelectorStep::Each if number > 0 => f.write_str("[]")?,
                SelectorStep::Each => f.write_str("*")?,
            }
        }
        Ok(())
    }
}
