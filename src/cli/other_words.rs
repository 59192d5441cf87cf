//! Words of other tools, and the words to write here: a new user types the commands that the fingers know.

/// The hint for a command that other tools have, and this one does not.
#[must_use]
pub fn for_command(word: &str) -> Option<&'static str> {
    Some(match word {
        "push" | "publish" | "upload" => {
            "`pack build --push` builds and pushes; `pack copy SRC DST` pushes an image that exists"
        }
        "pull" | "fetch" | "download" => {
            "`pack copy docker://NAME store:NAME` copies an image into the local store"
        }
        "run" | "start" | "exec" | "up" => {
            "pack starts no containers: `pack build -o docker` loads the image into Docker or Podman, which run it"
        }
        "ls" | "list" | "image" | "ps" => {
            "`pack images` lists the images of the local store, `pack inspect REPOSITORY` the tags of a registry"
        }
        "rmi" | "remove" | "delete" => "`pack rm NAME` removes a name from the local store",
        "save" | "export" => {
            "`pack build -o docker-archive:FILE` writes a file, as `pack copy IMAGE oci-archive:FILE` does"
        }
        "load" | "import" => "`pack copy docker-archive:FILE store:NAME` takes an image from a file",
        "watch" | "dev" => "`pack build --watch` builds again when a file changes",
        "version" => "`pack --version` prints it",
        "deploy" | "release" | "apply" => {
            "`pack promote IMAGE --to ENV` releases an image, and `pack resolve -f FILE` puts its digest into manifests"
        }
        "test" | "lint" | "validate" | "scan" => {
            "`pack check` says whether the image can run and what is wrong in it"
        }
        "clean" | "gc" | "prune" => "`pack cache prune` removes what no image of the local store needs",
        "search" | "tags" => "`pack inspect REPOSITORY` lists the tags of a repository",
        "create" | "new" => "`pack init` writes a build.toml, and `pack build` makes the image",
        "buildx" | "bake" | "package" => {
            "`pack build` makes an image; with `--workspace`, all of a workspace"
        }
        "builder" | "buildpack" | "set-default-builder" | "suggest-builders" | "config" | "extension" => {
            "this is not the `pack` of buildpacks: it needs no builder; write `pack build ARTIFACT --base IMAGE`"
        }
        "inspect-image" => "`pack inspect IMAGE` shows an image",
        _ => return None,
    })
}

/// The hint for a flag of a command that other tools have, and this one does not.
#[must_use]
pub fn for_flag(command: &str, flag: &str) -> Option<&'static str> {
    if !["pack build", "pack plan", "pack check", "pack init"].contains(&command) {
        return None;
    }
    Some(match flag {
        "--builder" | "--buildpack" | "--run-image" | "-B" => {
            "this is not the `pack` of buildpacks: it needs no builder; `--base IMAGE` names the base"
        }
        "--publish" => "`--push` pushes the image",
        "--load" => "`-o docker` loads the image into Docker or Podman",
        "--path" | "-p" if command != "pack init" => "give the artifact itself: `pack build PATH`",
        "--dockerfile" | "--containerfile" => "`pack init --from Dockerfile` writes a build.toml from it",
        "--build-arg" => {
            "pack runs no build: write the value into build.toml, or give it with `--set KEY=VALUE`"
        }
        "--no-cache" | "--pull" => {
            "the cache decides nothing about the image; `pack update` takes a newer base, `--cache-dir DIR` another store"
        }
        "--label" | "-l" => "`--set 'config.labels.NAME=VALUE'` sets a label",
        "--env" | "-e" => "`--set config.env.NAME=VALUE` sets a variable",
        "--destination" | "-d" => "`--name NAME --tag TAG --push` says where the image goes",
        "--context" => "give the directory or the artifact itself: `pack build PATH`",
        _ => return None,
    })
}

/// Whether a word in the place of a command looks like a path.
#[must_use]
pub fn is_path(word: &str) -> bool {
    word.contains(['/', '.']) && !word.starts_with('-')
}
