"""How many bytes a change sends: `pack` beside other ways to split the same files into layers.

Each application is there in real versions: before, with one class, module or page changed, with one library newer, and the next release (see
benches/versions). `pack` builds all of them, the changed ones on the state of the first, into one layout. A push would send
the blobs that are new in it: layers, configuration and manifest.

The other ways get the files that `pack`'s image has (Jib's those of the jar, which it takes apart). Each layer is a tar without times, compressed by
zlib at level 6; a layer counts where its tar is another:
  one         all files in one layer
  Jib         dependencies, snapshots, resources, classes, as its plugins and its command line take WARs and jars
  their own   Spring Boot: its layers.idx; Quarkus: `lib`, `quarkus-run.jar`, `app`, `quarkus`, as its extension for Jib does; others: the libraries, then
              the rest, as a Dockerfile with two COPY does
Two aims: changed code sends at most its own compressed size and 64 KiB, or its own layers, without any library and a tenth of all at most; one newer library
sends at most 2/k of all libraries, k being the number of layers that they are in. A figure that misses its aim is bold.

The second table has every library of the application in turn: what its layers weigh is what a new version of it sends.
"""

import argparse
import collections
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib

SLACK = 64 << 10
CHANGES = {"code": "code", "dependency": "one library", "release": "next release"}
File = collections.namedtuple("File", "mode link content")  # content: bytes, or None for a link


class Application:
    """One application in its versions. `artifact` is what `pack` is given below a version's directory."""

    def __init__(self, kind, title, base, artifact="", jib=None, own=None, options=()):
        self.kind, self.title, self.base, self.artifact, self.jib, self.own, self.options = kind, title, base, artifact, jib, own, options

    def versions(self, inputs):
        return [v for v in ("before", *CHANGES) if (inputs / self.kind / v).exists()]


def two_layers(pattern):
    return lambda path: "libraries" if re.search(pattern, path) else "rest"


def of_java(path):
    """Jib's layer of a file of a WAR or a jar that was taken apart."""
    if re.search(r"(^|/)lib(-provided)?/[^/]*\.jar$", path):
        return "snapshots" if "SNAPSHOT" in path else "dependencies"
    if path.startswith("org/springframework/boot/loader/"):
        return "loader"
    return "classes" if path.endswith(".class") else "resources"


def of_boot(path):
    """The layer of a file by the layers.idx that Boot's plugins write."""
    if re.search(r"(^|/)lib(-provided)?/[^/]*\.jar$", path):
        return "snapshots" if "SNAPSHOT" in path else "dependencies"
    return "loader" if path.startswith("org/springframework/boot/loader/") else "application"


def of_quarkus(path):
    return path.split("/")[0]


APPLICATIONS = [
    Application("war", "WAR: ActiveMQ's console", "tomcat", jib="image", own=two_layers("^WEB-INF/lib/")),
    Application("boot-war", "WAR of Spring Boot", "tomcat", "shop.war", jib="image", own=of_boot),
    Application("boot-jar", "Spring Boot jar", "tomcat", "shop.jar", jib="shop.jar", own=of_boot),
    Application("quarkus", "Quarkus", "tomcat", jib=None, own=of_quarkus),
    Application("thin-jar", "jar with a class path", "tomcat", "shop-1.0-runner.jar", jib="image", own=two_layers("^lib/")),
    Application("distribution", "`bin` and `lib`: Allure", "tomcat", own=two_layers("^lib/")),
    Application("node-npm", "Node.js, npm: Node-RED", "node", own=two_layers("^node_modules/")),
    Application("node-pnpm", "Node.js, pnpm: Node-RED", "node", own=two_layers("^node_modules/")),
    Application("python-venv", "Python, venv: Datasette", "python", own=two_layers("site-packages/")),
    Application("python-target", "Python, `--target`: Jupyter's notebook", "python",
                options=["--set", 'config.entrypoint=["python3.11", "-m", "notebook"]']),
    Application("site", "site: Swagger UI", "tomcat", options=["--root", "/srv/www"]),
]


