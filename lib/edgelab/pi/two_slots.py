"""A board of two systems, without Kubernetes: real partitions behind a modelled boot loader."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import pathlib
import subprocess
import tarfile
import threading
from collections.abc import Mapping, Sequence

from edgecloud import host
from edgelab.pi import tryboot

ROOT_TYPE = "application/vnd.edgecloud.rootfs.v1"
BOOT_TYPE = "application/vnd.edgecloud.boot.v1.tar"
MODULES_TYPE = "application/vnd.edgecloud.modules.v1.tar"
SICK = b"sick"
"""An image that begins with this boots, and is not well."""
DEAD = b"dead"
"""An image that begins with this does not come up."""


class Rebooted(BaseException):
    """The machine restarts; whoever asked for it is gone."""


class Board(host.LocalHost):
    """A machine of two slots. Its programs are the real ones, but for those that a Pi only has."""

    def __init__(self, root: pathlib.Path, slots: Mapping[str, pathlib.Path]):
        super().__init__(root)
        self.slots = slots
        self.seconds = 1_800_000_000.0
        self.firmware = tryboot.Firmware(root, self._comes_up)

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; a reboot ends the caller."""
        if command[0] == "/usr/sbin/reboot" or tuple(command) == ("/usr/bin/systemctl", "reboot"):
            self.firmware.reboot([word for word in command[1:] if word != "reboot"])
            raise Rebooted
        if command[0].startswith("/etc/edge-agent/"):
            code = 1 if self._head(self.slot()) == SICK else 0
            return self._answer(command, code, check=check)
        if not command[0].endswith("/ssh-keygen"):
            raise FileNotFoundError(2, "No such file or directory", command[0])
        return super().run(command, timeout_s=timeout_s, stdin=stdin, env=env, check=check)

    def now(self) -> float:
        """Return a clock that only the test moves."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds

    def slot(self) -> str:
        """Return the slot that runs."""
        return _slot_of((self.root / "proc/cmdline").read_text(encoding="utf-8"))

    def _answer(
        self, command: Sequence[str], code: int, *, check: bool
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.CompletedProcess(list(command), code, "", "not well\n" * code)
        if check:
            result.check_returncode()
        return result

    def _comes_up(self, line: str) -> bool:
        return self._head(_slot_of(line)) != DEAD

    def _head(self, slot: str) -> bytes:
        with self.slots[slot].open("rb") as device:
            return device.read(4)


def _slot_of(line: str) -> str:
    return line.partition("ab.slot=")[2][:1]


class Registry:
    """A registry on this machine's own address, with one artefact or several."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.truncated = False
        found = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def push(self, image: bytes, name: str = "site/os") -> str:
        """Publish a system; return its reference."""
        return self._publish(name, (ROOT_TYPE, image), (BOOT_TYPE, boot_files()))

    def push_kernel(self, kernel: bytes, modules: bytes = b"", name: str = "site/kernel") -> str:
        """Publish a kernel, with an archive of its modules if it has any; return its reference."""
        parts = [(BOOT_TYPE, boot_files(kernel))]
        return self._publish(name, *parts, *([(MODULES_TYPE, modules)] if modules else []))

    def _publish(self, name: str, *parts: tuple[str, bytes]) -> str:
        layers = [
            {"mediaType": kind, "digest": f"sha256:{self._put(content)}", "size": len(content)}
            for kind, content in parts
        ]
        manifest = json.dumps({"schemaVersion": 2, "layers": layers}).encode()
        return f"{self.address}/{name}@sha256:{self._put(manifest)}"

    def _put(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.files[digest] = content
        return digest

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """Answer one request, ranges included."""
        content = self.files.get(request.path.rpartition(":")[2])
        if content is None:
            request.send_error(404)
            return
        wanted = request.headers.get("Range", "")
        first = int(wanted[6:-1]) if wanted else 0
        body = content[first:]
        request.send_response(206 if wanted else 200)
        if self.truncated and "blobs" in request.path:
            body = body[: len(body) // 2]
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


def boot_files(kernel: bytes = b"kernel") -> bytes:
    """Return the archive of what a boot loader needs."""
    return tarball({"vmlinuz": kernel, "cmdline.txt": b"console=tty1 panic=10\n"})


def tarball(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of some files."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return memory.getvalue()


def flash(board: Board, artefact: str) -> None:
    """Put a first system on a board, in slot a, and boot it."""
    folder = board.root / tryboot.BOOT / "a"
    folder.mkdir(parents=True)
    line = f"console=tty1 panic=10 root={board.slots['a']} ab.slot=a"
    (folder / "vmlinuz").write_bytes(b"kernel")
    (folder / "cmdline.txt").write_text(line, encoding="utf-8")
    (folder / "artefact").write_text(artefact + "\n", encoding="utf-8")
    (board.root / tryboot.BOOT / "config.txt").write_text(
        "# edge-agent: begin\nos_prefix=a/\n[tryboot]\nos_prefix=b/\n[all]\n# edge-agent: end\n"
        "arm_64bit=1\ndtparam=watchdog=on\n",
        encoding="utf-8",
    )
    board.firmware.power_on()
