"""
Errors that reach a person, and the exit code each one ends the program with.

Only faults of *our* user or machine are exceptions. What the other end of a live call does wrong is a finding event.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a ``vsock`` command ended; scripts rely on the numbers."""

    OK = 0
    ERROR = 1
    USAGE = 2
    PROTOCOL = 3
    RECORDING = 4
    AUDIO_FILE = 5
    LISTEN = 6
    CONNECT = 7
    THRESHOLD = 8
    STOPPED = 130

    @property
    def meaning(self) -> str:
        """One line for the manual."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "fine",
    ExitCode.ERROR: "any other error",
    ExitCode.USAGE: "usage or configuration",
    ExitCode.PROTOCOL: "the other side broke the protocol (a finding of level error)",
    ExitCode.RECORDING: "a recording failed",
    ExitCode.AUDIO_FILE: "unusable audio file",
    ExitCode.LISTEN: "cannot listen",
    ExitCode.CONNECT: "cannot connect",
    ExitCode.THRESHOLD: "a threshold was missed",
    ExitCode.STOPPED: "stopped by a second Ctrl-C",
}


class VsockError(Exception):
    """One clear sentence (what, where, what to do next) and the exit code that goes with it."""

    exit_code = ExitCode.ERROR


class UsageError(VsockError):
    """An option, a path or a configuration file can't be used as given."""

    exit_code = ExitCode.USAGE


class FormatError(UsageError):
    """A content type that isn't ``audio/l16`` at 8, 16 or 24 kHz."""


class AudioFileError(VsockError):
    """An audio file is missing, empty, corrupt or of an unknown kind."""

    exit_code = ExitCode.AUDIO_FILE


class RecordingError(VsockError):
    """A recording can't be written."""

    exit_code = ExitCode.RECORDING


class ListenError(VsockError):
    """The server can't listen on the address it was given."""

    exit_code = ExitCode.LISTEN


class ConnectError(VsockError):
    """The server under test can't be reached, or refuses the call."""

    exit_code = ExitCode.CONNECT