class Image:
    """Our layers of an image of a layout: names, sizes, and the files in them, below the directory of the application."""

    def __init__(self, layout, report):
        image = report["images"][0]
        self.layers = {layer["name"]: layer["facts"] for layer in image["layers"]}
        manifest = blob(layout, image["digest"])
        self.documents = {image["digest"]: len(manifest), image["config"]: json.loads(manifest)["config"]["size"]}
        self.files, self.layer_of = {}, {}
        for name, facts in self.layers.items():
            for path, file in files_of(gzip.decompress(blob(layout, facts["digest"]))):
                self.files[path], self.layer_of[path] = file, name
        top = os.path.commonpath([os.path.dirname(path) for path in self.files]) + "/"
        self.files = {path.removeprefix(top): file for path, file in self.files.items()}
        self.layer_of = {path.removeprefix(top): name for path, name in self.layer_of.items()}

    def size(self):
        return sum(facts["size"] for facts in self.layers.values())

    def new(self, before):
        """Names of the layers that another image does not have, and all bytes that it does not have."""
        known = {facts["digest"] for facts in before.layers.values()}
        names = [name for name, facts in self.layers.items() if facts["digest"] not in known]
        documents = sum(size for digest, size in self.documents.items() if digest not in before.documents)
        return names, sum(self.layers[name]["size"] for name in names) + documents

    def libraries(self):
        """The layers of libraries, without that of the links between them."""
        return [name for name in self.layers if re.fullmatch(r"(dependencies|snapshots)( \d+/\d+)?", name)]

    def changed(self, before):
        """The compressed size of the files that the other image does not have in the same place, each by itself."""
        return sum(len(zlib.compress(file.content or b"", 6)) for path, file in self.files.items() if before.files.get(path) != file)


def blob(layout, digest):
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def files_of(tar):
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            if not member.isdir():
                stream = archive.extractfile(member) if member.isfile() else None
                yield member.name, File(member.mode, member.linkname, stream.read() if stream else None)


def files_of_jar(path):
    """A jar, taken apart."""
    with zipfile.ZipFile(path) as jar:
        return {name: File(0o644, "", jar.read(name)) for name in jar.namelist() if not name.endswith("/")}


