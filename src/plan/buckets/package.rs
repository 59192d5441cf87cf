//! The package that a file belongs to, without its version, read from its path alone.
//!
//! The name decides which bucket a file goes to, so what matters is that it stays when the package moves to another
//! version, and that what is replaced together has one name. Two packages with one name do no harm; one package with
//! two names only costs a transfer. Nothing is opened.

use std::borrow::Cow;

/// The package of the file at `path`, which is relative to the application's root.
///
/// By the innermost rule that fits, tried in this order:
/// - `node_modules/NAME` or `node_modules/@SCOPE/NAME`: that name. `site-packages/NAME` or
///   `dist-packages/NAME`: that name normalised (PEP 503), and likewise that of `NAME-VERSION.dist-info`.
/// - `NAME-VERSION.jar`, `.war`, `.ear`: the name before the version.
/// - `libNAME.so.VERSION`: `libNAME`.
/// - Any other file: the path of its directory, since files that live together change together.
pub(super) fn name(path: &[u8]) -> Cow<'_, [u8]> {
    if let Some(name) = below_packages(path) {
        return name;
    }
    let (directory, file) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&b""[..], path),
    };
    let found = archive_stem(file).or_else(|| shared_library_stem(file)).map(unversioned);
    Cow::Borrowed(found.unwrap_or(directory))
}

/// Whether `path` lies beside a package of pnpm's store, where links lead to the packages that it needs:
/// `node_modules/.pnpm/NAME@VERSION/node_modules/…`.
pub(super) fn is_in_store(path: &[u8]) -> bool {
    const STORE: &[u8] = b"node_modules/.pnpm/";
    let Some(at) = memchr::memmem::find(path, STORE) else { return false };
    let below = &path[at + STORE.len()..];
    let package = below.iter().position(|byte| *byte == b'/').map(|slash| &below[slash + 1..]);
    (at == 0 || path[at - 1] == b'/') && package.is_some_and(|package| package.starts_with(b"node_modules/"))
}

/// By the innermost directory that holds one package in each of its own.
fn below_packages(path: &[u8]) -> Option<Cow<'_, [u8]>> {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let holder = parts.iter().enumerate().rev().skip(1);
    let is_holder = |part: &[u8]| matches!(part, b"node_modules" | b"site-packages" | b"dist-packages");
    let (at, holder) = holder.map(|(at, part)| (at, *part)).find(|(_, part)| is_holder(part))?;
    let below = &parts[at + 1..];
    Some(match (holder, below) {
        (b"node_modules", [scope, package, ..]) if scope.starts_with(b"@") => {
            Cow::Owned([*scope, package].join(&b'/'))
        }
        (b"node_modules", _) => Cow::Borrowed(below[0]),
        (_, [b"__pycache__", file, ..]) => Cow::Owned(distribution(file, true)),
        _ => Cow::Owned(distribution(below[0], below.len() == 1)),
    })
}

/// A Python distribution, from its name in `site-packages`.
fn distribution(name: &[u8], is_last: bool) -> Vec<u8> {
    let about = [&b".dist-info"[..], b".egg-info", b".egg"].iter().find_map(|end| name.strip_suffix(*end));
    let bare = match (about, name.strip_suffix(b".libs")) {
        // In these names a dash of the distribution is an underscore (binary distribution format).
        (Some(about), _) => before(about, b'-'),
        // Wheels bring shared libraries in such directories.
        (None, Some(owner)) => owner,
        // A module of one file: `six.py`, `_cffi_backend.cpython-311-x86_64-linux-gnu.so`.
        (None, None) if is_last => before(name, b'.'),
        (None, None) => name,
    };
    normalised(bare)
}

fn before(bytes: &[u8], separator: u8) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == separator).filter(|end| *end > 0);
    &bytes[..end.unwrap_or(bytes.len())]
}

/// Lower case, with one dash for each run of `-`, `_` and `.` (PEP 503); none at the ends, since `_pytest`
/// comes with `pytest`.
fn normalised(name: &[u8]) -> Vec<u8> {
    let parts = name.split(|byte| matches!(byte, b'-' | b'_' | b'.')).filter(|part| !part.is_empty());
    parts.map(<[u8]>::to_ascii_lowercase).collect::<Vec<_>>().join(&b'-')
}

/// The name of a Java archive without its extension.
fn archive_stem(file: &[u8]) -> Option<&[u8]> {
    let (stem, extension) = file.split_at_checked(file.len().checked_sub(4)?)?;
    let known = [b".jar", b".war", b".ear"].iter().any(|known| extension.eq_ignore_ascii_case(*known));
    (known && !stem.is_empty()).then_some(stem)
}

/// `libfoo` of `libfoo.so` and `libfoo.so.1.2.3`.
fn shared_library_stem(file: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::rfind(file, b".so").filter(|_| file.starts_with(b"lib"))?;
    let version = &file[at + 3..];
    let is_version = version.is_empty()
        || version.starts_with(b".") && version.iter().all(|byte| *byte == b'.' || byte.is_ascii_digit());
    (is_version && at > 3).then(|| &file[..at])
}

