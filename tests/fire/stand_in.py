"""A training that lasts as long as a test wants: in the place of torch, on a sandbox's machines.

``make_stand_in(folder)`` makes a program for ``--image-python`` and a base model of a few bytes.
Everything else is the real thing: the agent, its run log, the adapter's files and their manifest.
What a run does is drawn from the recipe's ``seed`` and the attempt; ``max_steps`` are told. Runs
whose seed is held do not go past their first step until they are let go.
"""

import json
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MODEL = "stand-in"
PROGRAM = """\
#!/bin/sh
# Every package is there; train.py is ours.
case "${{1:-}}" in
-) cat > /dev/null; exit 0 ;;
train.py) shift; exec {python} {train} train.py "$@" ;;
esac
exec {python} "$@"
"""
TRAIN = """\
import json, os, random, signal, sys, time
from pathlib import Path

sys.path.insert(0, os.getcwd())
from payload_events import tell

job = json.loads(Path("job.json").read_text())
given = job["recipe"]["hyperparameters"]
attempt = job["run_id"].split("-")[2].removeprefix("a")
chance = random.Random("%s of %s" % (attempt, given["seed"]))
shares, pause, adapter_bytes = json.loads(Path({shares!r}).read_text())
hold = Path({shares!r}).with_name("hold-%s" % given["seed"])
(fate,) = chance.choices(list(shares), list(shares.values()))
steps = int(given["max_steps"])
ends_at = chance.randint(1, steps) if fate != "completes" else steps + 1


def save():
    folder = Path("output/adapter")
    folder.mkdir(parents=True, exist_ok=True)
    count = adapter_bytes // 4
    shape = {{"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}
    header = json.dumps({{"lora_B": shape}}).encode()
    weights = len(header).to_bytes(8, "little") + header + b"\\0\\0\\x80\\x3f" * count
    (folder / "adapter_model.safetensors").write_bytes(weights)
    config = {{"base_model_name_or_path": job["base_model"]["id"], "peft_type": "LORA"}}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def end_badly():
    if fate == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fate == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fate == "no_numbers":
        tell("failure", code="E_NAN", message="The loss is no number.", remedy="x", retryable=False)
        sys.exit(23)
    sys.exit("A stand-in fails: " + fate)


print("The stand-in trains", steps, "steps:", fate, flush=True)
for step in range(1, steps + 1):
    if step == ends_at:
        end_badly()
    values = {{"train/loss": 3 / step}}
    tell("metrics", step=step, total_steps=steps, epoch=step / steps, values=values)
    if Path("control/stop").exists():
        save()
        sys.exit(10)
    time.sleep(chance.uniform(0, 2 * pause))
    while hold.exists() and not Path("control/stop").exists():
        time.sleep(0.05)
save()
"""


@dataclass(frozen=True)
class StandIn:
    """What a sandbox and a Slipway need for it."""

    python: Path
    models_dir: Path
    base_model: str = f"local:{MODEL}"
    fates: Mapping[str, int] = field(default_factory=lambda: {"completes": 1})

    def fate(self, attempt: int, seed: int) -> str:
        """Return what a run with this seed does on its machine of that attempt."""
        chance = random.Random(f"{attempt} of {seed}")  # noqa: S311
        (fate,) = chance.choices(list(self.fates), list(self.fates.values()))
        return fate

    def hold(self, seed: int) -> Path:
        """Return the file that holds the runs with this seed for as long as it exists."""
        return self.python.with_name(f"hold-{seed}")


def make_stand_in(
    folder: Path,
    *,
    step_seconds: float = 0.1,
    adapter_bytes: int = 4000,
    fates: dict[str, int] | None = None,
) -> StandIn:
    """Write its files into a folder.

    ``fates`` are weights: completes, crashes (as a GPU's driver lets it), killed, no_numbers,
    fails. A step takes ``step_seconds`` on average.
    """
    model = folder / "models" / MODEL
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}", encoding="utf-8")
    shares = folder / "shares.json"
    fates = fates or {"completes": 1}
    values = [fates, step_seconds, adapter_bytes]
    shares.write_text(json.dumps(values), encoding="utf-8")
    train = folder / "stand_in_train.py"
    train.write_text(TRAIN.format(shares=str(shares)), encoding="utf-8")
    program = folder / "python3"
    program.write_text(PROGRAM.format(python=sys.executable, train=train), encoding="utf-8")
    program.chmod(0o755)
    return StandIn(program, folder / "models", fates=fates)
