//! The files that are asked for, opened before the work begins and written after it.

use std::path::{Path, PathBuf};

use super::super::args::FileArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::file::OutputFile;
use super::super::format;
use super::super::invocation::Invocation;
use super::appended::AppendedFile;
use super::ci::CiForm;
use super::{
    ExpectedImage, OutputError, OutputImage, OutputSubject, buildkit, dotenv, github_output, github_summary,
    iidfile, image_refs, jib, skaffold,
};
use crate::runtime::atomic;
use crate::types::error_code::ErrorCode;

/// The variables of GitHub with the files of a step.
const GITHUB: [&str; 2] = ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"];

/// The files that are asked for, by flag.
#[derive(Clone, Debug, Default)]
pub struct OutputPaths {
    /// Whether they are about one image or about members.
    subject: OutputSubject,
    /// `--metadata-file`.
    metadata: Option<PathBuf>,
    /// `--image-refs`.
    image_refs: Option<PathBuf>,
    /// `--iidfile`.
    iidfile: Option<PathBuf>,
    /// `--ci gitlab=FILE`.
    dotenv: Option<PathBuf>,
    /// `--ci skaffold=FILE`.
    skaffold: Option<PathBuf>,
    /// `--ci jib=DIR`, file by file.
    jib: Vec<PathBuf>,
    /// `--ci github`: the files of the step, for outputs and for the summary.
    github: Vec<PathBuf>,
}

impl OutputPaths {
    /// The files that arguments ask for. A form that needs variables looks for them now.
    ///
    /// # Errors
    /// When a form is given twice or is about one image alone, or GitHub's variables are not set.
    pub fn of(
        invocation: &Invocation,
        args: &FileArgs,
        subject: OutputSubject,
    ) -> Result<Self, CommandError> {
        let FileArgs { metadata_file, image_refs, iidfile, ci } = args.clone();
        let mut paths = Self { subject, metadata: metadata_file, image_refs, iidfile, ..Self::default() };
        paths.add_ci(invocation, &ci)?;
        let of_one = [("--iidfile", paths.iidfile.is_some()), ("--ci jib", !paths.jib.is_empty())];
        match of_one.into_iter().find(|(_, is_given)| *is_given && subject == OutputSubject::Members) {
            None => Ok(paths),
            Some((flag, _)) => {
                let message =
                    format!("`{flag}` is about one image, and the members of a workspace are several");
                Err(CommandError::usage(message)
                    .hint("use `--metadata-file`, or build one member by its path: `pack build PATH`"))
            }
        }
    }

    /// Asks whether the forms can say what a run is to build, as far as that is known before.
    ///
    /// # Errors
    /// When one cannot.
    pub fn check(&self, images: &[ExpectedImage]) -> Result<(), CommandError> {
        match &self.dotenv {
            Some(_) => dotenv::check(images, self.subject).map_err(|error| cannot_say(&error)),
            None => Ok(()),
        }
    }

    fn add_ci(&mut self, invocation: &Invocation, forms: &[CiForm]) -> Result<(), CommandError> {
        let twice = |form: &str| {
            let message = format!("`--ci {form}` was given twice");
            Err(CommandError::usage(message).hint("give each form once"))
        };
        for form in forms {
            match form {
                CiForm::GitHub if !self.github.is_empty() => return twice("github"),
                CiForm::GitHub => {
                    self.github = GITHUB
                        .map(|name| github_file(invocation, name))
                        .into_iter()
                        .collect::<Result<_, _>>()?;
                }
                CiForm::GitLab(_) if self.dotenv.is_some() => return twice("gitlab"),
                CiForm::GitLab(file) => self.dotenv = Some(file.clone()),
                CiForm::Skaffold(_) if self.skaffold.is_some() => return twice("skaffold"),
                CiForm::Skaffold(file) => self.skaffold = Some(file.clone()),
                CiForm::Jib(_) if !self.jib.is_empty() => return twice("jib"),
                CiForm::Jib(directory) => self.jib = jib::FILES.map(|name| directory.join(name)).to_vec(),
            }
        }
        Ok(())
    }

