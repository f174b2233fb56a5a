"""Ways to break our code while a test runs; tests/meta/breaks.py says which rule each breaks."""

import sys
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

OURS = ("core", "datasets", "deployments", "notifications", "secrets_vault")


def everywhere(monkeypatch: pytest.MonkeyPatch, real: object, fake: object) -> None:
    """Put ``fake`` in place of ``real`` in every module of ours that holds it under any name."""
    found = 0
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in OURS:
            continue
        for attribute, value in list(vars(module).items()):
            if value is real:
                monkeypatch.setattr(module, attribute, fake)
                found += 1
    if not found:
        raise LookupError(f"nobody holds {real}")


def intent_after_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle.lease import Lease

    write = Lease.write
    waiting: list[dict[str, Any]] = []

    def late(self: Lease, **given: Any) -> None:
        if given.get("create") is not None:
            waiting.append(given)
            return
        while waiting:
            write(self, **waiting.pop())
        write(self, **given)

    monkeypatch.setattr(Lease, "write", late)


def one_name_for_all_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.installation import installation_id
    from deployments.lifecycle import launching

    def same(lease: Any, *, attempt: int, node: int) -> str:
        return f"{installation_id()}-{lease.deployment.pk.hex[:8]}"

    monkeypatch.setattr(launching, "machine_name", same)


def no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle import knowledge
    from deployments.lifecycle.actions import Record
    from deployments.models.deployments import LaunchState

    def at_once(s: Any, machine: Any) -> Record:
        changes = {"launch_state": LaunchState.NEVER_SEEN, "billed_usd": Decimal(0)}
        return Record("never_seen", "Not there.", machine=machine, machine_changes=changes)

    everywhere(monkeypatch, knowledge.settle, at_once)


def no_watch_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments import snapshot
    from deployments.models import Deployment
    from deployments.models.deployments import TERMINAL

    def living_only(entry_id: Any, **others: Any) -> bool:
        rows = Deployment.objects.filter(vault_entry=entry_id)
        return rows.exclude(status__in=TERMINAL).exists()

    everywhere(monkeypatch, snapshot.is_watched, living_only)


def an_answer_is_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle import knowledge

    def asked(machine: Any, **others: Any) -> bool:
        return machine.terminate_accepted_at is not None

    everywhere(monkeypatch, knowledge.proven_gone, asked)


def one_list_is_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle import knowledge

    def absent(machine: Any, **others: Any) -> bool:
        return machine.absent_since is not None

    everywhere(monkeypatch, knowledge.proven_gone, absent)


def terminate_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle import advance, terminating
    from deployments.lifecycle.actions import Effect

    real = terminating.terminate

    def thrice(lease: Any, machine: Any) -> float:
        return 60.0 if machine.terminate_tries >= 3 else real(lease, machine)

    monkeypatch.setitem(advance.PERFORM, Effect.TERMINATE, thrice)
    everywhere(monkeypatch, real, thrice)


def state_in_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle import advance

    real = advance.observe
    seen: dict[Any, Any] = {}

    def remembered(lease: Any, **given: Any) -> Any:
        found = real(lease, **given)
        return seen.setdefault((lease.deployment.pk, lease.version), found)

    monkeypatch.setattr(advance, "observe", remembered)


def no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle.lease import Lease
    from deployments.models import Deployment

    write = Lease.write

    def unfenced(self: Lease, **given: Any) -> None:
        rows = Deployment.objects.filter(pk=self.deployment.pk)
        self.version = rows.values_list("version", flat=True).get()
        write(self, **given)

    monkeypatch.setattr(Lease, "write", unfenced)


def accepted_but_not_due(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments import services
    from deployments.models import Deployment

    real = services.deploy

    def deploy(*given: Any, **named: Any) -> Any:
        deployment = real(*given, **named)
        Deployment.objects.filter(pk=deployment.pk).update(next_tick_at=None)
        deployment.refresh_from_db()
        return deployment

    everywhere(monkeypatch, real, deploy)


def no_second_stopper(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments import reaper

    monkeypatch.setattr(reaper, "_is_due", lambda *given, **named: False)


def no_alarm_for_a_worker_that_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments import reaper

    everywhere(monkeypatch, reaper.worker_alarm, lambda now: "")


def the_sweep_takes_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments import clouds, reaper

    real = reaper.sweep_account

    def sweep(entry: Any, **given: Any) -> Any:
        provider = clouds.provider_for(entry)
        for instance in provider.list_all():
            provider.terminate(instance.instance_id)
        return real(entry, **given)

    everywhere(monkeypatch, real, sweep)


def counts_from_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.models import Machine

    real = Machine.accrued_usd

    def late(self: Machine, now: Any) -> Decimal:
        return real(self, now - timedelta(seconds=90))

    monkeypatch.setattr(Machine, "accrued_usd", late)


def nothing_kept_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments import costs

    monkeypatch.setattr(costs, "reserve", lambda *given, **named: Decimal(0))


def redirects_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    real = requests.request

    def follow(*given: Any, **named: Any) -> requests.Response:
        return real(*given, **(named | {"allow_redirects": True}))

    monkeypatch.setattr(requests, "request", follow)


def a_lost_post_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.providers.http import AnswerLostError, HttpClient

    real = HttpClient.request

    def twice(self: HttpClient, *given: Any, **named: Any) -> Any:
        try:
            return real(self, *given, **named)
        except AnswerLostError:
            return real(self, *given, **named)

    monkeypatch.setattr(HttpClient, "request", twice)


def a_tick_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle import advance

    def let_through(lease: Any, error: Exception) -> None:
        raise error

    monkeypatch.setattr(advance, "_note_failed_tick", let_through)


def nothing_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.providers import scrubbing
    from secrets_vault import redaction

    def as_it_is(text: str, secrets: object = ()) -> str:
        return text

    everywhere(monkeypatch, redaction.scrub, as_it_is)
    everywhere(monkeypatch, scrubbing.scrub, as_it_is)
