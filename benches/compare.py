"""Times pack and its peers on the same work, against the same registry, one after the other in every round.

Scenarios, in this order in each round:
  cold        the tool's own state is empty; the registry's repository holds the base image and nothing else
  no change   the same command again
  one file    the same command after one file of the application changed

Every tool is handed the same exploded directory. Where there is a WAR, `pack (.war)` is handed that instead, and of a Spring Boot jar `pack` is always
handed the jar: the others would have to unpack it first, which is not in their figures. `Jib` is jib-core in a bare JVM; `quarkus-jib` is a Maven
build with Quarkus' extension for Jib, which compiles the application first: how long the same build takes without an image stands below the table. A tool that works on a local copy of the base fetches it in `cold`. pack keeps its `build.lock`, as a clone of
the project would (`--without-lock` removes it too).

BuildKit's daemon runs before each command; its CPU time counts, and its memory if it is more than the client's. Ratios are to tools without a daemon.

Wall time is that of the whole command; CPU time is user + system of it and of all its children; from both is taken what an empty command takes
under the same `time` and `sh`. Memory is the largest process's peak. Before each command everything is written to disk (`sync`), so that none pays
for what the one before it left in memory.
Below each table stands what pack's `cold` cannot do without: its own CPU time on all cores, or the longest SHA-256 stream, whichever is longer; once more
with the registry's CPU time, which is spent on the same cores. Then what its `one file` cannot do without: the CPU time of `no change`, of encoding the changed bodies, of SHA-256 over what
stands after the change, of tar and blob, and of sending the blobs. Encoding is zlib's at level 6, hashing OpenSSL's, sending Python's. Then the same with what must be done
before and after: reading the files that are hashed, and copying as many bytes as are sent from one file into another.
Then where the time went in each scenario, by phase.

Bytes, requests and phases come from one more round, untimed, in which a relay that counts stands where the registry stood. Where there is valgrind,
`no change` and `one file` of pack run once more under it: how often memory is asked for, and how many instructions that takes in all.
"""

import argparse
import atexit
import functools
import hashlib
import http.client
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib

TOP = pathlib.Path(__file__).resolve().parent.parent
MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
SCENARIOS = ["cold", "no change", "one file"]
MEASURED = ["wall", "cpu", "faults", "peak", "registry"]


