"""
What a webhook's answer says of its server: a tunnel's page, a redirect, its status, its time, its clock, its NCCO.

Values in, checks out. Source: Vonage webhook reference, and Application API, ``socket_timeout`` (5 s for answers, 10 s for
events).
"""

from __future__ import annotations

import email.utils
from datetime import UTC
from typing import Final
from urllib.parse import urljoin, urlsplit

from vonage_sock.call.findings import CATALOGUE, Level
from vonage_sock.clock import SECOND
from vonage_sock.doctor.addresses import same_address
from vonage_sock.doctor.checks import Check, fault, fine, skipped
from vonage_sock.protocol.ncco import Ncco
from vonage_sock.protocol.ncco_lint import Problem, lint_event_reply
from vonage_sock.simulator.webhooks.web import ANSWER_TIMEOUT_S, EVENT_TIMEOUT_S, Answer
from vonage_sock.tunnels.pages import recognise

PAGE: Final = "tunnel page"
REDIRECT: Final = "redirects"
STATUS: Final = "HTTP"
TIME: Final = "answer time"
CLOCK: Final = "clock"
NCCO: Final = "NCCO"
EVENT: Final = "event URL"

GOOD_ANSWER_MS: Final = 1_000
GOOD_EVENT_MS: Final = 3_000
SKEW_S: Final = 30
"""Tokens say when they were made; the limits of those who read them begin at about this."""

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
ABOUT_REACH: Final = frozenset({"VS413", "VS502"})
"""What the NCCO's address of the socket is judged by elsewhere, where it is known who asks."""

SHOWN_ACTIONS: Final = 10
NO_PAGE: Final = "none of ngrok's, Cloudflare's or others stands in the server's place"

_CURES: Final = {
    400: "look in the server's log at what it doesn't understand of Vonage's parameters",
    401: "it wants something: where it checks signatures give --signature-secret, else let it take requests without a login",
    403: "let it take requests of everybody, or check their signature; look for a firewall or an Origin rule",
    404: "name the answer URL with its whole path, or let the server answer there",
    405: "let it answer this method too, or ask by the other with --method",
    421: "the server wants another host: start vsock serve with --url and this address",
    429: "let it take more requests",
    500: "look at the traceback in the server's log",
    502: "the proxy is there and the server behind it isn't: start it, or correct the proxy's port",
    503: "the server takes no calls now: see whether it is still starting, or full",
    504: "the proxy is there and the server behind it doesn't answer it",
}


def judge_answer(answer: Answer, *, url: str, method: str, assumed: bool) -> list[Check]:
    """
    All that can be seen before the body is read.

    Args:
        assumed: the path of ``url`` is only the usual one.
    """
    checks = _page_and_redirect(answer, url)
    if checks[-1].cures:
        return checks
    cure = _CURES.get(answer.status, "let it answer 200 with an NCCO")
    if assumed and answer.status in {404, 405}:
        cure = f"only a base address was given, and its usual path tried: {_CURES[404]}"
    if answer.status != 200:
        return [*checks, fault(STATUS, f"{method} gives {answer.status} in place of 200", cure)]
    kind = answer.content_type
    if kind != "application/json":
        rule = CATALOGUE["VS403"]
        checks.append(
            fine(STATUS, f"{method} gives 200, as {kind[:60]}", f"VS403: {rule.message.format(content_type=kind[:60])}")
        )
    else:
        checks.append(fine(STATUS, f"{method} gives 200, as {kind}"))
    return [*checks, judge_time(TIME, answer.took_ms, good_ms=GOOD_ANSWER_MS, limit_s=ANSWER_TIMEOUT_S)]


def judge_time(name: str, took_ms: int, *, good_ms: int, limit_s: float) -> Check:
    """It came while the platform waits."""
    said = f"{took_ms} ms; Vonage waits {limit_s:g} s"
    if took_ms > limit_s * 1000:
        return fault(name, said, "answer at once, and do the work when the socket connects")
    if took_ms > good_ms:
        return fine(
            name, said, f"over {good_ms / 1000:g} s: the caller hears nothing meanwhile; answer at once and work later"
        )
    return fine(name, said)


