"""What may be wrong between a telephone and a server, tried one thing after the other."""