def tar_of(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, file in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.mode, member.mtime = file.mode, 1
            if file.content is None:
                member.type, member.linkname = tarfile.SYMTYPE, file.link
                archive.addfile(member)
            else:
                member.size = len(file.content)
                archive.addfile(member, io.BytesIO(file.content))
    return out.getvalue()


class Split:
    """A way to split files into layers: a function from paths to the names of layers."""

    def __init__(self, layer_of, before):
        self.layer_of = layer_of
        self.before = {name: hashlib.sha256(tar).digest() for name, tar in self.tars(before)}

    def tars(self, files):
        layers = collections.defaultdict(dict)
        for path, file in files.items():
            layers[self.layer_of(path)][path] = file
        for name, content in layers.items():
            yield name, tar_of(content)

    def sent(self, files):
        """The compressed bytes of all layers that are others now."""
        return sum(compressed(tar) for name, tar in self.tars(files) if self.before.get(name) != hashlib.sha256(tar).digest())


def compressed(data):
    encoder = zlib.compressobj(6, zlib.DEFLATED, 31)
    return len(encoder.compress(data)) + len(encoder.flush())


def package(path):
    """The library that a file of a layer of libraries belongs to."""
    if jar := re.search(r"([^/]+)\.jar$", path):
        return jar[1]
    if found := re.findall(r"node_modules/((?:@[^/]+/)?[^/.][^/]*)", path):
        return found[-1]
    inner = path.split("site-packages/")[-1].split("/")[0]
    return re.sub(r"[-_.]+", "-", re.sub(r"(-[0-9].*)?\.(dist-info|libs|py)$", "", inner)).lower()


def measure(application, args, scratch):
    inputs = args.cache / "versions" / application.kind
    layout, cache = scratch / "layout", scratch / "cache"
    images, jars = {}, {}
    for version in application.versions(args.cache / "versions"):
        report = scratch / "report.json"
        artifact = inputs / version / application.artifact
        command = [args.pack, "build", artifact, "--base", f"oci:{args.cache}/bases:{application.base}", "--name", f"localhost/{application.kind}",
                   "-o", f"oci:{layout}:{application.kind}-{version}", "--metadata-file", report, *application.options]
        done = subprocess.run(command, cwd=scratch, env={**os.environ, "PACK_CACHE_DIR": str(cache)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"{application.kind} {version}: {done.stderr}")
        images[version] = Image(layout, json.loads(report.read_text()))
        if application.jib not in (None, "image"):
            jars[version] = files_of_jar(inputs / version / application.jib)
    before = images["before"]
    one = Split(lambda path: "all", before.files)
    own = application.own and Split(application.own, before.files)
    jib = application.jib and Split(of_java, jars.get("before", before.files))
    rows = []
    for version, image in list(images.items())[1:]:
        names, sent = image.new(before)
        libraries = image.libraries()
        weight = sum(image.layers[name]["size"] for name in libraries)
        row = {"change": version, "changed": image.changed(before), "layers": names, "pack": sent, "one": one.sent(image.files),
               "jib": jib.sent(jars.get(version, image.files)) if jib else None, "own": own.sent(image.files) if own else None,
               "k": len(libraries), "libraries": weight}
        if version == "code":
            row["met"] = sent <= row["changed"] + SLACK or not set(names) & set(libraries) and sent <= image.size() / 10
        elif version == "dependency":
            row["met"] = sent <= 2 * weight / max(1, len(libraries))
        rows.append(row)
    return {"title": application.title, "rows": rows, "libraries": every_library(before)}


def every_library(image):
    layers = collections.defaultdict(set)
    for path, name in image.layer_of.items():
        if name in image.libraries():
            layers[package(path)].add(name)
    sizes = [sum(image.layers[name]["size"] for name in names) for names in layers.values()]
    return {"k": len(image.libraries()), "total": sum(image.layers[name]["size"] for name in image.libraries()), "sizes": sizes}


def size(value):
    if value is None:
        return ""
    return f"{value / 1e6:,.2f}" if value >= 10_000 else f"{value / 1e6:.4f}"


def tables(results):
    lines = ["| application | what changed | of it compressed, MB | `pack`, MB | one layer | Jib | their own |", "|---|---|--:|--:|--:|--:|--:|"]
    for result in results:
        for row in result["rows"]:
            sent = size(row["pack"]) if row.get("met", True) else f"**{size(row['pack'])}**"
            lines.append(f"| {result['title']} | {CHANGES[row['change']]} | {size(row['changed'])} | {sent} | {size(row['one'])} | {size(row['jib'])} | {size(row['own'])} |")
    lines += ["", "| application | libraries | of them MB | layers | one new: mean MB | worst MB | 2/k of them, MB |", "|---|--:|--:|--:|--:|--:|--:|"]
    for result in results:
        every = result["libraries"]
        if every["k"]:
            worst = max(every["sizes"])
            aim = 2 * every["total"] / every["k"]
            worst = size(worst) if worst <= aim else f"**{size(worst)}**"
            lines.append(f"| {result['title']} | {len(every['sizes'])} | {size(every['total'])} | {every['k']} | {size(sum(every['sizes']) / len(every['sizes']))} "
                         f"| {worst} | {size(aim)} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--pack", type=pathlib.Path, required=True)
    parser.add_argument("--only", help="kinds: " + ",".join(a.kind for a in APPLICATIONS))
    parser.add_argument("--output", type=pathlib.Path, help="where the tables go, besides standard output")
    parser.add_argument("--json", type=pathlib.Path, help="where all figures go")
    args = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(prefix="changes.") as scratch:
        for application in APPLICATIONS:
            if not args.only or application.kind in args.only.split(","):
                results.append(measure(application, args, pathlib.Path(scratch)))
                print(f"{application.title}: {', '.join(row['change'] + ' ' + size(row['pack']) for row in results[-1]['rows'])}", file=sys.stderr, flush=True)
    text = tables(results)
    print(text, end="")
    if args.output:
        args.output.write_text(text)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


main()