    /// All of them, each with the flag that it is for.
    #[must_use]
    pub fn all(&self) -> Vec<(&'static str, &Path)> {
        let one = [
            ("--metadata-file", &self.metadata),
            ("--image-refs", &self.image_refs),
            ("--iidfile", &self.iidfile),
            ("--ci gitlab", &self.dotenv),
            ("--ci skaffold", &self.skaffold),
        ];
        let one = one.into_iter().filter_map(|(flag, file)| Some((flag, file.as_deref()?)));
        let jib = self.jib.iter().map(|file| ("--ci jib", file.as_path()));
        let github = self.github.iter().map(|file| ("--ci github", file.as_path()));
        one.chain(jib).chain(github).collect()
    }

    /// Opens all of them.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn open(&self, invocation: &Invocation) -> Result<OutputFiles, CommandError> {
        let open = |file: &PathBuf| OutputFile::open(invocation, file);
        let below_directory = |file: &PathBuf| {
            let name = Path::new(file.file_name().unwrap_or_default());
            OutputFile::open_below(invocation, atomic::directory_of(file), name)
        };
        let optional = |file: &Option<PathBuf>| file.as_ref().map(open).transpose();
        Ok(OutputFiles {
            subject: self.subject,
            metadata: optional(&self.metadata)?,
            image_refs: optional(&self.image_refs)?,
            iidfile: optional(&self.iidfile)?,
            dotenv: optional(&self.dotenv)?,
            skaffold: optional(&self.skaffold)?,
            jib: self.jib.iter().map(below_directory).collect::<Result<_, _>>()?,
            github: self.github.iter().map(|file| AppendedFile::open(file)).collect::<Result<_, _>>()?,
        })
    }
}

fn github_file(invocation: &Invocation, name: &str) -> Result<PathBuf, CommandError> {
    let path = invocation.environment.raw(name).filter(|path| !path.is_empty());
    path.map(|path| invocation.absolute(Path::new(path))).ok_or_else(|| {
        CommandError::new(
            ExitStatus::Input,
            format!("`--ci github` needs the variable `{name}`, which is not set"),
        )
        .coded(ErrorCode::SecretMissing)
        .hint("a step of GitHub Actions has it; leave `--ci github` out elsewhere")
    })
}

/// The same files, which can be written.
#[derive(Debug, Default)]
pub struct OutputFiles {
    subject: OutputSubject,
    metadata: Option<OutputFile>,
    image_refs: Option<OutputFile>,
    iidfile: Option<OutputFile>,
    dotenv: Option<OutputFile>,
    skaffold: Option<OutputFile>,
    jib: Vec<OutputFile>,
    github: Vec<AppendedFile>,
}

impl OutputFiles {
    /// Writes all of them; one that fails keeps no other from being written.
    pub fn write(self, invocation: &Invocation, images: &[OutputImage]) -> Vec<CommandError> {
        let mut errors = Vec::new();
        let mut keep = |result: Result<(), CommandError>| errors.extend(result.err());
        let subject = self.subject;
        let write = |file: OutputFile, bytes: &[u8]| file.write(invocation, bytes);
        let json = [
            self.metadata.map(|file| (file, buildkit::metadata(images, subject))),
            self.skaffold.map(|file| (file, skaffold::builds(images))),
        ];
        for (file, document) in json.into_iter().flatten() {
            let mut bytes = Vec::new();
            // Memory takes it.
            let _ = format::write_json(&document, &mut bytes);
            keep(write(file, &bytes));
        }
        if let Some(file) = self.image_refs {
            keep(write(file, &image_refs::references(images)));
        }
        if let Some(file) = self.dotenv {
            let bytes = dotenv::variables(images, subject).map_err(|error| cannot_say(&error));
            keep(bytes.and_then(|bytes| write(file, &bytes)));
        }
        // Those of members were refused before.
        if let [image] = images {
            if let Some(file) = self.iidfile {
                keep(write(file, &iidfile::id(image)));
            }
            for (file, bytes) in self.jib.into_iter().zip(jib::files(image)) {
                keep(write(file, &bytes));
            }
        }
        let texts = [github_output::outputs(images, subject), github_summary::table(images)];
        for (file, text) in self.github.into_iter().zip(texts) {
            keep(file.write(&text));
        }
        errors
    }
}

fn cannot_say(error: &OutputError) -> CommandError {
    CommandError::from_error(ExitStatus::Input, error)
        .coded(ErrorCode::ValueUnfit)
        .hint("use `--metadata-file`, which takes any value")
}
