//! Ranges of versions as npm reads them in `engines`: the grammar of `node-semver`, where only finished versions are asked
//! for, so that the order of previews among each other does not matter.

/// A longer text is no range.
const MAX_TEXT: usize = 1024;

/// Major, minor and patch.
pub type NodeVersion = [u64; 3];

/// Versions, as a list of alternatives, each of which is a list of bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRange(Vec<Vec<Bound>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    AtLeast(NodeVersion),
    Above(NodeVersion),
    AtMost(NodeVersion),
    Below(NodeVersion),
    Never,
}

/// Whether a Node.js of which maybe only the major version is known is in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InRange {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// The minor version decides.
    Maybe,
}

/// A version whose last numbers may be left out.
#[derive(Clone, Copy, Debug, Default)]
struct Partial {
    major: Option<u64>,
    minor: Option<u64>,
    patch: Option<u64>,
    is_preview: bool,
}

impl NodeRange {
    /// Reads a range; `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        text.split("||").map(|part| alternative(part.trim())).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Whether it has a finished version.
    #[must_use]
    pub fn contains(&self, version: NodeVersion) -> bool {
        self.0.iter().any(|bounds| bounds.iter().all(|bound| bound.allows(version)))
    }

    /// Whether it has the version with these numbers, of which all after the first may be unknown.
    #[must_use]
    pub fn judge(&self, version: &str) -> Option<InRange> {
        let numbers: Vec<u64> = version.split('.').map_while(|part| part.parse().ok()).collect();
        let answer = |is_in| if is_in { InRange::Yes } else { InRange::No };
        match numbers[..] {
            [major, minor, patch, ..] => Some(answer(self.contains([major, minor, patch]))),
            [major, ..] => {
                // Between two bounds nothing changes.
                let mut asked = vec![[major, 0, 0], [major, u64::MAX, u64::MAX]];
                for bound in self.0.iter().flatten().filter_map(|bound| bound.at()) {
                    let [of, minor, patch] = bound;
                    if of == major {
                        asked.extend([bound, [of, minor, patch.saturating_add(1)]]);
                        asked.extend(patch.checked_sub(1).map(|patch| [of, minor, patch]));
                        asked.extend(minor.checked_sub(1).map(|minor| [of, minor, u64::MAX]));
                    }
                }
                let are_in = asked.iter().filter(|version| self.contains(**version)).count();
                Some(match are_in {
                    0 => InRange::No,
                    all if all == asked.len() => InRange::Yes,
                    _ => InRange::Maybe,
                })
            }
            [] => None,
        }
    }
}

impl Bound {
    fn allows(self, version: NodeVersion) -> bool {
        match self {
            Self::AtLeast(bound) => version >= bound,
            Self::Above(bound) => version > bound,
            Self::AtMost(bound) => version <= bound,
            Self::Below(bound) => version < bound,
            Self::Never => false,
        }
    }

    const fn at(self) -> Option<NodeVersion> {
        match self {
            Self::AtLeast(bound) | Self::Above(bound) | Self::AtMost(bound) | Self::Below(bound) => {
                Some(bound)
            }
            Self::Never => None,
        }
    }
}

