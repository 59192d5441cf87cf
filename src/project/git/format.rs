//! How a repository keeps its objects and references, as its own configuration says.

use super::entry::GitConfigEntry;

/// How objects and references are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RepositoryFormat {
    /// `sha256`, where it is not `sha1`.
    pub(super) objects: Option<String>,
    /// `reftable`, where it is not `files`.
    pub(super) references: Option<String>,
    /// Whether `config.worktree` belongs to it.
    pub(super) has_worktree_file: bool,
    /// Whether it says that there is no working tree.
    pub(super) is_bare: bool,
}

impl RepositoryFormat {
    /// The settings of the repository's own file.
    ///
    /// # Errors
    /// Settings that this program does not know, and so might read wrongly.
    pub(super) fn of(entries: &[GitConfigEntry]) -> Result<Self, String> {
        let mut format = Self::default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let value = |entry: &GitConfigEntry| {
            entry.value.as_deref().map(text).unwrap_or_default().to_ascii_lowercase()
        };
        for entry in entries {
            if entry.is("core", None, "repositoryformatversion") && !matches!(&*value(entry), "0" | "1") {
                return Err(format!("its format is {}, which is not known", value(entry)));
            }
            if entry.is("core", None, "bare") {
                format.is_bare = entry.switch() == Some(true);
            }
            if entry.section != "extensions" || entry.subsection.is_some() {
                continue;
            }
            match (&*entry.key, &*value(entry)) {
                ("objectformat", "sha1") => format.objects = None,
                ("objectformat", "sha256") => format.objects = Some("sha256".to_owned()),
                ("refstorage", "files") => format.references = None,
                ("refstorage", "reftable") => format.references = Some("reftable".to_owned()),
                ("worktreeconfig", _) => format.has_worktree_file = entry.switch() == Some(true),
                // They say how to write, or where missing objects come from.
                (
                    "noop" | "noop-v1" | "partialclone" | "preciousobjects" | "relativeworktrees"
                    | "compatobjectformat",
                    _,
                ) => {}
                (key, value) => return Err(format!("its extension `{key} = {value}` is not known")),
            }
        }
        Ok(format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_of_a_format_is_refused() {
        let format = |records: &[&str]| {
            let entries: Vec<GitConfigEntry> =
                records.iter().map(|record| GitConfigEntry::parse(record.as_bytes())).collect();
            RepositoryFormat::of(&entries)
        };
        assert_eq!(format(&["core.repositoryformatversion\n0"]), Ok(RepositoryFormat::default()));
        assert_eq!(
            format(&["extensions.objectformat\nsha256", "extensions.refstorage\nreftable"]),
            Ok(RepositoryFormat {
                objects: Some("sha256".to_owned()),
                references: Some("reftable".to_owned()),
                ..RepositoryFormat::default()
            })
        );
        assert!(format(&["core.repositoryformatversion\n2"]).is_err());
        assert!(format(&["extensions.future\n1"]).is_err());
    }
}
