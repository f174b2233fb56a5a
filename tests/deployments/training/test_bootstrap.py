"""bootstrap.sh: which Python trains, and what is installed where."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deployments.training.job_file import PAYLOAD
from tests.trainer import trainer_python

# Answers like a Python of the image without the pinned packages. What it is asked to do is kept
# in ``calls``; the environment it makes is a copy of itself that has them.
STUB = """#!/bin/sh
case "$*" in
    "-c import sys"*) echo "$STUB_VERSION" ;;
    "-c import ensurepip") exit "${STUB_ENSUREPIP:-0}" ;;
    "-") echo "$STUB_TORCH" ;;
    "- "*) case "$0" in */venv/bin/*) exit 0 ;; esac; exit 1 ;;
    "-m venv "*)
        echo "$*" >> "$STUB_CALLS"
        for venv; do :; done
        mkdir -p "$venv/bin"
        cp "$0" "$venv/bin/python" ;;
    "-m pip install"*) echo "$*" >> "$STUB_CALLS"; exit "${STUB_PIP:-0}" ;;
esac
"""


class Image:
    """A login home with a run folder, and a PATH of our own."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "slipway" / "run"
        self.venv = home / "slipway" / "venv"
        self.programs = home / "bin"
        self.calls = home / "calls"
        self.folder.mkdir(parents=True)
        self.programs.mkdir()
        for path in PAYLOAD.iterdir():
            if path.is_file():
                shutil.copy(path, self.folder)

    def add(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(script)
        path.chmod(0o700)

    def bootstrap(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            ["/bin/sh", str(self.folder / "bootstrap.sh")],
            env={
                "PATH": f"{self.programs}:/usr/bin:/bin",
                "HOME": str(self.folder.parent),
                "STUB_CALLS": str(self.calls),
                "STUB_VERSION": "311",
                "STUB_TORCH": "",
                **environment,
            },
            check=False,
            capture_output=True,
            text=True,
        )

    def called(self) -> list[str]:
        text = self.calls.read_text() if self.calls.exists() else ""
        return text.replace(str(self.folder.parent), "~").replace("run/../", "").splitlines()


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


@pytest.fixture
def bare_image(image: Image) -> Image:
    image.add("python3", STUB)
    return image


def test_a_python_that_has_the_pinned_packages_is_used_as_it_is(image: Image) -> None:
    image.add("python3", f'#!/bin/sh\nexec {trainer_python()} "$@"\n')

    done = image.bootstrap(SLIPWAY_CPU="1")

    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"SLIPWAY_PYTHON={image.programs}/python3"
    assert not image.venv.exists()


def test_a_python_without_them_gets_an_environment_of_its_own(image: Image, tmp_path: Path) -> None:
    """With a real pip; the wheels are empty ones of ours with the pinned names."""
    image.add("python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for line in (PAYLOAD / "pins.txt").read_text().splitlines():
        if "==" in line:
            make_wheel(wheels, *line.split("=="))
    environment = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "SLIPWAY_CPU": "1"}

    done = image.bootstrap(**environment)

    python = image.venv / "bin" / "python"
    assert done.returncode == 0, done.stdout + done.stderr
    assert Path(done.stdout.splitlines()[-1].removeprefix("SLIPWAY_PYTHON=")).samefile(python)
    assert "lacks: torch" in done.stdout
    again = image.bootstrap(**environment)
    assert "Making a virtual environment" not in again.stdout


def make_wheel(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


PIP = "-m pip install --retries 5 --timeout 30 --progress-bar off"


def test_torch_is_installed_first_and_pinned_when_the_image_has_none(bare_image: Image) -> None:
    done = bare_image.bootstrap(SLIPWAY_DRIVER="580.105.08", SLIPWAY_COMPUTE_CAPABILITY="9.0")

    assert done.returncode == 0, done.stdout + done.stderr
    assert bare_image.called() == [
        "-m venv --clear ~/venv",
        f"{PIP} -r ~/venv/constraints.txt",
        f"{PIP} -c ~/venv/constraints.txt -r ~/venv/others.txt",
    ]
    assert (bare_image.venv / "constraints.txt").read_text() == "torch==2.13.0\n"
    assert "\ntorch==" not in (bare_image.venv / "others.txt").read_text()


def test_the_torch_of_the_image_is_kept_where_it_serves(bare_image: Image) -> None:
    done = bare_image.bootstrap(STUB_TORCH="2.7.0", SLIPWAY_DRIVER="570.148.08")

    assert done.returncode == 0, done.stdout + done.stderr
    assert bare_image.called() == [
        "-m venv --clear --system-site-packages ~/venv",
        f"{PIP} -c ~/venv/constraints.txt -r ~/venv/others.txt",
    ]
    assert (bare_image.venv / "constraints.txt").read_text() == "torch==2.7.0\n"


@pytest.mark.parametrize(
    ("driver", "capability"), [("570.148.08", "8.6"), ("580.105.08", "7.0")], ids=["old", "Volta"]
)
def test_what_cuda_13_cannot_serve_takes_torch_from_the_index_it_was_given(
    bare_image: Image, driver: str, capability: str
) -> None:
    done = bare_image.bootstrap(
        SLIPWAY_DRIVER=driver,
        SLIPWAY_COMPUTE_CAPABILITY=capability,
        SLIPWAY_TORCH_INDEX_URL="http://index.test/cu126",
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert bare_image.called()[1] == (
        f"{PIP} --index-url http://index.test/cu126 -r ~/venv/constraints.txt"
    )


def test_without_such_an_index_an_old_driver_is_an_error_with_a_remedy(bare_image: Image) -> None:
    done = bare_image.bootstrap(SLIPWAY_DRIVER="570.148.08", SLIPWAY_COMPUTE_CAPABILITY="8.6")

    assert done.returncode == 3
    assert "570.148.08 is too old" in done.stdout
    assert "SLIPWAY_REMEDY=Choose an image" in done.stdout
    assert "torch_index_url" in done.stdout
    assert bare_image.called() == []


def test_blackwell_on_an_old_driver_has_no_torch_at_all(bare_image: Image) -> None:
    done = bare_image.bootstrap(
        SLIPWAY_DRIVER="570.148.08",
        SLIPWAY_COMPUTE_CAPABILITY="10.0",
        SLIPWAY_TORCH_INDEX_URL="http://index.test/cu126",
    )

    assert done.returncode == 3
    assert "driver from 580" in done.stdout


def test_python_3_10_gets_the_set_that_installs_there(bare_image: Image) -> None:
    done = bare_image.bootstrap(STUB_VERSION="310", STUB_TORCH="2.7.0")

    assert done.returncode == 0
    assert "trl==1.14.2" in (bare_image.venv / "others.txt").read_text()


def test_an_image_without_a_new_enough_python_is_refused(image: Image) -> None:
    image.add("python3", STUB)
    (image.programs / "dirname").symlink_to("/usr/bin/dirname")

    done = image.bootstrap(STUB_VERSION="308", PATH=str(image.programs))

    assert done.returncode == 3
    assert "SLIPWAY_FAILURE=The image has no Python from 3.10 on." in done.stdout


def test_F33_a_missing_venv_module_is_installed_without_fighting_for_the_lock(
    bare_image: Image,
) -> None:
    """F33: unattended upgrades hold it after boot."""
    bare_image.add("id", "#!/bin/sh\necho 1000\n")
    bare_image.add("sudo", '#!/bin/sh\necho "sudo $*" >> "$STUB_CALLS"\n')

    bare_image.bootstrap(STUB_ENSUREPIP="1", STUB_TORCH="2.7.0")

    assert bare_image.called()[:2] == [
        "sudo -n apt-get -o DPkg::Lock::Timeout=120 update",
        "sudo -n apt-get -o DPkg::Lock::Timeout=120 install -y python3-venv",
    ]


def test_root_in_a_container_needs_no_sudo(bare_image: Image) -> None:
    bare_image.add("id", "#!/bin/sh\necho 0\n")
    bare_image.add("apt-get", '#!/bin/sh\necho "apt-get $*" >> "$STUB_CALLS"\n')

    bare_image.bootstrap(STUB_ENSUREPIP="1", STUB_TORCH="2.7.0")

    assert bare_image.called()[:2] == [
        "apt-get -o DPkg::Lock::Timeout=120 update",
        "apt-get -o DPkg::Lock::Timeout=120 install -y python3-venv",
    ]


def test_F33_a_failing_pip_fails_the_script_so_that_the_agent_tries_again(
    bare_image: Image,
) -> None:
    done = bare_image.bootstrap(STUB_TORCH="2.7.0", STUB_PIP="1")

    assert done.returncode not in (0, 3)
    assert "SLIPWAY_PYTHON" not in done.stdout
