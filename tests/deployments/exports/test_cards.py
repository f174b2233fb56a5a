"""The card joins the adapter once the run is over, and the bytes from the machine stay (I11)."""

import hashlib
import json
import tarfile
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings

from core.files import sha256_of
from core.time import database_now
from deployments.costs import cents_up
from deployments.exports.cards import add_card
from deployments.lifecycle.advance import advance
from deployments.lifecycle.describing import describe
from deployments.models import Artifact
from deployments.models.deployments import Status
from tests import builders
from tests.deployments.virtual.acting import leased

pytestmark = pytest.mark.django_db
WEIGHTS = b"weights of the adapter"
CONFIG = json.dumps({"revision": "c0ffee"}).encode()


def adapter_at_home(status: Status = Status.COMPLETED) -> Artifact:
    """Put an adapter's files and archive into the data folder, as collecting leaves them."""
    now = database_now()
    deployment = builders.make_deployment(status=status, outcome=Status.COMPLETED)
    machine = builders.make_machine(deployment, gone_at=now, billed_usd=Decimal("0.4242"))
    folder: Path = settings.SLIPWAY_DATA_DIR / "artifacts" / str(deployment.job_id) / machine.name
    files = {"adapter/adapter_model.safetensors": WEIGHTS, "adapter/adapter_config.json": CONFIG}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    listed = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    ]
    return builders.make_artifact(machine, files=listed, card_due=True, saved_at=now)


def inside(artifact: Artifact) -> dict[str, bytes]:
    with tarfile.open(settings.SLIPWAY_DATA_DIR / artifact.path) as archive:
        return {
            member.name: archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive.getmembers()
        }


def test_I11_the_archive_holds_the_card_and_the_same_bytes_as_before() -> None:
    artifact = adapter_at_home()

    add_card(artifact)

    artifact.refresh_from_db()
    found = inside(artifact)
    readme = found.pop("adapter/README.md")
    assert found == {
        "adapter/adapter_model.safetensors": WEIGHTS,
        "adapter/adapter_config.json": CONFIG,
    }
    assert b"library_name: peft" in readme
    assert b"Revision: `c0ffee`" in readme
    assert b"- Cost: 0.43 USD" in readme
    assert artifact.sha256 == sha256_of(settings.SLIPWAY_DATA_DIR / artifact.path)
    assert artifact.size_bytes == (settings.SLIPWAY_DATA_DIR / artifact.path).stat().st_size
    assert artifact.files[-1] == {
        "name": "adapter/README.md",
        "size": len(readme),
        "sha256": hashlib.sha256(readme).hexdigest(),
    }
    assert artifact.card_due is False


def test_writing_it_again_after_a_crash_gives_the_same() -> None:
    artifact = adapter_at_home()
    add_card(artifact)
    artifact.refresh_from_db()
    before = (artifact.sha256, artifact.files)

    add_card(artifact)

    artifact.refresh_from_db()
    assert (artifact.sha256, artifact.files) == before


def test_a_card_that_cannot_be_written_holds_up_no_end() -> None:
    artifact = adapter_at_home(Status.TERMINATING)
    folder = (settings.SLIPWAY_DATA_DIR / artifact.path).parent / "adapter"
    folder.rename(folder.with_name("elsewhere"))

    describe(leased(artifact.deployment), None)

    artifact.refresh_from_db()
    assert artifact.card_due is False
    assert artifact.size_bytes == len(b"adapter bytes")
    assert artifact.deployment.events.filter(kind="no_card").count() == 1


def test_the_card_is_written_when_all_is_paid_and_before_the_end_is_shown() -> None:
    """Whoever waits for the end and downloads then gets what the row says."""
    artifact = adapter_at_home(Status.TERMINATING)

    advance(artifact.deployment_id, may_block=True)

    artifact.refresh_from_db()
    artifact.deployment.refresh_from_db()
    assert artifact.card_due is False
    assert artifact.deployment.status == Status.TERMINATING
    advance(artifact.deployment_id, may_block=True)
    artifact.deployment.refresh_from_db()
    assert artifact.deployment.status == Status.COMPLETED
    assert artifact.deployment.actual_cost is not None
    assert (
        f"- Cost: {cents_up(artifact.deployment.actual_cost)} USD"
        in inside(artifact)["adapter/README.md"].decode()
    )
