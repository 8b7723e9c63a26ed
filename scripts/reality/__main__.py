"""Write docs/explanation/simulator-against-reality.md, with its pictures: `make reality`.

The real recordings are not part of the project (licences); NOCTULE_SHARED_DATA says where they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track
from scripts.reality import page, recordings
from scripts.reality.measures import STILL_MPS, Recording, figures, skirt_dbc_per_hz
from scripts.reality.pictures import side_by_side

from noctule.core.units import hz_per_mps
from noctule.simulate.render import render
from noctule.simulate.scenes import read_scene

SCENES = Path(__file__).with_name("scenes")
DATA = Path(os.environ.get("NOCTULE_SHARED_DATA", "../shared/data"))
PAGE = Path("docs/explanation/simulator-against-reality.md")
PICTURES = PAGE.parent / "pictures"
#: Whoever throws the ball is slower.
BALL_MPS = 4.0
#: Each scene is rendered with so many seeds: bodies, units and gaits differ.
SEEDS = 5


@dataclass(frozen=True, slots=True)
class Case:
    """Real recordings of one kind, and the scene that stands for them."""

    name: str
    title: str
    what: str
    differences: str
    real: Callable[[], list[Recording]]
    highest_mps: float
    signed: bool = True
    slowest_mps: float = STILL_MPS


def simulated(name: str, seed: int, signed: bool = True) -> Recording:
    """A scene at baseband, first microphone; without a sign as a single mixer gives it."""
    scene = read_scene(SCENES / f"{name}.toml").model_copy(update={"seed": seed})
    if scene.person:
        body = scene.person[0].body.draw(np.random.default_rng(seed))
        person = scene.person[0].model_copy(update={"body": body})
        scene = scene.model_copy(update={"person": (person,)})
    unit = scene.unit.model_copy(update={"seed": seed})
    rendered = render(scene.model_copy(update={"unit": unit}))
    samples = np.concatenate(list(rendered))[:, 0].astype(np.complex128)
    if not signed:
        samples = (samples - samples.mean()).real.astype(np.complex128)
    return Recording(f"{name} {seed}", samples, rendered.rate_hz, hz_per_mps(scene.carrier_hz), signed)


def _cases() -> list[Case]:
    walks, bench = DATA / "ultrasense_20k_44k1", DATA / "uct_edwards_192k"
    lab = DATA / "radar_24GHz_CW_real_8k"
    return [
        Case(
            "walk_away",
            "Walking away from a telephone, 20 kHz",
            "Two real takes. Room, distance and speed of the scene are guesses.",
            _WALK_AWAY,
            lambda: [recordings.sound(walks / f"walk_away_from_bed__walk_{n}.flac", 20000.0) for n in (1, 3)],
            3.0,
        ),
        Case(
            "walk_by",
            "Walking by, 20 kHz, at the height of a knee",
            "Two real takes.",
            _WALK_BY,
            lambda: [
                recordings.sound(walks / f"walk_by_kneeheight__walk_by{n}.flac", 20000.0) for n in ("", "3")
            ],
            3.0,
        ),
        Case(
            "radar_walk",
            "Gait, against a 24 GHz radar",
            "A radar at 24.1 GHz has the Doppler scale of sound at 27.6 kHz. Its single mixer gives no sign, "
            "so of the simulated signal the real part is taken, too.",
            _RADAR,
            lambda: [
                recordings.radar(lab / name)
                for name in ("Kananelo_White_Lab_walking.flac", "naidoo_ADAU1979_AD8422_Walking_Clean.flac")
            ],
            4.0,
            signed=False,
        ),
        Case(
            "rotor",
            "A rotor, against a 24 GHz radar",
            "A spinning lid; simulated by a slow fan of two blades seen from the side.",
            _ROTOR,
            lambda: [recordings.radar_iq(DATA / "radar_24GHz_HDR_iq/spin_warblet.npz", 0.0, 12.0)],
            2.5,
        ),
        Case(
            "ball",
            "A thrown ball, 40 kHz",
            "A basketball of 12 cm radius thrown towards a bench set from 6 m; simulated by one point that "
            f"flies straight on. Only what is faster than {BALL_MPS:g} m/s counts: people move as well.",
            _BALL,
            lambda: [recordings.sound(bench / "ultra_6m_BB.flac", 40000.0, 0.3)],
            6.0,
            slowest_mps=BALL_MPS,
        ),
    ]


_WALK_AWAY = """
Alike: the trunk's line, the legs' flashes beyond it, how far they reach, the cadence. Guessed after the
takes: how much of the tone leaks from loudspeaker to microphone round the telephone (10 dB less than in
free air). Different: the real echo is still stronger against the carrier (nobody has measured what cloth
takes; 6 dB are assumed), more blurred, and more of it lies between the trunk's line and zero: echoes by
way of bed and walls, of which only the four strongest ways are simulated.
""".strip()
_WALK_BY = """
Alike: it comes nearer and goes away, passing through zero, with the same speeds and widths. Different:
the real echo is stronger, as above, and stays visible farther out. In the lower left of the recording
something else moves; what is not known.
""".strip()
_RADAR = """
Alike: the trunk swings about its mean with every step, the legs reach three times its speed, the same
widths. Different: the radar's walkers are nowhere as much stronger close by: sound spreads as radar does,
but air and the loudspeaker's beam add to it. The simulated person turns on the spot before the sensor,
where the echo is strongest.
""".strip()
_ROTOR = """
Alike: two arcs a turn, mirrored about zero, and nothing beyond the tip's speed. Different: the lid is
flat and flashes over its whole radius at once, a bright line through all velocities; a simulated blade
has two spots, so its flash is in the arcs. The lid wobbles (the line near zero), the fan's guard stands
still.
""".strip()
_BALL = """
Alike: one-sided, a line at the ball's speed, which falls off as it is caught. Different: in the recording
somebody throws it and others move (the slow parts on both sides), the ball comes in an arc at up to 6
m/s, and it is 20 dB stronger against the carrier: two horns that point the same way hear little of each
other, the simulated puck's microphone hears its loudspeaker as in free air.
""".strip()
_STILL = """
The measured skirt is what units are drawn around (-60 to +2 dB), so this shows that it comes out as it
was put in. The first band differs: the recording's slow drift is not simulated.
""".strip()


def main() -> None:
    """All cases, one after the other."""
    lines = [*page.HEAD]
    for case in track(_cases(), "comparing"):
        real = case.real()
        made = [simulated(case.name, seed, case.signed) for seed in range(SEEDS)]
        picture = PICTURES / f"{case.name}.png"
        side_by_side(real[0], made[0], case.title, picture, case.highest_mps)
        compared = page.Compared(
            case.title,
            f"pictures/{picture.name}",
            case.what,
            [figures(one, case.slowest_mps) for one in real],
            [figures(one, case.slowest_mps) for one in made],
            case.differences,
        )
        lines += page.section(compared)
    still = [recordings.sound(DATA / "uct_edwards_192k/static_no_motion_a.flac", 40000.0, 0.3)]
    made = [simulated("still", seed) for seed in range(SEEDS)]
    lines += ["", "## Nobody there, 40 kHz: the static skirt", ""]
    lines += [_STILL, ""]
    lines += page.skirt_table(
        [skirt_dbc_per_hz(one) for one in still], [skirt_dbc_per_hz(one) for one in made]
    )
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
