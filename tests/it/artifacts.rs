//! Artifacts, bases and platforms: what is recognised, what is refused.
