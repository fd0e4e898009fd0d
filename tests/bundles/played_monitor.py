"""A server that answers like Prometheus at the site's time, or in whichever way it should not."""

import contextlib
import http.server
import json
import threading

STALE_S = 3600


@contextlib.contextmanager
def monitor(clock):
    """Serve; what is said is in ``manner``: well, ill, dead, or one of the lies."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked += 1
            self.send_response(503 if server.manner == "dead" else 200)
            self.end_headers()
            self.wfile.write(ANSWERS[server.manner](clock.now()))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.manner, server.asked = "well", 0
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _vector(*samples):
    found = [{"metric": {"alertname": name}, "value": [at, value]} for name, at, value in samples]
    data = {"resultType": "vector", "result": found}
    return json.dumps({"status": "success", "data": data}).encode()


ANSWERS = {
    "well": lambda now: _vector(("Watchdog", now, "1")),
    "ill": lambda now: _vector(("Watchdog", now, "1"), ("DiskFull", now, "1")),
    "dead": lambda now: b"",
    "stale": lambda now: _vector(("Watchdog", now - STALE_S, "1")),
    "of tomorrow": lambda now: _vector(("Watchdog", now + STALE_S, "1")),
    "silent": lambda now: _vector(),
    "a page": lambda now: b"<html>All systems operational</html>",
    "no number": lambda now: _vector(("Watchdog", now, "NaN")),
    "half": lambda now: _vector(("Watchdog", now, "1"))[:40],
}
LIES = ("of tomorrow", "silent", "a page", "no number", "half")
