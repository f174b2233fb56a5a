"""What can be told, by the names that webhooks carry as ``type``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of news. ``mailed``: a mail goes out unless its reader has said otherwise."""

    name: str
    label: str
    mailed: bool = True


LAUNCHED = Kind("machine.launched", "A machine was rented")
CANNOT_END = Kind("machine.cannot_end", "A machine cannot be ended and may bill")
TRAINING = Kind("run.training", "Training began", mailed=False)
ATTENTION = Kind("run.attention", "A run needs you")
BUDGET_80 = Kind("run.budget_80", "80 % of a budget is used")
BUDGET_95 = Kind("run.budget_95", "95 % of a budget is used")
SAVED = Kind("run.saved", "The adapter is home", mailed=False)
COMPLETED = Kind("run.completed", "A run is completed")
FAILED = Kind("run.failed", "A run failed")
CANCELLED = Kind("run.cancelled", "A run is cancelled")

KINDS = (
    LAUNCHED,
    TRAINING,
    ATTENTION,
    CANNOT_END,
    BUDGET_80,
    BUDGET_95,
    SAVED,
    COMPLETED,
    FAILED,
    CANCELLED,
)
NAMES = tuple(kind.name for kind in KINDS)
MAILED = tuple(kind.name for kind in KINDS if kind.mailed)
# Sent whatever was chosen: somebody asked for it, or it is about the telling itself.
TEST = "webhook.test"
MAIL_TEST = "mail.test"
ADDRESS_CHANGED = "mail.address_changed"
SWITCHED_OFF = "webhook.switched_off"
