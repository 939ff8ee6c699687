"""What standard output and standard error may be, and what is kept out of them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli.conftest import Vsock
from vonage_sock.cli.logs import ErrorLog, logged_to_stderr
from vonage_sock.cli.printing import LIKENESS, fit_streams, say
from vonage_sock.cli.title import hidden
from vonage_sock.display.output import Target

SECRET = "a-secret-of-thirty-two-characters"
ON_A_TERMINAL = "import os, sys; os.login_tty(0); os.execv(sys.executable, [sys.executable, '-m', *sys.argv[1:]])"
WITHOUT_HANGUPS = (
    "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
    "os.execv(sys.executable, [sys.executable, '-m', *sys.argv[1:]])"
)


def logged(*records: tuple[str, float], error: BaseException | None = None) -> str:
    """What is written for these messages at these seconds."""
    read, write = os.pipe()
    log = ErrorLog(Target(write))
    os.close(write)
    for message, at in records:
        exc_info: Any = None if error is None else (type(error), error, None)
        record = logging.LogRecord("lib", logging.ERROR, "file", 1, message, ("x\x1b[31m",), exc_info)
        record.created = at
        log.emit(record)
    log.close()
    with os.fdopen(read) as file:
        return file.read()


def test_a_log_record_is_lines_of_harmless_text() -> None:
    """The message, and the traceback below it."""
    shown = logged(("it failed: %s", 0), error=ValueError("\x1b[2J\ntoken=abc"))

    assert "it failed: x\\x1b[31m\nValueError: \\x1b[2J\ntoken=***\n" == shown


def test_records_of_one_kind_are_bounded_and_those_left_out_are_counted() -> None:
    """Somebody who causes thousands fills no disk; another kind is told all the same."""
    shown = logged(*[("much %s", at / 100) for at in range(1000)], ("other %s", 10), ("much %s", 60)).splitlines()

    assert (6, 1) == (sum(line.startswith("much") for line in shown), sum(line.startswith("other") for line in shown))
    assert "... 995 more of these were left out" == shown[-1]


def test_a_record_whose_arguments_do_not_fit_is_told_as_it_is() -> None:
    """A mistake in somebody's logging hides nothing."""
    assert "lib: two %s %s\n" == logged(("two %s %s", 0))


def test_kinds_are_bounded_too() -> None:
    """Messages that are made up for each record share what the last kind may say."""
    assert 105 == len(logged(*[(f"{number} %s", 0.0) for number in range(500)]).splitlines())


def test_what_python_writes_by_itself_is_logged_and_all_is_as_before_afterwards(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Exceptions of threads and destructors."""
    before = sys.unraisablehook, threading.excepthook, list(logging.getLogger().handlers)
    with logged_to_stderr():
        error = ValueError("\x1b[2J")
        unraisable: Any = SimpleNamespace(exc_value=error, err_msg=None)
        sys.unraisablehook(unraisable)
        threading.excepthook(threading.ExceptHookArgs((ValueError, error, None, None)))
        logging.getLogger("vonage_sock.failures").error("said by a finding")
    after = sys.unraisablehook, threading.excepthook, list(logging.getLogger().handlers)

    assert before == after
    assert [
        "python: an exception that nobody can take",
        "ValueError: \\x1b[2J",
        "python: a thread failed",
        "ValueError: \\x1b[2J",
    ] == capfd.readouterr().err.splitlines()


def test_a_letter_that_an_encoding_lacks_is_shown_by_its_likeness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or as an escape; reading isn't made any laxer."""
    monkeypatch.setattr(sys, "stdout", None)
    fit_streams()

    assert b"a -> b ... \\u65e5" == "a → b … 日".encode("ascii", LIKENESS)
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", LIKENESS)


def test_there_may_be_nowhere_to_say_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error that isn't there, or is a pipe that nobody empties, holds nobody up."""
    monkeypatch.setattr(sys, "stderr", None)
    say("x")
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, bytes(65536))
    os.set_blocking(write, True)
    with os.fdopen(write, "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        began = time.monotonic()
        say("x")
        took_s = time.monotonic() - began
        os.close(read)

    assert 0.4 < took_s < 5


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("vsock call ws://h --signature-secret abc -v", "vsock call ws://h --signature-secret *** -v"),
        ("vsock call ws://h --signature-secret=abc", "vsock call ws://h --signature-secret=***"),
        ("vsock call ws://u:p@h/?token=abc", "vsock call ws://***@h/?token=***"),
        ("vsock call ws://h --header token=abc --port 1", "vsock call ws://h --header token=*** --port 1"),
        ("vsock serve --echo --port 8000", "vsock serve --echo --port 8000"),
    ],
)
def test_a_command_line_is_shown_without_secrets(words: str, shown: str) -> None:
    """In options that hold them, in addresses and in metadata; the rest stays."""
    assert shown.split() == hidden(words.split())


