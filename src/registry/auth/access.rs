//! The rights that a request needs.

use crate::types::reference::{Repository, Scope};

/// The rights that a request needs.
#[derive(Clone, Debug)]
pub(in crate::registry) struct Access {
    /// The repository, or more than one where nothing is read or written.
    pub(in crate::registry) repository: Scope,
    pub(in crate::registry) wants: Wants,
    /// The repository to mount from.
    pub(in crate::registry) from: Option<Repository>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry) enum Wants {
    /// To be known, and no more.
    Nothing,
    Pull,
    Push,
    Delete,
}

impl Access {
    /// For asking who one is.
    pub(in crate::registry) fn none(scope: &Scope) -> Self {
        Self { repository: scope.clone(), wants: Wants::Nothing, from: None }
    }

    pub(in crate::registry) fn pull(repository: &Repository) -> Self {
        Self { repository: repository.into(), wants: Wants::Pull, from: None }
    }

    pub(in crate::registry) fn push(repository: &Repository) -> Self {
        Self { repository: repository.into(), wants: Wants::Push, from: None }
    }

    pub(in crate::registry) fn delete(repository: &Repository) -> Self {
        Self { repository: repository.into(), wants: Wants::Delete, from: None }
    }

    /// The scopes, the one for pushing first: some token servers look at no other.
    pub(in crate::registry) fn scopes(&self) -> Vec<String> {
        let actions = match self.wants {
            Wants::Nothing => None,
            Wants::Pull => Some("pull"),
            Wants::Push => Some("pull,push"),
            Wants::Delete => Some("pull,delete"),
        };
        let own = actions.map(|actions| format!("repository:{}:{actions}", self.repository.path()));
        let from = self.from.as_ref().map(|from| format!("repository:{}:pull", from.path()));
        [own, from].into_iter().flatten().collect()
    }
}

/// Whether a token with scope `own` is good for `wanted`.
pub(in crate::registry) fn covers(own: &str, wanted: &str) -> bool {
    let split =
        |scope: &str| scope.rsplit_once(':').map(|(name, actions)| (name.to_owned(), actions.to_owned()));
    match (split(own), split(wanted)) {
        (Some((name, actions)), Some((other, needed))) => {
            name == other && needed.split(',').all(|action| actions.split(',').any(|has| has == action))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_put_pushing_first() {
        let repository: Repository = "r.example/b".parse().expect("valid");
        let from = Some("r.example/a".parse().expect("valid"));
        let access = Access { from, ..Access::push(&repository) };
        assert_eq!(access.scopes(), ["repository:b:pull,push", "repository:a:pull"]);
        assert_eq!(Access::pull(&repository).scopes(), ["repository:b:pull"]);
    }

    #[test]
    fn a_wider_scope_covers_a_narrower() {
        assert!(covers("repository:a:pull,push", "repository:a:pull"));
        assert!(covers("repository:a:pull,push", "repository:a:push,pull"));
        assert!(!covers("repository:a:pull", "repository:a:pull,push"));
        assert!(!covers("repository:a:pull,push", "repository:b:pull"));
        assert!(!covers("repository:a:pull", "nonsense"));
    }
}
