"""The echo, called as Vonage would."""

from __future__ import annotations

from pathlib import Path

from vonage_sock.testing import ServerMaker, VonageCaller

from server import echo

SCENARIO = Path(__file__).parent.parent / "scenarios" / "echo.yaml"


async def test_callers_hear_themselves(vonage_call: VonageCaller, vonage_server: ServerMaker) -> None:
    """Each frame comes back as it was said, and soon."""
    server = await vonage_server(echo)

    report = await vonage_call(server.addresses.answer_url, audio="noise", duration_s=1)

    assert report.echo is not None
    assert report.echo.frames > 40
    assert report.echo.p50_ms < 100
    assert not [found for found in report.findings if found.level == "error"]


async def test_the_scenario_passes(vonage_call: VonageCaller, vonage_server: ServerMaker) -> None:
    """What ``make scenario`` plays."""
    server = await vonage_server(echo)

    report = await vonage_call(server.addresses.answer_url, scenario=SCENARIO)

    assert report.passed, report.failures
