"""A store's password is shown to that store and to no other, by the real vmagent."""

import contextlib
import http.server
import json
import pathlib
import subprocess
import threading
import time

import metrics_store

from edgecloud.telemetry import forwarder

OPTIONS = {
    "httpListenAddr",
    "promscrape.config",
    "remoteWrite.basicAuth.passwordFile",
    "remoteWrite.basicAuth.username",
    "remoteWrite.bearerTokenFile",
    "remoteWrite.tlsCAFile",
    "remoteWrite.tmpDataPath",
    "remoteWrite.url",
}


@contextlib.contextmanager
def receiver(seen):
    """Take samples, and note with which words somebody asked to be let in."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(self.headers.get("Authorization"))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v1/write"
    finally:
        server.shutdown()
        server.server_close()


def scrape(folder, port):
    file = folder / "scrape.yml"
    job = {"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    file.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}))
    return file


def command(wanted, folder):
    """Return the words of the daemon, with files in the place of what systemd would lend."""
    daemon = forwarder.daemon(wanted, OPTIONS)
    for name, path in daemon.secrets.items():
        (folder / "lent" / name).write_text(pathlib.Path(path).read_text())
    places = {"%d": str(folder / "lent"), "%S": str(folder)}
    words = list(daemon.command)
    for sign, place in places.items():
        words = [word.replace(sign, place) for word in words]
    return words


def test_given_stores_with_and_without_passwords_when_sent_to_then_each_sees_its_own(tmp_path):
    (tmp_path / "lent").mkdir()
    (tmp_path / "password").write_text("p4ss")
    (tmp_path / "token").write_text("t0ken")
    seen = [[], [], [], []]
    port = metrics_store.free_port()

    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(receiver(each)) for each in seen]
        remotes = (
            forwarder.Remote(urls[0]),
            forwarder.Remote(urls[1], "us,er", str(tmp_path / "password")),
            forwarder.Remote(urls[2]),
            forwarder.Remote(urls[3], password_file=str(tmp_path / "token")),
        )
        wanted = forwarder.Forwarder(remotes, str(scrape(tmp_path, port)), port=port)
        log = stack.enter_context((tmp_path / "vmagent.log").open("w"))
        agent = subprocess.Popen(command(wanted, tmp_path), stderr=log)
        stack.callback(agent.wait)
        stack.callback(agent.terminate)
        for _ in range(300):
            if all(seen):
                break
            time.sleep(0.1)

    assert [set(each) for each in seen] == [
        {None},
        {"Basic dXMsZXI6cDRzcw=="},
        {None},
        {"Bearer t0ken"},
    ]
