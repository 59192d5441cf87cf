//! The bases of images: the only place that looks into a base.
//!
//! - [`open`]: a base, its documents and blobs, cheapest place first.
//! - [`index`]: what one layer has, by the layer's digest; [`probes`]: what is read off a few small files.
//! - [`layers`]: the layers of a base together, asked path by path; [`lock`] compares `build.lock` with them.
//! - [`facts`]: what follows for the whole image: distribution, C library, Java, where the loader looks; [`interpreters`]: Node.js and Python.
//! - [`classes`]: the classes of jars in planned layers.
//! - [`tree`]: one view of the files of base and planned layers together.
//! - [`mounted`]: the same with the volumes of the image.
//! - [`overlay`]: the layers of an image on a base that they were not built on.
//! - [`server`]: what the configuration tells of servers.

mod agreed;
mod classes;
mod content;
mod error;
mod facts;
mod index;
mod interpreters;
mod known;
mod layers;
mod lock;
mod mounted;
mod open;
mod overlay;
mod probes;
mod said;
mod seen;
mod server;
mod tree;

pub use error::BaseError;
pub use facts::{Libc, loaders};
pub use index::{BaseNode, FileFacts, LayerIndex};
pub use interpreters::{node_interface, node_with_interface};
pub use layers::{BaseLayers, Reach, SharedIndexes};
pub use mounted::{Mounted, Volumes};
pub use open::{Base, PlatformBase, soci_config};
pub use overlay::Overlay;
pub use probes::java_major;
#[cfg(test)]
pub use probes::{LoaderLine, ProbeResult};
pub use seen::BaseAnswer;
pub use server::{Container, ContainerKind, Servlet, WebServer, container, program, web_server};
pub use tree::{Empty, FileTree, Stack, follow, follow_directory, follow_through};
