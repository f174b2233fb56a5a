#!/bin/sh
# Find or make the Python that trains, and print its path: the last line is SLIPWAY_PYTHON=path.
#
# 1. A python3 that has every pinned package is used as it is (torch: any from 2.6).
# 2. Else a virtual environment is made beside the run folder, on the image's torch where that
#    serves, with a torch of our own where it does not. The system's Python is never touched.
#
# Exit status 3: trying again cannot help; SLIPWAY_FAILURE= and SLIPWAY_REMEDY= say why.
# From the agent: SLIPWAY_CPU, SLIPWAY_DRIVER, SLIPWAY_COMPUTE_CAPABILITY, SLIPWAY_TORCH_INDEX_URL.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv="$here/../venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

give_up() {
    echo "SLIPWAY_FAILURE=$1"
    echo "SLIPWAY_REMEDY=$2"
    exit 3
}

# In a container we are root, and there may be no sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Prints 310, 311, ...; nothing if this is no Python.
version_of() {
    "$1" -c 'import sys; print("%d%02d" % sys.version_info[:2])' 2>/dev/null || true
}

# Whether a Python ($1) has what the pins ($2) name. Looks at the packages' metadata: importing
# them all takes ten seconds.
has_pins() {
    "$1" - "$2" <<'PYTHON'
import importlib.metadata as installed, sys

def numbers(version):
    return tuple(int(part) for part in version.split("+")[0].split(".")[:2])

missing = []
for line in open(sys.argv[1]):
    name, _, wanted = line.split("#")[0].strip().partition("==")
    if not name:
        continue
    try:
        found = installed.version(name)
    except installed.PackageNotFoundError:
        missing.append(name)
        continue
    if not (numbers(found) >= (2, 6) if name == "torch" else found == wanted):
        missing.append("%s (%s, not %s)" % (name, found, wanted))
print("%s lacks: %s" % (sys.executable, ", ".join(missing) or "nothing"))
sys.exit(1 if missing else 0)
PYTHON
}

# Prints the version of the torch that a Python ($1) has, if it is new enough and can use the GPU.
usable_torch() {
    "$1" - 2>/dev/null <<'PYTHON' || true
import os, torch

new_enough = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 6)
if new_enough and (os.environ.get("SLIPWAY_CPU") == "1" or torch.cuda.is_available()):
    print(torch.__version__)
PYTHON
}

python="" version=""
for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
    path=$(command -v "$candidate" || true)
    [ -n "$path" ] || continue
    version=$(version_of "$path")
    if [ -n "$version" ] && [ "$version" -ge 310 ]; then
        python=$path
        break
    fi
done
[ -n "$python" ] || give_up "The image has no Python from 3.10 on." "Choose a newer image."
pins="$here/pins.txt"
[ "$version" -ge 311 ] || pins="$here/pins-py310.txt"

for ready in "$python" "$venv/bin/python"; do
    if [ -x "$ready" ] && has_pins "$ready" "$pins"; then
        echo "SLIPWAY_PYTHON=$ready"
        exit 0
    fi
done

torch=$(usable_torch "$python")
index=""
if [ -z "$torch" ] && [ "${SLIPWAY_CPU:-0}" != 1 ]; then
    driver=$(echo "${SLIPWAY_DRIVER:-0}" | cut -d. -f1)
    capability=$(echo "${SLIPWAY_COMPUTE_CAPABILITY:-0}" | tr -d .)
    # The registry's torch 2.13 brings CUDA 13, which needs driver 580 and a Turing card (7.5) or
    # newer; below that the CUDA 12.6 build is wanted, which in turn has no Blackwell (10.0).
    # Sources: NVIDIA's notes as quoted in pangeo-data/pangeo-docker-images PR 652;
    # pytorch/pytorch issue 190355 (training-stack.md section 1).
    if [ "${driver:-0}" -lt 580 ] || [ "${capability:-0}" -lt 75 ]; then
        [ "${capability:-0}" -lt 100 ] || give_up \
            "This GPU needs an NVIDIA driver from 580 on; the image has ${SLIPWAY_DRIVER:-none}." \
            "Choose a newer image."
        index=${SLIPWAY_TORCH_INDEX_URL:-}
        [ -n "$index" ] || give_up \
            "The image has no torch that can use this GPU, and its NVIDIA driver \
${SLIPWAY_DRIVER:-(none)} is too old for the torch we would install." \
            "Choose an image with a torch from 2.6 on or a driver from 580 on, or set \
torch_index_url to an index with PyTorch's CUDA 12.6 builds."
    fi
fi

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    echo "Installing the system's venv module."
    as_root apt-get -o DPkg::Lock::Timeout=120 update
    as_root apt-get -o DPkg::Lock::Timeout=120 install -y "$(basename "$python")-venv"
fi

echo "Making a virtual environment; the image's torch is ${torch:-not usable}."
if [ -n "$torch" ]; then
    "$python" -m venv --clear --system-site-packages "$venv"
else
    "$python" -m venv --clear "$venv"
fi
install() {
    "$venv/bin/python" -m pip install --retries 5 --timeout 30 --progress-bar off "$@"
}
grep -v '^torch==' "$pins" > "$venv/others.txt"
if [ -n "$torch" ]; then
    # Held where it is, or a dependency could bring another build of it.
    echo "torch==$torch" > "$venv/constraints.txt"
else
    # First and pinned: as a dependency it would come in whatever build is newest.
    grep '^torch==' "$pins" > "$venv/constraints.txt"
    if [ -n "$index" ]; then
        install --index-url "$index" -r "$venv/constraints.txt"
    else
        install -r "$venv/constraints.txt"
    fi
fi
install -c "$venv/constraints.txt" -r "$venv/others.txt"
# For the log alone: with the image's packages in sight it may complain of things we do not use.
"$venv/bin/python" -m pip check || true
has_pins "$venv/bin/python" "$pins"
echo "SLIPWAY_PYTHON=$venv/bin/python"
