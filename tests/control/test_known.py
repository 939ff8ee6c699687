"""The file of which region knew a call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.control.fakes import CALL, OTHER_CALL, all_kept
from vonage_sock.control.known import MAX_KEPT, KnownRegions, regions_file

EU = "https://api-eu-3.vonage.com"


def test_the_newest_calls_are_kept_for_their_user_alone(tmp_path: Path) -> None:
    """So many and no more; what is no uuid isn't kept, and nothing is left beside the file."""
    path = regions_file({"XDG_STATE_HOME": str(tmp_path)}, Path("/nobody"))
    known = KnownRegions(path)
    known.keep("no uuid", EU)
    for number in range(MAX_KEPT + 1):
        known.keep(f"{number:08d}{CALL[8:]}", EU)
    known.keep(f"{1:08d}{CALL[8:]}", "https://api-us-3.vonage.com")
    all_kept()
    calls = json.loads(path.read_text())["calls"]

    assert (MAX_KEPT, 0o600, [path]) == (len(calls), path.stat().st_mode & 0o777, list(path.parent.iterdir()))
    assert f"{1:08d}{CALL[8:]}" == list(calls)[-1]
    assert "https://api-us-3.vonage.com" == KnownRegions(path).find(f"{1:08d}{CALL[8:]}")
    assert [f"{MAX_KEPT:08d}{CALL[8:]}"] == known.beginning(f"{MAX_KEPT:08d}")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"v":2,"calls":{}}', '{"v":1,"calls":[]}', json.dumps({"v": 1, "calls": {CALL: 1}})]
)
def test_a_file_that_is_spoilt_says_nothing_and_is_made_anew(tmp_path: Path, text: str) -> None:
    """It is a hint: whoever has broken it has lost one."""
    path = tmp_path / "regions.json"
    path.write_text(text)
    known = KnownRegions(path)
    before = known.find(CALL)
    known.keep(OTHER_CALL, EU)
    all_kept()

    assert (None, EU) == (before, known.find(OTHER_CALL))


def test_where_nothing_can_be_kept_nothing_is_said(tmp_path: Path) -> None:
    """A state directory that can't be made hinders no call."""
    (tmp_path / "file").write_text("")
    known = KnownRegions(tmp_path / "file" / "regions.json")
    known.keep(CALL, EU)
    all_kept()

    assert known.find(CALL) is None
