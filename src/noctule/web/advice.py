"""What somebody can do about what health says is wrong."""

from __future__ import annotations

from noctule.core.frames import Fault
from noctule.service.health import FAULT_WORDS

_FOR_FAULTS = {
    Fault.DEVICE_LOST: "Plug the sound card in, or start the sound server. It is opened when it is back.",
    Fault.CARRIER_MISSING: "Is the loudspeaker muted, or its volume at zero? The hardware check of Set-up "
    "tells what the card lets through.",
    Fault.CARRIER_LOST: "What changed just now: volume, mute, a plug, something before the loudspeaker?",
    Fault.DROPPED_SAMPLES: "Close other programs, or choose a longer block in Settings, Sound card.",
    Fault.BAD_SAMPLES: "The driver of the sound card is broken: try another device or another driver.",
    Fault.MICROPHONE_DEAD: "The others go on. Look at its plug, or choose another input device.",
    Fault.MICROPHONE_COVERED: "Uncover it.",
    Fault.CLIPPED: "Lower the input gain, or the level in Settings, Tone.",
    Fault.CLOCK_SLEWING: "Use one sound card for both directions.",
    Fault.AGC_SUSPECTED: "Turn off automatic gain control. The hardware check of Set-up tells more.",
    Fault.INTERFERENCE: "Calibrate again in Set-up: another carrier is chosen.",
}
#: Other causes, by words in their reason.
_FOR_WORDS = {
    "no records come": "Restart noctule if it does not come back within a minute, and send a support bundle.",
    "loses samples again and again": "The machine is too busy: close other programs.",
    "the disk is": "Make room on the disk, or let the history be smaller in Settings, History.",
    "history": "Nothing that happened is lost: it waits in memory, and is written when the file can be.",
}


def advice(reason: str) -> list[str]:
    """For each cause that a reason names; none where all is well."""
    found = [_FOR_FAULTS[fault] for fault, words in FAULT_WORDS.items() if words in reason]
    return found + [what for words, what in _FOR_WORDS.items() if words in reason]
