"""The real agent pushes its run log to a real HTTP server on loopback that fails in every way."""

import datetime
import http.server
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import agent_push
from agent_log import RunLog
from agent_push import ControlPlane, Push
from tests.deployments.training.runs import FAKE_TRAINING, Run, fake_machine

TOKEN = "ftj_" + "k" * 43
Answer = tuple[int, Any]


@dataclass
class ControlPlaneDouble:
    """Takes events as the control plane does; ``answer`` may say something else instead."""

    seen: list[int] = field(default_factory=list)
    bodies: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    answer: Callable[["ControlPlaneDouble"], Answer | None] = lambda self: None
    url: str = ""

    @property
    def through(self) -> int:
        return len(self.seen)

    def take(self, path: str, body: bytes) -> Answer:
        self.paths.append(path)
        self.bodies.append(len(body))
        other = self.answer(self)
        if other is not None:
            return other
        if path.endswith("/dataset-token"):
            return 200, {"url": f"{self.url}/data", "token": "t"}
        for event in json.loads(body)["events"]:
            if event["seq"] == self.through + 1:
                self.seen.append(event["seq"])
        return 200, {"accepted_through": self.through}


class Handler(http.server.BaseHTTPRequestHandler):
    """Hands each POST to the double."""

    double: ControlPlaneDouble

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.double.tokens.add(self.headers["Authorization"])
        status, said = self.double.take(self.path, body)
        self.send_response(status)
        text = json.dumps(said).encode()
        if status in (301, 302, 307, 308):
            self.send_header("Location", str(said))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        self.double.paths.append("GET " + self.path)
        self.send_error(404)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def answering(double: ControlPlaneDouble) -> Iterator[str]:
    handler = type("Handler", (Handler,), {"double": double})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        double.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield double.url
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with fake_machine(tmp_path / "home") as run:
        run.write("token", TOKEN)
        yield run


def train(run: Run, url: str, script: str = "") -> dict[str, Any]:
    """Run the agent to its end with a control plane at ``url``; return the exit event."""
    run.job["job_url"] = f"{url}/api/training/jobs/1"
    run.write("train.py", FAKE_TRAINING + script + "\nsave_adapter()\n")
    return run.result()


@pytest.fixture
def double() -> ControlPlaneDouble:
    return ControlPlaneDouble()


def test_the_whole_run_log_is_pushed_in_order_with_the_token_and_the_token_is_taken_away(
    run: Run, double: ControlPlaneDouble
) -> None:
    with answering(double) as url:
        exit_event = train(run, url, "for n in range(60): print('line', n)")

    assert exit_event["outcome"] == "completed"
    assert double.through == exit_event["seq"] == len(run.events())
    assert double.tokens == {f"Bearer {TOKEN}"}
    assert set(double.paths) == {"/api/training/jobs/1/events"}
    assert not (run.folder / "token").exists()


def test_T16_the_token_is_in_no_argument_no_environment_and_no_file_but_its_own(
    run: Run, double: ControlPlaneDouble
) -> None:
    with answering(double) as url:
        run.job["job_url"] = f"{url}/api/training/jobs/1"
        run.write("train.py", FAKE_TRAINING + "wait_for_stop()\nsave_adapter()\n")
        run.start()
        run.wait_for_event("phase", phase="train")
        run.wait_for(lambda: double.through)
        run.wait_for(lambda: len(run.processes()) == 2, what="train.py's start")
        shown = b"".join(
            Path(f"/proc/{pid}/{name}").read_bytes()
            for pid in run.processes()
            for name in ("cmdline", "environ")
        )
        run.write("control/stop", "stop\n")
        run.wait_for_exit()

    assert TOKEN.encode() not in shown
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize("status", [401, 404, 413, 500, 503])
def test_F41_a_control_plane_that_refuses_for_the_whole_run_changes_nothing(
    run: Run, double: ControlPlaneDouble, status: int
) -> None:
    double.answer = lambda _: (status, {"error": {}})
    run.job["limits"]["last_push_seconds"] = 0.2
    with answering(double) as url:
        exit_event = train(run, url)

    assert exit_event["outcome"] == "completed"
    assert double.paths
    assert [event["seq"] for event in run.events()] == list(range(1, exit_event["seq"] + 1))
    assert {event["level"] for event in run.events("log")} <= {"info"}


def test_F41_a_control_plane_that_is_not_there_changes_nothing(
    run: Run, double: ControlPlaneDouble
) -> None:
    with answering(double) as url:
        pass
    run.job["limits"]["last_push_seconds"] = 0.2

    assert train(run, url)["outcome"] == "completed"


def test_a_control_plane_that_hangs_holds_up_neither_the_run_nor_its_end(
    run: Run, double: ControlPlaneDouble
) -> None:
    go_on = threading.Event()

    def hang(_: ControlPlaneDouble) -> Answer:
        go_on.wait(30)
        return 200, {"accepted_through": 0}

    double.answer = hang
    run.job["limits"]["last_push_seconds"] = 0.1
    with answering(double) as url:
        exit_event = train(run, url)
        still_hanging = not go_on.is_set()
        go_on.set()

    assert still_hanging
    assert exit_event["outcome"] == "completed"


