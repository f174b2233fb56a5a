"""Lambda's client beside launching: lists, single machines, the end of machines, SSH keys."""

import pytest
import requests

from deployments.providers.base import (
    InstanceStatus,
    ProviderAuthError,
    ProviderError,
    ProviderRateLimitedError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from tests.deployments.providers.doubles import (
    LambdaDouble,
    an_instance,
    good,
    make_provider,
    refusal,
)
from tests.deployments.providers.lambda_answers import EDGE_403, EDGE_429, answered, listed


def test_a_machine_is_read_as_recorded() -> None:
    (machine,) = listed(an_instance())

    assert machine.instance_id == "0920582c7ff041399e34823a0be62549"
    assert machine.name == "slipway-1"
    assert machine.status is InstanceStatus.ACTIVE
    assert machine.ip == "198.51.100.2"
    assert machine.region == "us-east-1"
    assert machine.instance_type == "gpu_1x_a10"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("booting", InstanceStatus.BOOTING),
        ("active", InstanceStatus.ACTIVE),
        ("unhealthy", InstanceStatus.UNHEALTHY),
        ("preempted", InstanceStatus.PREEMPTED),
        ("terminating", InstanceStatus.TERMINATING),
        ("terminated", InstanceStatus.TERMINATED),
        ("hibernating", InstanceStatus.UNKNOWN),
        ("ACTIVE", InstanceStatus.UNKNOWN),
        ("", InstanceStatus.UNKNOWN),
        (None, InstanceStatus.UNKNOWN),
        (7, InstanceStatus.UNKNOWN),
    ],
)
def test_every_word_for_a_status_means_something_and_a_new_one_never_means_gone(
    raw: object, status: InstanceStatus
) -> None:
    assert listed(an_instance(status=raw))[0].status is status


@pytest.mark.parametrize("absent", ["missing", "null"])
def test_f27_a_booting_machine_lacks_fields_and_is_still_a_machine(absent: str) -> None:
    machine = an_instance(status="booting")
    for name in ("ip", "private_ip", "hostname", "jupyter_token", "jupyter_url", "name"):
        if absent == "missing":
            del machine[name]
        else:
            machine[name] = None

    (read,) = listed(machine)

    assert (read.status, read.ip, read.name) == (InstanceStatus.BOOTING, None, "")


@pytest.mark.parametrize("ip", ["", "soon", "root@198.51.100.2", "198.51.100.2:22", 7, ["::1"]])
def test_an_address_that_is_none_is_taken_as_not_there_yet(ip: object) -> None:
    assert listed(an_instance(ip=ip))[0].ip is None


def test_an_empty_account_is_an_empty_list() -> None:
    assert listed() == []


@pytest.mark.parametrize(
    "entry",
    [None, "0920582c7ff041399e34823a0be62549", [], {}, {"id": None}, {"id": 7}, {"id": ""}],
)
def test_i13_a_list_with_a_machine_that_cannot_be_read_is_no_list(entry: object) -> None:
    with pytest.raises(ProviderUnavailableError):
        listed(an_instance(), entry)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(401, "global/invalid-api-key"), ProviderAuthError),
        (refusal(403, "global/forbidden"), ProviderAuthError),
        (refusal(403, "global/account-inactive"), ProviderRefusedError),
        (refusal(400, "global/invalid-parameters"), ProviderRefusedError),
        (refusal(409, "global/conflict"), ProviderRefusedError),
        (refusal(404, "global/not-found"), ProviderRefusedError),
        (EDGE_429, ProviderRateLimitedError),
        (EDGE_403, ProviderUnavailableError),
        (refusal(500, "global/internal-error"), ProviderUnavailableError),
        (refusal(503, "provider/internal-unavailable"), ProviderUnavailableError),
        ((308, {"Location": "https://elsewhere.test"}, ""), ProviderUnavailableError),
        ((502, {}, "<html>"), ProviderUnavailableError),
        ((200, {}, "<html>"), ProviderUnavailableError),
        ((200, {}, ""), ProviderUnavailableError),
        ((200, {}, "[]"), ProviderUnavailableError),
        ((200, {}, "{}"), ProviderUnavailableError),
        (good(None), ProviderUnavailableError),
        (good({"instances": []}), ProviderUnavailableError),
    ],
)
def test_a_list_that_does_not_come_is_an_error_with_words_for_people(
    answer: tuple[int, dict[str, str], str], error: type[ProviderError]
) -> None:
    with pytest.raises(error) as caught:
        answered(answer, lambda cloud: cloud.list_all())

    assert type(caught.value) is error
    assert caught.value.message
    assert caught.value.remedy


def test_a_429_on_a_read_says_how_long_to_wait() -> None:
    status, _, body = EDGE_429

    with pytest.raises(ProviderRateLimitedError) as caught:
        answered((status, {"Retry-After": "3"}, body), lambda cloud: cloud.list_all())

    assert caught.value.retry_after_seconds == 3
    assert caught.value.details == [
        {"status": 429, "provider_code": None, "provider_message": "error code: 1015"}
    ]


def test_of_two_machines_with_one_name_the_living_one_is_found() -> None:
    gone = an_instance(id="a" * 32, status="terminated")
    alive = an_instance(id="b" * 32, status="booting")

    found = answered(good([gone, alive]), lambda cloud: cloud.find("slipway-1"))

    assert found.instance_id == "b" * 32


