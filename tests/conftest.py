"""What holds for all tests."""

import os

import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("vsock", deadline=None)
settings.load_profile("vsock")


@pytest.fixture(scope="session", autouse=True)
def state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What programs keep between runs is not kept among what belongs to whoever runs the tests."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What a busy machine kept from being judged, where everybody sees it."""
    reports = [item for items in terminalreporter.stats.values() for item in items]
    properties = [pair for item in reports for pair in getattr(item, "user_properties", ())]
    lines = [str(value) for name, value in properties if name == "not judged"]
    if lines:
        terminalreporter.section("not judged", yellow=True)
    for line in lines:
        terminalreporter.line(line)
