//! What every error can say beside its message: whose fault it is, and what to do.
//!
//! Each module has its own error type with the context in its fields. At the edge the command line asks
//! [`Explain`] for the exit code and the `hint:` line.

/// Whose fault an error is; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The user's input: a missing file, a broken archive, a wrong setting. Exit code 1.
    Input,
    /// A registry or the network. Exit code 3.
    Registry,
    /// A policy refused it, such as `--locked`. Exit code 4.
    Policy,
    /// The user interrupted. Exit code 130, as shells have it for SIGINT.
    Interrupted,
    /// A bug in this program. Exit code 70 (`EX_SOFTWARE` of sysexits).
    Bug,
}

/// An error that knows its kind and may know what to do about it.
pub trait Explain: std::error::Error + Send + Sync + 'static {
    /// Whose fault it is.
    fn kind(&self) -> Kind;

    /// One sentence that says what to do, without a trailing period.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Any explained error, where the caller only reports it.
pub type BoxedError = Box<dyn Explain>;

impl<E: Explain> From<E> for BoxedError {
    fn from(error: E) -> Self {
        Box::new(error)
    }
}

/// The nearest of `known` to `given`, if it is near enough to have been meant.
#[must_use]
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = given.chars().count().max(3) / 3;
    known
        .into_iter()
        .map(|candidate| (distance(given, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_what_was_meant_and_nothing_far() {
        let known = ["name", "base", "tags", "platforms"];
        assert_eq!(nearest("nmae", known), Some("name"));
        assert_eq!(nearest("platform", known), Some("platforms"));
        assert_eq!(nearest("entrypoint", known), None);
    }
}
