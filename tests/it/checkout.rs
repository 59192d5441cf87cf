//! Repositories around a project: facts, templates, and what a foreign checkout may not do.
