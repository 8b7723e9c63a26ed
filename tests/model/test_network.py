"""The network: two ways of running it, its size, what it may not see."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from noctule.model.network import CLOCK_FRAMES, Memory, MotionNetwork, count_macs, count_parameters


@pytest.fixture
def network() -> MotionNetwork:
    torch.manual_seed(5)
    torch.set_num_threads(1)
    made = MotionNetwork()
    made.eval()
    return made


def stream(frames: int, seed: int = 1, batch: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    power_db = 8.0 * torch.randn(batch, frames, 2, 241, generator=generator)
    scalars = torch.rand(batch, frames, 4, generator=generator) * torch.tensor([40.0, 120.0, 1.0, 40.0])
    return power_db, scalars


def stepped(network: MotionNetwork, power_db: Tensor, scalars: Tensor) -> Tensor:
    memory, found = Memory.empty(network.shape), []
    past = [[torch.zeros(1, network.shape.width)] * len(network.shape.dilations)] * 64
    for row, extra in zip(power_db, scalars, strict=True):
        logits, means, frames, rows = network.step(row[None], extra[None], memory)
        past.append(rows)
        taps = [
            torch.cat([past[-2 * dilation][k], past[-dilation][k]], dim=1)
            for k, dilation in enumerate(network.shape.dilations)
        ]
        memory = Memory(means, frames, taps)
        found.append(logits[0])
    return torch.stack(found)


def test_frame_by_frame_and_all_at_once_are_the_same(network: MotionNetwork) -> None:
    frames = int(CLOCK_FRAMES) + 40  # past where the clock and the slowest mean settle
    power_db, scalars = stream(frames, batch=2)
    with torch.no_grad():
        together = network(power_db, scalars)
        for i in range(2):
            assert (stepped(network, power_db[i], scalars[i]) - together[i]).abs().max() < 1e-5


def test_the_future_changes_nothing(network: MotionNetwork) -> None:
    power_db, scalars = stream(90)
    later_db, later = stream(90, seed=2)
    at = 57
    with torch.no_grad():
        before = network(power_db, scalars)
        changed = network(
            torch.cat([power_db[:, :at], later_db[:, at:]], 1), torch.cat([scalars[:, :at], later[:, at:]], 1)
        )
    assert torch.equal(before[:, :at], changed[:, :at])
    assert (before[:, at] - changed[:, at]).abs().max() > 1e-3


def test_it_fits_a_small_processor(network: MotionNetwork) -> None:
    assert 35_000 <= count_parameters(network) <= 60_000
    assert count_macs(network.shape) <= 300_000


def test_multiplications_are_counted_as_they_are_made(network: MotionNetwork) -> None:
    made = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal made
        places = output.shape[-1] if isinstance(module, nn.Conv2d) else 1
        made += module.weight.numel() * places

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    power_db, scalars = stream(1)
    network.step(power_db[0], scalars[0], Memory.empty(network.shape))
    assert made == count_macs(network.shape)


def test_the_other_sign_of_velocity_is_the_other_half(network: MotionNetwork) -> None:
    power_db, _ = stream(3)
    level, mirrored = network._halves(power_db), network._halves(power_db.flip(-1))
    half = network.shape.half
    assert torch.allclose(level[..., :half], mirrored[..., half:])
    # 0.05 m/s coming is the first bin of the first half
    assert level[0, 0, 0, 0] == pytest.approx(math.log10(1.0 + 10.0 ** (float(power_db[0, 0, 0, 121]) / 10)))


def test_the_carrier_itself_is_not_looked_at(network: MotionNetwork) -> None:
    power_db, scalars = stream(5)
    other_db = power_db.clone()
    other_db[..., 120] += 20.0
    with torch.no_grad():
        assert torch.equal(network(power_db, scalars), network(other_db, scalars))


def test_means_begin_as_plain_averages(network: MotionNetwork) -> None:
    """1, 2, .., 5 on every bin: the slow mean is 3, the quick ones have a constant of 5.2 frames."""
    memory = Memory.empty(network.shape)
    for number in range(1, 6):
        level_db = 10.0 * math.log10(10.0**number - 1.0)
        _, means, frames, _ = network.step(torch.full((1, 2, 241), level_db), torch.zeros(1, 4), memory)
        memory = Memory(means, frames, memory.taps)
    assert memory.means.flatten().tolist() == pytest.approx([3.0] * 720, abs=0.01)
    assert memory.frames.item() == 5


def test_the_clock_stands_still_at_its_end(network: MotionNetwork) -> None:
    memory = Memory.empty(network.shape)
    memory.frames.fill_(CLOCK_FRAMES)
    memory.means.fill_(1.0)
    level_db = 10.0 * math.log10(10.0**2 - 1.0)
    _, means, frames, _ = network.step(torch.full((1, 2, 241), level_db), torch.zeros(1, 4), memory)
    assert frames.item() == CLOCK_FRAMES
    hop_s = network.shape.hop_s
    smooth_s, long_s = network.shape.mean_s
    expected = [1.0 + hop_s / mean_s for mean_s in (long_s, smooth_s, smooth_s)]
    assert means[0, :, 0].tolist() == pytest.approx(expected, rel=1e-5)
