"""Which display: JSON lines, plain lines or a live terminal. The parts that are heavy to import come only where needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

from vonage_sock.call.events import Event, Observer
from vonage_sock.clock import Clock
from vonage_sock.display.output import LinePainter, OutputThread, PromptPainter, Target

if TYPE_CHECKING:
    from vonage_sock.display.controls import Controls

LIVE_STATS_MS: Final = 200
SLOW_STATS_MS: Final = 1000


class Display(Protocol):
    """What the command line knows of a display. Everything but ``close`` returns at once, whatever the terminal does."""

    @property
    def wants_stats_ms(self) -> int | None:
        """How often it wants ``StatsUpdated``; None for never."""
        ...

    @property
    def shown_calls(self) -> tuple[str, ...] | None:
        """The calls whose statistics it shows now; None for all."""
        ...

    @property
    def broken(self) -> bool:
        """Nobody reads any more."""
        ...

    @property
    def fault(self) -> OSError | None:
        """Why nothing could be written (a full disk); None where a reader has just left."""
        ...

    @property
    def unshown(self) -> int:
        """How many lines weren't shown so far, because nobody took them."""
        ...

    def __call__(self, event: Event) -> None:
        """Show an event."""
        ...

    def tick(self, now: int) -> None:
        """Time has come to ``now`` (monotonic nanoseconds); to be called about every 100 ms."""
        ...

    def show_controls(self, controls: Controls | None) -> None:
        """Show what the keys stand at, where there is a terminal; None takes it away."""
        ...

    def pause(self, timeout_s: float) -> bool:
        """Leave the terminal as it was, and write nothing until ``resume``; False where that took too long."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...

    def close(self, timeout_s: float) -> bool:
        """Show what waits and leave the terminal as it was; False when the terminal is stuck: use ``os._exit`` then."""
        ...


def make_display(
    *,
    json: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    stats: bool = False,
    stream: TextIO | int | None,
    clock: Clock,
    env: Mapping[str, str] | None = None,
    simulated: bool = False,
    people: TextIO | int | None = None,
) -> Display:
    """
    The display for these options and this stream.

    Args:
        json: JSON lines, whatever the stream is.
        quiet: only warnings, errors and how calls ended.
        verbose: whole messages, headers and webhook bodies too.
        stats: where each call stands, once a second, for JSON and plain lines.
        stream: where to; its descriptor is duplicated and the stream itself left alone.
        env: ``os.environ`` when left out.
        simulated: we are the platform's end of the calls.
        people: where what is wrong is said to them, while JSON lines go to a program.
    """
    target = Target(stream)
    env = os.environ if env is None else env
    if json:
        return _make_json(target, clock, people, stats=stats)
    if quiet or not is_capable(target, env):
        return _make_plain(target, clock, quiet=quiet, verbose=verbose, stats=stats, simulated=simulated)
    return _make_live(target, clock, env, verbose=verbose, simulated=simulated)


def is_capable(target: Target, env: Mapping[str, str] | None = None) -> bool:
    """Whether it is a terminal that can do more than print."""
    env = os.environ if env is None else env
    return target.isatty() and env.get("TERM", "dumb") not in {"dumb", "unknown", ""}


class _Threaded:
    """An observer, what it does when time goes by, and the thread that writes for it."""

    def __init__(
        self,
        observer: Observer,
        tick: Callable[[int], None],
        output: OutputThread[Any],
        *,
        wants_stats_ms: int | None,
        shown_calls: Callable[[], tuple[str, ...] | None] = lambda: None,
        show_controls: Callable[[Controls | None], None] = lambda _controls: None,
        beside: OutputThread[str] | None = None,
    ) -> None:
        self._observer = observer
        self._tick = tick
        self._output = output
        self._wants_stats_ms = wants_stats_ms
        self._shown_calls = shown_calls
        self._show_controls = show_controls
        self._beside = beside

    @property
    def wants_stats_ms(self) -> int | None:
        return self._wants_stats_ms

    @property
    def shown_calls(self) -> tuple[str, ...] | None:
        return self._shown_calls()

    @property
    def broken(self) -> bool:
        return self._output.broken

    @property
    def fault(self) -> OSError | None:
        return self._output.fault

    @property
    def unshown(self) -> int:
        return self._output.unshown

    def __call__(self, event: Event) -> None:
        self._observer(event)

    def tick(self, now: int) -> None:
        self._tick(now)

    def show_controls(self, controls: Controls | None) -> None:
        self._show_controls(controls)

    def pause(self, timeout_s: float) -> bool:
        return self._output.pause(timeout_s)

    def resume(self) -> None:
        self._output.resume()

    def close(self, timeout_s: float) -> bool:
        shown = self._output.close(timeout_s)
        return shown if self._beside is None else self._beside.close(timeout_s) and shown


def _make_json(target: Target, clock: Clock, people: TextIO | int | None, *, stats: bool) -> Display:
    from vonage_sock.display import jsonlines  # noqa: PLC0415

    started_at = clock.now()
    painter = jsonlines.JsonPainter(target, clock, started_at=started_at)
    output = OutputThread(target, painter, limit=jsonlines.LIMIT)
    wants_stats_ms = SLOW_STATS_MS if stats else None
    beside: OutputThread[str] | None = None
    if people is not None:
        to_people = Target(people)
        beside = OutputThread(to_people, LinePainter(to_people))
    observer = jsonlines.JsonLines(output, clock, stats=stats, started_at=started_at, people=beside)
    return _Threaded(observer, lambda _now: None, output, wants_stats_ms=wants_stats_ms, beside=beside)


def _make_plain(target: Target, clock: Clock, *, quiet: bool, verbose: bool, stats: bool, simulated: bool) -> Display:
    from vonage_sock.display import model, plain  # noqa: PLC0415

    ascii_only = not target.encoding.lower().startswith("utf")
    painter = PromptPainter(target)
    output = OutputThread(target, painter)
    observer = plain.Plain(
        output,
        model.Screen(verbose=verbose, simulated=simulated),
        plain.wall_clock(clock),
        quiet=quiet,
        stats=stats,
        ascii_only=ascii_only,
        summed_up=simulated,
    )

    def show_controls(controls: Controls | None) -> None:
        painter.prompt = plain.prompt_of(controls, ascii_only=ascii_only)
        output.wake()

    return _Threaded(
        observer,
        observer.tick,
        output,
        wants_stats_ms=SLOW_STATS_MS if stats else None,
        show_controls=show_controls,
    )


def _make_live(target: Target, clock: Clock, env: Mapping[str, str], *, verbose: bool, simulated: bool) -> Display:
    from vonage_sock.display import live, model, plain  # noqa: PLC0415

    painter = live.LivePainter(target, plain.wall_clock(clock), env)
    output = OutputThread(target, painter)
    observer = live.LiveDisplay(output, painter, model.Screen(verbose=verbose, simulated=simulated))
    return _Threaded(
        observer,
        observer.tick,
        output,
        wants_stats_ms=LIVE_STATS_MS,
        shown_calls=observer.shown_calls,
        show_controls=observer.show_controls,
    )
