//! Java applications.

use super::bases::Base;
use super::case::{Case, Found, Image, Place, app, config, tree};
use super::session::show;
use crate::apps::hello_jar;
use crate::artifacts::war;
use crate::java::{Classes, distribution, quarkus_app, small_boot_jar, thin_jar};
use crate::support::Zip;

/// The major version of the class files of Java 21; the bases have Java 17.
const NEWER: u16 = 65;

/// A class file for a newer Java.
fn newer(mut class: Vec<u8>) -> Vec<u8> {
    class[6..8].copy_from_slice(&NEWER.to_be_bytes());
    class
}

fn classes(place: &Place) -> Classes {
    Classes {
        main: place.input("classes/shop/Main.class"),
        library: place.input("classes/greeting/Greeting.class"),
        launcher: place.input("classes/loader/Launcher.class"),
    }
}

fn newer_main(place: &Place) -> Classes {
    let classes = classes(place);
    Classes { main: newer(classes.main), ..classes }
}

/// A jar that needs nothing but Java.
fn jar(place: &Place, base: Base) -> Image {
    place.write("hello.jar", hello_jar(""));
    Image::on(base, app("hello.jar"))
}

fn thin(place: &Place, classes: &Classes) -> Image {
    place.files("", thin_jar(classes));
    Image::on(Base::Java, app("shop-1.2.jar"))
}

fn boot(place: &Place, classes: &Classes) -> Image {
    place.write("boot.jar", small_boot_jar(classes, "the shop"));
    Image::on(Base::Java, app("boot.jar"))
}

fn quarkus(place: &Place, classes: &Classes) -> Image {
    place.files("", quarkus_app(classes));
    Image::on(Base::Java, app("quarkus-app"))
}

fn distributed(place: &Place, base: Base) -> Image {
    place.files("", distribution(&classes(place)));
    place.mode("shop-1.2/bin/shop", 0o755);
    Image::on(base, app("shop-1.2"))
}

/// The same, started by its own script.
fn started_by_its_script(place: &Place, base: Base) -> Image {
    let image = distributed(place, base);
    Image { text: tree("shop-1.2", "/app") + &config(&["/app/bin/shop"], ""), ..image }
}

/// A jar whose manifest names this main class.
fn jar_of(main: &str) -> Vec<u8> {
    let mut jar = Zip::default();
    let manifest = format!("Manifest-Version: 1.0\r\nMain-Class: {main}\r\n\r\n");
    jar.stored("META-INF/MANIFEST.MF", manifest.as_bytes()).stored("a.txt", b"a").finish()
}

fn signed(place: &Place, variant: &str) -> Image {
    place.write("app.jar", place.input(&format!("failing/java/{variant}.jar")));
    Image::on(Base::Java, app("app.jar"))
}

/// A jar whose main class is in a library that was signed.
fn with_signed_library(place: &Place, variant: &str) -> Image {
    let mut jar = Zip::default();
    let manifest = b"Manifest-Version: 1.0\r\nMain-Class: shop.Main\r\nClass-Path: lib/signed.jar\r\n\r\n";
    place
        .write("app.jar", jar.stored("META-INF/MANIFEST.MF", manifest).finish())
        .write("lib/signed.jar", place.input(&format!("failing/java/{variant}.jar")));
    Image::on(Base::Java, app("app.jar"))
}

const WEB: &[u8] = b"<web-app><servlet><servlet-name>page</servlet-name><servlet-class>shop.Page</servlet-class></servlet>\
<servlet-mapping><servlet-name>page</servlet-name><url-pattern>/page</url-pattern></servlet-mapping></web-app>";

/// A web application with one servlet.
fn web(place: &Place, class: &[u8]) -> Image {
    place.write("shop.war", war(&[("WEB-INF/web.xml", WEB), ("WEB-INF/classes/shop/Page.class", class)]));
    Image::on(Base::Tomcat, app("shop.war")).with_page("/page")
}

