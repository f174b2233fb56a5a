"""The market of offers, for what is started from the wizard."""

from tests.deployments.pages.wizard.market import market

__all__ = ["market"]
