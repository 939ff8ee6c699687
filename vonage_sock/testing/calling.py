"""Calls to any server as Vonage would make them, with a Voice REST API beside them where one is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vonage_sock.audio.source import OpenSource
from vonage_sock.call.events import ApiRequested, Event
from vonage_sock.clock import SystemClock
from vonage_sock.errors import ConnectError, UsageError, VsockError
from vonage_sock.simulator.api.beside import RestApi
from vonage_sock.simulator.api.certificate import tls_context
from vonage_sock.simulator.api.tokens import TokenCheck
from vonage_sock.simulator.caller import CLIP, open_audio
from vonage_sock.simulator.leg.plan import Platform
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.scenario.model import Scenario
from vonage_sock.simulator.scenario.preparing import prepare_run
from vonage_sock.simulator.telling import CALL_ID
from vonage_sock.simulator.vonage import MakeCall, VonageCall
from vonage_sock.testing.plans import DEFAULT_RATE_HZ, plan_of, said_of
from vonage_sock.testing.reports import CallReport, fill_in
from vonage_sock.testing.scenarios import judge
from vonage_sock.testing.wire import HeardPcm


class VonageCaller:
    """
    Calls servers, in any language and anywhere, as Vonage would. Await it for a call's report.

    ``calls`` keeps the calls, the one under way or failed included, for whoever wants to show their ladders.
    """

    def __init__(self) -> None:
        self.calls: list[CallReport] = []
        self._api: VoiceApi | None = None

    async def __call__(
        self,
        url: str,
        *,
        say: str | None = None,
        audio: str | Path | OpenSource | None = None,
        pcm: bytes | None = None,
        press: str = "",
        duration_s: float | None = None,
        rate_hz: int | None = None,
        headers: Mapping[str, object] | None = None,
        strict: bool = False,
        platform: str = "current",
        scenario: str | Path | Scenario | None = None,
        **order: Any,
    ) -> CallReport:
        """
        Make one call, in real time, and wait for its end.

        Args:
            url: a socket (``ws://``, ``wss://``) or an answer URL (``http://``, ``https://``).
            say: what the caller says, spoken by espeak-ng.
            audio: a file, or what ``vsock call --audio`` takes (``tone:440``, ``noise``, ``silence``); the shipped clip of
                5.4 s when none of ``say``, ``audio`` and ``pcm`` is given.
            pcm: 16-bit PCM of the call's rate.
            press: keys, as ``--dtmf`` takes them: ``1,w2,34#``.
            duration_s: hang up then; None ends the call a second after all has been said and heard.
            rate_hz, headers: for a socket, 16,000 Hz when None; an NCCO's own take their place.
            strict: drop the connection on a frame of the wrong size, as Vonage does.
            platform: ``current`` or ``2021``.
            scenario: a file that says what the caller does, in place of ``say``, ``audio``, ``pcm``, ``press`` and
                ``duration_s``, and what is expected: see the report's ``passed``, ``failures`` and ``expectations``.
            order: other fields of ``CallOrder``: ``from_number``, ``method``, ``signature_secret`` and so on.

        Raises:
            ConnectError: the target can't be reached or refuses.
            UsageError: an argument can't be used.
            AudioFileError: the file can't be played.
        """
        __tracebackhide__ = True
        report = CallReport(target=url)
        self.calls.append(report)
        if scenario is not None and (press or any(given is not None for given in (say, audio, pcm, duration_s))):
            raise UsageError("the scenario says what the caller does; leave say, audio, pcm, press and duration_s out")
        plan = plan_of(press, duration_s, rate_hz or DEFAULT_RATE_HZ, headers or {}, platform, strict=strict)
        said = await asyncio.to_thread(said_of, say=say, audio=audio, pcm=pcm, seconds=duration_s)
        call_order = CallOrder(target=url, audio=said, plan=plan, **order)
        settings: dict[str, Any] = {}
        if self._api is not None:
            call_order = replace(call_order, region_url=self._api.url)
            settings = {"call_id": self._api.server.exchange.next_id(), "book": self._api.server.book}
        try:
            if scenario is None:
                await self._run(report, call_order, **settings)
            else:
                given = {*order, *(() if rate_hz is None else ("rate",))}
                await _run_scenario(report, scenario, call_order, given, settings)
        except VsockError as error:
            # The sentence says it all; how it came about within the libraries is pages of nothing to a test.
            raise error.with_traceback(None) from None
        return report

    @contextlib.asynccontextmanager
    async def api(
        self,
        *,
        public_key: bytes | None = None,
        application_id: str | None = None,
        tls: Path | None = None,
        port: int = 0,
        **order: Any,
    ) -> AsyncIterator[VoiceApi]:
        """
        Answer ``/v1/calls`` on this machine while the block lasts, for this caller's calls and for those that are ordered.

        Args:
            public_key: checks the signatures of tokens: the application's key, as PEM.
            application_id: takes only this application's tokens.
            tls: speaks https with the certificate and key in this file, which is made where there is none.
            order: fields of ``CallOrder`` for the calls that are ordered: ``connect_outcomes``, ``fast`` and so on.

        Raises:
            UsageError: the key or the certificate can't be used.
        """
        clock = SystemClock()
        template = CallOrder(
            target="http://127.0.0.1:9/",
            audio=order.pop("audio", None) or open_audio(CLIP),
            plan=plan_of("", None, 16000, {}, Platform.CURRENT.value, strict=False),
            **order,
        )
        api = VoiceApi()
        api.server = RestApi(
            template,
            functools.partial(self._make_ordered, api),
            tokens=TokenCheck(public_key=public_key, application_id=application_id),
            observer=api.observe,
            clock=clock,
            port=port,
            tls=None if tls is None else tls_context(tls, host="127.0.0.1", wall_ns=clock.wall_ns()),
        )
        await api.server.start()
        self._api = api
        try:
            yield api
        finally:
            self._api = None
            api.hang_up()
            await api.server.stop()

    async def _make_ordered(self, api: VoiceApi, call_id: str, order: CallOrder, answered: MakeCall) -> None:
        report = CallReport(target=order.target, events=[asked for asked in api.requests if asked.call == call_id])
        self.calls.append(report)
        api.calls.append(report)
        with contextlib.suppress(ConnectError):
            await self._run(report, order, call_id=call_id, book=api.server.book, answered=answered)

    async def _run(self, report: CallReport, order: CallOrder, *, call_id: str = CALL_ID, **settings: Any) -> None:
        sink = HeardPcm()
        phone = VonageCall(order, observers=[report.events.append], heard=sink, call_id=call_id, **settings)
        if self._api is not None:
            self._api.phones[call_id] = phone, report
        try:
            figures = await phone.run()
            phone.tell_report(figures)
            fill_in(report, figures)
        except VsockError as error:
            fill_in(report, phone.failure(error))
            raise
        finally:
            report.said_pcm, report.heard_pcm = bytes(sink.said), bytes(sink.heard)


async def _run_scenario(
    report: CallReport,
    scenario: str | Path | Scenario,
    order: CallOrder,
    given: Collection[str],
    settings: Mapping[str, Any],
) -> None:
    sink = HeardPcm()
    try:
        run = await prepare_run(
            scenario, order, given=given, observers=[report.events.append], heard=sink, settings=settings
        )
        outcome = await run.run()
    finally:
        report.said_pcm, report.heard_pcm = bytes(sink.said), bytes(sink.heard)
    judge(report, outcome)
    if outcome.error is not None:
        raise outcome.error


class VoiceApi:
    """
    A Voice REST API that runs; ``VonageCaller.api`` makes one.

    ``calls`` are the reports of the calls that were ordered, ``requests`` what it was asked for.
    """

    server: RestApi

    def __init__(self) -> None:
        self.calls: list[CallReport] = []
        self.requests: list[ApiRequested] = []
        self.phones: dict[str, tuple[VonageCall, CallReport]] = {}

    @property
    def url(self) -> str:
        """Its address: ``http://127.0.0.1:40123``."""
        return self.server.url

    @property
    def host(self) -> str:
        """The same without its scheme, as the Python SDK wants it (``HttpClientOptions(api_host=…)``)."""
        return self.url.partition("://")[2]

    async def idle(self) -> None:
        """Wait until every call that was ordered is over."""
        await self.server.exchange.idle()

    def observe(self, event: Event) -> None:
        """Keep what is asked for, with the call that it is about."""
        if isinstance(event, ApiRequested):
            self.requests.append(event)
        if event.call in self.phones:
            self.phones[event.call][1].events.append(event)

    def hang_up(self) -> None:
        """End all calls."""
        for phone, _ in self.phones.values():
            phone.hang_up()
