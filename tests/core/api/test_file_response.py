"""Files are handed out in one way: streamed, resumable, never shown by a browser (T13)."""

from pathlib import Path

import pytest
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.api.file_response import CHUNK_BYTES, file_response

CONTENT = bytes(range(256)) * (CHUNK_BYTES // 128 + 1)
SIZE = len(CONTENT)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of more than two chunks."""
    path = tmp_path_factory.mktemp("files") / "rows.jsonl"
    path.write_bytes(CONTENT)
    return path


def ask(file: Path, *, method: str = "GET", **headers: str) -> HttpResponseBase:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = RequestFactory().generic(method, "/", headers=sent)
    return file_response(request, file, etag="abc", content_type="text/plain", filename="a.txt")


def body(response: HttpResponseBase) -> bytes:
    content = getattr(response, "content", b"")
    if isinstance(response, StreamingHttpResponse):
        content = response.getvalue()
    response.close()
    return bytes(content)


def test_the_whole_file_comes_with_its_length_and_its_tag(file: Path) -> None:
    response = ask(file)

    assert (response.status_code, body(response)) == (200, CONTENT)
    assert response.headers["Content-Length"] == str(SIZE)
    assert (response.headers["ETag"], response.headers["Accept-Ranges"]) == ('"abc"', "bytes")
    assert response.headers["Content-Disposition"] == 'attachment; filename="a.txt"'


@given(first=st.integers(0, SIZE - 1), length=st.integers(1, SIZE + 10))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_range_within_the_file_is_exactly_those_bytes(
    file: Path, first: int, length: int
) -> None:
    response = ask(file, Range=f"bytes={first}-{first + length - 1}")

    expected = CONTENT[first : first + length]
    assert (response.status_code, body(response)) == (206, expected)
    assert response.headers["Content-Length"] == str(len(expected))
    last = first + len(expected) - 1
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("bytes=10-", CONTENT[10:]), ("bytes=-10", CONTENT[-10:]), ("bytes=-999999999", CONTENT)],
)
def test_a_range_may_be_open_at_either_end(file: Path, asked: str, expected: bytes) -> None:
    response = ask(file, Range=asked)

    assert (response.status_code, body(response)) == (206, expected)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_with_the_size(file: Path, asked: str) -> None:
    response = ask(file, Range=asked)

    assert (response.status_code, response.headers["Content-Range"]) == (416, f"bytes */{SIZE}")
    assert b"E_RANGE" in body(response)


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=9-3", "bytes=-", "bytes=a-b", "bytes= 1-2"]
)
def test_a_range_that_is_none_of_ours_is_ignored(file: Path, asked: str) -> None:
    response = ask(file, Range=asked)

    assert (response.status_code, body(response)) == (200, CONTENT)


def test_a_range_of_another_version_gives_the_whole_file(file: Path) -> None:
    same = ask(file, Range="bytes=1-2", If_Range='"abc"')
    other = ask(file, Range="bytes=1-2", If_Range='"old"')
    dated = ask(file, Range="bytes=1-2", If_Range="Wed, 21 Oct 2015 07:28:00 GMT")

    assert (same.status_code, body(same)) == (206, CONTENT[1:3])
    assert (other.status_code, body(other)) == (200, CONTENT)
    assert (dated.status_code, body(dated)) == (200, CONTENT)


def test_head_tells_the_length_and_sends_nothing(file: Path) -> None:
    response = ask(file, method="HEAD", Range="bytes=1-2")

    assert (response.status_code, body(response)) == (200, b"")
    assert response.headers["Content-Length"] == str(SIZE)


def test_who_has_the_same_bytes_already_is_told_so(file: Path) -> None:
    response = ask(file, If_None_Match='"other", "abc"')

    assert (response.status_code, body(response)) == (304, b"")


def test_an_empty_file_is_handed_out_too(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()

    response = ask(empty)

    assert (response.status_code, body(response)) == (200, b"")
    assert response.headers["Content-Length"] == "0"


def test_a_download_that_nobody_reads_leaves_no_file_open(file: Path) -> None:
    # Warnings are errors here: a file left open would fail this test when it is collected.
    response = ask(file)

    response.close()

    assert response.closed
