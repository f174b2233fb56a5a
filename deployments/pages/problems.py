"""What went wrong, in the order people need it (PAGES section 5). Pure.

What happened, what it costs and whether anything bills, what we do next, what they can do.
"""

from dataclasses import dataclass

from deployments.models import Artifact
from deployments.models.deployments import Status
from deployments.overview import DeploymentOverview, MachineOverview
from deployments.templatetags.wording import moment, size, usd

# With these we cannot reach the account: only another key, or the cloud's own page, helps.
KEY_TROUBLE = frozenset({"E_AUTH", "E_SECRET_UNREADABLE", "E_KEY_DELETED"})
# With these a machine cannot be ended by us now.
OUT_OF_REACH = KEY_TROUBLE | {"E_CANNOT_END"}

# What its owner should see, and what goes on all the same.
TITLES = {
    "E_MACHINE_UNHEALTHY": "The cloud calls the machine unhealthy",
    "E_STRAY_MACHINE": "A machine that nobody wanted bills",
    "E_PRICE_CHANGED": "The cloud's price has changed",
    "E_STALLED": "Training stands still",
}
NEXT = {
    "E_STRAY_MACHINE": "We end it and prove it gone. Your run goes on meanwhile.",
    "E_PRICE_CHANGED": "Your run goes on, and we count the price it was rented at.",
    "E_STALLED": "We wait as long again. If no step ends, we save what there is and end the run.",
}
# What the first way out is called; by default it is to look after the cause.
LEAVE_IT = "Leave it to us"
WAYS = {
    "E_CANNOT_END": LEAVE_IT,
    "E_STRAY_MACHINE": LEAVE_IT,
    "E_PROVIDER_BUSY": LEAVE_IT,
    "E_PROVIDER_UNREACHABLE": LEAVE_IT,
    "E_RATE_LIMITED_BY_PROVIDER": LEAVE_IT,
    "E_PRICE_CHANGED": "Compare, and decide",
    "E_STALLED": "Look, and decide",
}


@dataclass(frozen=True)
class Problem:
    """A failure in four parts; ``code`` stands last and small."""

    title: str
    happened: str
    cost: str
    next: str
    remedy: str
    code: str


@dataclass(frozen=True)
class Alarm:
    """Why the run needs its owner now: a failure that is not over.

    ``key_trouble`` says that another key may help; ``machine`` is what to end by hand, where we
    may be unable to; ``way`` is what the remedy amounts to.
    """

    title: str
    price: str
    happened: str
    cost: str
    next: str
    remedy: str
    code: str
    key_trouble: bool
    way: str
    machine: MachineOverview | None
    console_url: str

    @property
    def short(self) -> str:
        """The title in as few words as a window's title has room for: cannot end this machine."""
        return self.title.partition(":")[0].removeprefix("We ")


def problem(run: DeploymentOverview, *, kept: Artifact | None) -> Problem | None:
    """Return why the run failed or will fail, or None."""
    error = run.error
    if error is None or run.status == Status.COMPLETED:
        return None
    return Problem(
        title=_title(run),
        happened=str(error.get("message", "")),
        cost=_cost(run, kept=kept),
        next=_next(run),
        remedy=_remedy(run, str(error.get("remedy", ""))),
        code=str(error.get("code", "")),
    )


def _remedy(run: DeploymentOverview, told: str) -> str:
    if run.kept_until is None:
        return told
    return f"{told} Once you have seen enough, end the machine: until then it bills.".strip()


def _title(run: DeploymentOverview) -> str:
    landed = run.error is not None and run.error.get("code") in ("E_BUDGET", "E_MAX_HOURS")
    if landed:
        return "Stopped at its limit"
    return "This run failed" if run.is_terminal else "This run is failing"


def _cost(run: DeploymentOverview, *, kept: Artifact | None) -> str:
    spent = usd(run.cost.accrued)
    if run.bills:
        hourly = run.cost.hourly
        rate = f" at {usd(hourly)} an hour" if hourly is not None else ""
        cost = f"{spent} so far. The machine still bills{rate} until it is proven gone."
    elif run.strays or any(machine.gone_at for machine in run.machines):
        cost = f"It cost {spent}. The machine is gone, nothing bills."
    else:
        cost = "Nothing: no machine was rented, nothing bills."
    if kept is not None:
        cost += f" The adapter is home ({size(kept.size_bytes)})."
    return cost


def _next(run: DeploymentOverview) -> str:
    if run.is_terminal and run.bills:
        return "We end the machine that appeared late, prove it gone, and correct the cost."
    if run.is_terminal:
        return "Nothing. This run is over, and we do not try the same again."
    if run.kept_until:
        return (
            f"We keep the machine until {moment(run.kept_until)} so that you can look, or until "
            "its budget or its hours end. Then we end it and prove it gone."
        )
    if run.status == Status.TERMINATING:
        return "We end the machine and look until two lists of the account show that it is gone."
    return "We save what there is, bring it home, and then end the machine."


def alarm(
    run: DeploymentOverview,
    machine: MachineOverview | None,
    *,
    cloud: str,
    console_url: str,
) -> Alarm | None:
    """Return why the run needs its owner, or None while it does not."""
    attention = run.attention
    if not attention:
        return None
    code = str(attention.get("code", ""))
    living = machine if machine is not None and machine.may_live else None
    return Alarm(
        title=_alarm_title(code, cloud=cloud, ending=_ends(run)),
        price=_alarm_price(run, living),
        happened=str(attention.get("message", "")),
        cost=_alarm_cost(run),
        next=_alarm_next(run, code, cloud=cloud),
        remedy=str(attention.get("remedy", "")),
        code=code,
        key_trouble=code in KEY_TROUBLE,
        way=WAYS.get(code, "Look after the cause"),
        # What is the user's own has no cloud's page to be ended at.
        machine=None if code in TITLES or not console_url else living,
        console_url=console_url,
    )


def _alarm_price(run: DeploymentOverview, living: MachineOverview | None) -> str:
    if not run.bills or (living is not None and not living.hourly):
        return "Nothing bills."
    hourly = f" {usd(living.hourly)} an hour" if living else ""
    return f"A machine keeps billing{hourly} while this lasts."


def _ends(run: DeploymentOverview) -> bool:
    return run.status == Status.TERMINATING and run.kept_until is None


def _alarm_title(code: str, *, cloud: str, ending: bool) -> str:
    if code in KEY_TROUBLE:
        refused = f"{cloud} refuses your key" if code == "E_AUTH" else "the key cannot be used"
        return f"We cannot end this machine: {refused}" if ending else f"We cannot go on: {refused}"
    if code == "E_CANNOT_END":
        return "We cannot end this machine"
    return TITLES.get(code, "We cannot go on by ourselves")


def _alarm_cost(run: DeploymentOverview) -> str:
    spent, budget = usd(run.cost.accrued), usd(run.cost.budget_limit)
    if not run.bills:
        return f"{spent} of {budget} so far; nothing bills now."
    return f"{spent} so far, and still counting. The budget is {budget}."


def _alarm_next(run: DeploymentOverview, code: str, *, cloud: str) -> str:
    going_on = NEXT.get(code, "We go on trying, for as long as it takes.")
    if _ends(run):
        going_on = f"We go on asking {cloud} to end it, for as long as it takes."
    return f"{going_on} Next at {moment(run.next_tick_at)}." if run.next_tick_at else going_on
