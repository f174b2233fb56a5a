"""The charts of one run for its page, each drawn when a template asks for it."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode
from uuid import UUID

from deployments import history
from deployments.models import Deployment
from deployments.overview import DeploymentOverview
from deployments.pages.charts import drawing, kinds
from deployments.pages.charts.chart import Losses, losses
from deployments.pages.charts.kinds import Axis, Kind, View
from deployments.pages.charts.measured import Measured, measured
from deployments.pages.charts.panels import Panel, panel
from deployments.templatetags.wording import about


@dataclass(frozen=True)
class Choice:
    """One way to look at the charts, and its address on the same page."""

    word: str
    url: str
    is_current: bool


class RunCharts:
    """What a run has told, as charts in one view."""

    def __init__(
        self,
        deployment: Deployment,
        run: DeploymentOverview,
        *,
        epochs: float | None,
        now: datetime,
        view: View,
    ) -> None:
        self.view = view
        self._deployment = deployment
        self._run = run
        self._epochs = epochs
        self._now = now

    @property
    def job_id(self) -> UUID:
        """The job whose charts these are."""
        return self._deployment.job_id

    @cached_property
    def measured(self) -> Measured:
        """The figures that everything here is drawn from; two queries."""
        return measured(self._deployment, self._run, epochs=self._epochs, now=self._now)

    @cached_property
    def losses(self) -> Losses | None:
        """The losses in figures; None before the first one."""
        return losses(self.measured)

    @cached_property
    def loss(self) -> Panel:
        """The loss beside the log."""
        return self._panel(kinds.LOSS, drawing.BESIDE, drawing.PHONE)

    @cached_property
    def small(self) -> tuple[Panel, ...]:
        """The four small charts under the loss."""
        sizes = (drawing.QUARTER, drawing.PHONE_SMALL)
        return tuple(self._panel(kind, *sizes) for kind in kinds.SMALL)

    @cached_property
    def all(self) -> tuple[Panel, ...]:
        """Every chart: the loss alone, the others two abreast; rewards where pairs are learnt."""
        loss = self._panel(kinds.LOSS, drawing.ALONE, drawing.PHONE)
        half = (drawing.HALF, drawing.PHONE_SMALL)
        others = (
            kind
            for kind in kinds.KINDS
            if kind is not kinds.LOSS
            and (kind not in kinds.OF_PAIRS or self.measured.of(kind.metric))
        )
        return (loss, *(self._panel(kind, *half) for kind in others))

    def _panel(self, kind: Kind, *sizes: drawing.Size) -> Panel:
        return panel(
            kind,
            self.measured,
            job_id=self.job_id,
            view=self.view,
            sizes=sizes,
            missing=self._missing(kind),
        )

    @property
    def axes(self) -> tuple[Choice, ...]:
        """What may lie along x; an axis whose places nobody knows is left out."""
        return tuple(
            Choice(axis.word, self._url(View(axis, self.view.is_log)), axis is self.axis)
            for axis in kinds.AXES
            if axis is kinds.STEP or self.measured.along(axis) is not None
        )

    @property
    def axis(self) -> Axis:
        """What lies along x, after what is not known gave way."""
        return self.view.axis if self.measured.along(self.view.axis) else kinds.STEP

    @property
    def log_choice(self) -> Choice:
        """The switch to a logarithmic y axis and back."""
        return Choice(
            "Logarithmic", self._url(View(self.view.axis, not self.view.is_log)), self.view.is_log
        )

    def _url(self, view: View) -> str:
        return "?" + urlencode(view.query or {"x": view.axis.name})

    def _missing(self, kind: Kind) -> str:
        """Return why a chart of a run that has told others is empty."""
        environment = (self._run.run.environment if self._run.run else None) or {}
        if kind in (kinds.MEMORY, kinds.USE) and environment.get("cpu_stand_in"):
            return "A CPU stands in for the GPU"
        return "This run has not told it"

    @property
    def first_point_words(self) -> str:
        """What stands in the frame before there is anything to draw."""
        if self._run.is_terminal:
            return "No step was trained"
        usual = history.usual_seconds_to_first_step(self._deployment.user_id)
        if usual is None:
            return "First point after step 1"
        return (
            f"First point after step 1, usually {about(usual).removeprefix('about ')} after Start"
        )
