#!/usr/bin/env bash
# Repeat this run on this machine, without Slipway. README.md tells what may be set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec "${PYTHON:-python3}" repeat.py