/// A name without the version and classifier at its end.
///
/// The version is the last run of parts that look like one: `log4j-1.2-api-2.20.0` is `log4j-1.2-api`, and in
/// `foo-1.0-20240131.120000-7` all three parts are version.
fn unversioned(stem: &[u8]) -> &[u8] {
    // Where each part begins and ends; the first is never a version.
    let mut parts = Vec::new();
    let mut start = 0;
    for part in stem.split(|byte| *byte == b'-') {
        parts.push((start, part));
        start += part.len() + 1;
    }
    let is_version_at = |at: usize| at > 0 && is_version(parts[at].1);
    let Some(mut first) = (1..parts.len()).rev().find(|at| is_version_at(*at)) else {
        return without_suffix(stem);
    };
    loop {
        if is_version_at(first - 1) {
            first -= 1;
        } else if first >= 3 && is_qualifier(parts[first - 1].1) && is_version_at(first - 2) {
            first -= 2;
        } else {
            break;
        }
    }
    let end = parts[first].0 - 1;
    if end == 0 { stem } else { without_suffix(&stem[..end]) }
}

/// `1.2.3`, `v1`, `r09`, `rev20240105`.
fn is_version(part: &[u8]) -> bool {
    if part.first().is_some_and(u8::is_ascii_digit) {
        return true;
    }
    let rest = [&b"rev"[..], b"v", b"r"].iter().find_map(|prefix| part.strip_prefix(*prefix));
    rest.is_some_and(|rest| {
        rest.first().is_some_and(u8::is_ascii_digit)
            && rest.iter().all(|byte| *byte == b'.' || byte.is_ascii_digit())
    })
}

/// Text between a version and a number that belongs to it: `1.0-rc-2`, `1.0-win-32`.
fn is_qualifier(part: &[u8]) -> bool {
    const KNOWN: [&[u8]; 18] = [
        b"alpha",
        b"beta",
        b"b",
        b"rc",
        b"cr",
        b"m",
        b"milestone",
        b"pre",
        b"preview",
        b"ea",
        b"dev",
        b"sp",
        b"patch",
        b"build",
        b"java",
        b"jdk",
        b"jre",
        b"win",
    ];
    KNOWN.iter().any(|known| part.eq_ignore_ascii_case(known))
}