def test_T7_a_redirect_is_not_followed_with_the_token(run: Run, double: ControlPlaneDouble) -> None:
    elsewhere = ControlPlaneDouble()
    run.job["limits"]["last_push_seconds"] = 0.2
    with answering(elsewhere) as other_url, answering(double) as url:
        double.answer = lambda _: (307, f"{other_url}/events")
        train(run, url)

    assert double.paths
    assert elsewhere.paths == []


def test_data_is_fetched_from_the_address_that_the_token_gives(
    run: Run, double: ControlPlaneDouble
) -> None:
    """F36: here the address leads to nothing, so the data is asked for over SSH."""
    (run.folder / "data" / "dataset.jsonl").unlink()
    with answering(double) as url:
        run.job["job_url"] = f"{url}/api/training/jobs/1"
        run.job["limits"]["download_patience_seconds"] = 10
        run.start()
        run.wait_for_event("request", request="dataset")
        run.write("control/stop", "stop\n")
        run.wait_for_exit()

    assert double.paths.count("/api/training/jobs/1/dataset-token") == 2
    assert double.paths.count("GET /data") == 2


# The thread alone, faster than a run.


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunLog:
    """Return a log that does not wait for the disk: here no power cut is survived."""
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)
    return RunLog(tmp_path / "run.jsonl")


@contextmanager
def pushing(log: RunLog, url: str, *, token: str = TOKEN) -> Iterator[Push]:
    token_file = log.path.with_name("token")
    token_file.write_text(token)
    push = Push(
        log, ControlPlane(url, token_file), interval_seconds=0.01, longest_pause_seconds=0.05
    )
    push.start()
    try:
        yield push
    finally:
        push.finish(seconds=5)


def wait_until(so: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not so():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_batches_stay_below_64_KiB_whatever_the_lines_are(
    log: RunLog, double: ControlPlaneDouble
) -> None:
    for size in (10, 59_000, 3900, 20_000, 50_000, 1) * 6:
        log.append("heartbeat", figure="x" * size)
    for _ in range(520):
        log.append("heartbeat")

    with answering(double) as url, pushing(log, url):
        wait_until(lambda: double.through == log.seq)

    assert max(double.bodies) <= 65_536
    assert double.through == 556


def test_F41_after_an_outage_it_goes_on_where_the_control_plane_is(
    log: RunLog, double: ControlPlaneDouble
) -> None:
    failures = iter(
        [(503, {}), (200, {"nonsense": 1}), (200, []), (200, {"accepted_through": "x"})]
    )
    double.answer = lambda _: next(failures, None)
    with answering(double) as url, pushing(log, url):
        for _ in range(30):
            log.append("heartbeat")
        wait_until(lambda: double.through == 30)

    assert double.seen == list(range(1, 31))


def test_what_was_read_over_ssh_meanwhile_is_passed_over(
    log: RunLog, double: ControlPlaneDouble
) -> None:
    for _ in range(600):
        log.append("heartbeat")
    double.seen = list(range(1, 551))
    with answering(double) as url, pushing(log, url):
        wait_until(lambda: double.through == 600)

    assert len(double.paths) == 2


def test_F81_a_control_plane_that_forgot_is_told_again(
    log: RunLog, double: ControlPlaneDouble
) -> None:
    with answering(double) as url, pushing(log, url):
        for _ in range(10):
            log.append("heartbeat")
        wait_until(lambda: double.through == 10)
        double.seen = [1, 2, 3]
        log.append("heartbeat")
        wait_until(lambda: double.through == 11)

    assert double.seen == list(range(1, 12))


def test_a_line_that_is_no_event_is_left_to_the_other_way(
    log: RunLog, double: ControlPlaneDouble
) -> None:
    log.append("heartbeat")
    with log.path.open("ab") as file:
        file.write(b"not an event\n")
    log.append("heartbeat")

    with answering(double) as url, pushing(log, url):
        wait_until(lambda: double.through == 2)


def test_a_newer_token_is_used_as_soon_as_it_lies_there(
    log: RunLog, double: ControlPlaneDouble
) -> None:
    double.answer = lambda self: None if f"Bearer {TOKEN}" in self.tokens else (401, {})
    log.append("heartbeat")
    with answering(double) as url, pushing(log, url, token="ftj_old"):
        wait_until(lambda: len(double.paths) > 1)
        log.path.with_name("token").write_text(TOKEN)
        wait_until(lambda: double.through == 1)


@pytest.mark.parametrize("url", ["http://slipway.example", "ftp://127.0.0.1", "file:///etc", "x"])
def test_T25_a_token_never_travels_in_the_open(log: RunLog, url: str) -> None:
    log.path.with_name("token").write_text(TOKEN)

    assert agent_push.begin(url, log, log.path.parent, interval_seconds=1) is None


def test_T7_a_certificate_that_nobody_vouches_for_is_refused(
    log: RunLog, tmp_path: Path, double: ControlPlaneDouble
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))
    handler = type("Handler", (Handler,), {"double": double})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        log.path.with_name("token").write_text(TOKEN)
        plane = ControlPlane(
            f"https://127.0.0.1:{server.server_address[1]}", log.path.with_name("token")
        )
        try:
            with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
                plane.send(b"{}")
        finally:
            server.shutdown()
            thread.join()

    assert double.paths == []


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that no authority has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
