"""``serve``, ``record`` and ``play`` as programs, called by our own Vonage and by nobody's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import websockets
from click.testing import CliRunner

from tests.cli.conftest import Vsock, heard_in, pcm_of
from vonage_sock.audio.wav import wav_header
from vonage_sock.cli import cli


async def test_a_call_is_told_in_json_lines_in_the_order_of_the_contract(vsock: Vsock, speech: Path) -> None:
    """With --json stdout holds one object a line, from server.started to server.stopped."""
    server = await vsock("serve", "--echo", "--record", "out.wav", "--port", 0, "--once", "--json")
    started = await server.event("server.started")

    caller = await vsock("call", started["answer_url"], "--audio", speech, "--dtmf", "1", "--json")
    code, output, errors = await server.end()
    events = [json.loads(line) for line in output.splitlines()]
    names = [event["event"] for event in events]

    assert (0, "") == (code, errors)
    assert {1} == {event["v"] for event in events}
    assert "server.started" == names[0]
    assert "server.stopped" == names[-1]
    assert {"webhook.answer", "webhook.event", "call.connected", "call.dtmf", "recording.saved", "call.ended"} < {
        *names
    }
    assert 0 == (await caller.end())[0]


def said_in(recorded: bytes, speech: Path) -> bytes:
    """A recording without the silence in which a caller waits for more."""
    size = len(pcm_of(speech))
    return recorded[: max(size, 1 + max((place for place, byte in enumerate(recorded) if byte), default=0))]


async def test_what_was_recorded_is_what_was_sent_to_the_last_sample(
    vsock: Vsock, speech: Path, tmp_path: Path
) -> None:
    """A recording is bit-exact."""
    server = await vsock("record", "out.wav", "--port", 0, "--once", "--json")
    started = await server.event("server.started")

    await (await vsock("call", started["socket_url"], "--audio", speech)).end()
    await server.end()

    assert pcm_of(speech) == said_in(pcm_of(tmp_path / "out.wav"), speech)


async def test_the_caller_hears_its_echo_and_reports_it(vsock: Vsock, speech: Path, tmp_path: Path) -> None:
    """call.report is the last line, every frame came back, and the file that was heard holds the audio."""
    server = await vsock("serve", "--echo", "--port", 0, "--json")
    started = await server.event("server.started")

    caller = await vsock("call", started["answer_url"], "--audio", speech, "--save", "heard.wav", "--json")
    code, output, _ = await caller.end()
    report = json.loads(output.splitlines()[-1])

    assert 0 == code
    assert "call.report" == report["event"]
    assert 50 == report["echo"]["frames"]
    assert 99 < report["frames_sent"] < 150  # a second of silence, in which nothing more came
    assert pcm_of(speech) == heard_in(tmp_path / "heard.wav")


async def test_a_file_of_another_kind_is_heard_as_the_reference_resampling(
    vsock: Vsock, tmp_path: Path, speech: Path
) -> None:
    """A 44.1 kHz stereo float file arrives whole, correlating with soxr's own result by more than 0.999."""
    time_s = np.arange(44100 * 2) / 44100
    left = 0.3 * np.sin(2 * np.pi * (300 + 400 * time_s) * time_s)
    right = 0.2 * np.sin(2 * np.pi * 150 * time_s * (1 + time_s))
    soundfile.write(tmp_path / "song.wav", np.stack([left, right], axis=1), 44100, subtype="FLOAT")
    server = await vsock("play", "song.wav", "--then", "hangup", "--port", 0, "--once", "--json")
    started = await server.event("server.started")

    caller = await vsock("call", started["socket_url"], "--audio", "silence", "--save", "heard.wav", "--json")
    await caller.end()
    reference = soxr.resample((left + right) / 2, 44100, 16000, quality="HQ")
    heard = np.frombuffer(heard_in(tmp_path / "heard.wav"), "<i2").astype(float)

    assert len(reference) == len(heard)
    assert 0.999 < np.corrcoef(heard, reference)[0, 1]


async def test_the_exit_code_of_once_tells_a_broken_protocol(vsock: Vsock) -> None:
    """A content type that can't be used is a finding of level error: exit code 3."""
    server = await vsock("serve", "--port", 0, "--once", "--json")
    started = await server.event("server.started")

    async with websockets.connect(started["socket_url"]) as socket:
        await socket.send('{"event":"websocket:connected","content-type":"audio/opus"}')

    assert 3 == (await server.end())[0]


