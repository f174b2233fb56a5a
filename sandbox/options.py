"""The command line of ``python -m sandbox``, and the keys it may make up."""

import argparse
import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

API_KEY_VARIABLE = "SANDBOX_API_KEY"
CONTROL_KEY_VARIABLE = "SANDBOX_CONTROL_KEY"
# Whoever guesses a key runs commands as the user who started the sandbox (T21).
SHORTEST_KEY = 16


class OptionsError(Exception):
    """The sandbox cannot start as it was asked to."""


@dataclass
class Settings:
    """What may be changed while the sandbox runs (POST /_sandbox/settings)."""

    boot_seconds: float = 5.0
    terminate_seconds: float = 2.0
    # How long a terminated machine stays in the list, and how long GET by id still knows it; both
    # are undocumented, so both are settable (lambda-cloud-api.md section 6).
    terminated_visible_seconds: float = 10.0
    terminated_get_seconds: float = 60.0
    rate_limits: bool = False
    # RunPod: RUNNING from the creation on, with a runtime of null (seen live), else the documented
    # PROVISIONING and STARTING (runpod-api.md section 6).
    runpod_early_running: bool = False
    # What the account has been paid; the bill is taken from it.
    runpod_credit_cents: float = 50_000.0
    # The rows of a page of GET /v2/pods when the call names no limit.
    runpod_page_size: int = 100


@dataclass(frozen=True)
class Options:
    """What the sandbox was started with."""

    port: int
    data_dir: Path
    api_key: str
    control_key: str
    image_python: Path
    settings: Settings


def read_options(arguments: Sequence[str]) -> Options:
    """Parse the command line; raises OptionsError with a sentence for the reader."""
    given = parser().parse_args(arguments)
    if not sys.platform.startswith("linux"):
        raise OptionsError("The sandbox runs on Linux only: it reads /proc and uses all of 127/8.")
    # Not resolved: a virtual environment's python is a link, and only its own path finds it.
    image_python = Path(given.image_python).absolute()
    if not os.access(image_python, os.X_OK):
        raise OptionsError(f"--image-python {image_python} is not a program that can be run.")
    data_dir = Path(given.data_dir).resolve()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Options(
        port=given.port,
        data_dir=data_dir,
        api_key=_key(given.api_key, variable=API_KEY_VARIABLE, file=data_dir / "api-key"),
        control_key=_key(
            given.control_key, variable=CONTROL_KEY_VARIABLE, file=data_dir / "control-key"
        ),
        image_python=image_python,
        settings=Settings(
            boot_seconds=given.boot_seconds,
            terminate_seconds=given.terminate_seconds,
            terminated_visible_seconds=given.terminated_visible_seconds,
            terminated_get_seconds=given.terminated_get_seconds,
            rate_limits=given.rate_limits,
            runpod_early_running=given.runpod_early_running,
        ),
    )


def _key(given: str | None, *, variable: str, file: Path) -> str:
    """Return the key of the command line or the environment, or make one and write it down.

    The environment keeps keys out of the process list. A made key is new at every start and lies
    in a file of mode 0600 (T21).
    """
    key = given or os.environ.get(variable, "")
    if key and len(key) < SHORTEST_KEY:
        raise OptionsError(f"The key of {variable} is shorter than {SHORTEST_KEY} characters.")
    if key:
        return key
    key = secrets.token_urlsafe(32)
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(key + "\n")
    return key


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    defaults = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Emulated GPU clouds: Lambda's and RunPod's APIs, real SSH on loopback. "
        "Linux only. Its machines are shells of the user who starts it.",
    )
    add = parser.add_argument
    add("--port", type=int, default=9400, help="port on 127.0.0.1; 0 takes a free one")
    add("--data-dir", required=True, help="folder for keys, ledger and the machines' homes")
    add("--api-key", help=f"or {API_KEY_VARIABLE}; without either, made and put in DIR/api-key")
    add("--control-key", help=f"or {CONTROL_KEY_VARIABLE}; else made, in DIR/control-key")
    add("--image-python", default=sys.executable, help="what python3 is on the machines")
    add("--boot-seconds", type=_seconds, default=defaults.boot_seconds)
    add("--terminate-seconds", type=_seconds, default=defaults.terminate_seconds)
    add(
        "--terminated-visible-seconds",
        type=_seconds,
        default=defaults.terminated_visible_seconds,
        help="how long the list still shows a terminated machine",
    )
    add(
        "--terminated-get-seconds",
        type=_seconds,
        default=defaults.terminated_get_seconds,
        help="how long GET by id still answers for it",
    )
    add("--rate-limits", action="store_true", help="the clouds' own limits, else none")
    add(
        "--runpod-early-running",
        action="store_true",
        help="pods are RUNNING from the creation on, without a runtime",
    )
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError("give a number of seconds, 0 or more")
    return seconds
