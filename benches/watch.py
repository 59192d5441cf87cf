"""From a saved file to its image in a registry: `pack build --push --watch` beside `pack build --push`.

The application is the Spring Boot WAR of the tests, 60 MB, exploded and as one file. A round changes one class (a constant in it) and takes the time
until the watch tells of the image, whose tag has moved in docker-registry on this machine by then. `build alone` is one `pack build --push` of the same
change with the same store, from the start of the process to its end; the difference to `watch` is what a session saves, without the 20 ms in which
a watch waits for more changes. The WAR as one file is written beside the old one and renamed over it, as build tools do; its time begins with the rename.
"""

import argparse
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

ACCEPT = "application/vnd.oci.image.manifest.v1+json"
CLASS = "WEB-INF/classes/shop/Shop.class"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Registry:
    def __init__(self, binary, directory):
        self.host = f"127.0.0.1:{free_port()}"
        config = directory / "config.yml"
        config.write_text(json.dumps({  # JSON is YAML
            "version": "0.1",
            "log": {"accesslog": {"disabled": True}, "level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(directory / "blobs")}, "cache": {"blobdescriptor": "inmemory"}},
            "http": {"addr": self.host, "secret": "only to sign upload sessions"},
        }))
        self.process = subprocess.Popen([binary, "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={**os.environ, "OTEL_TRACES_EXPORTER": "none"})
        while True:
            try:
                socket.create_connection(tuple(self.host.split(":"))).close()
                break
            except OSError:
                time.sleep(0.02)
        self.connection = http.client.HTTPConnection(self.host)

    def digest(self):
        self.connection.request("HEAD", "/v2/bench/app/manifests/dev", headers={"Accept": ACCEPT})
        answer = self.connection.getresponse()
        answer.read()
        return answer.headers.get("Docker-Content-Digest")


class Application:
    """The WAR, exploded or as one file, in which one class changes."""

    def __init__(self, war, directory, exploded):
        self.exploded = exploded
        self.path = directory / ("exploded" if exploded else "shop.war")
        self.entries = {}
        with zipfile.ZipFile(war) as archive:
            if exploded:
                archive.extractall(self.path)
            self.infos = archive.infolist()
            self.entries = {info.filename: archive.read(info) for info in self.infos}
        self.text = self.entries[CLASS]
        if not exploded:
            self.prepare(0)()

    def changed(self, number):
        # A string of the page: the class stays one of the same length.
        old = b"shop"
        return self.text.replace(old, hashlib.sha256(str(number).encode()).hexdigest()[:len(old)].encode(), 1)

    def prepare(self, number):
        """Prepares a change; what it returns saves it."""
        data = self.changed(number)
        if self.exploded:
            return lambda: (self.path / CLASS).write_bytes(data)
        temporary = self.path.with_suffix(".tmp")
        with zipfile.ZipFile(temporary, "w") as archive:
            for info in self.infos:
                archive.writestr(info, data if info.filename == CLASS else self.entries[info.filename])
        return lambda: temporary.rename(self.path)


def row(name, times):
    times = sorted(time * 1000 for time in times)
    p90 = times[min(len(times) - 1, int(len(times) * 0.9))]
    print(f"{name:32} {statistics.median(times):8.0f} {p90:8.0f} {times[0]:8.0f} {times[-1]:8.0f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pack", required=True)
    parser.add_argument("--inputs", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    root = pathlib.Path(tempfile.mkdtemp(prefix="pack-watch-"))
    registry = Registry(args.inputs / "tools/docker-registry", root)
    processes = [registry.process]
    environment = {"HOME": str(root), "PATH": os.environ["PATH"], "PACK_CACHE_DIR": str(root / "store")}
    print(f"{'save to image, ms':32} {'median':>8} {'p90':>8} {'least':>8} {'most':>8}")
    try:
        for exploded, name in [(True, "WAR of 60 MB, exploded"), (False, "WAR of 60 MB, one file")]:
            app = Application(args.inputs / "boot/shop.war", root, exploded)
            (root / "build.toml").write_text(
                f'[image]\nname = "{registry.host}/bench/app"\nbase = "scratch"\ntags = [{{ name = "dev", moves = true }}]\n'
                f'[app]\npath = "{app.path.name}"\nroot = "/app"\n[check.allow]\njava-missing = "none is run"\n')
            build = [args.pack, "build", root, "--push", "--quiet"]
            subprocess.run(build, env=environment, check=True, stdout=subprocess.DEVNULL)
            alone, watched = [], []
            for number in range(1, args.rounds + 1):
                app.prepare(number)()
                begun = time.perf_counter()
                subprocess.run(build, env=environment, check=True, stdout=subprocess.DEVNULL)
                alone.append(time.perf_counter() - begun)
            watch = subprocess.Popen([*build, "--watch", "--json"], env=environment, stdout=subprocess.PIPE, text=True)
            processes.append(watch)
            watch.stdout.readline()
            for number in range(1000, 1000 + args.rounds):
                save = app.prepare(number)
                time.sleep(0.3)
                before = registry.digest()
                begun = time.perf_counter()
                save()
                line = json.loads(watch.stdout.readline())
                watched.append(time.perf_counter() - begun)
                if "error" in line:
                    sys.exit(line)
                if registry.digest() in (None, before):
                    sys.exit("the tag has not moved")
            watch.terminate()
            watch.wait()
            row(f"{name}: watch", watched)
            row(f"{name}: build alone", alone)
    finally:
        for process in processes:
            process.kill()
            process.wait()
        shutil.rmtree(root)


main()
