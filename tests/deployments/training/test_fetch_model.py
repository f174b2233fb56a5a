"""Fetching a base model from a hub on loopback, with the real hub client (F38)."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployments.training.fetching import fetch
from tests.deployments.training.runs import ROWS, Run, machine, make_job
from tests.trainer import trainer_python

COMMIT = "c0ffee" * 6 + "c0ff"
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": b"weights",
    "tokenizer.json": b"{}",
    "pytorch_model.bin": b"a pickle",
    "modeling_odd.py": b"raise SystemExit",
}


class Hub:
    """What the hub says; ``statuses`` are used up answer by answer, then all is well."""

    def __init__(self) -> None:
        self.files = dict(FILES)
        self.statuses: list[int] = []
        self.asked: list[str] = []
        self.url = ""

    def answer(self, method: str, path: str) -> tuple[int, bytes]:
        self.asked.append(f"{method} {path}")
        if self.statuses:
            return self.statuses.pop(0), b"{}"
        if path.startswith("/api/models/owner/name/tree/"):
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                for name, content in self.files.items()
            ]
            return 200, json.dumps(tree).encode()
        if path.startswith("/api/models/owner/name"):
            siblings = [
                {"rfilename": name, "size": len(content), "blobId": "0" * 40}
                for name, content in self.files.items()
            ]
            return 200, json.dumps(
                {"id": "owner/name", "sha": COMMIT, "siblings": siblings}
            ).encode()
        name = path.rpartition(f"/owner/name/resolve/{COMMIT}/")[2]
        return (200, self.files[name]) if name in self.files else (404, b"{}")


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = hub.answer(self.command, self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{len(body):040d}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield hub
        server.shutdown()
        thread.join()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    model = {"kind": "hub", "id": "owner/name", "revision": None}
    job = make_job(base_model=model)
    with machine(tmp_path / "home", python=trainer_python(), job=job) as run:
        run.write_job()
        yield run


def test_F38_weights_and_texts_are_fetched_at_one_commit_and_no_pickle_or_code(
    run: Run, hub: Hub
) -> None:
    status, told, _ = fetch(run, hub_url=hub.url)

    assert status == 0, told
    assert told["model"]["revision"] == COMMIT
    names = {path.name for path in Path(told["model"]["path"]).iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json"}
    assert not any("pytorch_model" in asked or "modeling" in asked for asked in hub.asked)


@pytest.mark.parametrize("answer", [401, 403, 404])
def test_F38_a_gated_or_missing_model_is_told_at_once_with_its_page(
    run: Run, hub: Hub, answer: int
) -> None:
    hub.statuses = [answer] * 50

    status, told, _ = fetch(run, hub_url=hub.url)

    assert status == 26
    assert told["failure"]["code"] == "E_HF_ACCESS"
    assert f"{hub.url}/owner/name" in told["failure"]["message"]
    assert len(hub.asked) < 3


def test_F38_a_busy_hub_is_asked_again(run: Run, hub: Hub) -> None:
    hub.statuses = [503, 429]

    status, told, _ = fetch(run, hub_url=hub.url)

    assert status == 0, told


def test_F38_a_hub_that_stays_down_is_given_up_after_five_tries_and_worth_another_machine(
    run: Run, hub: Hub
) -> None:
    hub.statuses = [503] * 1000

    status, told, _ = fetch(run, hub_url=hub.url)

    assert status == 27
    assert (told["failure"]["code"], told["failure"]["retryable"]) == ("E_HF_UNREACHABLE", True)
    assert "Try 4 of 5" in told["log"]["text"]


def test_F38_a_model_without_safetensors_is_refused(run: Run, hub: Hub) -> None:
    del hub.files["model.safetensors"]

    status, told, _ = fetch(run, hub_url=hub.url)

    assert status == 20
    assert "safetensors" in told["failure"]["message"]


def test_the_agent_hands_the_fetched_model_to_the_training(run: Run, hub: Hub) -> None:
    run.add_program("python3", f'export HF_ENDPOINT={hub.url}\nexec {trainer_python()} "$@"')
    (run.home / ".slipway-cpu-stand-in").touch()
    run.write("data/dataset.jsonl", ROWS)
    run.write("bootstrap.sh", f"echo SLIPWAY_PYTHON={run.programs}/python3\n")
    run.write(
        "train.py",
        "import os\nprint(os.environ['SLIPWAY_MODEL_PATH'], os.environ['SLIPWAY_MODEL_REVISION'])",
    )

    run.result()

    assert [event["phase"] for event in run.events("phase")][3:5] == ["download_model", "train"]
    texts = [event["text"] for event in run.events("log") if event["source"] == "train"]
    assert any(text.endswith(f"snapshots/{COMMIT} {COMMIT}") for text in texts)
