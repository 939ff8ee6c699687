"""What can't be used gets one clear sentence on stderr and the exit code of the contract."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from vonage_sock.cli import cli
from vonage_sock.errors import ExitCode


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory with things that are not audio."""
    monkeypatch.chdir(tmp_path)
    Path("empty.wav").touch()
    Path("text.wav").write_text("this is not audio, whatever its name says")
    Path("cut.flac").write_bytes(b"fLaC\0\0\0\x22")
    Path("object.json").write_text("{}")
    Path("broken.json").write_text("[{'action': 'talk'}]")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("play nothing.wav", ExitCode.AUDIO_FILE, "nothing.wav: no such file"),
        ("play empty.wav", ExitCode.AUDIO_FILE, "empty.wav: the file is empty"),
        ("play text.wav", ExitCode.AUDIO_FILE, "text.wav: not an audio file that can be read"),
        ("play cut.flac", ExitCode.AUDIO_FILE, "cut.flac: "),
        ("play .", ExitCode.AUDIO_FILE, "this is a directory"),
        ("call ws://127.0.0.1:9/ --audio text.wav", ExitCode.AUDIO_FILE, "text.wav: not an audio file"),
        ("record out.xyz", ExitCode.USAGE, "recordings are made as .wav, .flac, .ogg, .mp3, .raw; not as .xyz"),
        ("record out", ExitCode.USAGE, "the name has no suffix"),
        ("record nowhere/out.wav", ExitCode.USAGE, "the directory nowhere does not exist; create it"),
        ("record {nobody}.wav", ExitCode.USAGE, "{nobody} isn't known"),
        ("record - --json", ExitCode.USAGE, "can't share it"),
        ("serve --url wss://x.example", ExitCode.USAGE, "is a websocket address and must be the web server's"),
        ("serve --url nonsense", ExitCode.USAGE, "isn't a web address; give it as https://"),
        ("serve --rate 44100", ExitCode.USAGE, "44100"),
        (f"serve --header a={'x' * 600}", ExitCode.USAGE, "the metadata takes 608 bytes as JSON and Vonage allows 512"),
        ("serve --header a", ExitCode.USAGE, "isn't of the form KEY=VALUE"),
        ("serve --ncco object.json", ExitCode.USAGE, "is an object and must be an array"),
        ("serve --ncco broken.json", ExitCode.USAGE, "isn't JSON"),
        ("serve --fallback none.json", ExitCode.USAGE, "--fallback none.json: No such file or directory"),
        ("serve --split", ExitCode.USAGE, "give --record PATH as well"),
        ("serve --delay 100", ExitCode.USAGE, "give --echo as well"),
        ("serve --echo --loop 2", ExitCode.USAGE, "are about playing; give --play FILE as well"),
        ("serve --echo --lead 100", ExitCode.USAGE, "are about playing; give --play FILE as well"),
        ("serve --echo --barge-in", ExitCode.USAGE, "--barge-in cuts off files or a delayed echo"),
        ("record a.wav --hangover 100", ExitCode.USAGE, "give --split as well"),
        ("serve --url http://[::1]:99999", ExitCode.USAGE, "isn't a"),
        ("serve --then hangup", ExitCode.USAGE, "give --play FILE as well"),
        ("serve --on-dtmf x=a.wav", ExitCode.USAGE, "isn't of the form DIGIT=FILE"),
        (
            "serve --tls-key key.pem",
            ExitCode.USAGE,
            "--tls-key is the key of a certificate; give --tls-cert FILE as well",
        ),
        ("serve --tls-cert none.pem", ExitCode.USAGE, "--tls-cert none.pem can't be read: No such file or directory"),
        ("record a.wav --tls-cert text.wav", ExitCode.USAGE, "text.wav isn't a certificate in PEM form"),
        ("call wss://127.0.0.1:9/ --ca none.pem", ExitCode.USAGE, "--ca none.pem can't be read: No such file"),
        ("load wss://127.0.0.1:9/ --ca text.wav", ExitCode.USAGE, "--ca text.wav holds no certificate in PEM form"),
        ("lint https://127.0.0.1:9/ --ca text.wav", ExitCode.USAGE, "--ca text.wav holds no certificate in PEM form"),
        ("serve --host 203.0.113.1 --port 0", ExitCode.LISTEN, "isn't an address of this machine"),
        ("call nonsense", ExitCode.USAGE, "can't be called; give an answer URL"),
        ("call ftp://example.com", ExitCode.USAGE, "can't be called; give an answer URL"),
        ("call ws://127.0.0.1:9/ --dtmf 1x", ExitCode.USAGE, "'x' in the key presses isn't understood"),
        ("call ws://127.0.0.1:9/ --audio tone:99999", ExitCode.USAGE, "a tone lies between 0 and 4000 Hz"),
        ("call ws://127.0.0.1:9/ --save x.txt", ExitCode.USAGE, "recordings are made as"),
        ("call ws://127.0.0.1:9/", ExitCode.CONNECT, "can't reach ws://127.0.0.1:9/: nothing listens there"),
        ("call http://127.0.0.1:9/answer", ExitCode.CONNECT, "nothing listens there"),
        ("sevre", ExitCode.USAGE, "no such command 'sevre'; did you mean serve?"),
    ],
)
def test_bad_input_is_one_sentence_and_the_contract_s_exit_code(arguments: str, code: ExitCode, said: str) -> None:
    """What, where, what to do next; no traceback."""
    result = CliRunner().invoke(cli, arguments.split(), prog_name="vsock")

    assert (code, True) == (result.exit_code, said in result.stderr)
    assert "Traceback" not in result.output


def test_text_in_an_error_is_made_harmless() -> None:
    """A name with control characters can't act on the terminal."""
    result = CliRunner().invoke(cli, ["play", "a\x1b[31m.wav"], prog_name="vsock")

    assert r"a\x1b[31m.wav: no such file" in result.stderr
