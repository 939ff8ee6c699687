#!/usr/bin/env bash
# The action's first step: vsock, from the action's own sources, into an environment of its own.
set -euo pipefail

python=${INPUT_PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "::error::vsock needs Python 3.11 or later, and $python isn't; use actions/setup-python before this action, or give python:"
    exit 1
fi
"$python" -m venv "$RUNNER_TEMP/vsock"
"$RUNNER_TEMP/vsock/bin/python" -m pip install --quiet --disable-pip-version-check "$GITHUB_ACTION_PATH"
"$RUNNER_TEMP/vsock/bin/vsock" --version
