import email
import io

from hypothesis import given
from hypothesis import strategies as st

from edgecloud.lxd import multipart


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 20))
def test_given_any_streams_when_read_in_pieces_then_all_come_in_order(contents, size):
    chain = multipart.Chain(*map(io.BytesIO, contents))

    read = b"".join(iter(lambda: chain.read(size), b""))

    assert read == b"".join(contents)


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 20))
def test_given_any_streams_when_read_then_never_more_than_asked(contents, size):
    chain = multipart.Chain(*map(io.BytesIO, contents))

    assert chain.readable()
    assert len(chain.read(size)) <= size


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_given_two_files_when_made_a_form_then_both_can_be_read_from_it(first, second):
    form = multipart.form({"metadata": io.BytesIO(first), "rootfs": io.BytesIO(second)})

    body = form.content.read()
    message = email.message_from_bytes(
        b"Content-Type: " + form.headers["Content-Type"].encode() + b"\r\n\r\n" + body
    )
    names = [
        part.get_param("name", header="content-disposition") for part in message.get_payload()
    ]
    assert names == ["metadata", "rootfs"]
    assert first in body
    assert second in body
    assert len(body) == form.length


def test_given_stream_read_halfway_when_measured_then_rest_counts_and_it_stays_there():
    stream = io.BytesIO(b"abcdef")
    stream.seek(2)

    assert multipart.size(stream) == 4
    assert stream.read() == b"cdef"
