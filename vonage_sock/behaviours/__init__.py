"""What we do in a call: one file, one behaviour, one command-line word."""