@pytest.mark.parametrize("code", ["global/object-does-not-exist", "global/not-found"])
def test_f28_an_id_lambda_does_not_know_is_none(code: str) -> None:
    assert answered(refusal(404, code), lambda cloud: cloud.get("a" * 32)) is None


@pytest.mark.parametrize("answer", [(404, {}, "<html>"), (404, {}, "{}"), good({}), good(None)])
def test_i13_a_404_that_is_not_lambdas_is_an_error_and_not_an_absence(
    answer: tuple[int, dict[str, str], str],
) -> None:
    with pytest.raises(ProviderUnavailableError):
        answered(answer, lambda cloud: cloud.get("a" * 32))


def test_another_machine_than_the_one_asked_for_is_an_error() -> None:
    with pytest.raises(ProviderUnavailableError):
        answered(good(an_instance()), lambda cloud: cloud.get("a" * 32))


@pytest.mark.parametrize(
    "answer",
    [
        good({"terminated_instances": [an_instance(status="terminating")]}),
        good({}),
        (200, {}, ""),
        (202, {}, "null"),
        refusal(404, "global/object-does-not-exist"),
        refusal(400, "global/object-does-not-exist"),
    ],
)
def test_f66_terminate_takes_yes_and_unknown_id_alike_since_only_the_list_proves(
    answer: tuple[int, dict[str, str], str],
) -> None:
    answered(answer, lambda cloud: cloud.terminate("a" * 32))


@pytest.mark.parametrize(
    "answer",
    [
        refusal(401, "global/invalid-api-key"),
        refusal(500, "global/internal-error"),
        refusal(400, "global/invalid-parameters"),
        (404, {}, "<html>"),
        (502, {}, ""),
        EDGE_429,
    ],
)
def test_f64_a_terminate_that_was_not_taken_is_an_error(
    answer: tuple[int, dict[str, str], str],
) -> None:
    with pytest.raises(ProviderError):
        answered(answer, lambda cloud: cloud.terminate("a" * 32))


def test_t19_our_login_key_is_registered_under_a_name_that_follows_from_its_content() -> None:
    double = LambdaDouble()
    with double.answering():
        provider = make_provider(double)
        name = provider.ensure_ssh_key("ssh-ed25519 AAAAours slipway")
        other = provider.ensure_ssh_key("ssh-ed25519 AAAAelse slipway")

    # sha256 of "ssh-ed25519 AAAAours", first 16 digits.
    assert name == "slipway-a018f53e9cf46146"
    assert other != name
    assert double.keys[0]["public_key"] == "ssh-ed25519 AAAAours slipway"
    assert not any(call.startswith("DELETE") for call in double.calls)


def test_a_key_registered_by_hand_is_used_under_its_own_name() -> None:
    double = LambdaDouble(
        keys=[
            {"id": "1", "name": "other", "public_key": "ssh-rsa AAAAours x"},
            {"id": "2", "name": "by-hand", "public_key": "  ssh-ed25519   AAAAours someone\n"},
        ]
    )
    with double.answering():
        assert make_provider(double).ensure_ssh_key("ssh-ed25519 AAAAours slipway") == "by-hand"

    assert double.calls == ["GET /ssh-keys"]


def test_f23_a_key_that_somebody_registered_meanwhile_is_found_on_a_second_look() -> None:
    theirs = {"id": "1", "name": "slipway-theirs", "public_key": "ssh-ed25519 AAAAours"}

    class Rival(LambdaDouble):
        def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
            if self.calls[-1] == "POST /ssh-keys":
                self.keys.append(theirs)
                return refusal(400, "global/duplicate")
            return super().answer(request)

    double = Rival()
    with double.answering():
        name = make_provider(double).ensure_ssh_key("ssh-ed25519 AAAAours slipway")

    assert name == "slipway-theirs"


def test_f23_a_key_lambda_will_not_take_is_an_error_in_its_own_words() -> None:
    class Full(LambdaDouble):
        def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
            if self.calls[-1] == "POST /ssh-keys":
                return refusal(400, "global/quota-exceeded", "too many keys")
            return super().answer(request)

    double = Full()
    with double.answering(), pytest.raises(ProviderRefusedError) as caught:
        make_provider(double).ensure_ssh_key("ssh-ed25519 AAAAours slipway")

    assert caught.value.code == "E_QUOTA"


def test_a_login_key_that_is_none_is_not_sent() -> None:
    double = LambdaDouble()
    with double.answering(), pytest.raises(ProviderRefusedError):
        make_provider(double).ensure_ssh_key("garbage")

    assert double.calls == []


def test_a_users_own_key_is_read_by_its_name() -> None:
    double = LambdaDouble(keys=[{"id": "1", "name": "laptop", "public_key": "ssh-rsa AAAA me"}])
    with double.answering():
        assert make_provider(double).ssh_public_key("laptop") == "ssh-rsa AAAA me"


def test_keys_without_a_name_or_a_text_are_passed_over() -> None:
    double = LambdaDouble(keys=[{"id": "1"}, {"name": None, "public_key": "ssh-rsa A"}, 7])  # type: ignore[list-item]
    with double.answering(), pytest.raises(ProviderRefusedError):
        make_provider(double).ssh_public_key("laptop")
