"""From a training run to a model folder: thresholds, float and int8 weights, manifest and card."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import noctule
from noctule.core.errors import NoctuleError
from noctule.lab import checkpoint
from noctule.lab.augment import as_sample
from noctule.lab.crops import Store, cut, open_unpacked
from noctule.lab.export_onnx import ScoreMap, export_onnx
from noctule.lab.operating import (
    DEFAULT_PRESET,
    MAJOR_FROM,
    PRESETS,
    Curve,
    Scores,
    alarms_by_stratum,
    curve_of,
    knots_about,
    knots_of,
    platt,
)
from noctule.lab.quantize import Fidelity, Stream, compare, quantize
from noctule.lab.train import TrainSettings, use_threads, validate
from noctule.model.network import MotionNetwork, count_macs, count_parameters
from noctule.model.rules import OUTPUTS
from noctule.model.zoo import Model, write_model_folder

FLOAT, INT8 = "network.onnx", "network-int8.onnx"
#: Frames of one segment among those that set the ranges of the int8 weights, and that they are compared on.
_STREAM_FRAMES = 125


@dataclass(frozen=True)
class _Measured:
    """A trained network and what the validation scenes say of it."""

    network: MotionNetwork
    scores: Scores
    curve: Curve

    def maps(self) -> list[ScoreMap]:
        """Of the outputs: human motion by its false alarms, the others by their probability."""
        major, other, stays = (platt(self.scores, output) for output in ("major", "other", "stays"))
        knots = (
            knots_of(self.curve),
            knots_about(MAJOR_FROM, *major),
            knots_about(0.5, *other),
            knots_about(0.5, *stays),
        )
        return [ScoreMap(*one) for one in knots]


def publish(
    run: Path,
    folder: Path,
    force: bool = False,
    threads: int = 1,
    say: Callable[[str], None] = lambda line: None,
    calibration_frames: int = 6000,
) -> Model:
    """Write the best epoch of a run as a model folder.

    Raises
    ------
    NoctuleError
        The run has no finished epoch, its unpacked corpus is gone, or the folder exists already.
    """
    if folder.exists() and not force:
        raise NoctuleError(f"{folder}: exists already; choose another name or replace it (--force)")
    use_threads(threads)
    best = checkpoint.load(run / checkpoint.BEST)
    if best.get("outputs") != list(OUTPUTS):
        raise NoctuleError(f"{run}: holds a run of a network with other outputs")
    settings = TrainSettings.from_dict(best["settings"])
    network = MotionNetwork(settings.shape)
    network.load_state_dict(best["network"])
    validation = open_unpacked(run / "store", "validation", best["corpus"])
    train = open_unpacked(run / "store", "train", best["corpus"])
    say("validation scenes, for the thresholds")
    scores, _ = validate(network, validation, settings)
    measured = _Measured(network.eval(), scores, curve_of(scores))
    maps = measured.maps()
    with tempfile.TemporaryDirectory() as place:
        files = {"float": Path(place) / FLOAT, "int8": Path(place) / INT8}
        say("float weights")
        export_onnx(network, maps, files["float"])
        say("int8 weights")
        count = max(1, calibration_frames // _STREAM_FRAMES)
        export_onnx(network, maps, plain := Path(place) / "plain.onnx", folded=False)
        quantize(plain, files["int8"], streams_of(train, count, settings.seed))
        held_out = streams_of(validation, count, settings.seed + 1)
        fidelity = compare(files["float"], files["int8"], held_out)
        about = _about(folder.name, best, measured, maps, fidelity)
        return write_model_folder(folder, about, files, _card(about), force)


def streams_of(store: Store, count: int, seed: int) -> list[Stream]:
    """Pieces of segments drawn evenly from the strata, as the running sensor would feed them."""
    rng = np.random.default_rng([seed, 8])
    by_stratum: dict[str, list[int]] = {}
    for number in rng.permutation(len(store.segments)).tolist():
        by_stratum.setdefault(store.segments[number].stratum, []).append(number)
    in_turn = [
        numbers[turn] for turn in range(count) for numbers in by_stratum.values() if turn < len(numbers)
    ]
    streams = []
    for number in in_turn[:count]:
        frames = min(len(store.segments[number]), _STREAM_FRAMES)
        offset = int(rng.integers(0, len(store.segments[number]) - frames + 1))
        power_db, scalars = as_sample(cut(store, [(number, offset)], frames)).network_inputs()
        streams.append((power_db[0].numpy(), scalars[0].numpy().astype(np.float32)))
    return streams


def _about(
    name: str, best: dict[str, Any], measured: _Measured, maps: list[ScoreMap], fidelity: Fidelity
) -> dict[str, Any]:
    shape = measured.network.shape
    settings = {key: value for key, value in best["settings"].items() if key != "shape"}
    return {
        "name": name,
        "version": "1",
        "minimum_noctule": noctule.__version__,
        "feature_digest": best["feature_digest"],
        "hop_s": shape.hop_s,
        "bins": shape.bins,
        "outputs": list(OUTPUTS),
        "parameters": count_parameters(measured.network),
        "macs_per_frame": count_macs(shape),
        "presets": _presets(measured, maps),
        "default_preset": DEFAULT_PRESET,
        "probability": {output: platt(measured.scores, output) for output in OUTPUTS},
        "int8": asdict(fidelity),
        "training": {
            "corpus_sha256": best["corpus"],
            "corpora": best["corpora"],
            "train_hours": best["train_hours"],
            "validation_hours": best["validation_hours"],
            "best_epoch": best["record"],
            "settings": settings,
            "shape": shape.as_dict(),
        },
    }


def _presets(measured: _Measured, maps: list[ScoreMap]) -> dict[str, Any]:
    """Thresholds, and what they cost and found in the validation scenes."""
    presets, curve = {}, measured.curve
    for (name, (sensitivity, _)), knot in zip(PRESETS.items(), ("careful", "default", "eager"), strict=True):
        human, major = getattr(maps[0], knot), getattr(maps[1], knot)
        by_stratum = alarms_by_stratum(measured.scores, human)
        presets[name] = {
            "trigger_sensitivity": sensitivity,
            "logit_human": human,
            "logit_major": major,
            "measured": {
                "on": "validation scenes, nobody inside; rates below 4 events are extrapolated",
                "empty_hours": round(measured.scores.empty_hours, 2),
                "false_alarms_per_day": round(24.0 * curve.rate(human), 3),
                "onsets_found_within_1_s": round(curve.onsets_at(human), 4),
                "minor_frames_found": round(curve.minor_at(human), 4),
                "false_alarms_per_hour_by_stratum": {
                    stratum: round(rate, 3) for stratum, rate in by_stratum.items()
                },
            },
        }
    return presets


def _data(corpus: dict[str, Any]) -> str:
    """Where the hours come from, in words."""
    hours = ", ".join(f"{name} {one:.1f} h" for name, one in corpus["hours"].items())
    takes = len(corpus["takes"])
    moved = f"; some people move by {takes} motion capture takes, named in the manifest" if takes else ""
    return f"- `{corpus['command']}`: {hours}{moved}\n"


def _card(about: dict[str, Any]) -> str:
    training, int8, default = about["training"], about["int8"], about["presets"][about["default_preset"]]
    rows = "\n".join(
        f"| {name} | {one['trigger_sensitivity']:g} | {one['measured']['false_alarms_per_day']:g} "
        f"| {100 * one['measured']['onsets_found_within_1_s']:.1f} % "
        f"| {100 * one['measured']['minor_frames_found']:.1f} % |"
        for name, one in about["presets"].items()
    )
    learnt = "".join(_data(one) for one in training["corpora"])
    begun = training["settings"]["begun_with"]
    after = f"\nIt began with weights of an earlier model or run, `{begun[:16]}`.\n" if begun else ""
    return f"""# {about["name"]}

