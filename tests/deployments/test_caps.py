"""The arithmetic of caps: whatever becomes of accepted runs, the cap holds (F6, I6, T20)."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConflictError
from deployments.caps import Caps, Committed, MachineCap, MoneyCap

NO_MACHINES = MachineCap(limit=None, runs=0)
NO_MONEY = MoneyCap(limit_usd=None, committed=Committed())
UNLIMITED = Caps(month=NO_MONEY, day=NO_MONEY, machines=NO_MACHINES, all_machines=NO_MACHINES)

cents = st.integers(min_value=0, max_value=100_000).map(lambda whole: Decimal(whole) / 100)
budgets = st.integers(min_value=1, max_value=30_000).map(lambda whole: Decimal(whole) / 100)


def money(limit: str, *, spent: str = "0.00", reserved: str = "0.00", runs: int = 0) -> MoneyCap:
    return MoneyCap(Decimal(limit), Committed(Decimal(spent), Decimal(reserved), runs))


def refused(caps: Caps, budget: str) -> ConflictError:
    refusal = caps.refusal(Decimal(budget))
    assert refusal is not None
    return refusal


def takes(caps: Caps, budget: str) -> bool:
    return caps.refusal(Decimal(budget)) is None


def test_a_budget_may_be_exactly_what_is_left_and_not_a_cent_more() -> None:
    caps = replace(UNLIMITED, month=money("50.00", spent="12.30", reserved="30.00", runs=2))

    assert takes(caps, "7.70")
    assert not takes(caps, "7.71")


def test_F6_the_months_refusal_shows_its_arithmetic_and_what_would_fit() -> None:
    caps = replace(UNLIMITED, month=money("50.00", spent="12.30", reserved="30.00", runs=2))

    error = refused(caps, "10.00")

    assert (error.code, error.param) == ("E_MONTHLY_CAP", "budget_limit")
    for figure in ("10.00", "50.00", "12.30", "30.00", "2 living runs", "7.70"):
        assert figure in error.message
    assert "7.70" in error.remedy
    assert error.details == [
        {"cap": "50.00", "spent": "12.30", "reserved": "30.00", "budget": "10.00", "left": "7.70"}
    ]


def test_T2_the_days_refusal_tells_one_sum_and_not_what_others_do() -> None:
    caps = replace(UNLIMITED, day=money("50.00", spent="12.30", reserved="30.00", runs=2))

    error = refused(caps, "10.00")

    assert error.code == "E_DAILY_CAP"
    assert "42.30" in error.message
    assert "12.30" not in error.message
    assert error.details == [
        {"cap": "50.00", "committed": "42.30", "budget": "10.00", "left": "7.70"}
    ]


def test_nothing_left_suggests_no_amount() -> None:
    caps = replace(UNLIMITED, month=money("50.00", spent="60.00"))

    error = refused(caps, "1.00")

    assert "0.00 USD are left" in error.message
    assert "Give at most" not in error.remedy


def test_the_last_machine_is_given_and_no_other() -> None:
    one_left, none_left = MachineCap(limit=3, runs=2), MachineCap(limit=3, runs=3)

    mine = refused(replace(UNLIMITED, machines=none_left), "1.00")
    everybodys = refused(replace(UNLIMITED, all_machines=none_left), "1.00")

    assert takes(replace(UNLIMITED, machines=one_left, all_machines=one_left), "1.00")
    assert mine.code == everybodys.code == "E_MACHINE_CAP"
    assert "You may have 3 machines" in mine.message
    assert "This installation may have 3 machines" in everybodys.message


def test_without_caps_anything_is_taken() -> None:
    assert takes(UNLIMITED, "1000000.00")
    assert NO_MONEY.left_usd is None


@given(limit=cents, spent=cents, reserved=cents, budget=budgets)
def test_what_is_left_is_exactly_what_is_taken(
    limit: Decimal, spent: Decimal, reserved: Decimal, budget: Decimal
) -> None:
    cap = MoneyCap(limit, Committed(spent, reserved, runs=1))

    left = cap.left_usd

    assert left is not None
    assert left >= 0
    assert cap.takes(budget) == (budget <= left)


@dataclass
class Life:
    """A run of the property below: what it may cost, has cost, and whether it is over."""

    budget: Decimal
    cost: Decimal = Decimal(0)
    is_over: bool = False


@dataclass
class Ledger:
    """Runs under one cap, kept as ``spending`` keeps them."""

    limit: Decimal
    runs: list[Life] = field(default_factory=list)

    def cap(self) -> MoneyCap:
        living = [run for run in self.runs if not run.is_over]
        spent = sum((run.cost for run in self.runs if run.is_over), Decimal(0))
        reserved = sum((max(run.budget, run.cost) for run in living), Decimal(0))
        return MoneyCap(self.limit, Committed(spent, reserved, len(living)))


acts = st.one_of(
    st.tuples(st.just("deploy"), budgets),
    st.tuples(st.sampled_from(["spend", "end"]), st.integers(min_value=0, max_value=1000)),
)


@given(limit=cents, steps=st.lists(acts, max_size=40))
def test_I6_runs_that_keep_their_budgets_never_cost_more_than_the_cap(
    limit: Decimal, steps: list[tuple[str, Decimal | int]]
) -> None:
    ledger = Ledger(limit)

    for act, amount in steps:
        living = [run for run in ledger.runs if not run.is_over]
        if act == "deploy" and isinstance(amount, Decimal):
            if ledger.cap().takes(amount):
                ledger.runs.append(Life(amount))
        elif living and isinstance(amount, int):
            run = living[amount % len(living)]
            if act == "spend":
                run.cost = min(run.budget, run.cost + run.budget * amount / 1000)
            else:
                run.is_over = True

        assert sum((run.cost for run in ledger.runs), Decimal(0)) <= limit
        assert ledger.cap().committed.total_usd <= limit
