"""Everything the page of one run shows, read when asked for, so that a block reads only its own."""

from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.utils.text import slugify

from core.errors import NotFoundError
from core.lookups import get_owned
from core.time import database_now
from deployments import base_models, clouds, history, model_catalogue, overview
from deployments.exports import pushes
from deployments.models import Artifact, Deployment, LogLine, Machine, TrainingJob
from deployments.models.deployments import Status
from deployments.overview import DeploymentOverview, EventLine, MachineOverview
from deployments.pages import machine_facts, money, problems, status_words
from deployments.pages.charts.kinds import EVAL_LOSS, TRAIN_LOSS, View
from deployments.pages.charts.of_run import RunCharts
from deployments.pages.job import (
    cost_by_phase,
    expected,
    figures,
    health,
    onward,
    phases,
    readings,
    remedies,
    tabs,
)
from deployments.pages.job.checkpoints import KEPT_ON_MACHINE, CheckpointLine, checkpoint_lines
from deployments.pages.job.cost_by_phase import CostByPhase
from deployments.pages.job.end_card import End, end_card
from deployments.pages.job.figures import Figure
from deployments.pages.job.health import Note
from deployments.pages.job.push_lines import PushLine, push_lines
from deployments.pages.job.remedies import Button
from deployments.pages.job.still_works import still_works
from deployments.pages.machine_facts import Freshness, MachineFacts
from deployments.pages.problems import Alarm, Problem
from deployments.pages.status_words import Pill
from deployments.templatetags.wording import figure, percent, usd

LOG_TAIL = 8
# More checkpoints than these no page shows.
MOST = 100
EVENTS_A_PAGE = 200
QUANTUM_WORDS = {1: "second", 60: "minute", 3600: "hour"}
ADAPTER = "adapter"


def find(user: User, job_id: UUID) -> "JobPage":
    """Return the page of the user's own job; NotFoundError for anybody else's (I18)."""
    job = get_owned(TrainingJob.objects.select_related("dataset"), user, job_id)
    newest = overview.deployments_of(user).filter(job=job).first()
    if newest is None:
        raise NotFoundError("This job was never started.", remedy="Start it as a new run.")
    return JobPage(job, newest, now=database_now())


