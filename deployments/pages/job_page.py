"""Everything the page of one run shows, read when asked for, so that a block reads only its own."""

from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User

from core.errors import NotFoundError
from core.lookups import get_owned
from core.time import database_now
from deployments import base_models, clouds, history, overview
from deployments.models import Artifact, Deployment, LogLine, Machine, TrainingJob
from deployments.models.deployments import Status
from deployments.overview import DeploymentOverview, EventLine, MachineOverview
from deployments.pages import charts, machine_facts, money, phases, problems, status_words
from deployments.pages.end_card import End, Figure, end_card
from deployments.pages.machine_facts import Freshness, MachineFacts
from deployments.pages.problems import Alarm, Problem
from deployments.pages.status_words import Pill
from deployments.templatetags.wording import about, duration, figure, moment, percent, usd

LOG_TAIL = 8
EVENTS_SHOWN = overview.LAST_EVENTS
ADAPTER = "adapter"
TRAIN_LOSS, EVAL_LOSS = "train/loss", "eval/loss"


def find(user: User, job_id: UUID) -> "JobPage":
    """Return the page of the user's own job; NotFoundError for anybody else's (I18)."""
    job = get_owned(TrainingJob.objects.select_related("dataset"), user, job_id)
    newest = overview.deployments_of(user).filter(job=job).first()
    if newest is None:
        raise NotFoundError("This job was never started.", remedy="Start it as a new run.")
    return JobPage(job, newest, now=database_now())


