//! Who owns what is in an image, and who it runs as: names, users that are added, and what they may do.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;

use crate::artifacts::{base, layout};
use crate::registry::Served;
use crate::reproducible::check_golden;
use crate::support::{Built, Outcome, Project};

const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/sh\napp:x:1001:50:App:/srv:/bin/sh\nweb:x:33:33::/var/www:/bin/sh\n";
const GROUP: &str = "root:x:0:\nstaff:x:50:web\nweb:x:33:\n";

/// An entry of a layer.
#[derive(Debug, Default)]
struct Packed {
    owner: (u64, u64),
    mode: u32,
    content: String,
    /// The target of a link.
    link: String,
    /// The records of the extended header that name attributes.
    xattrs: Vec<(String, Vec<u8>)>,
}

/// A base with users, in a layout.
fn base_with_users() -> Project {
    base(&["linux/amd64"], "", &[("etc/passwd", PASSWD), ("etc/group", GROUP), ("bin/sh", "sh")])
}

/// A project of the directory `files` at `/srv` on `base`, with more lines for its build file.
fn on(base: &str, more: &str) -> Project {
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{base}\"\ntags = [\"1\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n{more}"
    ));
    project
        .write("files/a.txt", "a\n")
        .write("files/bin/run", "#!/bin/sh\n")
        .write("files/data/b.txt", "b\n");
    project
}

/// The entries of the layer `name`, as the image in `oci:out` has them.
fn entries(project: &Project, built: &Built, name: &str) -> BTreeMap<String, Packed> {
    let layers = built.layers();
    let layer = layers.iter().find(|layer| layer.name == name).unwrap_or_else(|| panic!("{layers:?}"));
    let blob = project.path("out/blobs/sha256").join(layer.blob.strip_prefix("sha256:").unwrap());
    let mut tar = tar::Archive::new(flate2::read::MultiGzDecoder::new(fs::File::open(blob).unwrap()));
    let packed = tar.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let header = entry.header();
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        let mode = header.mode().unwrap();
        let link = entry.link_name().unwrap().map(|link| link.display().to_string()).unwrap_or_default();
        let records = entry.pax_extensions().unwrap();
        let xattrs = records.into_iter().flatten().map(Result::unwrap).filter_map(|record| {
            let key = record.key().unwrap().strip_prefix("SCHILY.xattr.")?;
            Some((key.to_owned(), record.value_bytes().to_vec()))
        });
        let xattrs = xattrs.collect();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        (path, Packed { owner, mode, content, link, xattrs })
    });
    packed.collect()
}

fn fails(project: &Project, texts: &[&str]) -> Outcome {
    project.pack("build").fails(1).says(texts).hints()
}

#[test]
fn names_of_owners_are_those_of_the_base() {
    let base = base_with_users();
    for (owner, expected) in [
        ("app", (1001, 50)),
        ("app:web", (1001, 33)),
        ("0:staff", (0, 50)),
        ("7", (7, 7)),
        ("web:1", (33, 1)),
    ] {
        let more = format!(
            "owner = \"{owner}\"\n[[layer]]\nname = \"more\"\nfiles = [{{ from = \"files/a.txt\", to = \"/opt/\", owner = \"{owner}\" }}]\n\
             directories = [{{ path = \"/var/lib/app\", owner = \"{owner}\" }}]\n"
        );
        let project = on(&layout(&base), &more);
        let built = project.build("-o oci:out");
        let app = entries(&project, &built, "app");
        assert_eq!((app["srv/a.txt"].owner, app["srv/data/"].owner), (expected, expected), "{owner}");
        let more = entries(&project, &built, "more");
        assert_eq!((more["opt/a.txt"].owner, more["var/lib/app/"].owner), (expected, expected), "{owner}");
    }
}

