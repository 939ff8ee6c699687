"""What recordings are called: never a place of somebody else's choice, never a name that means something to a shell."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.errors import UsageError
from vonage_sock.media import naming
from vonage_sock.media.naming import MAX_NAME_BYTES, MAX_SLUG, RecordingPath, numbered, slug

PROPERTY = settings(deadline=None, database=None, max_examples=100)

VALUES = {"call": "k7", "from": "447700900001", "to": "+44 20", "time": "20260203T100042Z", "n": 3}


def nested(levels: int) -> list[object]:
    """A list in a list, and so on."""
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


def first_names(path: RecordingPath, count: int = 1, *, number: int = 1, phrase: int | None = None) -> list[str]:
    """The first candidates as text."""
    return [str(name) for name in islice(path.candidates(VALUES, number=number, phrase=phrase), count)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("447700900001", "447700900001"),
        ("+44 7700 900001", "+44-7700-900001"),
        ("sip:alice@example.com", "sip-alice-example-com"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\0b", "a-b"),
        ("-rf", "rf"),
        ("\u202egpj", "gpj"),
        ("Zoë", "Zo"),
        ("", "unknown"),
        ("...", "unknown"),
        (None, "None"),
        (12, "12"),
        (["a", "b"], "a-b"),
    ],
)
def test_any_value_becomes_a_short_plain_name(value: object, expected: str) -> None:
    """Letters, digits, plus, underscore and minus are all that is left."""
    assert expected == slug(value)


@PROPERTY
@given(st.one_of(st.text(), st.text(min_size=300), st.binary(), st.integers(), st.lists(st.text())))
def test_no_value_gives_anything_but_a_name(value: object) -> None:
    """Whatever came from outside: 1 to 48 harmless characters, no minus in front."""
    assert re.fullmatch(r"[A-Za-z0-9+_][A-Za-z0-9+_-]*", slug(value))
    assert len(slug(value)) <= MAX_SLUG


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("out", "has no suffix"),
        ("out.aac", "not as .aac"),
        ("out.txt", ".wav, .flac, .ogg, .mp3, .raw"),
        (".wav", "has no suffix"),
        ("{caller}.wav", "{caller} isn't known; a name may hold {call} {from} {to} {time} {n}"),
        ("{}.wav", "{} isn't known"),
        ("{call.__class__}.wav", "isn't known"),
        ("{call.wav", "write {{ or }} for a brace"),
        ("{time:%Y}.wav", "{n:03d} is the kind of format that works"),
        ("{from:03d}.wav", "{n:03d} is the kind of format that works"),
        ("{n:{width}}.wav", "{n:03d} is the kind of format that works"),
        ("{n!x}.wav", "{n:03d} is the kind of format that works"),
    ],
)
def test_a_path_that_cannot_work_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, words: str
) -> None:
    """One sentence before the first call, not a failure in it."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError) as caught:
        RecordingPath(template)

    assert str(caught.value).startswith(f"{template}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("template", "words"),
    [("missing/a.wav", "does not exist"), ("file/a.wav", "isn't a directory"), ("missing/{call}/a.wav", "missing")],
)
def test_the_directory_must_be_there(tmp_path: Path, template: str, words: str) -> None:
    """Only directories with placeholders are made by us; any other missing one is a typing error."""
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match=words):
        RecordingPath(str(tmp_path / template))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("out.wav", ["out.wav", "out-2.wav", "out-3.wav"]),
        ("{from}.wav", ["447700900001.wav", "447700900001-2.wav", "447700900001-3.wav"]),
        ("{to}-{time}.flac", ["+44-20-20260203T100042Z.flac"]),
        ("{call}/{n}.ogg", ["k7/3.ogg", "k7/3-2.ogg"]),
        ("{n:03d}.mp3", ["003.mp3"]),
        ("{{1}}.raw", ["{1}.raw", "{1}-2.raw"]),
        ("v1.2.wav", ["v1.2.wav", "v1.2-2.wav"]),
        ("OUT.WAV", ["OUT.WAV", "OUT-2.WAV"]),
    ],
)
def test_names_follow_the_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, expected: list[str]
) -> None:
    """The wanted name first, then numbered ones."""
    monkeypatch.chdir(tmp_path)

    assert expected == first_names(RecordingPath(template), len(expected))


