"""What a pod's image has beside every machine's: root's name, and /etc/rp_environment.

A pod has no file system of its own, so the file lies in its folder, and a command that names the
real path is given this one (``Guest.paths``).
"""

from pathlib import Path

from sandbox.image import MachineFiles, write_script

ENVIRONMENT_PATH = "/etc/rp_environment"
# A shell on a pod belongs to the user who started the sandbox; these two say what a pod's say.
WHOAMI = "#!/bin/sh\necho root\n"
ID = """#!/bin/sh
case "$*" in
-u | -g) echo 0 ;;
-un | -gn) echo root ;;
"") echo "uid=0(root) gid=0(root) groups=0(root)" ;;
*) exec /usr/bin/id "$@" ;;
esac
"""


def environment_file(files: MachineFiles) -> Path:
    return files.folder / "rp_environment"


def write_root_image(files: MachineFiles) -> None:
    """Add to a new machine's files what lets its user take itself for root."""
    write_script(files.programs / "whoami", WHOAMI)
    write_script(files.programs / "id", ID)
