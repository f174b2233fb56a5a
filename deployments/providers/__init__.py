"""The clouds behind one narrow door: one module and one line in PROVIDERS each."""

from deployments.providers.base import Provider
from deployments.providers.lambda_cloud import LambdaCloud
from deployments.providers.runpod import RunPod

PROVIDERS: dict[str, type[Provider]] = {"lambda": LambdaCloud, "runpod": RunPod}

__all__ = ["PROVIDERS"]
