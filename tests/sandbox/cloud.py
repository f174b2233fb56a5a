"""A sandbox's inside without its server."""

import secrets
import sys
from pathlib import Path

from sandbox.cloud import Cloud
from sandbox.options import Options, Settings


def make_cloud(data_dir: Path) -> Cloud:
    """Return a cloud without machines."""
    return Cloud(
        Options(
            port=0,
            data_dir=data_dir,
            api_key=secrets.token_hex(),
            control_key=secrets.token_hex(),
            image_python=Path(sys.executable),
            settings=Settings(boot_seconds=0, terminate_seconds=0),
        )
    )
