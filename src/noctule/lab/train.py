"""Train the network on a corpus: plain, seeded, resumable.

Every batch is drawn from (seed, epoch, step) alone: a run that was interrupted goes on to the same weights.
Each epoch ends with the validation scenes; the epoch kept is the one that finds the most at the same few
false alarms.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from noctule.core.errors import NoctuleError
from noctule.core.settings import FeatureSettings
from noctule.lab import checkpoint
from noctule.lab.augment import Chances, as_sample, augmented
from noctule.lab.begin import begun_from
from noctule.lab.captures import split_of
from noctule.lab.crops import APART, GOES_ABOUT_HERE, PRESENT, Store, cut, draw_crops, open_store
from noctule.lab.operating import Scores, curve_of
from noctule.lab.shards import MAJOR, MINOR, OTHER, Corpus, digest_of
from noctule.model.network import MotionNetwork, NetworkShape, count_parameters
from noctule.model.rules import OUTPUTS
from noctule.presence.tracker import STAYS_ASKED_S

#: Frames of a crop before which the memory has not filled, unless the crop is a real start.
WARM_UP_S = 6.0
#: Validation runs whole segments, as many at once as make this many frames.
_FRAMES_AT_ONCE = 12000
#: A checkpoint inside an epoch at least so often.
_SAVE_EVERY_S = 300.0
#: Epochs are compared at so many false alarms an hour, all of them alike, for at few a few events decide; at
#: no fewer than the scenes can show.
SELECT_AT_PER_HOUR, SELECT_AT_EVENTS = (2.0, 5.0, 12.0, 30.0), 4.0
#: Weight of a scene with a pet or a vacuum but nobody in it: they go about as people do, and no bar asks that
#: they be told apart. Of somebody who is there and still: motion is over when it is over.
_LENIENT, _STILL = 0.1, 1.0
#: Somebody who has just stopped: so many seconds weigh so much more. Late is a motion that goes on for ever.
_STOPPED_S, _STOPPED = 1.5, 2.0
#: Who leaves is rarer than who stops, by far.
_LEFT = 8.0


@dataclass(frozen=True)
class TrainSettings:
    """Everything that decides the weights, besides the corpus.

    Attributes
    ----------
    cold_share : share of crops that begin where a sensor starts.
    warm_up_weight : of the first `WARM_UP_S` of all others.
    negative_weight : of frames in which nobody moves, against frames with motion.
    onset_weight : added to the weight of the first second of a motion: late is missed.
    rounded_from : from this share of the steps on, activations are rounded to 8 bits, so that the small
        processor's weights lose nothing.
    bfloat16 : multiply in 16 bits; quicker on processors that can.
    begun_with : SHA-256 of the weights (best.pt or ONNX) that the run began with; empty: with random ones.
    """

    epochs: int = 10
    batch: int = 32
    crop_s: float = 20.0
    cold_share: float = 0.3
    warm_up_weight: float = 0.2
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    negative_weight: float = 3.0
    onset_weight: float = 1.0
    rounded_from: float = 0.7
    bfloat16: bool = False
    begun_with: str = ""
    average: float = 0.998
    seed: int = 1
    threads: int = 2
    device: str = "cpu"
    chances: Chances = field(default_factory=Chances)
    shape: NetworkShape = field(default_factory=NetworkShape)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainSettings:
        chances = values["chances"] | {"stretch_range": tuple(values["chances"]["stretch_range"])}
        return cls(
            **values | {"chances": Chances(**chances), "shape": NetworkShape.from_dict(values["shape"])}
        )


#: Told after every step: (epoch, step, steps, loss, frames a second).
Progress = Callable[[int, int, int, float, float], None]


class Trainer:
    """One run in one folder.

    Parameters
    ----------
    corpora : where to learn from; one or more, all of them with the same features.
    folder : of the run: stores, checkpoints, metrics.
    settings : of a new run; a resumed run keeps its own, except for the number of epochs.
    resume : go on with the run in the folder.
    begin_with : folder of another run or of a model; its (best) weights are where a new run begins.

    Raises
    ------
    NoctuleError
        The folder holds another run, or none to resume, or one of other corpora.
    """

    def __init__(
        self,
        corpora: Sequence[Corpus],
        folder: Path,
        settings: TrainSettings,
        resume: bool = False,
        begin_with: Path | None = None,
    ) -> None:
        self.folder = folder
        self._corpus_digest = digest_of(corpora)
        self._corpora = [about_corpus(one) for one in corpora]
        for one in corpora:
            if one.manifest["features"]["digest"] != FeatureSettings().digest():
                raise NoctuleError(f"{one.folder}: was built with other features; build it anew")
        named = " ".join(str(one.folder) for one in corpora)
        latest = folder / checkpoint.LATEST
        saved = checkpoint.load(latest) if resume else None
        if saved is None and latest.exists():
            raise NoctuleError(
                f"{folder}: holds a run already; go on with it (--resume) or name another folder"
            )
        if saved is not None:
            if saved.get("outputs") != list(OUTPUTS):
                raise NoctuleError(f"{folder}: holds a run of a network with other outputs")
            if saved["corpus"] != self._corpus_digest:
                raise NoctuleError(f"{folder}: was trained on another corpus than {named}")
            self._corpora = saved["corpora"]
            kept = TrainSettings.from_dict(saved["settings"])
            settings = TrainSettings(**kept.__dict__ | {"epochs": settings.epochs})
        begun = begun_from(begin_with) if begin_with and saved is None else None
        if begun is not None:
            self._corpora = [*begun.corpora, *self._corpora]
            settings = replace(settings, begun_with=begun.sha256, shape=begun.shape)
        self.settings = settings
        use_threads(settings.threads)
        _make_folder(folder)
        hop_s = settings.shape.hop_s
        self.train = open_store(corpora, "train", folder / "store", hop_s)
        self.validation = open_store(corpora, "validation", folder / "store", hop_s)
        if self.train.clean.shape[1] != settings.shape.bins:
            raise NoctuleError(f"{named}: {self.train.clean.shape[1]} bins, not {settings.shape.bins}")
        self._crop = round(settings.crop_s / hop_s)
        self.steps_per_epoch = max(1, math.ceil(self.train.frames / (settings.batch * self._crop)))
        torch.manual_seed(settings.seed)
        self.network = MotionNetwork(settings.shape).to(settings.device)
        if begun is not None:
            self.network.load_state_dict(begun.weights_for(self.network))
        self.averaged = MotionNetwork(settings.shape).to(settings.device)
        self.averaged.load_state_dict(self.network.state_dict())
        self._optimizer = torch.optim.AdamW(_groups(self.network, settings.weight_decay), lr=1e-3)
        self.epoch = self.step = 0
        self.history: list[dict[str, Any]] = []
        self._losses: list[float] = []
        if saved is not None:
            self._restore(saved)

    def run(self, progress: Progress | None = None, say: Callable[[str], None] = lambda line: None) -> None:
        """Train to the last epoch; what was reached is on disk all the time."""
        say(
            f"{count_parameters(self.network)} parameters, {_hours(self.train)} h to learn from, "
            f"{_hours(self.validation)} h to choose by, {self.steps_per_epoch} steps an epoch"
        )
        while self.epoch < self.settings.epochs:
            self._run_epoch(progress)
            say(_in_words(self._finish_epoch()))

    def _run_epoch(self, progress: Progress | None) -> None:
        self.network.train()
        saved_s = time.monotonic()
        while self.step < self.steps_per_epoch:
            started_s = time.monotonic()
            loss = self._train_step()
            self._losses.append(loss)
            self.step += 1
            now_s = time.monotonic()
            if progress is not None:
                speed = self.settings.batch * self._crop / max(now_s - started_s, 1e-9)
                progress(self.epoch, self.step, self.steps_per_epoch, loss, speed)
            if now_s - saved_s > _SAVE_EVERY_S:
                self.save()
                saved_s = now_s

    def _train_step(self) -> float:
        settings = self.settings
        rng = np.random.default_rng([settings.seed, self.epoch, self.step])
        crops = draw_crops(self.train, settings.batch, self._crop, settings.cold_share, rng)
        batch = cut(self.train, crops, self._crop)
        cold = torch.from_numpy(batch.cold).to(settings.device)
        sample = augmented(as_sample(batch, settings.device), settings.chances, rng)
        done = self.epoch * self.steps_per_epoch + self.step
        self.network.eight_bits = done >= settings.rounded_from * settings.epochs * self.steps_per_epoch
        with torch.autocast(settings.device, torch.bfloat16, enabled=settings.bfloat16):
            logits = self.network(*sample.network_inputs())
        weight = sample.weight * _warm_up(self._crop, cold, settings)
        loss = motion_loss(logits.float(), sample.label, weight, settings)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate(done)
        self._optimizer.step()
        self._average(done)
        return float(loss.detach())

    def _learning_rate(self, done: int) -> float:
        total = self.settings.epochs * self.steps_per_epoch
        rise = min(200, max(1, total // 20))
        fall = 0.5 * (1.0 + math.cos(math.pi * min(1.0, done / total)))
        return self.settings.learning_rate * min(1.0, (done + 1) / rise) * max(fall, 0.01)

    def _average(self, done: int) -> None:
        """The weights kept are a running average of the last steps' (Polyak and Juditsky 1992)."""
        share = 1.0 - min(self.settings.average, (1.0 + done) / (10.0 + done))
        with torch.no_grad():
            for kept, now in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(now, share)

    def _finish_epoch(self) -> dict[str, Any]:
        scores, loss = validate(self.averaged, self.validation, self.settings)
        record: dict[str, Any] = {
            "epoch": self.epoch + 1,
            "loss": float(np.mean(self._losses)),
            "validation_loss": loss,
            **compared(scores),
        }
        best = max((_merit(one) for one in self.history), default=(-math.inf, 0.0))
        record["best"] = _merit(record) > best
        self.history.append(record)
        self.epoch, self.step, self._losses = self.epoch + 1, 0, []
        if record["best"]:
            best_run = {"network": self.averaged.state_dict(), "record": record} | self._about()
            checkpoint.save(self.folder / checkpoint.BEST, best_run)
        self.save()
        checkpoint.write_metrics(self.folder, self.history)
        return record

    def _about(self) -> dict[str, Any]:
        return {
            "settings": self.settings.as_dict(),
            "outputs": list(OUTPUTS),
            "corpus": self._corpus_digest,
            "corpora": self._corpora,
            "feature_digest": FeatureSettings().digest(),
            "train_hours": _hours(self.train),
            "validation_hours": _hours(self.validation),
        }

    def save(self) -> None:
        """Everything needed to go on from this step."""
        content = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "losses": self._losses,
            "history": self.history,
        }
        checkpoint.save(self.folder / checkpoint.LATEST, content | self._about())

    def _restore(self, saved: dict[str, Any]) -> None:
        self.network.load_state_dict(saved["network"])
        self.averaged.load_state_dict(saved["averaged"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self.epoch, self.step = saved["epoch"], saved["step"]
        self._losses, self.history = saved["losses"], saved["history"]


def use_threads(count: int) -> None:
    """As many cores as that, for PyTorch and for the loops beside it."""
    torch.set_num_threads(count)
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]


def about_corpus(corpus: Corpus) -> dict[str, Any]:
    """What a model says of a corpus that it has learnt from."""
    manifest = corpus.manifest
    return {
        "command": manifest["command"],
        "hours": manifest["totals"]["hours"].get("train", {}),
        "takes": [name for name in manifest["takes"] if split_of(Path(name)) == "train"],
    }


def motion_loss(logits: Tensor, label: Tensor, weight: Tensor, settings: TrainSettings) -> Tensor:
    """Weighted loss of the outputs.

    logits : (batch, frames, outputs). label : (batch, frames) bits. weight : (batch, frames), 0 is ignored.

    Human motion: frames with nobody inside weigh more the more they look like somebody (after Lin et al.
    2017, on one side only): few false alarms are decided by the worst frames, not by the mean one. How much
    of the body moves is asked while a human moves, the more the plainer that is. Whether somebody is still
    there is asked right after a motion, and after what was taken for one in an empty room.
    """
    major, minor, other, present, goes_about = (
        ((label & bit) != 0).float() for bit in (MAJOR, MINOR, OTHER, PRESENT, GOES_ABOUT_HERE)
    )
    moving = torch.maximum(major, minor)
    human_logit, major_logit, other_logit, stays_logit = logits.unbind(dim=-1)
    human = torch.sigmoid(human_logit.detach())
    early = _first_frames(major, round(1.0 / settings.shape.hop_s))
    found = -functional.logsigmoid(human_logit)
    alarm = settings.negative_weight * (0.1 + 0.9 * human)
    still = _STILL * (1.0 + _STOPPED * _just_stopped(moving, round(_STOPPED_S / settings.shape.hop_s)))
    alarm = torch.where(present > 0, still, torch.where(goes_about > 0, _LENIENT * alarm, alarm))
    one = torch.where(
        moving > 0, (1.0 + settings.onset_weight * early) * found, alarm * functional.softplus(human_logit)
    )
    kind = functional.binary_cross_entropy_with_logits(major_logit, major, reduction="none")
    kind = moving * (0.1 + 0.9 * human) * kind
    third = functional.binary_cross_entropy_with_logits(other_logit, other, reduction="none")
    stays = functional.binary_cross_entropy_with_logits(stays_logit, present, reduction="none")
    seen = torch.maximum(moving, (1.0 - present) * (human > 0.5).float())
    asked = _just_stopped(seen, round(STAYS_ASKED_S / settings.shape.hop_s))
    stays = asked * torch.where(present > 0, stays, _LEFT * stays)
    return (weight * (one + 0.5 * kind + 0.5 * third + 0.3 * stays)).sum() / weight.sum().clamp(min=1.0)


def _first_frames(truth: Tensor, frames: int) -> Tensor:
    """1 in the first frames of each run of ones."""
    before = functional.pad(truth, (frames, 0))[:, : truth.shape[1]]
    return truth * (1.0 - before)


def _just_stopped(truth: Tensor, frames: int) -> Tensor:
    """1 in the first frames after each run of ones."""
    recent = functional.max_pool1d(functional.pad(truth, (frames, 0))[:, None], frames + 1, 1)[:, 0]
    return recent * (1.0 - truth)


def _warm_up(frames: int, cold: Tensor, settings: TrainSettings) -> Tensor:
    """(batch, frames): the start of a crop that is no start of a sensor counts little."""
    filled = torch.arange(frames, device=cold.device) >= round(WARM_UP_S / settings.shape.hop_s)
    return torch.where(cold[:, None] | filled[None], 1.0, settings.warm_up_weight)


def validate(network: MotionNetwork, store: Store, settings: TrainSettings) -> tuple[Scores, float]:
    """Logits of every segment from its start, and the mean loss."""
    network.eval()
    logits = np.empty((store.frames, len(OUTPUTS)), dtype=np.float32)
    losses, counts = [], []
    by_length = sorted(range(len(store.segments)), key=lambda i: len(store.segments[i]))
    with torch.no_grad():
        for group in _groups_of_frames(by_length, store):
            longest = max(len(store.segments[i]) for i in group)
            sample = as_sample(cut(store, [(i, 0) for i in group], longest), settings.device)
            found = network(*sample.network_inputs())
            losses.append(float(motion_loss(found, sample.label, sample.weight, settings)))
            counts.append(float(sample.weight.sum()))
            for row, i in enumerate(group):
                segment = store.segments[i]
                logits[segment.first : segment.stop] = found[row, : len(segment)].cpu().numpy()
    return _scores(logits, store, settings.shape.hop_s), float(
        np.average(losses, weights=np.add(counts, 1e-9))
    )


def _groups_of_frames(order: list[int], store: Store) -> list[list[int]]:
    groups: list[list[int]] = []
    for i in order:
        length = len(store.segments[i])
        if not groups or (len(groups[-1]) + 1) * length > _FRAMES_AT_ONCE:
            groups.append([])
        groups[-1].append(i)
    return groups


def _scores(logits: np.ndarray, store: Store, hop_s: float) -> Scores:
    strata = sorted({one.stratum for one in store.segments})
    stratum = np.empty(store.frames, dtype=np.int32)
    starts, apart = np.zeros(store.frames, dtype=bool), np.empty(store.frames, dtype=np.int32)
    for one in store.segments:
        apart[one.first : one.stop] = APART.index(one.apart)
        stratum[one.first : one.stop] = strata.index(one.stratum)
        starts[one.first] = True
    label, weight = np.array(store.label), np.array(store.weight) != 0
    return Scores(logits, label, weight, starts, apart, stratum, strata, hop_s)


def compared(scores: Scores) -> dict[str, float]:
    """What epochs are chosen by: recall at the same false alarms, major motion above all."""
    curve = curve_of(scores)
    fewest = SELECT_AT_EVENTS / max(scores.empty_hours, 1e-6)
    thresholds = [curve.threshold_for(max(rate, fewest)) for rate in SELECT_AT_PER_HOUR]
    onsets, minor = (
        float(np.mean([found(one) for one in thresholds])) for found in (curve.onsets_at, curve.minor_at)
    )
    return {"onsets_found": onsets, "minor_found": minor, "selection": onsets + 0.25 * minor}


def _merit(record: dict[str, Any]) -> tuple[float, float]:
    """What was found decides, to a thousandth; then the loss."""
    return round(record["selection"], 3), -record["validation_loss"]


def _in_words(record: dict[str, Any]) -> str:
    low, high = SELECT_AT_PER_HOUR[0], SELECT_AT_PER_HOUR[-1]
    onsets, minor = (100.0 * record[name] for name in ("onsets_found", "minor_found"))
    return (
        f"epoch {record['epoch']}: loss {record['loss']:.4f}, validation {record['validation_loss']:.4f}; "
        f"at {low:g} to {high:g} false alarms an hour {onsets:.1f} % of onsets, {minor:.1f} % of minor motion"
        f"{' (best)' if record['best'] else ''}"
    )


def _groups(network: MotionNetwork, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay, offsets do not."""
    matrices = [one for one in network.parameters() if one.dim() > 1]
    offsets = [one for one in network.parameters() if one.dim() <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": offsets, "weight_decay": 0.0},
    ]


def _hours(store: Store) -> float:
    return round(store.frames * FeatureSettings().hop_s / 3600.0, 2)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NoctuleError(f"{folder}: cannot be made: {error.strerror}") from None
