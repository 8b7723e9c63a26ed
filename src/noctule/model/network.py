"""What the network computes: frames of the velocity grid to four logits, causal, with explicit memory.

    powers, without distortion and over what goes on
           ─► halves (towards | away) ─► running means: what comes against what stays
           ─► convolutions over speed ┐
    scalars, clock ───────────────────┴► dense ─► six dilated steps over time ─► human, major, other, stays

Whether it is a human that moves is one question, how much the body moves is another, asked of humans alone:
the first steps of a walk need not be told from a hand before they may raise an alarm.

The halves are mirrored channels, so the first filter already holds both signs of one speed against each
other: a fan shows on both, a person hardly ever. One set of weights runs in two ways: `forward` over whole
sequences (training), `step` a frame at a time (export, the running sensor). Dilated convolutions over time
after van den Oord et al. 2016 (WaveNet) and Bai et al. 2018 (TCN).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor, nn
from torch.nn import functional

from noctule.model.rules import OUTPUTS

#: Of the scalars fed with each frame.
SCALARS = ("broadband_db", "carrier_snr_db", "valid_share", "removed_db")
#: They saturate here, and so become this.
SCALAR_LIMITS = (30.0, 100.0, 1.0, 30.0)
_SCALAR_SCALES = (3.0, 2.0, 1.0, 3.0, 1.0, 1.0)
#: What the first convolution sees, each of both signs: the level, smoothed, and over what stays; what is new,
#: and smoothed.
PLANES = ("level", "smooth", "fresh", "stands_out", "fresh_smooth")
#: More power than this is as much as this.
HIGHEST_DB = 60.0
#: What stands out against the means is clamped here, in tens of decibels: 8 bits must do for it.
STANDS_OUT = 3.0
#: The clock counts frames since the start up to here, 12 s: the slowest mean has settled then.
CLOCK_FRAMES = 250.0
#: A second, quicker reading of the clock saturates here, after 2 s.
QUICK_CLOCK_FRAMES = 42.0
#: The clock's readings come behind the scalars.
CLOCKS = 2
_LN_10 = math.log(10.0)


@dataclass(frozen=True)
class NetworkShape:
    """Everything that decides the shapes of the weights; travels with them.

    Attributes
    ----------
    bins : of the velocity grid; the middle one (0 m/s) is not used.
    mean_s : time constants of the running means; the first smooths, the other remembers what stays.
    filters : (channels, kernel, stride) of the convolutions over speed.
    width : channels over time.
    dilations : of the kernel-3 steps over time, no two alike; receptive field 2·sum + 1 frames.
    """

    bins: int = 241
    hop_s: float = 0.048
    mean_s: tuple[float, float] = (0.25, 10.0)
    filters: tuple[tuple[int, int, int], ...] = ((20, 7, 3), (28, 5, 2), (28, 5, 2))
    width: int = 48
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32)

    @property
    def half(self) -> int:
        """Bins of one sign."""
        return self.bins // 2

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkShape:
        return cls(
            **values
            | {
                "mean_s": tuple(values["mean_s"]),
                "filters": tuple(tuple(one) for one in values["filters"]),
                "dilations": tuple(values["dilations"]),
            }
        )


@dataclass
class Memory:
    """What the next frame needs of those before it.

    Attributes
    ----------
    means : (1, 3, 2·half), running means of log10(1 + power): long and smooth, and smooth of what is new.
    frames : (1, 1), frames since the start, saturating at `CLOCK_FRAMES`.
    taps : for each step over time (1, 2·width): what came to it 2·dilation and dilation frames ago, 0 before
        the start. Whoever runs the network keeps the frames between.
    """

    means: Tensor
    frames: Tensor
    taps: Sequence[Tensor]

    @classmethod
    def empty(cls, shape: NetworkShape) -> Memory:
        taps = [torch.zeros(1, 2 * shape.width) for _ in shape.dilations]
        return cls(torch.zeros(1, 3, 2 * shape.half), torch.zeros(1, 1), taps)


def later(linear: nn.Linear, taps: Tensor, hidden: Tensor) -> Tensor:
    """One step over time: (.., 2·width) of the past and (.., width) of now to (.., width)."""
    return functional.relu(hidden + linear(torch.cat([taps, hidden], dim=-1)))


class MotionNetwork(nn.Module):
    """Logits of `OUTPUTS`.

    eight_bits : while it trains, activations are rounded as an 8-bit runtime will (Jacob et al. 2018).

    Inputs are raw features: power in decibels on the grid, without distortion and over what goes on, 0 where
    a bin is invalid, and the scalars in the order of `SCALARS`. Normalisation is inside.
    """

    def __init__(self, shape: NetworkShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or NetworkShape()
        self.eight_bits = False
        self.over_speed = nn.ModuleList()
        channels, length = 2 * len(PLANES), shape.half
        for filters, kernel, stride in shape.filters:
            self.over_speed.append(nn.Conv2d(channels, filters, (1, kernel), (1, stride)))
            channels, length = filters, (length - kernel) // stride + 1
        self.dense = nn.Linear(channels * length + len(SCALARS) + CLOCKS, shape.width)
        self.over_time = nn.ModuleList(nn.Linear(3 * shape.width, shape.width) for _ in shape.dilations)
        self.head = nn.Linear(shape.width, len(OUTPUTS))
        towards = list(range(shape.half + 1, shape.bins))
        away = list(range(shape.half - 1, -1, -1))
        smooth, long = (min(1.0, shape.hop_s / mean_s) for mean_s in shape.mean_s)
        self.register_buffer("order", torch.tensor(towards + away), persistent=False)
        self.register_buffer("rates", torch.tensor([long, smooth, smooth])[:, None], persistent=False)
        limits = torch.tensor([*SCALAR_LIMITS, CLOCK_FRAMES, QUICK_CLOCK_FRAMES])
        self.register_buffer("limits", limits, persistent=False)
        self.register_buffer("scales", torch.tensor(_SCALAR_SCALES) / limits, persistent=False)
        self.order: Tensor
        self.limits: Tensor
        self.scales: Tensor
        self.rates: Tensor
        self._start_quietly()

    def _start_quietly(self) -> None:
        """Each step over time begins as a small change, and the scores begin low: most frames are empty."""
        with torch.no_grad():
            for convolution in self.over_speed:
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
                nn.init.zeros_(convolution.bias)
            for linear in self.over_time:
                linear.weight.mul_(0.5)
                linear.bias.zero_()
            self.head.bias.fill_(-2.0)

    # -- sequences

    def forward(self, power_db: Tensor, scalars: Tensor) -> Tensor:
        """Sequences from a cold start: (batch, frames, 2, bins), (batch, frames, 4) to logits of frames."""
        count = power_db.shape[1]
        with torch.autocast(power_db.device.type, enabled=False), torch.no_grad():
            frames = torch.arange(count, dtype=scalars.dtype, device=scalars.device).clamp(max=CLOCK_FRAMES)
            clock = frames.reshape(1, count, 1).expand(len(scalars), -1, -1)
            planes, normal = self._planes(self._halves(power_db)), self._normal(scalars, clock)
        hidden = self._embed(planes, normal)
        for linear, dilation in zip(self.over_time, self.shape.dilations, strict=True):
            past = functional.pad(hidden, (0, 0, 2 * dilation, 0))
            taps = torch.cat([past[:, :count], past[:, dilation : dilation + count]], dim=2)
            hidden = self._rounded(later(linear, taps, hidden))
        return self.head(hidden)

    def _rounded(self, values: Tensor) -> Tensor:
        """To 255 steps up to the largest of them all; gradients pass as if nothing had happened."""
        if not (self.training and self.eight_bits):
            return values
        known = values.detach()
        step = known.amax().clamp(min=1e-6) / 255.0
        return values + (torch.round(known / step) * step - known)

    # -- frames

    def step(
        self,
        power_db: Tensor,
        scalars: Tensor,
        memory: Memory,
        later: Callable[[nn.Linear, Tensor, Tensor], Tensor] = later,
    ) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """One frame: (1, 2, bins), (1, 4) and the memory to logits (1, 4), new means and frames, new rows.

        The rows, (1, width) each, are what came to the steps over time: taps of frames to come. Few and plain
        operations: each is a node of the exported graph, and most cost more than their arithmetic.
        """
        # (1, 2, 2·half), as `_halves`; ONNX Runtime is quicker at gathering elements than at selecting
        halves = self._level(torch.gather(power_db, 2, self.order.expand(1, 2, -1)))
        level, fresh = halves.split(1, dim=1)
        now = torch.cat([level, halves], dim=1)
        means = memory.means + self._rate(memory.frames) * (now - memory.means)
        long, smooth, fresh_smooth = means.split(1, dim=1)
        planes = torch.cat([level, smooth, fresh, self._over(smooth, long), fresh_smooth], dim=1)
        planes = planes.reshape(1, -1, 1, self.shape.half)
        for convolution in self.over_speed:
            planes = functional.relu(convolution(planes))
        normal = self._normal(scalars, memory.frames)
        hidden = functional.relu(self.dense(torch.cat([planes.reshape(1, -1), normal], dim=1)))
        rows = []
        for linear, taps in zip(self.over_time, memory.taps, strict=True):
            rows.append(hidden)
            hidden = later(linear, taps, hidden)
        frames = torch.clamp(memory.frames + 1.0, max=CLOCK_FRAMES)
        return self.head(hidden), means, frames, rows

    # -- parts of one or both

    def _halves(self, power_db: Tensor) -> Tensor:
        """Speeds coming, then speeds going, both from slow to fast, as `_level`."""
        return self._level(torch.index_select(power_db, -1, self.order))

    def _level(self, power_db: Tensor) -> Tensor:
        """log10(1 + power over the floor).

        Decibels where there is something; where there is noise, no dips to minus infinity: averaged, they
        hide weak echoes.
        """
        power = torch.exp(power_db.clamp(max=HIGHEST_DB) * (0.1 * _LN_10))
        return torch.log(1.0 + power) * (1.0 / _LN_10)

    def _over(self, now: Tensor, mean: Tensor) -> Tensor:
        return (now - mean).clamp(-STANDS_OUT, STANDS_OUT)

    def _rate(self, frames: Tensor) -> Tensor:
        """Share of the newest frame in each mean: a plain average until its time constant has passed."""
        return torch.maximum(self.rates, 1.0 / (frames + 1.0))  # (3, 1) with (1, 1)

    def _planes(self, level: Tensor) -> Tensor:
        """(batch, planes, frames, half), in the order of `PLANES`, each of both signs."""
        rates = self.rates.cpu().numpy()[:, 0]
        planes = torch.from_numpy(_planes_of(level.cpu().numpy(), rates, CLOCK_FRAMES, STANDS_OUT))
        return planes.to(level.device).permute(0, 3, 1, 2)  # channels last in memory: quicker

    def _normal(self, scalars: Tensor, frames: Tensor) -> Tensor:
        known = torch.cat([scalars, frames, frames], dim=-1)
        return torch.minimum(known.clamp(min=0.0), self.limits) * self.scales

    def _embed(self, planes: Tensor, normal: Tensor) -> Tensor:
        for convolution in self.over_speed:
            planes = self._rounded(functional.relu(convolution(planes)))
        batch, _, count, _ = planes.shape
        flat = planes.permute(0, 2, 1, 3).reshape(batch, count, -1)
        return self._rounded(functional.relu(self.dense(torch.cat([flat, normal], dim=-1))))


@njit(cache=True, parallel=True)
def _planes_of(level, rates, clock_frames, stands_out):  # type: ignore[no-untyped-def]
    """Means and planes of `step`: (batch, frames, 2, 2·half) to (batch, frames, half, planes)."""
    batch, frames, _, width = level.shape
    half = width // 2
    planes = np.empty((batch, frames, half, 2 * len(PLANES)), np.float32)
    for b in prange(batch):
        long, smooth, fresh_smooth = np.zeros((3, width), np.float32)
        for t in range(frames):
            newest = np.float32(1.0 / (min(t, clock_frames) + 1.0))
            slow, quick = max(rates[0], newest), max(rates[1], newest)
            for i in range(width):
                now, fresh = level[b, t, 0, i], level[b, t, 1, i]
                long[i] += slow * (now - long[i])
                smooth[i] += quick * (now - smooth[i])
                fresh_smooth[i] += quick * (fresh - fresh_smooth[i])
                bin_, side = (i, 0) if i < half else (i - half, 1)
                planes[b, t, bin_, side] = now
                planes[b, t, bin_, 2 + side] = smooth[i]
                planes[b, t, bin_, 4 + side] = fresh
                planes[b, t, bin_, 6 + side] = min(max(smooth[i] - long[i], -stands_out), stands_out)
                planes[b, t, bin_, 8 + side] = fresh_smooth[i]
    return planes


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(shape: NetworkShape) -> int:
    """Multiplications of weights in one frame."""
    channels, length, total = 2 * len(PLANES), shape.half, 0
    for filters, kernel, stride in shape.filters:
        length = (length - kernel) // stride + 1
        total += length * filters * channels * kernel
        channels = filters
    total += (channels * length + len(SCALARS) + CLOCKS) * shape.width
    return total + len(shape.dilations) * 3 * shape.width**2 + shape.width * len(OUTPUTS)
