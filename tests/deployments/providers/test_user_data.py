"""What a new machine is told: the key it proves itself by, and who may log in."""

import yaml

from deployments.providers.user_data import cloud_config
from deployments.remote import generate_key_pair
from tests.deployments.providers.doubles import make_launch_request


def read(text: str) -> dict[str, object]:
    assert text.startswith("#cloud-config\n")
    config = yaml.safe_load(text)
    assert isinstance(config, dict)
    return config


def test_t7_the_machine_gets_our_host_key_and_loses_those_of_the_image() -> None:
    key = generate_key_pair("slipway-machine")
    request = make_launch_request(host_private_key=key.private_key, host_public_key=key.public_key)

    config = read(cloud_config(request))

    assert config == {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": key.private_key, "ed25519_public": key.public_key},
    }


def test_the_private_key_keeps_the_last_newline_that_openssh_insists_on() -> None:
    key = generate_key_pair("slipway-machine")
    request = make_launch_request(host_private_key=key.private_key.rstrip("\n"))

    keys = read(cloud_config(request))["ssh_keys"]

    assert isinstance(keys, dict)
    assert keys["ed25519_private"] == key.private_key


def test_t19_a_users_own_key_is_added_for_logging_in() -> None:
    request = make_launch_request(authorized_keys=("ssh-ed25519 AAAA user: 'quoted' # \\ \"x\"",))

    config = read(cloud_config(request))

    assert config["ssh_authorized_keys"] == ["ssh-ed25519 AAAA user: 'quoted' # \\ \"x\""]


def test_a_machine_of_a_first_contact_image_makes_its_own_keys() -> None:
    request = make_launch_request(host_private_key="", host_public_key="")

    assert cloud_config(request) == ""


def test_the_private_key_is_in_no_representation_of_a_launch_request() -> None:
    assert "PRIVATE KEY" not in repr(make_launch_request())
