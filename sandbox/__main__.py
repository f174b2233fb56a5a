"""``python -m sandbox``: see options.py for its command line."""

import asyncio
import sys

from sandbox.options import OptionsError, read_options
from sandbox.server import serve


def main() -> int:
    """Run the sandbox; 0 after a signal, 2 when it cannot start."""
    try:
        asyncio.run(serve(read_options(sys.argv[1:])))
    except (OptionsError, OSError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
