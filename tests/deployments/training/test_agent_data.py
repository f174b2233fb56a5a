"""Fetching the data from a real HTTP server on loopback that cuts, changes and refuses."""

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import agent_data
from agent_failures import RunFailedError
from tests.deployments.training.runs import fake_machine

DATA = b"".join(b'{"prompt": "%d", "completion": "x"}\n' % number for number in range(20_000))


@dataclass
class Scenario:
    """What the server does, answer by answer; the last entry is repeated."""

    cuts: list[int | None]
    statuses: list[int] = field(default_factory=lambda: [200])
    body: bytes = DATA
    tag: str = '"one"'
    location: str = ""
    ranges: list[str | None] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the scenario's body with Range, If-Range and ETag."""

    scenario: Scenario

    def do_GET(self) -> None:
        plan = self.scenario
        number = len(plan.ranges)
        asked = self.headers.get("Range")
        plan.ranges.append(asked)
        plan.tokens.add(self.headers["Authorization"])
        status = plan.statuses[min(number, len(plan.statuses) - 1)]
        cut = plan.cuts[min(number, len(plan.cuts) - 1)]
        start = 0
        if status < 300 and asked and self.headers.get("If-Range") == plan.tag:
            start, status = int(asked.removeprefix("bytes=").removesuffix("-")), 206
        self.send_response(status)
        self.send_header("ETag", plan.tag)
        if status == 302:
            self.send_header("Location", plan.location)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(plan.body) - 1}/*")
        self.send_header("Content-Length", str(len(plan.body) - start))
        self.end_headers()
        if status < 300:
            self.wfile.write(plan.body[start : None if cut is None else start + cut])

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def serving(scenario: Scenario) -> Iterator[str]:
    handler = type("Handler", (Handler,), {"scenario": scenario})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/data"
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Fetch:
    """One call of ``obtain`` whose waiting takes no time."""

    target: Path
    told: list[str] = field(default_factory=list)
    asked: int = 0
    addresses: list[str] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)
    brought: bytes | None = None
    while_paused: Callable[[], None] = lambda: None

    def obtain(self, url: str | None, *, patience_seconds: float = 60.0) -> None:
        """``url`` is what the control plane answers when asked for an address; None: unset."""

        def address() -> tuple[str, str]:
            assert url is not None
            self.addresses.append(url)
            return url, "secret"

        dataset: dict[str, Any] = {
            "size_bytes": len(DATA),
            "sha256": hashlib.sha256(DATA).hexdigest(),
        }
        agent_data.obtain(
            dataset,
            self.target,
            address=address if url else None,
            patience_seconds=patience_seconds,
            pause=self.pause,
            ask=self.ask,
            tell=lambda _level, text: self.told.append(text),
        )

    def ask(self) -> None:
        self.asked += 1

    def pause(self, seconds: float) -> None:
        """The control plane brings the data while we wait for it."""
        self.paused.append(seconds)
        self.while_paused()
        if self.asked and self.brought is not None:
            self.target.write_bytes(self.brought)


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    return Fetch(tmp_path / "dataset.jsonl")


def test_data_is_downloaded_with_the_token_in_a_header_and_checked(fetch: Fetch) -> None:
    scenario = Scenario(cuts=[None])
    with serving(scenario) as url:
        fetch.obtain(url)

    assert fetch.target.read_bytes() == DATA
    assert scenario.tokens == {"Bearer secret"}
    assert fetch.asked == 0


def test_a_cut_download_goes_on_where_it_ended(fetch: Fetch) -> None:
    """F36."""
    scenario = Scenario(cuts=[100_000, 300_000, None])
    with serving(scenario) as url:
        fetch.obtain(url)

    assert fetch.target.read_bytes() == DATA
    assert scenario.ranges == [None, "bytes=100000-", "bytes=400000-"]


def test_a_file_that_changed_between_two_cuts_is_fetched_from_its_start(fetch: Fetch) -> None:
    scenario = Scenario(cuts=[100_000, None], body=b"?" * len(DATA), tag='"old"')
    with serving(scenario) as url:

        def change() -> None:
            scenario.body, scenario.tag = DATA, '"new"'

        fetch.while_paused = change
        fetch.obtain(url)

    assert fetch.target.read_bytes() == DATA
    assert len(scenario.ranges) == 2


def test_server_errors_are_worth_another_try_with_growing_pauses(fetch: Fetch) -> None:
    with serving(Scenario(cuts=[None], statuses=[503, 502, 429, 200])) as url:
        fetch.obtain(url)

    assert fetch.target.read_bytes() == DATA
    assert fetch.paused == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_F36_an_address_refused_twice_is_given_up_and_the_data_is_asked_for(
    fetch: Fetch, status: int
) -> None:
    """The control plane brings it by SFTP instead."""
    fetch.brought = DATA
    scenario = Scenario(cuts=[None], statuses=[status])
    with serving(scenario) as url:
        fetch.obtain(url)

    assert len(scenario.ranges) == len(fetch.addresses) == 2
    assert fetch.asked == 1
    assert fetch.target.read_bytes() == DATA
    assert all("secret" not in text for text in fetch.told)


def test_F36_an_address_that_expires_on_the_way_is_renewed_and_the_download_goes_on(
    fetch: Fetch,
) -> None:
    scenario = Scenario(
        cuts=[100_000, None, 300_000, None, None], statuses=[200, 403, 200, 403, 200]
    )
    with serving(scenario) as url:
        fetch.obtain(url)

    assert fetch.target.read_bytes() == DATA
    assert fetch.asked == 0
    assert len(fetch.addresses) == 3
    assert scenario.ranges[2] == "bytes=100000-"
    assert scenario.ranges[4] == "bytes=400000-"


def test_an_unreachable_control_plane_is_given_up_after_patience_and_asked(fetch: Fetch) -> None:
    fetch.brought = DATA
    with serving(Scenario(cuts=[None])) as url:
        pass

    fetch.obtain(url, patience_seconds=3)

    assert fetch.asked == 1
    assert any("cannot be reached" in text for text in fetch.told)
    assert sum(fetch.paused) < 10


def test_data_that_is_already_there_is_not_fetched(fetch: Fetch) -> None:
    fetch.target.write_bytes(DATA)
    scenario = Scenario(cuts=[None])
    with serving(scenario) as url:
        fetch.obtain(url)

    assert scenario.ranges == []


def test_other_bytes_from_the_server_are_never_trained_on(fetch: Fetch) -> None:
    """F37, I14: fetched once more, then asked for."""
    fetch.brought = DATA
    scenario = Scenario(cuts=[None], body=b"?" * len(DATA))
    with serving(scenario) as url:
        fetch.obtain(url)

    assert len(scenario.ranges) == 2
    assert fetch.target.read_bytes() == DATA


def test_a_server_that_sends_too_much_is_cut_off(fetch: Fetch) -> None:
    fetch.brought = DATA
    with serving(Scenario(cuts=[None], body=DATA + b"more")) as url:
        fetch.obtain(url)

    assert fetch.asked == 1
    assert any("more bytes" in text for text in fetch.told)


def test_wrong_bytes_brought_by_hand_end_the_run(fetch: Fetch) -> None:
    fetch.brought = DATA[:-1]

    with pytest.raises(RunFailedError) as caught:
        fetch.obtain(None)

    assert caught.value.code == "E_DATA_CHANGED"


def test_a_stop_ends_the_wait_for_data(tmp_path: Path) -> None:
    with fake_machine(tmp_path / "home") as run:
        (run.folder / "data" / "dataset.jsonl").unlink()

        run.start()
        run.wait_for_event("request", request="dataset")
        run.write("control/stop", "stop\n")

        assert run.wait_for_exit()["outcome"] == "stopped"


def test_T7_a_redirect_is_not_followed_with_the_token(fetch: Fetch) -> None:
    fetch.brought = DATA
    elsewhere = Scenario(cuts=[None])
    away = Scenario(cuts=[0], statuses=[302])
    with serving(elsewhere) as away.location, serving(away) as url:
        fetch.obtain(url, patience_seconds=3)

    assert elsewhere.ranges == []
    assert fetch.asked == 1
