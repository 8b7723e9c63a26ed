"""A loudspeaker for `noctule routines` alone: a player found on PATH. The service plays through its own."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path

from noctule.routines.processes import run_program
from noctule.routines.tools import ActionError

#: They take a WAV file.
FILE_PLAYERS = ("pw-play", "paplay", "aplay")
#: They take an address, and must not be led from there to files of this machine.
STREAM_PLAYERS = (
    ("mpv", "--no-config", "--no-ytdl", "--no-video", "--really-quiet", "--"),
    ("ffplay", "-nodisp", "-autoexit", "-v", "error", "-protocol_whitelist", "http,https,tcp,tls,crypto"),
)
PIECE_FRAMES = 65536


class MachinePlayer:
    """Plays by programs found on PATH: the first that can, for which sound server runs is not known here."""

    async def play(self, source: Path | str) -> None:
        if isinstance(source, str):
            await _play_by(_found(STREAM_PLAYERS, "a stream"), source)
            return
        players = _found(tuple((name,) for name in FILE_PLAYERS), "a sound file")
        with tempfile.TemporaryDirectory(prefix="noctule-") as folder:
            # FLAC, Ogg, MP3: what the players know differs, and WAV they all know
            wav = Path(folder) / "sound.wav"
            await asyncio.to_thread(to_wav, source, wav)
            await _play_by(players, str(wav))


async def _play_by(players: list[list[str]], source: str) -> None:
    for player in players[:-1]:
        with contextlib.suppress(ActionError):
            await run_program([*player, source])
            return
    await run_program([*players[-1], source])


def to_wav(source: Path, file: Path) -> None:
    """Any sound file that libsndfile reads, as 16-bit WAV.

    Raises
    ------
    ActionError
        It is none.
    """
    import soundfile

    try:
        with (
            soundfile.SoundFile(source) as read,
            soundfile.SoundFile(file, "w", read.samplerate, read.channels, "PCM_16") as written,
        ):
            for piece in read.blocks(PIECE_FRAMES, dtype="float32"):
                written.write(piece)
    except (soundfile.SoundFileError, OSError) as error:
        raise ActionError(f"{source.name} cannot be played ({error})") from None


def _found(programs: tuple[tuple[str, ...], ...], what: str) -> list[list[str]]:
    """Those that are there, with their options, in order."""
    found = [[path, *options] for program, *options in programs if (path := shutil.which(program))]
    if not found:
        raise ActionError(f"{what} needs one of {', '.join(one[0] for one in programs)}")
    return found