@pytest.mark.parametrize(
    ("template", "number", "phrase", "expected"),
    [
        ("out.wav", 1, 1, "out-001.wav"),
        ("out.wav", 1, 12, "out-012.wav"),
        ("out.wav", 2, 1, "out-2-001.wav"),
        ("out.wav", 2, None, "out-2.wav"),
        ("{from}.wav", 2, None, "447700900001.wav"),
        ("{from}.wav", 2, 7, "447700900001-007.wav"),
    ],
)
def test_calls_and_phrases_are_numbered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, number: int, phrase: int | None, expected: str
) -> None:
    """A call's number stands before a phrase's; a name with placeholders needs no call's number."""
    monkeypatch.chdir(tmp_path)

    assert [expected] == first_names(RecordingPath(template), number=number, phrase=phrase)


@pytest.mark.parametrize("value", [10**5000, nested(100_000)], ids=["a number", "a list"])
def test_what_cannot_be_written_out_has_a_name_too(value: object) -> None:
    """A call's metadata never makes its recording fail."""
    assert "unknown" == slug(value)


def test_a_long_name_is_cut_and_keeps_its_suffix(tmp_path: Path) -> None:
    """There is room for numbers, and for what is made beside it."""
    template = tmp_path / "é{from}{to}{from}" / ("{from}{to}" * 8 + ".flac")
    values = {**VALUES, "from": "1" * 48, "to": "2" * 48}
    path = next(RecordingPath(str(template)).candidates(values, number=1, phrase=12))

    assert MAX_NAME_BYTES + len("-012") == len(path.name)
    assert path.name.endswith("-012.flac")
    assert f"é{'1' * 48}{'2' * 48}{'1' * 48}" == path.parent.name


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("link.wav", "link.wav is a symbolic link, which a recording never follows; remove it or choose another name"),
        ("folder.wav", "folder.wav is no regular file, and isn't replaced; remove it or choose another name"),
        ("x" * 197 + ".wav", "the name is longer than 200 bytes; choose a shorter one"),
    ],
)
def test_a_first_name_that_cannot_be_had_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, words: str
) -> None:
    """At the start, while somebody is there to read it."""
    monkeypatch.chdir(tmp_path)
    Path("link.wav").symlink_to("none")
    Path("folder.wav").mkdir()

    with pytest.raises(UsageError) as caught:
        RecordingPath(template, overwrite=True).check_first()

    assert str(caught.value).endswith(words)


@pytest.mark.parametrize("template", ["-", "{n}.wav", "new.wav", "old.wav"])
def test_a_first_name_that_can_be_had_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str
) -> None:
    """Names that calls have a part in are looked at when they come."""
    monkeypatch.chdir(tmp_path)
    Path("old.wav").touch()
    path = RecordingPath(template)

    assert path is path.check_first()


def test_a_directory_that_may_not_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told at the start, not with the first call."""
    monkeypatch.setattr(naming.os, "access", lambda *_: False)

    with pytest.raises(UsageError, match="you may not write to"):
        RecordingPath(str(tmp_path / "a.wav"))


def test_there_is_an_end_to_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many of the same name."""
    monkeypatch.setattr(naming, "MAX_SAME_NAME", 2)

    assert ["a.wav", "a-2.wav"] == [str(path) for path in numbered(Path("a.wav"))]


@pytest.mark.parametrize(
    ("template", "suffix", "is_stdout"), [("-", ".wav", True), ("a.FLAC", ".flac", False), ("{n}.ogg", ".ogg", False)]
)
def test_the_suffix_is_the_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, suffix: str, is_stdout: bool
) -> None:
    """In small or capital letters; standard output is WAV."""
    monkeypatch.chdir(tmp_path)
    path = RecordingPath(template)

    assert (suffix, is_stdout) == (path.suffix, path.is_stdout)
