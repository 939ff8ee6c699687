"""What the options of a server ask for: read, checked, and made into behaviours and a configuration."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import OpenSource
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play, Then
from vonage_sock.behaviours.record import Record
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.cli.combinations import STDIN, STDOUT, check_combinations
from vonage_sock.cli.options import parse_headers, parse_pair, read_file
from vonage_sock.cli.voice import Voice, voice_of
from vonage_sock.clock import MS, SystemClock
from vonage_sock.display import Display, make_display
from vonage_sock.errors import UsageError
from vonage_sock.limits import Limits
from vonage_sock.media.decode import AudioFile, spool
from vonage_sock.media.naming import RecordingPath
from vonage_sock.media.record import Recorder
from vonage_sock.protocol import jsontext
from vonage_sock.protocol.messages import DIGITS
from vonage_sock.protocol.ncco import Ncco, read_ncco
from vonage_sock.server.app import MakeBehaviours, VsockServer, uses_direct
from vonage_sock.server.config import Engine, ServerConfig, check_base_url
from vonage_sock.transport.tls import PASSWORD_VARIABLE, ServerTls


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """The options of ``serve``, as click gives them."""

    host: str
    port: int
    rate: str
    url: str | None
    headers: tuple[str, ...]
    greeting: str | None
    ncco: str | None
    fallback: str | None
    signature_secret: str | None = field(repr=False)
    no_auth: bool
    allowed_origins: tuple[str, ...]
    echo: bool
    delay_ms: int
    overwrite: bool
    stereo: bool
    split: bool
    hangover_ms: int
    loop: int
    pace_ms: float
    lead_ms: int
    then: str | None
    on_dtmf: tuple[str, ...]
    barge_in: bool
    once: bool
    limits: Limits
    workers: int
    as_json: bool
    stats: bool
    quiet: bool
    verbose: bool
    ngrok_api: str
    tunnel: str
    engine: str
    tls_cert: str | None
    tls_key: str | None
    no_keys: bool
    voice: Voice
    record: str | None = None
    play: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: dict[str, Any], **more: Any) -> Self:
        """From a command's arguments."""
        known = {item.name for item in fields(cls)}
        given = {"limits": Limits.of(values), "voice": voice_of(values), **values, **more}
        return cls(**{key: value for key, value in given.items() if key in known})