async def test_ctrl_c_closes_calls_and_completes_files(vsock: Vsock, tmp_path: Path) -> None:
    """The first Ctrl-C closes a live call with 1001, completes its recording and exits 0."""
    server = await vsock("record", "out.wav", "--echo", "--port", 0, "--json")
    started = await server.event("server.started")
    frame = bytes(range(256)) * 2 + bytes(128)

    async with websockets.connect(started["socket_url"]) as socket:
        await socket.send('{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}')
        await socket.send(frame)
        assert frame == await socket.recv()
        server.interrupt()
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    code, _, errors = await server.end()

    assert closed.value.rcvd is not None
    assert (1001, 0, "") == (closed.value.rcvd.code, code, errors)
    assert frame == pcm_of(tmp_path / "out.wav")


async def test_a_signal_that_is_delivered_twice_is_one(vsock: Vsock) -> None:
    """``timeout`` signals a program and then its group; it still ends in peace."""
    server = await vsock("serve", "--port", 0, "--json")
    await server.event("server.started")

    server.interrupt()
    server.interrupt()

    assert (0, "") == (await server.end())[::2]


AFTER_THE_END = """
import asyncio, os, signal
from vonage_sock.cli.loop import on_stop, run

async def main():
    stopped = asyncio.Event()
    on_stop(stopped.set, print)
    os.kill(os.getpid(), signal.SIGINT)
    await stopped.wait()

run(main())
os.kill(os.getpid(), signal.SIGINT)
os.kill(os.getpid(), signal.SIGTERM)
print("ended in peace")
"""


def test_a_signal_to_a_program_that_has_ended_changes_nothing() -> None:
    """What was asked to stop has stopped, and its exit code stays."""
    done = subprocess.run(
        [sys.executable, "-c", AFTER_THE_END], capture_output=True, text=True, check=False, timeout=30
    )

    assert (0, "ended in peace\n", "") == (done.returncode, done.stdout, done.stderr)


STANDING_STILL = """
import asyncio, os, signal, sys, threading, time
from vonage_sock.cli.loop import on_stop, run

held = threading.Lock()

def give_up():
    print("put right", flush=True)
    held.acquire()

async def main():
    on_stop(lambda: print("never"), give_up)
    held.acquire()
    print("stands", flush=True)
    {what}

{runs}(main())
"""


@pytest.mark.parametrize("runs", ["run", "asyncio.run"])
@pytest.mark.parametrize("what", ["time.sleep(60)", "while True: pass"])
def test_a_second_signal_ends_a_program_whose_event_loop_stands_still(runs: str, what: str) -> None:
    """Somebody's behaviour doesn't return, on either loop; not even a lock that is held keeps the program."""
    program = STANDING_STILL.format(runs=runs, what=what)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = [process.stdout.readline()]
            process.send_signal(signal.SIGTERM)
            for _ in range(200):
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.05)
                    break
        finally:
            process.kill()
        said.append(process.stdout.read())

    assert (130, ["stands\n", "put right\n"]) == (process.returncode, said)


