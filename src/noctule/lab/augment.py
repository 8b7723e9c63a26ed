"""What may change in a crop without changing who moves, and the sum of two scenes.

All of it works on the power in the units of the noise (1 is the floor), batch by batch: powers of independent
echoes add, a weaker echo is a smaller share of the same noise. What is new is the power over what goes on, so
their ratio is what goes on. Every step takes and gives a `Sample`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor

from noctule.core.power import LOWEST_DB, STEP_DB
from noctule.core.settings import FeatureSettings
from noctule.dsp.distortion import MEMORY_S
from noctule.lab.crops import Batch

_LOWEST = 10.0 ** (LOWEST_DB / 10.0)
#: Share of the newest frame in what goes on.
_MEMORY = FeatureSettings().hop_s / MEMORY_S


@dataclass(frozen=True)
class Chances:
    """How often each change is made to a crop, 0..1, and how far it goes."""

    mirror: float = 0.5
    stretch: float = 0.5
    stretch_range: tuple[float, float] = (0.85, 1.18)
    mix: float = 0.3
    weaken: float = 0.3
    weaken_db: float = 8.0
    strengthen: float = 0.25
    strengthen_db: float = 20.0
    lines: float = 0.2
    dropped_bins: float = 0.1
    bursts: float = 0.2
    masked_frames: float = 0.15
    narrow: float = 0.15
    snr_jitter_db: float = 4.0

    @classmethod
    def none(cls) -> Chances:
        off: dict[str, Any] = {one.name: 0.0 for one in fields(cls)}
        return cls(**off | {"stretch_range": (1.0, 1.0)})


@dataclass(frozen=True)
class Sample:
    """A batch on its way into the network.

    power : (2, batch, frames, bins), over the noise floor and over what goes on; 1 is as before.
    broadband_db, snr_db, removed_db, weight : (batch, frames).
    label : (batch, frames) bits. valid : (batch, bins).
    """

    power: Tensor
    broadband_db: Tensor
    snr_db: Tensor
    removed_db: Tensor
    label: Tensor
    weight: Tensor
    valid: Tensor

    def network_inputs(self) -> tuple[Tensor, Tensor]:
        """Log powers and scalars as `MotionNetwork` takes them: invalid bins at 0 dB."""
        power_db = 10.0 * torch.log10(self.power.clamp(min=_LOWEST)) * self.valid[:, None]
        power_db = power_db.permute(1, 2, 0, 3)
        share = self.valid.float().mean(dim=1)[:, None].expand_as(self.snr_db)
        return power_db, torch.stack([self.broadband_db, self.snr_db, share, self.removed_db], dim=-1)


def as_sample(batch: Batch, device: str = "cpu") -> Sample:
    """Decoded, on the device."""
    table = 10.0 ** ((torch.arange(256) * STEP_DB + LOWEST_DB) / 10.0)
    scalars = torch.from_numpy(np.array(batch.scalars)).to(device)
    return Sample(
        power=table.to(device)[torch.from_numpy(np.array(batch.power)).to(device).int()],
        broadband_db=scalars[..., 0],
        snr_db=scalars[..., 1],
        removed_db=scalars[..., 2],
        label=torch.from_numpy(np.array(batch.label)).to(device).int(),
        weight=torch.from_numpy(batch.weight).to(device),
        valid=torch.from_numpy(np.array(batch.valid)).to(device),
    )


def augmented(one: Sample, chances: Chances, rng: np.random.Generator) -> Sample:
    """`one` changed at random; some crops get the crop before them in the batch added."""
    generator = torch.Generator(device=one.power.device).manual_seed(int(rng.integers(2**62)))
    one = _mirror(one, chances, rng)
    one = _stretch(one, chances, rng)
    one = _mix(one, chances, rng)
    one = _strengthen(one, chances, rng)
    one = _weaken(one, chances, rng, generator)
    one = _lines(one, chances, rng)
    one = _bursts(one, chances, rng, generator)
    one = _replace_with_noise(one, chances, rng, generator)
    one = _narrow(one, chances, rng)
    shift = torch.from_numpy(rng.normal(0.0, 1.0, len(one.snr_db)).astype(np.float32)) * chances.snr_jitter_db
    return replace(one, snr_db=one.snr_db + shift.to(one.snr_db.device)[:, None])


def _chosen(one: Sample, chance: float, rng: np.random.Generator) -> Tensor:
    """Indices of the crops that it happens to."""
    return torch.from_numpy(np.flatnonzero(rng.random(len(one.weight)) < chance)).to(one.power.device)


def _with_rows(whole: Tensor, chosen: Tensor, rows: Tensor) -> Tensor:
    """Other crops in the place of the chosen ones; power has them along its second axis."""
    return whole.index_copy(int(whole.dim() == 4), chosen, rows)


def _uniform(low: float, high: float, count: int, rng: np.random.Generator, like: Tensor) -> Tensor:
    return torch.from_numpy(rng.uniform(low, high, count).astype(np.float32)).to(like.device)


def _going_on(power: Tensor) -> Tensor:
    """What goes on at each velocity, over the noise floor: never less than that. (2, ..) to (..)."""
    return (power[0] / power[1]).clamp(min=1.0)


def _mirror(one: Sample, chances: Chances, rng: np.random.Generator) -> Sample:
    """Who came now goes."""
    chosen = _chosen(one, chances.mirror, rng)
    return replace(
        one,
        power=_with_rows(one.power, chosen, one.power[:, chosen].flip(-1)),
        valid=_with_rows(one.valid, chosen, one.valid[chosen].flip(-1)),
    )


def _stretch(one: Sample, chances: Chances, rng: np.random.Generator) -> Sample:
    """Everything quicker or slower. Nearest bin: interpolation would smooth the noise."""
    chosen = _chosen(one, chances.stretch, rng)
    bins = one.power.shape[-1]
    factor = _uniform(*chances.stretch_range, len(chosen), rng, one.power)
    middle = bins // 2
    source = middle + (torch.arange(bins, device=factor.device) - middle) / factor[:, None]
    source = source.round().long()
    # beyond the ends: what lies inside, turned round
    source = torch.where(source < 0, -source, source)
    source = torch.where(source >= bins, 2 * (bins - 1) - source, source)
    wide = source[None, :, None].expand(2, -1, one.power.shape[2], -1)
    return replace(
        one,
        power=_with_rows(one.power, chosen, one.power[:, chosen].gather(3, wide)),
        valid=_with_rows(one.valid, chosen, one.valid[chosen].gather(1, source)),
    )


def _mix(one: Sample, chances: Chances, rng: np.random.Generator) -> Sample:
    """Two scenes in one room: echoes add, the noise is there once, either's motion is motion.

    One hides what is new in the other, unless it comes from elsewhere: how far, nobody knows.
    """
    chosen = _chosen(one, chances.mix, rng)
    other = (chosen - 1) % len(one.weight)
    a, b = one.power[:, chosen], one.power[:, other]
    sum_ = a + b - 1.0
    power = torch.where(sum_ > 0.1, sum_, torch.minimum(a, b))
    hidden = power[0] / (_going_on(a) + _going_on(b) - 1.0)
    elsewhere = _uniform(0.0, 1.0, len(chosen), rng, one.power)[:, None, None]
    power[1] = elsewhere * power[1] + (1.0 - elsewhere) * torch.minimum(hidden, power[1])
    bursts = 10.0 ** (one.broadband_db[chosen] / 10.0) + 10.0 ** (one.broadband_db[other] / 10.0) - 1.0
    return replace(
        one,
        power=_with_rows(one.power, chosen, power),
        broadband_db=_with_rows(one.broadband_db, chosen, 10.0 * torch.log10(bursts.clamp(min=1.0))),
        removed_db=_with_rows(
            one.removed_db, chosen, torch.maximum(one.removed_db[chosen], one.removed_db[other])
        ),
        label=_with_rows(one.label, chosen, one.label[chosen] | one.label[other]),
        weight=_with_rows(one.weight, chosen, one.weight[chosen] * one.weight[other]),
        valid=_with_rows(one.valid, chosen, one.valid[chosen] & one.valid[other]),
    )


def _strengthen(one: Sample, chances: Chances, rng: np.random.Generator) -> Sample:
    """What stands well above the floor stands higher, and is half as much more new; the floor stays."""
    chosen = _chosen(one, chances.strengthen, rng)
    gain_db = _uniform(0.0, chances.strengthen_db, len(chosen), rng, one.power)[:, None, None]
    power = one.power[:, chosen]
    # from 3 dB over the floor on, in full from 9 dB on
    share = ((10.0 * torch.log10(power.clamp(min=1.0)) - 3.0) / 6.0).clamp(0.0, 1.0)
    share[1] *= 0.5
    return replace(one, power=_with_rows(one.power, chosen, power * 10.0 ** (0.1 * gain_db * share)))


def _weaken(one: Sample, chances: Chances, rng: np.random.Generator, generator: torch.Generator) -> Sample:
    """More noise than there was: everything is a smaller share of it."""
    chosen = _chosen(one, chances.weaken, rng)
    share = 10.0 ** (-0.1 * _uniform(0.0, chances.weaken_db, len(chosen), rng, one.power))[:, None, None]
    noise = _noise((len(chosen), *one.power.shape[2:]), one.power, rng, generator)
    known = one.power[:, chosen]
    goes_on = share * _going_on(known) + 1.0 - share
    power = share * known[0] + (1.0 - share) * noise
    fresh = share * known[1] * _going_on(known) + (1.0 - share) * noise
    power = torch.stack([power, fresh / goes_on])
    return replace(one, power=_with_rows(one.power, chosen, power))


def _noise(
    shape: tuple[int, ...], like: Tensor, rng: np.random.Generator, generator: torch.Generator
) -> Tensor:
    """Power of white noise in overlapping windows, mean 1 in every bin, of one to four microphones."""
    looks, overlap = int(rng.integers(1, 5)), float(rng.uniform(0.0, 1.0))
    total = torch.zeros(shape, device=like.device)
    if not shape[0]:
        return total
    for _ in range(2 * looks):  # real and imaginary part of each
        white = torch.randn(shape, generator=generator, device=like.device)
        white[:, 1:] += overlap * white[:, :-1].clone()
        for _ in range(3):  # neighbours share the window's main lobe: correlated by 0.56, 0.09 two apart
            white[..., 1:] += white[..., :-1].clone()
        total += white.square_()
    # what each of them sums up to; the first frame and the first bins have fewer neighbours
    over_bins = torch.full(shape[-1:], 20.0, device=like.device)
    over_bins[:3] = over_bins.new_tensor([1.0, 10.0, 19.0])[: shape[-1]]
    over_time = torch.full((shape[1], 1), 1.0 + overlap**2, device=like.device)
    over_time[0] = 1.0
    return total / (2 * looks * over_time * over_bins)


def _lines(one: Sample, chances: Chances, rng: np.random.Generator) -> Sample:
    """Tones that nobody in the room makes: some stay, some sweep to and fro, some come and go.

    Foreign emitters are on one side of the carrier; what modulates the carrier itself is on both, and most of
    it would have been taken off.
    """
    chosen = _chosen(one, chances.lines, rng)
    power = one.power[:, chosen]  # a copy: chosen by index
    frames, bins = power.shape[2:]
    frame, bin_ = np.arange(frames), np.arange(bins)
    for i in range(len(chosen)):
        for _ in range(int(rng.integers(1, 4))):
            turns = frame / np.exp(rng.uniform(np.log(8.0), np.log(200.0))) + rng.uniform()
            wave = (
                np.sin(2.0 * np.pi * turns) if rng.random() < 0.5 else 4.0 * np.abs(turns % 1.0 - 0.5) - 1.0
            )
            place = rng.uniform(0.0, bins) + wave * (rng.uniform(0.0, 60.0) if rng.random() < 0.5 else 0.0)
            level = np.full(frames, 10.0 ** (0.1 * rng.uniform(3.0, 45.0)))
            if rng.random() < 0.3:
                level[(turns * rng.uniform(0.2, 2.0)) % 1.0 < rng.uniform(0.1, 0.7)] = 0.0
            # the main lobe of the window, and what a sweep crosses meanwhile
            width = 0.8 + 0.3 * np.abs(np.gradient(place))[:, None]
            line = level[:, None] * np.exp(-(((bin_ - place[:, None]) / width) ** 2)) / width
            both = rng.random() < 0.3
            made = (line + both * line[:, ::-1]) * (10.0 ** rng.uniform(-4.0, 0.0) if both else 1.0)
            before = lfilter([_MEMORY], [1.0, _MEMORY - 1.0], made, axis=0)
            goes_on = _going_on(power[:, i])
            whole = goes_on + torch.from_numpy(before.astype(np.float32)).to(power.device)
            new = torch.from_numpy(made.astype(np.float32)).to(power.device)
            power[1, i] = (power[1, i] * goes_on + new) / whole
            power[0, i] += new
    return replace(one, power=_with_rows(one.power, chosen, power))


def _bursts(one: Sample, chances: Chances, rng: np.random.Generator, generator: torch.Generator) -> Sample:
    """Claps, keys, sibilants: all velocities for a few frames, and the far ends tell."""
    chosen = _chosen(one, chances.bursts, rng)
    power, broadband_db = one.power[:, chosen], one.broadband_db[chosen]  # copies: chosen by index
    frames, bins = power.shape[2:]
    for i in range(len(chosen)):
        for _ in range(int(rng.integers(1, 9))):
            length = int(rng.integers(1, 6))
            first = int(rng.integers(0, max(1, frames - length)))
            level = 10.0 ** (0.1 * rng.uniform(2.0, 28.0))
            tilt_db = torch.linspace(*rng.uniform(-4.0, 4.0, 2).tolist(), bins, device=power.device)
            speckle = _noise((1, length, bins), power, rng, generator)[0]
            here = slice(first, first + length)
            burst = level * speckle * 10.0 ** (0.1 * tilt_db)
            power[1, i, here] += burst / _going_on(power[:, i, here])
            power[0, i, here] += burst
            before = 10.0 ** (0.1 * broadband_db[i, here])
            broadband_db[i, here] = 10.0 * torch.log10(before + level)
    return replace(
        one,
        power=_with_rows(one.power, chosen, power),
        broadband_db=_with_rows(one.broadband_db, chosen, broadband_db),
    )


def _replace_with_noise(
    one: Sample, chances: Chances, rng: np.random.Generator, generator: torch.Generator
) -> Sample:
    """A few frames nobody is asked about, and a few velocities that are never heard: nothing but noise."""
    power, weight = one.power.clone(), one.weight.clone()
    chosen = _chosen(one, chances.masked_frames, rng)
    for i in chosen.tolist():
        length = int(rng.integers(1, 12))
        first = int(rng.integers(0, max(1, power.shape[2] - length)))
        power[:, i, first : first + length] = _noise((1, length, power.shape[3]), power, rng, generator)[0]
        weight[i, first : first + length] = 0.0
    for i in _chosen(one, chances.dropped_bins, rng).tolist():
        at = int(rng.integers(0, power.shape[3] - 4))
        width = int(rng.integers(1, 5))
        noise = _noise((1, power.shape[2], width), power, rng, generator)[0]
        power[:, i, :, at : at + width] = noise
    return replace(one, power=power, weight=weight)


def _narrow(one: Sample, chances: Chances, rng: np.random.Generator) -> Sample:
    """A carrier near the end of what the rate carries: the upper side is cut off, or both are."""
    chosen = _chosen(one, chances.narrow, rng)
    bins = one.valid.shape[1]
    valid = one.valid[chosen]  # a copy: chosen by index
    for i in range(len(chosen)):
        kept = int(rng.uniform(0.25, 1.0) * (bins // 2))
        if rng.random() < 0.7:
            valid[i, bins // 2 + kept + 1 :] = False
        if rng.random() < 0.5:
            valid[i, : bins // 2 - kept] = False
    return replace(one, valid=_with_rows(one.valid, chosen, valid))
