"""A proxy that slows down those who know no limit, by real connections."""

import http.client
import http.server
import threading
import time

import pytest

from edgecloud.agent import registry, throttle
from edgelab.pi import two_slots

SIZE = 96 * 1024


@pytest.fixture
def server():
    """A server that sends so many bytes to whoever asks."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(SIZE))
            self.end_headers()
            self.wfile.write(bytes(SIZE))

        def log_message(self, *args):
            """Say nothing."""

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
    yield made.server_port
    made.shutdown()
    made.server_close()


def fetch(environment, port):
    """Fetch through the tunnel of a proxy; return the bytes, and how long that took."""
    host, _, proxy = environment["HTTPS_PROXY"].removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(proxy), timeout=30)
    connection.set_tunnel("127.0.0.1", port)
    began = time.monotonic()
    connection.request("GET", "/")
    body = connection.getresponse().read()
    connection.close()
    return body, time.monotonic() - began


def test_given_a_rate_when_fetched_then_all_arrives_no_faster(server):
    with throttle.limited(128) as environment:
        body, seconds = fetch(environment, server)

    assert len(body) == SIZE
    assert seconds >= 0.9 * SIZE / (128 * 1024)


def test_given_two_at_once_when_fetched_then_they_share_the_rate(server):
    began = time.monotonic()
    with throttle.limited(256) as environment:
        both = [threading.Thread(target=fetch, args=(environment, server)) for _ in range(2)]
        for each in both:
            each.start()
        for each in both:
            each.join()

    assert time.monotonic() - began >= 0.9 * 2 * SIZE / (256 * 1024)


def test_given_no_rate_when_fetched_then_there_is_no_proxy():
    with throttle.limited(0) as environment:
        assert environment == {}


def test_given_a_plain_request_when_it_comes_then_it_is_refused(server):
    with throttle.limited(64) as environment:
        host, _, port = environment["HTTPS_PROXY"].removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        connection.request("GET", f"http://127.0.0.1:{server}/")
        answer = connection.getresponse()
        connection.close()

    assert answer.status == 405


def test_given_a_rate_when_a_snap_is_fetched_then_it_goes_through_the_proxy(pair):
    pair.order(1, "prepare", pair.plan(floors={"download-rate-kib": 500}))
    seen, run = [], type(pair.host(1)).run

    def watch(self, command, **options):
        if command[1:2] == ("download",):
            seen.append((options.get("env") or {}).get("HTTPS_PROXY", ""))
        return run(self, command, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(pair.host(1)), "run", watch)
        pair.wake(1)

    assert seen and all(each.startswith("http://127.0.0.1:") for each in seen)


def test_given_a_rate_when_an_image_is_fetched_then_the_agent_takes_its_time(tmp_path):
    source, slept = two_slots.Registry(), []
    ref = source.push(bytes(SIZE))
    found = registry.resolve(ref)

    registry.Fetch(ref, 32, slept.append)(found.root, tmp_path / "root")
    source.close()

    assert sum(slept) == pytest.approx(SIZE / (32 * 1024))