async def test_a_process_title_holds_no_secret(vsock: Vsock) -> None:
    """As anybody on the machine can read it, once the program runs."""
    program = await vsock("call", "--api-port", 0, "--signature-secret", SECRET, "--json")
    await program.event("api.started")
    title = Path(f"/proc/{program.process.pid}/cmdline").read_bytes()
    program.interrupt()
    code, out, err = await program.end()

    assert (True, False, False) == (b"--signature-secret\0***\0" in title, SECRET in out, SECRET in err)
    assert 0 == code


@pytest.mark.parametrize(("words", "code"), [(("serve", "--nope"), 2), (("explain", "nope"), 2), (("--help",), 0)])
def test_an_error_that_cannot_be_said_has_its_exit_code_all_the_same(words: tuple[str, ...], code: int) -> None:
    """Standard error on a full disk."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "vonage_sock", *words], check=False, stdout=subprocess.PIPE, stderr=full
        )

    assert code == done.returncode


def test_help_on_a_full_disk_is_one_sentence() -> None:
    """Like all other output that can't be written."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "vonage_sock", "--help"], check=False, stdout=full, stderr=subprocess.PIPE, text=True
        )

    assert (1, "Error: standard output can't be written: No space left on device\n") == (done.returncode, done.stderr)


async def test_a_locale_that_knows_only_ascii_ends_nothing(vsock: Vsock, tmp_path: Path) -> None:
    """What it can't show is an escape."""
    (tmp_path / "x.yaml").write_text('{"name": "日本→", "steps": [{"press": "1"}]}', encoding="utf-8")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    code, out, err = await (await vsock("scenario", "check", "x.yaml", **ascii_only)).end()

    assert (0, "x.yaml: \\u65e5\\u672c->, 1 step, 0 expectations\n", "") == (code, out, err)


def test_output_that_nobody_reads_delays_nothing_and_is_counted_at_the_end() -> None:
    """Webhooks are answered while the pipe is full; at the stop it is said how much was not shown."""
    words = ["serve", "--json", "--port", "0", "--ngrok-api", "http://127.0.0.1:9"]
    with subprocess.Popen(
        [sys.executable, "-m", "vonage_sock", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = json.loads(process.stdout.readline())["event_url"]
        body = json.dumps({"status": "answered", "note": "x" * 8000}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        statuses = set()
        for _ in range(40):
            with urllib.request.urlopen(request, timeout=10) as reply:
                statuses.add(reply.status)
        process.send_signal(signal.SIGINT)
        code = process.wait(10)
        said = process.stderr.read().decode()

    assert ({204}, 0) == (statuses, code)
    assert said.endswith("lines were not shown: nobody reads standard output\n")


def started(command: str, slave: int) -> subprocess.Popen[bytes]:
    """A server on a terminal, in this wrapper."""
    words = ["vonage_sock", "serve", "--port", "0", "--ngrok-api", "http://127.0.0.1:9"]
    return subprocess.Popen(
        [sys.executable, "-c", command, *words], stdin=slave, stdout=slave, stderr=slave, env=os.environ
    )


def read_until(master: int, part: bytes) -> bytes:
    """What the program sends to its terminal until this."""
    sent = b""
    while part not in sent:
        sent += os.read(master, 65536)
    return sent


def test_a_terminal_that_is_gone_stops_the_server_as_ctrl_c_does() -> None:
    """Calls are closed and files completed; nobody is left to be told."""
    master, slave = pty.openpty()
    process = started(ON_A_TERMINAL, slave)
    os.close(slave)
    read_until(master, b"Answer URL")
    os.close(master)

    assert 0 == process.wait(10)


def test_nohup_is_respected() -> None:
    """Whoever has hang-ups ignored wants the program to outlive its terminal."""
    master, slave = pty.openpty()
    process = started(WITHOUT_HANGUPS, slave)
    os.close(slave)
    read_until(master, b"Answer URL")
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.terminate()
    code = process.wait(10)
    os.close(master)

    assert 0 == code
