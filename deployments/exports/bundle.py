"""The reproducibility bundle: one archive with which ``bash run.sh`` repeats a run elsewhere.

Its files are those that a machine gets, and what the run has told. Made while it is sent: the
archive of a finished run has the same bytes each time.
"""

import csv
import io
import json
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

from django.template.loader import render_to_string
from django.utils.text import slugify

from datasets.services import normalised_file
from deployments import earlier_adapters, forecasts, overview
from deployments.exports.facts import base_revision
from deployments.job_parts import EVAL_FILE, JobParts, evaluation_of, parts_of
from deployments.models import Artifact, Deployment, LogLine, Machine, Metric
from deployments.models.deployments import LaunchState
from deployments.training.job_file import PAYLOAD_FILES, build_job
from deployments.workload import rows_held_out

REPEAT = Path(__file__).parent / "repeat"
LOSSES = ("train/loss", "eval/loss")
# Nobody waits for a repeat with a bill.
LONGEST_SECONDS = 10 * 365 * 86400.0
HEARTBEAT_SECONDS = 15.0
CHUNK_BYTES = 1024 * 1024
IN_MEMORY_BYTES = 4 * 1024 * 1024
ROWS_AT_ONCE = 2000

Content = bytes | Path | IO[bytes]


@dataclass(frozen=True)
class BundleFile:
    """One file of the bundle; its content is read while it is sent."""

    name: str
    content: Content
    mode: int = 0o644


def bundle_name(deployment: Deployment) -> str:
    """Return the name of the folder in the archive; the archive is called after it."""
    return f"{slugify(deployment.job.name) or 'run'}-bundle"


def bundle(deployment: Deployment, *, with_data: bool, now: datetime) -> Iterator[bytes]:
    """Return the archive (.tar.gz) in chunks; ``now`` is the database's time.

    Raises, before the first chunk: ServerFaultError when the data's file is lost.
    """
    return archive(files_of(deployment, with_data=with_data, now=now), bundle_name(deployment))


def files_of(deployment: Deployment, *, with_data: bool, now: datetime) -> list[BundleFile]:
    """Return the files of the bundle in their order."""
    parts = parts_of(deployment)
    artifact = Artifact.objects.filter(deployment=deployment, kind="adapter").first()
    revision = base_revision(artifact) if artifact else ""
    if revision:
        parts["base_model"]["revision"] = revision
    data = [BundleFile("data/dataset.jsonl", normalised_file(deployment.job.dataset))]
    evaluation = evaluation_of(deployment.job)
    if evaluation is not None:
        data.append(BundleFile(EVAL_FILE, normalised_file(evaluation)))
    machine = _last_machine(deployment)
    gpu_count, sharding = 1, ""
    if machine is not None:
        gpu_count = machine.gpu_count
        sharding = forecasts.sharding_of(
            parts["recipe"],
            deployment.job.dataset,
            gpu_count=gpu_count,
            vram_gib=machine.vram_gib,
        )
    run = overview.deployment_overview(deployment, now=now)
    environment = (run.run.environment if run.run else None) or {}
    return [
        BundleFile("README.md", _readme(deployment, parts, with_data=with_data)),
        BundleFile("run.sh", REPEAT / "run.sh", 0o755),
        BundleFile("repeat.py", REPEAT / "repeat.py"),
        BundleFile("job.json", _json(_job(parts, gpu_count=gpu_count, sharding=sharding))),
        *(BundleFile(f"payload/{name}", path, mode) for name, path, mode in PAYLOAD_FILES),
        *(
            BundleFile(f"start_adapter/{path.name}", path)
            for path, _ in earlier_adapters.files_of(parts["recipe"])
        ),
        *(data if with_data else []),
        BundleFile("split.json", _json(split(parts))),
        BundleFile("environment.json", _json(environment)),
        BundleFile("freeze.txt", _freeze(environment)),
        BundleFile("expected.json", _json(_last_losses(deployment))),
        BundleFile("cost.json", _json(_cost(run))),
        BundleFile("metrics.csv", _metrics(deployment)),
        BundleFile("log.txt", _log(deployment)),
    ]


def split(parts: JobParts) -> dict[str, Any]:
    """Return what it is measured with: the rows held out, or the name of a file of their own."""
    recipe, dataset = parts["recipe"], parts["dataset"]
    if "eval_file" in dataset:
        return {"eval_file": dataset["eval_file"]}
    rows = dataset.get("eval_rows")
    return {
        "seed": recipe["hyperparameters"]["seed"],
        "share": recipe["eval"]["share"],
        "eval_rows": rows_held_out(dataset["rows"], recipe) if rows is None else rows,
    }