class Registry:
    """docker-registry on one port of the loopback, directly or behind a relay that counts bytes."""

    def __init__(self, binary, directory):
        self.binary, self.directory = binary, directory
        self.port, self.hidden = free_port(), free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.process = self.relay = None
        (directory / "blobs").mkdir(parents=True)
        atexit.register(self.stop)

    def start(self, counted):
        self.stop()
        port = self.hidden if counted else self.port
        config = self.directory / "config.yml"
        config.write_text(json.dumps({  # JSON is YAML
            "version": "0.1",
            "log": {"accesslog": {"disabled": False}, "level": "error"},
            "storage": {
                "filesystem": {"rootdirectory": str(self.directory / "blobs")},
                "delete": {"enabled": True},
                "cache": {"blobdescriptor": "inmemory"},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": f"127.0.0.1:{port}", "secret": "only to sign upload sessions"},
        }))
        self.access = self.directory / "access.log"
        with open(self.access, "w") as access, open(self.directory / "error.log", "a") as errors:
            self.process = subprocess.Popen([self.binary, "serve", config], stdout=access, stderr=errors,
                                            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"})
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.02)
        else:
            sys.exit((self.directory / "error.log").read_text())
        if counted:
            self.relay = Relay(self.port, port)

    def stop(self):
        if self.relay:
            self.relay.close()
        if self.process:
            self.process.terminate()
            self.process.wait()
        self.process = self.relay = None

    def cpu(self):
        return cpu_of(self.process)

    def requests(self):
        return [line.split('"')[1].split(" ")[:2] for line in self.access.read_text().splitlines()]

    def call(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.host)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        data = response.read()
        if response.status >= 300:
            sys.exit(f"{method} {path}: {response.status} {data[:300]}")
        return data, response.headers["Content-Type"]

    def take(self, data):
        """Takes bytes into an upload that is given up."""
        connection = http.client.HTTPConnection(self.host)
        connection.request("POST", "/v2/bench/taken/blobs/uploads/")
        answer = connection.getresponse()
        answer.read()
        connection.request("PATCH", answer.headers["Location"], data, {"Content-Type": "application/octet-stream"})
        connection.getresponse().read()

    def manifest(self, repository, tag):
        data, kind = self.call("GET", f"/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFESTS})
        return data, kind, json.loads(data)

    def give(self, source, repository):
        """Mounts the base's blobs into a repository and tags it there."""
        data, kind, manifest = self.manifest(source, "base")
        for blob in [manifest["config"], *manifest["layers"]]:
            self.call("POST", f"/v2/{repository}/blobs/uploads/?mount={blob['digest']}&from={source}", headers={"Content-Length": "0"})
        self.call("PUT", f"/v2/{repository}/manifests/base", data, {"Content-Type": kind})


class Relay:
    """Passes connections on and counts what the clients send."""

    def __init__(self, port, to):
        self.to, self.sent = to, 0
        self.server = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self.to))
            threading.Thread(target=self.pump, args=(client, upstream, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(upstream, client, False), daemon=True).start()

    def pump(self, source, target, counted):
        try:
            while data := source.recv(1 << 16):
                if counted:
                    self.sent += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


class Workload:
    """A directory, and the file in it that changes: 16 bytes of it, where the mark is, or in the middle.

    `archive` is a zip archive with the same file, which changes too; `source` is where the file lies, if that is not the directory."""

    def __init__(self, name, title, directory, to, changed, war=None, jar=None, archive=None, source=None, mark=None, base="tomcat", java=False):
        self.name, self.title, self.directory, self.to, self.war, self.jar, self.base = name, title, directory, to, war, jar, base
        self.archive = archive or war or jar
        self.java = java or war is not None
        self.source = source or directory
        self.changed = self.source / changed
        self.original = self.changed.read_bytes()
        self.at = self.original.index(mark) if mark else len(self.original) // 2
        self.stamp = self.changed.stat()

    def facts(self):
        sizes = [f.lstat().st_size for f in self.directory.rglob("*") if f.is_file() and not f.is_symlink()]
        return f"{len(sizes):,} files, {sum(sizes) / 1e6:.1f} MB; `{self.changed.relative_to(self.source)}` changes"

    def change(self, number):
        data = bytearray(self.original)
        data[self.at:self.at + 16] = f"<!--{number:08d}-->".ljust(16)[:16].encode()
        self.write(bytes(data))

    def now(self):
        """The 16 bytes that change."""
        return self.changed.read_bytes()[self.at:self.at + 16].decode()

    def files_from_changed(self, size):
        """So many bytes of files from the changed one on, in order."""
        files = sorted(f for f in self.directory.rglob("*") if f.is_file() and not f.is_symlink())
        if self.changed in files:
            files = files[files.index(self.changed):] + files[:files.index(self.changed)]
        found = 0
        for number, file in enumerate(files):
            if found >= size:
                return files[:number]
            found += file.stat().st_size
        return files

    def restore(self):
        self.write(self.original)
        os.utime(self.changed, ns=(self.stamp.st_atime_ns, self.stamp.st_mtime_ns))

    def write(self, data):
        self.changed.write_bytes(data)
        if self.archive:
            subprocess.run(["zip", "-q", "-X", self.archive, self.changed.relative_to(self.source)], cwd=self.source, check=True)


class Tool:
    """How one tool is called. `script` is a shell script; `clear` empties the tool's state, which lives in `state` alone."""
    needs = None
    daemon = None

    def __init__(self, args, registry, state):
        self.args, self.registry, self.state = args, registry, state

    def clear(self):
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir(parents=True)
        for entry in pathlib.Path("/var/lib/containers").iterdir():
            shutil.rmtree(entry)

    def reference(self, repository, tag="app"):
        return f"{self.registry.host}/{repository}:{tag}"

    def takes(self, workload):
        return True


class Umoci(Tool):
    name = "umoci + skopeo"

    def script(self, w, repository, cold):
        fetch = f"skopeo copy -q --src-tls-verify=false docker://{self.reference(repository, 'base')} oci:image:base" if cold else "true"
        return f"""cd {self.state}
            {fetch}
            umoci insert --image image:base --tag app {w.directory} {w.to}
            exec skopeo copy -q --dest-tls-verify=false oci:image:app docker://{self.reference(repository)}"""


class Buildah(Tool):
    name = "buildah"

    def options(self):
        return f"--root {self.state}/root --runroot {self.state}/run --storage-driver overlay"

    def clear(self):
        if self.state.exists():
            subprocess.run(f"buildah {self.options()} rmi --all --force".split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            subprocess.run(["umount", "-q", self.state / "root/overlay"])
        super().clear()

    def script(self, w, repository, cold):
        (self.state / "Containerfile").write_text(f"FROM {self.reference(repository, 'base')}\nCOPY . {w.to}\n")
        return f"""buildah {self.options()} bud -q --layers --tls-verify=false -f {self.state}/Containerfile -t app {w.directory}
            exec buildah {self.options()} push -q --tls-verify=false app docker://{self.reference(repository)}"""


class BuildKit(Tool):
    """With a daemon that runs already; to forget everything, it is started anew."""
    name = "BuildKit"
    needs = "buildkit/buildctl"

    @property
    def address(self):
        return f"unix://{self.state}/socket"

    def clear(self):
        self.stop()
        subprocess.run(["rm", "-rf", self.state], check=True)
        super().clear()
        (self.state / "buildkitd.toml").write_text(f'[registry."{self.registry.host}"]\nhttp = true\ninsecure = true\n')
        command = [self.args.cache / "buildkit/buildkitd", "--config", self.state / "buildkitd.toml", "--root", self.state / "root", "--addr", self.address,
                   "--containerd-worker=false", "--oci-worker-net=host"]
        with open(self.state / "log", "wb") as log:
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log)
        atexit.register(self.stop)
        for _ in range(200):
            if subprocess.run(self.client("debug", "workers"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(0.05)
        sys.exit((self.state / "log").read_text())

    def stop(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait()
            self.daemon = None

    def client(self, *arguments):
        return [str(self.args.cache / self.needs), "--addr", self.address, *arguments]

    def script(self, w, repository, cold):
        (self.state / "Dockerfile").write_text(f"FROM {self.reference(repository, 'base')}\nCOPY . {w.to}\n")
        output = f"type=image,name={self.reference(repository)},push=true,registry.insecure=true,oci-mediatypes=true"
        command = self.client("build", "--progress=plain", "--frontend=dockerfile.v0", f"--local=context={w.directory}",
                              f"--local=dockerfile={self.state}", f"--output={output}")
        return "exec " + " ".join(command)


class Crane(Tool):
    name = "tar + crane"
    needs = "crane/crane"

    def script(self, w, repository, cold):
        return f"""tar -C {w.directory} --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner --transform='flags=rSh;s,^\\.,{w.to.lstrip("/")},' \
                -cf {self.state}/layer.tar .
            exec {self.args.cache}/{self.needs} append --insecure -b {self.reference(repository, 'base')} -t {self.reference(repository)} -f {self.state}/layer.tar"""


class Jib(Tool):
    name = "Jib"
    needs = "jib/classes"

    def takes(self, workload):
        return workload.java

    def script(self, w, repository, cold):
        return f"""exec java -cp '{self.args.cache}/jib/classes:{self.args.cache}/jib/lib/*' Push {self.reference(repository, 'base')} \
                {self.reference(repository)} {self.state}/cache {w.to} {w.directory}"""


class QuarkusJib(Tool):
    """A Maven build that pushes at its end, with fixed times: with the times of the build, which are its default, each push sends all layers. The line of the
    source changes whose constant is in the class that changes."""
    name = "quarkus-jib"
    needs = "quarkus-jib/pom.xml"
    SOURCE = "src/main/java/shop/Shop.java"

    def takes(self, workload):
        return workload.name == "quarkus"

    def clear(self):
        super().clear()
        shutil.copytree((self.args.cache / self.needs).parent, self.state / "project")

    def build(self, w, options):
        source = self.args.cache / "quarkus-jib" / self.SOURCE
        (self.state / "project" / self.SOURCE).write_text(source.read_text().replace("hello from Quark", w.now()))
        return f"exec mvn -o -q -B -f {self.state}/project package {options}"

    def script(self, w, repository, cold):
        cache = f"-Dquarkus.jib.base-image-layers-cache={self.state}/base -Dquarkus.jib.application-layers-cache={self.state}/layers " \
                "-Dquarkus.jib.use-current-timestamp=false -Dquarkus.jib.use-current-timestamp-file-modification=false"
        return self.build(w, f"-Dquarkus.container-image.push=true -Dquarkus.container-image.insecure=true {cache} "
                             f"-Dquarkus.container-image.image={self.reference(repository)} -Dquarkus.jib.base-jvm-image={self.reference(repository, 'base')}")

    def without_image(self, w):
        return self.build(w, "")


class Pack(Tool):
    name = "pack"

    def clear(self):
        lock = self.state / "project/build.lock"
        kept = lock.read_bytes() if lock.exists() and not self.args.without_lock else None
        super().clear()
        lock.parent.mkdir()
        if kept is not None:
            lock.write_bytes(kept)

    @property
    def report(self):
        return self.state / "report.json"

    @property
    def binary(self):
        return self.args.pack

    def phases(self):
        """Seconds and number of each kind of step of the last run."""
        found = {}
        for event in json.loads((self.state / "timings.json").read_text())["traceEvents"]:
            if event["ph"] == "X":
                seconds, count = found.get(event["cat"], (0, 0))
                found[event["cat"]] = seconds + event["dur"] / 1e6, count + 1
        return found

    def allocations(self, w, repository, log):
        """How often the same command asks for memory, and all its instructions. The processor that valgrind shows has no AVX-512 and no SHA-NI."""
        profile = self.state / "callgrind.out"
        script = self.script(w, repository, False)
        measure(script.replace(f" {self.binary} ", f" valgrind -q --tool=callgrind --callgrind-out-file={profile} {self.binary} "), log)
        names, calls, instructions, called = {}, 0, 0, ""
        for line in profile.read_text().splitlines():
            if match := re.match(r"c?fn=\((\d+)\)(?: (.*))?", line):
                if match[2]:
                    names[match[1]] = match[2]
                called = names[match[1]]
            elif line.startswith("calls=") and called in ("malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"):
                calls += int(line[6:].split()[0])
            elif line.startswith("totals:"):
                instructions = int(line.split()[1])
        return calls, instructions

    def artifact(self, w):
        return w.jar or w.directory

    def script(self, w, repository, cold):
        # One lock serves all rounds, so the base is named where it is the same in all of them.
        (self.state / "project/build.toml").write_text(f"""format = 1
[image]
name = "{self.registry.host}/{repository}"
base = "{self.registry.host}/base/{w.base}:base"
tags = [{ name = "app", moves = true }]
[app]
path = "{self.artifact(w)}"
root = "{w.to}"
""")
        timings = f" --timings={self.state}/timings.json" if self.counted else ""
        return f"export PACK_CACHE_DIR={self.state}/cache; exec {self.binary} build {self.state}/project --push --json{timings} > {self.report}"


class PackBefore(Pack):
    """Another program of the same name, such as that of an earlier commit: in the same rounds, so that the two make pairs."""
    name = "pack (before)"

    @property
    def binary(self):
        return self.args.against

    def phases(self):
        return {}

    def allocations(self, w, repository, log):
        return 0, 0


class PackWar(Pack):
    name = "pack (.war)"

    def takes(self, workload):
        return workload.war is not None

    def artifact(self, w):
        return w.war


TOOLS = [Pack, PackBefore, PackWar, Umoci, Buildah, Crane, Jib, QuarkusJib, BuildKit]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def measure(script, log):
    """Runs a shell script; wall and CPU seconds, less what running an empty one takes, and peak MB of its largest process."""
    result = run(script, log)
    return {**result, **{key: max(0, result[key] - launch()[key]) for key in ("wall", "cpu", "faults")}}


def cpu_of(process):
    """CPU seconds that a process has taken, with children that have ended."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def peak_of(process):
    """Its peak of resident memory so far, MB."""
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1]) / 1000


@functools.cache
def launch():
    """What it takes to run nothing: `time` and `sh` start before any tool does, which matters where a tool takes milliseconds."""
    empty = [run(":", os.devnull) for _ in range(25)]
    return {key: statistics.median(result[key] for result in empty) for key in ("wall", "cpu", "faults")}


def run(script, log):
    """Runs a shell script; wall and CPU seconds, page faults, peak MB of its largest process."""
    with tempfile.NamedTemporaryFile() as peak, open(log, "wb") as output:
        # GNU time reports the peak: this process's own would hide a smaller one.
        command = ["time", "-f", "%M", "-o", peak.name, "sh", "-euc", script]
        start = time.perf_counter()
        pid = os.posix_spawnp(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                                                                             (os.POSIX_SPAWN_DUP2, output.fileno(), 2)])
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - start
        if status != 0:
            sys.exit(f"failed:\n{script}\n{pathlib.Path(log).read_text(errors='replace')}")
        return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "faults": usage.ru_minflt, "peak": int(peak.read().split()[-1]) / 1000}


def rounds(tool, workload, args, registry, log):
    """Measures each scenario `args.runs` times, then counts once; yields between rounds, so that tools take turns."""
    cells = {s: {key: [] for key in MEASURED} for s in SCENARIOS}
    for number in range(args.runs + 1):
        tool.counted = counted = number == args.runs
        repository = f"bench/{workload.name}-{re.sub('[^a-z]+', '-', tool.name.lower())}-{number}"
        registry.give(f"base/{workload.base}", repository)
        tool.clear()
        if number == 0 and isinstance(tool, Pack) and not args.without_lock:
            measure(tool.script(workload, repository + "-first", True), log)
            tool.clear()
        for scenario in SCENARIOS:
            if scenario == "one file":
                workload.change(number)
            script = tool.script(workload, repository, scenario == "cold")
            if counted:
                registry.start(counted=True)
            os.sync()  # what others wrote is not written back at this one's expense
            before, of_daemon = registry.cpu(), tool.daemon and cpu_of(tool.daemon)
            figures = measure(script, log)
            figures["registry"] = registry.cpu() - before
            if tool.daemon:
                figures["cpu"] += cpu_of(tool.daemon) - of_daemon
                figures["peak"] = max(figures["peak"], peak_of(tool.daemon))
            cell = cells[scenario]
            if counted:
                cell["requests"] = len(registry.requests())
                cell["sent"] = registry.relay.sent
                cell["asked"] = registry.requests()
                registry.start(counted=False)
                layers = registry.manifest(repository, "app")[2]["layers"]
                base = registry.manifest(f"base/{workload.base}", "base")[2]["layers"]
                assert [l["digest"] for l in layers[:len(base)]] == [l["digest"] for l in base], f"{tool.name} lost the base"
                cell["layers"] = [l["size"] for l in layers[len(base):]]
                if isinstance(tool, Pack):
                    cell["report"] = json.loads(tool.report.read_text())
                    cell["phases"] = tool.phases()
            else:
                for key, value in figures.items():
                    cell[key].append(value)
        if counted and isinstance(tool, Pack) and shutil.which("valgrind"):
            for scenario in SCENARIOS[1:]:
                if scenario == "one file":
                    workload.change(number + 1)
                cells[scenario]["allocations"] = tool.allocations(workload, repository, log)
        workload.restore()
        if counted and isinstance(tool, QuarkusJib):
            cells["one file"]["without image"] = statistics.median(measure(tool.without_image(workload), log)["wall"] for _ in range(args.runs))
        tool.clear()
        yield
    for cell in cells.values():
        for key in MEASURED:
            cell[key + " runs"] = cell[key]
            cell[key] = statistics.median(cell[key])
    yield cells


def bound(workload, registry, cells):
    """What `one file` cannot do without, and how much more it takes."""
    layers = [layer for image in cells["one file"]["report"]["images"] for layer in image["layers"]]
    built = [layer for layer in layers if layer["state"]["kind"] == "built"]
    tar, blob, encoded, sent = 0, 0, 0, 0
    for layer in built:
        work = layer["state"]
        rest = work["bytes"] - work["keptBytes"]
        tar, blob = tar + rest, blob + layer["size"] * rest / work["bytes"]
        encoded, sent = encoded + work["encodedBytes"], sent + layer["size"]
    sample = (workload.original * (1 + encoded // max(1, len(workload.original))))[:encoded]
    hashed, payload = os.urandom(int(tar + blob)), os.urandom(sent)
    parts = {
        "without change": cells["no change"]["cpu"],
        f"encoding {encoded / 1e6:.2f} MB": cpu(lambda: zlib.compress(sample, 6)),
        f"hashing {tar / 1e6:.1f} MB of tar and {blob / 1e6:.1f} MB of blob": cpu(lambda: hashlib.sha256(hashed)),
        f"sending {sent / 1e6:.2f} MB": cpu(lambda: registry.take(payload)),
    }
    least, is_now = sum(parts.values()), cells["one file"]["cpu"]
    listed = ", ".join(f"{seconds:.3f} {what}" for what, seconds in parts.items())
    behind = workload.files_from_changed(tar)
    files = cpu(lambda: read(behind))
    with tempfile.TemporaryDirectory(dir=registry.directory) as directory:
        stored = pathlib.Path(directory, "stored")
        stored.write_bytes(payload)
        copied = cpu(lambda: shutil.copyfile(stored, stored.with_name("copy")))
    return (f"pack, one file: {is_now:.3f} s of CPU, {is_now / least:.2f} times the bound of {least:.3f} s: {listed}. "
            f"With {files:.3f} for reading {len(behind):,} files to be hashed and {copied:.3f} for a copy of what is sent, {is_now / (least + files + copied):.2f} times.")


def read(paths):
    buffer = bytearray(1 << 20)
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        while os.readv(file, [buffer]):
            pass
        os.close(file)


def cold_bound(cells):
    """What `cold` cannot do without: all the work on all cores, or the longest hash, which has one."""
    cold = cells["cold"]
    layers = [layer for image in cold["report"]["images"] for layer in image["layers"] if layer["state"]["kind"] == "built"]
    longest = max(max(layer["size"], layer["state"]["bytes"]) for layer in layers)
    sample = os.urandom(16 << 20)
    hashing = longest * cpu(lambda: hashlib.sha256(sample)) / len(sample)
    cores = os.cpu_count()
    own, both = cold["cpu"] / cores, (cold["cpu"] + cold["registry"]) / cores
    least, shared = max(own, hashing), max(both, hashing)
    return (f"pack, cold: {cold['wall']:.3f} s, {cold['wall'] / least:.2f} times the bound of {least:.3f} s: {cold['cpu']:.3f} s of CPU on {cores} cores, "
            f"or {hashing:.3f} s for the longest hash, of {longest / 1e6:.1f} MB. The registry's {cold['registry']:.3f} s of CPU are on the same cores: "
            f"with them {cold['wall'] / shared:.2f} times {shared:.3f} s.")


def phases(cells):
    """Where the time of `pack` went, in the run that is counted."""
    lines = []
    for scenario in SCENARIOS:
        found = cells[scenario]["phases"]
        listed = ", ".join(f"{name} {1000 * seconds:.1f}" + (f" ({count})" if count > 1 else "") for name, (seconds, count) in found.items())
        allocations = "; {:,} allocations and {:,} instructions under valgrind".format(*cells[scenario]["allocations"]) if "allocations" in cells[scenario] else ""
        lines.append(f"- pack, {scenario}, ms by phase, summed over threads, with how many there were: {listed}; {cells[scenario]['faults']:,.0f} page faults"
                     f"{allocations}.")
    return lines


def cpu(work):
    """CPU seconds of this process, the least of some."""
    def once():
        begun = time.process_time()
        work()
        return time.process_time() - begun
    return min(once() for _ in range(5))


def table(workload, results, registry):
    lines = [f"### {workload.title}", "", workload.facts() + ".", "",
             "| tool | scenario | wall s | CPU s | peak MB | sent MB | requests | layers MB | wall, of the fastest peer's |",
             "|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    for scenario in SCENARIOS:
        peers = [cells[scenario]["wall"] for name, cells in results.items() if name not in (Pack.name, PackBefore.name, PackWar.name, BuildKit.name)]
        for name, cells in results.items():
            c = cells[scenario]
            ratio = f"{c['wall'] / min(peers):.2f}" if peers else ""
            lines.append(f"| {name} | {scenario} | {c['wall']:.3f} | {c['cpu']:.3f} | {c['peak']:.0f} | {c['sent'] / 1e6:.3f} | {c['requests']} "
                         f"| {sum(c['layers']) / 1e6:.2f} | {ratio} |")
    for name, cells in results.items():
        if "without image" in cells["one file"]:
            lines += ["", f"The Maven build of {name} takes {cells['one file']['without image']:.3f} s where it makes no image."]
    if Pack.name in results:
        cells = results[Pack.name]
        lines += ["", against(cells, {name: other for name, other in results.items() if name in (Jib.name, QuarkusJib.name, Crane.name)})]
        if BuildKit.name in results:
            ratios = [f"{s} {cells[s]['wall'] / results[BuildKit.name][s]['wall']:.3f}" for s in SCENARIOS]
            lines += ["", f"pack's wall time as a part of BuildKit's, whose daemon runs already: {', '.join(ratios)}."]
        if PackBefore.name in results:
            lines += ["", pairs(cells, results[PackBefore.name])]
        lines += ["", cold_bound(cells), "", bound(workload, registry, cells), ""] + phases(cells)
    return "\n".join(lines) + "\n"


def against(cells, peers):
    """Ratios to single peers, which aims name."""
    listed = [f"{name} " + ", ".join(f"{s} {cells[s]['wall'] / other[s]['wall']:.3f}" for s in SCENARIOS) for name, other in peers.items()]
    return f"pack's wall time as a part of that of {'; '.join(listed)}." if listed else ""


def pairs(now, before):
    """Ratios of runs that followed each other: their medians, with the least and the most."""
    listed = []
    for scenario in SCENARIOS:
        for key in ("wall", "cpu"):
            ratios = [a / b for a, b in zip(now[scenario][key + " runs"], before[scenario][key + " runs"]) if b]
            if ratios:
                listed.append(f"{scenario} {key} {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    return f"pack as a part of pack (before), {len(now['cold']['wall runs'])} pairs: {', '.join(listed)}."


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    flags = "with" if " sha_ni" in pathlib.Path("/proc/cpuinfo").read_text() else "without"
    return f"{os.cpu_count()} cores, {cpu[1] if cpu else platform.processor()}, {flags} SHA-NI"


def versions(args):
    ask = {"skopeo": "skopeo --version", "umoci": "umoci --version", "buildah": "buildah --version"}
    if args.peers:
        ask["crane"] = f"{args.cache}/{Crane.needs} version"
    found = [f"{name} {re.search(r'v?([0-9][0-9.]*)', subprocess.check_output(command.split(), text=True))[1]}" for name, command in ask.items()]
    if args.peers and (args.cache / BuildKit.needs).exists():  # its program does not know its own
        found.append(f"BuildKit {re.search(r'moby/buildkit@v([0-9.]+)', (TOP / 'tests/inputs/peer').read_text())[1]}")
    found += [f"Jib {jar.stem.rsplit('-', 1)[1]}" for jar in args.cache.glob("jib/lib/jib-core-*.jar") if args.peers]
    return ", ".join(found)


def copied(source, to):
    """A copy of an input, in which one file will change; nothing if the input was not made."""
    if source.is_dir():
        to.parent.mkdir(parents=True, exist_ok=True)
        return shutil.copytree(source, to, symlinks=True)
    if source.is_file():
        to.parent.mkdir(parents=True, exist_ok=True)
        return pathlib.Path(shutil.copy2(source, to))
    return None


def web_application(name, title):
    def make(cache, to):
        directory, war = copied(cache / "bench" / name, to / name), copied(cache / "bench" / f"{name}.war", to / f"{name}.war")
        return directory and Workload(name, title, directory, "/var/lib/tomcat10/webapps/ROOT", "jsp/jsp2/el/basic-arithmetic.jsp", war=war)
    return make


def tree(name, title, changed):
    def make(cache, to):
        directory = copied(cache / "bench" / name, to / name)
        return directory and Workload(name, title, directory, f"/opt/{name}", changed)
    return make


def boot(cache, to):
    jar = copied(cache / "versions/boot-jar/before/shop.jar", to / "boot.jar")
    if jar is None:
        return None
    subprocess.run(["unzip", "-q", jar, "-d", to / "boot"], check=True)
    return Workload("boot", "Spring Boot jar, 60 MB", to / "boot", "/app", "BOOT-INF/classes/shop/Shop.class", jar=jar, mark=b"hello from Sprin", java=True)


def quarkus(cache, to):
    directory = copied(cache / "versions/quarkus/before", to / "quarkus")
    if directory is None:
        return None
    jar = directory / "app/shop-1.0.jar"
    subprocess.run(["unzip", "-q", jar, "-d", to / "quarkus-classes"], check=True)
    return Workload("quarkus", "Quarkus application, 20 MB", directory, "/app", "shop/Shop.class", archive=jar, source=to / "quarkus-classes",
                    mark=b"hello from Quark", java=True)


def node_service(cache, to):
    directory = copied(cache / "versions/node-npm/before", to / "node-service")
    return directory and Workload("node-service", "Node.js service, 117 MB", directory, "/app", "server.js", mark=b"hello from Node", base="node")


def python_service(cache, to):
    directory = to / "python-service"
    if copied(cache / "versions/python-venv/before", directory / ".venv") is None:
        return None
    (directory / "__main__.py").write_text("from datasette.cli import cli\n\ncli()  # ................\n")
    return Workload("python-service", "Python service, 40 MB", directory, "/app", "__main__.py", mark=b"................", base="python")


WORKLOADS = {
    "war-small": web_application("war-small", "WAR, 6 MB"),
    "war-large": web_application("war-large", "WAR, 64 MB"),
    "boot": boot,
    "quarkus": quarkus,
    "node-service": node_service,
    "python-service": python_service,
    "files": tree("files", "10,000 small files", "django/db/models/query.py"),
    "node": tree("node", "node_modules, 150 MB", "server.js"),
    "tree": tree("tree", "jars and libraries, 500 MB", "java/commons-lang3.jar"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--pack", type=pathlib.Path)
    parser.add_argument("--against", type=pathlib.Path, help="another `pack`, to be compared in pairs")
    parser.add_argument("--peers", action="store_true", help="crane and Jib too, where they were made")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", help="workloads: " + ",".join(WORKLOADS))
    parser.add_argument("--tools", help="names as in the table")
    parser.add_argument("--without-lock", action="store_true", help="pack's `cold` has no build.lock either")
    parser.add_argument("--output", type=pathlib.Path, help="where the tables go, besides standard output")
    parser.add_argument("--json", type=pathlib.Path, help="where the figures of every run go")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    # Outside any git repository: pack asks git about the one around a project, and the others do not.
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="compare."))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    hidden = scratch / "containers"
    hidden.mkdir()
    os.makedirs("/var/lib/containers", exist_ok=True)
    subprocess.run(["mount", "--bind", hidden, "/var/lib/containers"], check=True)
    registry = Registry(args.cache / "tools/docker-registry", scratch / "registry")
    registry.start(counted=False)
    makers = {name: make for name, make in WORKLOADS.items() if not args.only or name in args.only.split(",")}
    workloads = [workload for make in makers.values() if (workload := make(args.cache, scratch / "inputs"))]
    for base in {w.base for w in workloads}:
        subprocess.run(["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{args.cache}/bases:{base}", f"docker://{registry.host}/base/{base}:base"],
                       check=True)
    tools = [t for t in TOOLS if (args.pack or not issubclass(t, Pack)) and (t.needs is None or args.peers and (args.cache / t.needs).exists())
             and (args.against or t is not PackBefore)]
    if args.tools:
        tools = [t for t in tools if t.name in args.tools.split(",")]

    began = time.time()
    report = [f"Measured on {machine()}; medians of {args.runs} runs; {versions(args)}.", ""]
    print(report[0], flush=True)
    everything = {}
    for workload in workloads:
        turns = {}
        for kind in tools:
            tool = kind(args, registry, scratch / f"state-{kind.__name__.lower()}")
            if tool.takes(workload):
                turns[tool.name] = rounds(tool, workload, args, registry, scratch / "log")
        for number in range(args.runs + 1):
            for turn in turns.values():
                next(turn)
            print(f"{time.time() - began:7.1f} s  {workload.title}: round {number + 1} of {args.runs + 1}", file=sys.stderr, flush=True)
        results = {name: next(turn) for name, turn in turns.items()}
        everything[workload.name] = results
        report.append(table(workload, results, registry))
        print(report[-1], flush=True)
        if args.output:
            head = "# Benchmarks\n\nMade by `benches/compare`; what is measured and how stands at the top of `benches/compare.py`.\n\n"
            args.output.write_text(head + "\n".join(report))
        if args.json:
            args.json.write_text(json.dumps(everything, indent=1))


main()
