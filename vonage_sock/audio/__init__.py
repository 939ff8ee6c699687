"""What samples do: frames, pacing, playout, levels, phrases, WAV bytes. Knows no protocol, no socket, no clock."""
