"""Every code that a page or the API can show, with its help. A test finds codes that are missing.

A new code is one ``Entry`` in the module of its part of the story.
"""

from dataclasses import dataclass

from deployments.pages.help import caps, keys_and_data, machines, requests, training
from deployments.pages.help.entry import Entry


@dataclass(frozen=True)
class Group:
    """Codes that belong together, under one heading."""

    title: str
    entries: tuple[Entry, ...]


GROUPS = (
    Group("Renting a machine", machines.RENTING),
    Group("Reaching the machine", machines.REACHING),
    Group("Preparing", training.PREPARING),
    Group("Training", training.RUNNING),
    Group("Limits", training.LIMITS),
    Group("Caps and the kill switch", caps.CAPS),
    Group("Ending, and machines that are lost", machines.ENDING),
    Group("Your keys", keys_and_data.KEYS),
    Group("The clouds' answers", keys_and_data.CLOUDS),
    Group("Data and adapters", keys_and_data.STORED),
    Group("What was asked for", requests.ASKING),
    Group("Programs and the API", requests.PROGRAMS),
    Group("This server", requests.SERVER),
)
BY_CODE = {entry.code: entry for group in GROUPS for entry in group.entries}
