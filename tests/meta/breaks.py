"""The rules D1 to D10 and the redaction, each broken on purpose (FAULTS.md sections 0 and 4).

A break changes our code while a test runs. It names tests that must then fail; were one of them
to pass, the suite would not notice that the rule is gone. ``python -m tests.meta.tables`` lists
them in docs/reliability.md.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

OURS = ("core", "datasets", "deployments", "notifications", "secrets_vault")
LIFECYCLE = "tests/deployments/lifecycle"


@dataclass(frozen=True)
class Break:
    """One rule broken in one way, and the tests that must notice, as pytest's node ids."""

    rule: str
    text: str
    apply: Callable[[pytest.MonkeyPatch], None]
    killed_by: tuple[str, ...]


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


def _intent_after_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
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


def _one_name_for_all_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.installation import installation_id
    from deployments.lifecycle import launching

    def same(lease: Any, *, attempt: int, node: int) -> str:
        return f"{installation_id()}-{lease.deployment.pk.hex[:8]}"

    monkeypatch.setattr(launching, "machine_name", same)


def _no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle import knowledge
    from deployments.lifecycle.actions import Record
    from deployments.models.deployments import LaunchState

    def at_once(s: Any, machine: Any) -> Record:
        changes = {"launch_state": LaunchState.NEVER_SEEN, "billed_usd": Decimal(0)}
        return Record("never_seen", "Not there.", machine=machine, machine_changes=changes)

    everywhere(monkeypatch, knowledge.settle, at_once)


def _no_watch_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments import snapshot
    from deployments.models import Deployment
    from deployments.models.deployments import TERMINAL

    def living_only(entry_id: Any, **others: Any) -> bool:
        rows = Deployment.objects.filter(vault_entry=entry_id)
        return rows.exclude(status__in=TERMINAL).exists()

    everywhere(monkeypatch, snapshot.is_watched, living_only)


def _an_answer_is_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle import knowledge

    def asked(machine: Any, **others: Any) -> bool:
        return machine.terminate_accepted_at is not None

    everywhere(monkeypatch, knowledge.proven_gone, asked)


def _one_list_is_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle import knowledge

    def absent(machine: Any, **others: Any) -> bool:
        return machine.absent_since is not None

    everywhere(monkeypatch, knowledge.proven_gone, absent)


def _terminate_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle import advance, terminating
    from deployments.lifecycle.actions import Effect

    real = terminating.terminate

    def thrice(lease: Any, machine: Any) -> float:
        return 60.0 if machine.terminate_tries >= 3 else real(lease, machine)

    monkeypatch.setitem(advance.PERFORM, Effect.TERMINATE, thrice)
    everywhere(monkeypatch, real, thrice)


def _state_in_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle import advance

    real = advance.observe
    seen: dict[Any, Any] = {}

    def remembered(lease: Any, **given: Any) -> Any:
        found = real(lease, **given)
        return seen.setdefault((lease.deployment.pk, lease.version), found)

    monkeypatch.setattr(advance, "observe", remembered)


def _no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle.lease import Lease
    from deployments.models import Deployment

    write = Lease.write

    def unfenced(self: Lease, **given: Any) -> None:
        rows = Deployment.objects.filter(pk=self.deployment.pk)
        self.version = rows.values_list("version", flat=True).get()
        write(self, **given)

    monkeypatch.setattr(Lease, "write", unfenced)


