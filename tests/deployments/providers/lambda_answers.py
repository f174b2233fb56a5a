"""Answers of Lambda's, and a client to whom every request is answered alike."""

import re
from collections.abc import Callable
from typing import Any

import responses

from deployments.providers.base import (
    Endpoint,
    LaunchResult,
)
from deployments.providers.lambda_cloud import LambdaCloud
from tests.deployments.providers.doubles import (
    API_KEY,
    FreePacer,
    good,
    make_launch_request,
)

BASE_URL = "https://lambda.test/api/v1"
# As Lambda's edge says it: text, not the envelope.
EDGE_429 = (429, {"Content-Type": "text/plain"}, "error code: 1015")
EDGE_403 = (403, {"Content-Type": "text/html"}, "<html><h1>error 1010</h1>Access denied</html>")


def answered(answer: tuple[int, dict[str, str], str], ask: Callable[[LambdaCloud], Any]) -> Any:
    """Ask a client to whom every request is answered alike."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
        for method in ("GET", "POST"):
            wire.add_callback(
                method, re.compile(rf"{BASE_URL}/.*"), callback=lambda request: answer
            )
        return ask(client())


def client(base_url: str = BASE_URL) -> LambdaCloud:
    return LambdaCloud(
        api_key=API_KEY, endpoint=Endpoint(base_url, 22, "ubuntu"), pacer=FreePacer()
    )


def launch(cloud: LambdaCloud) -> LaunchResult:
    return cloud.launch(make_launch_request())


def listed(*machines: object) -> Any:
    return answered(good(list(machines)), lambda cloud: cloud.list_all())


def offered(**types: object) -> Any:
    return answered(good(types), lambda cloud: cloud.offers())
