//! Manifests, indexes and configurations that others wrote.
