"""The GitHub action: its schema, and its steps' own shell, run as a runner would."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
WELL = "name: parrot\nsteps:\n  - play: {audio: tone:440, for: 200ms}\n  - hang_up\nexpect:\n  - close_code: 1000\n"
ILL = "name: deaf\nsteps:\n  - hang_up\nexpect:\n  - close_code: 1001\n"
PYTHON = """#!/bin/sh
# Python, but a new environment is quickly made, and what is installed into it is what is tested.
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    "-m pip") echo "$@" > "$(dirname "$0")/asked"
        cd "$(dirname "$0")"
        printf '#!/bin/sh\\nexec {python} -m vonage_sock "$@"\\n' > vsock
        chmod +x vsock ;;
    *) exec {python} "$@" ;;
esac
"""


@dataclass
class Runner:
    """A GitHub runner, as far as two steps of bash need one."""

    place: Path

    def runs(self, **inputs: str) -> tuple[int, str]:
        """The action with these inputs, step by step until one fails; exit code and output."""
        given = {name: about.get("default", "") for name, about in ACTION["inputs"].items()} | inputs
        output, code = "", 0
        for step in ACTION["runs"]["steps"]:
            environment = os.environ | {
                "GITHUB_ACTION_PATH": str(ROOT),
                "GITHUB_STEP_SUMMARY": str(self.place / "summary.md"),
                "PYTHONPATH": str(ROOT),
                "RUNNER_TEMP": str(self.place / "temp"),
                "VSOCK_NGROK_API": "http://127.0.0.1:9",
            }
            for name, value in step["env"].items():
                environment[name] = re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda match: given[match[1]], value)
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = subprocess.run(
                command, cwd=self.place, env=environment, capture_output=True, text=True, check=False, timeout=50
            )
            output, code = output + done.stdout + done.stderr, done.returncode
            if code:
                break
        return code, output


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """With a Python that installs fast, and two scenarios."""
    (tmp_path / "temp").mkdir()
    python = tmp_path / "python"
    python.write_text(PYTHON.replace("{python}", sys.executable))
    python.chmod(0o755)
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "well one.yaml").write_text(WELL)
    (tmp_path / "ill.yaml").write_text(ILL)
    return Runner(tmp_path)


def test_the_action_is_one_by_github_s_schema() -> None:
    """As the schema store has it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (0, "ok -- validation done\n") == (told.returncode, told.stdout)


def test_no_input_is_put_into_a_script() -> None:
    """Inputs reach the shell as variables: one with a quote and a semicolon would be a command otherwise."""
    steps = ACTION["runs"]["steps"]
    used = {name for step in steps for value in step["env"].values() for name in re.findall(r"inputs\.(\w+)", value)}

    assert [] == [step["run"] for step in steps if "${{" in step["run"]]
    assert ACTION["inputs"].keys() == used
    assert all(step["shell"] == "bash" for step in steps)


def test_a_server_is_started_called_and_stopped(runner: Runner, unused_tcp_port: int) -> None:
    """The results are in a file and on the summary page; nothing listens afterwards."""
    url = f"http://127.0.0.1:{unused_tcp_port}"
    serve = f"{sys.executable} -m vonage_sock serve --echo --port {unused_tcp_port} --url {url}"
    code, output = runner.runs(
        python="./python",
        scenarios="\n  calls/**/*.yaml  \n",
        url=f"{url}/webhooks/answer",
        start=f"echo '::error::not a command'; {serve}",
        junit="results.xml",
    )
    with socket.socket() as caller:
        refused = caller.connect_ex(("127.0.0.1", unused_tcp_port))

    assert (0, True) == (code, "pass  parrot" in output), output
    assert 'failures="0"' in (runner.place / "results.xml").read_text()
    assert "### vsock: all scenarios passed" in (runner.place / "summary.md").read_text()
    assert (
        f"install --quiet --disable-pip-version-check {ROOT}\n" in (runner.place / "temp/vsock/bin/asked").read_text()
    )
    assert refused
    assert "::error::" not in output


def test_a_failed_expectation_fails_the_job(runner: Runner) -> None:
    """With the exit code of vsock call; a target without a server needs none."""
    code, output = runner.runs(python="./python", scenarios="ill.yaml", url="vsock:echo", options="--repeat 2")

    assert (8, True) == (code, "found   1000" in output), output
    assert "### vsock: failed with exit code 8" in (runner.place / "summary.md").read_text()


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"scenarios": "nothing-*.yaml"}, "::error::scenarios: no file is, or matches, nothing-*.yaml"),
        ({"scenarios": " \n"}, "::error::scenarios: there is none"),
        ({"scenarios": "ill.yaml", "start": "true", "url": "nonsense"}, "::error::url: nonsense is no address"),
        (
            {"scenarios": "ill.yaml", "start": "echo ::warning::mine; exit 3", "url": "http://127.0.0.1:1/answer"},
            "::error::start: the server ended before it listened on 127.0.0.1, port 1",
        ),
        (
            {"scenarios": "ill.yaml", "start": "sleep 60", "url": "ws://127.0.0.1:1/ws", "wait": "0"},
            "::error::start: nothing listens on 127.0.0.1, port 1 after 0 s",
        ),
        ({"scenarios": "ill.yaml", "python": "false"}, "::error::vsock needs Python 3.11 or later, and false isn't"),
    ],
)
def test_what_is_wrong_with_the_inputs_is_said(inputs: dict[str, str], said: str, runner: Runner) -> None:
    """In an annotation; what a server printed is no command to the runner."""
    (runner.place / "temp/vsock/bin").mkdir(parents=True)
    code, output = runner.runs(**{"python": "./python"} | inputs)

    assert (True, True) == (code in (1, 2), said in output), output
    assert "::warning::" not in output or output.index("::stop-commands::") < output.index("::warning::")
