"""
What people and scripts see: events to a view model (pure), to a picture (pure), to a terminal, plain or JSON lines.

``make_display`` chooses; what it gives is an observer.
"""

from vonage_sock.display.choose import Display, make_display

__all__ = ["Display", "make_display"]