class Plan:
    """
    What the options ask for, checked.

    Raises:
        UsageError, AudioFileError: an option can't be used.
    """

    def __init__(self, options: ServeOptions) -> None:
        self.options = options
        check_combinations(options)
        self.config = ServerConfig(
            host=options.host,
            port=options.port,
            audio_format=AudioFormat(int(options.rate)),
            url=None if options.url is None else check_base_url(options.url),
            headers=parse_headers(options.headers),
            greeting=options.greeting,
            ncco=None if options.ncco is None else read_ncco_file(options.ncco, option_name="--ncco"),
            fallback=None if options.fallback is None else read_ncco_file(options.fallback, option_name="--fallback"),
            limits=replace(options.limits, calls=1) if options.once else options.limits,
            engine=Engine(options.engine),
            tls=tls_of(options),
            signature_secret=options.signature_secret,
            socket_auth=not options.no_auth,
            allowed_origins=options.allowed_origins,
        )
        check_tls(self.config)
        self.recording = None
        if options.record is not None:
            self.recording = RecordingPath(options.record, overwrite=options.overwrite).check_first()
        self.files = [open_playable(name) for name in options.play]
        self.keys = {}
        for text in options.on_dtmf:
            key, name = parse_pair(text, option_name="--on-dtmf", keys=DIGITS)
            self.keys[key] = open_playable(name)

    @property
    def behaviour_names(self) -> tuple[str, ...]:
        """What the server does in a call, in the order in which it does it."""
        wanted = (("record", self.recording), ("play", self.files or self.keys), ("echo", self.options.echo))
        return tuple(name for name, value in wanted if value)

    @property
    def then(self) -> Then:
        """What follows the files."""
        if self.options.then is not None:
            return Then(self.options.then)
        return Then.ECHO if self.options.echo else Then.STAY

    def behaviours(
        self, recorder: Recorder | None, *, hang_up: Callable[[Call], None] | None = None
    ) -> list[Behaviour]:
        """What is done in one call; recording comes first, so that a frame is recorded before it is answered."""
        options = self.options
        result: list[Behaviour] = []
        if recorder is not None:
            result.append(self.new_record(recorder))
        if self.files or self.keys:
            result.append(
                Play(
                    self.files,
                    loop=options.loop,
                    pace_ns=round(options.pace_ms * MS),
                    lead_ns=options.lead_ms * MS,
                    then=self.then,
                    on_dtmf=self.keys,
                    barge_in=options.barge_in,
                    echo_delay_ms=options.delay_ms,
                    hang_up=hang_up,
                )
            )
        elif options.echo:
            result.append(Echo(delay_ms=options.delay_ms, barge_in=options.barge_in))
        return result

    def new_record(self, recorder: Recorder, queued_frames: int = 0) -> Record:
        """A recording as the options want it; see ``Record``."""
        options = self.options
        return Record(
            recorder.open,
            stereo=options.stereo,
            split=options.split,
            hangover_ms=options.hangover_ms,
            queued_frames=queued_frames,
        )

    @property
    def descriptors(self) -> int:
        """How many files and sockets a call needs."""
        return 1 if self.recording is None else 2

    def make_server(self, make_behaviours: MakeBehaviours, **more: Any) -> VsockServer:
        """The server, as it is in each process; ``more`` is what differs between them."""
        return VsockServer(self.config, make_behaviours, behaviour_names=self.behaviour_names, **more)

    def make_display(self, clock: SystemClock) -> Display:
        """What shows its events."""
        options = self.options
        return make_display(
            json=options.as_json,
            quiet=options.quiet,
            verbose=options.verbose,
            stats=options.stats,
            stream=sys.stderr if options.record == STDOUT else sys.stdout,
            clock=clock,
            people=sys.stderr,
        )


def tls_of(options: ServeOptions) -> ServerTls | None:
    """The certificate to show; the key's password stands in the environment, where no list of processes shows it."""
    if options.tls_cert is None:
        return None
    key = None if options.tls_key is None else Path(options.tls_key)
    return ServerTls(cert=Path(options.tls_cert), key=key, password=os.environ.get(PASSWORD_VARIABLE))


def check_tls(config: ServerConfig) -> None:
    """
    Find out before anything starts what is wrong with a certificate.

    Raises:
        UsageError: it can't be used, or the engine that was asked for has no TLS.
    """
    if config.tls is not None:
        uses_direct(Engine(config.engine), tls=True)
        config.tls.context(wall_ns=SystemClock().wall_ns())


def open_playable(name: str) -> OpenSource:
    """
    A file to play; ``-`` is standard input, read to its end first.

    Raises:
        AudioFileError: it can't be played.
    """
    if name != STDIN:
        return AudioFile(Path(name))
    if sys.stdin is None:
        raise UsageError("there is nothing to play from standard input, which is closed; name a file instead")
    # Until the event loop takes over, a SIGTERM would leave behind what was read so far.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return spool(sys.stdin.buffer)


def read_ncco_file(path: str, *, option_name: str) -> Ncco:
    """
    An NCCO from a file.

    Raises:
        UsageError: the file can't be read, or isn't an NCCO.
    """
    raw = read_file(path, option_name=option_name)
    try:
        value = jsontext.loads(raw)
    except ValueError as error:
        raise UsageError(f"{option_name} {path} isn't JSON: {error}") from error
    try:
        return read_ncco(value)
    except ValueError as error:
        raise UsageError(f"{option_name} {path}: the NCCO {error}") from error