def judge_clock(date: str | None, *, whose: str, wall_ns: int) -> Check:
    """
    A clock agrees with ours.

    Args:
        date: the ``Date`` header of an answer.
        whose: whose answer it was.
        wall_ns: our time when it came, in Unix nanoseconds.
    """
    try:
        told = email.utils.parsedate_to_datetime(date or "")
        # A date without a zone is said to be UTC's (RFC 9110, section 5.6.7).
        told_s = (told if told.tzinfo is not None else told.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return skipped(CLOCK, f"{whose} doesn't tell the time (no Date in its answer)")
    ahead_s = round(told_s - wall_ns / SECOND)
    if abs(ahead_s) <= SKEW_S:
        return fine(CLOCK, f"within {max(1, abs(ahead_s))} s of that of {whose}")
    return fault(
        CLOCK,
        f"this machine's is {_span(abs(ahead_s))} {'behind' if ahead_s > 0 else 'ahead of'} that of {whose}",
        "set the clock (timedatectl set-ntp true): tokens and signatures that were made at another time are refused",
    )


def judge_page(answer: Answer) -> Check:
    """The server itself answered, and not the tunnel in front of it."""
    page = recognise(answer.status, answer.headers, answer.body)
    return fine(PAGE, NO_PAGE) if page is None else fault(PAGE, page.what, page.cure)


def judge_ncco(ncco: Ncco, problems: list[Problem]) -> list[Check]:
    """Each error of an NCCO is a fault; what else could be better is advice."""
    problems = [problem for problem in problems if problem.code not in ABOUT_REACH]
    if faults := _errors(problems):
        return faults
    names = ", ".join(str(action["action"])[:40] for action in ncco[:SHOWN_ACTIONS])
    more = f" and {len(ncco) - SHOWN_ACTIONS} more" if len(ncco) > SHOWN_ACTIONS else ""
    warnings = [problem for problem in problems if CATALOGUE[problem.code].level is Level.WARNING]
    advice = [f"{_told(problem)}. {CATALOGUE[problem.code].cure}" for problem in warnings]
    return [fine(NCCO, f"{names}{more}; no error in it", *advice)]


def judge_no_ncco(problems: list[Problem], reason: str) -> list[Check]:
    """The NCCO can't be carried out; ``reason`` is half a sentence that says why, to stand behind "the NCCO"."""
    return _errors(problems) or [fault(NCCO, f"the NCCO {reason}", CATALOGUE["VS402"].cure)]


def _errors(problems: list[Problem]) -> list[Check]:
    return [
        fault(NCCO, _told(problem), CATALOGUE[problem.code].cure)
        for problem in problems
        if CATALOGUE[problem.code].level is Level.ERROR
    ]


def judge_event(answer: Answer, *, url: str, method: str, status: str, synchronous: bool) -> list[Check]:
    """How an event was taken; ``status`` is the event's."""
    checks = [check for check in _page_and_redirect(answer, url) if check.cures]
    if checks:
        return checks
    if not 200 <= answer.status <= 205:
        cure = _CURES.get(answer.status, "answer 204 first and work afterwards")
        if answer.status == 404:
            cure = "name the event URL in the NCCO (eventUrl) or with --event-url, and let the server take POST there"
        return [fault(EVENT, f"{method} gives {answer.status} to {status}; 200 to 205 is expected", cure)]
    late = judge_time(EVENT, answer.took_ms, good_ms=GOOD_EVENT_MS, limit_s=EVENT_TIMEOUT_S)
    body = answer.body if answer.status == 200 else b""
    problem = lint_event_reply(status, body, synchronous=synchronous)
    advice = late.cures if problem is None else (*late.cures, f"{_told(problem)}. {CATALOGUE[problem.code].cure}")
    return [Check(EVENT, late.result, f"{method} gives {answer.status} to {status} in {late.message}", advice)]


def _page_and_redirect(answer: Answer, url: str) -> list[Check]:
    """A fault at the end, or two checks that are fine."""
    page = judge_page(answer)
    checks = [page]
    if page.cures:
        return checks
    if answer.status in REDIRECTS:
        where = answer.headers.get("Location", "")[:200]
        said = f"HTTP {answer.status} to {where or 'nowhere'}; Vonage takes no answer but the first"
        return [*checks, fault(REDIRECT, said, _no_redirect(url, where))]
    return [*checks, fine(REDIRECT, "none")]


def _no_redirect(url: str, where: str) -> str:
    try:
        whole = urljoin(url, where)
        told, asked = urlsplit(whole), urlsplit(url)
        if any(word in f"{told.hostname}{told.path}".lower() for word in ("login", "signin", "oauth", "access")):
            return "it leads to a login: let requests for this path through without one"
        if told.path.rstrip("/") == asked.path.rstrip("/") or same_address(whole, url):
            return f"give the application the address that it leads to: {whole}"
    except (ValueError, KeyError):
        pass
    return "answer 200 at the address itself, or give the application the one that it leads to"


def _told(problem: Problem) -> str:
    rule = CATALOGUE[problem.code]
    return f"{problem.code} {problem.where}: {rule.message.format(**problem.numbers)}"


def _span(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
