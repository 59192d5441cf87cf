//! What a person reads: progress, tables, notes.
