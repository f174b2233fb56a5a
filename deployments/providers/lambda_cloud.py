"""Lambda Cloud: on-demand machines over its public API."""

from deployments.providers.base import Capabilities, Endpoint, Provider


class LambdaCloud(Provider):
    """Lambda's API under one key."""

    capabilities = Capabilities(
        label="Lambda", billing_quantum_seconds=60, injects_host_key=True, interruptible=False
    )

    @classmethod
    def default_endpoint(cls) -> Endpoint:
        return Endpoint("https://cloud.lambda.ai/api/v1", ssh_port=22, ssh_user="ubuntu")
