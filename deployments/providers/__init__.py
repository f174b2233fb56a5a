"""The clouds behind one narrow door: one module and one line in PROVIDERS each."""

from deployments.providers.base import Provider
from deployments.providers.lambda_cloud import LambdaCloud

PROVIDERS: dict[str, type[Provider]] = {"lambda": LambdaCloud}

__all__ = ["PROVIDERS"]
