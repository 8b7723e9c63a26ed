"""Sitting down, sitting, standing up, and what hands and trunks do meanwhile: minor motion.

Hands go from place to place with minimum jerk (Flash & Hogan 1985). How far and how fast is drawn around
usual values [A]: peak hand speeds of 0.3 to 1.3 m/s, as in everyday reaching.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field

from noctule.simulate import posture
from noctule.simulate.body import Body
from noctule.simulate.doing import Keyframes, Performance
from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import JOINT, Action, Doing, Stance
from noctule.simulate.posture import ANGLE
from noctule.simulate.sequence import Sequence
from noctule.simulate.smooth import Wander, minimum_jerk, step
from noctule.simulate.walking import rest

Seconds = Annotated[float, Field(gt=0.0, le=86400.0)]

#: Where hands are, by angles of the right arm in radians: raise, spread, elbow, inwards. [A]
_PLACES: dict[str, tuple[float, float, float, float]] = {
    "lap": (0.25, 0.05, 0.9, 0.35),
    "desk": (0.55, 0.12, 0.95, 0.25),
    "reach": (1.15, 0.15, 0.15, 0.0),
    "far_side": (0.95, 0.75, 0.3, -0.3),
    "ear": (0.75, 0.45, 2.1, 0.25),
    "mouth": (0.85, 0.2, 1.95, 0.65),
    "across": (0.8, -0.15, 0.75, 0.75),
    "aside": (0.7, 0.45, 0.7, -0.25),
    "up": (1.5, 0.5, 0.9, 0.0),
    "side": (0.1, 0.05, 0.15, 0.0),
}
_ARM = ("raise", "spread", "elbow", "inwards")
#: Peak speed of the joint that goes farthest. [A: everyday reaching]
_PEAK_MPS = (0.3, 1.3)

#: A row, and how many seconds to stay there.
Stop = tuple[FloatArray, float]


def seated_row(body: Body, pelvis_m: float, hands: str = "lap") -> FloatArray:
    """Sitting on a seat that holds the hips at `pelvis_m`, shanks upright, feet on the floor."""
    low = (pelvis_m - body.shank_m - body.ankle_height_m) / body.thigh_m
    hip = math.acos(float(np.clip(low, -0.5, 0.95)))
    row = posture.angles(
        body, pelvis_z_m=pelvis_m, left_hip=hip, left_knee=hip, right_hip=hip, right_knee=hip, lean=0.05
    )
    for side in ("left", "right"):
        row = _hand(row, side, hands)
    return row


def _base(body: Body, stance: Stance) -> FloatArray:
    """The row in which a person rests in that stance."""
    if stance.posture == "seated":
        return seated_row(body, float(stance.joints_m[JOINT["pelvis"], 2]))
    return posture.angles(body)


def _hand(row: FloatArray, side: str, place: str, rng: np.random.Generator | None = None) -> FloatArray:
    """The same row with a hand elsewhere; with a generator, not quite there."""
    moved = row.copy()
    for name, value in zip(_ARM, _PLACES[place], strict=True):
        near = 0.0 if rng is None else rng.normal(0.0, 0.08)
        moved[ANGLE[f"{side}_{name}"]] = value + near
    return moved


class SitDown(Action):
    """On a seat right behind."""

    do: Literal["sit_down"] = "sit_down"
    seat_height_m: float = Field(0.45, ge=0.3, le=0.6, description="over the floor")
    takes_s: float = Field(1.6, ge=0.7, le=4.0, description="from standing to sitting")

    def begin(self, body: Body, stance: Stance, rng: np.random.Generator) -> Doing:
        if stance.posture == "seated":
            raise ValueError("cannot sit_down: sits already")
        return _seat(body, stance, self.seat_height_m + 0.05, self.takes_s, down=True)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        return cls(seat_height_m=rng.uniform(0.38, 0.55), takes_s=rng.uniform(0.9, 2.5))


class StandUp(Action):
    """From the seat; the feet stay where they are."""

    do: Literal["stand_up"] = "stand_up"
    takes_s: float = Field(1.5, ge=0.7, le=4.0, description="from sitting to standing")

    def begin(self, body: Body, stance: Stance, rng: np.random.Generator) -> Doing:
        if stance.posture == "standing":
            raise ValueError("cannot stand_up: stands already")
        return _seat(body, stance, float(stance.joints_m[JOINT["pelvis"], 2]), self.takes_s, down=False)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        return cls(takes_s=rng.uniform(0.9, 2.5))


def _seat(body: Body, stance: Stance, pelvis_m: float, takes_s: float, *, down: bool) -> Performance:
    """Between standing and sitting: the feet stay, the trunk leans forward on the way."""
    seated, standing = seated_row(body, pelvis_m), posture.angles(body)
    back_m = body.thigh_m * math.sin(seated[ANGLE["left_hip"]])
    # who stands up has the feet in front of where the hips are now
    feet_m = 0.0 if down else back_m
    thigh_m, shank_m = body.thigh_m, body.shank_m

    def rows(time_s: FloatArray) -> FloatArray:
        share = minimum_jerk(time_s / takes_s)
        share = share if down else 1.0 - share
        out = standing + share[:, None] * (seated - standing)
        out[:, ANGLE["pelvis_x_m"]] = feet_m - back_m * share
        out[:, ANGLE["lean"]] += 0.7 * np.sin(np.pi * minimum_jerk(time_s / takes_s)) ** 2
        # the knee leads and the hips' height follows: from the height of a stretched leg the knee would
        # follow as a square root, with a jump of its speed where the leg begins to bend
        knee = share * seated[ANGLE["left_knee"]]
        down_m, out_m = thigh_m + shank_m * np.cos(knee), shank_m * np.sin(knee)
        ahead_m = back_m * share
        high_m = np.sqrt(down_m**2 + out_m**2 - ahead_m**2)
        hip = np.arctan2(ahead_m, high_m) + np.arctan2(out_m, down_m)
        out[:, ANGLE["pelvis_z_m"]] = high_m + body.ankle_height_m
        for side in ("left", "right"):
            out[:, ANGLE[f"{side}_hip"]] = hip
            out[:, ANGLE[f"{side}_knee"]] = knee
            out[:, ANGLE[f"{side}_foot"]] = knee - hip
        return out

    return Performance(
        body,
        stance,
        takes_s,
        rows,
        motions=[(0.0, takes_s, "major")],
        posture_after="seated" if down else "standing",
    )


class Sit(Action):
    """Still, but for breath."""

    do: Literal["sit"] = "sit"
    for_s: Seconds = Field(10.0, description="so long")

    def begin(self, body: Body, stance: Stance, rng: np.random.Generator) -> Doing:
        if stance.posture != "seated":
            raise ValueError("cannot sit while standing: sit_down comes first")
        return rest(body, stance, self.for_s, rng)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        return cls(for_s=rng.uniform(2.0, 30.0))


class _Minor(Action):
    """Movements of hands, head or trunk in place, standing or seated."""

    def begin(self, body: Body, stance: Stance, rng: np.random.Generator) -> Doing:
        base = _base(body, stance)
        frames = Keyframes(_path(body, base, rng, self._stops(base, rng)))
        return Performance(body, stance, frames.duration_s + 0.1, frames, motions=frames.motions("minor"))

    def _stops(self, base: FloatArray, rng: np.random.Generator) -> list[Stop]:
        """From the base to each of these, and back to it."""
        raise NotImplementedError

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        return cls()


def _path(
    body: Body, base: FloatArray, rng: np.random.Generator, stops: list[Stop]
) -> list[tuple[float, float, FloatArray]]:
    """From the base over each stop and back, at the speed of hands: (arrives at, leaves at, row)."""
    frames = [(0.0, 0.05, base)]
    for row, stays_s in (*stops, (base, 0.05)):
        _, leaves_s, before = frames[-1]
        arrives_s = leaves_s + _takes_s(body, before, row, rng.uniform(*_PEAK_MPS))
        frames.append((arrives_s, arrives_s + stays_s, row))
    return frames


def _takes_s(body: Body, before: FloatArray, after: FloatArray, peak_mps: float) -> float:
    """Time from one row to another when the joint that goes farthest peaks at a speed."""
    between = before + np.linspace(0.0, 1.0, 13)[:, None] * (after - before)
    steps_m = np.linalg.norm(np.diff(posture.joints(body, between), axis=0), axis=-1)
    # minimum jerk peaks at 15/8 of its mean speed; a bent way is quicker in places than on average, so the
    # longest of its twelve steps counts
    return max(0.4, 15.0 / 8.0 * 12.0 * float(steps_m.max()) / peak_mps)


class Reach(_Minor):
    """To something on the table and back, leaning after it."""

    do: Literal["reach"] = "reach"
    side: Literal["left", "right"] = Field("right", description="which hand")

    def _stops(self, base: FloatArray, rng: np.random.Generator) -> list[Stop]:
        row = _hand(base, self.side, ("reach", "far_side")[rng.integers(2)], rng)
        row[ANGLE["lean"]] += rng.uniform(0.05, 0.3)
        row[ANGLE["twist"]] += rng.uniform(0.0, 0.2) * (1 if self.side == "right" else -1)
        return [(row, rng.uniform(0.2, 0.8))]


class Telephone(_Minor):
    """Picks up a telephone, holds it to the ear, puts it back."""

    do: Literal["telephone"] = "telephone"
    for_s: Seconds = Field(5.0, description="at the ear so long")

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        return cls(for_s=rng.uniform(1.0, 20.0))

    def _stops(self, base: FloatArray, rng: np.random.Generator) -> list[Stop]:
        side = ("left", "right")[rng.integers(2)]
        reach, ear = _hand(base, side, "reach", rng), _hand(base, side, "ear", rng)
        return [(reach, 0.3), (ear, self.for_s), (reach, 0.3)]


class Drink(_Minor):
    """A cup to the mouth and back."""

    do: Literal["drink"] = "drink"

    def _stops(self, base: FloatArray, rng: np.random.Generator) -> list[Stop]:
        reach, mouth = _hand(base, "right", "reach", rng), _hand(base, "right", "mouth", rng)
        mouth[ANGLE["nod"]] -= rng.uniform(0.1, 0.4)
        return [(reach, 0.4), (mouth, rng.uniform(0.8, 3.0)), (reach, 0.3)]


class TurnPages(_Minor):
    """One hand sweeps over a page, again and again."""

    do: Literal["turn_pages"] = "turn_pages"
    pages: int = Field(3, ge=1, le=200, description="how many")
    every_s: float = Field(4.0, ge=1.5, le=60.0, description="from page to page, about")

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        return cls(pages=int(rng.integers(1, 6)), every_s=rng.uniform(1.5, 12.0))

    def _stops(self, base: FloatArray, rng: np.random.Generator) -> list[Stop]:
        stops: list[Stop] = []
        for _ in range(self.pages):
            right, left = _hand(base, "right", "aside", rng), _hand(base, "right", "across", rng)
            stops += [(right, 0.15), (left, 0.1), (_hand(base, "right", "desk"), self.every_s - 1.2)]
        return stops


class OpenFolder(_Minor):
    """Both hands take a folder and open it."""

    do: Literal["open_folder"] = "open_folder"

    def _stops(self, base: FloatArray, rng: np.random.Generator) -> list[Stop]:
        closed = _hand(_hand(base, "left", "across", rng), "right", "across", rng)
        opened = _hand(_hand(base, "left", "aside", rng), "right", "aside", rng)
        closed[ANGLE["lean"]] += 0.1
        return [(closed, 0.4), (opened, rng.uniform(0.5, 2.0))]


class Shift(_Minor):
    """Shifts the weight, leans forward or back, for a while."""

    do: Literal["shift"] = "shift"

    def _stops(self, base: FloatArray, rng: np.random.Generator) -> list[Stop]:
        row = base.copy()
        row[ANGLE["sway"]] += rng.normal(0.0, 0.08)
        row[ANGLE["lean"]] += rng.uniform(-0.15, 0.3)
        row[ANGLE["twist"]] += rng.normal(0.0, 0.15)
        return [(row, rng.uniform(0.5, 4.0))]


class CrossLegs(_Minor):
    """One leg over the other, and back after a while."""

    do: Literal["cross_legs"] = "cross_legs"
    for_s: Seconds = Field(5.0, description="crossed so long")

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        return cls(for_s=rng.uniform(1.0, 20.0))

    def _stops(self, base: FloatArray, rng: np.random.Generator) -> list[Stop]:
        side = ("left", "right")[rng.integers(2)]
        row = base.copy()
        row[ANGLE[f"{side}_hip"]] += 0.3
        row[ANGLE[f"{side}_open"]] -= 0.3
        row[ANGLE[f"{side}_knee"]] -= 0.15
        return [(row, self.for_s)]


class LookAround(_Minor):
    """The head turns, and turns back."""

    do: Literal["look_around"] = "look_around"

    def _stops(self, base: FloatArray, rng: np.random.Generator) -> list[Stop]:
        stops: list[Stop] = []
        for _ in range(int(rng.integers(1, 4))):
            row = base.copy()
            row[ANGLE["look"]] += rng.uniform(-1.2, 1.2)
            row[ANGLE["nod"]] += rng.uniform(-0.3, 0.4)
            row[ANGLE["twist"]] += rng.uniform(-0.15, 0.15)
            stops.append((row, rng.uniform(0.3, 1.5)))
        return stops


class _Rhythmic(Action):
    """Hands that go to and fro for a while."""

    for_s: Seconds = Field(5.0, description="so long; raising and lowering the hands comes on top")

    def begin(self, body: Body, stance: Stance, rng: np.random.Generator) -> Doing:
        base = _base(body, stance)
        held, moves = self._rhythm(base, rng)
        takes_s = max(0.7, _takes_s(body, base, held, rng.uniform(*_PEAK_MPS)))

        def rows(time_s: FloatArray) -> FloatArray:
            there = minimum_jerk(time_s / takes_s) - minimum_jerk((time_s - takes_s - self.for_s) / takes_s)
            busy = step((time_s - takes_s) / 0.5) - step((time_s - takes_s - self.for_s + 0.5) / 0.5)
            out = base + there[:, None] * (held - base)
            for name, size, wave in moves:
                out[:, ANGLE[name]] += size * busy * wave(time_s)
            return out

        whole_s = self.for_s + 2.0 * takes_s
        return Performance(body, stance, whole_s, rows, motions=[(0.0, whole_s, "minor")])

    def _rhythm(self, base: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, list[Any]]:
        """The row in the middle, and what swings about it: (angle, radians, function of time)."""
        raise NotImplementedError

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        return cls(for_s=rng.uniform(2.0, 15.0))


class Type(_Rhythmic):
    """Fingers and wrists tremble over a keyboard, in bursts."""

    do: Literal["type"] = "type"

    def _rhythm(self, base: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, list[Any]]:
        held = _hand(_hand(base, "left", "desk", rng), "right", "desk", rng)
        moves = []
        for side in ("left", "right"):
            # [A] 3 to 7 strokes a second of 2 to 10 mm at a forearm of 0.3 m, and drifts over the keyboard
            size = rng.uniform(0.004, 0.02)
            tremor, drift = Wander(rng, 3.0, 7.0), Wander(rng, 0.2, 0.8)
            moves += [(f"{side}_elbow", size, _bursts(tremor, Wander(rng, 0.1, 0.4)))]
            moves += [(f"{side}_inwards", rng.uniform(0.02, 0.08), drift)]
        return held, moves


class Mouse(_Rhythmic):
    """One hand pushes a mouse about."""

    do: Literal["mouse"] = "mouse"

    def _rhythm(self, base: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, list[Any]]:
        held = _hand(base, "right", "desk", rng)
        return held, [
            ("right_inwards", rng.uniform(0.02, 0.12), _bursts(Wander(rng, 0.4, 1.5), Wander(rng, 0.1, 0.4))),
            ("right_raise", rng.uniform(0.02, 0.06), _bursts(Wander(rng, 0.4, 1.5), Wander(rng, 0.1, 0.4))),
        ]


class Gesture(_Rhythmic):
    """Talks with both hands."""

    do: Literal["gesture"] = "gesture"

    def _rhythm(self, base: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, list[Any]]:
        held = _hand(_hand(base, "left", "aside", rng), "right", "aside", rng)
        held[[ANGLE["left_elbow"], ANGLE["right_elbow"]]] += 0.4
        moves = []
        for side in ("left", "right"):
            for name, size in (("raise", 0.12), ("elbow", 0.22), ("inwards", 0.2)):
                moves.append((f"{side}_{name}", size * rng.uniform(0.4, 1.2), Wander(rng, 0.3, 1.6)))
        return held, moves


class WaveHand(_Rhythmic):
    """Waves a hand, forearm up."""

    do: Literal["wave_hand"] = "wave_hand"
    rate_hz: float = Field(1.3, ge=0.3, le=3.0, description="waves a second")

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        return cls(for_s=rng.uniform(1.0, 6.0), rate_hz=rng.uniform(0.5, 2.0))

    def _rhythm(self, base: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, list[Any]]:
        held = _hand(base, "right", "up", rng)
        start, hz = rng.uniform(0.0, 2.0 * np.pi), self.rate_hz

        def swing(time_s: FloatArray) -> FloatArray:
            return np.asarray(np.sin(2.0 * np.pi * hz * time_s + start))

        return held, [("right_inwards", rng.uniform(0.3, 0.6), swing)]


def _bursts(wave: Wander, loudness: Wander) -> Any:
    """A wave that comes and goes."""

    def burst(time_s: FloatArray) -> FloatArray:
        return np.asarray(wave(time_s) * step(0.5 + 1.5 * loudness(time_s)))

    return burst


class Work(Action):
    """Office work or an evening on the sofa: one small thing after another, with pauses."""

    do: Literal["work"] = "work"
    for_s: Seconds = Field(30.0, description="at least so long: what was begun is finished")
    pause_s: float = Field(4.0, ge=0.0, le=120.0, description="between two things, on average")

    def begin(self, body: Body, stance: Stance, rng: np.random.Generator) -> Doing:
        kinds = SEATED_MINOR if stance.posture == "seated" else STANDING_MINOR
        done = Sequence(stance)
        while done.duration_s < self.for_s:
            pause_s = 0.3 + min(rng.exponential(self.pause_s), self.for_s)
            done.then(rest(body, done.end, pause_s, rng))
            done.then(kinds[rng.integers(len(kinds))].draw(rng).begin(body, done.end, rng))
        return done

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        return cls(for_s=rng.uniform(3.0, 40.0), pause_s=rng.uniform(0.5, 12.0))


STANDING_MINOR = (Telephone, Drink, Gesture, LookAround, WaveHand, Shift)
SEATED_MINOR = (
    *(Reach, Telephone, Drink, TurnPages, OpenFolder, Shift, CrossLegs, LookAround),
    *(Type, Type, Mouse, Gesture),
)
SEATED_ACTIONS = (
    *(SitDown, StandUp, Sit, Reach, Telephone, Drink, TurnPages, OpenFolder, Shift, CrossLegs),
    *(LookAround, Type, Mouse, Gesture, WaveHand, Work),
)
