"""The monitor's real processes on this computer: run as its units say, cut off, killed."""

import contextlib
import dataclasses
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

REPOSITORY = pathlib.Path(__file__).parents[2]
for _charm in ("edge-node", "edge-upgrade-controller", "edge-monitor"):
    sys.path.insert(0, str(REPOSITORY / "charms" / _charm / "src"))

PROGRAMS = (
    "victoria-metrics",
    "vmagent",
    "vmalert",
    "vmauth",
    "prometheus-alertmanager",
    "prometheus-node-exporter",
    "promtool",
    "openssl",
    "mkfs.ext4",
)
PACKAGES = "victoria-metrics prometheus prometheus-alertmanager prometheus-node-exporter"


def wait(check, *, timeout_s=20, every_s=0.1):
    """Return what a check returns once that is true; fail if it never is."""
    end = time.monotonic() + timeout_s
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"not within {timeout_s} s"
        time.sleep(every_s)


def get(url, **parameters):
    """Return what a web address serves, as text; empty text if it does not."""
    query = urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(f"{url}?{query}" if query else url, timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        error.close()
        return ""
    except OSError:
        return ""


def post(url, text):
    """Send a text to a web address."""
    with urllib.request.urlopen(url, data=text.encode(), timeout=10):
        pass


def metric(url, name):
    """Return the sum of a metric on a page; None if it is not there."""
    found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", get(f"{url}/metrics"), re.MULTILINE)
    return sum(map(float, found)) if found else None


class Process:
    """A daemon of the monitoring, run as its unit says, without the unit's walls."""

    def __init__(self, daemon, folder, *, rewrite=()):
        self.daemon = daemon
        self.folder = pathlib.Path(folder) / daemon.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rewrite = dict(rewrite)
        self.state = self.folder / "state"
        self.log = self.folder / "log"
        self.popen = None
        self.starts = 0
        self.codes = []

    def start(self):
        lent = self.folder / "credentials"
        shutil.rmtree(lent, ignore_errors=True)
        lent.mkdir()
        for name, path in self.daemon.secrets.items():
            text = pathlib.Path(path).read_text()
            within = f"/run/credentials/{self.daemon.name}.service"
            (lent / name).write_text(self._rewritten(text.replace(within, str(lent))))
        self.state.mkdir(exist_ok=True)
        words = [
            self._rewritten(word.replace("%d", str(lent)).replace("%S", str(self.state)))
            for word in self.daemon.command
        ]
        environment = {**os.environ, **self.daemon.environment}
        if self.daemon.environment_file:
            lines = pathlib.Path(self.daemon.environment_file).read_text().splitlines()
            environment.update(line.split("=", 1) for line in lines)
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
        self.starts += 1
        return self

    def _rewritten(self, text):
        for old, new in self.rewrite.items():
            text = text.replace(old, new)
        return text

    def kill(self):
        """End it as a power cut or the kernel would: without a word."""
        self.popen.kill()
        self.codes.append(self.popen.wait())

    def terminate(self):
        """End it as systemd does."""
        self.popen.terminate()
        self.codes.append(self.popen.wait(timeout=self.daemon.stop_s))

    @property
    def dead(self):
        return self.popen.poll() is not None

    def stop(self):
        if self.popen is not None and not self.dead:
            self.popen.send_signal(signal.SIGCONT)
            self.kill()

    def text(self):
        return self.log.read_text(errors="replace")


class Exporter:
    """Serves a number that grows by one at each scrape, so that what is lost can be counted."""

    def __init__(self, series=0, port=0):
        self.served = 0
        self.extra = [
            f'synth_filler{{number="{n}",unit="a-unit-of-some-length/{n % 7}"}}'
            for n in range(series)
        ]
        self.bad = 0
        exporter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                exporter.served += 1
                # Numbers that do not pack well.
                factor = exporter.served * 2654435761
                filler = "".join(
                    f"{name} {factor * n % 999983}\n" for n, name in enumerate(exporter.extra)
                )
                page = f"synth_seq {exporter.served}\nsynth_bad {exporter.bad}\n{filler}"
                self.send_response(200)
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Receiver(Exporter):
    """Takes what Alertmanager delivers."""

    def __init__(self):
        self.taken = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.taken.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def named(self, name):
        return [
            alert
            for delivery in self.taken
            for alert in delivery["alerts"]
            if alert["labels"]["alertname"] == name and alert["status"] == "firing"
        ]


class Uplink:
    """A way to another address that can be cut: connections are reset, new ones are refused."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.port = self._free_port()
        self.carried = 0
        self._listener = None
        self._open = set()
        self.restore()

    @staticmethod
    def _free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def restore(self):
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection(self.target, timeout=5)
                    far.settimeout(None)
                except OSError:
                    near.close()
                    continue
                self._open |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one, other):
        with contextlib.suppress(OSError):
            while chunk := one.recv(65536):
                self.carried += len(chunk)
                other.sendall(chunk)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open -= {one, other}


@dataclasses.dataclass
class Disk:
    """A small file system in a file, whose power can be cut: what was not synced is gone."""

    image: pathlib.Path
    at: pathlib.Path

    @classmethod
    def make(cls, folder, name, megabytes):
        image, at = folder / f"{name}.img", folder / name
        with image.open("wb") as file:
            file.truncate(megabytes * 2**20)
        at.mkdir()
        run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0", str(image))
        return cls(image, at).mount()

    def mount(self):
        run("mount", "-o", "loop", str(self.image), str(self.at))
        return self

    def unmount(self):
        subprocess.run(("umount", str(self.at)), capture_output=True, timeout=60)

    def picture(self):
        """Return what the medium holds now, without what the kernel has yet to write."""
        copy = self.image.with_suffix(".cut")
        run("cp", "--sparse=always", str(self.image), str(copy))
        return copy

    def cut_power(self, process):
        """Take the power from what runs on it; what the medium held then is what is left."""
        copy = self.picture()
        process.kill()
        self.unmount()
        copy.replace(self.image)
        self.mount()

    def fill(self, leave_mb=0):
        """Fill it up to some space."""
        usage = os.statvfs(self.at)
        size = usage.f_bavail * usage.f_frsize - leave_mb * 2**20
        ballast = self.at / "ballast"
        with ballast.open("wb") as file, contextlib.suppress(OSError):
            if size > 0:
                os.posix_fallocate(file.fileno(), 0, size)
            while not leave_mb:
                file.seek(0, 2)
                file.write(b"\0" * 4096)
                file.flush()

    def empty(self):
        (self.at / "ballast").unlink()


def run(*command):
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def sequence(store, name="synth_seq", **labels):
    """Return the numbers of all scrapes of an exporter that a store has kept."""
    matchers = ",".join(f'{key}="{value}"' for key, value in labels.items())
    lines = get(f"{store}/api/v1/export", **{"match[]": f"{name}{{{matchers}}}"}).splitlines()
    values = (value for line in lines for value in json.loads(line)["values"])
    # Null is the mark that the store sets where a scrape failed.
    return sorted({int(value) for value in values if value is not None})


def ask(store, query):
    """Return the samples that a store answers with."""
    text = get(f"{store}/api/v1/query", query=query)
    return json.loads(text)["data"]["result"] if text else []
