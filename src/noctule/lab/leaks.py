"""Does a corpus tell what it must not? Simple models on simple summaries, asked for what they cannot know.

- Labels drawn by lot, one a scene: whoever learns those and still does better than chance elsewhere has seen
  the same scene twice.
- The room: summaries of a scene's first half, asked which scene its second half is of. Rooms can be told,
  which is why splits are made by room; how well says how much a split by windows would have lied.
- Scenes that are in two splits: there must be none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from noctule.lab.curves import area_under_curve
from noctule.lab.shards import MAJOR, MINOR, Corpus, Shard, Split

FloatArray = npt.NDArray[np.float64]

#: Length of a window in frames, and at most so many of one scene, spread over it.
WINDOW_FRAMES, WINDOWS_A_SCENE = 40, 24
#: Edges of the bands that power is summed up in, both signs.
BANDS_MPS = (0.1, 0.25, 0.5, 1.0, 1.8, 3.0, 6.01)
RIDGE = 1.0


@dataclass(frozen=True, slots=True)
class Windows:
    """Summaries of stretches of about 2 s.

    summary : (windows, numbers). major : (windows,) whether somebody makes a major motion in half of it.
    still : (windows,) nobody moves in it. scene : (windows,) seeds.
    """

    summary: FloatArray
    major: npt.NDArray[np.bool_]
    still: npt.NDArray[np.bool_]
    scene: npt.NDArray[np.int64]


def windows_of(corpus: Corpus, split: Split, most_shards: int = 8) -> Windows:
    """Summaries of the first shards of a split."""
    found = [_of_shard(shard) for shard, _ in zip(corpus.read(split), range(most_shards), strict=False)]
    if not found:
        return Windows(np.zeros((0, 0)), *(np.zeros(0, kind) for kind in (bool, bool, np.int64)))
    names = ("summary", "major", "still", "scene")
    return Windows(*(np.concatenate([getattr(one, name) for one in found]) for name in names))


def _of_shard(shard: Shard) -> Windows:
    power_db, bins = shard.clean_power_db(), shard.clean.shape[1]
    speed = np.linspace(-6.0, 6.0, bins)
    bands = [
        (sign * speed >= low) & (sign * speed < high)
        for sign in (-1.0, 1.0)
        for low, high in pairwise(BANDS_MPS)
    ]
    rows, major, still, seeds = [], [], [], []
    for number, about in enumerate(shard.scenes):
        part = shard.frames_of(number)
        starts = np.arange(part.start, part.stop - WINDOW_FRAMES + 1, WINDOW_FRAMES)
        if len(starts) > WINDOWS_A_SCENE:
            starts = starts[np.linspace(0, len(starts) - 1, WINDOWS_A_SCENE).astype(int)]
        for start in starts:
            at = slice(int(start), int(start) + WINDOW_FRAMES)
            means = [power_db[at][:, band].mean(1) for band in bands]
            more = [shard.broadband_db[at].astype(float), shard.carrier_snr_db[at].astype(float)]
            rows.append([*(one.mean() for one in (*means, *more)), *(one.std() for one in means)])
            label = shard.label[at] & (MAJOR | MINOR)
            major.append((label & MAJOR > 0).mean() >= 0.5)
            still.append(not label.any())
            seeds.append(int(about["seed"]))
    return Windows(np.array(rows), np.array(major), np.array(still), np.array(seeds, np.int64))


def _scaled(train: FloatArray, test: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean 0, spread 1, with a constant beside."""
    mean, spread = train.mean(0), np.maximum(train.std(0), 1e-9)
    a, b = (train - mean) / spread, (test - mean) / spread
    return tuple(np.hstack([one, np.ones((len(one), 1))]) for one in (a, b))  # type: ignore[return-value]


def ridge(train: FloatArray, target: FloatArray, test: FloatArray, strength: float = RIDGE) -> FloatArray:
    """Linear least squares with a penalty (Hoerl & Kennard 1970), evaluated elsewhere."""
    a, b = _scaled(train, test)
    weight = np.linalg.solve(a.T @ a + strength * np.eye(a.shape[1]), a.T @ target)
    return np.asarray(b @ weight)


def auc(score: FloatArray, true: npt.NDArray[np.bool_]) -> float:
    """Area under the curve of raw scores."""
    _, rank = np.unique(score, return_inverse=True)
    count = int(rank.max(initial=0)) + 1
    return area_under_curve(
        np.bincount(rank[true], minlength=count), np.bincount(rank[~true], minlength=count)
    )


@dataclass(frozen=True, slots=True)
class ShuffledLabels:
    """AUC on the other windows after learning the true labels, and after each set of shuffled ones."""

    true: float
    shuffled: FloatArray

    @property
    def leaks(self) -> bool:
        """Shuffled labels teach something: their mean is above one half by more than chance."""
        spread = float(self.shuffled.std(ddof=1)) / np.sqrt(len(self.shuffled))
        return bool(self.shuffled.mean() - 0.5 > 3.0 * spread + 0.02)


def shuffled_labels(learnt: Windows, asked: Windows, seed: int = 0, shuffles: int = 40) -> ShuffledLabels:
    """Give every scene a label by lot, learn them, and ask for those of the other windows.

    Scenes that have nothing in common teach nothing of each other's lot; one that is in both is recognised.
    """
    true = auc(ridge(learnt.summary, learnt.major.astype(float), asked.summary), asked.major)
    found = []
    for number in range(shuffles):
        lots = {int(one): _lot(seed, number, int(one)) for one in {*learnt.scene, *asked.scene}}
        mine, theirs = (np.array([lots[int(one)] for one in w.scene]) for w in (learnt, asked))
        found.append(auc(ridge(learnt.summary, mine.astype(float), asked.summary), theirs))
    return ShuffledLabels(true, np.array([one for one in found if np.isfinite(one)]))


def _lot(*seeds: int) -> bool:
    return bool(np.random.default_rng(seeds).random() < 0.5)


@dataclass(frozen=True, slots=True)
class RoomIdentity:
    """How often a scene is named rightly from its second half, how often by chance, of how many."""

    right: float
    chance: float
    scenes: int


def room_identity(windows: Windows, most_scenes: int = 60) -> RoomIdentity:
    """Which scene is it? Learnt from first halves, asked of second ones, only where nobody moves."""
    quiet = np.flatnonzero(windows.still)
    names, counts = np.unique(windows.scene[quiet], return_counts=True)
    names = names[counts >= 4][:most_scenes]
    if len(names) < 2:
        return RoomIdentity(np.nan, np.nan, len(names))
    first, second = [], []
    for name in names:
        mine = quiet[windows.scene[quiet] == name]
        first.append(mine[: len(mine) // 2])
        second.append(mine[len(mine) // 2 :])
    learn, ask = np.concatenate(first), np.concatenate(second)
    target = (windows.scene[learn][:, None] == names).astype(float)
    said = names[ridge(windows.summary[learn], target, windows.summary[ask]).argmax(1)]
    return RoomIdentity(float((said == windows.scene[ask]).mean()), 1.0 / len(names), len(names))


def shared_scenes(corpus: Corpus) -> dict[tuple[Split, Split], set[int]]:
    """Seeds that are in two splits, for each two that share any."""
    splits: tuple[Split, ...] = ("train", "validation", "test")
    seeds = {one: {int(s["seed"]) for shard in corpus.read(one) for s in shard.scenes} for one in splits}
    pairs = {(a, b): seeds[a] & seeds[b] for a, b in combinations(splits, 2)}
    return {pair: both for pair, both in pairs.items() if both}