def _accepted_but_not_due(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments import services
    from deployments.models import Deployment

    real = services.deploy

    def deploy(*given: Any, **named: Any) -> Any:
        deployment = real(*given, **named)
        Deployment.objects.filter(pk=deployment.pk).update(next_tick_at=None)
        deployment.refresh_from_db()
        return deployment

    everywhere(monkeypatch, real, deploy)


def _no_second_stopper(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments import reaper

    monkeypatch.setattr(reaper, "_is_due", lambda *given, **named: False)


def _no_alarm_for_a_worker_that_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments import reaper

    everywhere(monkeypatch, reaper.worker_alarm, lambda now: "")


def _the_sweep_takes_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments import clouds, reaper

    real = reaper.sweep_account

    def sweep(entry: Any, **given: Any) -> Any:
        provider = clouds.provider_for(entry)
        for instance in provider.list_all():
            provider.terminate(instance.instance_id)
        return real(entry, **given)

    everywhere(monkeypatch, real, sweep)


def _counts_from_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.models import Machine

    real = Machine.accrued_usd

    def late(self: Machine, now: Any) -> Decimal:
        return real(self, now - timedelta(seconds=90))

    monkeypatch.setattr(Machine, "accrued_usd", late)


def _nothing_kept_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments import costs

    monkeypatch.setattr(costs, "reserve", lambda *given, **named: Decimal(0))


def _redirects_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    real = requests.request

    def follow(*given: Any, **named: Any) -> requests.Response:
        return real(*given, **(named | {"allow_redirects": True}))

    monkeypatch.setattr(requests, "request", follow)


def _a_lost_post_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.providers.http import AnswerLostError, HttpClient

    real = HttpClient.request

    def twice(self: HttpClient, *given: Any, **named: Any) -> Any:
        try:
            return real(self, *given, **named)
        except AnswerLostError:
            return real(self, *given, **named)

    monkeypatch.setattr(HttpClient, "request", twice)


def _a_tick_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.lifecycle import advance

    def let_through(lease: Any, error: Exception) -> None:
        raise error

    monkeypatch.setattr(advance, "_note_failed_tick", let_through)


def _nothing_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.providers import scrubbing
    from secrets_vault import redaction

    def as_it_is(text: str, secrets: object = ()) -> str:
        return text

    everywhere(monkeypatch, redaction.scrub, as_it_is)
    everywhere(monkeypatch, scrubbing.scrub, as_it_is)


BREAKS: dict[str, Break] = {
    "intent-after-the-call": Break(
        "D1",
        "The machine's row is committed after the launch call",
        _intent_after_the_call,
        (
            f"{LIFECYCLE}/test_launching.py::test_D1_the_intent_is_committed_before_the_call",
            f"{LIFECYCLE}/test_crashes.py"
            "::test_D1_D2_F17_F19_a_death_anywhere_in_a_launch_leaves_one_machine_at_most",
        ),
    ),
    "one-name-for-all": Break(
        "D1",
        "All attempts of a deployment have the same name",
        _one_name_for_all_attempts,
        (
            f"{LIFECYCLE}/test_launching.py"
            "::test_D1_the_name_carries_installation_deployment_attempt_and_time",
        ),
    ),
    "no-window": Break(
        "D2",
        "A launch without an answer is repeated at once",
        _no_window,
        (
            f"{LIFECYCLE}/test_decide_launching.py"
            "::test_D2_an_unclear_launch_is_not_repeated_while_the_window_is_open",
            f"{LIFECYCLE}/test_lives.py::test_F17_F18_a_machine_that_shows_later_is_adopted",
        ),
    ),
    "no-watch": Break(
        "D2",
        "Names of earlier attempts are not watched after the end",
        _no_watch_afterwards,
        (
            "tests/deployments/test_snapshot_keys.py"
            "::test_D2_F18_a_machine_that_never_showed_may_still_appear_for_a_day",
        ),
    ),
    "an-answer-is-proof": Break(
        "D3",
        "A machine counts as gone when terminate was answered",
        _an_answer_is_proof,
        (
            f"{LIFECYCLE}/test_lives_ending.py"
            "::test_F64_F65_minutes_of_lies_are_an_alarm_that_goes_away_by_itself",
        ),
    ),
    "one-list-is-proof": Break(
        "D3",
        "A machine counts as gone after one list without it",
        _one_list_is_proof,
        (
            f"{LIFECYCLE}/test_lives_ending.py"
            "::test_D3_F28_one_list_without_the_machine_ends_nothing_and_rents_nothing",
        ),
    ),
    "terminate-gives-up": Break(
        "D3",
        "After three tries nobody asks for the end of a machine any more",
        _terminate_gives_up,
        (
            f"{LIFECYCLE}/test_lives_ending.py::test_D3_F64_terminate_is_repeated_even_where_no_sweep_helps",
        ),
    ),
    "state-in-the-process": Break(
        "D4",
        "A tick decides by what it saw before its own writes",
        _state_in_the_process,
        (f"{LIFECYCLE}/test_advance.py::test_one_tick_follows_its_records_to_the_first_effect",),
    ),
    "no-fence": Break(
        "D5",
        "Who lost the lease writes all the same",
        _no_fence,
        (
            f"{LIFECYCLE}/test_lease.py::test_D5_a_late_writer_changes_nothing_at_all",
            f"{LIFECYCLE}/test_advance.py"
            "::test_D5_a_tick_that_loses_its_lease_stops_and_leaves_the_row_to_the_other",
        ),
    ),
    "accepted-but-not-due": Break(
        "D6",
        "Accepting a deployment does not make it due",
        _accepted_but_not_due,
        (
            "tests/deployments/test_services.py"
            "::test_D6_an_accepted_deployment_is_due_at_once_and_its_key_is_watched",
        ),
    ),
    "no-second-stopper": Break(
        "D7",
        "The sweep ends nothing",
        _no_second_stopper,
        (
            "tests/deployments/test_reaper.py::test_D7_a_budget_that_is_used_up_is_acted_on",
            "tests/deployments/management/test_reap.py::test_D7_it_ends_what_nothing_wants_and_beats",
        ),
    ),
    "no-worker-alarm": Break(
        "D7",
        "The second stopper does not say that the first one stands still",
        _no_alarm_for_a_worker_that_stopped,
        (
            "tests/deployments/test_reaper.py"
            "::test_D7_live_deployments_that_nobody_ticks_are_an_alarm",
        ),
    ),
    "machines-of-others": Break(
        "D7",
        "The sweep ends machines without this installation's prefix",
        _the_sweep_takes_any_name,
        (
            "tests/deployments/test_reaper.py"
            "::test_I15_F70_machines_without_our_prefix_are_never_touched",
        ),
    ),
    "cost-from-the-answer": Break(
        "D8",
        "Rent counts from a minute and a half after the launch request",
        _counts_from_the_answer,
        (
            "tests/deployments/test_costs.py"
            "::test_D8_a_machine_costs_from_the_request_on_even_before_an_answer",
        ),
    ),
    "nothing-kept-back": Break(
        "D8",
        "Nothing is kept back for saving and ending",
        _nothing_kept_back,
        (
            f"{LIFECYCLE}/test_lives_ending.py"
            "::test_F53_I6_a_budget_lands_with_the_adapter_and_is_not_passed",
        ),
    ),
    "redirects-are-followed": Break(
        "D9",
        "A redirect is followed, with the key and a GET in place of the POST",
        _redirects_are_followed,
        (
            "tests/deployments/providers/test_http.py"
            "::test_f22_a_redirect_is_an_answer_and_is_not_followed",
        ),
    ),
    "a-lost-post-is-repeated": Break(
        "D9",
        "A request whose answer was lost is sent again",
        _a_lost_post_is_repeated,
        (
            "tests/deployments/providers/test_http.py"
            "::test_f17_an_answer_that_does_not_come_whole_is_lost_and_not_asked_for_again",
        ),
    ),
    "a-tick-raises": Break(
        "D10",
        "An error within a tick leaves it",
        _a_tick_raises,
        (
            f"{LIFECYCLE}/test_advance.py"
            "::test_F10_an_unexpected_error_never_leaves_the_tick_and_is_tried_less_and_less_often",
        ),
    ),
    "nothing-is-redacted": Break(
        "I17",
        "Nothing is taken out of texts",
        _nothing_is_redacted,
        (
            "tests/config/test_logs.py"
            "::test_i17_no_secret_passes_in_message_traceback_stack_or_ids",
            "tests/deployments/providers/test_lambda_launch.py::test_i17_a_refusal_that_quotes_our_request_shows_no_secret",
        ),
    ),
}
