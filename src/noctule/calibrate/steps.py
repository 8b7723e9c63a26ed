"""The steps of setting a sensor up, and what can go wrong in them, as data: the app shows them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SetupStep:
    """One step. `what` is done in it, `why` it matters, in a sentence each."""

    key: str
    title: str
    icon: str
    what: str
    why: str


SETUP_STEPS: tuple[SetupStep, ...] = (
    SetupStep(
        "hardware",
        "Hardware",
        "speaker",
        "Choose loudspeaker and microphones, and check whether they can sense.",
        "A quarter of a minute of inaudible test sounds shows what the sound card really carries.",
    ),
    SetupStep(
        "calibration",
        "Calibration",
        "graphic_eq",
        "Find the tone that works best in this room, no louder than it has to be.",
        "Ten seconds, nothing audible. Nobody has to leave the room, but standing still helps.",
    ),
    SetupStep(
        "sensitivity",
        "Sensitivity",
        "tune",
        "Choose how easily motion is taken for a person.",
        "More sensitive finds smaller motions, and makes more false alarms.",
    ),
    SetupStep(
        "walk",
        "Walk test",
        "directions_walk",
        "Walk about, and see where the sensor notices you.",
        "Begin beside the sensor and walk away from it slowly.",
    ),
)

#: What an error of a calibration speaks of -> what people can do; the first whose words are in it counts.
REMEDIES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("no microphone", "digital silence"),
        "Unmute the microphone and take away what covers it. The step Hardware shows which one it is.",
    ),
    (
        ("nothing inaudible", "nothing comes back"),
        "Turn the loudspeaker on and up. The step Hardware shows which one it is.",
    ),
    (
        ("suppression", "cancelling", "steady tones away"),
        "Something in the computer cleans the sound. Switch it off there, or choose another input.",
    ),
    (("mov",), "Somebody moved all the time. Try again while everybody sits still for ten seconds."),
    (
        ("carrier", "emitter"),
        "Another ultrasonic device may be near, or the loudspeaker too weak. Move it away and try again.",
    ),
    (("lost", "stopped", "device"), "Plug the sound card in, and try again when the sensor is back."),
    (("under way",), "Wait until that is done, then try again."),
)


def remedy_for(error: str) -> str:
    """What people can do about an error of a calibration or an examination."""
    said = error.lower()
    for signs, remedy in REMEDIES:
        if any(sign in said for sign in signs):
            return remedy
    return "Try again in a quieter moment; the step Hardware shows what stands in the way."
