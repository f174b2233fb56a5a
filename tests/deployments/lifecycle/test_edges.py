"""The table of statuses: what may follow what."""

import itertools

import pytest

from deployments.lifecycle.edges import EDGES, is_allowed
from deployments.models.deployments import TERMINAL, Status


def test_every_status_has_a_line_in_the_table() -> None:
    assert set(EDGES) == set(Status)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(sorted(TERMINAL), Status)))
def test_I4_nothing_follows_a_terminal_status(source: Status, target: Status) -> None:
    assert not is_allowed(source, target)


@pytest.mark.parametrize("status", sorted(set(Status) - TERMINAL - {Status.TERMINATING}))
def test_I5_every_status_can_be_ended(status: Status) -> None:
    assert is_allowed(status, Status.TERMINATING)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.TERMINATING}))
def test_D3_only_terminating_leads_to_a_terminal_status(status: Status) -> None:
    assert not EDGES[status] & TERMINAL


@pytest.mark.parametrize("status", list(Status))
def test_no_status_follows_itself(status: Status) -> None:
    assert not is_allowed(status, status)


def test_words_from_the_database_are_understood() -> None:
    assert is_allowed("training", "collecting")
    assert not is_allowed("preparing", "collecting")


def test_a_word_that_is_no_status_is_an_error() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        is_allowed("nonsense", "training")
