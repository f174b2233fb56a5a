"""Files are handed out whole or by one range, as RFC 9110 has it, and always as attachments."""

from pathlib import Path

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory

from core.api.file_response import CHUNK_BYTES, file_response

# Closing a response tells Django that the request is over, and Django looks at its connections.
pytestmark = pytest.mark.django_db
CONTENT = bytes(range(256)) * 600  # longer than two chunks
ETAG = "0123abc"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "adapter.tar.gz"
    path.write_bytes(CONTENT)
    return path


def ask(path: Path, *, method: str = "GET", **headers: str) -> HttpResponseBase:
    request: HttpRequest = RequestFactory().generic(method, "/", headers=headers)
    return file_response(
        request, path, etag=ETAG, content_type="application/gzip", filename="sums.tar.gz"
    )


def body_of(response: HttpResponseBase) -> bytes:
    assert isinstance(response, StreamingHttpResponse)
    content: bytes = response.getvalue()
    finish(response)
    return content


def finish(response: HttpResponseBase) -> None:
    """Close the response as Django's test client does: no database is at stake here."""
    request_finished.disconnect(close_old_connections)
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)


def test_a_file_comes_whole_with_its_length_and_etag_as_an_attachment(file: Path) -> None:
    response = ask(file)

    assert response.status_code == 200
    assert body_of(response) == CONTENT
    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert response.headers["ETag"] == f'"{ETAG}"'
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Content-Type"] == "application/gzip"
    assert response.headers["Content-Disposition"] == 'attachment; filename="sums.tar.gz"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, no-store"


def test_a_file_is_sent_in_chunks_not_at_once(file: Path) -> None:
    response = ask(file)

    assert isinstance(response, StreamingHttpResponse)
    chunks = list(response)
    finish(response)
    assert len(chunks) > 2
    assert max(map(len, chunks)) == CHUNK_BYTES


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-70000", 100, 70001),
        ("bytes=150000-", 150000, len(CONTENT)),
        ("bytes=-10", len(CONTENT) - 10, len(CONTENT)),
        ("bytes=-999999999", 0, len(CONTENT)),
        (f"bytes=5-{10**17}", 5, len(CONTENT)),
        ("BYTES=1-2", 1, 3),
    ],
)
def test_one_range_comes_alone(file: Path, asked: str, start: int, end: int) -> None:
    response = ask(file, Range=asked)

    assert response.status_code == 206
    assert body_of(response) == CONTENT[start:end]
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert response.headers["Content-Length"] == str(end - start)


@pytest.mark.parametrize(
    "asked", ["bytes=5-1", "bytes=-", "bytes=1-2,5-6", "items=0-1", "bytes", "bytes=a-b", ""]
)
def test_what_is_not_one_range_is_ignored(file: Path, asked: str) -> None:
    response = ask(file, Range=asked)

    assert response.status_code == 200
    assert body_of(response) == CONTENT


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", "bytes=999999-1000000", "bytes=-0"])
def test_a_range_behind_the_end_answers_416_with_the_size(file: Path, asked: str) -> None:
    response = ask(file, Range=asked)

    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(CONTENT)}"
    assert b'"code": "E_RANGE"' in getattr(response, "content", b"")


def test_the_rest_is_sent_only_of_the_version_whose_beginning_the_client_holds(file: Path) -> None:
    same = ask(file, **{"Range": "bytes=10-", "If-Range": f'"{ETAG}"'})
    other = ask(file, **{"Range": "bytes=10-", "If-Range": '"another"'})
    dated = ask(file, **{"Range": "bytes=10-", "If-Range": "Mon, 02 Mar 2026 12:00:00 GMT"})

    assert body_of(same) == CONTENT[10:]
    assert body_of(other) == CONTENT
    assert body_of(dated) == CONTENT


def test_head_tells_of_the_whole_file_and_sends_nothing(file: Path) -> None:
    response = ask(file, method="HEAD", Range="bytes=0-1")

    assert response.status_code == 200
    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert getattr(response, "content", None) == b""


def test_a_client_that_has_the_file_gets_304(file: Path) -> None:
    known = ask(file, **{"If-None-Match": f'"old", W/"{ETAG}", "{ETAG}"'})
    unknown = ask(file, **{"If-None-Match": '"old"'})

    assert known.status_code == 304
    assert known.headers["ETag"] == f'"{ETAG}"'
    assert body_of(unknown) == CONTENT


def test_an_empty_file_comes_empty_and_has_no_ranges(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()

    whole, part = ask(empty), ask(empty, Range="bytes=0-")

    assert whole.status_code == 200
    assert body_of(whole) == b""
    assert part.status_code == 416


def test_a_file_is_closed_even_when_nothing_was_read_of_it(file: Path) -> None:
    # Warnings are errors here: an unclosed file would fail this test when it is collected.
    response = ask(file)

    finish(response)

    with pytest.raises(ValueError, match="closed"):
        next(iter(response))


def test_a_missing_file_is_the_callers_to_explain(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ask(tmp_path / "nothing")
