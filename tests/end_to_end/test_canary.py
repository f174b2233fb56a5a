"""I17 over a whole run in real processes: no secret anywhere but sealed, or in its own file.

The run is reachable, so that every kind of token there is takes part.
"""

import base64
import re
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from deployments.management.local_stack import LocalStack, running
from deployments.management.verdict import judge
from tests.end_to_end import canary
from tests.end_to_end.test_kills import at, deploy, make_stack, until

SEALED = {("secrets_vault", "api_key_encrypted"), ("installation_secrets", "value")}
SHOW_LOGIN_KEY = "from deployments.clouds import login_key; print(login_key().private_key)"
HASHES = {"dataset_download_tokens": "token", "machine_tokens": "token_hash"}
API = (
    *("vault/entries", "datasets", "training/configs", "training/deploy", "training/jobs"),
    *("tokens", "offers", "schema/"),
)
LOOKED_AT = {
    "answer vault/entries": b"fingerprint",
    "page /jobs/": b"eval/loss",
    "log web.log": b"GET /api/datasets/download",
    "log worker.log": b"",
    "log sandbox.log": b"",
    "column machine_tokens.token_hash": b"",
    "column cloud_deployments.config": b"gpu_1x_a10",
    "archive adapter/": b"local:slipway-sample",
    "raw slipway.sqlite3": b"local_training_jobs",
    "process list": b"agent.py",
    "environment of a machine's process": b"SLIPWAY_MODEL_PATH",
    "queue payload": b"deployments.tasks",
    "file on the machine job.json": b"job_url",
    "file on the machine run.jsonl": b"train/loss",
    "file on the machine train.log": b"",
}
OF_JOB = ("", "/metrics", "/events", "/logs", "/checkpoints", "/artifacts")
PAGES = ("/", "/burn/", "/vault/", "/datasets/", "/new/", "/admin/", "/api/docs/")
PAGES_OF_JOB = (
    *("", "charts/", "charts/points/", "charts/loss/", "charts/loss.csv", "logs/", "logs.txt"),
    *("events/", "checkpoints/", "files/", "files/use/", "config/", "config.json"),
    *("cost/", "cost.csv"),
)
ADMIN_LISTS = re.compile(rb'href="(/admin/\w+/\w+/)"')


@pytest.mark.full
def test_I17_no_secret_of_a_whole_run_shows_anywhere(tmp_path: Path) -> None:
    stack = make_stack(
        tmp_path,
        reachable=True,
        extra={
            "LOG_LEVEL": "DEBUG",
            # As a proxy would write it: with the whole address of each request.
            "GUNICORN_CMD_ARGS": "--access-logfile -",
        },
    )
    database = stack.data_dir / "slipway.sqlite3"
    with (
        running(stack),
        canary.Watch(machines=stack.data_dir / "sandbox", database=database) as watch,
    ):
        stack.token = stack.manage("create_token", "demo", "--scopes", "admin").strip()
        deployment = until(stack, deploy(stack), at("training"))
        asked = answers(stack, deployment)
        wrong_calls(stack, deployment, watch)
        ended = until(stack, deployment)
        verdict = judge(stack, ended)
        asked += [*answers(stack, ended), *pages(stack, ended)]
        login_key = stack.manage("shell", "-v", "0", "-c", SHOW_LOGIN_KEY)
    assert verdict.is_good, [check.text for check in verdict.checks if not check.ok]

    secrets = known_secrets(stack, watch, login_key=login_key)
    places = [*asked, *at_rest(stack), *seen(watch)]

    assert watch.tokens, "the machine never had a token"
    assert watch.token_modes == {0o600}
    for where, text in LOOKED_AT.items():
        # What was looked at was there to be seen.
        assert any(place.startswith(where) and text in content for place, content in places), where
    assert canary.leaks(places, secrets) == []
    hashes = kept_hashes(database)
    assert {where: canary.tokens_in(text, hashes=hashes) for where, text in places} == {
        where: set() for where, _ in places
    }


def known_secrets(
    stack: LocalStack, watch: canary.Watch, *, login_key: str
) -> dict[str, set[bytes]]:
    keys = stack.data_dir / "keys"
    plain = {
        "cloud key": stack.sandbox_key,
        "control key": stack.control_key,
        "password": stack.password,
        "API token": stack.token,
        "secret key": (keys / "secret-key").read_text().strip(),
        "encryption key": (keys / "field-encryption-key").read_text().strip(),
        **{f"machine token {n}": token for n, token in enumerate(sorted(watch.tokens))},
    }
    return {
        **{name: canary.forms(secret) for name, secret in plain.items()},
        "login key": canary.forms_of_private_key(login_key),
        # The host's key was never written down, so the test does not know it: look for any.
        "a private key": {canary.ANY_PRIVATE_KEY, b"PRIVATE KEY-----"},
    }


