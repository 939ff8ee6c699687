"""What tests of a load share: each lane that there is."""

from __future__ import annotations

import pytest

from vonage_sock import native

PATHS = {"python": None} | ({} if native.frames is None else {"c": native.frames})


@pytest.fixture(params=PATHS)
def each_lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls get a lane in Python; and where it was built, they get the one in C."""
    monkeypatch.setattr(native, "frames", PATHS[request.param])
