//! Outputs, files beside them, and how a run ends.
