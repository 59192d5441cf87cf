//! Hostile layers, archives and documents: refused in bounded memory and time.
