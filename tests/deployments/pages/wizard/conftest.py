"""The market of offers, for the steps that look at it."""

from tests.deployments.pages.wizard.market import market

__all__ = ["market"]
