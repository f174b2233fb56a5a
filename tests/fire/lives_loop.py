"""The loop that starts the lives, draws faults and cancels, and looks again and again."""

import random
import time
from collections import Counter, defaultdict
from decimal import Decimal
from uuid import UUID

from django.contrib.auth.models import User

from datasets.models import Dataset
from deployments import services
from deployments.management.local_stack import LocalStack
from deployments.models import Deployment, Stray
from deployments.models.deployments import TERMINAL, Status
from deployments.services import ConfigInput, DeployRequest
from secrets_vault.services import add_entry
from tests import builders
from tests.fire.caps import lift_caps
from tests.fire.lives_checks import Watch, mark
from tests.fire.lives_faults import COST_A_MACHINE, FINAL, OF_ONE_LIFE, OF_THE_ACCOUNT, draw
from tests.fire.stand_in import StandIn

USERS = 4
# A dear machine, for budgets that are reached, and a cheap one.
AMPLE_USD = Decimal("5.00")
KINDS = (("gpu_1x_a10", AMPLE_USD), ("gpu_1x_b200_sxm6", Decimal("0.50")))
KIND_WEIGHTS = (4, 1)
CANCELLED_SHARE = 0.15
CANCEL_AT = (
    Status.LAUNCHING, Status.BOOTING, Status.PREPARING, Status.TRAINING, Status.COLLECTING,
)  # fmt: skip
FAULTS_OF_A_LIFE = ((0, 1, 2, 3), (3, 4, 2, 1))
ACCOUNT_FAULT_SECONDS = (1.0, 6.0)
WATCH_SECONDS = 2.0
PATIENCE_SECONDS_A_LIFE = 30
PATIENCE_SECONDS = 600


