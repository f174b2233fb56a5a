"""What holds for every cloud: the promises that money and machines rest on."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from deployments.providers import PROVIDERS, rented
from deployments.providers.base import (
    Launched,
    LaunchRequest,
    ProviderAuthError,
    ProviderError,
    ProviderUnavailableError,
    Refused,
    Unknown,
)
from tests.deployments.providers.doubles import (
    API_KEY,
    DOUBLES,
    WRONG_KEY,
    CloudDouble,
    FreePacer,
    FullPacer,
    HttpAnswer,
    make_launch_request,
    make_provider,
)
from tests.deployments.providers.nimbus import Nimbus
from tests.deployments.providers.nimbus_double import NimbusDouble


@pytest.fixture(params=sorted(DOUBLES))
def cloud(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudDouble]:
    if request.param == NimbusDouble.platform:
        monkeypatch.setitem(PROVIDERS, request.param, Nimbus)
    double = DOUBLES[request.param]()
    with double.answering():
        yield double


def a_request(cloud: CloudDouble, **changes: object) -> LaunchRequest:
    """Return a request for what this cloud has."""
    place = {"instance_type": cloud.instance_type, "region": cloud.region}
    return make_launch_request(**{**place, **changes})


def test_every_provider_has_a_double_that_this_contract_can_run_against() -> None:
    assert set(DOUBLES) == {*rented(), NimbusDouble.platform}


def test_a_launch_gives_a_machine_that_is_found_by_its_name(cloud: CloudDouble) -> None:
    provider = make_provider(cloud)

    launched = provider.launch(a_request(cloud, name="slipway-a1"))

    assert isinstance(launched, Launched)
    found = provider.find("slipway-a1")
    assert found is not None
    assert found.instance_id == launched.instance_id
    assert provider.get(launched.instance_id) == found
    assert provider.list_all() == [found]


def test_a_name_nobody_has_is_not_found(cloud: CloudDouble) -> None:
    assert make_provider(cloud).find("slipway-nobody") is None


def test_f13_a_launch_without_capacity_is_refused(cloud: CloudDouble) -> None:
    cloud.has_capacity = False

    result = make_provider(cloud).launch(a_request(cloud))

    assert isinstance(result, Refused)
    assert result.reason == "capacity"
    assert result.error.code == "E_CAPACITY"
    assert result.error.retryable
    assert cloud.machines == []


def test_f17_a_lost_answer_is_unknown_is_not_repeated_and_the_machine_is_found(
    cloud: CloudDouble,
) -> None:
    cloud.loses_launch_answers = True
    provider = make_provider(cloud)

    result = provider.launch(a_request(cloud, name="slipway-a1"))

    assert isinstance(result, Unknown)
    assert result.detail
    assert cloud.launches == 1
    assert provider.find("slipway-a1") is not None


def test_f11_a_launch_with_a_wrong_key_is_refused_in_words(cloud: CloudDouble) -> None:
    result = make_provider(cloud, api_key=WRONG_KEY).launch(a_request(cloud))

    assert isinstance(result, Refused)
    assert result.reason == "auth"
    assert result.error.code == "E_AUTH"
    assert result.error.message.endswith("Nothing was started.")
    assert result.error.remedy
    assert not result.error.retryable


def test_a_wrong_key_is_an_error_everywhere_and_never_says_that_a_machine_is_gone(
    cloud: CloudDouble,
) -> None:
    provider = make_provider(cloud, api_key=WRONG_KEY)

    asks: list[Callable[[], object]] = [
        provider.check_key,
        provider.list_all,
        provider.offers,
        lambda: provider.find("slipway-a1"),
        lambda: provider.get("0" * 32),
        lambda: provider.terminate("0" * 32),
        lambda: provider.ssh_public_key("laptop"),
    ]
    if provider.capabilities.registers_ssh_keys:
        asks.append(lambda: provider.ensure_ssh_key("ssh-ed25519 AAAA slipway"))
    if provider.capabilities.tells_host_keys:
        asks.append(lambda: provider.host_key_fingerprints("0" * 32))
    if provider.capabilities.tells_bills:
        asks.append(lambda: provider.billed_usd("0" * 32, since=datetime.now(UTC)))
    for ask in asks:
        with pytest.raises(ProviderAuthError) as caught:
            ask()
        assert caught.value.message
        assert caught.value.remedy


def test_the_right_key_passes_the_check(cloud: CloudDouble) -> None:
    make_provider(cloud).check_key()

    assert len(cloud.calls) == 1


def test_terminating_twice_succeeds(cloud: CloudDouble) -> None:
    provider = make_provider(cloud)
    launched = provider.launch(a_request(cloud))
    assert isinstance(launched, Launched)

    provider.terminate(launched.instance_id)
    provider.terminate(launched.instance_id)

    assert provider.list_all() == []


def test_i13_a_garbage_list_is_an_error_and_never_an_empty_list(cloud: CloudDouble) -> None:
    provider = make_provider(cloud)
    provider.launch(a_request(cloud, name="slipway-a1"))
    cloud.list_is_garbage = True

    with pytest.raises(ProviderUnavailableError):
        provider.list_all()
    with pytest.raises(ProviderUnavailableError):
        provider.find("slipway-a1")


def test_what_is_on_offer_has_a_price_a_gpu_and_a_region(cloud: CloudDouble) -> None:
    offers = make_provider(cloud).offers()

    assert offers
    for offer in offers:
        assert offer.platform == cloud.platform
        assert offer.hourly_price_usd > 0
        assert offer.gpu_count >= 1
        assert offer.available == (offer.region != "")


def test_the_same_login_key_is_registered_once_or_travels_with_each_launch(
    cloud: CloudDouble,
) -> None:
    provider = make_provider(cloud)
    if not provider.capabilities.registers_ssh_keys:
        assert provider.ensure_ssh_key("ssh-ed25519 AAAAC3Nza slipway") == ""
        provider.launch(a_request(cloud, login_public_key="ssh-ed25519 AAAAC3Nza slipway"))
        assert "ssh-ed25519 AAAAC3Nza slipway" in str(cloud.bodies[-1])
        return

    first = provider.ensure_ssh_key("ssh-ed25519 AAAAC3Nza slipway")
    again = provider.ensure_ssh_key("ssh-ed25519 AAAAC3Nza another-comment")

    assert first == again
    assert provider.ssh_public_key(first).split()[:2] == ["ssh-ed25519", "AAAAC3Nza"]


def test_a_key_name_that_is_not_registered_is_an_error(cloud: CloudDouble) -> None:
    with pytest.raises(ProviderError, match="laptop") as caught:
        make_provider(cloud).ssh_public_key("laptop")

    assert caught.value.remedy


def test_d9_a_request_our_own_pace_has_no_room_for_is_not_sent(cloud: CloudDouble) -> None:
    provider = make_provider(cloud, pacer=FullPacer())

    result = provider.launch(a_request(cloud))

    assert isinstance(result, Refused)
    assert (result.reason, result.retry_after_seconds) == ("rate_limited", 7)
    with pytest.raises(ProviderError):
        provider.list_all()
    assert cloud.calls == []


def test_d9_every_request_is_announced_to_the_pacer_by_its_kind(cloud: CloudDouble) -> None:
    pacer = FreePacer()
    provider = make_provider(cloud, pacer=pacer)

    provider.launch(a_request(cloud))
    provider.list_all()
    provider.terminate(provider.list_all()[0].instance_id)
    provider.offers()

    assert pacer.kinds[:4] == ["launch", "list", "list", "terminate"]
    assert set(pacer.kinds[4:]) == {"other"}
    assert len(cloud.calls) == len(pacer.kinds)


def test_a_provider_says_what_people_need_to_know_of_it(cloud: CloudDouble) -> None:
    provider = PROVIDERS[cloud.platform]

    assert provider.capabilities.label
    assert provider.capabilities.billing_quantum_seconds > 0
    assert provider.capabilities.console_url.startswith("https://")
    assert provider.default_endpoint().base_url.startswith("https://")


@pytest.mark.parametrize(
    "answer",
    [
        (502, {}, "<html>bad gateway</html>"),
        (500, {}, '{"error": "whatever"}'),
        (403, {}, "<html>error 1010</html>"),
        (429, {}, "error code: 1015"),
        (200, {}, '{"data": {}}'),
        (200, {}, "{"),
        (302, {"Location": "https://elsewhere.test/"}, ""),
    ],
)
def test_d2_a_launch_answered_by_somebody_else_is_never_repeated_and_starts_at_most_one(
    cloud: CloudDouble, monkeypatch: pytest.MonkeyPatch, answer: HttpAnswer
) -> None:
    monkeypatch.setattr(cloud, "answer", lambda request: answer)

    result = make_provider(cloud).launch(a_request(cloud))

    assert cloud.launches == 1
    # Turned away for pace is the one thing that a cloud's edge may say for it.
    assert isinstance(result, Unknown) or (
        isinstance(result, Refused) and result.reason == "rate_limited"
    )


def test_i17_no_error_shows_the_key(cloud: CloudDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "answer", lambda request: (500, {}, f"key {API_KEY} broke it"))

    with pytest.raises(ProviderError) as caught:
        make_provider(cloud).list_all()

    assert API_KEY not in f"{caught.value.message}{caught.value.details}"


def test_what_a_cloud_does_not_tell_is_absent_and_no_error(cloud: CloudDouble) -> None:
    provider = make_provider(cloud)

    assert provider.host_key_fingerprints("0" * 32) == frozenset()
    assert provider.billed_usd("0" * 32, since=datetime.now(UTC)) is None


def test_the_balance_is_shown_or_absent_and_never_an_error(cloud: CloudDouble) -> None:
    assert make_provider(cloud, api_key=WRONG_KEY).balance_usd() is None