/// OSGi's version in `org.eclipse.osgi_3.18.0.v2022`, Scala's in `spark-core_2.12`.
fn without_suffix(stem: &[u8]) -> &[u8] {
    match stem.iter().rposition(|byte| *byte == b'_') {
        Some(at) if at > 0 && stem[at + 1..].first().is_some_and(u8::is_ascii_digit) => &stem[..at],
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(path: &str) -> String {
        String::from_utf8(name(path.as_bytes()).into_owned()).expect("text")
    }

    #[test]
    fn archives_lose_their_version() {
        let names = [
            ("spring-core-6.1.2.jar", "spring-core"),
            ("guava-33.0.0-jre.jar", "guava"),
            ("guava-r09.jar", "guava"),
            ("jakarta.servlet-api-6.0.0.jar", "jakarta.servlet-api"),
            ("log4j-1.2-api-2.20.0.jar", "log4j-1.2-api"),
            ("hibernate-jpa-2.1-api-1.0.2.Final.jar", "hibernate-jpa-2.1-api"),
            ("foo-1.0-SNAPSHOT.jar", "foo"),
            ("foo-1.0-20240131.120000-7.jar", "foo"),
            ("foo-1.0-20240131.120000-7-sources.jar", "foo"),
            ("protobuf-java-4.0.0-rc-2.jar", "protobuf-java"),
            ("kotlin-stdlib-jdk8-1.9.0-Beta.jar", "kotlin-stdlib-jdk8"),
            ("netty-transport-native-epoll-4.1.100.Final-linux-x86_64.jar", "netty-transport-native-epoll"),
            (
                "netty-tcnative-boringssl-static-2.0.61.Final-osx-aarch_64.jar",
                "netty-tcnative-boringssl-static",
            ),
            ("opencv-4.7.0-1.5.9-linux-x86_64.jar", "opencv"),
            ("lwjgl-3.3.3-natives-linux-arm32.jar", "lwjgl"),
            ("commons-lang3-3.12.0.jar", "commons-lang3"),
            ("commons-lang3.jar", "commons-lang3"),
            ("spring-data-r2dbc-3.2.0.jar", "spring-data-r2dbc"),
            ("spark-core_2.12-3.5.0.jar", "spark-core"),
            ("jsr305-3.0.2.jar", "jsr305"),
            ("javax.inject-1.jar", "javax.inject"),
            ("bcprov-jdk18on-1.77.jar", "bcprov-jdk18on"),
            ("mysql-connector-j-8.0.33.jar", "mysql-connector-j"),
            ("h2-2.2.224.jar", "h2"),
            ("c3p0-0.9.5.5.jar", "c3p0"),
            ("jaxb-api-2.4.0-b180830.0359.jar", "jaxb-api"),
            ("google-api-services-storage-v1-rev20240105-2.0.0.jar", "google-api-services-storage"),
            ("org.eclipse.osgi_3.18.0.v20220516-2155.jar", "org.eclipse.osgi"),
            ("org.eclipse.osgi_3.18.0.v20220516.jar", "org.eclipse.osgi"),
            ("foo-1.0-win-32.jar", "foo"),
            ("shop-1.2.war", "shop"),
            ("SHOP-1.2.JAR", "SHOP"),
            ("2.0-1.0.jar", "2.0"),
            ("-1.0.jar", "-1.0"),
        ];
        for (file, expected) in names {
            assert_eq!(named(&format!("WEB-INF/lib/{file}")), expected, "{file}");
            assert_eq!(named(file), expected, "{file}");
        }
    }

    #[test]
    fn packages_of_node_are_directories() {
        let names = [
            ("node_modules/express/index.js", "express"),
            ("node_modules/express/lib/router/index.js", "express"),
            ("app/node_modules/@babel/core/lib/index.js", "@babel/core"),
            ("node_modules/a/node_modules/b/package.json", "b"),
            ("node_modules/.pnpm/b@1.2.3/node_modules/b/package.json", "b"),
            ("node_modules/@babel", "@babel"),
            ("node_modules/.bin/tsc", ".bin"),
            ("node_modules/.package-lock.json", ".package-lock.json"),
        ];
        for (path, expected) in names {
            assert_eq!(named(path), expected, "{path}");
        }
    }

    #[test]
    fn distributions_of_python_are_normalised() {
        let names = [
            ("django/db/models/query.py", "django"),
            ("Django-4.2.11.dist-info/METADATA", "django"),
            ("typing_extensions.py", "typing-extensions"),
            ("typing_extensions-4.9.0.dist-info/RECORD", "typing-extensions"),
            ("__pycache__/typing_extensions.cpython-311.pyc", "typing-extensions"),
            ("django/__pycache__/shortcuts.cpython-311.pyc", "django"),
            ("zope.interface-6.1.dist-info/METADATA", "zope-interface"),
            ("jaraco_text-3.11-py3.11.egg-info/PKG-INFO", "jaraco-text"),
            ("setuptools.egg-info/PKG-INFO", "setuptools"),
            ("six-1.16.0-py3.11.egg/six.py", "six"),
            ("numpy/core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so", "numpy"),
            ("numpy.libs/libopenblas64_p-r0-0cf96a72.3.23.dev.so", "numpy"),
            ("_cffi_backend.cpython-311-x86_64-linux-gnu.so", "cffi-backend"),
            ("_pytest/fixtures.py", "pytest"),
            ("pyspark/jars/spark-core_2.12-3.5.0.jar", "pyspark"),
            ("...", ""),
        ];
        for (path, expected) in names {
            for holder in ["lib/python3.11/site-packages", "usr/lib/python3/dist-packages"] {
                assert_eq!(named(&format!("{holder}/{path}")), expected, "{path}");
            }
        }
    }

    #[test]
    fn shared_libraries_lose_their_version() {
        let names = [
            ("usr/lib/libfoo.so.1.2.3", "libfoo"),
            ("usr/lib/libfoo.so.1", "libfoo"),
            ("usr/lib/libfoo.so", "libfoo"),
            ("lib/libc-2.31.so", "libc"),
            ("lib/libstdc++.so.6.0.30", "libstdc++"),
            ("lib/libgtk-x11-2.0.so.0.2400.33", "libgtk-x11"),
            ("lib/libfoo.so.gz", "lib"),
            ("lib/lib.so", "lib"),
            ("lib/ld-linux-x86-64.so.2", "lib"),
        ];
        for (path, expected) in names {
            assert_eq!(named(path), expected, "{path}");
        }
    }

    #[test]
    fn other_files_go_with_their_directory() {
        assert_eq!(named("css/site/main.css"), "css/site");
        assert_eq!(named("index.html"), "");
        assert_eq!(named("site-packages"), "");
        assert_eq!(named(".jar"), "");
    }

    proptest! {
        #[test]
        fn every_path_has_a_name(path in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = name(&path);
        }

        #[test]
        fn a_version_does_not_matter(
            artifact in "[a-z]{1,8}([-._][a-z]{1,8}[0-9]?){0,3}",
            one in "[0-9]{1,3}(\\.[0-9]{1,4}){0,3}(\\.Final|-SNAPSHOT|-jre|-rc-[0-9])?",
            other in "[0-9]{1,3}(\\.[0-9]{1,4}){0,3}(\\.Final|-SNAPSHOT|-jre|-rc-[0-9])?",
        ) {
            // `v` and `r` with a number are versions themselves.
            prop_assume!(!artifact.split('-').skip(1).any(|part| is_version(part.as_bytes())));
            let expected = name(format!("lib/{artifact}-{one}.jar").as_bytes()).into_owned();
            let path = format!("other/{artifact}-{other}.jar");
            prop_assert_eq!(name(path.as_bytes()).into_owned(), expected);
            prop_assert_eq!(named(&path), artifact);
        }
    }
}
