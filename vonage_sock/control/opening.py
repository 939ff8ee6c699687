"""From credentials to the calls that they are good for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from vonage_sock.account.sdk import Sdk
from vonage_sock.control.calls import Calls
from vonage_sock.control.known import KnownRegions, regions_file
from vonage_sock.control.regions import REGIONS


def open_calls(sdk: Sdk, *, api_host: str | None = None, say: Callable[[str], None] | None = None) -> Calls:
    """
    The calls of the application that the SDK's credentials are of; nobody is asked yet.

    Args:
        api_host: that of an API in place of Vonage's, as the SDK was given it.
        say: is told in a sentence when a call is looked for in another region.

    Raises:
        UsageError: the application's id or private key lacks, or there is no such region.
    """
    sdk.credentials.require_application()
    region = sdk.credentials.wanted_region()
    host = None if region is None else REGIONS[region]
    regions = KnownRegions(regions_file(os.environ, Path.home()))
    return Calls(sdk.at, host=host, api_host=api_host, say=say, regions=regions)
