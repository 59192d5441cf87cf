//! Lists of names in messages: the first of them, and how many more there are.

use std::fmt::Display;

use super::shown::Foreign;

/// The most characters of a name in a list.
const LONGEST: usize = 200;

/// How many names a message has.
const MOST_NAMES: usize = 10;

/// The first names, each between backticks, and how many more there are: `a`, `b` and 97 more.
pub(crate) fn listed<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    bounded(names.into_iter().map(|name| format!("`{}`", Foreign::short(&name.to_string(), LONGEST))))
}

/// The first names as they are, and how many more there are: a, b and 97 more.
pub(crate) fn bounded<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(MOST_NAMES).map(|name| name.to_string()).collect();
    match names.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_any_length_is_short() {
        assert_eq!(listed(["a", "b"]), "`a`, `b`");
        assert_eq!(bounded(0..10), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
        assert_eq!(bounded(0..107), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 97 more");
        let long = listed((0..100).map(|_| "x\n".repeat(1_000)));
        assert!(long.chars().count() < 2_500 && !long.contains('\n'), "{long}");
    }
}
