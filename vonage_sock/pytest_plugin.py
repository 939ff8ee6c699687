"""
The pytest plugin: ``vonage_call`` and ``vonage_server``.

pytest loads it into every run of whoever has installed the package. Rule: nothing is imported here but pytest and the
standard library; what a fixture needs is imported when a test first asks for it. Hooks are written in the form that every
pytest in use knows.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import pluggy

    from vonage_sock.testing import ServerMaker, VonageCaller

PLAIN_WIDTH = 100
WIDTHS = range(60, 121)

_CALLER = pytest.StashKey["VonageCaller"]()
_MAKER = pytest.StashKey["ServerMaker"]()


@pytest.fixture
def vonage_call(request: pytest.FixtureRequest) -> VonageCaller:
    """
    Calls any server as Vonage would; a test that fails shows the ladders of its calls.

    ``report = await vonage_call("ws://127.0.0.1:5000/ws", say="hello", press="1#")``; see ``VonageCaller`` for more.
    """
    from vonage_sock.testing import VonageCaller  # noqa: PLC0415  (see the rule above)

    caller = request.node.stash[_CALLER] = VonageCaller()
    return caller


@pytest.fixture
def vonage_server(request: pytest.FixtureRequest) -> Generator[ServerMaker]:
    """
    Starts servers of ours on free ports, which stop with the test.

    ``server = await vonage_server(bot)``; it takes what ``Server`` takes.
    """
    from vonage_sock.testing import ServerMaker  # noqa: PLC0415  (see the rule above)

    maker = request.node.stash[_MAKER] = ServerMaker()
    yield maker
    maker.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """
    Stop a coroutine's servers when it ends, on its own loop.

    Some plugins close the loop before plain fixtures are torn down, and not all of them wait for its tasks.
    """
    maker = item.stash.get(_MAKER, None)
    test = getattr(item, "obj", None)
    if maker is None or not isinstance(item, pytest.Function) or not inspect.iscoroutinefunction(test):
        yield
        return

    @functools.wraps(test)
    async def test_and_stop(*args: object, **kwargs: object) -> None:
        try:
            await test(*args, **kwargs)
        finally:
            await maker.aclose()

    item.obj = test_and_stop
    yield
    item.obj = test


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pluggy.Result[pytest.TestReport]]:
    """The ladder of each call in a test that failed, and below it what was expected and didn't come true."""
    outcome = yield
    caller = item.stash.get(_CALLER, None)
    report = outcome.get_result()
    if caller is None or report.when == "teardown" or not report.failed:
        return
    width, ascii_only = _terminal(item.config)
    for number, call in enumerate(caller.calls, 1):
        title = f"Vonage call {number}: {call.target!r}"
        told = call.ladder(width, ascii_only=ascii_only)
        if unmet := call.unmet():
            told = f"{told}\n\n{unmet}"
        report.sections.append((title, told))


def _terminal(config: pytest.Config) -> tuple[int, bool]:
    """How wide it is, and whether it shows ASCII only."""
    if not config.pluginmanager.has_plugin("terminalreporter"):
        return PLAIN_WIDTH, False
    writer = config.get_terminal_writer()
    width = min(max(writer.fullwidth, WIDTHS[0]), WIDTHS[-1])
    encoding = getattr(getattr(writer, "_file", None), "encoding", None) or "utf-8"
    try:
        "\u2502 \u2192 \u2190 \u00d7 \u00b7 \u2026".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return width, True
    return width, False
