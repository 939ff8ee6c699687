"""Calls over https and wss, on the one port, with a server's own certificate."""

from __future__ import annotations

import asyncio
import pickle
import ssl
from pathlib import Path

import pytest
import trustme
from wire import Seen, serving

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.events import Ended, ServerStarted
from vonage_sock.clock import MS
from vonage_sock.errors import ConnectError, UsageError
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.vonage import VonageCall
from vonage_sock.testing import PcmSource
from vonage_sock.transport.tls import ServerTls

PCM = bytes(range(256)) * 25
PLAN = LegPlan(audio_format=AudioFormat(16000), headers={}, duration_ns=200 * MS)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[ServerTls, Path]:
    """A certificate for this machine, and that of who signed it."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "cert.pem")
    return ServerTls(cert=folder / "cert.pem"), folder / "ca.pem"


async def call(target: str, ca: Path | None) -> dict[str, object]:
    """The report of a call of ten frames."""
    async with asyncio.timeout(20):
        phone = VonageCall(CallOrder(target=target, audio=lambda fmt: PcmSource(PCM, fmt), plan=PLAN, ca=ca))
        return await phone.run()


async def test_a_call_is_made_by_its_answer_url_and_by_its_socket(files: tuple[ServerTls, Path]) -> None:
    """The NCCO leads to wss; events are posted by https."""
    tls, ca = files
    seen = Seen()
    async with serving(lambda: [Echo()], seen, tls=tls, engine="auto") as server:
        addresses = server.addresses
        reports = [await call(url, ca) for url in (addresses.answer_url, addresses.socket_url)]

    assert f"https://127.0.0.1:{server.port}" == addresses.base_url
    assert f"wss://127.0.0.1:{server.port}/socket" == addresses.socket_url
    assert [(10, 10)] * 2 == [(report["frames_sent"], report["frames_received"]) for report in reports]
    assert [[], []] == [report["findings"] for report in reports]
    assert [1000, 1000] == [event.close_code for event in seen.all(Ended)]


async def test_a_client_that_does_not_know_who_signed_it_is_told_what_to_do(files: tuple[ServerTls, Path]) -> None:
    """By the socket and by the answer URL."""
    tls, _ = files
    sentences = []
    async with serving(list, tls=tls, engine="auto") as server:
        for url in (server.addresses.answer_url, server.addresses.socket_url):
            with pytest.raises(ConnectError) as error:
                await call(url, None)
            sentences.append(str(error.value))

    cure = "if the server is yours, name the certificate of who signed its own with --ca FILE"
    assert [True, True] == [cure in sentence for sentence in sentences]


@pytest.mark.parametrize("names", [("localhost",), ("127.0.0.1",), ("::1", "localhost", "127.0.0.1")])
async def test_what_is_shown_to_try_it_with_works_as_it_stands(names: tuple[str, ...], tmp_path: Path) -> None:
    """The server's own certificate is trusted, by a name that it is for."""
    path = tmp_path / "cert.pem"
    trustme.CA().issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(path)
    seen = Seen()
    async with serving(lambda: [Echo()], seen, tls=ServerTls(cert=path), engine="auto") as server:
        option, ca, url = seen.all(ServerStarted)[0].try_with
        report = await call(url, Path(ca))
        port = server.port

    assert ("--ca", f"https://{'127.0.0.1' if '127.0.0.1' in names else 'localhost'}:{port}/webhooks/answer") == (
        option,
        url,
    )
    assert (10, []) == (report["frames_received"], report["findings"])


async def test_tls_older_than_1_2_is_not_spoken(files: tuple[ServerTls, Path]) -> None:
    """However much a client wants it."""
    tls, ca = files
    old = ssl.create_default_context(cafile=ca)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    async with serving(list, tls=tls, engine="auto") as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", server.port, ssl=old)

    assert ssl.TLSVersion.TLSv1_2 > old.maximum_version


async def test_the_engine_that_reads_sockets_itself_has_no_tls(files: tuple[ServerTls, Path]) -> None:
    """Who asks for both is told to leave one away."""
    tls, _ = files
    with pytest.raises(UsageError, match="--engine direct reads the sockets itself and knows no TLS; leave it away"):
        await serving(list, tls=tls, engine="direct").start()


def test_what_is_known_of_a_certificate_can_be_given_to_a_worker(files: tuple[ServerTls, Path]) -> None:
    """Each process reads the files itself."""
    assert files[0] == pickle.loads(pickle.dumps(files[0]))
