"""The rules D1 to D10 and the redaction, each broken on purpose (FAULTS.md sections 0 and 4).

A break changes our code while a test runs. It names tests that must then fail; were one of them
to pass, the suite would not notice that the rule is gone. ``python -m tests.meta.tables`` lists
them in docs/reliability.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.meta import ways

LIFECYCLE = "tests/deployments/lifecycle"


@dataclass(frozen=True)
class Break:
    """One rule broken in one way, and the tests that must notice, as pytest's node ids."""

    rule: str
    text: str
    apply: Callable[[pytest.MonkeyPatch], None]
    killed_by: tuple[str, ...]


BREAKS: dict[str, Break] = {
    "intent-after-the-call": Break(
        "D1",
        "The machine's row is committed after the launch call",
        ways.intent_after_the_call,
        (
            f"{LIFECYCLE}/test_launching.py::test_D1_the_intent_is_committed_before_the_call",
            f"{LIFECYCLE}/test_crashes.py"
            "::test_D1_D2_F17_F19_a_death_anywhere_in_a_launch_leaves_one_machine_at_most",
        ),
    ),
    "one-name-for-all": Break(
        "D1",
        "All attempts of a deployment have the same name",
        ways.one_name_for_all_attempts,
        (
            f"{LIFECYCLE}/test_launching.py"
            "::test_D1_the_name_carries_installation_deployment_attempt_and_time",
        ),
    ),
    "no-window": Break(
        "D2",
        "A launch without an answer is repeated at once",
        ways.no_window,
        (
            f"{LIFECYCLE}/test_decide_launching.py"
            "::test_D2_an_unclear_launch_is_not_repeated_while_the_window_is_open",
            f"{LIFECYCLE}/test_lives.py::test_F17_F18_a_machine_that_shows_later_is_adopted",
        ),
    ),
    "no-watch": Break(
        "D2",
        "Names of earlier attempts are not watched after the end",
        ways.no_watch_afterwards,
        (
            "tests/deployments/test_snapshot_keys.py"
            "::test_D2_F18_a_machine_that_never_showed_may_still_appear_for_a_day",
        ),
    ),
    "an-answer-is-proof": Break(
        "D3",
        "A machine counts as gone when terminate was answered",
        ways.an_answer_is_proof,
        (
            f"{LIFECYCLE}/test_lives_ending.py"
            "::test_F64_F65_minutes_of_lies_are_an_alarm_that_goes_away_by_itself",
        ),
    ),
    "one-list-is-proof": Break(
        "D3",
        "A machine counts as gone after one list without it",
        ways.one_list_is_proof,
        (
            f"{LIFECYCLE}/test_lives_ending.py"
            "::test_D3_F28_one_list_without_the_machine_ends_nothing_and_rents_nothing",
        ),
    ),
    "terminate-gives-up": Break(
        "D3",
        "After three tries nobody asks for the end of a machine any more",
        ways.terminate_gives_up,
        (
            f"{LIFECYCLE}/test_lives_ending.py::test_D3_F64_terminate_is_repeated_even_where_no_sweep_helps",
        ),
    ),
    "state-in-the-process": Break(
        "D4",
        "A tick decides by what it saw before its own writes",
        ways.state_in_the_process,
        (f"{LIFECYCLE}/test_advance.py::test_one_tick_follows_its_records_to_the_first_effect",),
    ),
    "no-fence": Break(
        "D5",
        "Who lost the lease writes all the same",
        ways.no_fence,
        (
            f"{LIFECYCLE}/test_lease.py::test_D5_a_late_writer_changes_nothing_at_all",
            f"{LIFECYCLE}/test_advance.py"
            "::test_D5_a_tick_that_loses_its_lease_stops_and_leaves_the_row_to_the_other",
        ),
    ),
    "accepted-but-not-due": Break(
        "D6",
        "Accepting a deployment does not make it due",
        ways.accepted_but_not_due,
        (
            "tests/deployments/test_services.py"
            "::test_D6_an_accepted_deployment_is_due_at_once_and_its_key_is_watched",
        ),
    ),
    "no-second-stopper": Break(
        "D7",
        "The sweep ends nothing",
        ways.no_second_stopper,
        (
            "tests/deployments/test_reaper.py::test_D7_a_budget_that_is_used_up_is_acted_on",
            "tests/deployments/management/test_reap.py::test_D7_it_ends_what_nothing_wants_and_beats",
        ),
    ),
    "no-worker-alarm": Break(
        "D7",
        "The second stopper does not say that the first one stands still",
        ways.no_alarm_for_a_worker_that_stopped,
        (
            "tests/deployments/test_reaper.py"
            "::test_D7_live_deployments_that_nobody_ticks_are_an_alarm",
        ),
    ),
    "machines-of-others": Break(
        "D7",
        "The sweep ends machines without this installation's prefix",
        ways.the_sweep_takes_any_name,
        (
            "tests/deployments/test_reaper.py"
            "::test_I15_F70_machines_without_our_prefix_are_never_touched",
        ),
    ),
    "cost-from-the-answer": Break(
        "D8",
        "Rent counts from a minute and a half after the launch request",
        ways.counts_from_the_answer,
        (
            "tests/deployments/test_costs.py"
            "::test_D8_a_machine_costs_from_the_request_on_even_before_an_answer",
        ),
    ),
    "nothing-kept-back": Break(
        "D8",
        "Nothing is kept back for saving and ending",
        ways.nothing_kept_back,
        (
            f"{LIFECYCLE}/test_lives_ending.py"
            "::test_F53_I6_a_budget_lands_with_the_adapter_and_is_not_passed",
        ),
    ),
    "redirects-are-followed": Break(
        "D9",
        "A redirect is followed, with the key and a GET in place of the POST",
        ways.redirects_are_followed,
        (
            "tests/deployments/providers/test_http.py"
            "::test_f22_a_redirect_is_an_answer_and_is_not_followed",
        ),
    ),
    "a-lost-post-is-repeated": Break(
        "D9",
        "A request whose answer was lost is sent again",
        ways.a_lost_post_is_repeated,
        (
            "tests/deployments/providers/test_http.py"
            "::test_f17_an_answer_that_does_not_come_whole_is_lost_and_not_asked_for_again",
        ),
    ),
    "a-tick-raises": Break(
        "D10",
        "An error within a tick leaves it",
        ways.a_tick_raises,
        (
            f"{LIFECYCLE}/test_advance.py"
            "::test_F10_an_unexpected_error_never_leaves_the_tick_and_is_tried_less_and_less_often",
        ),
    ),
    "nothing-is-redacted": Break(
        "I17",
        "Nothing is taken out of texts",
        ways.nothing_is_redacted,
        (
            "tests/config/test_logs.py"
            "::test_i17_no_secret_passes_in_message_traceback_stack_or_ids",
            "tests/deployments/providers/test_lambda_launch.py::test_i17_a_refusal_that_quotes_our_request_shows_no_secret",
        ),
    ),
}