class Lives:
    """A number of lives of four users with one cloud account."""

    def __init__(
        self, stack: LocalStack, stand_in: StandIn, *, wanted: int, at_once: int, seed: int
    ) -> None:
        self.watch = Watch(stack)
        self.faults: Counter[str] = Counter()
        self._stack, self._stand_in = stack, stand_in
        self._wanted, self._at_once = wanted, at_once
        self._chance = random.Random(seed)  # noqa: S311
        self._ids: list[UUID] = []
        self._cancel_at: dict[UUID, Status] = {}
        self._cancelled: set[UUID] = set()
        self._faults_of: dict[UUID, list[dict[str, object]]] = defaultdict(list)
        self._next_fault = self._next_watch = 0.0
        self._owners = self._set_up()

    def perform(self) -> None:
        """Return when every life is over and nothing of ours is left to be ended."""
        give_up = time.monotonic() + PATIENCE_SECONDS + PATIENCE_SECONDS_A_LIFE * self._wanted
        told = 0.0
        while (open_ := self._open()) or len(self._ids) < self._wanted or self._strays():
            if time.monotonic() > give_up:
                raise TimeoutError(f"Still open: {self._statuses()}")
            for _ in range(min(self._wanted - len(self._ids), self._at_once - len(open_), 4)):
                self._start_one()
            self._cancel_some()
            self._let_something_happen()
            if time.monotonic() - told > 20:
                told = time.monotonic()
                print(f"{time.strftime('%H:%M:%S')} {self._statuses()}", flush=True)
            time.sleep(0.2)

    def deployments(self) -> list[Deployment]:
        return list(Deployment.objects.filter(pk__in=self._ids).order_by("created_at"))

    def figures(self) -> str:
        """Return in words what was done."""
        used = sum(row["used"] for row in self._stack.control("GET", "faults")["faults"])
        return (
            f"{self._statuses()}; {len(self._stack.control('GET', 'ledger')['entries'])} machines; "
            f"{len(self._cancelled)} cancels; {sum(self.faults.values())} faults put, "
            f"{used} times met; "
            f"{self.watch.looks} looks at cloud and rows"
        )

    def unlucky(self) -> tuple[int, list[Deployment]]:
        """Return how many lives could succeed, and those of them that did not."""
        could = [d for d in self.deployments() if self._could_succeed(d)]
        return len(could), [d for d in could if d.status != Status.COMPLETED]

    def _could_succeed(self, deployment: Deployment) -> bool:
        """Whether nobody stopped it, no fault was final, and one machine more was enough."""
        seed = deployment.job.config["hyperparameters"]["seed"]
        fates = {self._stand_in.fate(m.attempt, seed) for m in deployment.machines.all()}
        faults = [str(row["kind"]) for row in self._faults_of[deployment.pk]]
        lost = sum(fault in COST_A_MACHINE for fault in faults)
        return (
            deployment.pk not in self._cancelled
            and deployment.budget_limit == AMPLE_USD
            and fates <= {"completes"}
            and not FINAL & set(faults)
            and lost < deployment.max_attempts
        )

    def stories(self, wrong: list[str]) -> str:
        """Return the events of the lives that a text names."""
        named = [d for d in self.deployments() if any(str(d.pk) in text for text in wrong)]
        return "\n".join(
            "\n  ".join([f"{d.pk}:", *(f"{e} [{e.version} {e.kind}]" for e in d.events.all())])
            for d in named
        )

    def _set_up(self) -> list[tuple[User, Dataset]]:
        lift_caps()
        for kind, _ in KINDS:
            for region in ("us-east-1", "us-west-1"):
                free = {"instance_type": kind, "region": region, "free": 4 * self._at_once}
                self._stack.control("POST", "capacity", json=free)
        owners = []
        for number in range(USERS):
            user = builders.make_user(f"user{number}")
            add_entry(user, provider="lambda", secret=self._stack.sandbox_key)
            owners.append((user, builders.make_dataset(user)))
        return owners

    def _start_one(self) -> None:
        user, dataset = self._chance.choice(self._owners)
        ((kind, budget),) = self._chance.choices(KINDS, KIND_WEIGHTS)
        config = services.save_config(
            user,
            ConfigInput(
                name=f"life {len(self._ids) + 1}",
                base_model=self._stand_in.base_model,
                dataset_id=str(dataset.pk),
                hyperparameters={
                    "seed": self._chance.randrange(10**6),
                    "max_steps": self._chance.randint(5, 40),
                },
            ),
        )
        asked = DeployRequest(
            training_config_id=str(config.pk), budget_limit=budget, instance_type=kind
        )
        deployment = services.deploy(user, "lambda", asked)
        self._ids.append(deployment.pk)
        if self._chance.random() < CANCELLED_SHARE:
            self._cancel_at[deployment.pk] = self._chance.choice(CANCEL_AT)
        counts, weights = FAULTS_OF_A_LIFE
        for _ in range(*self._chance.choices(counts, weights)):
            fault = draw(self._chance, OF_ONE_LIFE)
            self._faults_of[deployment.pk].append(fault)
            self._put({**fault, "named": mark(deployment)})

    def _put(self, row: dict[str, object]) -> None:
        self.faults[f"{row['on']} {row['kind']}"] += 1
        self._stack.control("POST", "faults", json=row)

    def _cancel_some(self) -> None:
        for deployment in Deployment.objects.filter(pk__in=list(self._cancel_at)):
            if deployment.status == self._cancel_at[deployment.pk]:
                save = self._chance.random() < 0.5
                services.cancel(deployment, requested_by=deployment.user, save=save)
                self._cancelled.add(deployment.pk)
                del self._cancel_at[deployment.pk]

    def _let_something_happen(self) -> None:
        now = time.monotonic()
        if now >= self._next_watch:
            self._next_watch = now + WATCH_SECONDS
            self.watch.look()
        if now >= self._next_fault:
            self._next_fault = now + self._chance.uniform(*ACCOUNT_FAULT_SECONDS)
            # Once all have begun, faults stop: what is left must come to its end (I21).
            if len(self._ids) < self._wanted:
                self._put(draw(self._chance, OF_THE_ACCOUNT))

    def _open(self) -> list[UUID]:
        rows = Deployment.objects.filter(pk__in=self._ids).exclude(status__in=TERMINAL)
        return list(rows.values_list("pk", flat=True))

    def _strays(self) -> bool:
        return Stray.objects.filter(gone_at__isnull=True).exists()

    def _statuses(self) -> str:
        counted = Counter(d.status for d in self.deployments())
        return ", ".join(f"{count} {status}" for status, count in sorted(counted.items()))
