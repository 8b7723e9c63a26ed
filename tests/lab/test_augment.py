"""Changes to a crop: each does what it says and nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from noctule.lab.augment import Chances, Sample, _noise, augmented
from noctule.lab.shards import MAJOR, OTHER

BATCH, FRAMES, BINS = 4, 200, 241


def sample(seed: int = 1, label: int = 0) -> Sample:
    """Noise of one microphone."""
    generator = torch.Generator().manual_seed(seed)
    return Sample(
        power=torch.empty(1, BATCH, FRAMES, BINS).exponential_(1.0, generator=generator).repeat(2, 1, 1, 1),
        broadband_db=torch.zeros(BATCH, FRAMES),
        snr_db=torch.full((BATCH, FRAMES), 60.0),
        removed_db=torch.zeros(BATCH, FRAMES),
        label=torch.full((BATCH, FRAMES), label),
        weight=torch.ones(BATCH, FRAMES),
        valid=torch.ones(BATCH, BINS, dtype=torch.bool),
    )


def changed(one: Sample, seed: int = 3, **chances: object) -> Sample:
    only = dataclasses.replace(Chances.none(), **chances)  # type: ignore[arg-type]
    return augmented(one, only, np.random.default_rng(seed))


def with_line(one: Sample, at: int, level: float) -> Sample:
    power = one.power.clone()
    power[..., at] += level
    return dataclasses.replace(one, power=power)


def same(a: Sample, b: Sample) -> bool:
    return all(torch.equal(getattr(a, one.name), getattr(b, one.name)) for one in dataclasses.fields(Sample))


def test_noise_is_noise_in_every_bin_and_frame() -> None:
    noise = _noise((400, 3, 9), torch.zeros(1), np.random.default_rng(1), torch.Generator().manual_seed(1))
    assert noise.mean(dim=0).flatten().tolist() == pytest.approx([1.0] * 27, abs=0.15)
    narrow = _noise((4000, 1, 2), torch.zeros(1), np.random.default_rng(1), torch.Generator().manual_seed(1))
    assert narrow.mean(dim=(0, 1)).tolist() == pytest.approx([1.0, 1.0], abs=0.1)
    neighbours = torch.corrcoef(torch.stack([noise[:, :, 4].flatten(), noise[:, :, 5].flatten()]))[0, 1]
    assert 0.45 < neighbours < 0.67


def test_no_chance_no_change() -> None:
    assert same(changed(sample()), sample())


def test_the_same_draw_gives_the_same_crop() -> None:
    one = sample(1, MAJOR)
    draws = [augmented(one, Chances(), np.random.default_rng(8)) for _ in range(2)]
    assert same(*draws)
    assert not same(draws[0], augmented(one, Chances(), np.random.default_rng(9)))


def test_what_was_given_stays_as_it_was() -> None:
    one, before = sample(), sample()
    always = {one.name: 1.0 for one in dataclasses.fields(Chances) if one.name != "stretch_range"}
    everything = dataclasses.replace(Chances(), **always)  # type: ignore[arg-type]
    augmented(one, everything, np.random.default_rng(1))
    assert same(one, before)


def test_a_mirrored_crop_goes_the_other_way() -> None:
    one = with_line(sample(), 150, 1000.0)
    assert torch.equal(changed(one, mirror=1.0).power, one.power.flip(-1))


def test_a_stretched_crop_is_quicker() -> None:
    one = with_line(sample(), 120 + 40, 1000.0)  # 2 m/s
    quick = changed(one, stretch=1.0, stretch_range=(1.2, 1.2)).power
    assert set((quick[0, 0, 0] > 500).nonzero().flatten().tolist()) == {120 + 48}


def test_mixed_scenes_add_their_echoes_and_not_their_noise() -> None:
    """Each with the one before it in the batch."""
    power = sample().power
    power[:, 0, :, 20] += 1000.0
    power[:, 1, :, 200] += 500.0
    mixed = changed(dataclasses.replace(sample(), power=power), mix=1.0)
    assert mixed.power[:, 1, :, 20].mean() == pytest.approx(1001.0, rel=0.01)
    assert mixed.power[:, 1, :, 200].mean() == pytest.approx(501.0, rel=0.01)
    assert mixed.power[..., 60:180].mean() == pytest.approx(1.0, abs=0.3)


def test_what_goes_on_in_one_scene_may_hide_what_is_new_in_the_other() -> None:
    """A fan of 30 dB, a walker of 20 dB: new is the walker, or a tenth of the fan, or what lies between."""
    power = sample().power
    power[0, 0, :, 20] += 1000.0  # as new as before
    power[:, 1, :, 20] += 100.0
    found = [
        changed(dataclasses.replace(sample(), power=power), seed, mix=1.0).power[1, 1, :, 20].mean()
        for seed in range(20)
    ]
    assert min(found) < 30.0
    assert max(found) > 70.0
    assert max(found) < 105.0


def test_labels_of_mixed_scenes_add() -> None:
    label = torch.zeros(BATCH, FRAMES, dtype=torch.int)
    label[0], label[1] = MAJOR, OTHER
    mixed = changed(dataclasses.replace(sample(), label=label), mix=1.0)
    assert [set(row.tolist()) for row in mixed.label] == [{MAJOR}, {MAJOR | OTHER}, {OTHER}, {0}]


def test_what_nobody_knows_in_one_scene_nobody_knows_in_the_mixture() -> None:
    weight = torch.ones(BATCH, FRAMES)
    weight[2] = 0.0
    mixed = changed(dataclasses.replace(sample(), weight=weight), mix=1.0)
    assert mixed.weight[:, 0].tolist() == [1.0, 1.0, 0.0, 0.0]


def test_a_weakened_echo_lies_in_the_same_noise() -> None:
    one = with_line(sample(), 60, 1000.0)
    weak = changed(one, weaken=1.0, weaken_db=6.0)
    kept = weak.power[..., 60].mean(dim=2) / 1000.0
    assert ((kept > 0.24) & (kept < 1.01)).all()
    assert weak.power[..., 100:].mean() == pytest.approx(1.0, abs=0.02)


def test_a_strengthened_echo_leaves_the_floor() -> None:
    one = with_line(sample(), 60, 1000.0)
    strong = changed(one, strengthen=1.0, strengthen_db=8.0)
    assert (strong.power[..., 60].mean(dim=2) > 1000.0).all()
    quiet = one.power < 1.99  # below 3 dB
    assert torch.allclose(strong.power[quiet], one.power[quiet])


def test_a_burst_lifts_all_velocities_and_says_so() -> None:
    burst = changed(sample(), bursts=1.0)
    loud = burst.broadband_db > 10.0
    assert 0 < loud.sum() < BATCH * FRAMES / 4
    assert 10 * torch.log10(burst.power[:, loud].mean(-1)).min() > 4.0
    quiet = burst.broadband_db == 0
    assert torch.equal(burst.power[:, quiet], sample().power[:, quiet])


def test_a_masked_frame_is_noise_that_nobody_is_asked_about() -> None:
    masked = changed(with_line(sample(), 60, 1000.0), masked_frames=1.0)
    hidden = masked.weight == 0
    assert 0 < hidden.sum() <= 11 * BATCH
    assert masked.power[:, hidden][..., 60].max() < 30.0
    assert masked.power[:, ~hidden][..., 60].min() > 900.0


def test_invalid_bins_are_at_0_db_and_their_share_is_told() -> None:
    def inputs(one: Sample) -> tuple[Tensor, Tensor]:
        return one.network_inputs()

    narrow = changed(sample(), narrow=1.0, seed=5)
    assert not narrow.valid.all()
    power_db, scalars = inputs(narrow)
    assert (power_db[~narrow.valid[:, None, None].expand_as(power_db)] == 0.0).all()
    assert scalars[:, 0, 2].tolist() == pytest.approx((narrow.valid.sum(1) / BINS).tolist())


def test_lines_are_narrow_and_lie_over_what_was_there() -> None:
    """Some stay, some sweep, some come and go, some hang on the carrier; none is wide or takes power away."""
    stays = sweeps = pauses = 0
    for seed in range(15):
        power, fresh = changed(sample(), seed=seed, lines=1.0).power
        over = power - sample().power[0]
        assert (over > -1e-3).all()
        for crop, new in zip(over, fresh, strict=True):
            seen = crop > 1.0
            steady = (crop > 5.0).all(dim=0)
            stays += bool(steady.any())
            assert not steady.any() or new[100:, steady].mean() < 2.0  # what goes on is not new
            sweeps += bool(seen.any(dim=0).sum() > 25)
            pauses += bool(seen.any()) and not bool(seen.any(dim=1).all())
            assert seen.sum(dim=1).max() < 90
    assert min(stays, sweeps, pauses) > 5
