"""The page and its socket, with a call from Vonage at the other end."""

from __future__ import annotations

import asyncio
import json
import random
import re

import aiohttp
from vonage_sock import Server
from vonage_sock.testing import ServerMaker, VonageCaller

from server import CLOSE_WRONG_KEY, PAGE, Switchboard

SAID = random.Random(1).randbytes(32_000)
SPOKEN = random.Random(2).randbytes(16_000)


async def a_server(vonage_server: ServerMaker, board: Switchboard) -> Server:
    """With the page."""
    return await vonage_server(board.answer, routes=board.routes)


def listen_url(server: Server) -> str:
    """Of the page's socket."""
    return f"{server.addresses.base_url}/listen"


async def test_the_page_hears_the_caller_and_the_caller_the_page(
    vonage_call: VonageCaller, vonage_server: ServerMaker
) -> None:
    """Both ways bit for bit; keys and the end are told."""
    board = Switchboard()
    server = await a_server(vonage_server, board)
    heard, told = bytearray(), []  # of audio, and of messages
    async with aiohttp.ClientSession() as session, session.ws_connect(listen_url(server)) as page:
        await page.send_str(board.key)
        calling = asyncio.create_task(vonage_call(server.addresses.answer_url, pcm=SAID, press="5"))
        async for message in page:
            if message.type is aiohttp.WSMsgType.BINARY:
                if not heard:
                    await page.send_bytes(SPOKEN)
                heard += message.data
            else:
                told.append(json.loads(message.data))
                if len(heard) and not told[-1].get("calls", True):
                    break
        report = await calling

    assert SAID in heard
    assert SPOKEN in report.heard_pcm
    assert {"key": "5"} in told
    assert ["447700900001"] == [call["from"] for call in told[1]["calls"]]
    assert not [found for found in report.findings if found.level == "error"]


async def test_a_page_hangs_up(vonage_call: VonageCaller, vonage_server: ServerMaker) -> None:
    """The button closes the caller's socket."""
    board = Switchboard()
    server = await a_server(vonage_server, board)
    async with aiohttp.ClientSession() as session, session.ws_connect(listen_url(server)) as page:
        await page.send_str(board.key)
        calling = asyncio.create_task(vonage_call(server.addresses.answer_url, audio="silence", duration_s=10))
        async for message in page:
            if message.type is aiohttp.WSMsgType.BINARY:
                await page.send_json({"hang_up": True})
                break
        report = await calling

    assert report.closed_by == "server"


async def test_nobody_listens_without_the_key(vonage_server: ServerMaker) -> None:
    """Another word, or none, closes the socket."""
    server = await a_server(vonage_server, Switchboard())
    codes = []
    async with aiohttp.ClientSession() as session:
        for shown in ("", "guess"):
            async with session.ws_connect(listen_url(server)) as page:
                await page.send_str(shown)
                await page.receive()
                codes.append(page.close_code)

    assert [CLOSE_WRONG_KEY] * 2 == codes


async def test_the_page_has_all_that_it_names(vonage_server: ServerMaker) -> None:
    """Its script, its style and its audio, and nothing from elsewhere."""
    server = await a_server(vonage_server, Switchboard())
    async with aiohttp.ClientSession(server.addresses.base_url, raise_for_status=True) as session:
        async with session.get("/") as answer:
            page = await answer.text()
        names = re.findall(r'(?:src|href)="(page/[^"]+)"', page)
        texts = {}
        for name in [*names, "page/audio.js"]:
            async with session.get(f"/{name}") as answer:
                texts[name] = await answer.text()

    assert ["page/page.css", "page/page.js"] == names
    assert all((PAGE.parent / name).read_text() == text for name, text in texts.items())
    assert not re.search("https?://", page + "".join(texts.values()))
