"""Speech by real programs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.routines.conftest import needs_espeak
from tests.routines.house import BERLIN

from noctule.routines import ActionError, Home
from noctule.routines.voices import MachineVoice


def speak(text: str, file: Path, **home: object) -> None:
    asyncio.run(MachineVoice(Home.model_validate(BERLIN | home)).speak(text, file))


@needs_espeak
def test_espeak_speaks(tmp_path: Path) -> None:
    texts = {"short": "Hello.", "long": "Hello. It is three degrees and light rain.", "dash": "--help"}
    for name, text in texts.items():
        speak(text, tmp_path / f"{name}.wav")
    lengths = {}
    for name in texts:
        sound, rate_hz = soundfile.read(tmp_path / f"{name}.wav")
        assert np.sqrt(np.mean(sound**2)) > 0.01  # not silent: -40 dBFS
        lengths[name] = len(sound) / rate_hz
    assert 0.3 < lengths["short"] < 2.0 < lengths["long"] < 8.0
    assert lengths["dash"] > 0.3  # spoken, not obeyed


@needs_espeak
def test_a_language_that_espeak_does_not_have_is_said(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match="espeak-ng failed"):
        speak("Hello.", tmp_path / "a.wav", language="xx")


def test_piper_speaks_where_a_voice_is_named(
    tmp_path: Path, program_on_path: Callable[[str, str], Path]
) -> None:
    """By its documented command line; the program itself needs a voice of 60 MB."""
    program_on_path("piper", f'echo "$@" > {tmp_path}/arguments; cat > "$4"')
    speak("Hello.", tmp_path / "a.wav", piper_voice="/voices/en.onnx")
    assert (tmp_path / "arguments").read_text() == f"--model /voices/en.onnx --output_file {tmp_path}/a.wav\n"
    assert (tmp_path / "a.wav").read_text() == "Hello.\n"


def test_a_machine_that_cannot_speak_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ActionError, match="install espeak-ng"):
        speak("Hello.", tmp_path / "a.wav")
