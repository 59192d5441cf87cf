//! Go modules, of the build information that the linker puts into each program (`debug/buildinfo`).

use super::text::word;
use crate::sbom::package::{CoordinateEvidence, PackageFacts};

/// The section of an ELF file that has it.
pub(super) const SECTION: &str = ".go.buildinfo";
const MAGIC: &[u8] = b"\xff Go buildinf:";
/// The version and the modules follow the header as texts; Go 1.17 and older have pointers there.
const INLINE: u8 = 2;
const HEADER: usize = 32;
/// The text about modules is between two marks of this length.
const MARK: usize = 16;

/// The content of the section.
pub(super) enum GoBuild {
    /// The modules: the program's first, if it is one, then those that it is linked with.
    Modules(Vec<PackageFacts>),
    /// A program of Go 1.17 or older, whose information is elsewhere.
    Older,
}

/// The build information in the content of the section; `None` where there is none.
pub(super) fn build_info(section: &[u8]) -> Option<GoBuild> {
    let header = section.get(..HEADER).filter(|header| header.starts_with(MAGIC))?;
    if header[15] & INLINE == 0 {
        return Some(GoBuild::Older);
    }
    let mut rest = &section[HEADER..];
    let version = std::str::from_utf8(take_text(&mut rest)?).ok()?;
    let modules = take_text(&mut rest).unwrap_or_default();
    let modules = modules.get(MARK..modules.len().saturating_sub(MARK)).unwrap_or_default();
    Some(GoBuild::Modules(read(version, &String::from_utf8_lossy(modules))))
}

/// A length in seven bits a byte, and so many bytes.
fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut length = 0_usize;
    for (number, byte) in rest.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * number);
        if byte & 0x80 == 0 {
            let text = rest.get(number + 1..)?.get(..length)?;
            *rest = &rest[number + 1 + length..];
            return Some(text);
        }
    }
    None
}

fn read(version: &str, modules: &str) -> Vec<PackageFacts> {
    let mut main: Option<PackageFacts> = None;
    let mut needed: Vec<PackageFacts> = Vec::new();
    let mut settings = Vec::new();
    let mut is_last_main = false;
    for line in modules.lines() {
        let mut columns = line.split('\t');
        match (columns.next(), columns.next(), columns.next()) {
            (Some("mod"), Some(path), version) => {
                is_last_main = true;
                main = module(path, version.unwrap_or_default());
            }
            (Some("dep"), Some(path), version) => {
                is_last_main = false;
                needed.extend(module(path, version.unwrap_or_default()));
            }
            // The line before was replaced by another module, or by a directory, which has no version.
            (Some("=>"), Some(path), version) => {
                let replaced = if is_last_main { main.as_mut() } else { needed.last_mut() };
                if let Some(replaced) = replaced {
                    match version.filter(|version| !version.is_empty()) {
                        Some(version) => *replaced = module(path, version).unwrap_or_default(),
                        None => replaced.version = String::new(),
                    }
                }
            }
            (Some("build"), Some(setting), _) => {
                let known =
                    setting.split_once('=').filter(|(name, _)| matches!(*name, "vcs.revision" | "GOARCH"));
                settings.extend(known.map(|(name, value)| (format!("go:{name}"), word(value).to_owned())));
            }
            _ => {}
        }
    }
    let compiler = version.split([' ', '-']).next().unwrap_or_default();
    if let Some(number) =
        compiler.strip_prefix("go").filter(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    {
        needed.push(PackageFacts::new("", "stdlib", word(number)));
    }
    needed.retain(|module| !module.name.is_empty());
    let Some(mut main) = main else { return needed };
    main.evidence = CoordinateEvidence::Unpublished;
    main.properties = settings;
    main.requires_here = (1..=u32::try_from(needed.len()).unwrap_or(0)).collect();
    std::iter::once(main).chain(needed).collect()
}

/// A module, without a version that no release has: what a scanner compares is then left out.
fn module(path: &str, version: &str) -> Option<PackageFacts> {
    let (namespace, name) = word(path).rsplit_once('/').unwrap_or(("", word(path)));
    let version = word(version);
    let is_none = version == "(devel)" || (version.starts_with("v0.0.0-") && version.ends_with("+dirty"));
    (!name.is_empty()).then(|| PackageFacts::new(namespace, name, if is_none { "" } else { version }))
}

#[cfg(any(test, feature = "testing"))]
pub(super) mod fixture {
    use super::*;

    /// A section as the linker writes it.
    pub(crate) fn section(version: &str, modules: &str) -> Vec<u8> {
        let mut section = MAGIC.to_vec();
        section.extend([8, INLINE]);
        section.resize(HEADER, 0);
        for text in [version.to_owned(), format!("{}{modules}{}", "<".repeat(MARK), ">".repeat(MARK))] {
            let mut length = text.len();
            while length > 0x7f {
                section.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
                length >>= 7;
            }
            section.push(u8::try_from(length).unwrap_or_default());
            section.extend(text.bytes());
        }
        section
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::section;
    use super::*;

    fn modules(text: &str) -> Vec<String> {
        let Some(GoBuild::Modules(found)) = build_info(&section("go1.24.3 X:nocoverageredesign", text))
        else {
            panic!("no modules");
        };
        found.iter().map(|it| format!("{}|{}@{}", it.namespace, it.name, it.version)).collect()
    }

    #[test]
    fn modules_replacements_and_the_standard_library_are_read() {
        let text = "path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\tgithub.com/a/b/v2\tv2.1.0\th1:x=\n\
            dep\texample.com/old\tv1.0.0\n=>\texample.com/new\tv1.1.0\th1:y=\ndep\texample.com/local\tv1.0.0\n=>\t./local\t\n\
            build\tvcs.revision=abc\n";
        assert_eq!(
            modules(text),
            [
                "example.com|app@",
                "github.com/a/b|v2@v2.1.0",
                "example.com|new@v1.1.0",
                "example.com|local@",
                "|stdlib@1.24.3"
            ]
        );
        assert_eq!(modules("mod\tx.com/a\tv0.0.0-20250101000000-abcdefabcdef+dirty\n")[0], "x.com|a@");
        assert_eq!(modules("mod\tx.com/a\tv1.2.0+dirty\n")[0], "x.com|a@v1.2.0+dirty");
    }

    #[test]
    fn the_program_needs_all_and_has_its_commit() {
        let text = "mod\tx.com/a\t(devel)\ndep\tx.com/b\tv1.0.0\nbuild\tvcs.revision=abc\nbuild\t-tags=x\n";
        let Some(GoBuild::Modules(found)) = build_info(&section("go1.20", text)) else {
            panic!("no modules")
        };
        assert_eq!(found[0].requires_here, [1, 2]);
        assert_eq!(found[0].properties, [("go:vcs.revision".to_owned(), "abc".to_owned())]);
    }

    #[test]
    fn other_bytes_tell_nothing() {
        assert!(build_info(b"").is_none());
        assert!(build_info(&[0; 64]).is_none());
        let mut older = section("go1.17", "");
        older[15] = 0;
        assert!(matches!(build_info(&older), Some(GoBuild::Older)));
        let whole = section("go1.24", "mod\tx\tv1\n");
        for end in 0..whole.len() {
            let _ = build_info(&whole[..end]);
        }
        let mut endless = section("go1.24", "");
        endless.truncate(HEADER);
        endless.extend([0xff; 40]);
        assert!(build_info(&endless).is_none());
    }
}
