"""The panic stopper: end every machine of one installation with nothing but a key and its name.

For the day on which the database is gone, or its key, or both. It reads no setting, opens no
database and imports no Django, so nothing that is broken there can stop it (D7, F77, F80):

    python -m deployments.panic --api-key-file FILE --installation-id slwabc

``manage.py reap --panic`` is the same. It lists the account, ends each machine whose name begins
with ``<installation id>-`` and asks until two good lists far enough apart no longer show them
(D3); every other machine is left alone (I15, F70). Exit codes: 0 nothing of ours is left,
1 it could not be done, 2 it was not asked for properly.
"""

import argparse
import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from core.errors import SlipwayError
from deployments.providers import PROVIDERS
from deployments.providers.base import (
    Endpoint,
    Instance,
    InstanceStatus,
    Provider,
    ProviderError,
    RequestKind,
)
from deployments.timing import Timing

# As core.installation makes them; a shorter one might be the beginning of somebody's own names.
INSTALLATION_ID = re.compile(r"slw[a-z0-9]{3,13}")
LONGEST_PAUSE_SECONDS = 60.0
DONE, FAILED, NOT_ASKED = 0, 1, 2


class PanicError(Exception):
    """It cannot be done; the text is for the operator."""

    def __init__(self, message: str, *, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Order:
    """What to end, and how sure the operator is."""

    platform: str
    api_key_file: Path
    installation_id: str
    dry_run: bool = False
    yes: bool = False


class Pace:
    """Keeps requests apart (D9); nobody else's pace is known here."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._free_at = 0.0

    def wait(self, kind: RequestKind) -> None:
        """Return when the next request may go out."""
        left = self._free_at - time.monotonic()
        if left > 0:
            time.sleep(left)
        self._free_at = time.monotonic() + self._seconds


@dataclass
class Target:
    """One machine of ours: when it is asked to end again, and since when it is not listed."""

    instance: Instance
    tries: int = 0
    next_try_at: float = 0.0
    absent_since: float | None = None
    gone: bool = False

    @property
    def words(self) -> str:
        """Name, id, and where it runs."""
        i = self.instance
        return f"{i.name} ({i.instance_id}, {i.instance_type} in {i.region}, {i.status})"


@dataclass
class Stopper:
    """Ends what belongs to one installation under one key."""

    provider: Provider
    prefix: str
    timing: Timing
    say: Callable[[str], None]
    targets: dict[str, Target] = field(default_factory=dict)
    _last_error: str = ""

    def first_look(self) -> list[Target]:
        """Return our machines; asks until the cloud answers, unless it refuses for good."""
        while True:
            try:
                self._take_in(self.provider.list_all())
            except ProviderError as error:
                if not error.retryable:
                    raise PanicError(f"{error.message} {error.remedy}") from None
                self._tell_once(f"cannot list the account: {error.message}")
                time.sleep(self.timing.terminate_retry_seconds)
            else:
                return list(self.targets.values())

    def end_all(self) -> None:
        """Return once two good lists far enough apart show nothing of ours; else never (D3)."""
        quiet_since = None if self._living() else time.monotonic()
        while True:
            for target in self._living():
                self._end(target)
            time.sleep(self._pause(quiet_since))
            try:
                self._take_in(self.provider.list_all())
            except ProviderError as error:
                # I13: a failed list is no knowledge, not even that it is over.
                self._tell_once(f"cannot list the account: {error.message}")
                continue
            self._last_error = ""
            now = time.monotonic()
            if any(target.absent_since is None for target in self._living()):
                quiet_since = None
            elif quiet_since is None:
                quiet_since = now
            elif now - quiet_since >= self.timing.proof_interval_seconds:
                return

    def _living(self) -> list[Target]:
        return [target for target in self.targets.values() if not target.gone]

    def _take_in(self, instances: Sequence[Instance]) -> None:
        """Fold a good list in: what appears is ours to end, what is absent twice is gone."""
        now = time.monotonic()
        listed = {
            instance.instance_id: instance
            for instance in instances
            if instance.name.startswith(self.prefix)
            and instance.status != InstanceStatus.TERMINATED
        }
        for instance_id, instance in listed.items():
            target = self.targets.setdefault(instance_id, Target(instance))
            target.instance, target.absent_since, target.gone = instance, None, False
        for target in self._living():
            if target.instance.instance_id in listed:
                continue
            if target.absent_since is None:
                target.absent_since = now
            elif now - target.absent_since >= self.timing.proof_interval_seconds:
                target.gone = True
                apart = f"{now - target.absent_since:.0f} s apart"
                self.say(f"{target.instance.name}: gone, proven by two lists {apart}")

    def _end(self, target: Target) -> None:
        """Ask to end one machine, again and again while it is listed (F64, F65)."""
        if target.absent_since is not None or time.monotonic() < target.next_try_at:
            return
        target.tries += 1
        try:
            self.provider.terminate(target.instance.instance_id)
        except ProviderError as error:
            pause = self.timing.terminate_retry_seconds * 2 ** min(target.tries - 1, 6)
            self.say(f"{target.words}: NOT ended, trying again: {error.message}")
        else:
            pause = self.timing.terminate_repeat_seconds
            self.say(f"{target.words}: asked to end")
        target.next_try_at = time.monotonic() + min(pause, LONGEST_PAUSE_SECONDS)

    def _pause(self, quiet_since: float | None) -> float:
        if quiet_since is None:
            return self.timing.poll_seconds
        left = quiet_since + self.timing.proof_interval_seconds - time.monotonic()
        return max(0.0, min(left, self.timing.poll_seconds))

    def _tell_once(self, text: str) -> None:
        if text != self._last_error:
            self._last_error = text
            self.say(text)


def execute(order: Order, *, say: Callable[[str], None], ask: Callable[[str], str]) -> int:
    """Carry out an order and return the exit code.

    ``ask`` puts a question to the operator; it raises EOFError where nobody can answer.
    """
    try:
        stopper = _prepare(order, say=say)
        found = stopper.first_look()
        say(f"{counted(len(found), 'machine')} of {order.installation_id} at {order.platform}")
        if order.dry_run:
            for target in found:
                say(f"{target.words}: would be ended")
            return DONE
        if found and not order.yes:
            _confirm(order, found, say=say, ask=ask)
        stopper.end_all()
    except PanicError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        say("Interrupted: what was not called gone above may still bill.")
        return FAILED
    say(f"Nothing of {order.installation_id} is left, proven by two good lists.")
    return DONE


def _prepare(order: Order, *, say: Callable[[str], None]) -> Stopper:
    if not INSTALLATION_ID.fullmatch(order.installation_id):
        raise PanicError(
            f"{order.installation_id!r} is no installation id. It is the beginning of your "
            "machines' names, such as slw7k2; `manage.py doctor` shows it.",
            exit_code=NOT_ASKED,
        )
    timing = read_timing(os.environ)
    vendor = PROVIDERS[order.platform].default_endpoint()
    address = os.environ.get(f"{order.platform.upper()}_API_BASE_URL", "").strip()
    endpoint = Endpoint(
        base_url=address or vendor.base_url,
        ssh_port=vendor.ssh_port,
        ssh_user=vendor.ssh_user,
        # Whoever has this shell may connect to anywhere.
        networks=(ip_network("0.0.0.0/0"), ip_network("::/0")),
    )
    try:
        provider = PROVIDERS[order.platform](
            api_key=_read_key(order.api_key_file),
            endpoint=endpoint,
            pacer=Pace(timing.request_interval_seconds),
        )
    except SlipwayError as error:
        raise PanicError(f"{error.message} {error.remedy}", exit_code=NOT_ASKED) from None
    return Stopper(provider, prefix=f"{order.installation_id}-", timing=timing, say=say)


def _read_key(file: Path) -> str:
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PanicError(f"The key file {file} cannot be read: {error}", exit_code=NOT_ASKED) from (
            None
        )
    if not key:
        raise PanicError(f"The key file {file} is empty.", exit_code=NOT_ASKED)
    return key


def read_timing(environment: Mapping[str, str]) -> Timing:
    """Return the durations in use; one that cannot be read falls back to its default."""
    names = (
        "poll_seconds",
        "proof_interval_seconds",
        "request_interval_seconds",
        "terminate_repeat_seconds",
        "terminate_retry_seconds",
    )
    given: dict[str, float] = {}
    for name in names:
        with contextlib.suppress(ValueError):
            seconds = float(environment.get(name.upper(), ""))
            if 0 <= seconds < float("inf"):
                given[name] = seconds
    return Timing(**given)  # type: ignore[arg-type]  # those named are all seconds


def _confirm(
    order: Order,
    found: Sequence[Target],
    *,
    say: Callable[[str], None],
    ask: Callable[[str], str],
) -> None:
    for target in found:
        say(f"{target.words}: will be ended; what it has not saved is lost")
    try:
        answer = ask(f"Type {order.installation_id} to end {counted(len(found), 'machine')}: ")
    except EOFError:
        raise PanicError(
            "Nobody can be asked here. Nothing was ended; give --yes.", exit_code=NOT_ASKED
        ) from None
    if answer.strip() != order.installation_id:
        raise PanicError("Not confirmed. Nothing was ended.", exit_code=NOT_ASKED)


def counted(number: int, thing: str) -> str:
    """Return the number with its noun."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def add_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Declare what a panic needs; ``manage.py reap`` takes the same words."""
    parser.add_argument(
        "--api-key-file", type=Path, required=required, help="file that holds the cloud's key"
    )
    parser.add_argument(
        "--installation-id", required=required, help="the beginning of your machines' names"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before ending machines")


def main(arguments: Sequence[str]) -> int:
    """Read the command line and carry it out; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="reap --panic",
        description="End every machine of one installation; needs no database and no settings.",
    )
    add_arguments(parser, required=True)
    parser.add_argument("--platform", choices=sorted(PROVIDERS), default=next(iter(PROVIDERS)))
    parser.add_argument("--dry-run", action="store_true", help="only say what would be ended")
    parser.add_argument("--panic", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    order = Order(
        platform=given.platform,
        api_key_file=given.api_key_file,
        installation_id=given.installation_id,
        dry_run=given.dry_run,
        yes=given.yes,
    )
    return execute(order, say=_print, ask=input)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
