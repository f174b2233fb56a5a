"""RunPod's GraphQL: the words of the public clients, over the pods that REST shows too."""

from typing import Any

import pytest
import requests

from tests.sandbox.client import WAIT_SECONDS, wait_until
from tests.sandbox.runpod.client import GPU, PodClient

DEPLOY = """
mutation Deploy($input: PodFindAndDeployOnDemandInput) {
  made: podFindAndDeployOnDemand(input: $input) { id machine { podHostId } }
}
"""


def post(pods: PodClient, query: str, **variables: object) -> requests.Response:
    return requests.post(
        f"{pods.client.sandbox.root_url}/graphql",
        headers=pods.client.sandbox.authorization,
        json={"query": query, "variables": variables},
        timeout=WAIT_SECONDS,
    )


def ask(pods: PodClient, query: str, **variables: object) -> Any:
    response = post(pods, query, **variables)
    assert "errors" not in response.json(), response.text
    return response.json()["data"]


def deploy(pods: PodClient, **changes: object) -> requests.Response:
    order = {
        "name": "ql",
        "imageName": "runpod/pytorch",
        "gpuTypeId": GPU,
        "gpuCount": 1,
        "cloudType": "SECURE",
        "containerDiskInGb": 30,
        "ports": "22/tcp, 8888/http",
        "env": [{"key": "PUBLIC_KEY", "value": pods.login_key.public}],
    }
    return post(pods, DEPLOY, input={**order, **changes})


def the_error(response: requests.Response) -> tuple[int, str, str | None]:
    """Return status, text and code of an answer's one error."""
    (error,) = response.json()["errors"]
    return response.status_code, error["message"], error.get("extensions", {}).get("code")


def test_a_pod_made_by_one_wire_is_the_same_on_the_other(pods: PodClient) -> None:
    pod_id = deploy(pods).json()["data"]["made"]["id"]

    rest = pods.wait_for_ssh(pod_id)
    query = """query One($id: String!) { pod(input: {podId: $id}) {
      name desiredStatus costPerHr env ports runtime { ports { ip privatePort publicPort } } } }"""
    shown = ask(pods, query, id=pod_id)["pod"]

    assert (rest["name"], rest["disk"], rest["ports"]) == ("ql", 30, ["22/tcp", "8888/http"])
    assert (shown["desiredStatus"], shown["costPerHr"]) == ("RUNNING", 0.49)
    assert shown["env"] == [f"PUBLIC_KEY={pods.login_key.public}"]
    direct = rest["ssh"]["direct"]
    assert shown["runtime"]["ports"][0] == {
        "ip": direct["host"],
        "privatePort": 22,
        "publicPort": direct["port"],
    }
    assert pods.run(rest, "echo hello").stdout == "hello\n"


def test_literals_aliases_and_bare_enums_are_understood(pods: PodClient) -> None:
    order = f'{{ name: "bare", imageName: "i", gpuTypeId: "{GPU}", gpuCount: 1, cloudType: ALL }}'

    data = ask(pods, f"mutation {{ a: podFindAndDeployOnDemand(input: {order}) {{ wanted: id }} }}")

    assert pods.listed_ids() == [data["a"]["wanted"]]


def test_a_pod_is_stopped_resumed_and_ended(pods: PodClient) -> None:
    pod_id = pods.create_running()["id"]

    def do(mutation: str, selection: str = "{ desiredStatus }") -> Any:
        return ask(pods, f'mutation {{ it: {mutation}(input: {{podId: "{pod_id}"}}) {selection} }}')

    stopped = do("podStop")
    stale = ask(pods, "{ myself { pods { desiredStatus runtime { uptimeInSeconds } } } }")
    resumed = do("podResume")
    ended = do("podTerminate", "")

    assert stopped == {"it": {"desiredStatus": "EXITED"}}
    assert stale["myself"]["pods"][0]["runtime"] is not None
    assert resumed == {"it": {"desiredStatus": "RUNNING"}}
    assert ended == {"it": None}
    assert ask(pods, f'{{ pod(input: {{podId: "{pod_id}"}}) {{ id }} }}') == {"pod": None}
    again = post(pods, f'mutation {{ podTerminate(input: {{podId: "{pod_id}"}}) }}')
    assert the_error(again) == (200, "pod not found to terminate", "POD_NOT_FOUND")


def test_the_balance_goes_down_with_the_bill(pods: PodClient) -> None:
    query = "{ myself { clientBalance currentSpendPerHr spendLimit } }"
    pods.create()

    first = ask(pods, query)["myself"]

    assert (first["currentSpendPerHr"], first["spendLimit"]) == (0.49, 80)
    wait_until(lambda: ask(pods, query)["myself"]["clientBalance"] < first["clientBalance"])


