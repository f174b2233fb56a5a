"""A provider of our own making, so that the vault is tested without any cloud."""

from dataclasses import dataclass, field

import pytest

from secrets_vault import kinds
from secrets_vault.kinds import CheckResult
from secrets_vault.models import VaultEntry


@dataclass
class PracticeCloud:
    """What the provider says of a key, what needs it, and which keys it was asked about."""

    result: CheckResult = field(default_factory=lambda: CheckResult(ok=True))
    uses: list[object] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def check(self, secret: str) -> CheckResult:
        self.asked.append(secret)
        return self.result

    def in_use_by(self, entry: VaultEntry) -> list[object]:
        return self.uses


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> PracticeCloud:
    """Let the vault know the practice cloud, and ``other``, which cannot be checked."""
    monkeypatch.setattr(kinds, "_kinds", {})
    cloud = PracticeCloud()
    kinds.register_kind("lambda", "Lambda", check=cloud.check, in_use_by=cloud.in_use_by)
    kinds.register_kind("other", "Other")
    return cloud
