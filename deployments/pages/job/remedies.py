"""The first button after a failure: where its remedy is. Pure."""

from dataclasses import dataclass

DUPLICATE, KEY, DATA, LOG = "duplicate", "key", "data", "log"


@dataclass(frozen=True)
class Button:
    """A verb with its object, and which page it leads to: one of the words above."""

    words: str
    leads_to: str


AGAIN = Button("Train again with changes", DUPLICATE)
BY_CODE = {
    "E_OOM": Button("Duplicate with smaller batches", DUPLICATE),
    "E_NAN": Button("Duplicate with a lower rate", DUPLICATE),
    "E_CAPACITY": Button("Duplicate, allow other machines", DUPLICATE),
    "E_NO_GPU": Button("Start it again", DUPLICATE),
    "E_WRONG_GPU": Button("Start it again", DUPLICATE),
    "E_CUDA": Button("Start it again", DUPLICATE),
    "E_NCCL": Button("Start it again", DUPLICATE),
    "E_XID": Button("Start it again", DUPLICATE),
    "E_MACHINE_REBOOTED": Button("Start it again", DUPLICATE),
    "E_CONTROL_SILENT": Button("Start it again", DUPLICATE),
    "E_CRASH": Button("Read the log", LOG),
    "E_STALLED": Button("Read the log", LOG),
    "E_CUDA_KERNEL": Button("Look at the data", DATA),
    "E_BUDGET": Button("Duplicate with a larger budget", DUPLICATE),
    "E_MAX_HOURS": Button("Duplicate with more time", DUPLICATE),
    "E_DISK": Button("Read the log", LOG),
    "E_AUTH": Button("Look after the key", KEY),
    "E_NO_KEY": Button("Add a key", KEY),
    "E_KEY_DELETED": Button("Add a key", KEY),
    "E_SECRET_UNREADABLE": Button("Look after the key", KEY),
    "E_HF_ACCESS": Button("Look after the key", KEY),
    "E_DATA": Button("Look at the data", DATA),
    "E_DATA_CHANGED": Button("Look at the data", DATA),
    "E_NO_ADAPTER": Button("Read the log", LOG),
    "E_TRAINING": Button("Read the log", LOG),
}


def button(code: str) -> Button:
    """Return the button for an error's code; training again with changes for any other."""
    return BY_CODE.get(code, AGAIN)
