//! The doors of real registries: logins of every kind, TLS, client certificates, nginx in front, restarts, a full
//! disk, proxies and mirrors.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::machines::{Authority, Nginx, PROXY_PASSWORD, Proxy, Tokens};
use super::server::{self, Server, accounts_in};
use super::tools::{Pack, Said, line};
use super::{inputs, say, scratch, small_project};

const REGISTRY: &str = "tools/docker-registry";

/// A project that pushes to `host`, with more of a build file.
fn project(directory: &Path, host: &str, bulk: usize, registry: &str) -> String {
    let app = small_project(directory, host, bulk);
    let file = Path::new(&app).join("build.toml");
    let text = std::fs::read_to_string(&file).expect("can be read");
    std::fs::write(file, format!("{text}\n[registry.\"{host}\"]\n{registry}\n")).expect("can be written");
    app
}

/// That `image` in the registry of the project `app` is whole.
fn verify(pack: &Pack, app: &str, image: &str) {
    // The project's settings of registries count in the project only: the user gives the same ones for once.
    let text = std::fs::read_to_string(Path::new(app).join("build.toml")).expect("can be read");
    pack.configure(text.find("[registry.").map_or("", |start| &text[start..]));
    let said: Said = pack.command(&["verify", image]).current_dir(app).output().expect("starts").into();
    pack.configure("");
    assert!(said.code == Some(0) && said.stdout.contains(": ok, "), "{said:?}");
}

/// Runs it with something on standard input.
fn with_input(pack: &Pack, arguments: &[&str], input: &str) -> Said {
    let mut process = pack.command(arguments).stdin(Stdio::piped()).spawn().expect("starts");
    process.stdin.take().expect("piped").write_all(input.as_bytes()).expect("is read");
    process.wait_with_output().expect("ends").into()
}

/// That nothing that was said has the secret in it, in any form.
fn keeps(secret: &str, user: &str, said: &Said) {
    let text = format!("{}{}", said.stdout, said.stderr);
    let pair = format!("{user}:{secret}");
    let url: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let forms = [
        secret.to_owned(),
        url.replace('+', "%20"),
        url,
        STANDARD.encode(secret),
        STANDARD.encode(&pair),
        URL_SAFE.encode(secret),
        URL_SAFE.encode(&pair),
        STANDARD.encode(&pair).trim_end_matches('=').to_owned(),
    ];
    for form in forms {
        assert!(!text.contains(&form), "`{form}` is in: {text}");
    }
}

