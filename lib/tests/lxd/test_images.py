import hashlib

import pytest

from edgecloud.lxd import errors, images

IMAGES = "/1.0/images"


@pytest.fixture
def files(tmp_path):
    """Return metadata and root file system of an image."""
    metadata, rootfs = tmp_path / "lxd.tar.xz", tmp_path / "rootfs.squashfs"
    metadata.write_bytes(b"meta")
    rootfs.write_bytes(b"root" * 50_000)
    return metadata, rootfs


def test_given_one_file_when_ensured_then_uploaded_as_it_is(fake, lxd, files):
    fake.does("POST", IMAGES)

    fingerprint, uploaded = images.ensure(lxd, files[0])

    assert (fingerprint, uploaded) == (hashlib.sha256(b"meta").hexdigest(), True)
    assert fake.last("POST").body == b"meta"


def test_given_two_files_when_ensured_then_uploaded_as_a_form_in_order(fake, lxd, files):
    fake.does("POST", IMAGES)

    fingerprint, _ = images.ensure(lxd, *files)

    sent = fake.last("POST")
    assert fingerprint == hashlib.sha256(b"meta" + b"root" * 50_000).hexdigest()
    assert sent.headers["content-type"].startswith("multipart/form-data")
    assert sent.body.index(b'name="metadata"') < sent.body.index(b'name="rootfs"')


def test_given_image_there_when_ensured_then_nothing_is_uploaded(fake, lxd, files):
    fake.serves(f"{IMAGES}/{images.fingerprint(*files)}", {})

    assert images.ensure(lxd, *files) == (images.fingerprint(*files), False)
    assert fake.written() == []


def test_given_somebody_faster_when_ensured_then_not_a_change(fake, lxd, files):
    fake.does("POST", IMAGES, err="Image with same fingerprint already exists")

    assert images.ensure(lxd, files[0])[1] is False


def test_given_server_when_fetched_then_fingerprint_comes(fake, lxd):
    fake.does("POST", IMAGES, metadata={"fingerprint": "ab"})

    assert images.fetch(lxd, "https://images.site", "24.04", timeout_s=5) == "ab"
    assert fake.last("POST").json["source"]["protocol"] == "simplestreams"


def test_given_no_alias_when_ensured_then_made(fake, lxd):
    fake.serves(f"{IMAGES}/aliases", method="POST")

    assert images.ensure_alias(lxd, "juju/ubuntu@24.04/arm64", "ab")

    assert fake.last("POST").json["name"] == "juju/ubuntu@24.04/arm64"


def test_given_alias_elsewhere_when_ensured_then_turned_and_then_left(fake, lxd):
    fake.serves(f"{IMAGES}/aliases/x", {"target": "old"})
    fake.serves(f"{IMAGES}/aliases/x", {"target": "new"})
    fake.serves(f"{IMAGES}/aliases/x", method="PUT")

    assert images.ensure_alias(lxd, "x", "new")
    assert not images.ensure_alias(lxd, "x", "new")
    assert fake.last("PUT").json["target"] == "new"


def test_given_images_when_listed_then_aliases_are_known(fake, lxd):
    fake.serves(IMAGES, [{"fingerprint": "b", "aliases": [{"name": "x"}]}, {"fingerprint": "a"}])

    assert [(one.fingerprint, one.aliases) for one in images.every(lxd)] == [
        ("a", ()),
        ("b", ("x",)),
    ]


def test_given_image_when_removed_then_only_once(fake, lxd):
    fake.does("DELETE", f"{IMAGES}/ab")
    fake.refuses("DELETE", f"{IMAGES}/ab", 404, "Image not found")

    assert images.ensure_absent(lxd, "ab")
    assert not images.ensure_absent(lxd, "ab")


def test_given_upload_refused_when_ensured_then_raised(fake, lxd, files):
    fake.refuses("POST", IMAGES, 400, "Invalid image")

    with pytest.raises(errors.BadRequestError):
        images.ensure(lxd, files[0])
