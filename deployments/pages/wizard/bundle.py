"""What will run on the machine, to be read and downloaded before anything is started."""

import io
import json
import tarfile
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from deployments import base_models, cards, drafts
from deployments.forecasts import OfferForecast, sharding_of
from deployments.job_parts import data_of
from deployments.models import Draft
from deployments.training.job_file import PAYLOAD_FILES, build_job
from deployments.training_data import evaluation_of

JOB = "job.json"
# What people look at first, and what each is for.
FIRST = {
    JOB: "every setting of this run",
    "train.py": "the training script",
    "agent.py": "reports, saves, obeys stop",
    "bootstrap.sh": "prepares the machine",
}
AT_LAUNCH = "named at launch"
FOLDER = "slipway-run"


@dataclass(frozen=True)
class BundleFile:
    """One file of the bundle."""

    name: str
    use: str
    content: bytes
    mode: int

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self.content)

    @property
    def text(self) -> str:
        """Its content to be read."""
        return self.content.decode("utf-8", errors="replace")


def files(draft: Draft, forecast: OfferForecast | None) -> tuple[BundleFile, ...]:
    """Return all files of the run's folder, those that people look at first in front.

    Raises: InvalidInputError for settings that no run can be made from.
    """
    job = json.dumps(job_of(draft, forecast), indent=2, sort_keys=True).encode()
    found = [BundleFile(JOB, FIRST[JOB], job, 0o600)]
    found += [
        BundleFile(name, FIRST.get(name, ""), path.read_bytes(), mode)
        for name, path, mode in PAYLOAD_FILES
    ]
    order = list(FIRST)
    found.sort(key=lambda file: order.index(file.name) if file.name in FIRST else len(order))
    return tuple(found)


def job_of(draft: Draft, forecast: OfferForecast | None) -> dict[str, object]:
    """Return job.json as it will be; the machine's name and the time are known at launch only."""
    recipe = drafts.recipe(draft)
    dataset = draft.dataset
    expected: dict[str, Any] = {}
    sharding = ""
    if forecast is not None:
        offer = forecast.offer
        expected = {
            "gpu_count": offer.gpu_count,
            "vram_gib": offer.vram_gib,
            "architecture": offer.architecture,
            "peak_tflops": cards.peak_tflops_of(offer.instance_type),
        }
        if dataset is not None:
            sharding = sharding_of(
                recipe, dataset, gpu_count=offer.gpu_count, vram_gib=offer.vram_gib
            )
    return build_job(
        run_id=AT_LAUNCH,
        issued_at=0.0,
        recipe=recipe,
        base_model=base_models.for_job(recipe["base_model"], revision=recipe["revision"]),
        dataset={}
        if dataset is None
        else data_of(dataset, recipe, evaluation=evaluation_of(draft.user, recipe["eval"])),
        deadline_seconds=float(draft.values.get("max_hours") or 0) * 3600,
        heartbeat_seconds=settings.TIMING.heartbeat_seconds,
        silence_limit_seconds=settings.TIMING.control_silence_limit_seconds,
        allow_cpu=settings.ALLOW_CPU_MACHINES,
        torch_index_url=_without_password(settings.TORCH_INDEX_URL),
        expected=expected,
        sharding=sharding,
    )


def _without_password(url: str) -> str:
    """Return an address as everybody may see it: a package index may ask for a password (I17)."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def archive(found: tuple[BundleFile, ...]) -> bytes:
    """Return the files as .tar.gz; the same files give the same bytes but for the packing."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for file in found:
            entry = tarfile.TarInfo(f"{FOLDER}/{file.name}")
            entry.size, entry.mode = file.size, file.mode
            tar.addfile(entry, io.BytesIO(file.content))
    return packed.getvalue()
