"""One seed, one script: everything that goes wrong in one life, and what people do meanwhile."""

from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

from tests.deployments.virtual.agent import Plan

MAX_HOURS = Decimal("0.2")
NEVER = 10.0**6
# What each kind of call may meet; how many calls of a life at most meet anything.
BOUNDARY_FAULTS: dict[str, tuple[int, tuple[str, ...]]] = {
    "offers": (8, ("sold_out", "error", "auth", "killed")),
    "launch": (
        6,
        (
            "capacity",
            "rate_limited",
            "unreachable",
            "quota",
            "invalid",
            "auth",
            "lost",
            "failed",
            "late",
            "lost_late",
            "double",
            "wrong_type",
            "killed_before",
            "killed_after",
        ),
    ),
    "list": (40, ("error", "auth", "killed", "empty", "stale", "truncated", "foreign")),
    "terminate": (
        10,
        ("error", "refused", "lie", "lost", "auth", "stuck", "killed", "killed_after"),
    ),
    "ssh": (16, ("unreachable", "auth", "hostkey", "killed")),
    "start": (3, ("unknown",)),
    "download": (6, ("cut",)),
}
# A list that is wrong without showing it. Two of them half a minute apart would be what D3 calls
# proof: no system can tell. So between two of them there are good ones.
WRONG_LISTS = frozenset({"empty", "stale", "truncated", "foreign"})
GOOD_LISTS_BETWEEN = 5
# A refusal that is final makes a life short, and one hostkey ends it: these are drawn less often.
RARE = frozenset({"quota", "invalid", "auth", "hostkey"})
INTERRUPTIONS = ("killed_before", "killed_after", "other_worker", "asleep", "reap")
TURNS = ("vanish", "unhealthy", "preempted", "reboot")
USER_ACTIONS = (
    "cancel",
    "cancel_unsaved",
    "save",
    "deploy_again",
    "delete_key",
    "replace_key",
    "retry_collect",
    "resolve_attention",
)
WHEN = ("queued", "launching", "booting", "preparing", "training", "collecting", "terminating")
ERRORS: dict[str, bool] = {
    "E_OOM": False,
    "E_NAN": False,
    "E_DISK": False,
    "E_STALL": False,
    "E_GPU": True,
}


# So many of all lives have a second cloud.
OTHER_SHARE = 0.5
FIRST_PRICE = Decimal("1.29")
# So much of what goes wrong elsewhere goes wrong in a life that loses its machine anyway.
CALM_SHARE = 0.4
TAKEN = ("vanish", "vanish", "preempted", "unhealthy")


@dataclass(frozen=True)
class Moment:
    """Something that happens once: so many seconds after a status is first seen."""

    what: str
    status: str
    seconds: float


@dataclass(frozen=True)
class Window:
    """A time, in seconds from the start of the life, in which something is wrong throughout."""

    what: str
    begin: float
    end: float


@dataclass(frozen=True)
class Other:
    """The second cloud of a life: what goes wrong there, and how the run comes to it.

    ``way``: it is the "fallback", or "first" with the other one as its fallback, or the request
    says "auto". ``has_outage``: the windows in which a cloud is away are its own.
    """

    way: str
    faults: dict[str, list[str]]
    price: Decimal
    boot_seconds: float
    has_outage: bool


@dataclass(frozen=True)
class Script:
    """Everything that goes wrong in one life."""

    seed: int
    faults: dict[str, list[str]]
    # By the number of the boundary that is passed, what happens to the worker there.
    interruptions: dict[int, str]
    turns: tuple[Moment, ...]
    actions: tuple[Moment, ...]
    windows: tuple[Window, ...]
    # What the first agents do; those after them do well.
    plans: tuple[Plan, ...]
    boot_seconds: float
    late_seconds: float
    new_price: Decimal | None
    budget: Decimal
    wait_minutes: int
    attempts: int
    keep_minutes: int
    database_failures: float = 0.0
    other: Other | None = None

    def outage_seconds(self) -> float:
        """Return how long, in all, somebody or something is away."""
        return sum(window.end - window.begin for window in self.windows)


def script_of(seed: int) -> Script:
    """Return the script of a seed; the same for ever, wherever it runs."""
    random = Random(seed)
    rate = random.uniform(0.05, 0.3)
    script = Script(
        seed=seed,
        faults={kind: _faults(random, kind, rate) for kind in BOUNDARY_FAULTS},
        interruptions=_interruptions(random),
        turns=_moments(random, TURNS, often=0.3, most=2),
        actions=_moments(random, USER_ACTIONS, often=0.4, most=3),
        windows=_windows(random),
        plans=_plans(random),
        boot_seconds=random.choice([1, 30, 30, 30, 150, NEVER] if rate > 0.2 else [1, 30, 30]),
        late_seconds=random.uniform(0, 300),
        new_price=random.choice([None, None, None, Decimal("0.99"), Decimal("1.99")]),
        budget=random.choice([Decimal("0.30"), Decimal("0.60"), *[Decimal("10.00")] * 4]),
        wait_minutes=random.choice([0, 5, 30, 30]),
        attempts=random.choice([1, 2, 2, 3]),
        keep_minutes=random.choice([0, 0, 0, 2, 30]),
        database_failures=random.choice([0.0, 0.0, 0.0, 0.02]),
    )
    saves = random.choice([None, 2, 3])
    plans = tuple(replace(plan, save_steps=saves) for plan in script.plans)
    return _at_two_clouds(replace(script, plans=plans), Random(f"{seed}, at two clouds"))