def archive(files: Sequence[BundleFile], folder: str) -> Iterator[bytes]:
    """Yield the files below a folder as .tar.gz, without owners and times."""
    # Bits 31: a gzip header, in which zlib leaves the time at 0.
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    for file in files:
        size = _size(file.content)
        entry = tarfile.TarInfo(f"{folder}/{file.name}")
        entry.size, entry.mode = size, file.mode
        yield packer.compress(entry.tobuf(tarfile.PAX_FORMAT))
        for chunk in _chunks(file.content, size):
            yield packer.compress(chunk)
        yield packer.compress(bytes(-size % tarfile.BLOCKSIZE))
    yield packer.compress(bytes(2 * tarfile.BLOCKSIZE)) + packer.flush()


def _size(content: Content) -> int:
    if isinstance(content, bytes):
        return len(content)
    if isinstance(content, Path):
        return content.stat().st_size
    return content.seek(0, io.SEEK_END)


def _chunks(content: Content, size: int) -> Iterator[bytes]:
    """Yield exactly ``size`` bytes; raises OSError when the file has become shorter."""
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") if isinstance(content, Path) else content as file:
        file.seek(0)
        while size > 0:
            chunk = file.read(min(CHUNK_BYTES, size))
            if not chunk:
                raise OSError("A file of the bundle became shorter while it was sent.")
            size -= len(chunk)
            yield chunk


def _job(parts: JobParts, *, gpu_count: int, sharding: str) -> dict[str, object]:
    """Return job.json for a machine that nobody watches and that may have other cards."""
    return build_job(
        run_id="repeat",
        issued_at=0.0,
        **parts,
        deadline_seconds=LONGEST_SECONDS,
        heartbeat_seconds=HEARTBEAT_SECONDS,
        silence_limit_seconds=0,
        allow_cpu=True,
        # As many as then, since the batch is shared among them.
        expected={"gpu_count": gpu_count},
        sharding=sharding,
    )


def _last_machine(deployment: Deployment) -> Machine | None:
    """Return the machine that trained last."""
    started = deployment.machines.filter(launch_state=LaunchState.LAUNCHED)
    return started.order_by("attempt", "node").last()


def _readme(deployment: Deployment, parts: JobParts, *, with_data: bool) -> bytes:
    context = {
        "name": " ".join(deployment.job.name.split()),
        "base_model": deployment.job.model_name,
        "revision": parts["base_model"]["revision"],
        "rows": parts["dataset"]["rows"],
        "sha256": parts["dataset"]["sha256"],
        "with_data": with_data,
    }
    return render_to_string("exports/bundle.md", context).encode()


def _freeze(environment: Mapping[str, Any]) -> bytes:
    """Return all packages that the machine had, as pip names them."""
    told = environment.get("freeze")
    lines = told if isinstance(told, list) else []
    return "".join(f"{line}\n" for line in lines).encode()


def _last_losses(deployment: Deployment) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for name in LOSSES:
        last = deployment.job.metrics.filter(name=name).order_by("-step").first()
        if last is not None:
            found[name] = {"step": last.step, "value": last.value}
    return found


def _cost(run: overview.DeploymentOverview) -> dict[str, Any]:
    return {
        "currency": run.cost.currency,
        "total": str(run.cost.accrued),
        "is_final": run.cost.final is not None,
        "machines": [
            {
                "name": machine.name,
                "platform": machine.platform,
                "instance_type": machine.instance_type,
                "region": machine.region,
                "hourly": str(machine.hourly),
                "requested_at": machine.requested_at.isoformat(),
                "gone_at": machine.gone_at.isoformat() if machine.gone_at else None,
                "billed": None if machine.billed is None else str(machine.billed),
            }
            for machine in run.machines
        ],
    }


def _metrics(deployment: Deployment) -> IO[bytes]:
    rows = Metric.objects.filter(job=deployment.job_id).order_by("step", "name")
    values = rows.values_list("step", "name", "value", "at").iterator(chunk_size=ROWS_AT_ONCE)
    lines = ([step, name, value, at.isoformat()] for step, name, value, at in values)
    return _spooled(_csv_lines([["step", "name", "value", "time"]], lines))


def _csv_lines(*parts: Iterable[Iterable[object]]) -> Iterator[str]:
    for part in parts:
        for row in part:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerow(row)
            yield text.getvalue()


def _log(deployment: Deployment) -> IO[bytes]:
    rows = LogLine.objects.filter(job=deployment.job_id).order_by("pk")
    lines = rows.values_list("at", "level", "source", "text").iterator(chunk_size=ROWS_AT_ONCE)
    return _spooled(
        f"{at.isoformat(timespec='seconds')} {level} {source} {text}\n"
        for at, level, source, text in lines
    )


def _spooled(lines: Iterable[str]) -> IO[bytes]:
    """Return the lines as a file: its size must be known before it is sent."""
    # Closed by whoever sends it.
    file = cast(IO[bytes], tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES))  # noqa: SIM115
    for line in lines:
        file.write(line.encode())
    return file


def _json(content: object) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"
