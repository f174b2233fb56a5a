#!/usr/bin/env python
"""Django's command line for Slipway."""

import os
import sys


def main() -> None:
    if sys.argv[1:2] == ["reap"] and "--panic" in sys.argv:
        # Before any setting is read: it must work when they cannot be (F77, F80).
        from deployments import panic

        sys.exit(panic.main(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"FAIL settings: {error}")


if __name__ == "__main__":
    main()