def _at_two_clouds(script: Script, random: Random) -> Script:
    """Return the script as it is, or with a second cloud and often a reason to go there."""
    other = _other(random)
    if other is None:
        return script
    is_first = other.way == "first" or (other.way == "auto" and other.price < FIRST_PRICE)
    why = random.choice(["refused", "refused", "lost", "lost", ""])
    preferred = other.faults if is_first else script.faults
    if why == "refused":
        preferred["launch"][:2] = ["capacity", random.choice(["capacity", "ok"])]
    if why == "lost":
        script = _lost_in_training(script, random)
        calm = {kind: _calmer(random, drawn) for kind, drawn in other.faults.items()}
        other = replace(other, faults=calm)
        # Else what costs less is taken there again.
        first = other.faults if is_first else script.faults
        first["launch"][:2] = ["ok", random.choice(["capacity", "ok"])]
    return replace(script, other=other)


def _lost_in_training(script: Script, random: Random) -> Script:
    """Return a life whose first machine is lost, usually with a checkpoint of it at home.

    It is calmer than others: else most of them end for another reason.
    """
    first = replace(script.plans[0], train_from=20, exit_at=300, save_steps=2)
    taken = Moment(random.choice(TAKEN), "training", random.uniform(5, 200))
    kept = {number for number in script.interruptions if random.random() < CALM_SHARE}
    return replace(
        script,
        faults={kind: _calmer(random, drawn) for kind, drawn in script.faults.items()},
        interruptions={n: what for n, what in script.interruptions.items() if n in kept},
        plans=(first, *script.plans[1:]),
        turns=(taken,),
        windows=(),
        boot_seconds=min(30, script.boot_seconds),
        attempts=max(2, script.attempts),
        budget=max(Decimal("10.00"), script.budget),
        database_failures=0.0,
    )


def _calmer(random: Random, drawn: list[str]) -> list[str]:
    return [fault if random.random() < CALM_SHARE else "ok" for fault in drawn]


def _other(random: Random) -> Other | None:
    if random.random() >= OTHER_SHARE:
        return None
    rate = random.uniform(0.0, 0.3)
    return Other(
        way=random.choice(["fallback", "first", "auto"]),
        faults={kind: _faults(random, kind, rate) for kind in BOUNDARY_FAULTS},
        price=random.choice([Decimal("0.99"), Decimal("1.19"), Decimal("1.49")]),
        boot_seconds=random.choice([1, 30]),
        has_outage=random.random() < 0.5,
    )


def _faults(random: Random, kind: str, rate: float) -> list[str]:
    calls, faults = BOUNDARY_FAULTS[kind]
    weights = [1 if fault in RARE else 4 for fault in faults]
    drawn: list[str] = []
    good = GOOD_LISTS_BETWEEN
    for _ in range(calls):
        fault = random.choices(faults, weights)[0] if random.random() < rate else "ok"
        if fault in WRONG_LISTS and good < GOOD_LISTS_BETWEEN:
            fault = "ok"
        good = 0 if fault in WRONG_LISTS else good + 1 if fault == "ok" else good
        drawn.append(fault)
    return drawn


def _interruptions(random: Random) -> dict[int, str]:
    rate = random.choice([0.0, 0.01, 0.03])
    return {number: random.choice(INTERRUPTIONS) for number in range(400) if random.random() < rate}


def _moments(
    random: Random, what: tuple[str, ...], *, often: float, most: int
) -> tuple[Moment, ...]:
    if random.random() >= often:
        return ()
    return tuple(
        Moment(random.choice(what), random.choice(WHEN), random.uniform(0, 60))
        for _ in range(random.randint(1, most))
    )


def _windows(random: Random) -> tuple[Window, ...]:
    """Return an outage of the cloud, a key that is refused, or workers that are all away."""
    if random.random() >= 0.12:
        return ()
    begin = random.uniform(0, 400)
    lasts = random.choice([60.0, 300.0, 300.0, 1800.0])
    return (Window(random.choice(["error", "auth", "workers"]), begin, begin + lasts),)


def _plans(random: Random) -> tuple[Plan, ...]:
    hostile = random.random() < 0.1
    train_from = random.choice([0.1, 20.0, 20.0])
    exit_at = train_from + random.choice([0.1, 60.0, 60.0, 280.0])
    well = Plan(train_from=train_from, exit_at=exit_at, hostile=hostile)
    if random.random() >= 0.3:
        return (well,) * 3
    bad = random.choice([_failing(random, well), _silent(well), _endless(random), _bare(well)])
    return (bad,) * random.choice([1, 1, 3])


def _failing(random: Random, well: Plan) -> Plan:
    code = random.choice(sorted(ERRORS))
    error = {"code": code, "message": "x", "remedy": "y", "retryable": ERRORS[code]}
    return Plan(
        train_from=well.train_from,
        exit_at=well.exit_at,
        outcome="failed",
        has_adapter=random.choice([True, False]),
        error=error,
    )


def _silent(well: Plan) -> Plan:
    return Plan(train_from=well.train_from, exit_at=NEVER, falls_silent=well.train_from + 30)


def _endless(random: Random) -> Plan:
    return Plan(exit_at=NEVER, save_seconds=random.choice([5.0, NEVER]))


def _bare(well: Plan) -> Plan:
    return Plan(train_from=well.train_from, exit_at=well.exit_at, has_adapter=False)
