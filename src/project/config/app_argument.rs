//! An artifact on the command line: `PATH[:KIND][=ROOT]`.

use std::ops::Range;

/// Where its parts are in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AppParts {
    pub(super) path: Range<usize>,
    pub(super) kind: Option<Range<usize>>,
    pub(super) root: Option<Range<usize>>,
}

impl AppParts {
    /// The root begins with the last `=/`, since paths in an image are absolute. The kind is what follows the last colon
    /// before it, where that is a word in small letters; any other colon belongs to the path.
    pub(super) fn of(text: &str) -> Self {
        let end = text.rfind("=/").unwrap_or(text.len());
        let root = (end < text.len()).then_some(end + 1..text.len());
        let is_kind = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        match text[..end].rfind(':') {
            Some(colon) if is_kind(&text[colon + 1..end]) => {
                Self { path: 0..colon, kind: Some(colon + 1..end), root }
            }
            _ => Self { path: 0..end, kind: None, root },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> (&str, Option<&str>, Option<&str>) {
        let AppParts { path, kind, root } = AppParts::of(text);
        (&text[path], kind.map(|range| &text[range]), root.map(|range| &text[range]))
    }

    #[test]
    fn an_artifact_is_a_path_with_a_kind_and_a_root() {
        assert_eq!(parts("a/b.war"), ("a/b.war", None, None));
        assert_eq!(parts("docs:site"), ("docs", Some("site"), None));
        assert_eq!(parts("docs:site=/srv/docs"), ("docs", Some("site"), Some("/srv/docs")));
        assert_eq!(parts("docs=/"), ("docs", None, Some("/")));
        assert_eq!(parts("x:spring-boot=/app/"), ("x", Some("spring-boot"), Some("/app/")));
        assert_eq!(parts("a:1.war"), ("a:1.war", None, None));
        assert_eq!(parts("a:b/c"), ("a:b/c", None, None));
        assert_eq!(parts("a=b"), ("a=b", None, None));
        assert_eq!(parts("a=/b=/c"), ("a=/b", None, Some("/c")));
        assert_eq!(parts(":site"), ("", Some("site"), None));
        assert_eq!(parts("a:"), ("a:", None, None));
    }

    proptest! {
        #[test]
        fn any_text_has_parts(text in "[a-zß:=/ ]{0,20}") {
            let (path, kind, root) = parts(&text);
            let length = path.len() + kind.map_or(0, |kind| kind.len() + 1) + root.map_or(0, |root| root.len() + 1);
            prop_assert_eq!(length, text.len());
        }
    }
}
