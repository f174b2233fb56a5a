"""What a help page says of one error code, in the order people need it (PAGES section 5)."""

from dataclasses import dataclass

NO_MACHINE = "Nothing. No machine was rented for this, and nothing bills because of it."
UNTIL_GONE = (
    "The machine's time until two lists of the account show that it is gone. The run's page counts "
    "it to the cent."
)
GOES_ON = "A machine that lives goes on billing while this lasts. Machines shows how much an hour."
NOTHING_CHANGED = "Nothing. What was asked for did not happen, and runs go on as before."

TRIES_A_FRESH_ONE = (
    "It ends the machine and proves that it is gone. Then, if attempts and budget allow, it tries "
    "once more on a fresh machine under the same budget."
)
ENDS_AND_KEEPS = (
    "It saves what can be saved, ends the machine, proves that it is gone, and keeps the log and "
    "the metrics. It does not try the same again by itself."
)
REFUSES = "It refuses, and changes nothing."


@dataclass(frozen=True)
class Entry:
    """One code: what it means, what it costs, what Slipway does, and what the reader can do."""

    code: str
    title: str
    means: str
    costs: str
    does: str
    can: str
