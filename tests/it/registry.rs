//! Registries, logins and certificates as a user meets them.
