"""Why RunPod's scheduler refuses; each wire has its own words around these."""

from enum import Enum


class Refusal(Enum):
    """The kinds, with the text that both wires send (runpod-api.md sections 3.4 and 4)."""

    NO_CAPACITY = (
        "There are no longer any instances available with the requested specifications. "
        "Please refresh and try again."
    )
    HOST_FULL = "There are not enough free GPUs on the host machine to start this pod."
    NO_MONEY = "Your account balance is too low to rent a pod. Please add funds to your account."
    NOT_FOUND = "pod not found"
    WRONG_STATE = "action is not valid for the pod's current status"
    LOCKED = "pod is locked"


class PodRefusedError(Exception):
    """Nothing was done."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
