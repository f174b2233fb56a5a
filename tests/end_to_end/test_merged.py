"""A merged model on request: made on the machine after training, home after the adapter."""

import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from deployments.handing_out import artifact_response
from deployments.models.deployments import Status
from tests.end_to_end.life import Life, assert_over
from tests.end_to_end.test_training import SHORT, problems
from tests.sandbox_cloud import SandboxHandle
from tests.trainer import sample_model, trainer_python

pytestmark = [
    pytest.mark.full,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("end_to_end_training"),
]
COMPARE = """
import json, sys
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
base, adapter, merged = sys.argv[1:]
ids = AutoTokenizer.from_pretrained(merged).apply_chat_template(
    [{"role": "user", "content": "What is 12 + 30?"}], return_tensors="pt"
)["input_ids"]
def answer(model):
    with torch.no_grad():
        return model.eval()(input_ids=ids).logits
plain = AutoModelForCausalLM.from_pretrained(base)
before = answer(plain)
tuned = answer(PeftModel.from_pretrained(plain, adapter))
whole = answer(AutoModelForCausalLM.from_pretrained(merged))
print(json.dumps({
    "learnt": (tuned - before).abs().max().item(),
    "rounding": (whole - tuned).abs().max().item(),
}))
"""


def test_the_merged_model_comes_home_and_answers_as_the_adapter_does(
    cloud: SandboxHandle, tmp_path: Path, settings: Settings
) -> None:
    life = Life.begin(cloud, rows=problems(60))
    deployment = life.until(
        life.deploy(
            hyperparameters={**SHORT, "max_steps": 4, "learning_rate": 2e-2},
            evaluation={"share": 0},
            export={"merged": True},
        ),
        seconds=240,
    )

    assert_over(life, deployment, status=Status.COMPLETED, machines=1)
    story = list(deployment.events.values_list("kind", flat=True))
    assert story.index("adapter_home") < story.index("merged_home")
    for artifact in deployment.artifacts.all():
        response: Any = artifact_response(RequestFactory().get("/"), artifact)
        file = tmp_path / artifact.name
        file.write_bytes(response.getvalue())
        response.close()
        with tarfile.open(file) as archive:
            archive.extractall(tmp_path, filter="data")
    assert not list((tmp_path / "merged").glob("*.bin"))
    told = (tmp_path / "merged" / "config.json").read_text(encoding="utf-8")
    assert str(settings.BASE_DIR) not in told
    assert "base_model" not in told
    done = subprocess.run(  # noqa: S603
        [
            trainer_python(),
            "-c",
            COMPARE,
            sample_model(),
            tmp_path / "adapter",
            tmp_path / "merged",
        ],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    difference = json.loads(done.stdout.splitlines()[-1])
    assert difference["learnt"] > 0.1
    assert difference["rounding"] < 1e-4