fn web_of(place: &Place, generation: &str) -> Image {
    web(place, &place.input(&format!("failing/servlet/{generation}/shop/Page.class")))
}

/// A jar as it is, started by hand.
fn by_hand(place: &Place, jar: &[u8]) -> Image {
    place.write("app/app.jar", jar);
    Image::on(Base::Java, tree("app", "/app") + &config(&["java", "-jar", "/app/app.jar"], ""))
}

/// A sound jar with these words of the settings.
fn jar_started(place: &Place, words: &[&str]) -> Image {
    place.write("app/app.jar", hello_jar(""));
    Image::on(Base::Java, tree("app", "/app") + &config(words, ""))
}

fn truncated() -> Vec<u8> {
    let jar = hello_jar("");
    jar[..jar.len() - 60].to_vec()
}

fn without_main_class() -> Vec<u8> {
    let mut jar = Zip::default();
    jar.stored("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n\r\n").stored("a.txt", b"a").finish()
}

fn cases() -> Vec<Case> {
    let newer_class = |name, faulty, mended, runs| Case {
        name,
        found: Found::Rules(&["java-version"]),
        faulty,
        mended,
        fails: "UnsupportedClassVersionError",
        runs,
    };
    vec![
        newer_class(
            "class-newer-thin-jar",
            |place| thin(place, &newer_main(place)),
            |place| thin(place, &classes(place)),
            "hello to a thin jar",
        ),
        newer_class(
            "class-newer-boot",
            |place| boot(place, &newer_main(place)),
            |place| boot(place, &classes(place)),
            "hello to the shop",
        ),
        newer_class(
            "class-newer-quarkus",
            |place| quarkus(place, &newer_main(place)),
            |place| quarkus(place, &classes(place)),
            "hello to Quarkus",
        ),
        newer_class(
            "class-newer-war",
            |place| web(place, &newer(place.input("failing/servlet/jakarta/shop/Page.class"))),
            |place| web_of(place, "jakarta"),
            "a page of a servlet",
        ),
        Case {
            name: "older-servlets",
            found: Found::Rules(&["servlet-api"]),
            faulty: |place| web_of(place, "javax"),
            mended: |place| web_of(place, "jakarta"),
            fails: "ClassNotFoundException: javax.servlet.http.HttpServlet",
            runs: "a page of a servlet",
        },
        Case {
            name: "java-missing",
            found: Found::Rules(&["java-missing"]),
            faulty: |place| jar(place, Base::Debian),
            mended: |place| jar(place, Base::Java),
            fails: "executable file not found in $PATH",
            runs: "hello from a jar",
        },
        Case {
            name: "jar-truncated",
            found: Found::Refused {
                says: "is a truncated zip archive",
                by_hand: |place| by_hand(place, &truncated()),
            },
            faulty: |place| {
                place.write("hello.jar", truncated());
                Image::on(Base::Java, app("hello.jar"))
            },
            mended: |place| jar(place, Base::Java),
            fails: "Invalid or corrupt jarfile",
            runs: "hello from a jar",
        },
        Case {
            name: "no-main-class",
            found: Found::Refused {
                says: "has no `Main-Class`",
                by_hand: |place| by_hand(place, &without_main_class()),
            },
            faulty: |place| {
                place.write("hello.jar", without_main_class());
                Image::on(Base::Java, app("hello.jar"))
            },
            mended: |place| jar(place, Base::Java),
            fails: "no main manifest attribute",
            runs: "hello from a jar",
        },
        Case {
            name: "class-path-broken",
            found: Found::Refused {
                says: "lib/greeting-1.0.jar`, which is not there",
                by_hand: |place| {
                    let [(_, jar), ..] = &thin_jar(&classes(place))[..] else { panic!("has a jar") };
                    by_hand(place, jar)
                },
            },
            faulty: |place| {
                let image = thin(place, &classes(place));
                place.remove("lib/greeting-1.0.jar");
                image
            },
            mended: |place| thin(place, &classes(place)),
            fails: "java.lang.NoClassDefFoundError: greeting/Greeting",
            runs: "hello to a thin jar",
        },
        Case {
            name: "library-of-quarkus-missing",
            found: Found::Refused {
                says: "class path of `quarkus-run.jar` has `lib/boot/greeting-1.0.jar`",
                by_hand: |place| {
                    quarkus(place, &classes(place));
                    place.remove("quarkus-app/lib/boot/greeting-1.0.jar");
                    let entrypoint = config(&["java", "-jar", "/app/quarkus-run.jar"], "");
                    Image::on(Base::Java, tree("quarkus-app", "/app") + &entrypoint)
                },
            },
            faulty: |place| {
                let image = quarkus(place, &classes(place));
                place.remove("quarkus-app/lib/boot/greeting-1.0.jar");
                image
            },
            mended: |place| quarkus(place, &classes(place)),
            fails: "java.lang.NoClassDefFoundError: greeting/Greeting",
            runs: "hello to Quarkus",
        },
        Case {
            name: "distribution-without-java",
            found: Found::Rules(&["java-missing"]),
            faulty: |place| distributed(place, Base::Debian),
            mended: |place| distributed(place, Base::Java),
            fails: "java: not found",
            runs: "hello to a distribution",
        },
        Case {
            name: "start-script-without-a-shell",
            found: Found::Rules(&["entrypoint-no-shell"]),
            faulty: |place| started_by_its_script(place, Base::JavaAlone),
            mended: |place| started_by_its_script(place, Base::Java),
            fails: "no such file or directory",
            runs: "hello to a distribution",
        },
        Case {
            name: "main-class-gone",
            found: Found::Refused {
                says: "its main class `Gone` is not in it",
                by_hand: |place| by_hand(place, &jar_of("Gone")),
            },
            faulty: |place| {
                place.write("hello.jar", jar_of("Gone"));
                Image::on(Base::Java, app("hello.jar"))
            },
            mended: |place| jar(place, Base::Java),
            fails: "Could not find or load main class Gone",
            runs: "hello from a jar",
        },
        Case {
            name: "jar-gone",
            found: Found::Rules(&["entrypoint-missing"]),
            faulty: |place| jar_started(place, &["java", "-jar", "/app/shop.jar"]),
            mended: |place| jar_started(place, &["java", "-jar", "/app/app.jar"]),
            fails: "Unable to access jarfile /app/shop.jar",
            runs: "hello from a jar",
        },
        Case {
            name: "class-gone",
            found: Found::Rules(&["entrypoint-missing"]),
            faulty: |place| jar_started(place, &["java", "-cp", "/app/*", "shop.Hello"]),
            mended: |place| jar_started(place, &["java", "-cp", "/app/*", "Hello"]),
            fails: "Could not find or load main class shop.Hello",
            runs: "hello from a jar",
        },
        Case {
            name: "class-path-of-jars-is-a-directory",
            found: Found::Rules(&["entrypoint-missing"]),
            faulty: |place| jar_started(place, &["java", "-cp", "/app", "Hello"]),
            mended: |place| jar_started(place, &["java", "-ea", "--class-path=/x:/app/app.jar", "Hello"]),
            fails: "Could not find or load main class Hello",
            runs: "hello from a jar",
        },
        Case {
            name: "signature-broken",
            found: Found::Rules(&["jar-signature"]),
            faulty: |place| signed(place, "changed"),
            mended: |place| signed(place, "signed"),
            fails: "java.lang.SecurityException: SHA-256 digest error",
            runs: "hello to a signed jar",
        },
        Case {
            name: "library-signature-broken",
            found: Found::Rules(&["jar-signature"]),
            faulty: |place| with_signed_library(place, "changed"),
            mended: |place| with_signed_library(place, "signed"),
            fails: "java.lang.SecurityException: SHA-256 digest error",
            runs: "hello to a signed jar",
        },
    ]
}

#[test]
fn java_applications_that_do_not_start_are_found() {
    show(&cases(), &[Base::Debian, Base::Java, Base::JavaAlone, Base::Tomcat]);
}
