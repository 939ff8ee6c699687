"""The platform's end of a leg, without input, output or clock."""
