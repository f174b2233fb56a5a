"""What of a run is home, with its sha256, and how it is used."""

import io
import tarfile

from django.contrib.auth.models import User
from django.test import Client

from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.job.reading import read, shown


def test_what_is_home_has_its_sha256_its_size_and_its_parts(user: User, reader: Client) -> None:
    deployment = scenes.ended(user)
    artifact = deployment.artifacts.get()
    artifact.files = [{"name": "adapter/x.safetensors", "size": 84_000_000, "sha256": "ab" * 32}]
    artifact.save()

    page = shown(reader, deployment, "files/")

    assert artifact.sha256 in page
    assert "ab" * 32 in page
    assert "adapter/x.safetensors" in page
    assert f"/files/{artifact.pk}/" in page
    assert f"/jobs/{deployment.job_id}/files/use/" in page


def test_everything_else_can_be_taken_too(user: User, reader: Client) -> None:
    deployment = scenes.training(user)

    page = shown(reader, deployment, "files/")

    for name in ("logs.txt", "config.json", "cost.csv", "charts/loss.csv"):
        assert f'href="/jobs/{deployment.job_id}/{name}"' in page


def test_what_repeats_the_run_can_be_taken_with_the_data_and_without(
    user: User, reader: Client
) -> None:
    deployment = scenes.ended(user)
    address = f"/jobs/{deployment.job_id}/bundle.tar.gz"

    page = shown(reader, deployment, "files/")

    for wanted, has_data in ((address, True), (f"{address}?data=false", False)):
        assert f'href="{wanted}"' in page
        with tarfile.open(fileobj=io.BytesIO(reader.get(wanted).getvalue())) as bundle:
            names = bundle.getnames()
        assert any(name.endswith("/data/dataset.jsonl") for name in names) is has_data


def test_before_anything_is_home_it_says_when_it_comes(user: User, reader: Client) -> None:
    assert "Nothing is home yet." in read(reader, scenes.training(user), "files/")
    assert "Nothing of this run came home." in read(reader, scenes.failed(user), "files/")


def test_how_to_use_it_names_the_file_its_sha256_and_the_base_model(
    user: User, reader: Client
) -> None:
    deployment = scenes.ended(user)

    page = read(reader, deployment, "files/use/")

    assert 'support-answers-v3-adapter.tar.gz" | sha256sum --check' in page
    assert deployment.artifacts.get().sha256 in page
    assert "it needs meta-llama/Llama-3.1-8B-Instruct" in page
    assert "AutoPeftModelForCausalLM.from_pretrained" in page


def test_the_download_has_the_name_that_the_page_tells(user: User, reader: Client) -> None:
    deployment = scenes.ended(user)
    artifact = deployment.artifacts.get()

    response = reader.head(f"/jobs/{artifact.job_id}/files/{artifact.pk}/")

    assert 'filename="support-answers-v3-adapter.tar.gz"' in response["Content-Disposition"]


def test_without_an_adapter_there_is_nothing_to_use(user: User, reader: Client) -> None:
    data = scenes.dataset(user)

    live = read(reader, scenes.training(user, dataset=data), "files/use/")
    over = read(reader, scenes.failed(user, dataset=data), "files/use/")

    assert "The adapter is not home yet." in live
    assert "No adapter of this run came home." in over


def test_two_artifacts_have_one_filled_button(user: User, reader: Client) -> None:
    deployment = scenes.ended(user)
    builders.make_artifact(deployment.machines.get(), kind="merged", name="merged.tar.gz")

    page = shown(reader, deployment, "files/")

    panel = page[page.index('id="files-title"') :]
    assert panel.count("btn-fill") == 1
