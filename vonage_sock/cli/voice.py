"""The Voice API for a running server: with which credentials, and whether calls are hung up by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vonage_sock.account.credentials import Credentials
from vonage_sock.errors import UsageError

if TYPE_CHECKING:
    from vonage_sock.control.calls import Calls

REST: Final = "rest"
CLOSE: Final = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """
    What the options and the surroundings say.

    Args:
        hangup: ``rest``, ``close``, or None, which is ``rest`` where there are credentials and Vonage can call here.
        credentials: with an application's id and private key, or None, and then ``lack`` says what lacks.
        api_host, ca: an API in place of Vonage's, and whom to trust for it.
    """

    hangup: str | None = None
    credentials: Credentials | None = None
    lack: str = ""
    api_host: str | None = None
    ca: Path | None = None

    def is_asked(self, *, public: bool) -> bool:
        """Whether calls are hung up by the API; ``public``: the server has an address that Vonage can reach."""
        if self.credentials is None or self.hangup == CLOSE:
            return False
        # A call to a server that has no such address is a simulated one, of which Vonage knows nothing.
        return self.hangup == REST or public or self.api_host is not None

    def open(self, say: Callable[[str], None]) -> Calls | None:
        """The calls; nobody is asked yet. ``say`` is told when one is looked for in another region."""
        if self.credentials is None:
            return None
        from vonage_sock.account.sdk import Sdk  # noqa: PLC0415  (who has no credentials doesn't need it)
        from vonage_sock.control.opening import open_calls  # noqa: PLC0415

        return open_calls(Sdk(self.credentials, api_host=self.api_host, ca=self.ca), api_host=self.api_host, say=say)

    @property
    def application(self) -> str:
        """Whose credentials they are, and where they were found."""
        found = None if self.credentials is None else self.credentials.application_id
        return "" if found is None else f"application {found.value} ({found.source})"


def voice_of(options: dict[str, Any]) -> Voice:
    """
    Find the credentials.

    Raises:
        UsageError: ``--hangup rest`` was asked for and they lack; or ``--ca`` holds no certificate.
    """
    from vonage_sock.cli.credential_options import credentials_of  # noqa: PLC0415
    from vonage_sock.cli.options import ca_of  # noqa: PLC0415

    hangup = options.get("hangup")
    credentials = credentials_of(options)
    try:
        credentials.require_application()
    except UsageError as error:
        if hangup == REST:
            raise UsageError(f"--hangup rest: {error}") from error
        return Voice(hangup=hangup, lack=str(error))
    ca = ca_of(options) if options.get("ca") else None
    return Voice(hangup=hangup, credentials=credentials, api_host=options.get("api_host"), ca=ca)
