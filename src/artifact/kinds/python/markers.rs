//! The conditions of requirements (PEP 508), as far as they are certain for an image: it is Linux, and the version of
//! Python may be known.

use super::environment::PythonVersion;

/// So many brackets may be in one another.
const MAX_DEPTH: usize = 32;

/// Whether a requirement such as `colorama; sys_platform == "win32"` counts without any extra: `None` where that is not
/// certain.
pub(super) fn counts(requirement: &str, python: Option<PythonVersion>) -> Option<bool> {
    // An address has its own semicolons: a condition stands behind a blank.
    let marker = match requirement.split_once(" @ ") {
        Some((_, address)) => address.split_once(" ;").map(|(_, marker)| marker),
        None => requirement.split_once(';').map(|(_, marker)| marker),
    };
    let Some(marker) = marker.map(str::trim).filter(|marker| !marker.is_empty()) else { return Some(true) };
    let mut reader = MarkerReader { words: words(marker)?, at: 0, python };
    let answer = reader.any(0)?;
    if reader.at == reader.words.len() { answer } else { None }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MarkerWord<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn words(marker: &str) -> Option<Vec<MarkerWord<'_>>> {
    let mut all = Vec::new();
    let mut rest = marker.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' | '\'' => {
                let end = rest[1..].find(first)? + 1;
                all.push(MarkerWord::Text(&rest[1..end]));
                rest = rest[end + 1..].trim_start();
                continue;
            }
            '(' | ')' => 1,
            '<' | '>' | '=' | '!' | '~' => {
                rest.find(|one: char| !"<>=!~".contains(one)).unwrap_or(rest.len())
            }
            _ => rest
                .find(|one: char| !(one.is_ascii_alphanumeric() || one == '_' || one == '.'))
                .unwrap_or(rest.len()),
        };
        if end == 0 {
            return None;
        }
        all.push(MarkerWord::Name(&rest[..end]));
        rest = rest[end..].trim_start();
    }
    Some(all)
}

/// An answer that may not be certain; the outer `None` is a marker that is not understood.
type Certainty = Option<bool>;

struct MarkerReader<'a> {
    words: Vec<MarkerWord<'a>>,
    at: usize,
    python: Option<PythonVersion>,
}

impl<'a> MarkerReader<'a> {
    fn next(&mut self) -> Option<MarkerWord<'a>> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }

    fn takes(&mut self, name: &str) -> bool {
        let is_it = self.words.get(self.at) == Some(&MarkerWord::Name(name));
        self.at += usize::from(is_it);
        is_it
    }

    fn any(&mut self, depth: usize) -> Option<Certainty> {
        let mut answer = self.all(depth)?;
        while self.takes("or") {
            let other = self.all(depth)?;
            answer = match (answer, other) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        Some(answer)
    }

    fn all(&mut self, depth: usize) -> Option<Certainty> {
        let mut answer = self.one(depth)?;
        while self.takes("and") {
            let other = self.one(depth)?;
            answer = match (answer, other) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
        Some(answer)
    }

    fn one(&mut self, depth: usize) -> Option<Certainty> {
        if self.takes("(") {
            if depth == MAX_DEPTH {
                return None;
            }
            let answer = self.any(depth + 1)?;
            return self.takes(")").then_some(answer);
        }
        let left = self.next()?;
        let MarkerWord::Name(mut operator) = self.next()? else { return None };
        if operator == "not" {
            operator = self.takes("in").then_some("not in")?;
        }
        let right = self.next()?;
        Some(match (left, right) {
            (MarkerWord::Name(name), MarkerWord::Text(value)) => self.compare(name, operator, value),
            (MarkerWord::Text(value), MarkerWord::Name(name)) => self.compare(name, turned(operator), value),
            _ => None,
        })
    }

    fn compare(&self, name: &str, operator: &str, value: &str) -> Certainty {
        let known = match name {
            "sys_platform" => "linux",
            "platform_system" => "Linux",
            "os_name" => "posix",
            "extra" => "",
            // The directory `lib/python3.N` is that of CPython.
            "platform_python_implementation" if self.python.is_some() => "CPython",
            "implementation_name" if self.python.is_some() => "cpython",
            "python_version" => return compare_version(self.python?, operator, value),
            _ => return None,
        };
        match operator {
            "==" | "===" => Some(known == value),
            "!=" => Some(known != value),
            _ => None,
        }
    }
}

/// The operator with its sides exchanged.
fn turned(operator: &str) -> &str {
    match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        "==" | "!=" | "===" => operator,
        _ => "",
    }
}

fn compare_version(python: PythonVersion, operator: &str, value: &str) -> Certainty {
    let mut numbers = value.split('.');
    let wanted = PythonVersion {
        major: numbers.next()?.parse().ok()?,
        minor: numbers.next().map_or(Some(0), |minor| minor.parse().ok())?,
    };
    if numbers.next().is_some() {
        return None;
    }
    match operator {
        "<" => Some(python < wanted),
        "<=" => Some(python <= wanted),
        ">" => Some(python > wanted),
        ">=" => Some(python >= wanted),
        "==" => Some(python == wanted),
        "!=" => Some(python != wanted),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_count_where_they_are_certain() {
        let python = PythonVersion::parse("3.11");
        for (requirement, expected) in [
            ("a", Some(true)),
            ("a>=1,<2", Some(true)),
            ("a (>=1) ; extra == 'x'", Some(false)),
            ("a; python_version < '3.8'", Some(false)),
            ("a; python_version >= \"3.8\" and sys_platform != 'win32'", Some(true)),
            ("a; '3.8' <= python_version", Some(true)),
            ("a; python_version<'3'", Some(false)),
            ("a; python_full_version < '3.11.3'", None),
            ("a; platform_machine == 'x86_64'", None),
            ("a; platform_machine == 'x86_64' and os_name == 'nt'", Some(false)),
            ("a; platform_machine == 'x86_64' or sys_platform == 'linux'", Some(true)),
            ("a; (platform_system == 'Linux') and (extra == 'x' or extra == 'y')", Some(false)),
            ("a; platform_python_implementation != 'PyPy'", Some(true)),
            ("a @ https://x/y;z ; extra == 'b'", Some(false)),
            ("a @ https://x/y;z", Some(true)),
            ("a; sys_platform in 'linux'", None),
            ("a; sys_platform not in 'linux'", None),
            ("a; (sys_platform == 'linux'", None),
            ("a; sys_platform == 'linux' x", None),
            ("a; \u{fc}", None),
        ] {
            assert_eq!(counts(requirement, python), expected, "{requirement}");
        }
        assert_eq!(counts("a; python_version < '3.8'", None), None);
    }
}
