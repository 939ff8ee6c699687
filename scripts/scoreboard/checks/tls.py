"""Certificates, good and bad, at both ends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from rows import Row
from running import Bench

NAME: Final = "tls"
PROMISE: Final = "https and wss on the one port; each of 9 bad certificates or keys is 1 sentence and exit code 2 or 7"
QUICK: Final = False
ALONE: Final = False

LONG_AGO: Final = dt.datetime(2001, 2, 3, tzinfo=dt.UTC)
FAR_AWAY: Final = dt.datetime(2095, 2, 3, tzinfo=dt.UTC)


def run(bench: Bench) -> Iterator[Row]:
    """A call each way; then what must not work."""
    folder = bench.folder()
    made(folder)
    yield from calls(bench, folder)
    yield from refusals(bench, folder)


def made(folder: Path) -> None:
    """An authority and its certificates."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    names = "localhost", "127.0.0.1"
    kinds = {
        "good": authority.issue_cert(*names),
        "other": authority.issue_cert("example.org"),
        "old": authority.issue_cert(*names, not_after=LONG_AGO),
        "early": authority.issue_cert(*names, not_before=FAR_AWAY, not_after=FAR_AWAY),
    }
    for name, leaf in kinds.items():
        leaf.private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")
        leaf.private_key_pem.write_to_path(folder / f"{name}-key.pem")
    kinds["good"].cert_chain_pems[0].write_to_path(folder / "bare.pem")
    key = load_pem_private_key(kinds["good"].private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a word"))
    (folder / "locked-key.pem").write_bytes(locked)


def calls(bench: Bench, folder: Path) -> Iterator[Row]:
    """By the answer URL and by the socket, with one process and with two."""
    for workers in ("1", "2"):
        with bench.server("serve", "--echo", "--tls-cert", str(folder / "good.pem"), "--workers", workers) as server:
            for url in (server.started["answer_url"], server.started["socket_url"]):
                done = call(bench, url, folder / "ca.pem")
                scheme = url.split(":", 1)[0]
                told = f"exit code {done}"
                yield Row(
                    f"{scheme}, --workers {workers}", "exit code 0", told, ok=done == 0 and scheme in ("https", "wss")
                )


def call(bench: Bench, url: str, ca: Path) -> int:
    """The exit code of a short call."""
    words = "call", url, "--audio", "tone:440", "--duration", "0.4", "-q", "--ca", str(ca)
    return bench.run(*words).returncode


def refusals(bench: Bench, folder: Path) -> Iterator[Row]:
    """What is said of each."""
    cases: dict[str, tuple[Sequence[str], str]] = {
        "expired": (("--tls-cert", "old.pem"), "expired on 2001-02-03"),
        "not valid yet": (("--tls-cert", "early.pem"), "isn't valid before 2095-02-03"),
        "another's key": (("--tls-cert", "bare.pem", "--tls-key", "other-key.pem"), "another certificate's key"),
        "an encrypted key": (("--tls-cert", "bare.pem", "--tls-key", "locked-key.pem"), "the key is encrypted"),
        "no key": (("--tls-cert", "bare.pem"), "--tls-key"),
        "missing": (("--tls-cert", "none.pem"), "No such file"),
        "with --engine direct": (("--tls-cert", "good.pem", "--engine", "direct"), "knows no TLS"),
    }
    for name, (words, part) in cases.items():
        done = bench.run("serve", "--port", "0", *words, cwd=folder)
        yield refused(name, 2, done.returncode, done.stderr, part)
    with bench.server("serve", "--tls-cert", str(folder / "other.pem")) as server:
        for name, words, part in (
            ("nobody vouches", (), "--ca FILE"),
            ("another host's", ("--ca", str(folder / "ca.pem")), "a name that the certificate is for"),
        ):
            done = bench.run("call", server.started["socket_url"], *words)
            yield refused(name, 7, done.returncode, done.stderr, part)


def refused(name: str, wanted: int, code: int, said: str, part: str) -> Row:
    """Whether it was, in one sentence that says why."""
    lines = said.strip().splitlines()
    told = f"{len(lines)} {'sentence' if len(lines) == 1 else 'lines'}, exit code {code}"
    return Row(name, f"1 sentence, exit code {wanted}", told, ok=code == wanted and len(lines) == 1 and part in said)
