//! The subject of files about a result: one image, or the members of a workspace.

/// The subject of files about a result. The command decides it, and never how many images it finished, so that a job that
/// reads a file finds the same names in it after every run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputSubject {
    /// The one image of a command.
    #[default]
    Image,
    /// The images of members of a workspace, of which a run may finish any number.
    Members,
}
