//! The address of a repository, as the label `org.opencontainers.image.source` has it.

use url::Url;

/// One address for every way to clone the same repository, so that the label does not depend on it: `https`, no
/// credentials, no `.git`. A path of this machine must not appear in the image.
pub(super) fn public_url(remote: &str) -> Option<String> {
    let (host, path) = if remote.contains("://") {
        let url = Url::parse(remote).ok()?;
        let host = url.host_str()?.to_owned();
        match (url.scheme(), url.port()) {
            // The port of git's daemon or ssh is not that of the web site.
            ("ssh" | "git" | "git+ssh" | "ssh+git", _) | ("https" | "http", None) => {
                (host, url.path().to_owned())
            }
            ("https" | "http", Some(port)) => (format!("{host}:{port}"), url.path().to_owned()),
            _ => return None,
        }
    } else {
        // `user@host:path`, unless a slash comes first: then it is a path with a colon in it.
        let (host, path) = remote.split_once(':').filter(|(host, _)| !host.contains('/'))?;
        let host = host.rsplit('@').next()?;
        // One letter is a drive, not a host.
        if host.len() < 2 || path.is_empty() {
            return None;
        }
        (host.to_owned(), path.to_owned())
    };
    let path = path.trim_matches('/').trim_end_matches(".git");
    let scheme = if remote.starts_with("http://") { "http" } else { "https" };
    let url = Url::parse(&format!("{scheme}://{host}/{path}")).ok()?;
    (!path.is_empty()).then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_public_and_the_same_for_every_way_to_clone() {
        for remote in [
            "https://example.com/shop/bookstore",
            "https://example.com/shop/bookstore.git",
            "https://user:secret@example.com/shop/bookstore.git/",
            "git@example.com:shop/bookstore.git",
            "example.com:/shop/bookstore",
            "ssh://git@example.com:2222/shop/bookstore.git",
            "git://example.com/shop/bookstore",
        ] {
            assert_eq!(public_url(remote).as_deref(), Some("https://example.com/shop/bookstore"), "{remote}");
        }
        assert_eq!(
            public_url("http://localhost:3000/a/b?token=x#y").as_deref(),
            Some("http://localhost:3000/a/b")
        );
        for remote in
            ["", "/srv/git/x.git", "../x", "file:///srv/x", "C:/x", "./a:b", "https://example.com", ":x"]
        {
            assert_eq!(public_url(remote), None, "{remote}");
        }
    }
}