#[test]
fn an_owner_that_the_image_does_not_list_is_an_error_with_its_line() {
    let base = base_with_users();
    let base = layout(&base);
    let project = on(&base, "owner = \"ap\"\n");
    fails(&project, &["build.toml:10", "the image has no user `ap`", "did you mean `app`?"]);
    let project = on(&base, "owner = \"nginx:nginx\"\n");
    fails(&project, &["the image has no user `nginx`: `/etc/passwd` does not list it", "[[user]]"]);
    let project = on(&base, "owner = \"app:app\"\n");
    fails(&project, &["the image has no group `app`: `/etc/group` does not list it"]);
    // Nothing has users there.
    fails(&on("scratch", "owner = \"app\"\n"), &["the image has no user `app`"]);
}

#[test]
fn a_planned_file_of_users_counts_before_that_of_the_base() {
    let more =
        "owner = \"new\"\n[[layer]]\nname = \"accounts\"\nfiles = [{ from = \"etc\", to = \"/etc/\" }]\n";
    let base = base_with_users();
    let project = on(&layout(&base), more);
    project.write("etc/passwd", "new:x:5:6::/:/bin/sh\n");
    let built = project.build("-o oci:out");
    assert_eq!(entries(&project, &built, "app")["srv/a.txt"].owner, (5, 6));
    // One that is left out does not count.
    project.write("etc/.packignore", "passwd\n").write("etc/other", "");
    fails(&project, &["the image has no user `new`"]);
}

#[test]
fn a_lock_has_the_files_of_users_and_no_layer_is_read_again() {
    let (base, served) = (base_with_users(), Served::start());
    served.add("base", &base.path("layout"));
    let project = on(&served.name("base"), "owner = \"app\"\n[[user]]\nname = \"new\"\nuid = 2000\n");
    let layers = || -> Vec<String> {
        let is_layer = |line: &String| line.starts_with("GET ") && line.contains("/blobs/");
        served.take_log().into_iter().filter(is_layer).collect()
    };
    let first = project.build("");
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    assert!(lock.contains("app:x:1001:50:App:/srv:/bin/sh\\nweb"), "{lock}");
    fs::remove_dir_all(project.cache()).unwrap();
    layers();
    project.pack("plan --locked").ok();
    assert_eq!(layers(), Vec::<String>::new());
    // A fact that was edited is dropped, and derived again.
    project.write("build.lock", lock.replace("app:x:1001", "app:x:1002"));
    assert_eq!(project.build("").digest(), first.digest());
    assert_eq!(fs::read_to_string(project.path("build.lock")).unwrap(), lock);
}

const TWO: &str = "[[user]]\nname = \"shop\"\nuid = 2000\nhome = \"/home/shop\"\ngroups = [\"staff\"]\n\
                   [[user]]\nname = \"job\"\nuid = 2001\ngid = 33\nshell = \"/bin/sh\"\n";

#[test]
fn users_are_added_to_the_files_of_the_base() {
    let base = base_with_users();
    let project = on(&layout(&base), &format!("owner = \"shop\"\n{TWO}[config]\nuser = \"shop\"\n"));
    let built = project.build("-o oci:out");
    let users = entries(&project, &built, "users");
    let paths: Vec<&str> = users.keys().map(String::as_str).collect();
    assert_eq!(paths, ["etc/", "etc/group", "etc/passwd", "home/", "home/shop/"]);
    let added = "shop:*:2000:2000::/home/shop:/sbin/nologin\njob:*:2001:33::/nonexistent:/bin/sh\n";
    assert_eq!(users["etc/passwd"].content, format!("{PASSWD}{added}"));
    assert_eq!(users["etc/group"].content, "root:x:0:\nstaff:x:50:web,shop\nweb:x:33:\nshop:*:2000:\n");
    assert_eq!((users["etc/passwd"].owner, users["etc/passwd"].mode), ((0, 0), 0o644));
    assert_eq!((users["home/shop/"].owner, users["home/shop/"].mode), ((2000, 2000), 0o755));
    assert_eq!(users["home/"].owner, (0, 0));
    assert_eq!(entries(&project, &built, "app")["srv/a.txt"].owner, (2000, 2000));
    check_golden("users", &built);
    // Nothing of the base is lost by that.
    for line in [
        "build",
        "check",
        "build --strict --allow no-entrypoint=data",
        "check --strict --allow no-entrypoint=data",
    ] {
        let said = project.pack(line).ok();
        assert!(!format!("{}{}", said.stdout, said.stderr).contains("clobbers-base"), "{line}: {said:?}");
    }
}

