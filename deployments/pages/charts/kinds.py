"""Which charts there are, and the words of their figures. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from deployments.event_values import GPU_MEMORY, GPU_USE
from deployments.pages.charts import scales
from deployments.templatetags.wording import SPACE, figure, usd

TRAIN_LOSS, EVAL_LOSS = "train/loss", "eval/loss"
TOKENS = "train/tokens"


@dataclass(frozen=True)
class Kind:
    """One chart: the metric it draws, and how its figures are worded.

    ``metric`` is empty where the figures are worked out and no machine tells them. ``unit`` is
    what the figures of the table are in.
    """

    name: str
    title: str
    metric: str
    worded: Callable[[float], str]
    axis_words: scales.Words = scales.number_words
    unit: str = ""
    from_zero: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its table and of its CSV, after the step."""
        if self is LOSS:
            return (TRAIN_LOSS, "smoothed", EVAL_LOSS)
        if self is COST:
            return ("Time", "Cost, USD")
        return (f"{self.title}, {self.unit}" if self.unit else self.title,)


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _two_decimals(value: float) -> str:
    return f"{value:.2f}" if 0.01 <= abs(value) < 1000 else figure(value)


def _gigabytes(value: float) -> str:
    return f"{value:.1f}{SPACE}GB"


def _percent(value: float) -> str:
    return f"{value:.0f}{SPACE}%"


def _dollars(value: float) -> str:
    # The digits of the ledger: what comes after them is none of the money's.
    return usd(Decimal(f"{value:.4f}"))


def _rate(value: float) -> str:
    return figure(value) if value >= 0.001 else f"{value:.1e}"


LOSS = Kind("loss", "Loss", TRAIN_LOSS, figure, from_zero=False)
SPEED = Kind("tokens-per-second", "Tokens per second", "train/tokens_per_second", _count)
LEARNING_RATE = Kind("learning-rate", "Learning rate", "train/learning_rate", _rate)
GRADIENT_NORM = Kind("gradient-norm", "Gradient norm", "train/grad_norm", _two_decimals)
MEMORY = Kind("gpu-memory", "GPU memory", GPU_MEMORY, _gigabytes, unit="GB")
USE = Kind("gpu-use", "GPU use", GPU_USE, _percent, scales.percent_words, unit="%")
COST = Kind("cost", "Cost", "", _dollars, scales.money_words, unit="USD")
# How much further from rejected answers than from chosen ones, and how often: of pairs alone.
MARGIN = Kind("reward-margin", "Reward margin", "train/rewards/margins", figure, from_zero=False)
ACCURACY = Kind("reward-accuracy", "Reward accuracy", "train/rewards/accuracies", _two_decimals)

KINDS = (LOSS, MARGIN, ACCURACY, SPEED, LEARNING_RATE, GRADIENT_NORM, MEMORY, USE, COST)
# Not shown for a run that does not tell them.
OF_PAIRS = (MARGIN, ACCURACY)
BY_NAME = {kind.name: kind for kind in KINDS}
# Those under the loss on the overview.
SMALL = (SPEED, LEARNING_RATE, GRADIENT_NORM, MEMORY)
METRICS = (*(kind.metric for kind in KINDS if kind.metric), EVAL_LOSS, TOKENS)


@dataclass(frozen=True)
class Axis:
    """What lies along x."""

    name: str
    word: str


STEP, EPOCH, TIME, TOKEN = (
    Axis("step", "Step"),
    Axis("epoch", "Epoch"),
    Axis("time", "Time"),
    Axis("tokens", "Tokens"),
)
AXES = (STEP, EPOCH, TIME, TOKEN)
AXIS_BY_NAME = {axis.name: axis for axis in AXES}


@dataclass(frozen=True)
class View:
    """How charts are looked at: what lies along x, and whether y is logarithmic."""

    axis: Axis = STEP
    is_log: bool = False

    @property
    def query(self) -> dict[str, str]:
        """The query that asks for this view; empty for the usual one."""
        x = {} if self.axis is STEP else {"x": self.axis.name}
        return x | ({"y": "log"} if self.is_log else {})


def view_of(query: Mapping[str, str]) -> View:
    """Return the view that a query asks for; what it does not know it leaves as usual."""
    axis = AXIS_BY_NAME.get(query.get("x", ""), STEP)
    return View(axis=axis, is_log=query.get("y") == "log")
