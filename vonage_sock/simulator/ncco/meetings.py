"""
``conversation`` and ``transfer``: the caller's leg goes to a conversation in which, here, nobody else is.

A stub, which does what can be seen from outside: the leg's events carry the other conversation from then on, a file is
recorded, music is heard while nobody starts the meeting, and the caller, alone, stays as long as it has something to say.
Then it hangs up, so that no further action of the NCCO is carried out.

Guessed: entering a named conversation is told as a transfer, as calls of Vonage's own engineers show; a caller on hold
loses patience after a minute.

Source: NCCO reference, "conversation" and "transfer" (which is terminal for the conversation that it leaves).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from vonage_sock.clock import SECOND
from vonage_sock.media.decode import ready
from vonage_sock.simulator.ncco.actions import Actions, Desk, destination_of
from vonage_sock.simulator.ncco.line import HUNG_UP, CallOverError, next_frame

MEETINGS: Final = ("conversation", "transfer")
PATIENCE_NS: Final = 60 * SECOND
SHOWN_LETTERS: Final = 80

JsonObject = dict[str, Any]


class Meetings:
    """Leads the caller of one call there."""

    def __init__(self, desk: Desk, actions: Actions) -> None:
        self._desk = desk
        self._actions = actions

    async def enter(self, action: JsonObject, *, left: int) -> None:
        """
        Carry out a ``conversation`` or a ``transfer``.

        Args:
            left: how many actions come after it.

        Raises:
            CallOverError: the caller has left, and hung up.
        """
        transfer = action["action"] == "transfer"
        # The reference names it in two ways.
        name = action.get("conversationId", action.get("conversation_id")) if transfer else action.get("name")
        if not isinstance(name, str) or not name:
            missing = "a transfer without a 'conversationId'" if transfer else "a conversation without a 'name'"
            self._desk.pass_over(action, missing)
            return
        await self._join(action, name if transfer else self._desk.control.book.conversation(name))
        self._desk.teller.note(f"the conversation {name[:SHOWN_LETTERS]!r} is a stub: nobody else is in it")
        if not transfer and _flag(action, "startOnEnter", default=True) is False:
            await self._hold(action)
        else:
            await self._meet(action)
        if left:
            self._desk.teller.note("the caller has hung up: what follows in the NCCO isn't carried out")
        raise CallOverError(f"{HUNG_UP} in a conversation")

    async def _join(self, action: JsonObject, conversation_uuid: str) -> None:
        desk = self._desk
        phone, desk.phone = desk.phone, replace(desk.phone, conversation_uuid=conversation_uuid[:SHOWN_LETTERS])
        body = phone.transfer_event(desk.phone.conversation_uuid, timestamp=desk.poster.timestamp())
        if action["action"] == "conversation":
            body["type"] = "transfer"
        await desk.poster.tell(body, destination_of(action))

    async def _hold(self, action: JsonObject) -> None:
        """Nobody starts the meeting; the caller waits and hears what is played to those who do."""
        desk = self._desk
        desk.teller.note("nobody starts the conversation: the caller waits")
        until_ns = desk.line.position_ns + PATIENCE_NS
        if action.get("musicOnHoldUrl"):
            music = {"action": "stream", "streamUrl": action["musicOnHoldUrl"], "loop": 0}
            await self._actions.stream(music, at_most_ns=PATIENCE_NS)
        await desk.line.pass_time(until_ns - desk.line.position_ns)
        desk.teller.note("the caller has no more patience and hangs up")

    async def _meet(self, action: JsonObject) -> None:
        """The caller says what it has to say, to nobody."""
        desk = self._desk
        muted = _flag(action, "mute", default=False) or action.get("canSpeak") == []
        recording = None
        if action["action"] == "conversation" and _flag(action, "record", default=False):
            recording = desk.recordings.start(desk.line.audio_format, suffix="mp3", both_sides=True, stereo=False)
            desk.line.add(recording)
        source = await ready(desk.audio(desk.line.audio_format))
        desk.line.catch_up()
        try:
            while (frame := await next_frame(source, desk.line.audio_format.silence)) or self._actions.keys_to_press:
                await desk.line.step(said=None if muted else frame)
        finally:
            source.close()
            if recording is not None:
                desk.line.remove(recording)
                await self._actions.tell_recording(recording, destination_of(action))


def _flag(action: JsonObject, key: str, *, default: bool) -> bool:
    """True or false, which many write as a text."""
    value = action.get(key, default)
    return value.lower() == "true" if isinstance(value, str) else value is True