#[test]
fn users_on_scratch_make_the_files() {
    let project = on(
        "scratch",
        &format!("{}[config]\nuser = \"shop:shop\"\n", TWO.replace("groups = [\"staff\"]\n", "")),
    );
    let built = project.build("-o oci:out");
    let users = entries(&project, &built, "users");
    assert!(users["etc/passwd"].content.starts_with("shop:*:2000:2000:"), "{users:?}");
    assert_eq!(users["etc/group"].content, "shop:*:2000:\njob:*:33:\n");
}

#[test]
fn a_user_that_the_base_has_changes_nothing_and_one_that_it_has_otherwise_is_an_error() {
    let base = base_with_users();
    let base = layout(&base);
    let same = "[[user]]\nname = \"app\"\nuid = 1001\ngroup = \"staff\"\nhome = \"/srv\"\n";
    let built = on(&base, same).build("-o oci:out");
    assert!(built.layers().iter().all(|layer| layer.name != "users"), "{built:?}");
    for (user, says) in [
        (
            "name = \"app\"\nuid = 1000\ngroup = \"staff\"",
            "the base has a user `app` already: 1001:50, at home in `/srv`",
        ),
        (
            "name = \"app\"\nuid = 1001\ngroup = \"staff\"\nhome = \"/app\"",
            "the base has a user `app` already",
        ),
        ("name = \"shop\"\nuid = 1001", "the number 1001 of the user `shop` is that of `app` in the base"),
        ("name = \"shop\"\nuid = 50", "the number 50 of the group `shop` is that of `staff` in the base"),
        (
            "name = \"shop\"\nuid = 60\ngroup = \"staff\"\ngid = 60",
            "the base has a group `staff` already, with the number 50",
        ),
        ("name = \"shop\"\nuid = 60\ngroups = [\"none\"]", "the base has no group `none`"),
    ] {
        fails(&on(&base, &format!("[[user]]\n{user}\n")), &[says, "build.toml:"]);
    }
    let file = "[[user]]\nname = \"shop\"\nuid = 60\n[[layer]]\nname = \"accounts\"\nfiles = [{ from = \"files/a.txt\", to = \"/etc/passwd\" }]\n";
    fails(&on(&base, file), &["the layer `accounts` has a file in its place"]);
}

const PERMISSIONS: &str = r#"
[[app.permissions]]
path = "**"
owner = "7:8"
[[app.permissions]]
path = ["data", "data/**"]
owner = "app:web"
mode = "0660"
directory-mode = "0770"
[[app.permissions]]
path = "/srv/data/b.txt"
mode = "0600"
[[app.permissions]]
path = "bin/*"
mode = "0755"
capabilities = ["cap_net_bind_service=ep"]
[[layer]]
name = "more"
files = [{ from = "files", to = "/opt/more" }]
links = [{ path = "/usr/local/bin/run", to = "/srv/bin/run" }]
directories = [{ path = "/var/lib/app", owner = "app", mode = "0750" }]
[[layer.permissions]]
path = ["/opt/*/data/**", "/var/lib/app"]
owner = "app"
directory-mode = "0700"
"#;

