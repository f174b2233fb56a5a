"""Codes of what staff allows to be spent: caps and the kill switch (T20)."""

from deployments.pages.help.entry import NO_MACHINE, REFUSES, Entry

HOW_IT_COUNTS = (
    "A run that is over counts with what it cost, a living one with its whole budget: so the cap "
    "holds whatever becomes of the runs that live."
)

CAPS = (
    Entry(
        "E_MONTHLY_CAP",
        "Your cap for the month is reached",
        "The run's budget does not fit into what you may spend this calendar month (UTC). "
        f"{HOW_IT_COUNTS}",
        NO_MACHINE,
        f"{REFUSES} The message shows the arithmetic, and the settings page what is left.",
        "Give a smaller budget, stop a run or wait until one ends, or ask staff for a higher cap.",
    ),
    Entry(
        "E_DAILY_CAP",
        "This installation's cap for the day is reached",
        "The run's budget does not fit into what everybody together may spend today (UTC). "
        f"{HOW_IT_COUNTS}",
        NO_MACHINE,
        f"{REFUSES} The message shows the arithmetic.",
        "Give a smaller budget, wait until runs end or until tomorrow, or ask staff for a higher "
        "cap.",
    ),
    Entry(
        "E_MACHINE_CAP",
        "As many runs live as there may be machines",
        "You, or everybody together, may have so many machines at once. Each living run counts as "
        "one, also while it waits for a machine or ends one.",
        NO_MACHINE,
        REFUSES,
        "Wait until a run ends, stop one, or ask staff for a higher cap.",
    ),
    Entry(
        "E_LAUNCHES_BLOCKED",
        "Staff has turned the kill switch on",
        "Every run was asked to stop, and nothing is launched until the switch is off again. The "
        "reason stands above every page.",
        "What the machines cost until they are proven gone; nothing new is rented.",
        "It ends every machine and proves it gone. Unless staff chose to save first, nothing more "
        "is brought home: what is home stays.",
        "Wait until staff turns it off, then start again. Runs that were stopped stay so.",
    ),
)
