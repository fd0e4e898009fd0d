import io

import pytest

from edgecloud.lxd import client, errors


def test_given_names_when_made_a_path_then_they_are_quoted():
    assert client.url("images", "aliases", "juju/a@b") == "/1.0/images/aliases/juju%2Fa%40b"


def test_given_object_when_got_then_its_metadata_comes(fake, lxd):
    fake.serves("/1.0/x", {"a": 1})

    assert lxd.get("/1.0/x") == {"a": 1}


def test_given_nothing_there_when_looked_for_then_none(lxd):
    assert lxd.find("/1.0/x") is None


def test_given_project_when_asked_then_every_call_names_it(fake, lxd):
    fake.serves("/1.0/x", {})

    lxd.in_project("edge").get("/1.0/x", {"target": "", "recursion": 1, "force": None})

    assert fake.asked[0].query == {"project": "edge", "recursion": "1"}


def test_given_list_when_asked_for_then_objects_are_whole(fake, lxd):
    fake.serves("/1.0/x", [{"name": "a"}, "/1.0/x/b", None])

    assert lxd.every("/1.0/x") == [{"name": "a"}]
    assert fake.asked[0].query == {"recursion": "1"}


def test_given_version_when_written_then_it_is_sent_along(fake, lxd):
    fake.serves("/1.0/x", method="PUT", etag="v2")

    answer = lxd.call("PUT", "/1.0/x", {"a": 1}, etag="v1")

    assert fake.asked[0].headers["if-match"] == "v1"
    assert fake.asked[0].json == {"a": 1}
    assert answer.etag == "v2"


def test_given_stream_when_sent_then_its_length_is_told(fake, lxd):
    fake.serves("/1.0/x", method="POST")

    lxd.call("POST", "/1.0/x", client.File(io.BytesIO(b"abc"), {"X-LXD-name": "n"}, 3))

    assert fake.asked[0].body == b"abc"
    assert fake.asked[0].headers["x-lxd-name"] == "n"


def test_given_operation_started_when_called_then_its_id_comes_at_once(fake, lxd):
    fake.starts("POST", "/1.0/x", id="op-7")

    assert lxd.call("POST", "/1.0/x").operation == "op-7"


def test_given_error_within_a_good_status_when_called_then_raised(fake, lxd):
    fake.sends("/1.0/x", b'{"type": "error", "error_code": 404, "error": "gone"}')

    with pytest.raises(errors.NotFoundError, match="gone"):
        lxd.get("/1.0/x")


def test_given_no_json_when_called_then_not_lxd(fake, lxd):
    fake.sends("/1.0/x", b"<html>")

    with pytest.raises(errors.BadAnswerError, match="<html>"):
        lxd.get("/1.0/x")


def test_given_plain_refusal_when_called_then_typed_by_status(fake, lxd):
    fake.sends("/1.0/x", b"Forbidden", status=403)

    with pytest.raises(errors.ForbiddenError):
        lxd.get("/1.0/x")
    with pytest.raises(errors.ForbiddenError):
        lxd.raw("/1.0/x")


def test_given_extensions_when_asked_often_then_daemon_is_asked_once(fake, lxd):
    fake.serves("/1.0", {"api_extensions": ["resources"]})

    assert lxd.has("resources")
    assert lxd.in_project("other").has("resources")
    with pytest.raises(errors.MissingExtensionError, match="clustering_evacuation_mode"):
        lxd.require("clustering_evacuation_mode")
    assert len(fake.asked) == 1