#[test]
fn a_login_is_kept_used_refused_and_removed() {
    let Some(inputs) = inputs(&[REGISTRY]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let server = Server::start(&inputs.join(REGISTRY), &directory.join("registry"), true);
    let host = server.host();
    let home = directory.join("home");
    let pack = Pack::new(&home);
    let app = small_project(&directory.join("app"), &host, 800);
    let (user, password) = server::USER;
    let config = home.join(".docker/config.json");

    let wrong = with_input(&pack, &["login", &host, "-u", user, "--password-stdin", "-vv"], "wrong horse\n");
    assert!(wrong.code == Some(3) && wrong.stderr.contains("`shop` from this command"), "{wrong:?}");
    assert!(!config.exists(), "nothing is kept that was refused");
    keeps("wrong horse", user, &wrong);

    let right =
        with_input(&pack, &["login", &host, "-u", user, "--password-stdin", "--json"], "right horse\n");
    assert_eq!(right.code, Some(0), "{right:?}");
    let kept: serde_json::Value = serde_json::from_str(&right.stdout).expect("is JSON");
    assert!(kept["checked"] == true && kept["place"]["file"] == config.display().to_string(), "{kept}");
    keeps(password, user, &right);
    for verbose in ["-q", "-v", "-vv"] {
        let said = pack.run(&["build", &app, "--push", verbose]);
        assert_eq!(said.code, Some(0), "{said:?}");
        keeps(password, user, &said);
        let tells = said.stderr.contains("HEAD http://") && said.stderr.contains("the login `shop` from `");
        assert_eq!(tells, verbose != "-q", "{said:?}");
        assert_eq!(said.stderr.contains("  < "), verbose == "-vv", "{said:?}");
    }
    verify(&pack, &app, &format!("{host}/shop/files:1"));
    let doctor = pack.run(&["doctor", &format!("{host}/shop/files"), "--push", "-vv"]);
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    keeps(password, user, &doctor);

    // A password in an argument works, and is warned of.
    let argument = pack.run(&["login", &host, "-u", user, "-p", password]);
    assert!(argument.code == Some(0) && argument.stderr.contains("warning: "), "{argument:?}");

    pack.ok(&["logout", &host]);
    let out = pack.run(&["build", &app, "--push"]);
    assert!(out.code == Some(3) && out.stderr.contains("pack login"), "{out:?}");
    let doctor = pack.run(&["doctor", &host]);
    assert!(doctor.code == Some(3) && doctor.stdout.contains("FAILED"), "{doctor:?}");

    // For one path alone, in a file of its own.
    let file = directory.join("auth.json").display().to_string();
    let path = format!("{host}/shop");
    let scoped = ["login", &path, "-u", user, "--password-stdin", "--authfile", &file];
    assert_eq!(with_input(&pack, &scoped, password).code, Some(0));
    let push = pack.command(&["build", &app, "--push"]).env("REGISTRY_AUTH_FILE", &file).output();
    assert!(push.expect("starts").status.success());
    let elsewhere = format!("{host}/other");
    let doctor = pack.run(&["doctor", &elsewhere, "--authfile", &file]);
    assert_eq!(doctor.code, Some(3), "another path has no login: {doctor:?}");

    let no_terminal = pack.run(&["login", &host]);
    assert!(
        no_terminal.code == Some(2) && no_terminal.stderr.contains("--password-stdin"),
        "{no_terminal:?}"
    );
}

/// Reads until `text` came.
fn wait_for(text: &str, from: &mut impl std::io::Read, seen: &mut String) {
    let mut byte = [0];
    while !seen.ends_with(text) {
        assert_eq!(from.read(&mut byte).expect("reads"), 1, "{seen}");
        seen.push(char::from(byte[0]));
    }
}

#[test]
fn a_password_is_asked_for_without_showing_it() {
    let Some(inputs) = inputs(&[REGISTRY]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let server = Server::start(&inputs.join(REGISTRY), &directory.join("registry"), true);
    let pack = Pack::new(&directory.join("home"));
    for (last, code) in [("\r", 0), ("\u{3}", 130)] {
        let mut script = line("script -qec");
        script
            .arg(format!("{} login {}", env!("CARGO_BIN_EXE_pack"), server.host()))
            .arg("/dev/null")
            .env("HOME", directory.join("home"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = script.spawn().expect("script starts");
        let (mut keys, mut screen) =
            (process.stdin.take().expect("piped"), process.stdout.take().expect("piped"));
        let mut seen = String::new();
        wait_for("User: ", &mut screen, &mut seen);
        keys.write_all(b"shoo\x7fp\r").expect("is read");
        wait_for("Password of shop: ", &mut screen, &mut seen);
        keys.write_all(format!("right horse{last}").as_bytes()).expect("is read");
        screen.read_to_string(&mut seen).expect("reads");
        let ended = process.wait().expect("ends");
        assert_eq!(ended.code(), Some(code), "{seen}");
        assert!(!seen.contains("right") && !seen.contains("horse"), "{seen}");
        assert_eq!(pack.run(&["logout", &server.host()]).stderr.contains("removed"), code == 0);
    }
}

#[test]
fn tokens_of_a_token_server() {
    let Some(inputs) = inputs(&[REGISTRY]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let (user, password) = ("robot$ci", "p@ss w0rd/+%&=");
    let tokens = Tokens::start(&directory.join("tokens"), user, password);
    let server = Server::start_with(&inputs.join(REGISTRY), &directory.join("registry"), |config| {
        config["auth"] = tokens.auth();
    });
    let host = server.host();
    let pack = Pack::new(&directory.join("home"));
    let app = small_project(&directory.join("app"), &host, 800);
    let login = ["login", &host, "-u", user, "--password-stdin", "-vv"];
    let wrong = with_input(&pack, &login, "wrong &word");
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    assert!(wrong.stderr.contains("bad login"), "the server's own words: {wrong:?}");
    keeps("wrong &word", user, &wrong);
    let right = with_input(&pack, &login, password);
    assert_eq!(right.code, Some(0), "{right:?}");
    keeps(password, user, &right);
    assert_eq!(tokens.asked(), Vec::<String>::new(), "a login has no scope");

    let push = pack.run(&["build", &app, "--push", "-vv"]);
    assert_eq!(push.code, Some(0), "{push:?}");
    keeps(password, user, &push);
    assert!(!push.stderr.contains("eyJ"), "no token is printed: {push:?}");
    assert_eq!(tokens.asked(), ["repository:shop/files:pull,push"]);
    verify(&pack, &app, &format!("{host}/shop/files:1"));
    let doctor = pack.run(&["doctor", &format!("{host}/shop/files"), "--push", "-vv"]);
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    assert!(doctor.stdout.contains("realm `http://127.0.0.1:"), "{doctor:?}");
    assert!(!doctor.stderr.contains("eyJ") && !doctor.stdout.contains("eyJ"), "{doctor:?}");
    keeps(password, user, &doctor);
}

#[test]
fn tls_with_an_authority_of_ones_own_and_client_certificates() {
    let Some(inputs) = inputs(&[REGISTRY]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let authority = Authority::new(&directory.join("authority"));
    authority.sign("server", "IP:127.0.0.1");
    authority.sign("client", "DNS:client");
    let ca = authority.path("ca.pem").display().to_string();
    let program = inputs.join(REGISTRY);
    let server = Server::start_with(&program, &directory.join("tls"), |config| {
        config["http"]["tls"] = authority.tls("server");
        config["auth"] = accounts_in(&directory.join("tls"));
    });
    let host = server.host();
    let pack = Pack::new(&directory.join("home"));
    let (user, password) = server::USER;

    let app = project(&directory.join("untrusting"), &host, 800, "plain-http = false");
    let untrusted = pack.run(&["build", &app, "--push"]);
    assert!(untrusted.code == Some(3) && untrusted.stderr.contains("ca-file"), "{untrusted:?}");
    let file = format!("{app}/build.toml");
    let doctor = pack.run(&["doctor", &host, "-f", &file]);
    assert!(doctor.code == Some(3) && doctor.stdout.contains("signed by CN=authority"), "{doctor:?}");
    let login = ["login", &host, "-u", user, "--password-stdin", "-f", &file];
    assert_eq!(with_input(&pack, &login, password).code, Some(3), "no password goes to whom nobody trusts");

    // The variable, and the key.
    let mut command = pack.command(&login);
    command.env("SSL_CERT_FILE", &ca).stdin(Stdio::piped());
    let mut process = command.spawn().expect("starts");
    process.stdin.take().expect("piped").write_all(password.as_bytes()).expect("is read");
    let said: Said = process.wait_with_output().expect("ends").into();
    assert_eq!(said.code, Some(0), "{said:?}");
    let app = project(&directory.join("app"), &host, 800, &format!("plain-http = false\nca-file = \"{ca}\""));
    pack.ok(&["build", &app, "--push"]);
    verify(&pack, &app, &format!("{host}/shop/files:1"));
    let doctor = pack.run(&["doctor", &host, "-f", &format!("{app}/build.toml")]);
    assert!(doctor.code == Some(0) && doctor.stdout.contains(&format!("trusted by `{ca}`")), "{doctor:?}");

    let server = Server::start_with(&program, &directory.join("mutual"), |config| {
        config["http"]["tls"] = authority.tls("server");
        config["http"]["tls"]["clientcas"] = serde_json::json!([ca]);
    });
    let host = server.host();
    let trusting = format!("plain-http = false\nca-file = \"{ca}\"");
    let app = project(&directory.join("nameless"), &host, 800, &trusting);
    let refused = pack.run(&["build", &app, "--push"]);
    assert!(refused.code == Some(3) && refused.stderr.contains("client-cert"), "{refused:?}");
    let [certificate, key] =
        ["client.pem", "client.key"].map(|name| authority.path(name).display().to_string());
    let shown = format!("{trusting}\nclient-cert = \"{certificate}\"\nclient-key = \"{key}\"");
    let app = project(&directory.join("named"), &host, 800, &shown);
    pack.ok(&["build", &app, "--push"]);
    verify(&pack, &app, &format!("{host}/shop/files:1"));
    let doctor = pack.run(&["doctor", &host, "-f", &format!("{app}/build.toml")]);
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
}

#[test]
fn behind_nginx() {
    let Some(inputs) = inputs(&[REGISTRY]) else { return };
    if !Path::new("/usr/sbin/nginx").exists() {
        assert!(std::env::var_os("PACK_TEST_REQUIRE").is_none(), "nginx is missing");
        say("not run: nginx is missing; `tests/run` installs it");
        return;
    }
    let directory = scratch();
    let directory = directory.path();
    let mut server = Server::start(&inputs.join(REGISTRY), &directory.join("registry"), true);
    let (user, password) = server::USER;
    let pack = Pack::new(&directory.join("home"));
    let backend = server.host();

    // Uploads are sent below another path.
    let nginx = Nginx::start(
        &directory.join("prefix"),
        &format!(
            "listen 127.0.0.1:PORT; client_max_body_size 0; proxy_set_header Host $http_host;\n\
             location /up/ {{ proxy_pass http://{backend}/; proxy_redirect http://127.0.0.1:PORT/ http://127.0.0.1:PORT/up/; }}\n\
             location / {{ proxy_pass http://{backend}; proxy_redirect http://127.0.0.1:PORT/ http://127.0.0.1:PORT/up/; }}"
        ),
    );
    let host = nginx.host();
    assert_eq!(with_input(&pack, &["login", &host, "-u", user, "--password-stdin"], password).code, Some(0));
    let app = small_project(&directory.join("app"), &host, 2_000_000);
    let said = pack.run(&["build", &app, "--push", "-v"]);
    assert!(said.code == Some(0) && said.stderr.contains("/up/v2/shop/files/blobs/uploads/"), "{said:?}");
    verify(&pack, &app, &format!("{host}/shop/files:1"));

    // TLS ends at nginx, and the registry believes that there is none.
    let authority = Authority::new(&directory.join("authority"));
    authority.sign("server", "IP:127.0.0.1");
    let [certificate, key, ca] =
        ["server.pem", "server.key", "ca.pem"].map(|name| authority.path(name).display().to_string());
    let nginx = Nginx::start(
        &directory.join("tls"),
        &format!(
            "listen 127.0.0.1:PORT ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; client_max_body_size 0;\n\
             location / {{ proxy_pass http://{backend}; proxy_set_header Host $http_host; proxy_redirect off; }}"
        ),
    );
    let host = nginx.host();
    let trusting = format!("plain-http = false\nca-file = \"{ca}\"");
    let app = project(&directory.join("tls-app"), &host, 3_000_000, &trusting);
    let file = format!("{app}/build.toml");
    let login = ["login", &host, "-u", user, "--password-stdin", "-f", &file];
    assert_eq!(with_input(&pack, &login, password).code, Some(0));
    pack.ok(&["build", &app, "--push", "--allow-retag"]);
    verify(&pack, &app, &format!("{host}/shop/files:1"));
    let doctor = pack.run(&["doctor", &format!("{host}/shop/files"), "--push", "-f", &file]);
    assert!(doctor.code == Some(0) && doctor.stdout.contains("it is at https://"), "{doctor:?}");

    // Large bodies are refused, unless they come in pieces.
    let nginx = Nginx::start(
        &directory.join("limit"),
        &format!(
            "listen 127.0.0.1:PORT; client_max_body_size 1m;\n\
             location / {{ proxy_pass http://{backend}; proxy_set_header Host $http_host; }}"
        ),
    );
    let host = nginx.host();
    assert_eq!(with_input(&pack, &["login", &host, "-u", user, "--password-stdin"], password).code, Some(0));
    let app = project(&directory.join("large"), &host, 4_000_000, "");
    let refused = pack.run(&["build", &app, "--push", "--allow-retag"]);
    assert!(refused.code == Some(3) && refused.stderr.contains("413"), "{refused:?}");
    server.requests();
    let app = project(&directory.join("pieces"), &host, 4_000_000, "chunk-size = \"900KiB\"");
    pack.ok(&["build", &app, "--push", "--allow-retag"]);
    let patches = server.requests().iter().filter(|request| request.method == "PATCH").count();
    assert!(patches >= 5, "{patches}");
    verify(&pack, &app, &format!("{host}/shop/files:1"));
}

#[test]
fn a_registry_that_restarts_in_the_middle_of_an_upload() {
    let Some(inputs) = inputs(&[REGISTRY]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    // A stored layer is sent by tries; what is sent while it is made has the stored layer to fall back on.
    let cases = [("stored", 200_000_000, "try 2 of 6 in "), ("made", 200_000_001, "connection")];
    for (name, bulk, sign) in cases {
        let registry = directory.join(name);
        let mut server = Server::start(&inputs.join(REGISTRY), &registry, false);
        let host = server.host();
        let app = small_project(&registry.join("app"), &host, bulk);
        if name == "stored" {
            pack.ok(&["build", &app]);
        }
        let push = pack.command(&["build", app.as_str(), "--push", "-v"]).spawn().expect("pack starts");
        server.wait_for_upload("shop/files");
        server.kill();
        server.resume();
        let said: Said = push.wait_with_output().expect("ends").into();
        assert!(said.code == Some(0) && said.stderr.contains(sign), "{said:?}");
        verify(&pack, &app, &format!("{host}/shop/files:1"));
    }
}

/// A file system of its own, which goes when dropped.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn mount(at: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).expect("can be made");
        let mounted = line(&format!("mount -t tmpfs -o size={megabytes}m tmpfs")).arg(at).output().ok()?;
        mounted.status.success().then(|| Self(at.to_owned()))
    }

    fn grow(&self, megabytes: u32) {
        super::tools::run(line(&format!("mount -o remount,size={megabytes}m")).arg(&self.0));
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = line("umount -l").arg(&self.0).status();
    }
}

#[test]
fn a_registry_whose_disk_is_full() {
    let Some(inputs) = inputs(&[REGISTRY]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let data = directory.join("registry/data");
    let Some(disk) = Tmpfs::mount(&data, 4) else {
        say("not run: a full disk takes a file system of its own, which only root can mount");
        return;
    };
    let server = Server::start(&inputs.join(REGISTRY), &directory.join("registry"), false);
    let host = server.host();
    let pack = Pack::new(&directory.join("home"));
    let app = small_project(&directory.join("app"), &host, 800);
    let image = format!("{host}/shop/files:1");
    let before = pack.ok(&["build", &app, "--push"]);
    let app = small_project(&directory.join("app"), &host, 20_000_000);
    let full = pack.run(&["build", &app, "--push", "--allow-retag"]);
    assert!(full.code == Some(3) && full.stderr.contains(&host) && full.stdout.is_empty(), "{full:?}");
    let visitor = Pack::new(&directory.join("visitor"));
    let digest = visitor.json(&["inspect", &image])["digest"].as_str().map(str::to_owned);
    assert_eq!(digest.as_deref(), before.trim().rsplit('@').next(), "the tag is where it was");
    disk.grow(200);
    pack.ok(&["build", &app, "--push", "--allow-retag"]);
    verify(&pack, &app, &image);
    drop(server);
}

#[test]
fn through_a_proxy() {
    let Some(inputs) = inputs(&[REGISTRY]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let program = inputs.join(REGISTRY);
    let authority = Authority::new(&directory.join("authority"));
    authority.sign("server", "DNS:registry.test");
    let secure = Server::start_with(&program, &directory.join("tls"), |config| {
        config["http"]["tls"] = authority.tls("server");
        config["http"]["relativeurls"] = true.into();
    });
    let plain = Server::start_with(&program, &directory.join("plain"), |config| {
        config["http"]["relativeurls"] = true.into();
    });
    // Only the proxy knows where that is.
    let cases = [
        ("registry.test", &secure, "HTTPS_PROXY", "plain-http = false"),
        ("plain.test:5000", &plain, "HTTP_PROXY", "plain-http = true"),
    ];
    for (host, server, variable, registry) in cases {
        let proxy = Proxy::start(server.port());
        let pack = Pack::new(&directory.join(host));
        let app = project(&directory.join(format!("app-{host}")), host, 2_000_000, registry);
        let run = |arguments: &[&str], password: &str| -> Said {
            let mut command = pack.command(arguments);
            command.env(variable, proxy.address(password)).env("SSL_CERT_FILE", authority.path("ca.pem"));
            command.current_dir(&app).output().expect("starts").into()
        };
        let said = run(&["build", "--push", "-vv"], PROXY_PASSWORD);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(proxy.seen() > 0 && said.stderr.contains(" through http://127.0.0.1:"), "{said:?}");
        keeps(PROXY_PASSWORD, "pat", &said);
        pack.configure(&format!("[registry.\"{host}\"]\n{registry}\n"));
        let said = run(&["verify", &format!("{host}/shop/files:1")], PROXY_PASSWORD);
        assert!(said.code == Some(0) && said.stdout.contains(": ok, "), "{said:?}");
        let doctor = run(&["doctor", host], PROXY_PASSWORD);
        assert_eq!(
            (doctor.code, host == "registry.test"),
            (Some(0), doctor.stdout.contains("tunnel")),
            "{doctor:?}"
        );
        keeps(PROXY_PASSWORD, "pat", &doctor);
        assert!(proxy.seen() > 0);
        for command in [&["build", "--push", "-vv", "-t", "2"][..], &["doctor", host]] {
            let refused = run(command, "wrong secret");
            assert!(refused.code == Some(3) && refused.stderr.contains("roxy"), "{refused:?}");
            keeps("wrong secret", "pat", &refused);
        }
        assert_eq!(proxy.seen(), 0);
    }
}

#[test]
fn through_a_mirror() {
    let Some(inputs) = inputs(&[REGISTRY]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let program = inputs.join(REGISTRY);
    let mut origin = Server::start(&program, &directory.join("origin"), false);
    let mut mirror = Server::start(&program, &directory.join("mirror"), true);
    let (user, password) = server::USER;
    let (from, to) = (origin.host(), mirror.host());
    let maker = Pack::new(&directory.join("maker"));
    assert_eq!(with_input(&maker, &["login", &to, "-u", user, "--password-stdin"], password).code, Some(0));
    let app = small_project(&directory.join("base"), &from, 6_000_000);
    maker.ok(&["build", &app, "--push"]);
    maker.ok(&["build", &app, "--push", "--name", &format!("{to}/hub/shop/files")]);

    let image = format!("{from}/shop/files:1");
    let mirrors = format!("[registry.\"{from}\"]\nmirrors = [\"http://{to}/hub\"]\n");
    let look = |pack: &Pack| -> Said {
        pack.configure(&mirrors);
        let said = pack.run(&["verify", &image]);
        assert!(said.code == Some(0) && said.stdout.contains(": ok, "), "{said:?}");
        said
    };
    origin.requests();
    mirror.requests();
    look(&maker);
    assert_eq!(origin.requests().len(), 0, "the mirror has all of it");
    assert!(mirror.requests().iter().any(|request| request.path.starts_with("/v2/hub/shop/files/blobs/")));

    // Without a login for the mirror, without the mirror.
    let stranger = Pack::new(&directory.join("stranger"));
    look(&stranger);
    assert!(!origin.requests().is_empty());
    mirror.kill();
    let said = look(&maker);
    assert!(said.stderr.contains("going on without the mirror"), "{said:?}");
}