Tells people from everything else that moves in a room with a tone that nobody hears. Scores a frame:
major human motion (walking), minor human motion (hands, turning in a chair), other motion (fans, curtains,
animals), and right after a motion whether whoever made it is still here. One network for every carrier,
sample rate and number of microphones, because it sees radial velocity without what the loudspeaker does to
its own tone, over the noise floor and over what goes on, and nothing else.

- {about["parameters"]} parameters, {about["macs_per_frame"]} multiplications a frame of {about["hop_s"]:g} s
- features: digest `{about["feature_digest"]}`
- learnt from {training["train_hours"]} h of simulated rooms (corpus `{training["corpus_sha256"][:16]}`)
- chosen by {training["validation_hours"]} h in other rooms with other people
- int8 against float: {int8["logit_snr_db"]:.1f} dB, {100 * int8["decisions_differ"]:.2f} % other decisions

## What it learnt from

{learnt}{after}
## Presets

Measured on simulated validation scenes, {default["measured"]["empty_hours"]:g} h of them without people and
full of provocation: fans, curtains, noises; pets, vacuums and people next door are counted apart (manifest).
Real rooms are another matter.

| preset | trigger sensitivity | false alarms a day | walks found within 1 s | frames of minor motion found |
|---|---|---|---|---|
{rows}

## Where it fails

- Cloth that hangs flat and swings as one, as a flag or a sheet in a storm does, looks like somebody; so do
  slow rotors with one or two arms.
- A weak motion is reported for up to a second after its end.
- Whoever sits motionless is not seen by breathing alone, only held for a while after the last motion.
- Animals move as people do: a dog is reported as motion. So, often, is somebody behind a thin wall.
- It was taught by a simulator: what the simulator does not know, it does not know.
- Scores mean nothing while a blocking fault holds; the detector then gives none.
"""
