"""
Vonage's Voice REST API (``/v1/calls``), beside the calls that are being simulated.

``tokens``, ``reading`` and ``bodies`` are pure: who may ask, what is asked, what is answered. ``app`` is HTTP; ``exchange``
makes the calls that are ordered.

Source: Vonage Voice API reference (OpenAPI 1.10.0).
"""