async def test_a_second_ctrl_c_ends_the_program_at_once(vsock: Vsock) -> None:
    """While a peer doesn't answer our close frame, the second Ctrl-C exits with 130."""
    server = await vsock("serve", "--port", 0, "--json")
    started = await server.event("server.started")
    reader, writer = await asyncio.open_connection("127.0.0.1", started["port"])
    writer.write(
        b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")

    server.interrupt()
    close_frame = await reader.readexactly(4)
    ended = asyncio.create_task(server.process.wait())
    while not ended.done():
        server.interrupt()
        await asyncio.wait([ended], timeout=0.2)
    code, _, errors = await server.end()
    writer.close()

    assert b"\x03\xe9" == close_frame[2:]
    assert (130, "") == (code, errors)


async def test_a_killed_recorder_leaves_a_readable_file(vsock: Vsock, tmp_path: Path) -> None:
    """After kill -9 the WAV holds a bit-exact prefix that lacks at most the last 100 ms."""
    server = await vsock("record", "out.wav", "--echo", "--port", 0, "--json")
    started = await server.event("server.started")
    frames = [bytes([n]) * 640 for n in range(100)]

    async with websockets.connect(started["socket_url"]) as socket:
        await socket.send('{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}')
        for frame in frames:
            await socket.send(frame)
            await socket.recv()
        async with asyncio.timeout(10):
            while len(recorded := pcm_of(tmp_path / "out.wav.part")) < 100 * 640:
                await asyncio.to_thread(lambda: None)
        server.process.kill()
        await server.process.wait()

    assert b"".join(frames) == recorded == pcm_of(tmp_path / "out.wav.part")
    code, output, _ = await (await vsock("repair")).end()
    assert (0, "out.wav.part: completed as out.wav, 2.0 s\n", recorded) == (code, output, pcm_of(tmp_path / "out.wav"))


async def test_the_next_start_completes_what_a_kill_has_left(vsock: Vsock, tmp_path: Path) -> None:
    """In one line, and before any call of its own."""
    (tmp_path / "out.wav.part").write_bytes(wav_header(16000, 1, 0) + bytes(640))
    server = await vsock("serve", "--record", "out.wav", "--port", 0, "--json")
    repaired = await server.event("recording.repaired")
    server.interrupt()

    assert ("out.wav", "out.wav.part", 0.02) == (repaired["path"], repaired["part"], repaired["seconds"])
    assert 0 == (await server.end())[0]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["."], 0, "would be completed as in/a.wav, 0.0 s · with 640 bytes that its header didn't tell of"),
        (["."], 0, "in/b.mp3.part: is left alone: it isn't a recording of vsock's"),
        (["."], 0, "in/c.wav.part: is empty, and would be removed"),
        (["."], 4, "in/d.wav.part: can't be completed: it is a symbolic link, which isn't followed"),
        (["in/a.wav.part"], 0, "would be completed"),
        (["none"], 2, "Error: none does not exist; name a .part file or a directory"),
        (["in/e.wav"], 2, "Error: in/e.wav isn't the part of a recording, such as call.wav.part"),
        (["empty"], 0, "nothing to repair"),
    ],
)
def test_repair_says_of_each_part_what_there_is_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], code: int, words: str
) -> None:
    """With ``--dry-run`` nothing is changed; the exit code tells whether anything can't be completed."""
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("in").mkdir()
    Path("in/a.wav.part").write_bytes(wav_header(16000, 1, 0) + bytes(640))
    Path("in/b.mp3.part").write_bytes(b"ID3")
    for name in ("in/c.wav.part", "in/e.wav"):
        Path(name).touch()
    if code == 4:
        Path("in/d.wav.part").symlink_to("a.wav.part")
    before = sorted(Path("in").iterdir())
    result = CliRunner().invoke(cli, ["repair", "--dry-run", *args])

    assert code == result.exit_code
    assert words in result.output
    assert before == sorted(Path("in").iterdir())


async def test_a_symbolic_link_is_refused_at_the_start(vsock: Vsock, tmp_path: Path) -> None:
    """One sentence, and what it leads to isn't touched."""
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "out.wav").symlink_to("target")
    code, _, errors = await (await vsock("record", "out.wav", "--overwrite", "--port", 0)).end()

    assert (2, b"precious") == (code, (tmp_path / "target").read_bytes())
    assert (
        "Error: out.wav is a symbolic link, which a recording never follows; remove it or choose another name" in errors
    )


async def test_later_calls_get_numbered_files(vsock: Vsock, speech: Path, tmp_path: Path) -> None:
    """Nothing is overwritten: the second call is out-2.wav."""
    server = await vsock("record", "out.wav", "--port", 0, "--json")
    started = await server.event("server.started")

    for _ in range(2):
        await (await vsock("call", started["socket_url"], "--audio", speech)).end()
        await server.event("recording.saved")

    for name in ("out.wav", "out-2.wav"):
        assert pcm_of(speech) == said_in(pcm_of(tmp_path / name), speech)


async def test_standard_input_is_played(vsock: Vsock, speech: Path, tmp_path: Path) -> None:
    """``play -`` plays what another program wrote."""
    server = await vsock("play", "-", "--then", "hangup", "--port", 0, "--once", "--json", stdin=speech.read_bytes())
    started = await server.event("server.started")

    await (await vsock("call", started["socket_url"], "--audio", "silence", "--save", "heard.wav")).end()

    assert 0 == (await server.end())[0]
    assert pcm_of(speech) == heard_in(tmp_path / "heard.wav")


async def test_a_recording_on_standard_output_is_a_wav_stream(vsock: Vsock, speech: Path, tmp_path: Path) -> None:
    """``record -`` gives stdout to the audio, and the screen goes to stderr."""
    server = await vsock("record", "-", "--port", 0, "--once")
    assert server.process.stderr is not None
    address = ""
    while "socket" not in address.split():
        address = (await server.process.stderr.readline()).decode()

    await (await vsock("call", address.split()[-1], "--audio", speech)).end()
    output, _ = await server.process.communicate()

    assert output.startswith(b"RIFF")
    assert pcm_of(speech) == said_in(output[44:], speech)


async def test_a_reader_that_leaves_early_doesn_t_stop_the_server(vsock: Vsock, speech: Path) -> None:
    """After ``| head -1`` calls go on and the program ends in peace."""
    server = await vsock("serve", "--echo", "--port", 0, "--json")
    started = json.loads(await server.line())
    assert server.process.stdout is not None
    server.process.stdout._transport.close()  # type: ignore[attr-defined]  # what head does

    code, output, _ = await (await vsock("call", started["answer_url"], "--audio", speech, "--json")).end()
    server.interrupt()
    await server.process.wait()
    assert server.process.stderr is not None

    assert 0 == code
    assert 50 == json.loads(output.splitlines()[-1])["echo"]["frames"]
    assert (0, b"") == (server.process.returncode, await server.process.stderr.read())


