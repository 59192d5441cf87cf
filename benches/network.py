"""Times pushes over a line with delay, loss and a limited rate: real TCP of the kernel at both ends, the line between them in this process.

The client is in the network namespace that this program was started in, the registry in one beside it. Each has a TUN device;
what is sent into one comes out of the other, after waiting for its turn at the line's rate, with a queue of one bandwidth-delay product
or 200 packets, and half a round trip later, or never, at random (seed 20). `tc netem` would do the same in the kernel, and is missing in many.

Scenarios, each `build --push` on `scratch`, one registry and an empty repository per run:
  cold        nothing is known: layers are made and sent
  warm        the store has the layers, the registry nothing: `build` before, then `build --push`
  no change   the same command again

The registry is reached by `--over`:
  http        HTTP/1.1 without TLS
  tls1, tls2  through nginx beside it, HTTP/1.1 or HTTP/2 over TLS; nginx keeps bodies until they are whole, as it does by default
  tls2p       HTTP/2, and nginx passes bodies on as they come (`proxy_request_buffering off`)

The bound is what the line alone takes: one round trip to connect, one to ask (with TLS, one more), and the bytes at the line's rate (headers of
packets included). It knows no slow start and no retreat after a loss; the row `plain TCP` does: as many bytes over as many connections as there
are uploads at once, with nothing said before and one byte after, is what TCP by itself makes of this line.
`parts` is `app.buckets`: in how many layers the libraries are, and so how many large uploads there are. At most 4 are under way at once.
"""

import argparse
import collections
import ctypes
import fcntl
import json
import os
import pathlib
import random
import select
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import threading
import time

MTU = 1500
CLIENT, SERVER, PORT, TLS_PORT = "10.77.0.1", "10.77.0.2", 5000, 5443
CLONE_NEWNET = 0x40000000


def run(*command, **options):
    subprocess.run(command, check=True, **options)


