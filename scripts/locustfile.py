"""
Whole Vonage calls as the load of Locust, from one machine or many; see the README, "Load from many machines".

``locust -f scripts/locustfile.py --host ws://127.0.0.1:8000/socket`` and open the page that it names.
"""

from locust import between

from vonage_sock.locust import VonageCallUser


class Caller(VonageCallUser):
    """Says the shipped clip, presses keys, hears what comes back, and calls again a moment later."""

    # Else: audio = "welcome.wav", what vsock call --audio takes, or say = "hello".
    # Also: duration_s, rate_hz, headers, strict, platform; order = {…} for CallOrder's fields.
    press = "2,1"
    wait_time = between(0.5, 2)  # between two calls
