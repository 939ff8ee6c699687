"""Events of calls, as workers tell them."""

from __future__ import annotations

from vonage_sock.call.events import Connected, Ended, StatsUpdated

FORMAT = "audio/l16;rate=16000"


def connected(call: str, at: int) -> Connected:
    """A call that began."""
    return Connected(at=at, call=call, content_type=FORMAT, rate_hz=16000, headers={}, remote="127.0.0.1")


def ended(call: str, at: int) -> Ended:
    """A call that ended by itself."""
    return Ended(
        at=at,
        call=call,
        duration_s=1.0,
        frames_in=50,
        frames_out=50,
        dtmf="",
        close_code=1000,
        close_reason="",
        closed_by="platform",
    )


def stats(call: str, at: int, duration_s: float, frames: int) -> StatsUpdated:
    """Where a call stands."""
    return StatsUpdated(
        at=at,
        call=call,
        duration_s=duration_s,
        frames_in=frames,
        frames_out=frames + 1,
        rate_in_hz=50.0,
        rate_out_hz=50.0,
        level_in_dbfs=-20.0,
        peak_in_dbfs=-3.0,
        level_out_dbfs=-20.0,
        peak_out_dbfs=-3.0,
        jitter_ms=0.1,
        longest_gap_ms=21.0,
        depth_ms=40.0,
    )
