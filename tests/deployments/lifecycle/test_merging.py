"""A merged model comes after its adapter, within money and time, and never fails a run."""

import io
import json
import shutil
import tarfile
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import RequestFactory

from deployments.archives import artifact_folder
from deployments.handing_out import artifact_response
from deployments.lifecycle import merging
from deployments.lifecycle.actions import Effect
from deployments.lifecycle.stalling import is_stalled
from deployments.models import Artifact, Deployment, Machine
from deployments.models.deployments import Desired, Status
from tests.deployments.lifecycle.situations import (
    a_deployment,
    a_run,
    ago,
    decided,
    ended,
    performs,
    recorded,
    situation,
    working,
)
from tests.deployments.virtual.acting import events, leased, with_machine
from tests.deployments.virtual.agent import listed, safetensors
from tests.deployments.virtual.world import World

S = Status
FILES = {
    "merged/config.json": b"{}",
    "merged/model.safetensors": safetensors(bytes(600)),
}


def landing(**fields: Any) -> Deployment:
    return a_deployment(S.COLLECTING, **({"landing": "finished"} | fields))


def with_merged(**fields: Any) -> Any:
    run = ended()
    assert run.exit is not None
    run.exit["merge"] = "made"
    return {"run": run, "adapter_home": True} | fields


class TestDeciding:
    """When it is brought, and when it is left."""

    def test_it_is_brought_after_the_adapter(self) -> None:
        assert performs(decided(landing(), working(), **with_merged()), Effect.COLLECT_MERGED)
        first = decided(landing(), working(), **with_merged(adapter_home=False))
        assert performs(first, Effect.COLLECT)

    def test_once_it_is_home_or_left_the_run_ends_completed(self) -> None:
        home = recorded(landing(), working(), **with_merged(merged_home=True))
        left = recorded(landing(), working(merged_left=True), **with_merged())

        for action in (home, left):
            assert (action.to, action.deployment["outcome"]) == (S.TERMINATING, S.COMPLETED)
            assert action.message == "The adapter is home."

    @pytest.mark.parametrize(
        "limit", [{"budget_limit": Decimal("0.13")}, {"max_hours": Decimal("0.01")}]
    )
    def test_at_a_limit_it_is_left_and_the_run_is_still_completed(
        self, limit: dict[str, Decimal]
    ) -> None:
        deployment = landing(status_since=ago(1000), **limit)

        action = recorded(deployment, working(), **with_merged())

        assert (action.to, action.deployment["outcome"]) == (S.TERMINATING, S.COMPLETED)
        assert "The merged model is left behind" in action.message

    def test_a_stop_leaves_it(self) -> None:
        deployment = landing(desired=Desired.STOP, save_wanted=True)

        assert recorded(deployment, working(), **with_merged()).to == S.TERMINATING

    def test_a_limit_reached_while_merging_does_not_undo_the_training(self) -> None:
        """The agent ends the merge and says that training was completed."""
        run = ended()
        assert run.exit is not None
        run.exit["merge"] = "left"
        deployment = landing(landing="budget", error={"code": "E_BUDGET"})

        action = recorded(deployment, working(), run=run)

        assert action.deployment == {"landing": "finished", "error": None}

    def test_F44_merging_is_no_standstill(self) -> None:
        run = a_run(phase="merge", step=7, stalled_seconds=5000)

        assert not is_stalled(situation(S.TRAINING, working(), run=run))


class TestBringing:
    """From the machine to the download."""

    def left_on_machine(
        self, world: World, files: dict[str, bytes], manifest: bytes | None = None
    ) -> tuple[Deployment, Machine]:
        deployment, machine, at_cloud = with_machine(world, S.COLLECTING)
        folder = f"slipway/{machine.name}"
        told = json.dumps({"files": listed(files)}).encode()
        at_cloud.files[f"{folder}/merged.json"] = told if manifest is None else manifest
        at_cloud.files.update(
            {f"{folder}/output/{name}": content for name, content in files.items()}
        )
        return deployment, machine

    def test_I11_every_file_is_checked_and_it_is_handed_out_as_one_archive(
        self, world: World
    ) -> None:
        deployment, machine = self.left_on_machine(world, FILES)

        merging.collect_merged(leased(deployment), machine)

        artifact = Artifact.objects.get()
        assert (artifact.kind, artifact.name) == ("merged", "merged.tar")
        assert events(deployment) == ["merged_home"]
        response: Any = artifact_response(RequestFactory().get("/"), artifact)
        content = response.getvalue()
        assert len(content) == artifact.size_bytes == int(response["Content-Length"])
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            found = {
                m.name: archive.extractfile(m).read()  # type: ignore[union-attr]
                for m in archive.getmembers()
            }
        assert found == FILES

    @pytest.mark.parametrize(
        "files",
        [
            {"merged/config.json": b"{}"},
            {"merged/model.safetensors": b"no safetensors at all"},
            {"adapter/model.safetensors": safetensors()},
        ],
    )
    def test_F59_what_is_no_model_is_left_behind_with_the_reason(
        self, world: World, files: dict[str, bytes]
    ) -> None:
        deployment, machine = self.left_on_machine(world, files)

        merging.collect_merged(leased(deployment), machine)

        machine.refresh_from_db()
        assert machine.merged_left
        assert events(deployment) == ["merged_left"]
        assert not Artifact.objects.exists()

    def test_what_came_of_it_before_the_run_ended_is_removed_unless_it_is_whole(
        self, world: World
    ) -> None:
        deployment, machine = self.left_on_machine(world, FILES)
        merging.collect_merged(leased(deployment), machine)
        folder = artifact_folder(machine) / "merged"

        merging.remove_unless_whole(machine)
        assert folder.is_dir()

        Artifact.objects.all().delete()
        merging.remove_unless_whole(machine)
        assert not folder.exists()

    def test_without_room_here_it_is_left_and_no_machine_waits(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deployment, machine = self.left_on_machine(world, FILES)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10))

        merging.collect_merged(leased(deployment), machine)

        machine.refresh_from_db()
        assert machine.merged_left
