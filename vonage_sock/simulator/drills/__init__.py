"""Fault drills: what a network and a platform do on a bad day."""
