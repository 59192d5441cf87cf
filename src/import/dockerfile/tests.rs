//! Dockerfiles as people write them.

use std::collections::BTreeMap;

use super::super::remark::Weight;
use super::*;

/// A Dockerfile in a project of these paths, each with whether it is a directory.
fn import(text: &str, project: &[(&str, bool)], ignored: Option<&str>) -> Imported {
    let project: BTreeMap<&str, bool> = project.iter().copied().collect();
    let is_directory = |path: &str| project.get(path).copied();
    read(
        text,
        None,
        &ImportSurroundings { is_directory: &is_directory, directories: &|_| None, read: &|_| None, ignored },
    )
    .expect("a Dockerfile")
}

fn shown(imported: &Imported) -> String {
    imported.draft.render("localhost:5000/example/app", &imported.remarks)
}

#[test]
fn a_jar_becomes_the_artifact() {
    let text = "\
FROM maven:3 AS build
WORKDIR /src
COPY pom.xml .
COPY src ./src
RUN mvn package

FROM eclipse-temurin:21-jre
WORKDIR /app
COPY --from=build /src/target/shop.jar app.jar
EXPOSE 8080
ENV SPRING_PROFILES_ACTIVE=prod
ENTRYPOINT [\"java\", \"-Xmx512m\", \"-jar\", \"app.jar\"]
";
    let imported = import(text, &[("src", true)], None);
    insta::assert_snapshot!(shown(&imported), @r##"
    format = 1

    # To be looked at, by the lines that it comes from:
    # line 9: `/src/target/shop.jar` of the stage `build` is taken to be `target/shop.jar` of the project: build it before
    #   `pack build`
    # line 9: `app.jar` is the artifact: what it is decides where it goes and how it starts; `pack plan` shows both

    [image]
    name = "localhost:5000/example/app"
    base = "eclipse-temurin:21-jre"

    [app]
    path = "target/shop.jar"

    [config]
    env = { JDK_JAVA_OPTIONS = "-Xmx512m", SPRING_PROFILES_ACTIVE = "prod" }
    ports = [8080]
    workdir = "/app"
    "##);
    assert!(imported.remarks.iter().all(|remark| remark.weight == Weight::Check));
}

#[test]
fn an_application_of_node_is_the_project() {
    let text = "\
FROM node:22-slim
WORKDIR /usr/src/app
COPY package*.json ./
RUN npm ci --omit=dev && mkdir -p /data && chown node:node /data
COPY --chown=node:node . .
USER node
VOLUME /data
HEALTHCHECK --interval=30s --retries=3 CMD curl -f http://localhost:3000/ || exit 1
CMD [\"node\", \"server.js\"]
";
    let imported = import(text, &[("package.json", false)], Some("node_modules\n# x\n.git\n*.md\n"));
    insta::assert_snapshot!(shown(&imported), @r##"
    format = 1

    # Not in this image, by the lines that say so:
    # line 4: `RUN npm ci --omit=dev` is not run: run it in the project, before `pack build`, and have what it installs
    #   among the files that are copied

    # To be looked at, by the lines that it comes from:
    # line 5: `/usr/src/app` belongs to `node:node` like its files; `WORKDIR` leaves it to root: write it into
    #   `directories` of a `[[layer]]` if that counts
    # line 5: `.dockerignore` leaves out `node_modules`, and the image needs it: it is taken from the project
    # line 5: the project is an application: its packages get layers of their own, and it has the variables of its kind,
    #   such as `NODE_ENV`; `kind = "tree"` takes its files as they are

    [image]
    name = "localhost:5000/example/app"
    base = "node:22-slim"

    [app]
    path = "."
    root = "/usr/src/app"
    owner = "node:node"
    exclude = [".git", "*.md"]

    [[layer]]
    name = "directories"
    directories = [{ path = "/data", owner = "node:node" }]

    [config]
    volumes = ["/data"]
    user = "node"
    workdir = "/usr/src/app"
    entrypoint = ["docker-entrypoint.sh"]
    cmd = ["node", "server.js"]
    healthcheck = { cmd = "curl -f http://localhost:3000/ || exit 1", interval = "30s", retries = 3 }
    "##);
}

#[test]
fn files_go_where_they_went() {
    let text = "\
ARG VERSION=1.27
FROM nginx:${VERSION}
LABEL org.example.a=\"x {y}\" org.example.b=2
COPY dist /usr/share/nginx/html
COPY nginx.conf /etc/nginx/conf.d/default.conf
COPY --chmod=755 scripts/*.sh /docker-entrypoint.d/
ADD https://example.com/x.tar /x
ADD files.tar.gz /opt
COPY --from=busybox:1 /bin/busybox /bin/
RUN ln -s /etc/nginx /conf && chmod +x /etc/nginx/conf.d/default.conf
STOPSIGNAL SIGQUIT
";
    let imported = import(text, &[("dist", true), ("nginx.conf", false), ("scripts", true)], None);
    insta::assert_snapshot!(shown(&imported), @r##"
    format = 1

    # Not in this image, by the lines that say so:
    # line 7: `ADD https://example.com/x.tar` fetches it: do that before the build, check its digest, and copy it in a
    #   `[[layer]]`
    # line 8: `ADD files.tar.gz` unpacks it: do that before the build, and copy the directory in a `[[layer]]`
    # line 9: `/bin/busybox` comes from the image `busybox:1`: copy it out of that, and into a `[[layer]]`

    [image]
    name = "localhost:5000/example/app"
    base = "nginx:1.27"

    [[layer]]
    name = "html"
    files = [{ from = "dist", to = "/usr/share/nginx/html" }]

    [[layer]]
    name = "default.conf"
    files = [{ from = "nginx.conf", to = "/etc/nginx/conf.d/default.conf", mode = "0755" }]

    [[layer]]
    name = "docker-entrypoint.d"
    files = [{ from = "scripts", to = "/docker-entrypoint.d", include = ["*.sh"], mode = "0755" }]

    [[layer]]
    name = "directories"
    links = [{ path = "/conf", to = "/etc/nginx" }]

    [config]
    labels = { "org.example.a" = "x {{y}}", "org.example.b" = "2" }
    stop-signal = "SIGQUIT"
    "##);
    let left = imported.remarks.iter().filter(|remark| remark.weight == Weight::Left);
    assert_eq!(left.map(|remark| remark.line).collect::<Vec<_>>(), [7, 8, 9]);
}

#[test]
fn users_and_web_applications_are_carried_over() {
    let text = "\
FROM tomcat:10
RUN groupadd -g 2000 shop && useradd -u 2000 -g shop -M shop
COPY --chown=shop target/shop.war $CATALINA_HOME/webapps/ROOT.war
COPY --chown=shop target/shop.war /usr/local/tomcat/webapps/ROOT.war
USER shop
ENV PATH=/opt/bin:$PATH JAVA_OPTS='-Xmx1g'
";
    let imported = import(text, &[], None);
    insta::assert_snapshot!(shown(&imported), @r##"
    format = 1

    # Not in this image, by the lines that say so:
    # line 3: `COPY --chown=shop target/shop.war $CATALINA_HOME/webapps/ROOT.war`: the value of `CATALINA_HOME` is not
    #   known here; copy it in a `[[layer]]`
    # line 6: `ENV PATH=/opt/bin:$PATH JAVA_OPTS='-Xmx1g'`: the value of `PATH` is not known here; write the value into
    #   the new file yourself

    [image]
    name = "localhost:5000/example/app"
    base = "tomcat:10"

    [app]
    path = "target/shop.war"
    root = "/usr/local/tomcat/webapps/ROOT"
    owner = "shop"

    [[user]]
    name = "shop"
    uid = 2000
    group = "shop"
    gid = 2000

    [config]
    env = { JAVA_OPTS = "-Xmx1g" }
    user = "shop"
    "##);
}

#[test]
fn a_stage_is_chosen_and_may_begin_with_another() {
    let text = "FROM a AS one\nENV X=1\nCMD [\"x\"]\nFROM one AS two\nENV Y=$X\nENTRYPOINT [\"y\"]\nFROM two\nCMD z\n";
    let none = |_: &str| None;
    let around =
        ImportSurroundings { is_directory: &none, directories: &|_| None, read: &|_| None, ignored: None };
    let two = read(text, Some("TWO"), &around).expect("there").draft;
    assert_eq!((two.base.as_deref(), two.config.cmd), (Some("a"), None));
    assert_eq!(
        two.config.env,
        BTreeMap::from([("X", "1"), ("Y", "1")].map(|(a, b)| (a.to_owned(), b.to_owned())))
    );
    let last = read(text, None, &around).expect("there").draft;
    assert_eq!(last.config.cmd, Some(["/bin/sh", "-c", "z"].map(str::to_owned).to_vec()));
    assert_eq!(last.config.entrypoint, Some(vec!["y".to_owned()]));
    assert_eq!(read(text, Some("3"), &around), Err(ImportError::NoStage("3".to_owned())));
}

#[test]
fn what_is_no_dockerfile_is_refused_with_its_line() {
    let none = |_: &str| None;
    let around =
        ImportSurroundings { is_directory: &none, directories: &|_| None, read: &|_| None, ignored: None };
    for (text, message) in [
        ("", "there is no `FROM` in it"),
        ("FROM a\nFORM b\n", "line 2: there is no instruction `FORM`"),
        ("RUN x\n", "line 1: `RUN` comes before the first `FROM`"),
        ("FROM a b\n", "line 1: `FROM` takes an image, and then at most `AS` and a name"),
        ("FROM a\nCOPY x\n", "line 2: `COPY` needs a source, and then a place in the image"),
        ("FROM a\nCOPY --form=x a b\n", "line 2: `COPY` has no flag `--form`"),
        ("FROM a\nSHELL bash\n", "line 2: `SHELL` takes a list in JSON, such as [\"/bin/bash\", \"-c\"]"),
        ("FROM a\nHEALTHCHECK --x=1 CMD y\n", "line 2: `HEALTHCHECK` has no flag `--x`"),
        ("FROM a\nCMD\n", "line 2: `CMD` has nothing behind it"),
    ] {
        assert_eq!(
            read(text, None, &around).map_err(|error| error.to_string()),
            Err(message.to_owned()),
            "{text:?}"
        );
    }
}

/// The parts of an application of Node.js that a stage makes lie in the project, which is copied as a whole.
#[test]
fn parts_of_the_project_come_with_it() {
    for last in [
        "COPY --from=build /app/node_modules ./node_modules\nCOPY . .\n",
        "COPY . .\nCOPY --from=build /app/node_modules ./node_modules\n",
        "COPY package*.json ./\nCOPY --from=build /app .\n",
    ] {
        let text = format!(
            "FROM node AS build\nWORKDIR /app\nCOPY package*.json ./\nRUN npm ci\nFROM node\nWORKDIR /app\n{last}"
        );
        let imported = import(&text, &[("package.json", false)], Some("node_modules\n"));
        let app = imported.draft.apps.first().expect("an artifact");
        assert_eq!(
            (app.path.as_str(), app.root.as_deref(), imported.draft.apps.len()),
            (".", Some("/app"), 1),
            "{last}"
        );
        let layers = imported.draft.layers.iter().filter(|layer| layer.files[0].from != ".");
        assert_eq!(layers.count(), 0, "{last}: {:?}", imported.draft.layers);
    }
    let text = "FROM node AS build\nWORKDIR /app\nRUN make\nFROM node\nWORKDIR /app\nCOPY . .\nCOPY --from=build /app/dist dist\n";
    let left_out = import(text, &[("package.json", false)], Some("dist\n"));
    assert_eq!(left_out.draft.layers.first().map(|layer| layer.files[0].to.as_str()), Some("/app/dist"));
}

#[test]
fn a_file_that_a_command_made_is_one_of_the_project() {
    let text = "FROM golang AS b\nWORKDIR /src\nCOPY . .\nRUN go build -o /bin/server ./cmd\nFROM scratch\n\
                COPY --from=b /bin/server /server\nCOPY --from=b /etc/passwd /etc/\n";
    let imported = import(text, &[], None);
    assert_eq!(imported.draft.layers[0].files[0].from, "server");
    let left: Vec<usize> =
        imported.remarks.iter().filter(|it| it.weight == Weight::Left).map(|it| it.line).collect();
    assert_eq!(left, [7]);
}

#[test]
fn a_directory_with_packages_is_an_application() {
    let text = "FROM node AS b\nWORKDIR /app\nCOPY app/ ./\nFROM node\nCOPY --from=b /app /srv\n";
    let imported =
        import(text, &[("app", true), ("app/package.json", false)], Some("app/node_modules\napp/x\n"));
    let app = &imported.draft.apps[0];
    assert_eq!(
        (app.path.as_str(), app.root.as_deref(), &app.exclude[..]),
        ("app", Some("/srv"), &["x".to_owned()][..])
    );
}

/// Small files that would fill memory or take for ever.
#[test]
fn hostile_files_cost_little() {
    let none = |_: &str| None;
    let around =
        ImportSurroundings { is_directory: &none, directories: &|_| None, read: &|_| None, ignored: None };
    let run = |text: String| read(&text, None, &around);
    let lines = |line: fn(usize) -> String, count: usize| (0..count).map(line).collect::<String>();
    let laughs = run(format!("FROM a\nENV A=xxxxxxxxxx\n{}", "ENV A=$A$A\n".repeat(34))).expect("taken over");
    assert!(laughs.draft.config.env["A"].len() <= 1 << 20);
    assert!(laughs.remarks.iter().all(|remark| remark.weight == Weight::Left) && !laughs.remarks.is_empty());
    let labels = lines(|number| format!(" a{number}=1"), 20_000);
    let stages = run(format!("FROM a\nLABEL {labels}\n{}", "FROM 0\n".repeat(60_000)));
    assert!(matches!(stages, Err(ImportError::TooMuch { what: "stages", .. })), "{stages:?}");
    let copies = run(format!("FROM a\n{}", lines(|number| format!("COPY a{number} /\n"), 10_000)));
    assert_eq!(
        copies.expect_err("too many").to_string(),
        "line 258: the files that are copied are more than 256, the most that is taken over"
    );
    assert_eq!(
        run(format!("FROM a\n{}", lines(|number| format!("ENV a{number}=1\n"), 60_000))).map(|it| it.remarks),
        Ok(vec![])
    );
    let many = run(format!("FROM a\nRUN mkdir {}\n", lines(|number| format!(" /d{number}"), 100_000)))
        .expect("taken over");
    assert_eq!((many.draft.layers.len(), many.remarks.len()), (0, 1));
    let commands =
        run(format!("FROM a\nRUN {}\n", lines(|number| format!("a{number};"), 100_000))).expect("taken over");
    assert_eq!(commands.remarks.len(), 21);
    assert_eq!(commands.remarks[20].text, "99980 more commands are not run");
}

#[test]
fn nothing_that_commands_say_is_dropped_in_silence() {
    let text = "FROM a\nRUN groupadd -g 7 alone && useradd -u 4294967295 -G audio,video one && useradd two\n\
                COPY d /d\nRUN chown 5 /d\nCOPY . /srv\nCOPY --chmod=755 run.sh /srv/\nRUN tell \u{1b}[31m\n\
                SHELL [\"bash\", \"-c\"]\nHEALTHCHECK CMD a b\n";
    let imported = import(text, &[("d", true)], None);
    let left: Vec<usize> =
        imported.remarks.iter().filter(|it| it.weight == Weight::Left).map(|it| it.line).collect();
    // The group without a user, the mode of a part of the project, and a command.
    assert_eq!(left, [2, 6, 7]);
    assert_eq!(directories(&imported), [("/d", Some("5:0"), None)]);
    let users: Vec<_> = imported.draft.users.iter().map(|user| (user.uid, user.groups.join(","))).collect();
    assert_eq!(users, [(u32::MAX, "audio,video".to_owned()), (1000, String::new())]);
    let written = shown(&imported);
    assert!(!written.contains('\u{1b}'), "{written}");
    assert!(written.contains("healthcheck = { cmd = [\"bash\", \"-c\", \"a b\"] }"), "{written}");
    let with_mode = import("FROM a\nCOPY --chmod=750 --chown=7 . /srv\n", &[], None).draft;
    assert_eq!(
        (with_mode.apps[0].mode.as_deref(), with_mode.apps[0].owner.as_deref()),
        (Some("0750"), Some("7"))
    );
}

#[test]
fn a_working_directory_with_an_owner_and_a_file_that_is_left_out_are_told() {
    let told = |text: &str, ignored| {
        let imported = import(text, &[("a.txt", false), ("d", true)], ignored);
        imported.remarks.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let owned = told("FROM a\nWORKDIR /app\nCOPY --chown=app . .\nCMD [\"x\"]\n", None);
    assert!(
        owned.contains("line 3: `/app` belongs to `app` like its files; `WORKDIR` leaves it to root"),
        "{owned}"
    );
    for other in [
        "FROM a\nWORKDIR /app\nCOPY . .\nCMD [\"x\"]\n",
        "FROM a\nWORKDIR /app\nCOPY --chown=app d d\nCMD [\"x\"]\n",
        "FROM a\nWORKDIR /app\nCOPY --chown=app a.txt .\nCMD [\"x\"]\n",
    ] {
        assert!(!told(other, None).contains("leaves it to root"), "{other}");
    }
    let text = "FROM a\nCOPY a.txt d /srv/\nCMD [\"x\"]\n";
    assert!(told(text, Some("*.txt\n")).contains("line 2: `a.txt` is left out by `.dockerignore`"));
    assert!(!told(text, Some("*.md\n")).contains("is left out"));
}

/// Lines of public Dockerfiles that were read wrongly once, in other words.
#[test]
fn a_file_goes_into_a_directory_that_is_there() {
    for text in [
        "FROM python\nWORKDIR /app\nCOPY list.txt /app\n",
        "FROM python\nRUN mkdir -p /app\nCOPY list.txt /app\n",
        "FROM python\nRUN mkdir /app/data\nCOPY list.txt /app\n",
        "FROM python\nCOPY list.txt /app/\n",
    ] {
        let draft = import(text, &[], None).draft;
        assert_eq!(draft.layers[0].files[0].to, "/app/", "{text}");
    }
    let onto =
        import("FROM python\nCOPY src /app/src\nCOPY list.txt /app/src\n", &[("src", true)], None).draft;
    assert_eq!(onto.layers[1].files[0].to, "/app/src/");
    let text = "FROM python\nCOPY src /app\nCOPY list.txt /app/data\n";
    let within = import(text, &[("src", true), ("src/data", true)], None).draft;
    assert_eq!(within.layers[1].files[0].to, "/app/data/");
    let system = import("FROM debian\nCOPY tool /usr/local/bin\n", &[], None).draft;
    assert_eq!(system.layers[0].files[0].to, "/usr/local/bin/");
    let empty = import("FROM scratch\nCOPY tool /bin\n", &[], None).draft;
    assert_eq!(empty.layers[0].files[0].to, "/bin");
}

#[test]
fn a_pattern_for_one_file_is_no_directory() {
    let jar = "FROM java\nCOPY target/shop-*.jar /app.jar\nENTRYPOINT [\"java\", \"-jar\", \"/app.jar\"]\n";
    assert_eq!(import(jar, &[], None).draft.apps[0].path, "target/shop-*.jar");
    let by_shell = "FROM java\nADD target/shop-*.jar /app.jar\nENTRYPOINT java $OPTS -jar /app.jar\n";
    let imported = import(by_shell, &[], None);
    assert_eq!((imported.draft.layers.len(), lines_left(&imported)), (0, vec![2]));
}

/// The lines that are left out.
fn lines_left(imported: &Imported) -> Vec<usize> {
    imported.remarks.iter().filter(|it| it.weight == Weight::Left).map(|it| it.line).collect()
}

#[test]
fn commands_run_where_and_by_whom_the_file_says() {
    let text = "FROM scratch\nUSER app\nRUN mkdir one\nUSER root\nWORKDIR /w\nRUN cd /opt && mkdir two && ln -s /x three\n\
                RUN mkdir four && cd ../v && (cd x && y) && mkdir five\n";
    let imported = import(text, &[], None);
    let made: Vec<_> = imported.draft.layers[0]
        .directories
        .iter()
        .map(|(path, owner, _)| (path.as_str(), owner.as_deref()))
        .collect();
    assert_eq!(made, [("/one", Some("app")), ("/opt/two", None)]);
    assert_eq!(imported.draft.layers[0].links[0].path, "/opt/three");
    // Of a script of another structure nothing is taken.
    assert_eq!(lines_left(&imported), [7]);
    assert_eq!(imported.draft.config.workdir.as_deref(), Some("/w"));
}

#[test]
fn commands_are_told_one_by_one() {
    let text = "FROM a\nENV ID=7\nRUN apk add \"a && b\" && mkdir -p ${ROOM:-/h}/x; echo hi > /motd && mkdir /d_${ID} \\\n && rm -rf /var/lib/apt/lists/* && apt-get clean && export A=1\n";
    let imported = import(text, &[], None);
    let told: Vec<&str> = imported.remarks.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("`RUN apk add \"a && b\"` is not run: packages"), "{told:?}");
    // It runs only if the command before it did, and the list does not end the script.
    assert!(told[1].ends_with("is not run, since it depends on a command before it"), "{told:?}");
    assert!(told[2].starts_with("`RUN echo hi > /motd`"), "{told:?}");
    let made: Vec<&str> =
        imported.draft.layers[0].directories.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(made, ["/d_7"]);
    assert_eq!(lines_left(&import("FROM a\nRUN rm -rf /srv/x /tmp/y\n", &[], None)), [2]);
}

#[test]
fn nothing_is_copied_to_a_directory_that_is_not_known() {
    let text = "FROM golang AS b\nWORKDIR $GOPATH/src\nCOPY . .\nRUN mkdir x\nFROM a\nWORKDIR $ROOT\nCOPY a ./\nRUN mkdir b\nCOPY c /c\n";
    let imported = import(text, &[], None);
    assert_eq!(lines_left(&imported), [6, 7, 8]);
    assert_eq!((imported.draft.layers.len(), imported.draft.config.workdir), (1, None));
}

#[test]
fn an_argument_without_a_value_leaves_the_default() {
    let text = "FROM a\nARG COLOUR\nARG TARGETARCH\nENV STAR=${COLOUR:-black}\nENV X=${COLOUR:+y}\nENV Z=${TARGETARCH:-amd64}\nENV W=$COLOUR\n";
    let imported = import(text, &[], None);
    assert_eq!(imported.draft.config.env["STAR"], "black");
    assert_eq!(imported.draft.config.env["X"], "");
    assert_eq!(lines_left(&imported), [6, 7]);
    let told = "the argument `COLOUR` counts as not given: its other value is taken";
    assert!(imported.remarks.iter().any(|it| it.line == 4 && it.text == told), "{:?}", imported.remarks);
}

#[test]
fn a_group_without_a_user_is_its_number() {
    let text = "FROM node\nRUN addgroup --system --gid 1001 web && adduser --system --uid 1002 app\n\
                COPY --chown=app:web dist /dist\nUSER app:web\n";
    let imported = import(text, &[("dist", true)], None);
    assert_eq!(imported.draft.layers[0].files[0].owner.as_deref(), Some("app:1001"));
    assert_eq!(imported.draft.config.user.as_deref(), Some("app:1001"));
    assert_eq!(lines_left(&imported), [0usize; 0]);
}

#[test]
fn another_stage_gives_what_it_was_given() {
    let text = "FROM alpine AS files\nRUN mkdir -p /etc/shop /var/shop && adduser -D -u 7 shop\nCOPY conf/a.yaml conf/b.yaml /etc/shop/\n\
                COPY run /scripts/run\nFROM alpine AS made\nWORKDIR /out\nRUN fetch it\nFROM alpine\n\
                COPY --from=files /etc/passwd /etc/group /etc/\nCOPY --from=files --chown=7 /var/shop /var/shop\nCOPY --from=files /etc/shop /etc/shop\n\
                COPY --from=files /scripts/* /bin/\nCOPY --from=made /out /out\nCOPY --from=made /x/* /x/\nCOPY --from=files / /\n";
    let imported = import(text, &[], None);
    let files: Vec<(&str, &str)> = imported
        .draft
        .layers
        .iter()
        .flat_map(|layer| &layer.files)
        .map(|it| (it.from.as_str(), it.to.as_str()))
        .collect();
    assert_eq!(files, [("conf/a.yaml", "/etc/shop/"), ("conf/b.yaml", "/etc/shop/"), ("run", "/bin/run")]);
    let directories = &imported.draft.layers.last().expect("directories").directories;
    assert_eq!(directories[0], ("/var/shop".to_owned(), Some("7".to_owned()), None));
    assert_eq!(imported.draft.users[0].name, "shop");
    assert_eq!(lines_left(&imported), [13, 14, 15]);
}

/// The places of all copied files.
fn places(imported: &Imported) -> Vec<(&str, &str)> {
    let files = imported.draft.layers.iter().flat_map(|layer| &layer.files);
    files.map(|it| (it.from.as_str(), it.to.as_str())).collect()
}

/// The directories that are made or changed.
fn directories(imported: &Imported) -> Vec<(&str, Option<&str>, Option<&str>)> {
    let all = imported.draft.layers.iter().flat_map(|layer| &layer.directories);
    all.map(|(path, owner, mode)| (path.as_str(), owner.as_deref(), mode.as_deref())).collect()
}

#[test]
fn the_working_directory_of_a_base_is_not_taken_for_the_root() {
    let text = "FROM tomcat:10\nCOPY shop.war webapps/ROOT.war\nCOPY a /a\nWORKDIR sub\nCOPY b .\nRUN mkdir c\nWORKDIR /w\nCOPY d .\n";
    let imported = import(text, &[], None);
    assert_eq!(lines_left(&imported), [2, 4, 5, 6]);
    assert_eq!((imported.draft.apps.len(), places(&imported)), (0, vec![("a", "/a"), ("d", "/w/")]));
    let official = import("FROM docker.io/library/debian:12\nCOPY a b\n", &[], None);
    assert_eq!((places(&official), official.remarks.len()), (vec![("a", "/b")], 1));
    assert_eq!(places(&import("FROM scratch\nCOPY a b\n", &[], None)), [("a", "/b")]);
    // The command says where the jar is.
    let jar =
        import("FROM x/java\nCOPY a.jar app.jar\nENTRYPOINT [\"java\", \"-jar\", \"/app.jar\"]\n", &[], None);
    assert_eq!((jar.draft.apps[0].path.as_str(), lines_left(&jar)), ("a.jar", vec![]));
}

#[test]
fn the_command_of_the_file_wins_over_that_of_an_application() {
    let project = [("package.json", false)];
    let start = |text: &str| {
        let draft = import(text, &project, None).draft;
        (draft.apps[0].kind, draft.config.entrypoint, draft.config.cmd)
    };
    let words = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
    let other = words(&["node", "other.js"]);
    for (text, expected) in [
        (
            "FROM node:22\nCOPY . /srv\nCMD [\"node\", \"other.js\"]\n",
            (None, words(&["docker-entrypoint.sh"]), other.clone()),
        ),
        ("FROM python:3\nCOPY . /srv\nCMD [\"node\", \"other.js\"]\n", (None, words(&[]), other.clone())),
        ("FROM x/node\nCOPY . /srv\nCMD [\"node\", \"other.js\"]\n", (Some("tree"), None, other.clone())),
        ("FROM x/node\nCOPY . /srv\nENTRYPOINT [\"node\", \"other.js\"]\n", (None, other, None)),
        ("FROM node\nCOPY . /srv\n", (Some("tree"), None, None)),
    ] {
        assert_eq!(start(text), expected, "{text}");
    }
}

#[test]
fn a_mode_or_owner_is_of_what_the_command_names() {
    let project = [("config", true), ("src", true), ("run.sh", false)];
    let text = "FROM a\nWORKDIR /w\nCOPY config ./config\nCOPY src ./src\nCOPY run.sh a.sh /bin2/\n\
                RUN chmod 750 /w/config && chown bob /w/config && chmod +x /bin2/run.sh && mkdir -m 700 /no\n";
    let imported = import(text, &project, None);
    let modes: Vec<_> = imported
        .draft
        .layers
        .iter()
        .flat_map(|layer| &layer.files)
        .map(|it| (it.from.as_str(), it.mode.as_deref(), it.owner.as_deref()))
        .collect();
    assert_eq!(
        modes,
        [("config", None, None), ("src", None, None), ("run.sh", Some("0755"), None), ("a.sh", None, None)]
    );
    assert_eq!(directories(&imported), [("/w/config", Some("bob:0"), Some("0750"))]);
    assert_eq!(lines_left(&imported), [6]);
    let all = import(
        "FROM a\nWORKDIR /w/x\nCOPY src ./y/src\nCOPY run.sh .\nRUN chown -R bob: /w\n",
        &project,
        None,
    );
    assert_eq!(
        directories(&all),
        [("/w", Some("bob"), None), ("/w/x", Some("bob"), None), ("/w/x/y", Some("bob"), None)]
    );
    assert!(all.draft.layers.iter().flat_map(|it| &it.files).all(|it| it.owner.as_deref() == Some("bob")));
    // Files of the base lie there, too.
    let system = import("FROM a\nCOPY src /opt\nRUN chown -R bob /opt\n", &project, None);
    assert_eq!(lines_left(&system), [3]);
}

#[test]
fn a_command_that_may_not_have_run_makes_nothing() {
    for text in [
        "mkdir /a || true",
        "mkdir /a | cat",
        "true & mkdir /a",
        "x && mkdir /a; true",
        "cd $X && mkdir a",
        "mkdir $(x)",
        "mkdir ~/a",
        "A=/b && mkdir $A",
        "umask 077 && mkdir /a",
        "mkdir $SEVERAL",
        "[ -d /x ] || mkdir /a",
        "mkdir ${HOME:-/a}",
        "exit 0; mkdir /a",
        "[\"mkdir\", \"it's\"]",
        "cat <<E\nmkdir /a\nE",
    ] {
        let imported = import(&format!("FROM a\nENV A=/x SEVERAL='/a /b'\nRUN {text}\n"), &[], None);
        assert_eq!((directories(&imported), lines_left(&imported)[0]), (vec![], 3), "{text}");
    }
    let words =
        import("FROM a\nRUN [\"mkdir\", \"/a b\"]\nRUN [\"sh\", \"-c\", \"mkdir /c # d\"]\n", &[], None);
    assert_eq!(directories(&words), [("/a b", None, None), ("/c", None, None)]);
    // The script succeeds only if its last list does.
    let last = import("FROM a\nRUN x; y && mkdir /a\n", &[], None);
    assert_eq!((directories(&last).len(), lines_left(&last)), (1, vec![2, 2]));
    let removed = import("FROM a\nCOPY x /tmp/\nRUN rm -rf /tmp/*\n", &[], None);
    assert_eq!(lines_left(&removed), [3]);
}

#[test]
fn a_directory_belongs_to_the_user_who_makes_it() {
    let text = "FROM a\nRUN useradd -u 7 -m app\nUSER app\nWORKDIR /home/app/w\nRUN mkdir x && mkdir -p /y/z\nUSER $X\nRUN mkdir /u\n";
    let imported = import(text, &[], None);
    assert_eq!(
        directories(&imported),
        [("/home/app/w", Some("app"), None), ("/home/app/w/x", Some("app"), None)]
    );
    assert_eq!(lines_left(&imported), [5, 6, 7]);
}

#[test]
fn ports_are_written_as_the_build_file_reads_them() {
    let imported = import("FROM a\nEXPOSE 53/UDP 80/TCP 8000-8003 9/sctp 0 x 70000\n", &[], None);
    assert_eq!(imported.draft.config.ports, ["53/udp", "80", "8000-8003", "9/sctp"]);
    assert_eq!(lines_left(&imported), [2, 2, 2]);
}

#[test]
fn the_content_of_a_directory_that_a_pattern_matches_is_copied() {
    let kinds = BTreeMap::from([("ctx", true), ("ctx/sub", true), ("ctx/out", true)]);
    let around = ImportSurroundings {
        is_directory: &|path| kinds.get(path).copied(),
        directories: &|path| (path == "ctx").then(|| vec!["sub".to_owned(), "out".to_owned()]),
        read: &|_| None,
        ignored: Some("ctx/out\n*/*.log\n"),
    };
    let imported = read("FROM a\nCOPY ctx/* /e/\n", None, &around).expect("a Dockerfile");
    assert_eq!(places(&imported), [("ctx", "/e"), ("ctx/sub", "/e")]);
    let first = &imported.draft.layers[0].files[0];
    assert_eq!(
        (&first.include[..], &first.exclude[..]),
        (&["*".to_owned()][..], &["out", "*.log", "sub"].map(str::to_owned)[..])
    );
}

#[test]
fn of_two_files_at_one_place_the_last_is_taken() {
    let twice = import("FROM a\nCOPY a a /b/\nCOPY x/c y/c /e/\n", &[], None);
    assert_eq!(places(&twice), [("a", "/b/"), ("y/c", "/e/")]);
    let check: Vec<usize> = twice.remarks.iter().map(|remark| remark.line).collect();
    assert_eq!(check, [2, 3]);
    // Two directories may have one file, and a directory that of another source.
    let project = [("p", true), ("q", true), ("q/c", false)];
    let several = import("FROM a\nCOPY p q x/c z /e/\n", &project, None);
    let layers: Vec<Vec<&str>> = several
        .draft
        .layers
        .iter()
        .map(|layer| layer.files.iter().map(|files| files.from.as_str()).collect())
        .collect();
    assert_eq!(layers, [vec!["p"], vec!["q"], vec!["x/c", "z"]]);
    let links = import("FROM a\nRUN ln -s a /x\nRUN ln -sf b /x && ln -s c /x\nRUN mkdir /x\n", &[], None);
    let made: usize = links.draft.layers.iter().map(|layer| layer.links.len()).sum();
    assert_eq!((made, lines_left(&links)), (1, vec![3, 4]));
}

/// Files that name everything with everything else.
#[test]
fn hostile_pairs_cost_little() {
    let none = |_: &str| Some(true);
    let rules = "x\n".repeat(30_000);
    let around = ImportSurroundings {
        is_directory: &none,
        directories: &|_| None,
        read: &|_| None,
        ignored: Some(&rules),
    };
    let run = |text: &str| read(text, None, &around);
    let parents =
        format!("FROM a\nCOPY --parents --exclude={} {} /x\n", "e".repeat(500_000), "a ".repeat(200_000));
    assert!(matches!(run(&parents), Err(ImportError::TooMuch { line: 2, .. })));
    let signs = format!("FROM a\nRUN {}\n", "<<!".repeat(300_000));
    assert_eq!(run(&signs).expect("taken over").remarks.len(), 1);
    let pairs = format!(
        "FROM a\n{}{}",
        (0..127).map(|number| format!("COPY a{number} /app/a{number}\n")).collect::<String>(),
        "COPY . /app\n".repeat(127)
    );
    assert!(matches!(run(&pairs), Err(ImportError::TooMuch { .. })));
    let nested: String = (0..16_000).map(|number| format!("FROM a\nCOPY --from={number} /q /q\n")).collect();
    assert_eq!(lines_left(&run(&format!("FROM a\nCOPY b /q\n{nested}")).expect("taken over")).len(), 1);
    let owners = format!(
        "FROM a\nRUN mkdir{}\nRUN {}\n",
        " /d/d".repeat(500),
        "chown -R o / / / / / / / /;".repeat(30_000)
    );
    assert!(run(&owners).is_ok_and(|imported| imported.remarks.len() <= 22));
    let users = format!("FROM a\nRUN {}\n", "useradd a;".repeat(1000)).repeat(20);
    assert!(matches!(run(&users), Ok(_) | Err(ImportError::TooMuch { .. })));
}