#[test]
fn patterns_decide_owners_modes_and_capabilities_and_the_last_counts() {
    let base = base_with_users();
    let project = on(&layout(&base), PERMISSIONS);
    fs::hard_link(project.path("files/data/b.txt"), project.path("files/data/c.txt")).unwrap();
    let built = project.build("-o oci:out");
    let app = entries(&project, &built, "app");
    let found = |path: &str| (app[path].owner, app[path].mode);
    assert_eq!(found("srv/a.txt"), ((7, 8), 0o644));
    assert_eq!(found("srv/bin/"), ((7, 8), 0o755));
    assert_eq!(found("srv/data/"), ((1001, 33), 0o770));
    // Both are names of one file.
    assert_eq!(found("srv/data/b.txt"), ((1001, 33), 0o600));
    assert_eq!(found("srv/data/c.txt"), ((1001, 33), 0o600));
    assert_eq!(found("srv/"), ((0, 0), 0o755));
    assert_eq!(found("srv/bin/run"), ((7, 8), 0o755));
    // `struct vfs_cap_data`, revision 2, effective, capability 10.
    let capabilities = [1_u32 | 0x0200_0000, 1 << 10, 0, 0, 0].map(u32::to_le_bytes).concat();
    assert_eq!(app["srv/bin/run"].xattrs, [("security.capability".to_owned(), capabilities)]);
    assert!(app["srv/a.txt"].xattrs.is_empty());
    let more = entries(&project, &built, "more");
    let found = |path: &str| (more[path].owner, more[path].mode);
    assert_eq!(found("opt/more/data/b.txt"), ((1001, 50), 0o644));
    assert_eq!(found("opt/more/data/"), ((0, 0), 0o755));
    assert_eq!(found("var/lib/app/"), ((1001, 50), 0o700));
    assert_eq!(more["usr/local/bin/run"].link, "/srv/bin/run");
    check_golden("permissions", &built);
    // The umask, and the rights of files on disk, have no part in it.
    crate::support::chmod(&project.path("files/data"), 0o700);
    assert_eq!(project.pack("build").umask("077").built("").digest(), built.digest());
}

/// The attribute is that of a file of which `setcap` set it.
#[test]
fn capabilities_are_those_that_setcap_sets() {
    let is_there = std::process::Command::new("setcap").arg("-h").output().is_ok();
    if !is_there || !rustix::process::geteuid().is_root() {
        eprintln!("not run: it needs `setcap`, and root");
        return;
    }
    for text in [
        "cap_net_bind_service=ep",
        "CAP_NET_BIND_SERVICE=pe",
        "cap_net_bind_service,cap_net_raw=p",
        "cap_chown=i cap_bpf+p",
        "cap_chown=ep cap_chown-e",
        "all=ep",
        "=ep",
    ] {
        let more =
            format!("[[app.permissions]]\npath = \"a.txt\"\nmode = \"0755\"\ncapabilities = \"{text}\"\n");
        let project = on("scratch", &more);
        let built = project.build("-o oci:out");
        let packed = &entries(&project, &built, "app")["srv/a.txt"].xattrs;
        let file = project.path("set");
        fs::write(&file, "").unwrap();
        let set = std::process::Command::new("setcap").arg(text).arg(&file).output().unwrap();
        assert!(set.status.success(), "{text}: {set:?}");
        let mut value = [0; 64];
        let length = rustix::fs::getxattr(&file, "security.capability", &mut value).unwrap();
        assert_eq!(*packed, [("security.capability".to_owned(), value[..length].to_vec())], "{text}");
    }
}

#[test]
fn a_pattern_without_effect_is_an_error_with_its_line() {
    let permission = |table: &str| on("scratch", &format!("[[app.permissions]]\n{table}\n"));
    for (table, says) in [
        ("path = \"dat/**\"\nowner = \"1\"", "`dat/**` of `permissions` matches nothing"),
        ("path = [\"data\", \"/data/**\"]\nowner = \"1\"", "`/data/**` of `permissions` matches nothing"),
        (
            "path = \"data\"\nmode = \"0600\"",
            "`mode` and `capabilities` are for files, and `data` matches no file",
        ),
        (
            "path = \"a.txt\"\ndirectory-mode = \"0700\"",
            "`directory-mode` is for directories, and `a.txt` matches no directory",
        ),
        ("path = \"a.txt\"\ncapabilities = \"cap_net_bind=ep\"", "there is no capability `cap_net_bind`"),
        (
            "path = \"a.txt\"\ncapabilities = [\"cap_chown=ep\", \"cap_fowner=p\"]",
            "a file has all of its capabilities effective, or none",
        ),
        ("path = \"a.txt\"", "a table of `permissions` sets nothing"),
        ("path = \"[\"\nowner = \"1\"", "`[` is not a pattern"),
        ("path = \"a.txt\"\nowner = \"app\"", "the image has no user `app`"),
    ] {
        fails(&permission(table), &[says, "build.toml:1"]);
    }
    let layer = "[[layer]]\nname = \"x\"\ndirectories = [{ path = \"/x\" }]\npermissions = [{ path = \"x\", owner = \"1\" }]\n";
    fails(&on("scratch", layer), &["`x` is not an absolute path", "write `\"/x\"`"]);
    let link = "[[layer]]\nname = \"x\"\ndirectories = [{ path = \"/x\" }]\nlinks = [{ path = \"/x\", to = \"y\" }]\n";
    fails(&on("scratch", link), &["has two things at /x: a directory from `directories`"]);
}

