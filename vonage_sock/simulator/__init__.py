"""Vonage itself: the platform's end of a leg, and the webhooks and NCCOs around it."""
