"""Carrying out an NCCO: what the caller hears, says and presses, and the legs it leads to."""
