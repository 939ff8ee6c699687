"""Files to frames and frames to files, with threads of its own: nothing here ever holds up a call."""
