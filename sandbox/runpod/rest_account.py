"""The endpoints under /v2/account and /v2/billing."""

import time
from datetime import UTC, datetime

import asyncssh

from sandbox.cloud import Cloud
from sandbox.ledger import LedgerEntry
from sandbox.runpod.create_body import read_json
from sandbox.runpod.pod import Pod
from sandbox.runpod.pod_json import Json
from sandbox.runpod.pod_log import stamp
from sandbox.runpod.problems import ProblemError, invalid
from sandbox.wire_call import Call, Route

BUCKET_SECONDS = {
    "hour": 3600,
    "day": 86_400,
    "week": 7 * 86_400,
    "month": 30 * 86_400,
    "year": 365 * 86_400,
}


class AccountEndpoints:
    """SSH keys and what pods have cost."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/account/ssh-keys", "ssh-keys", self._keys),
            Route("PUT", "/account/ssh-keys", "ssh-keys", self._replace_keys),
            Route("GET", "/billing/pods", "billing", self._billing),
        )

    async def _keys(self, call: Call) -> object:
        return {"keys": self._cloud.pod_keys}

    async def _replace_keys(self, call: Call) -> object:
        keys = read_json(await call.request.read()).get("keys")
        if not isinstance(keys, list):
            raise invalid("$: missing property 'keys'")
        for number, key in enumerate(keys):
            try:
                asyncssh.import_public_key(key)
            except (asyncssh.KeyImportError, TypeError, AttributeError):
                raise invalid(f"$.keys[{number}]: not a public key") from None
        self._cloud.pod_keys[:] = keys
        return {"keys": keys}

    async def _billing(self, call: Call) -> object:
        """Return one record for each pod, in one bucket that holds all its life.

        Real buckets end at round times; a pod of the sandbox never lives long enough to matter.
        """
        bucket = call.query("bucketSize") or "day"
        if bucket not in BUCKET_SECONDS:
            raise invalid(f"bucketSize: value must be one of {', '.join(BUCKET_SECONDS)}")
        now, wanted = time.time(), call.query("podId")
        earliest = _read_time(call.query("startTime"), "startTime") or 0.0
        latest = _read_time(call.query("endTime"), "endTime") or now
        records = [
            _record(entry, now=now)
            for entry in self._cloud.ledger.entries(Pod.cloud)
            if wanted in (None, entry.machine_id)
            and entry.launched_at <= latest
            and (entry.terminated_at or now) >= earliest
        ]
        amounts = ("totalAmount", "gpuAmount", "cpuAmount", "diskAmount")
        totals = {name: sum(float(str(row[name])) for row in records) for name in amounts}
        query = {
            "startTime": _stamp(earliest),
            "endTime": _stamp(latest),
            "bucketSize": bucket,
            "podId": wanted,
        }
        metadata = {
            "query": query,
            "recordCount": len(records),
            "uniquePodCount": len(records),
            "totals": totals,
        }
        return {"records": records, "metadata": metadata}


def _record(entry: LedgerEntry, *, now: float) -> Json:
    compute, disk = entry.compute_cents(now=now), entry.disk_cents(now=now)
    return {
        "startTime": _stamp(entry.launched_at),
        "endTime": _stamp(entry.terminated_at or now),
        "podId": entry.machine_id,
        "totalAmount": float((compute + disk) / 100),
        "gpuAmount": float(compute / 100),
        "cpuAmount": 0.0,
        "diskAmount": float(disk / 100),
    }


def _read_time(text: str | None, name: str) -> float | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise ProblemError(400, f"{name} must be an RFC 3339 time") from None


def _stamp(unix_seconds: float) -> str:
    return stamp(datetime.fromtimestamp(unix_seconds, UTC))