#[test]
fn a_url_is_no_source() {
    let url = "https://example.com/app.jar";
    let layer = format!("[[layer]]\nname = \"x\"\nfiles = [{{ from = \"{url}\", to = \"/x\" }}]\n");
    fails(&on("scratch", &layer), &["is a URL, and `pack` copies files", "curl -fsSL", "sha256sum -c"]);
    let says = ["`https://example.com/app.jar` is a URL, and `pack` copies files", "sha256sum -c"];
    for command in ["build", "plan", "check", "init"] {
        Project::new().pack(&format!("{command} {url}")).fails(1).says(&says).hints();
    }
}

/// The build of a project with more lines in its build file, and what it says.
fn said(base: &Project, more: &str) -> Outcome {
    on(&layout(base), more).pack("build").run()
}

#[test]
fn files_that_the_user_cannot_read_are_told() {
    let base = base_with_users();
    let user = |user: &str, app: &str| said(&base, &format!("{app}\n[config]\nuser = \"{user}\"\n"));
    // The mode, the owner, the user, and whether the user can read the files.
    for (mode, owner, name, can_read) in [
        ("0600", "0:0", "1000", false),
        ("0600", "1000", "1000", true),
        ("0600", "app", "app", true),
        ("0640", "0:50", "app", true),
        ("0640", "0:50", "app:33", false),
        // A member of the group by `/etc/group` alone.
        ("0640", "0:50", "web", true),
        ("0640", "0:50", "7", false),
        // Nothing for all others, though the owner is another.
        ("0604", "0:50", "7", true),
        ("0000", "0:0", "0", true),
        ("0000", "0:0", "root", true),
    ] {
        let outcome = user(name, &format!("mode = \"{mode}\"\nowner = \"{owner}\""));
        if can_read {
            assert!(!outcome.has_code(0).stderr.contains("cannot read"), "{mode} {owner} {name}");
        } else {
            let says = format!(
                "the user `{name}` of the image cannot read `/srv/a.txt` and 2 more files: it has the mode {mode}"
            );
            outcome.has_code(1).says(&[&says]).hints();
        }
    }
    let closed = "[[app.permissions]]\npath = \"data\"\ndirectory-mode = \"0700\"";
    user("1000", closed)
        .has_code(1)
        .says(&["cannot enter `/srv/data`, which has the mode 0700", "1 file below it"]);
    user("1000", &format!("{closed}\nowner = \"1000\"")).has_code(0);
    // Some files are root's on every system.
    let shadow = "[[layer]]\nname = \"etc\"\nfiles = [{ from = \"files/a.txt\", to = \"/etc/shadow\", mode = \"0600\" }]";
    user("1000", shadow).has_code(0);
}

