"""docs/reliability.md names a test for each row of the fault catalogue."""

import pytest

from tests.meta import tables
from tests.meta.faults import FAULTS


def test_the_page_holds_the_tables_as_the_tests_are_now() -> None:
    page = tables.PAGE.read_text(encoding="utf-8")

    assert page == tables.with_tables(page), "run python -m tests.meta.tables"


@pytest.mark.parametrize("number", FAULTS)
def test_each_row_of_the_catalogue_has_a_test(number: int) -> None:
    assert tables.tests_by_fault().get(number), f"no test cites F{number}"


def test_no_test_cites_a_row_that_is_not_there() -> None:
    assert set(tables.tests_by_fault()) <= set(FAULTS)