class JobPage:
    """One job and its newest deployment, worded for people."""

    events_a_page = EVENTS_A_PAGE

    def __init__(self, job: TrainingJob, deployment: Deployment, *, now: datetime) -> None:
        self.job = job
        self.deployment = deployment
        self.now = now
        # How the charts are looked at.
        self.view = View()

    @cached_property
    def run(self) -> DeploymentOverview:
        """The figures that the REST interface shows too."""
        return overview.deployment_overview(self.deployment, now=self.now)

    @cached_property
    def cloud(self) -> str:
        """The name of the cloud where its newest machine is, or that it prefers."""
        return clouds.capabilities(self._platform).label

    @cached_property
    def _platform(self) -> str:
        return self.machine.platform if self.machine else self.deployment.platform

    @cached_property
    def is_live(self) -> bool:
        """Whether anything may still change."""
        return not self.deployment.is_terminal

    @cached_property
    def pill(self) -> Pill:
        return status_words.pill(self.run)

    @cached_property
    def status_word(self) -> str:
        """The status's own word, also while the pill says that the run needs its owner."""
        return status_words.words(self.run)[0]

    @cached_property
    def title(self) -> str:
        """The window's title: the state first, so that a row of tabs can be read."""
        return " · ".join([*self._title_parts(), self.run.name])

    def _title_parts(self) -> list[str]:
        if self.run.attention:
            return ["Needs you", *([self.alarm.short] if self.alarm else [])]
        if self.run.is_terminal:
            return [self.pill.word, usd(self.run.cost.accrued)]
        if self.run.status != Status.TRAINING or self.run.progress is None:
            return [self.pill.word]
        loss = self.run.metrics.get(TRAIN_LOSS)
        told = [] if loss is None or loss.value is None else [f"loss {figure(loss.value)}"]
        return [percent(self.run.progress.percent), *told]

    @cached_property
    def subtitle(self) -> str:
        """Model, method and data in one line."""
        rank = self.job.config.get("hyperparameters", {}).get("lora_r")
        method = str(self.job.config.get("method", "sft")).upper()
        parts = [
            self.model_label,
            f"{method}, LoRA rank {rank}" if rank else method,
            f"{self.job.dataset.name}, {self.job.dataset.rows:,} rows",
            onward.begins(self.job, self.deployment),
        ]
        return " · ".join(part for part in parts if part)

    @cached_property
    def can_cancel(self) -> bool:
        """Whether asking for the end would change anything; saving can still be given up."""
        decided = self.run.stop_asked and not self.run.save_wanted
        ends = self.run.status == Status.TERMINATING and self.run.kept_until is None
        return self.is_live and not decided and not ends

    @cached_property
    def can_stop_and_save(self) -> bool:
        """Whether there is something to save, and nobody has asked for the end yet."""
        return self.can_cancel and not self.run.stop_asked and self.run.status == Status.TRAINING

    @cached_property
    def epochs(self) -> float | None:
        """How often the data is passed over; None where a number of steps decides instead."""
        recipe = self.job.config.get("hyperparameters", {})
        epochs = recipe.get("num_train_epochs")
        decides = isinstance(epochs, (int, float)) and recipe.get("max_steps") is None
        return float(epochs) if decides else None

    @cached_property
    def ending_cost(self) -> Decimal:
        """What saving, bringing home, ending and proving may cost: what is kept back for them."""
        return self.money.kept_back or Decimal(0)

    @cached_property
    def machine(self) -> MachineOverview | None:
        """The newest machine that was rented or may have been."""
        rented = [m for m in self.run.machines if m.status not in overview.NOT_STARTED]
        return rented[-1] if rented else None

    @cached_property
    def freshness(self) -> Freshness | None:
        """When the cloud last confirmed the machine that may live."""
        if self.machine is None or not self.machine.may_live:
            return None
        return machine_facts.freshness(self.machine, cloud=self.cloud, now=self.now)

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """The row of figures above the money."""
        return figures.figures(
            self.run,
            self.machine,
            freshness=self.freshness,
            likely=self.money.likely,
            epochs=self.epochs,
            now=self.now,
        )

    @cached_property
    def money(self) -> money.MoneyBar:
        """The money bar."""
        return money.money_bar(
            self.run, timing=settings.TIMING, quantum_seconds=self._quantum_seconds
        )

    @cached_property
    def _quantum_seconds(self) -> int:
        return clouds.capabilities(self._platform).billing_quantum_seconds

    @cached_property
    def strips(self) -> tuple[phases.Strip, ...]:
        """A phase strip for each machine."""
        ahead = expected.expected(self.run, timing=settings.TIMING)
        return phases.strips(self.run, self._changes, cost=self.cost, expected=ahead, now=self.now)

    @cached_property
    def cost(self) -> CostByPhase:
        """The cost by phase, with what the cloud rounds up."""
        return cost_by_phase.cost_by_phase(self.run, self._changes, now=self.now)

    @cached_property
    def _changes(self) -> list[EventLine]:
        rows = self.deployment.events.exclude(to_status="").order_by("id")
        return [overview.event_line(event, {}) for event in rows]

    @cached_property
    def charts(self) -> RunCharts:
        """What the run has told, as charts."""
        return RunCharts(
            self.deployment, self.run, epochs=self.epochs, now=self.now, view=self.view
        )

    @cached_property
    def machines(self) -> tuple[MachineFacts, ...]:
        """Every machine that was rented, or may have been, the newest first."""
        rows = {row.pk: row for row in self.deployment.machines.all()}
        return tuple(
            self._facts(machine, rows[machine.machine_id])
            for machine in reversed(self.run.machines)
            if machine.status not in overview.NOT_STARTED
        )

    def _facts(self, machine: MachineOverview, row: Machine) -> MachineFacts:
        # The run's news is the newest machine's; figures of one that is gone are old news.
        news = self.run.run if machine is self.machine else None
        return machine_facts.facts(
            machine,
            row,
            cloud=clouds.capabilities(machine.platform).label,
            heartbeat=news.heartbeat if news and machine.may_live else None,
            environment=news.environment if news else None,
        )

    @cached_property
    def environment(self) -> dict[str, Any]:
        """What the newest machine told of itself: versions, card, architecture."""
        return dict((self.run.run.environment if self.run.run else None) or {})

    @cached_property
    def tries(self) -> tuple[tuple[str, MachineOverview], ...]:
        """The launches that came to nothing, each with its cloud's name, the newest first."""
        return tuple(
            (clouds.capabilities(each.platform).label, each)
            for each in reversed(self.run.machines)
            if each.status in overview.NOT_STARTED
        )

    @cached_property
    def newest_machine(self) -> MachineFacts | None:
        """The facts of the newest rented machine, whose proof stands in the end card."""
        return self.machines[0] if self.machines else None

    @cached_property
    def billed_seconds(self) -> float:
        """The time that is paid, all machines together."""
        return sum(machine.billed_seconds or 0.0 for machine in self.machines)

    @cached_property
    def notes(self) -> tuple[Note, ...]:
        """What its figures say of the run's health, or what still works when it needs its owner."""
        if self.alarm:
            return still_works(self.run, now=self.now)
        return health.notes(readings.readings(self.job, self.run, now=self.now))

    @cached_property
    def log(self) -> list[LogLine]:
        """The newest log lines, newest first."""
        return history.newest_log_lines(self.job, limit=LOG_TAIL)[::-1]

    @cached_property
    def log_count(self) -> str:
        """How many log lines there are."""
        return tabs.counted(history.log_lines(self.job))

    @cached_property
    def checkpoints(self) -> list[CheckpointLine]:
        """The checkpoints with how good each is and where it lies, newest first. Two queries."""
        rows = list(self.job.checkpoints.select_related("machine").order_by("-step")[:MOST])
        losses = readings.losses_at(self.job, {row.step for row in rows})
        return checkpoint_lines(
            rows,
            artifacts=self.run.artifacts,
            living=frozenset(m.machine_id for m in self.run.machines if m.may_live),
            eval_losses=losses[EVAL_LOSS],
            train_losses=losses[TRAIN_LOSS],
            epochs_a_step=self._epochs_a_step,
            kept=int(self.job.config["hyperparameters"].get("save_total_limit", KEPT_ON_MACHINE)),
        )

    @cached_property
    def resumable(self) -> CheckpointLine | None:
        """The checkpoint that a run that is over would go on from; None if none is home."""
        return None if self.is_live else onward.newest_home(self.checkpoints)

    @cached_property
    def earlier_cost(self) -> Decimal:
        """What the run had cost before it was resumed the last time."""
        return onward.earlier_cost(self.job, self.deployment)

    @cached_property
    def samples(self) -> onward.Samples:
        """The held-out prompts with what was answered."""
        return onward.samples(self.job)

    @cached_property
    def _epochs_a_step(self) -> float | None:
        progress = self.run.progress
        if progress is None or not progress.step or progress.epoch is None:
            return None
        return progress.epoch / progress.step

    @cached_property
    def newest_events(self) -> list[EventLine]:
        """The first page of the story, newest first."""
        return self.events_before(None)

    def events_before(self, event_id: int | None) -> list[EventLine]:
        """Return a page of the story, newest first; one query."""
        rows = self.deployment.events.order_by("-id")
        if event_id is not None:
            rows = rows.filter(pk__lt=event_id)
        names = {machine.machine_id: machine.name for machine in self.run.machines}
        return [overview.event_line(event, names) for event in rows[:EVENTS_A_PAGE]]

    @cached_property
    def pushes(self) -> tuple[PushLine, ...]:
        """What was asked to be put on the Hub."""
        return push_lines(pushes.of_job(self.job))

    @cached_property
    def is_pushing(self) -> bool:
        """Whether any of them goes on."""
        return any(not line.push.is_over for line in self.pushes)

    @cached_property
    def adapter(self) -> Artifact | None:
        """The adapter, once it is home."""
        kept = [artifact for artifact in self.run.artifacts if artifact.kind == ADAPTER]
        return kept[0] if kept else None

    @cached_property
    def adapter_file(self) -> str:
        """The adapter's name once downloaded (``api.artifacts``)."""
        run = slugify(self.job.name)
        name = self.adapter.name if self.adapter else ""
        return f"{run}-{name}" if run else name

    @cached_property
    def base_model(self) -> str:
        """The model that was trained, as it is loaded."""
        return model_words(self.job.model_name)

    @cached_property
    def model_label(self) -> str:
        """The model that was trained, as people call it."""
        known = model_catalogue.curated(self.job.model_name)
        return known.label if known else self.base_model

    @cached_property
    def quantum_words(self) -> str:
        """The step in which the cloud bills time: minute."""
        return QUANTUM_WORDS.get(self._quantum_seconds, f"{self._quantum_seconds} seconds")

    @cached_property
    def problem(self) -> Problem | None:
        """What went wrong, in the order happened, cost, next, what to do; None if nothing did."""
        return problems.problem(self.run, kept=self.adapter)

    @cached_property
    def alarm(self) -> Alarm | None:
        """Why the run needs its owner now; None if it does not."""
        console = clouds.capabilities(self._platform).console_url
        return problems.alarm(self.run, self.machine, cloud=self.cloud, console_url=console)

    @cached_property
    def end(self) -> End | None:
        """The end card; None while the run is on its way."""
        if not self.run.is_terminal and self.run.status != Status.TERMINATING:
            return None
        return end_card(
            self.run,
            self.adapter,
            self.charts.losses,
            problem=self.problem,
            billed_seconds=self.billed_seconds,
        )

    @cached_property
    def remedy(self) -> Button:
        """The first button after a failure."""
        return remedies.button(self.problem.code if self.problem else "")


def model_words(name: str) -> str:
    """Return a base model's name for people: a local one without our prefix."""
    if name.startswith(base_models.LOCAL):
        return f"{name.removeprefix(base_models.LOCAL)} (local)"
    return name