impl Partial {
    /// `v1.2.3-pre+build`, `1.2`, `1.x`, `*`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches(['=', 'v', ' ']);
        let numbers = text.split(['-', '+']).next().unwrap_or_default();
        let rest = &text[numbers.len()..];
        let mut all = Self { is_preview: rest.starts_with('-'), ..Self::default() };
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'+');
        if !rest.bytes().all(is_word) || rest.ends_with(['-', '+', '.']) {
            return None;
        }
        let parts: Vec<&str> = numbers.split('.').collect();
        if parts.len() > 3 || (!rest.is_empty() && parts.len() < 3) {
            return None;
        }
        let mut is_open = false;
        for (part, slot) in parts.iter().zip([&mut all.major, &mut all.minor, &mut all.patch]) {
            if matches!(*part, "x" | "X" | "*") {
                is_open = true;
                continue;
            }
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number || (part.len() > 1 && part.starts_with('0')) || part.len() > 15 {
                return None;
            }
            *slot = part.parse().ok().filter(|_| !is_open);
        }
        Some(all)
    }

    fn floor(self) -> NodeVersion {
        [self.major.unwrap_or(0), self.minor.unwrap_or(0), self.patch.unwrap_or(0)]
    }

    /// The first version above all that it means; `None` where it means all.
    fn end(self) -> Option<NodeVersion> {
        Some(match (self.major?, self.minor, self.patch) {
            (major, None, _) => [major + 1, 0, 0],
            (major, Some(minor), None) => [major, minor + 1, 0],
            (major, Some(minor), Some(patch)) => [major, minor, patch + 1],
        })
    }

    fn is_exact(self) -> bool {
        self.patch.is_some()
    }

    /// From itself up to an end.
    fn until(self, end: NodeVersion) -> Vec<Bound> {
        vec![Bound::AtLeast(self.floor()), Bound::Below(end)]
    }

    /// The versions that it means: one, or all with these first numbers.
    fn all(self) -> Vec<Bound> {
        match self.end() {
            // A finished version is no preview.
            Some(_) if self.is_exact() && self.is_preview => vec![Bound::Never],
            Some(end) => self.until(end),
            None => Vec::new(),
        }
    }

    fn caret(self) -> Vec<Bound> {
        let Some(major) = self.major else { return Vec::new() };
        let end = match (major, self.minor, self.patch) {
            (0, Some(0), Some(patch)) => [0, 0, patch + 1],
            (0, Some(minor), _) => [0, minor + 1, 0],
            _ => [major + 1, 0, 0],
        };
        self.until(end)
    }

    fn tilde(self) -> Vec<Bound> {
        let Some(major) = self.major else { return Vec::new() };
        self.until(self.minor.map_or([major + 1, 0, 0], |minor| [major, minor + 1, 0]))
    }
}

