"""A store of metrics that runs for the length of a test, on the loopback address."""

import contextlib
import socket
import subprocess
import time
import urllib.request


@contextlib.contextmanager
def running(folder):
    """Run the store; give its address."""
    address = f"127.0.0.1:{free_port()}"
    command = (
        "victoria-metrics",
        f"-storageDataPath={folder}/data",
        f"-httpListenAddr={address}",
        "-memory.allowedBytes=64MB",
        "-search.latencyOffset=0s",
        "-retentionPeriod=2",
    )
    log = folder / "store.log"
    with log.open("w") as said, subprocess.Popen(command, stderr=said) as daemon:
        try:
            wait_for(f"http://{address}")
            yield f"http://{address}"
        finally:
            daemon.terminate()


def wait_for(url):
    for _ in range(300):
        with contextlib.suppress(OSError):
            return ask(f"{url}/health")
        time.sleep(0.1)
    raise AssertionError("the store does not answer")


def ask(address, data=None):
    with urllib.request.urlopen(urllib.request.Request(address, data=data), timeout=30) as answer:
        return answer.read()


def fill(url, lines):
    """Put samples into the store, as lines of Prometheus' text with their times."""
    ask(f"{url}/api/v1/import/prometheus", "".join(lines).encode())
    ask(f"{url}/internal/force_flush")


def free_port():
    """Return a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