def tun(name):
    """A device without packet information: one read is one packet."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x0001 | 0x1000))
    return device


class Line(threading.Thread):
    """One direction: a queue that drops at its end, a rate, a delay, random loss."""

    def __init__(self, source, target, options, seed):
        super().__init__(daemon=True)
        self.source, self.target, self.random = source, target, random.Random(seed)
        self.delay, self.loss = options.rtt / 2000, options.loss / 100
        self.per_byte = 8 / (options.mbit * 1e6)
        self.room = max(200 * MTU, options.mbit * 1e6 / 8 * options.rtt / 1000)
        self.lost = self.dropped = self.packets = 0

    def run(self):
        waiting, free, poll = collections.deque(), 0.0, select.poll()
        poll.register(self.source, select.POLLIN)
        while True:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                try:
                    os.write(self.target, waiting.popleft()[1])
                except BlockingIOError:
                    self.dropped += 1
            poll.poll(max(0.0, (waiting[0][0] - now) * 1000) if waiting else None)
            now = time.monotonic()
            for _ in range(64):
                try:
                    packet = os.read(self.source, MTU + 100)
                except BlockingIOError:
                    break
                self.packets += 1
                if self.random.random() < self.loss:
                    self.lost += 1
                elif (free - now) / self.per_byte > self.room:
                    self.dropped += 1
                else:
                    free = max(free, now) + len(packet) * self.per_byte
                    waiting.append((free + self.delay, packet))


def in_namespace(pid):
    """For the registry's process: enters the namespace of `pid`."""
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)

    def enter():
        if libc.setns(namespace, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    return enter


class Registry:
    def __init__(self, binary, directory, enter):
        (directory / "blobs").mkdir(parents=True)
        config = directory / "config.json"
        config.write_text(json.dumps({  # JSON is YAML
            "version": "0.1",
            "log": {"accesslog": {"disabled": False}, "level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(directory / "blobs")}, "cache": {"blobdescriptor": "inmemory"}},
            "http": {"addr": f"{SERVER}:{PORT}", "secret": "signs upload sessions"},
        }))
        self.log = directory / "access.log"
        self.process = subprocess.Popen([binary, "serve", config], stdout=open(self.log, "w"), stderr=subprocess.DEVNULL,
                                        env={**os.environ, "OTEL_TRACES_EXPORTER": "none"}, preexec_fn=enter)
        for _ in range(100):
            try:
                socket.create_connection((SERVER, PORT), 5).close()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("error: docker-registry does not answer")

    def requests(self):
        time.sleep(0.1)
        return sum('"' in line for line in self.log.read_text().splitlines())

    def stop(self):
        self.process.kill()
        self.process.wait()


class Nginx:
    """TLS before the registry, with a certificate of its own authority."""

    def __init__(self, over, directory, enter):
        directory.mkdir()
        self.ca, key = directory / "ca.pem", directory / "key.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=registry",
            "-addext", f"subjectAltName=IP:{SERVER}", "-keyout", key, "-out", self.ca, stderr=subprocess.DEVNULL)
        passing = "proxy_request_buffering off; proxy_http_version 1.1;" if over == "tls2p" else ""
        config = directory / "nginx.conf"
        config.write_text(
            f"daemon off; pid {directory}/pid; error_log {directory}/error.log; user root;\nevents {{}}\nhttp {{ access_log off;\n"
            + "".join(f"{part}_temp_path {directory}/{part};\n" for part in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            + f"server {{ listen {SERVER}:{TLS_PORT} ssl{'' if over == 'tls1' else ' http2'}; ssl_certificate {self.ca}; ssl_certificate_key {key};\n"
            f"client_max_body_size 0; {passing} location / {{ proxy_pass http://{SERVER}:{PORT}; proxy_set_header Host $http_host;\n"
            "proxy_set_header X-Forwarded-Proto https; } } }\n")
        self.process = subprocess.Popen(["nginx", "-p", directory, "-c", config], stderr=subprocess.DEVNULL, preexec_fn=enter)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--registry", required=True)
    parser.add_argument("--pack", required=True)
    parser.add_argument("--war", action="append", required=True, type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rtt", type=float, default=50, help="milliseconds")
    parser.add_argument("--loss", type=float, default=0, help="per cent, each way")
    parser.add_argument("--mbit", type=float, default=50)
    parser.add_argument("--congestion", default="bbr", help="how the client's TCP adapts to the line: cubic, bbr, reno")
    parser.add_argument("--parts", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--over", nargs="*", default=["http"], choices=["http", "tls1", "tls2", "tls2p"])
    parser.add_argument("--scenarios", nargs="*", default=["cold", "warm", "no change"], choices=["cold", "warm", "no change"])
    options = parser.parse_args()

    other = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    time.sleep(0.2)
    near, far = tun("near"), tun("far")
    run("ip", "link", "set", "far", "netns", str(other.pid))
    for namespace, name, address in (([], "near", CLIENT), (["nsenter", "-t", str(other.pid), "-n"], "far", SERVER)):
        run(*namespace, "ip", "link", "set", "lo", "up")
        run(*namespace, "ip", "address", "add", f"{address}/24", "dev", name)
        run(*namespace, "ip", "link", "set", name, "up", "mtu", str(MTU), "txqueuelen", "5000")
    lines = Line(near, far, options, 20), Line(far, near, options, 21)
    for line in lines:
        line.start()

    # A route's own, because the setting of a namespace takes only what the machine allows to all.
    run("ip", "route", "replace", "10.77.0.0/24", "dev", "near", "src", CLIENT, "congctl", options.congestion)
    work = pathlib.Path(tempfile.mkdtemp(prefix="pack-network-"))
    try:
        measure(options, work, in_namespace(other.pid), lines)
    finally:
        other.kill()
        other.wait()
        shutil.rmtree(work)


def measure(options, work, enter, lines):
    print(f"| {options.congestion}, {options.mbit:g} Mbit/s, {options.rtt:g} ms, {options.loss:g} % loss | over | parts | wall s | least s | bound s | of the bound | requests |")
    print("|---|---|--:|--:|--:|--:|--:|--:|", flush=True)
    for war in options.war:
        for parts in options.parts:
            for over in options.over:
                size = pushes(options, work, enter, war, parts, over)
            streams = min(parts, 4)
            row(options, f"plain TCP, {streams} at once", "tcp", parts, size, plain(enter, size, streams, options.runs), "-")
    up, down = lines
    print(f"\nPackets: {up.packets} up, {down.packets} down; lost {up.lost + down.lost}, dropped at full queues {up.dropped + down.dropped}.")


def pushes(options, work, enter, war, parts, over):
    """Rows of all scenarios; how many bytes of blobs the registry has after one."""
    walls, requests = {}, {}
    for _ in range(options.runs):
        for warm in (False, True):
            scenarios = [it for it in options.scenarios if (it == "warm") == warm]
            if not scenarios:
                continue
            directory = work / "run"
            registry = Registry(options.registry, directory, enter)
            nginx = None if over == "http" else Nginx(over, directory / "nginx", enter)
            pack = Pack(options, directory, war, parts, nginx)
            try:
                if warm:
                    pack("build")
                for scenario in scenarios:
                    before = registry.requests()
                    begun = time.monotonic()
                    pack("build", "--push")
                    walls.setdefault(scenario, []).append(time.monotonic() - begun)
                    requests[scenario] = registry.requests() - before
                size = sum(f.stat().st_size for f in (directory / "blobs").rglob("data") if "/blobs/sha256/" in str(f))
            finally:
                if nginx:
                    nginx.stop()
                registry.stop()
                shutil.rmtree(directory)
    for scenario in walls:
        row(options, f"{war.name}, {scenario}", over, parts, 0 if scenario == "no change" else size, walls[scenario], requests[scenario])
    return size


def row(options, what, over, parts, size, walls, requests):
    # A packet carries 1,448 of its 1,500 bytes.
    bound = (3 if over.startswith("tls") else 2) * options.rtt / 1000 + size * MTU / 1448 * 8 / (options.mbit * 1e6)
    wall = statistics.median(walls)
    print(f"| {what} ({size / 1e6:.1f} MB) | {over} | {parts} | {wall:.2f} | {min(walls):.2f} | {bound:.2f} | {wall / bound:.2f} | {requests} |", flush=True)


SINK = f"""
import socket, threading
listener = socket.create_server(("{SERVER}", {PORT + 1}))
def serve(stream):
    while stream.recv(1 << 20):
        pass
    stream.sendall(b".")
    stream.close()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],)).start()
"""


def stream_of(size):
    with socket.create_connection((SERVER, PORT + 1)) as stream:
        stream.sendall(bytes(size))
        stream.shutdown(socket.SHUT_WR)
        stream.recv(1)


def plain(enter, size, streams, runs):
    """Seconds for `size` bytes on so many connections at once, each with its share."""
    sink = subprocess.Popen(["python3", "-c", SINK], preexec_fn=enter)
    times = []
    try:
        time.sleep(1)
        for _ in range(runs):
            begun = time.monotonic()
            threads = [threading.Thread(target=stream_of, args=(size // streams,)) for _ in range(streams)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            times.append(time.monotonic() - begun)
    finally:
        sink.kill()
        sink.wait()
    return times


class Pack:
    """pack with a home and a store of its own."""

    def __init__(self, options, directory, war, parts, nginx):
        self.binary, self.directory, self.parts = options.pack, directory, parts
        project = directory / "project"
        project.mkdir()
        host = f"{SERVER}:{TLS_PORT if nginx else PORT}"
        way = f'plain-http = false\nca-file = "{nginx.ca}"' if nginx else "plain-http = true"
        (project / "build.toml").write_text(
            f'[image]\nname = "{host}/bench/app"\nbase = "scratch"\ntags = ["1"]\nplatforms = ["linux/amd64"]\n'
            f'[app]\npath = "{war.resolve()}"\nroot = "/srv/ROOT"\n[registry."{host}"]\n{way}\n')

    def __call__(self, *arguments):
        said = subprocess.run([self.binary, *arguments, self.directory / "project", "--quiet", "--set", f"app.buckets={self.parts}"],
                              env={"PATH": os.environ["PATH"], "HOME": str(self.directory), "PACK_CACHE_DIR": str(self.directory / "store")},
                              capture_output=True, text=True)
        if said.returncode:
            raise SystemExit(f"error: pack {arguments}: {said.stderr}")


if __name__ == "__main__":
    main()