@pytest.mark.parametrize(
    ("changes", "text", "code"),
    [
        ({"gpuCount": 9}, "There are no longer any instances available", "SUPPLY_CONSTRAINT"),
        ({"dataCenterId": "OC-AU-1"}, "There are no longer any", "SUPPLY_CONSTRAINT"),
        ({"cloudType": "COMMUNITY"}, "There are no longer any", "SUPPLY_CONSTRAINT"),
        ({"gpuTypeId": "NVIDIA Z1"}, "Something went wrong", "INTERNAL_SERVER_ERROR"),
    ],
)
def test_F13_what_cannot_be_had_is_an_error_with_status_200(
    pods: PodClient, changes: dict[str, Any], text: str, code: str
) -> None:
    response = deploy(pods, **changes)

    status, message, told = the_error(response)
    assert (status, told) == (200, code)
    assert message.startswith(text)
    assert response.json()["data"] == {"made": None}


def test_a_pod_can_be_ended_or_stopped_at_a_time_given_at_its_creation(pods: PodClient) -> None:
    past = "2026-01-01T00:00:00Z"

    ended = deploy(pods, terminateAfter=past).json()["data"]["made"]["id"]
    stopped = deploy(pods, stopAfter=past).json()["data"]["made"]["id"]
    kept = deploy(pods, terminateAfter="2126-01-01T00:00:00Z").json()["data"]["made"]["id"]

    wait_until(lambda: pods.send("GET", f"/pods/{ended}").status_code == 404)
    pods.wait_for(stopped, "EXITED")
    assert pods.wait_for_ssh(kept)["status"] == "RUNNING"
    assert the_error(deploy(pods, stopAfter="soon"))[2] == "INTERNAL_SERVER_ERROR"


def test_F12_no_money_is_told(pods: PodClient) -> None:
    pods.client.control("POST", "settings", {"runpod_credit_cents": 0})

    assert the_error(deploy(pods))[2] == "INSUFFICIENT_BALANCE"


def test_the_first_gpu_of_a_list_that_is_free_is_taken(pods: PodClient) -> None:
    made = deploy(pods, gpuTypeIdList=["NVIDIA B200", GPU]).json()["data"]["made"]["id"]

    assert pods.pod(made)["gpu"]["id"] == GPU


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ myself { colour } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ __schema { types { name } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ myself {", "GRAPHQL_PARSE_FAILED"),
    ],
)
def test_a_query_that_makes_no_sense_is_a_400(pods: PodClient, query: str, code: str) -> None:
    response = post(pods, query)

    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == code


def test_a_wrong_variable_is_a_400(pods: PodClient) -> None:
    response = post(pods, DEPLOY, input={"gpuCount": "many"})

    assert the_error(response)[0] == 400


def test_some_questions_need_no_key_and_others_take_it_in_the_address(pods: PodClient) -> None:
    url = f"{pods.client.sandbox.root_url}/graphql"
    prices = '{ gpuTypes(input: {id: "NVIDIA GeForce RTX 4090"}) { securePrice '
    prices += "lowestPrice(input: {gpuCount: 1, secureCloud: false}) { uninterruptablePrice } } }"

    public = requests.post(url, json={"query": prices}, timeout=WAIT_SECONDS)
    private = requests.post(url, json={"query": "{ myself { id } }"}, timeout=WAIT_SECONDS)
    with_key = requests.post(
        f"{url}?api_key={pods.client.sandbox.api_key}",
        json={"query": "{ myself { id } }"},
        timeout=WAIT_SECONDS,
    )

    assert public.json()["data"]["gpuTypes"] == [
        {"securePrice": 0.74, "lowestPrice": {"uninterruptablePrice": 0.34}}
    ]
    assert private.status_code == 401
    assert with_key.json()["data"]["myself"]["id"] == "user_sandbox"


def test_F17_a_mutation_can_act_and_lose_its_answer(pods: PodClient) -> None:
    pods.fault("launch", "drop_after_commit")

    with pytest.raises(requests.ConnectionError):
        deploy(pods)

    assert len(pods.listed_ids()) == 1


def test_the_balance_can_be_gone_for_good(pods: PodClient) -> None:
    pods.fault("account", "status", status=410)

    assert post(pods, "{ myself { clientBalance } }").status_code == 410
    assert pods.client.last_request()["operation"] == "account"


def test_F68_the_list_can_be_cut_short(pods: PodClient) -> None:
    pods.create()
    pods.create()
    pods.fault("list", "truncated_list", keep=1)

    assert len(ask(pods, "{ myself { pods { id } } }")["myself"]["pods"]) == 1


def test_the_account_s_keys_are_replaced_as_lines(pods: PodClient) -> None:
    mutation = "mutation Set($key: String) { updateUserSettings(input: {pubKey: $key}) { pubKey } }"

    changed = ask(pods, mutation, key=pods.login_key.public)
    ask(pods, mutation, key="")

    assert changed["updateUserSettings"]["pubKey"] == pods.login_key.public
    assert the_error(post(pods, mutation, key="nonsense"))[2] == "INTERNAL_SERVER_ERROR"