async def test_a_full_disk_ends_the_recording_and_not_the_call(vsock: Vsock, speech: Path, tmp_path: Path) -> None:
    """recording.failed says so in the system's words, the file is valid, the echo goes on, the exit code is 4."""
    server = await vsock("record", "full.wav", "--echo", "--port", 0, "--once", "--json")
    started = await server.event("server.started")
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (10_000, 10_000))

    code, output, _ = await (await vsock("call", started["socket_url"], "--audio", speech, "--json")).end()
    failed = await server.event("recording.failed")

    assert (0, 50) == (code, json.loads(output.splitlines()[-1])["echo"]["frames"])
    assert failed["error"].startswith("File too large; the 0.")
    assert 0 < len(pcm_of(tmp_path / "full.wav")) < 10_000
    assert 4 == (await server.end())[0]


async def test_no_ngrok_is_said_in_one_line_and_the_server_goes_on(vsock: Vsock) -> None:
    """Without a tunnel vsock says how to start one."""
    server = await vsock("serve", "--port", 0)

    assert "ngrok http" in await server.text("ngrok")
    server.interrupt()
    assert 0 == (await server.end())[0]


async def test_a_port_in_use_is_one_sentence(vsock: Vsock) -> None:
    """The exit code is 6 and the sentence says what to do."""
    first = await vsock("serve", "--port", 0, "--json")
    port = (await first.event("server.started"))["port"]

    code, output, errors = await (await vsock("serve", "--port", port)).end()

    assert (6, "") == (code, output)
    assert f"Error: port {port} is in use on 127.0.0.1; choose another port" in errors
    assert 1 == len(errors.splitlines())


async def test_a_closed_stdout_holds_up_no_call(vsock: Vsock, speech: Path) -> None:
    """Started with ``>&-``, the server answers all the same and no socket takes the place of stdout."""
    free = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = free.sockets[0].getsockname()[1]
    free.close()
    await free.wait_closed()
    command = f"exec {sys.executable} -m vonage_sock serve --echo --once --port {port} >&- 2>&-"
    server = await asyncio.create_subprocess_shell(command, cwd=speech.parent)

    report: dict[str, object] = {}
    async with asyncio.timeout(20):
        while "frames_received" not in report:
            caller = await vsock("call", f"ws://127.0.0.1:{port}/socket", "--audio", speech, "--json")
            _, output, _ = await caller.end()
            report = json.loads(output.splitlines()[-1]) if output else {}
        code = await server.wait()

    assert (0, 50) == (code, report["echo"]["frames"])


async def test_a_recording_for_a_closed_stdout_is_refused(vsock: Vsock, tmp_path: Path) -> None:
    """It would go into whatever got the descriptor's number."""
    command = f"exec {sys.executable} -m vonage_sock record - --once --port 0 >&-"
    program = await asyncio.create_subprocess_shell(command, cwd=tmp_path, stderr=asyncio.subprocess.PIPE)
    _, errors = await program.communicate()

    assert 2 == program.returncode
    assert b"standard output, which is closed" in errors


@pytest.mark.parametrize("command", ["serve --echo", "record out.wav", "play speech.wav"])
async def test_lines_that_can_not_be_written_are_no_success(
    command: str, vsock: Vsock, speech: Path, full_disk: int
) -> None:
    """A full disk under --json is one sentence at the end, and exit code 1."""
    asked = asyncio.Event()

    async def agent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()  # it looks for a tunnel once it listens
        writer.close()

    async with await asyncio.start_server(agent, "127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        server = await vsock(*command.split(), "--port", 0, "--json", stdout=full_disk, VSOCK_NGROK_API=url)
        await asked.wait()
        server.interrupt()
        code, _, errors = await server.end()

    assert (1, "Error: standard output can't be written: No space left on device\n") == (code, errors)


async def test_a_report_that_can_not_be_written_is_no_success(vsock: Vsock, speech: Path, full_disk: int) -> None:
    """Of ``vsock call`` neither."""
    server = await vsock("serve", "--echo", "--port", 0, "--json")
    started = await server.event("server.started")
    caller = await vsock("call", started["socket_url"], "--duration", "0.1", "--json", stdout=full_disk)
    code, _, errors = await caller.end()

    assert (1, "Error: standard output can't be written: No space left on device\n") == (code, errors)
