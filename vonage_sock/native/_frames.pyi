# What the C of this folder gives; see the Python classes of the same names.

TIMES_AT_ONCE: int
LEVEL_WINDOW_FRAMES: int