#[test]
fn directories_that_the_user_cannot_write_to_are_told() {
    let base = base_with_users();
    let layer = |directory: &str, config: &str| {
        said(
            &base,
            &format!("[[layer]]\nname = \"data\"\ndirectories = [{{ {directory} }}]\n[config]\n{config}\n"),
        )
    };
    let warning = "cannot write to `/data`: it has the mode 0755 and the owner 0:0";
    layer("path = \"/data\"", "user = \"app\"").has_code(0).says(&["warning: ", warning, "owner = \"app\""]);
    #[track_caller]
    fn silent(outcome: Outcome) {
        let outcome = outcome.has_code(0);
        assert!(!outcome.stderr.contains("cannot write"), "{outcome:?}");
    }
    silent(layer("path = \"/data\", owner = \"app\"", "user = \"app\""));
    silent(layer("path = \"/data\", owner = \"0:50\", mode = \"0770\"", "user = \"app\""));
    silent(layer("path = \"/data\"", ""));
    // Places to read in, and a directory that says that it is one.
    silent(layer("path = \"/etc/app/conf.d\"", "user = \"app\""));
    silent(layer("path = \"/data\", mode = \"0555\"", "user = \"app\""));
    let owned = layer("path = \"/etc/app\", owner = \"web\"", "user = \"app\"");
    owned.has_code(0).says(&["cannot write to `/etc/app`: it has the mode 0755 and the owner 33:33"]);
    // A directory with files in it is made for these.
    let filled = "[[layer]]\nname = \"data\"\ndirectories = [{ path = \"/data\" }]\n\
                  files = [{ from = \"files/a.txt\", to = \"/data/\" }]\n[config]\nuser = \"app\"\n";
    silent(said(&base, filled));
    let volume = said(&base, "[config]\nuser = \"app\"\nvolumes = [\"/var/cache/app\"]\n");
    volume
        .has_code(0)
        .says(&["cannot write to the volume `/var/cache/app`: the image has no such directory"]);
}

#[test]
fn a_start_script_needs_its_shell_and_line_ends_of_unix() {
    let base = base_with_users();
    let bare = crate::artifacts::base(&["linux/amd64"], "", &[("etc/passwd", PASSWD)]);
    let shell = "[[layer]]\nname = \"sh\"\nfiles = [{ from = \"sh\", to = \"/bin/sh\", mode = \"0755\" }]\n";
    let started = |base: &Project, script: &[u8], more: &str, entrypoint: &str| {
        let project =
            on(&layout(base), &format!("mode = \"0755\"\n{more}[config]\nentrypoint = {entrypoint}\n"));
        project.write("sh", "sh").write("files/run", script);
        project.pack("build").run()
    };
    let run = "[\"/srv/run\"]";
    for (base, script, entrypoint, says) in [
        (&base, &b"#!/bin/sh\r\necho\r\n"[..], run, "`/srv/run` has line ends of Windows"),
        (
            &base,
            b"echo hello\n",
            run,
            "cannot be executed (exec format error): it is neither an ELF program nor a script",
        ),
        (&base, b"", run, "cannot be executed (exec format error): it is empty"),
        (&bare, b"#!/bin/sh\necho\n", run, "lacks `/bin/sh`, the interpreter of `/srv/run`"),
        (&bare, b"#!/usr/bin/env bash\necho\n", run, "lacks `/usr/bin/env`, the interpreter of `/srv/run`"),
        (&bare, b"", "[\"/bin/sh\", \"-c\", \"exec run\"]", "lacks `/bin/sh`, the program that starts it"),
        (&base, b"", "[\"bin/none\"]", "lacks `bin/none`, the program that starts it"),
    ] {
        started(base, script, "", entrypoint).has_code(1).says(&[says]).hints();
    }
    // A shell or a launcher starts a script of its arguments; other programs read them.
    let windows = &b"#!/bin/sh\r\necho\r\n"[..];
    for (words, is_found) in [
        ("[\"/bin/sh\", \"-c\", \"exec /srv/run\"]", true),
        ("[\"/bin/sh\", \"/srv/run\"]", true),
        ("[\"/bin/tini\", \"--\", \"/srv/run\"]", true),
        ("[\"/bin/cat\", \"/srv/run\"]", false),
    ] {
        let others = shell.replace("/bin/sh", "/bin/tini") + &shell.replace("/bin/sh", "/bin/cat");
        let others = others.replacen("\"sh\"\n", "\"tini\"\n", 1).replace("\"sh\"\n", "\"cat\"\n");
        let outcome = started(&base, windows, &format!("{shell}{others}"), words);
        assert_eq!(outcome.stderr.contains("line ends of Windows"), is_found, "{words}: {outcome:?}");
    }
    // With the shell in a layer of its own it starts.
    started(&bare, b"#!/bin/sh\necho\n", shell, run).has_code(0);
}
