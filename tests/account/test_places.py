"""The files that settings stand in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vonage_sock.account.places import MAX_FILE_BYTES, environment, files


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", ".vonagerc can't be used: it isn't JSON"),
        (b"[]", "it isn't a JSON object"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b'{"api-key": 12345}', "'api-key' isn't a text"),
        (b'{"api-key": "a", "api-key": "b"}', "stands twice"),
        (b" " * (MAX_FILE_BYTES + 1), "it is longer than 256 KiB"),
        (b"[" * 5000, "nested more than"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence_that_names_it(tmp_path: Path, content: bytes, said: str) -> None:
    """And its cure."""
    (tmp_path / ".vonagerc").write_bytes(content)
    (place,) = files(cwd=tmp_path, home=tmp_path)

    assert said in (place.fault or "")
    assert str(place.fault).endswith("mend it, or move it away")


def test_a_pipe_in_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    """It isn't waited for."""
    os.mkfifo(tmp_path / ".vonagerc")
    (place,) = files(cwd=tmp_path, home=tmp_path)

    assert "it is no regular file" in (place.fault or "")


@pytest.mark.parametrize(
    ("text", "said"),
    [("[tool.vsock", "it isn't TOML"), ("[tool]\nvsock = 1\n", "[tool.vsock] isn't a table")],
)
def test_a_broken_project_is_named_too(tmp_path: Path, text: str, said: str) -> None:
    """As ./pyproject.toml."""
    (tmp_path / "pyproject.toml").write_text(text)
    (place,) = files(cwd=tmp_path, home=tmp_path)

    assert said in (place.fault or "")


def test_what_isnt_there_is_no_place(tmp_path: Path) -> None:
    """Neither are settings of others in a project's file."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.other]\napi-key = "y"\n')

    assert [{}] == [place.values for place in files(cwd=tmp_path, home=tmp_path)]


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    """As if it weren't set."""
    place = environment({"VONAGE_API_KEY": " ", "VONAGE_REGION": "eu-west"}, tmp_path)

    assert ({"region": "eu-west"}, "VONAGE_REGION") == (place.values, place.called("region"))