/// Bounds that all must hold.
fn alternative(text: &str) -> Option<Vec<Bound>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [from, "-", to] = words[..] {
        let (from, to) = (Partial::parse(from)?, Partial::parse(to)?);
        let mut bounds = vec![Bound::AtLeast(from.floor())];
        bounds.extend(match to.end() {
            Some(_) if to.is_exact() && to.is_preview => Some(Bound::Below(to.floor())),
            Some(_) if to.is_exact() => Some(Bound::AtMost(to.floor())),
            end => end.map(Bound::Below),
        });
        return Some(bounds);
    }
    let mut bounds = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let operator =
            ["~>", ">=", "<=", ">", "<", "=", "^", "~"].into_iter().find(|it| word.starts_with(it));
        let operator = operator.unwrap_or_default();
        let rest = &word[operator.len()..];
        // A blank may follow an operator.
        let rest = if rest.is_empty() && !operator.is_empty() { words.next()? } else { rest };
        let version = Partial::parse(rest)?;
        let floor = version.floor();
        let is_preview = version.is_exact() && version.is_preview;
        match (operator, version.end()) {
            ("^", _) => bounds.extend(version.caret()),
            ("~" | "~>", _) => bounds.extend(version.tilde()),
            (">" | "<", None) => bounds.push(Bound::Never),
            (">=", _) => bounds.push(Bound::AtLeast(floor)),
            (">", Some(end)) if !version.is_exact() => bounds.push(Bound::AtLeast(end)),
            (">", _) if is_preview => bounds.push(Bound::AtLeast(floor)),
            (">", _) => bounds.push(Bound::Above(floor)),
            ("<=", Some(end)) if !version.is_exact() => bounds.push(Bound::Below(end)),
            ("<=", Some(_)) if is_preview => bounds.push(Bound::Below(floor)),
            ("<=", Some(_)) => bounds.push(Bound::AtMost(floor)),
            ("<=", None) => {}
            ("<", _) => bounds.push(Bound::Below(floor)),
            _ => bounds.extend(version.all()),
        }
    }
    Some(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NPM: &str = "/usr/lib/node_modules/npm/node_modules/semver";

    const RANGES: [&str; 44] = [
        "*",
        "",
        "x",
        ">=18",
        ">= 18.0.0",
        ">18",
        ">18.2",
        "<=20",
        "<20",
        "18",
        "v18.x",
        "=18.19.0",
        "18.19",
        "^18",
        "^18.12.0",
        "^18.12 || ^20.9.0 || >=22",
        "~18.12",
        "~> 18.12.1",
        "~18",
        "^0.12.7",
        "^0.0.3",
        "^0.1",
        "0.x",
        "18 - 20",
        "18.12.0 - 20.9",
        "18.12.0 - 20.9.0",
        ">=14 <21",
        ">=14.17.0 <17 || >=18",
        ">=18.0.0-0",
        "<20.0.0-rc.1",
        "<=20.0.0-rc.1",
        ">20.0.0-rc.1",
        "18.0.0-rc.1",
        "20.0.0",
        "lts/*",
        "node",
        ">=",
        "18..1",
        "01.2.3",
        "1.2.3.4",
        ">*",
        ">=*",
        ">=18 ",
        "18.12.0+build",
    ];

    const VERSIONS: [NodeVersion; 14] = [
        [0, 0, 3],
        [0, 1, 5],
        [0, 12, 18],
        [14, 17, 0],
        [16, 20, 2],
        [17, 0, 0],
        [18, 0, 0],
        [18, 12, 1],
        [18, 19, 0],
        [18, 19, 1],
        [20, 0, 0],
        [20, 9, 0],
        [20, 9, 5],
        [22, 1, 0],
    ];

    /// npm's own code is the oracle, where it is installed.
    #[test]
    fn ranges_mean_what_npm_takes_them_for() {
        let program = format!(
            "const semver = require('{NPM}');
             const [ranges, versions] = JSON.parse(process.argv[1]);
             for (const range of ranges) console.log(versions.map(version =>
               semver.satisfies(version.join('.'), range, {{ includePrerelease: true }}) ? 1 : 0).join(''))"
        );
        let asked = serde_json::to_string(&(&RANGES[..], &VERSIONS[..])).expect("JSON");
        let output = std::process::Command::new("node").args(["-e", &program, &asked]).output();
        let Some(output) = output.ok().filter(|output| output.status.success()) else { return };
        let said = String::from_utf8(output.stdout).expect("text");
        let found = RANGES.map(|text| {
            let range = NodeRange::parse(text);
            let is_in =
                |version| if range.as_ref().is_some_and(|range| range.contains(version)) { '1' } else { '0' };
            format!("{text}: {}", VERSIONS.map(is_in).iter().collect::<String>())
        });
        let expected: Vec<String> =
            RANGES.iter().zip(said.lines()).map(|(text, said)| format!("{text}: {said}")).collect();
        assert_eq!(found[..], expected[..]);
    }

    #[test]
    fn versions_are_in_ranges() {
        let is_in =
            |range: &str, version| NodeRange::parse(range).is_some_and(|range| range.contains(version));
        assert!(is_in(">=18", [18, 0, 0]) && !is_in(">=18", [16, 20, 2]));
        assert!(is_in("^18.12 || >=20", [18, 19, 0]) && !is_in("^18.12 || >=20", [18, 9, 0]));
        assert!(is_in("14 - 16", [16, 20, 2]) && !is_in("14 - 16", [17, 0, 0]));
        assert!(NodeRange::parse("lts/*").is_none() && NodeRange::parse(&"1".repeat(2000)).is_none());
    }

    #[test]
    fn a_major_version_alone_may_be_enough() {
        let judge =
            |range: &str, version: &str| NodeRange::parse(range).and_then(|range| range.judge(version));
        assert_eq!(judge(">=16", "18"), Some(InRange::Yes));
        assert_eq!(judge(">=20", "18"), Some(InRange::No));
        assert_eq!(judge(">=18.12", "18"), Some(InRange::Maybe));
        assert_eq!(judge("^18.12 || >=20", "18.19.0"), Some(InRange::Yes));
        assert_eq!(judge(">=18", "latest"), None);
    }
}
