"""Raw questions that prove what a cloud's documents leave open; ``prove_cloud`` asks them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Refusal:
    """How one impossible request was answered; ``launched_ids`` when it was not refused at all."""

    asked: str
    answer: str
    launched_ids: tuple[str, ...] = ()


class Probes(Protocol):
    """Raw questions under one key; what they bring is written down and never decided upon."""

    def shape(self, instance_id: str) -> dict[str, str]:
        """Return each field that comes late as missing, null, empty or set."""

    def by_id(self, instance_id: str) -> str:
        """Return in words how the cloud shows a machine that is asked for by its id."""

    def in_list(self, instance_id: str) -> str:
        """Return in words how the cloud's list shows a machine."""

    def refused_reads(self) -> Iterator[Refusal]:
        """Ask for machines that do not exist, and with the key presented in other ways."""

    def refused_key_name(self, name: str, public_key: str) -> Refusal:
        """Register another key under a name that is taken; take it back if that is allowed."""

    def refused_launches(
        self, *, name: str, instance_type: str, region: str, ssh_key_name: str
    ) -> Iterator[Refusal]:
        """Launch with one name each that does not exist; everything else is good."""

    def burst(self) -> str:
        """Ask without any pace until told to slow down; return how that is said."""
