"""The nine steps of the replaced system's test plan, on one small paid life."""

import io
import logging
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User

from core.errors import SlipwayError
from core.time import database_now
from datasets import samples
from datasets.services import create_dataset
from deployments import clouds, services
from deployments.base_models import LOCAL
from deployments.management.proof import machine_look, refusals
from deployments.management.proof.driver import Driver
from deployments.management.proof.observer import Observer, PatientPacer
from deployments.management.proof.report import Fact, Report, Step
from deployments.models import Artifact, Deployment, Machine, Metric, RunState
from deployments.models.deployments import Status
from deployments.pacer import DatabasePacer
from deployments.providers.base import Offer, Provider
from deployments.providers.probes import Probes
from secrets_vault.models import VaultEntry
from secrets_vault.services import entry_for, open_secret

logger = logging.getLogger(__name__)

ROWS = 200
SAMPLE_MODEL = "slipway-sample"
SMALL_HUB_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
# More steps than there is time for: the run is stopped once its metrics have come.
RECIPE = {
    "max_steps": 20000,
    "logging_steps": 10,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "max_length": 256,
}
ENOUGH_LOSSES = 3
MAX_HOURS = Decimal(1)
WAIT_FOR_CAPACITY_MINUTES = 5
STEPS_BEFORE_THE_END = 7
TRAINS = (Status.TRAINING, Status.COLLECTING)
IS_RENTED = (Status.BOOTING, Status.PREPARING, *TRAINS)


class StepFailedError(SlipwayError):
    """A step of the plan did not hold."""

    code = "E_PROOF"