def answers(stack: LocalStack, deployment: dict[str, Any]) -> list[tuple[str, bytes]]:
    """Ask all there is to read over the API."""
    job = deployment["job_id"]
    paths = [
        *API,
        *(f"training/jobs/{job}{part}" for part in OF_JOB),
        f"training/deploy/lambda?deployment_id={deployment['deployment_id']}",
    ]
    headers = {"Authorization": f"Bearer {stack.token}"}
    found = []
    for path in paths:
        answer = requests.get(f"{stack.url}/api/{path}", headers=headers, timeout=30)
        assert answer.status_code == 200, (path, answer.text[:300])
        found.append((f"answer {path}", _whole(answer)))
    return found


def wrong_calls(stack: LocalStack, deployment: dict[str, Any], watch: canary.Watch) -> None:
    """Call in ways that are refused, with good secrets in them: refusals are logged."""
    (token, *_) = watch.tokens
    base = f"{stack.url}/api"
    bearer = {"Authorization": f"Bearer {token}"}
    user = {"Authorization": f"Bearer {stack.token}"}
    events = f"{base}/training/jobs/{deployment['job_id']}/events"
    asked = [
        requests.post(events, data=b"{", headers=bearer, timeout=30),
        requests.post(events, json={"events": []}, headers=user, timeout=30),
        requests.get(f"{base}/training/jobs", headers=bearer, timeout=30),
        requests.get(f"{base}/nothing", headers=user, timeout=30),
        requests.post(
            f"{base}/vault/entries",
            json={"provider": stack.sandbox_key, "secret": stack.sandbox_key, "extra": 1},
            headers=user,
            timeout=30,
        ),
        requests.get(f"{base}/datasets/download", headers=bearer, timeout=30),
    ]
    assert all(400 <= answer.status_code < 500 for answer in asked)


def pages(stack: LocalStack, deployment: dict[str, Any]) -> list[tuple[str, bytes]]:
    """Sign in as the user and look at the pages, the admin's among them."""
    session = requests.Session()
    login = f"{stack.url}/login/"
    session.get(login, timeout=30)
    form = {
        "username": "demo",
        "password": stack.password,
        "csrfmiddlewaretoken": session.cookies["csrftoken"],
    }
    signed_in = session.post(login, data=form, headers={"Referer": login}, timeout=30)
    assert "sessionid" in session.cookies, signed_in.status_code
    paths = [*PAGES, *(f"/jobs/{deployment['job_id']}/{part}" for part in PAGES_OF_JOB)]
    lists = ADMIN_LISTS.findall(session.get(f"{stack.url}/admin/", timeout=30).content)
    assert lists
    paths += sorted({path.decode() for path in lists})
    found = []
    for path in paths:
        answer = session.get(stack.url + path, timeout=30)
        found.append((f"page {path}", _whole(answer)))
        assert answer.status_code == 200, path
    return found


def _whole(answer: requests.Response) -> bytes:
    heads = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    return heads.encode() + b"\n\n" + answer.content


def at_rest(stack: LocalStack) -> Iterator[tuple[str, bytes]]:
    """Yield what the run has left on the control plane's disk, but for the files of the secrets."""
    for log in stack.data_dir.glob("*.log"):
        yield f"log {log.name}", log.read_bytes()
    yield from canary.columns(stack.data_dir / "slipway.sqlite3", sealed=SEALED)
    for path in stack.data_dir.glob("slipway.sqlite3*"):
        # Also what was deleted, and the sealed columns: there a secret is no text any more.
        yield f"raw {path.name}", path.read_bytes()
    kept = [p for p in stack.data_dir.rglob("*") if p.is_file()]
    own = {"keys", "local", "sandbox"}
    for path in kept:
        place = path.relative_to(stack.data_dir)
        if place.parts[0] in own or path.suffix == ".log" or path.name.startswith("slipway.sq"):
            continue
        yield f"kept {place}", path.read_bytes()
        if path.suffixes[-2:] == [".tar", ".gz"]:
            with tarfile.open(path) as archive:
                for member in archive:
                    content = archive.extractfile(member)
                    yield f"archive {member.name}", content.read() if content else b""


def seen(watch: canary.Watch) -> Iterator[tuple[str, bytes]]:
    for where, texts in watch.seen.items():
        yield where, b"\n".join(sorted(texts))


def kept_hashes(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        return {
            value
            for table, column in HASHES.items()
            for (value,) in connection.execute(f"SELECT {column} FROM {table}")  # noqa: S608
        }


def test_the_canary_finds_a_secret_in_every_form_it_knows() -> None:
    secret = "q7R2t9XzK4mW8pLd_a+b/c"

    for shift in range(3):
        coded = base64.b64encode(b"x" * shift + secret.encode() + b"tail")
        assert canary.leaks([("there", coded)], {"it": canary.forms(secret)})
    for text in (secret, "https://x/?a=q7R2t9XzK4mW8pLd_a%2Bb%2Fc", "..9XzK4mW8p.."):
        assert canary.leaks([("there", text.encode())], {"it": canary.forms(secret)})
    assert not canary.leaks([("there", b"9XzK4mW nothing")], {"it": canary.forms(secret)})