class JobPage:
    """One job and its newest deployment, worded for people."""

    def __init__(self, job: TrainingJob, deployment: Deployment, *, now: datetime) -> None:
        self.job = job
        self.deployment = deployment
        self.now = now

    @cached_property
    def run(self) -> DeploymentOverview:
        """The figures that the REST interface shows too."""
        return overview.deployment_overview(self.deployment, now=self.now)

    @cached_property
    def cloud(self) -> str:
        """The cloud's name."""
        return clouds.capabilities(self.deployment.platform).label

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
        return status_words.WORDS[Status(self.run.status)][0]

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
            model_words(self.job.model_name),
            f"{method}, LoRA rank {rank}" if rank else method,
            f"{self.job.dataset.name}, {self.job.dataset.rows:,} rows",
        ]
        return " · ".join(parts)

    @cached_property
    def can_stop(self) -> bool:
        """Whether asking for the end would change anything; saving can still be given up."""
        decided = self.run.stop_asked and not self.run.save_wanted
        return self.is_live and not decided and self.run.status != Status.TERMINATING

    @cached_property
    def epochs(self) -> float | None:
        """How often the data is passed over; None where a number of steps decides instead."""
        recipe = self.job.config.get("hyperparameters", {})
        epochs = recipe.get("num_train_epochs")
        decides = isinstance(epochs, (int, float)) and recipe.get("max_steps") is None
        return float(epochs) if decides else None

    @cached_property
    def steps_left(self) -> int | None:
        """The steps a stop would leave out; None while nobody knows."""
        progress = self.run.progress
        if progress is None or progress.step is None or progress.total_steps is None:
            return None
        return max(0, progress.total_steps - progress.step)

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
        found = [*self._progress_figures(), Figure("Elapsed", self._elapsed())]
        likely = self.money.likely
        left = self.run.progress.seconds_remaining if self.run.progress else None
        if left is not None and likely is not None:
            by = self.now + timedelta(seconds=likely.high_seconds)
            found.append(Figure("Left", about(left), f"gone by {moment(by)}"))
        if self.machine is not None:
            gpu = machine_facts.gpu_words(self.machine)
            price = f"{usd(self.machine.hourly)} an hour"
            found.append(Figure("Machine", gpu, f"{self.machine.region} · {price}"))
        else:
            asked = self.run.instance_type
            gpu = "cheapest free" if asked == "auto" else asked
            limit = usd(self.run.max_hourly_price)
            found.append(Figure("Machine", "none yet", f"{gpu}, up to {limit} an hour"))
        return tuple(found)

    def _progress_figures(self) -> list[Figure]:
        progress = self.run.progress
        if progress is None or progress.step is None:
            return [Figure("Now", self.status_word, status_words.finer_step(self.run))]
        total = f" of {progress.total_steps:,}" if progress.total_steps else ""
        found = [Figure("Progress", percent(progress.percent), f"step {progress.step:,}{total}")]
        if progress.epoch is not None:
            of = f"of {self.epochs:g}" if self.epochs else ""
            found.append(Figure("Epoch", f"{progress.epoch:.2f}", of))
        return found

    def _elapsed(self) -> str:
        until = self.run.completed_at or self.now
        return duration((until - self.run.created_at).total_seconds())

    @cached_property
    def money(self) -> money.MoneyBar:
        """The money bar."""
        quantum_seconds = clouds.capabilities(self.deployment.platform).billing_quantum_seconds
        return money.money_bar(self.run, timing=settings.TIMING, quantum_seconds=quantum_seconds)

    @cached_property
    def strips(self) -> tuple[phases.Strip, ...]:
        """A phase strip for each machine."""
        return phases.strips(self.run, self._changes, now=self.now)

    @cached_property
    def ledger(self) -> phases.Ledger:
        """The cost by phase, with what the cloud rounds up."""
        return phases.ledger(self.run, self._changes, now=self.now)

    @cached_property
    def _changes(self) -> list[EventLine]:
        rows = self.deployment.events.exclude(to_status="").order_by("id")
        return [overview.event_line(event, {}) for event in rows]

    @cached_property
    def chart(self) -> charts.LossChart | None:
        """The loss chart; None before the first value."""
        series = history.metric_series(self.job, names=(TRAIN_LOSS, EVAL_LOSS))
        return charts.loss_chart(
            series.get(TRAIN_LOSS),
            series.get(EVAL_LOSS),
            total_steps=self.run.progress.total_steps if self.run.progress else None,
            epochs=self.epochs or 0.0,
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
            cloud=self.cloud,
            heartbeat=news.heartbeat if news and machine.may_live else None,
            environment=news.environment if news else None,
        )

    @cached_property
    def tries(self) -> tuple[MachineOverview, ...]:
        """The launches that came to nothing, the newest first."""
        return tuple(m for m in reversed(self.run.machines) if m.status in overview.NOT_STARTED)

    @cached_property
    def newest_machine(self) -> MachineFacts | None:
        """The facts of the newest rented machine, whose proof stands in the end card."""
        return self.machines[0] if self.machines else None

    @cached_property
    def billed_seconds(self) -> float:
        """The time that is paid, all machines together."""
        return sum(machine.billed_seconds or 0.0 for machine in self.machines)

    @cached_property
    def log(self) -> list[LogLine]:
        """The newest log lines, newest first."""
        return history.newest_log_lines(self.job, limit=LOG_TAIL)[::-1]

    @cached_property
    def log_count(self) -> int:
        """How many log lines there are."""
        return history.log_lines(self.job).count()

    @cached_property
    def events(self) -> tuple[EventLine, ...]:
        """The newest events, newest first."""
        return self.run.events[::-1]

    @cached_property
    def events_are_all(self) -> bool:
        """Whether no event is older than those shown."""
        return len(self.run.events) < EVENTS_SHOWN

    @cached_property
    def adapter(self) -> Artifact | None:
        """The adapter, once it is home."""
        kept = [artifact for artifact in self.run.artifacts if artifact.kind == ADAPTER]
        return kept[0] if kept else None

    @cached_property
    def problem(self) -> Problem | None:
        """What went wrong, in the order happened, cost, next, what to do; None if nothing did."""
        return problems.problem(self.run, kept=self.adapter)

    @cached_property
    def alarm(self) -> Alarm | None:
        """Why the run needs its owner now; None if it does not."""
        console = clouds.capabilities(self.deployment.platform).console_url
        return problems.alarm(self.run, self.machine, cloud=self.cloud, console_url=console)

    @cached_property
    def end(self) -> End | None:
        """The end card; None while the run is on its way."""
        if not self.run.is_terminal and self.run.status != Status.TERMINATING:
            return None
        return end_card(self.run, self.adapter, self.chart, billed_seconds=self.billed_seconds)


def model_words(name: str) -> str:
    """Return a base model's name for people: a local one without our prefix."""
    if name.startswith(base_models.LOCAL):
        return f"{name.removeprefix(base_models.LOCAL)} (local)"
    return name
