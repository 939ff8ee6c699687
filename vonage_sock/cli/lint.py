"""``vsock lint``."""

from __future__ import annotations

import asyncio
import sys
import uuid
from pathlib import Path
from typing import Any

import click

from vonage_sock.call.findings import CATALOGUE, Level
from vonage_sock.cli.help import SectionedCommand
from vonage_sock.cli.options import CA, JSON, ca_of, option, read_file
from vonage_sock.cli.printing import print_lines
from vonage_sock.display.jsonlines import dumps
from vonage_sock.display.safe import clean
from vonage_sock.errors import ConnectError, ExitCode, UsageError
from vonage_sock.protocol.ncco_lint import Problem, lint_text

MAX_LINE = 400
SLOW_ANSWER_MS = 1000

EXAMPLES = """\b
Examples:
  vsock lint ncco.json
  vsock lint http://127.0.0.1:8000/webhooks/answer
  my-program --print-ncco | vsock lint -
"""


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@click.argument("source", metavar="FILE|URL|-")
@option("--strict", is_flag=True, envvar="VSOCK_LINT_STRICT", help="Warnings fail too.")
@CA
@JSON
@click.pass_context
def lint(ctx: click.Context, source: str, *, strict: bool, as_json: bool, ca: str | None) -> None:
    """Check an NCCO: a file, an answer URL (asked by GET, as for a call), or - for standard input.

    Each problem is a line: code, level, where, and what. The exit code is 3 when one of them is an error, with --strict also
    when one is a warning, and 7 when the answer URL can't be reached.
    """
    code = ExitCode.OK
    try:
        problems = _problems(source, ca_of({"ca": ca}))
    except ConnectError as error:
        problems, code = [Problem("VS501", "answer URL", {"reason": str(error)})], ExitCode.CONNECT
    lines = [_as_json(problem) if as_json else _as_line(problem) for problem in problems]
    print_lines(lines if lines or as_json else ["nothing is wrong with this NCCO"])
    failing = {Level.ERROR, Level.WARNING} if strict else {Level.ERROR}
    if code is ExitCode.OK and any(CATALOGUE[problem.code].level in failing for problem in problems):
        code = ExitCode.PROTOCOL
    ctx.exit(code)


def _problems(source: str, ca: Path | None) -> list[Problem]:
    if source == "-":
        if sys.stdin is None:
            raise UsageError(
                "there is nothing to read from standard input, which is closed; name a file or a URL instead"
            )
        return lint_text(sys.stdin.buffer.read())
    if source.lower().startswith(("http://", "https://")):
        return asyncio.run(_fetch(source, ca))
    if "://" in source:
        raise UsageError(
            f"{source!r} isn't a web address; give an answer URL (http://127.0.0.1:8000/webhooks/answer), a file, or -"
        )
    try:
        return lint_text(read_file(source, option_name="lint"))
    except UsageError as error:
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        raise UsageError(
            f"{source} can't be read: {reason}; give a file that holds an NCCO, an answer URL (http://…), or -"
        ) from error


async def _fetch(url: str, ca: Path | None) -> list[Problem]:
    from vonage_sock.clock import SystemClock  # noqa: PLC0415  (a file needs no network)
    from vonage_sock.protocol.webhooks import Leg  # noqa: PLC0415
    from vonage_sock.simulator.webhooks.web import ANSWER_TIMEOUT_S, Webhooks  # noqa: PLC0415
    from vonage_sock.transport.tls import trusting  # noqa: PLC0415

    leg = Leg(
        uuid=str(uuid.uuid4()),
        conversation_uuid=f"CON-{uuid.uuid4()}",
        from_="447700900001",
        to="442079460000",
    )
    async with Webhooks(clock=SystemClock(), trust=trusting(ca)) as web:
        answer = await web.fetch_answer(url, leg.answer_params())
    if answer.status != 200:
        return [Problem("VS401", "answer URL", {"status": answer.status})]
    problems = []
    if answer.content_type != "application/json":
        problems.append(Problem("VS403", "answer URL", {"content_type": answer.content_type[:60]}))
    if answer.took_ms > SLOW_ANSWER_MS:
        limit_ms = round(ANSWER_TIMEOUT_S * 1000)
        problems.append(Problem("VS407", "answer URL", {"took_ms": answer.took_ms, "limit_ms": limit_ms}))
    return problems + lint_text(answer.body)


def _told(problem: Problem) -> dict[str, Any]:
    rule = CATALOGUE[problem.code]
    message = rule.message.format(**problem.numbers)
    return {"code": problem.code, "level": rule.level.value, "where": problem.where, "message": message}


def _as_json(problem: Problem) -> str:
    return dumps(_told(problem))


def _as_line(problem: Problem) -> str:
    told = _told(problem)
    return clean(f"{told['code']}  {told['level']:<7}  {told['where']}: {told['message']}", MAX_LINE)