class Proof:
    """One proof of one cloud, under one user's key, never above ``max_usd``.

    The limit is the deployment's budget, which the lifecycle keeps (F53); a second machine is
    never rented. Whatever fails, and also on Ctrl-C, the machine is ended and proven gone.
    """

    def __init__(
        self,
        user: User,
        platform: str,
        *,
        max_usd: Decimal,
        base_model: str = "",
        provoke_rate_limit: bool = False,
        say: Callable[[str], None],
    ) -> None:
        self._user, self._platform, self._max_usd = user, platform, max_usd
        self._base_model = base_model or default_base_model()
        self._provoke = provoke_rate_limit
        self._say = say
        self._interrupted = False
        self._deployment: Deployment | None = None
        self._offer: Offer | None = None
        self._probes: Probes | None = None
        self._ssh_key_name = ""
        self._machine_facts: list[Fact] = []
        self.report = Report(
            platform=platform,
            base_url=clouds.endpoint(platform).base_url,
            started_at=database_now(),
            max_usd=str(max_usd),
        )

    def run(self) -> Report:
        """Go through the plan, end what was rented, and tell everything that was seen."""
        steps = (
            self._check_key,
            self._check_login_key,
            self._make_config,
            self._deploy,
            self._follow,
            self._see_training,
            self._see_metrics,
        )
        try:
            for number, do in enumerate(steps, start=1):
                if not self._do(number, do):
                    break
        except KeyboardInterrupt:
            self._interrupted = True
            self._say("Interrupted: ending the machine first. Once more leaves it to the worker.")
        finally:
            # Whatever happened: nothing may be left that bills.
            if self._deployment is not None:
                self._do(8, self._end)
                self._do(9, self._check_cost)
        self.report.fill_up()
        try:
            self._gather_facts()
        except KeyboardInterrupt:
            self._say("Interrupted: the rest is not asked; a machine left over is the sweep's.")
        # What cannot be asked any more must not cost us what was seen.
        except Exception:
            logger.exception("Not every fact could be gathered")
        return self.report

    def _do(self, number: int, do: Callable[[], str]) -> bool:
        try:
            step = Step(number, passed=True, detail=do())
        except SlipwayError as error:
            step = Step(number, passed=False, detail=f"{error.message} {error.remedy}".strip())
        # The report tells it, the log has the traceback; the machine must be ended all the same.
        except Exception as error:
            logger.exception("Step %s of the proof failed", number)
            step = Step(number, passed=False, detail=f"{type(error).__name__}: {error}")
        self.report.steps.append(step)
        self._say(str(step))
        return bool(step.passed)

    def _check_key(self) -> str:
        entry = entry_for(self._user, self._platform)
        if entry is None:
            raise StepFailedError(
                f"{self._user} has no {self._platform} key.", remedy="Add it on the vault page."
            )
        self._entry: VaultEntry = entry
        self._provider: Provider = clouds.provider_class(self._platform)(
            api_key=open_secret(entry),
            endpoint=clouds.endpoint(self._platform),
            pacer=self._pacer(),
        )
        self._provider.check_key()
        self._probes = self._make_probes()
        self._observer = Observer(self._probes)
        return f"{entry} of {self._user}"

    def _check_login_key(self) -> str:
        pair = clouds.login_key()
        self._ssh_key_name = self._provider.ensure_ssh_key(pair.public_key)
        where = settings.LAMBDA_SSH_KEY_PATH or "sealed in the vault"
        how = f"registered as {self._ssh_key_name}" if self._ssh_key_name else "told at each launch"
        return f"{how}, {where}"

    def _make_config(self) -> str:
        name = f"Proof of {self._platform} {self.report.started_at:%Y-%m-%d %H:%M}"
        content = samples.as_json_lines(samples.chat_rows(rows=ROWS))
        dataset = create_dataset(self._user, file=io.BytesIO(content), name=name)
        self._config = services.save_config(
            self._user,
            services.ConfigInput(
                name=name,
                base_model=self._base_model,
                dataset_id=str(dataset.pk),
                hyperparameters=RECIPE,
            ),
        )
        return f"{dataset.rows} rows, {self._base_model}"

    def _deploy(self) -> str:
        offer = self._cheapest()
        self._offer = offer
        self._deployment = services.deploy(
            self._user,
            self._platform,
            services.DeployRequest(
                training_config_id=str(self._config.pk),
                instance_type=offer.instance_type,
                region=offer.region,
                budget_limit=self._max_usd,
                max_hours=MAX_HOURS,
                max_hourly_price=offer.hourly_price_usd,
                max_attempts=1,
                wait_for_capacity_minutes=WAIT_FOR_CAPACITY_MINUTES,
            ),
        )
        self.report.deployment_id = str(self._deployment.pk)
        self._driver = Driver(self._deployment, look=self._observer.look)
        self._reach(lambda d: d.status in IS_RENTED)
        price = f"{offer.hourly_price_usd:.2f} USD an hour"
        return f"{self._machine().name}: {offer.instance_type} in {offer.region}, {price}"

    def _follow(self) -> str:
        self._reach(lambda d: d.status in TRAINS)
        return " > ".join(status for status, _ in self._observer.statuses)

    def _see_training(self) -> str:
        lines, self._machine_facts = machine_look.look(self._machine())
        if lines == 0:
            raise StepFailedError("The machine has no run log.", remedy="Read the log of the run.")
        return f"the run log on the machine has {lines} lines"

    def _see_metrics(self) -> str:
        def losses(deployment: Deployment) -> list[float]:
            rows = Metric.objects.filter(job=deployment.job_id, name="train/loss")
            finite = rows.filter(value__isnull=False).order_by("step")
            return [float(value) for value in finite.values_list("value", flat=True) if value]

        seen = losses(self._reach(lambda d: len(losses(d)) >= ENOUGH_LOSSES))
        return f"{len(seen)} losses, {seen[0]:.3f} first, {seen[-1]:.3f} last"

    def _end(self) -> str:
        """DELETE, as the plan has it: asked to stop, saved if all went well, proven gone."""
        deployment = self._rented()
        passed = [step.number for step in self.report.steps if step.passed]
        well = len(passed) == STEPS_BEFORE_THE_END
        ended = self._driver.to_the_end(
            partial(services.cancel, deployment, requested_by=self._user, save=well)
        )
        self.report.cost_usd = str(ended.actual_cost or 0)
        left = [machine.name for machine in ended.machines.all() if machine.may_live]
        if left:
            raise StepFailedError(
                f"{', '.join(left)} may live.", remedy="Look at the cloud's console at once."
            )
        home = Artifact.objects.filter(deployment=ended, kind="adapter").first()
        if well and home is None:
            raise StepFailedError("Gone, but no adapter came home.", remedy="Read the run's log.")
        gone = ", ".join(f"{m.name} gone {m.gone_at:%H:%M:%S}" for m in ended.machines.all())
        return f"{gone or 'nothing was rented'}; {ended.status}" + (
            f", adapter of {home.size_bytes} bytes home" if home else ""
        )

    def _check_cost(self) -> str:
        """Compute the bill again, from the two times and the price in the catalogue."""
        deployment, offer = Deployment.objects.get(pk=self._rented().pk), self._rented_offer()
        quantum = clouds.capabilities(self._platform).billing_quantum_seconds
        expected = Decimal(0)
        for machine in deployment.machines.filter(gone_at__isnull=False):
            lived = (machine.gone_at or machine.requested_at) - machine.requested_at
            quanta = math.ceil(lived.total_seconds() / quantum)
            expected += offer.hourly_price_usd * quanta * quantum / 3600
        cost = deployment.actual_cost
        if cost is None or cost > self._max_usd:
            raise StepFailedError(f"It cost {cost} USD, the limit was {self._max_usd}.")
        one_more = offer.hourly_price_usd * quantum / 3600
        if not expected - one_more <= cost <= expected + one_more:
            raise StepFailedError(f"It cost {cost} USD; time and price make {expected:.4f}.")
        return f"{cost} USD of {self._max_usd}; compare it with the cloud's own invoice"

    def _reach(self, reached: Callable[[Deployment], bool]) -> Deployment:
        deployment = self._driver.until(reached)
        if not reached(deployment):
            error = deployment.error or {}
            message = error.get("message") or f"The deployment ended: {deployment.status}."
            raise StepFailedError(str(message), remedy=str(error.get("remedy", "")))
        return deployment

    def _cheapest(self) -> Offer:
        free = [o for o in self._provider.offers() if o.available and o.gpu_count == 1]
        if not free:
            raise StepFailedError("No machine with one GPU is free.", remedy="Try again later.")
        return min(free, key=lambda o: (o.hourly_price_usd, o.instance_type, o.region))

    def _machine(self) -> Machine:
        machine = self._rented().machines.order_by("-attempt", "-node").first()
        if machine is None:
            raise StepFailedError("No machine was rented.")
        return machine

    def _rented(self) -> Deployment:
        if self._deployment is None:
            raise StepFailedError("Nothing was deployed.")
        return self._deployment

    def _rented_offer(self) -> Offer:
        if self._offer is None:
            raise StepFailedError("Nothing was rented.")
        return self._offer

    def _gather_facts(self) -> None:
        """Tell what the life showed, then ask what only an empty account should be asked."""
        facts = self.report.facts
        if self._deployment is not None:
            if not self._interrupted:
                self._observer.afterwards()
            facts += self._observer.facts()
            facts += self._machine_facts
            facts += _versions(self._deployment)
        is_over = self._deployment is None or self.report.cost_usd
        if self._probes is None or not self._ssh_key_name or self._interrupted or not is_over:
            return
        asking = refusals.Asking(
            entry=self._entry,
            provider=self._provider,
            probes=self._probes,
            offer=self._offer,
            ssh_key_name=self._ssh_key_name,
            usd_left=self._max_usd - Decimal(self.report.cost_usd or 0),
            provoke_rate_limit=self._provoke,
        )
        facts += refusals.ask(asking)

    def _pacer(self) -> PatientPacer:
        return PatientPacer(DatabasePacer(self._entry, timing=settings.TIMING))

    def _make_probes(self) -> Probes | None:
        return clouds.provider_class(self._platform).probes(
            api_key=open_secret(self._entry),
            endpoint=clouds.endpoint(self._platform),
            pacer=self._pacer(),
        )


def default_base_model() -> str:
    """Return the sample model where it is on this host, else a small one of the Hub."""
    folder = settings.LOCAL_MODELS_DIR / SAMPLE_MODEL
    return f"{LOCAL}{SAMPLE_MODEL}" if (folder / "config.json").is_file() else SMALL_HUB_MODEL


def _versions(deployment: Deployment) -> Iterator[Fact]:
    """Return what the run itself told of its environment."""
    run = RunState.objects.filter(machine__deployment=deployment).first()
    told = (run.environment if run else None) or {}
    for name, value in (told.get("versions") or {}).items():
        yield Fact("training environment", str(name), str(value))
    for name, value in (told.get("gpu") or {}).items():
        yield Fact("GPU", str(name), str(value))
    yield Fact("GPU", "CPU stand-in", str(bool(told.get("cpu_stand_in"))))
