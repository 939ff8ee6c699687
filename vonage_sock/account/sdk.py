"""
The official ``vonage`` client, kept off the event loop, with each of its errors as one sentence.

The client is slow to import, blocks, and isn't made for several threads; so it is made at the first call, and calls go one
after the other in a thread of their own. Rule: what a person is told names the host, what was wanted, and the place of the
credential that was refused, and never what the server wrote without its being made harmless.

The client's own retries are off: it would place a call up to ten times when the server closes the connection without an
answer, and wait as long as a ``Retry-After`` says.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from vonage_sock.account.credentials import Credentials
from vonage_sock.errors import ConnectError, ExitCode, UsageError, VsockError
from vonage_sock.protocol.harmless import visible
from vonage_sock.protocol.redaction import redact_text
from vonage_sock.transport.tls import trusting, why_not

if TYPE_CHECKING:
    from vonage import Vonage

API_HOST: Final = "api.nexmo.com"
STEP_S: Final = 8
"""How long connecting, and then each wait for bytes, may take."""

WHOLE_S: Final = 12.0
"""How long a whole call may take."""

MAX_SAID: Final = 160
REQUEST_TIMEOUT: Final = 408
FAULT_STATUS: Final = 500
"""From here on a status is the API's own fault, or that of what stands before it."""

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?", re.ASCII)

T = TypeVar("T")


class ApiError(VsockError):
    """
    The API answered with a fault; ``status`` is HTTP's.

    What was asked for wrongly (401, 403, 404) is a matter of configuration.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
        if status in {401, 403, 404}:
            self.exit_code = ExitCode.USAGE


class NotSentError(ConnectError):
    """The API couldn't be reached, and nothing of the request has left."""


def may_have_arrived(error: BaseException) -> bool:
    """Whether what was asked for may be done all the same, now or a little later; True wherever that isn't certain."""
    if isinstance(error, ApiError):
        return error.status >= FAULT_STATUS or error.status == REQUEST_TIMEOUT
    return not isinstance(error, UsageError | NotSentError)


class Sdk:
    """
    The client of one account.

    Args:
        api_host: ``HOST[:PORT]`` instead of Vonage's, such as a simulated API's or a region's; https in any case.
        ca: whom to trust besides the system's authorities.

    Raises:
        UsageError: ``api_host`` is no host, or ``ca`` holds no certificate.
    """

    def __init__(self, credentials: Credentials, *, api_host: str | None = None, ca: Path | None = None) -> None:
        if api_host is not None and not _HOST.fullmatch(api_host):
            raise UsageError(f"--api-host {api_host[:80]!r} isn't of the form HOST or HOST:PORT; it is always https")
        self.credentials = credentials
        self.api_host = api_host or API_HOST
        self._rest_host = api_host
        self.ca = ca
        self._trust = trusting(ca)
        self._turn = asyncio.Lock()
        self._client: Vonage | None = None

    def at(self, api_host: str) -> Self:
        """The same account's client for another host, such as that of a call's region."""
        return type(self)(self.credentials, api_host=api_host, ca=self.ca)

    async def call(self, fn: Callable[[Vonage], T], *, doing: str = "the request") -> T:
        """
        Run one call of the client in a thread.

        Args:
            doing: what is done, for the sentence that says why it wasn't: ``reading the application``.

        Raises:
            ApiError: the API answered with a fault.
            ConnectError: it couldn't be reached, or not in time.
            UsageError: the credentials can't be used.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(WHOLE_S):
                    return await _in_thread(lambda: self._run(fn))
            except asyncio.CancelledError:
                # The thread may still be using it.
                self._client = None
                raise
            except TimeoutError:
                self._client = None
                raise ConnectError(f"{self.api_host} took too long over {doing} (more than {WHOLE_S:g} s)") from None
            except VsockError:
                raise
            except Exception as error:
                raise self._explained(error, doing) from error

    def _run(self, fn: Callable[[Vonage], T]) -> T:
        client = self._client
        if client is None:
            client = self._client = self._made()
        return fn(client)

    def _made(self) -> Vonage:
        from vonage import HttpClientOptions, Vonage  # noqa: PLC0415  (it takes a third of a second)

        _hush()
        options: dict[str, Any] = {"api_host": self.api_host, "timeout": STEP_S, "max_retries": 0, "pool_maxsize": 1}
        if self._rest_host is not None:
            options["rest_host"] = self._rest_host
        client = Vonage(self._auth(), HttpClientOptions(**options))
        if self._trust is not None:
            _trust(client, self._trust)
        return client

    def _auth(self) -> Any:
        from vonage import Auth  # noqa: PLC0415

        # The client takes whole pairs only.
        found = self.credentials
        given: dict[str, str] = {}
        if found.api_key is not None and found.api_secret is not None:
            given |= {"api_key": found.api_key.value, "api_secret": found.api_secret.value}
        if found.application_id is not None and found.private_key is not None:
            key = _as_pkcs8(found.private_key.value, found.private_key.source)
            given |= {"application_id": found.application_id.value, "private_key": key}
        return Auth(**given)

    def _explained(self, error: Exception, doing: str) -> VsockError:
        from requests import exceptions as faults  # noqa: PLC0415  (who gets here has it loaded)

        host = self.api_host
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        if isinstance(status, int) and not isinstance(error, faults.JSONDecodeError):
            return ApiError(self._refused(status, response, doing), status)
        unreached = NotSentError if _never_left(error) else ConnectError
        match error:
            case faults.SSLError():
                return unreached(f"{host} can't be reached for {doing}: {_tls_reason(error)}")
            case faults.Timeout():
                return unreached(f"{host} didn't answer within {STEP_S} s while {doing}; look at the network")
            case faults.ProxyError():
                return ConnectError(f"{host} can't be reached for {doing}: the proxy that the environment names fails")
            case faults.ConnectionError():
                return unreached(f"{host} can't be reached for {doing}: {_network_reason(error)}")
            case faults.RequestException():
                return ConnectError(f"{host} gave no usable answer to {doing} ({type(error).__name__})")
        return VsockError(f"{doing} failed in the Vonage client: {type(error).__name__}: {_harmless(str(error))}")

    def _refused(self, status: int, response: Any, doing: str) -> str:
        where = f"{self.api_host} answered {doing} with HTTP {status}"
        match status:
            case 401:
                return f"{where}: {self._who(response)} was refused; see what is used with: vsock config"
            case 403:
                return f"{where}: {self._who(response)} isn't allowed to do that{_said(response)}"
            case 404:
                return f"{where}: there is no such thing in this account{_said(response)}"
            case 429:
                return f"{where}: too many requests; try again in a moment"
            case _ if status >= 500:
                return f"{where}: a fault of the API's own; try again later"
        return f"{where}{_said(response)}"

    def _who(self, response: Any) -> str:
        """Which credential the request was signed with, and where it came from."""
        found = self.credentials
        sent = str(response.request.headers.get("Authorization", "")) if response is not None else ""
        if "Bearer" in sent and found.application_id is not None and found.private_key is not None:
            return (
                f"the token of application {found.application_id.value} ({found.application_id.source}), "
                f"signed with the private key of {found.private_key.source},"
            )
        if found.api_key is not None and found.api_secret is not None:
            return f"the API key of {found.api_key.source} with the secret of {found.api_secret.source}"
        return "the request"


async def _in_thread(work: Callable[[], T]) -> T:
    """Run it in a thread that nobody waits for: what hangs there must not keep the program from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # None where T allows it

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001  (it is raised where it is waited for)
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, name="vonage-sdk", daemon=True).start()
    return await done


