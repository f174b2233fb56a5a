"""A whole life in real processes while one of the two ways of the run log is cut (F41, F43)."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from deployments.management.local_stack import LocalStack, running
from deployments.management.verdict import judge
from tests.end_to_end.test_kills import RECIPE, at, deploy, make_stack, until

pytestmark = pytest.mark.full
# Shorter than the cut: were the machine blamed for it, it would be ended.
SILENCE_SECONDS = 8
CUT_SECONDS = 60
# News must come by push in each of these.
CUT_PARTS = 6


class WithoutPush(http.server.BaseHTTPRequestHandler):
    """Passes everything on to the control plane but what a machine pushes."""

    behind: str
    refused: list[str]

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/events"):
            self.refused.append(self.path)
            self.send_error(503)
        else:
            self._pass_on(body)

    def _pass_on(self, body: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        answer = requests.request(
            self.command, self.behind + self.path, data=body, headers=headers, timeout=30
        )
        self.send_response(answer.status_code)
        for name in ("Content-Type", "ETag", "Content-Range"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def without_push() -> Iterator[type[WithoutPush]]:
    handler = type("Handler", (WithoutPush,), {"refused": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        handler.url = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
        try:
            yield handler
        finally:
            server.shutdown()
            thread.join()


def result(stack: LocalStack, ended: dict[str, Any]) -> dict[str, Any]:
    """Return what a run has given, without times and names."""
    verdict = judge(stack, ended)
    assert verdict.is_good, [check.text for check in verdict.checks if not check.ok]
    job = f"training/jobs/{ended['job_id']}"
    metrics = stack.api("GET", f"{job}/metrics")
    return {
        "losses": {
            name: (series["step"], series["value"])
            for name, series in metrics.items()
            if name.endswith("/loss")
        },
        "adapter": {
            file["name"]: file["sha256"]
            for file in ended["artifacts"][0]["files"]
            if file["name"].endswith(".safetensors")
        },
        "levels": {line["level"] for line in stack.api("GET", f"{job}/logs")["data"]},
        "machines": len(ended["machines"]),
    }


def test_F41_a_push_endpoint_that_is_down_for_the_whole_run_changes_nothing(
    tmp_path: Path,
) -> None:
    with without_push() as proxy:
        stack = make_stack(tmp_path / "down", extra={"APP_URL": proxy.url})  # type: ignore[attr-defined]
        proxy.behind = stack.url
        with running(stack):
            down = result(stack, until(stack, deploy(stack)))
    stack = make_stack(tmp_path / "up", reachable=True)
    with running(stack):
        up = result(stack, until(stack, deploy(stack)))

    assert proxy.refused
    assert down == up


def test_F41_F43_reading_that_is_cut_for_a_minute_while_push_works_blames_nobody_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than any machine trains in that minute; the run is stopped afterwards.
    monkeypatch.setitem(RECIPE, "max_steps", 100_000)
    monkeypatch.setitem(RECIPE, "learning_rate", 1e-3)
    stack = make_stack(
        tmp_path, reachable=True, extra={"SILENCE_LIMIT_SECONDS": str(SILENCE_SECONDS)}
    )
    with running(stack):
        deployment = until(stack, deploy(stack), at("training"))
        job = f"training/jobs/{deployment['job_id']}/metrics"
        until(stack, deployment, lambda _: steps(stack, job) > 0)
        stack.control("POST", "faults", json={"on": "ssh", "kind": "ssh_reset", "times": None})
        until(stack, deployment, lambda _: refused_looks(stack) > 0)
        known = [steps(stack, job)]
        for _ in range(CUT_PARTS):
            threading.Event().wait(CUT_SECONDS / CUT_PARTS)
            known.append(steps(stack, job))
        still = until(stack, deployment, lambda _: True)
        looks = refused_looks(stack)
        stack.control("DELETE", "faults")
        until(stack, deployment, lambda _: steps(stack, job) > known[-1])
        stop = {"deployment_id": deployment["deployment_id"]}
        stack.api("DELETE", "training/deploy/lambda", params=stop)
        ended = until(stack, deployment)
        told = stack.api("GET", job, params={"keys": "train/loss"})["train/loss"]["step"]
        wrong = [check.text for check in judge(stack, ended).checks if not check.ok]

    # Training went on through the whole cut, and was told by push alone.
    assert still["status"] == "training"
    assert known == sorted(set(known))
    assert looks > CUT_PARTS
    assert len(ended["machines"]) == 1
    # So long a run logs each fifth step.
    assert told == [1, *range(5, told[-1] + 1, 5)]
    assert len(told) > known[-1]
    assert wrong == ["run cancelled"]


def refused_looks(stack: LocalStack) -> int:
    """Return how many connections the cut has refused."""
    (fault,) = stack.control("GET", "faults")["faults"]
    used: int = fault["used"]
    return used


def steps(stack: LocalStack, job: str) -> int:
    """Return how many steps of training are known."""
    series = stack.api("GET", job, params={"keys": "train/loss"}).get("train/loss")
    return len(series["step"]) if series else 0
