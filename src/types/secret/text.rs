//! Small questions about bytes of text that all matchers ask.

/// Counts lines from the place of the last answer on, and not from the beginning each time: a hostile text has a secret
/// in every line.
pub(crate) struct LineCounter<'t> {
    text: &'t [u8],
    /// The place of the last answer, and its line from 0 on.
    at: usize,
    line: usize,
}

impl<'t> LineCounter<'t> {
    pub(crate) const fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, line: 0 }
    }

    /// The number of the line that `offset` is in, from 1 on.
    pub(crate) fn at(&mut self, offset: usize) -> u32 {
        let offset = offset.min(self.text.len());
        let between = &self.text[self.at.min(offset)..self.at.max(offset)];
        let breaks = memchr::memchr_iter(b'\n', between).count();
        self.line = if offset >= self.at { self.line + breaks } else { self.line - breaks };
        #[cfg(test)]
        steps::add(between.len());
        self.at = offset;
        u32::try_from(self.line + 1).unwrap_or(u32::MAX)
    }
}

/// A longer run is no token and no address: it is cut here, so that each place in a hostile text costs no more.
const MOST_RUN: usize = 1200;

/// The bytes from `start` on that `is_part` accepts, at most [`MOST_RUN`].
pub(crate) fn run(text: &[u8], start: usize, is_part: impl Fn(u8) -> bool) -> &[u8] {
    let rest = text.get(start..).unwrap_or_default();
    let rest = &rest[..rest.len().min(MOST_RUN)];
    let end = rest.iter().position(|byte| !is_part(*byte)).unwrap_or(rest.len());
    #[cfg(test)]
    steps::add(end);
    &rest[..end]
}

/// Counts the bytes that matchers look at again, after the one search that all of a text has.
#[cfg(test)]
pub(crate) mod steps {
    use std::cell::Cell;

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    pub(crate) fn add(count: usize) {
        STEPS.set(STEPS.get() + count);
    }

    /// The steps of `work`.
    pub(crate) fn of(work: impl FnOnce()) -> usize {
        let before = STEPS.get();
        work();
        STEPS.get() - before
    }
}

/// Whether a word begins at `start`: a token in the middle of another word is none.
pub(crate) fn begins_word(text: &[u8], start: usize) -> bool {
    let before = start.checked_sub(1).and_then(|before| text.get(before));
    !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// How many different bytes there are.
pub(crate) fn distinct(value: &[u8]) -> usize {
    let mut seen = [false; 256];
    value.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count()
}

/// Words that documentation writes in the place of a secret.
const PLACEHOLDERS: [&[u8]; 16] = [
    b"example",
    b"changeme",
    b"change-me",
    b"change_me",
    b"placeholder",
    b"your",
    b"xxxx",
    b"****",
    b"....",
    b"dummy",
    b"sample",
    b"redacted",
    b"insert",
    b"replace",
    b"secret-here",
    b"not-a-",
];

/// Whether a value stands in the place of one: a word of documentation, a variable, an ellipsis, or hardly more than
/// one character.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let has = |word: &[u8]| memchr::memmem::find(&lower, word).is_some();
    let is_variable = value.first().is_some_and(|first| b"$<%{@".contains(first)) || has(b"${") || has(b"{{");
    let is_left_out = ["...".as_bytes(), "…".as_bytes()].iter().any(|dots| value.ends_with(dots));
    is_variable
        || is_left_out
        || distinct(value) < 4
        || PLACEHOLDERS.iter().any(|word| has(word))
        || has_sequence(&lower)
}

/// Whether eight characters follow each other as in the alphabet or in counting.
fn has_sequence(value: &[u8]) -> bool {
    let mut length = 1;
    value.windows(2).any(|pair| {
        length = if pair[1] == pair[0].wrapping_add(1) { length + 1 } else { 1 };
        length == 8
    })
}

/// The lines of a text, with their numbers, without white space around them.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    text.split(|byte| *byte == b'\n').zip(1..).map(|(line, number)| (number, line.trim_ascii()))
}

/// A value without the quotes around it.
pub(crate) fn unquoted(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    for quote in [b'"', b'\''] {
        if let [first, inner @ .., last] = value
            && *first == quote
            && *last == quote
        {
            return inner;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text of nothing but beginnings of tokens has as many places as it has such words.
    #[test]
    fn a_run_is_cut_where_no_token_is_that_long() {
        let text = b"ghp_".repeat(1 << 16);
        assert_eq!(run(&text, 4, |byte| byte != b' ').len(), MOST_RUN);
        assert_eq!(run(b"abc d", 1, |byte| byte != b' '), b"bc");
        assert_eq!(run(b"abc", 9, |_| true), b"");
    }

    #[test]
    fn lines_are_counted_once_however_often_they_are_asked_for() {
        let text = b"a\n".repeat(1 << 16);
        let steps = steps::of(|| {
            let mut counter = LineCounter::new(&text);
            for offset in 0..text.len() {
                assert_eq!(counter.at(offset) as usize, offset / 2 + 1);
            }
        });
        assert!(steps <= text.len());
    }

    #[test]
    fn placeholders_are_words_variables_and_sequences() {
        for value in [
            "${TOKEN}",
            "changeme",
            "AKIAIOSFODNN7EXAMPLE",
            "xxxxxxxxxxxx",
            "aaaa",
            "<password>",
            "sk-...",
            "sk-proj-…",
            "{{ password }}",
        ] {
            assert!(is_placeholder(value.as_bytes()), "{value}");
        }
        assert!(is_placeholder(b"0123456789"));
        for value in ["hunter2!", "kd83jsU2", "a1b...2c3", "kd83jsU2.."] {
            assert!(!is_placeholder(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn lines_are_counted_from_one() {
        let mut counter = LineCounter::new(b"a\nb\n");
        assert_eq!([2, 0, 1, 4, 2].map(|offset| counter.at(offset)), [2, 1, 1, 3, 2]);
        assert_eq!(
            lines(b"a\n b \r\n").map(|(number, line)| (number, line.to_vec())).nth(1),
            Some((2, b"b".to_vec()))
        );
        assert_eq!(unquoted(b" \"a\" "), b"a");
    }
}