def _trust(client: Vonage, context: ssl.SSLContext) -> None:
    """Let the client believe what the context does: it has no option for that, and its own session is no public part."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415

    class Trusting(HTTPAdapter):
        """An adapter whose connections are made with our context."""

        def init_poolmanager(self, *args: Any, **settings: Any) -> None:
            super().init_poolmanager(*args, **settings, ssl_context=context)

    client.http_client._session.mount("https://", Trusting(pool_maxsize=1, max_retries=0))


def _hush() -> None:
    """Keep the client's log to itself: it quotes what servers write, and with debugging the credentials."""
    log = logging.getLogger("vonage")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())


def _as_pkcs8(pem: str, source: str) -> str:
    """The key in the one form that the client takes."""
    if "-----BEGIN PRIVATE KEY-----" in pem:
        return pem
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except Exception as error:
        raise UsageError(f"{source}: the private key is broken, or of a kind that isn't known") from error
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _never_left(error: BaseException) -> bool:
    from requests import exceptions as faults  # noqa: PLC0415

    before = ConnectionRefusedError | ssl.SSLCertVerificationError
    return isinstance(error, faults.ConnectTimeout) or any(
        isinstance(cause, before) or type(cause).__name__ == "NameResolutionError" for cause in _causes(error)
    )


def _tls_reason(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return why_not(cause)
    return "TLS fails"


def _network_reason(error: BaseException) -> str:
    for cause in _causes(error):
        if type(cause).__name__ == "NameResolutionError":
            return "its name isn't known to DNS; look at the network, and at --api-host"
        if isinstance(cause, TimeoutError):
            return f"it takes connections and doesn't speak TLS within {STEP_S} s; look at the network"
        if isinstance(cause, ConnectionRefusedError):
            return "nothing listens there (connection refused)"
        if isinstance(cause, ConnectionError):
            return "it closed the connection without an answer"
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, ssl.SSLError) and cause.errno:
            return cause.strerror.lower()
    return "the connection failed; look at the network"


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what it stands for, the innermost first; the library wraps some in arguments, and not as causes."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting and len(found) < 20:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
    return found[::-1]


def _said(response: Any) -> str:
    """What the API says of it, in brackets; nothing where it says nothing in its own form."""
    try:
        body = response.json()
        texts = [body.get(name) for name in ("title", "detail", "error-code-label", "error_title")]
    except Exception:  # noqa: BLE001  (a body of any kind may stand there)
        return ""
    said = ": ".join(text for text in texts if isinstance(text, str) and text)
    return f" ({_harmless(said)})" if said else ""


def _harmless(text: str) -> str:
    return visible(redact_text(text[:2000])[:MAX_SAID]).strip()
