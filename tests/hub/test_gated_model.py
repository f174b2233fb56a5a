"""A base model that asks who downloads it: the real payload and library, a Hub on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployments.training.fetching import fetch
from tests.deployments.training.runs import Run, machine, make_job
from tests.hub.server import ACCOUNT, TOKEN, Hub, running_hub
from tests.trainer import trainer_python

NAME = "grace/gated"
FILES = {"config.json": b"{}", "model.safetensors": b"weights", "tokenizer.json": b"{}"}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        hub.put(NAME, FILES, gated=True)
        yield hub


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    job = make_job(base_model={"kind": "hub", "id": NAME, "revision": None})
    with machine(tmp_path / "home", python=trainer_python(), job=job) as run:
        run.write_job()
        yield run


def test_with_the_owners_token_it_comes_and_the_token_is_deleted(run: Run, hub: Hub) -> None:
    hub.granted.add(ACCOUNT)
    token = run.write("hub_token", TOKEN)

    status, told, said = fetch(run, hub_url=hub.url)

    assert status == 0, said
    model = Path(told["model"]["path"])
    assert (model / "model.safetensors").read_bytes() == b"weights"
    assert not token.exists()
    assert TOKEN not in said
    kept = [path for path in run.folder.rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in path.read_bytes() for path in kept), "nowhere on the disk"


def test_an_account_that_has_not_accepted_the_terms_is_told_to(run: Run, hub: Hub) -> None:
    token = run.write("hub_token", TOKEN)

    status, told, _ = fetch(run, hub_url=hub.url)

    assert status == 26
    assert told["failure"]["code"] == "E_HF_ACCESS"
    assert "accept its terms on its page, with the account" in told["failure"]["remedy"]
    assert not token.exists()


def test_without_a_token_one_is_asked_for(run: Run, hub: Hub) -> None:
    status, told, _ = fetch(run, hub_url=hub.url)

    assert status == 26
    assert "put a token of that account into the vault" in told["failure"]["remedy"]
