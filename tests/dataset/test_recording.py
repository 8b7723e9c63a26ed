"""Recordings: what goes in comes out, other tools open it, and nothing that happens leaves it unreadable."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf

from noctule.core.errors import NoctuleError
from noctule.core.frames import BasebandBlock, Complex64Array, Fault
from noctule.dataset import Annotation, BasebandReader, BasebandWriter
from noctule.dataset.writer import SampleFormat

RATE_HZ, CARRIER_HZ, CHANNELS = 6000.0, 40000.0, 2
STARTED_AT = datetime(2026, 11, 5, 20, 15, 0, tzinfo=UTC)


@pytest.fixture
def samples(rng: np.random.Generator) -> Complex64Array:
    """Half a second of two microphones at about -26 dBFS, and no symmetry between re, im and channels."""
    noise = rng.standard_normal((3000, CHANNELS)) + 1j * rng.standard_normal((3000, CHANNELS))
    return (0.05 * noise * [1.0, 0.3]).astype(np.complex64)


def block_of(samples: Complex64Array, first_sample: int = 0, **changes: Any) -> BasebandBlock:
    facts = {"sample_rate_hz": RATE_HZ, "carrier_hz": CARRIER_HZ} | changes
    return BasebandBlock(samples, first_sample=first_sample, **facts)


def writer_at(path: Path, **changes: Any) -> BasebandWriter:
    facts: dict[str, Any] = {"sample_rate_hz": RATE_HZ, "carrier_hz": CARRIER_HZ, "channels": CHANNELS}
    return BasebandWriter(path, **(facts | changes))


def save(path: Path, samples: Complex64Array, **changes: Any) -> Path:
    with writer_at(path, **changes) as writer:
        for start in range(0, len(samples), 700):
            writer.write(block_of(samples[start : start + 700], start))
    return writer.meta_path


def read(path: Path, **options: Any) -> Complex64Array:
    return np.concatenate([block.samples for block in BasebandReader(path, **options).blocks()])


# Round trips


@pytest.mark.parametrize("ending", [".sigmf-meta", ".sigmf-data", ""])
def test_cf32_keeps_every_bit(tmp_path: Path, samples: Complex64Array, ending: str) -> None:
    save(tmp_path / "a.b", samples)
    reader = BasebandReader(tmp_path / f"a.b{ending}")
    assert (reader.sample_rate_hz, reader.carrier_hz, reader.channels) == (RATE_HZ, CARRIER_HZ, CHANNELS)
    assert (reader.samples, reader.duration_s, reader.warning) == (3000, 0.5, None)
    blocks = list(reader.blocks())
    np.testing.assert_array_equal(np.concatenate([block.samples for block in blocks]), samples)
    assert all(block.carrier_hz == CARRIER_HZ and block.faults == Fault(0) for block in blocks)
    np.testing.assert_array_equal(read(tmp_path / f"a.b{ending}", block_samples=1), samples)


@pytest.mark.parametrize("full_scale", [1.0, 0.5])
def test_ci16_keeps_levels_to_half_a_step(tmp_path: Path, samples: Complex64Array, full_scale: float) -> None:
    save(tmp_path / "a", samples, sample_format="ci16", full_scale=full_scale)
    step = full_scale / 32768
    got = read(tmp_path / "a")
    assert np.abs((got - samples).view(np.float32)).max() <= 0.51 * step
    assert (tmp_path / "a.sigmf-data").stat().st_size == 3000 * CHANNELS * 4
    tone_dbfs = 20 * np.log10(np.abs(np.mean(read_tone(tmp_path, full_scale))))
    assert tone_dbfs == pytest.approx(-40.0, abs=0.01)


def read_tone(folder: Path, full_scale: float) -> Complex64Array:
    tone = np.full((600, CHANNELS), 0.01 * np.exp(0.7j), np.complex64)
    save(folder / "tone", tone, sample_format="ci16", full_scale=full_scale)
    return read(folder / "tone")


def test_ci16_beyond_full_scale_clips_and_says_so(tmp_path: Path) -> None:
    with writer_at(tmp_path / "a", sample_format="ci16") as writer:
        writer.write(block_of(np.full((100, 2), 0.999, np.complex64)))
        writer.write(block_of(np.full((100, 2), 1.5 - 1.5j, np.complex64), 100))
        writer.write(block_of(np.full((100, 2), 0.5, np.complex64), 200))
    quiet, loud, after = BasebandReader(tmp_path / "a").blocks()
    assert (quiet.faults, loud.faults, after.faults) == (Fault(0), Fault.CLIPPED, Fault(0))
    np.testing.assert_allclose(loud.samples, 1.0 - 1.0j, atol=1e-4)


def test_nan_stays_visible_in_both_formats(tmp_path: Path, samples: Complex64Array) -> None:
    samples = samples.copy()
    samples[1000, 1] = np.nan
    save(tmp_path / "float", samples)
    np.testing.assert_array_equal(read(tmp_path / "float"), samples)
    save(tmp_path / "int", samples, sample_format="ci16")
    faults = [block.faults for block in BasebandReader(tmp_path / "int").blocks()]
    assert Fault.BAD_SAMPLES in faults
    assert Fault(0) in faults


def test_a_chosen_microphone_alone(tmp_path: Path, samples: Complex64Array) -> None:
    save(tmp_path / "a", samples)
    np.testing.assert_array_equal(read(tmp_path / "a", microphones=[1]), samples[:, [1]])
    for wrong in ([2], [-1], [0, 0], []):
        with pytest.raises(NoctuleError, match="microphone"):
            BasebandReader(tmp_path / "a", microphones=wrong)


def test_gaps_carriers_and_faults_come_back_where_they_were(tmp_path: Path, samples: Complex64Array) -> None:
    went_in = [
        block_of(samples[:400], 17),
        block_of(samples[400:800], 417, faults=Fault.CLIPPED),
        block_of(samples[800:1000], 1117, faults=Fault.CLIPPED | Fault.DROPPED_SAMPLES),  # 300 lost
        block_of(samples[1000:1000], 1317),
        block_of(samples[1000:1300], 1317, carrier_hz=38000.0),
        block_of(samples[1300:1500], 1617, carrier_hz=38000.0, faults=Fault.CARRIER_LOST),
    ]
    with writer_at(tmp_path / "a") as writer:
        for block in went_in:
            writer.write(block)
    came_out = list(BasebandReader(tmp_path / "a", block_samples=10**6).blocks())
    expected = [block for block in went_in if len(block.samples)]
    assert len(came_out) == len(expected)
    for got, wanted in zip(came_out, expected, strict=True):
        np.testing.assert_array_equal(got.samples, wanted.samples)
        assert (got.first_sample, got.carrier_hz, got.faults) == (
            wanted.first_sample,
            wanted.carrier_hz,
            wanted.faults,
        )


def test_labels_with_and_without_an_end(tmp_path: Path, samples: Complex64Array) -> None:
    with writer_at(tmp_path / "a") as writer:
        writer.annotate("walking")
        writer.write(block_of(samples))
        writer.annotate("fan", 500, 250, comment="on the shelf")
    assert BasebandReader(tmp_path / "a").annotations == (
        Annotation(0, 3000, "walking"),
        Annotation(500, 250, "fan", "on the shelf"),
    )


def test_facts_about_the_recording(tmp_path: Path, samples: Complex64Array) -> None:
    save(
        tmp_path / "a",
        samples,
        started_at=STARTED_AT,
        description="two people",
        hardware="Desk speaker, 2 microphones",
        details={"level_dbfs": -20.0},
    )
    reader = BasebandReader(tmp_path / "a")
    assert reader.started_at == STARTED_AT
    assert reader.metadata["core:description"] == "two people"
    assert reader.metadata["core:hw"] == "Desk speaker, 2 microphones"
    assert reader.metadata["noctule:level_dbfs"] == -20.0
    assert reader.metadata["core:recorder"].startswith("noctule ")


# Other tools


@pytest.mark.parametrize("sample_format", ["cf32", "ci16"])
def test_the_sigmf_library_opens_it_and_gets_the_same_samples(
    tmp_path: Path, samples: Complex64Array, sample_format: SampleFormat
) -> None:
    with writer_at(tmp_path / "a", sample_format=sample_format, started_at=STARTED_AT) as writer:
        writer.annotate("walking")
        writer.write(block_of(samples[:2000], faults=Fault.CLIPPED))
        writer.write(block_of(samples[2000:], 2500))
    foreign = sigmf.fromfile(tmp_path / "a.sigmf-meta")  # checks the checksum too
    foreign.validate()  # undeclared extensions would warn, and warnings are errors
    assert foreign.sample_rate == RATE_HZ
    assert [one["core:frequency"] for one in foreign.get_captures()] == [CARRIER_HZ] * 2
    assert [one["core:global_index"] for one in foreign.get_captures()] == [0, 2500]
    assert [one["core:label"] for one in foreign.get_annotations()] == ["walking", "clipped"]
    half_a_step = 0.0 if sample_format == "cf32" else 0.501 / 32768
    assert np.abs((foreign.read_samples() - samples).view(np.float32)).max() <= half_a_step


def test_reads_an_archive_packed_by_the_sigmf_library(tmp_path: Path, samples: Complex64Array) -> None:
    save(tmp_path / "a", samples, sample_format="ci16", full_scale=0.5)
    sigmf.fromfile(tmp_path / "a.sigmf-meta").archive(str(tmp_path / "packed.sigmf"))
    reader = BasebandReader(tmp_path / "packed.sigmf")
    assert reader.warning is None
    got = np.concatenate([block.samples for block in reader.blocks()])
    np.testing.assert_array_equal(got, read(tmp_path / "a"))


def test_reads_a_plain_recording_written_by_the_sigmf_library(
    tmp_path: Path, samples: Complex64Array
) -> None:
    (tmp_path / "b.sigmf-data").write_bytes(samples[:, :1].tobytes())
    foreign = sigmf.SigMFFile(
        data_file=tmp_path / "b.sigmf-data",
        global_info={"core:datatype": "cf32_le", "core:sample_rate": 4800, "core:version": "1.2.0"},
    )
    foreign.add_capture(0, metadata={"core:frequency": 32000})
    foreign.tofile(tmp_path / "b.sigmf-meta")
    reader = BasebandReader(tmp_path / "b.sigmf-meta")
    assert (reader.sample_rate_hz, reader.carrier_hz, reader.channels) == (4800.0, 32000.0, 1)
    np.testing.assert_array_equal(read(tmp_path / "b.sigmf-meta"), samples[:, :1])


# Privacy


@pytest.mark.parametrize("carrier_hz", [0.0, 12000.0, 16999.9, float("nan")])
def test_refuses_carriers_with_audible_sound_around(tmp_path: Path, carrier_hz: float) -> None:
    with pytest.raises(NoctuleError, match=r"audible.*17000 Hz"):
        writer_at(tmp_path / "a", carrier_hz=carrier_hz)
    assert list(tmp_path.iterdir()) == []
    with (
        writer_at(tmp_path / "ok", carrier_hz=17000.0) as writer,
        pytest.raises(NoctuleError, match="audible"),
    ):
        writer.write(block_of(np.ones((9, 2), np.complex64), carrier_hz=carrier_hz))


# Accidents

KEEPS_WRITING = """
import sys, time
import numpy as np
from noctule.core.frames import BasebandBlock, Fault
from noctule.dataset import BasebandWriter
writer = BasebandWriter(sys.argv[1], sample_rate_hz=6000.0, carrier_hz=40000.0, channels=2)
writer.annotate("walking")
for n in range(10**6):
    block = np.full((100, 2), n + 1j * n, np.complex64)
    faults = Fault.CLIPPED if n >= 150 else Fault(0)
    writer.write(BasebandBlock(block, 6000.0, 40000.0, 100 * n, faults))
    if n == 300:
        print("written", flush=True)
        time.sleep(60)
"""


def test_a_killed_recorder_leaves_a_recording_that_opens(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KEEPS_WRITING, str(tmp_path / "a")], stdout=subprocess.PIPE, text=True
    ) as recorder:
        assert recorder.stdout is not None
        assert recorder.stdout.readline() == "written\n"
        os.kill(recorder.pid, signal.SIGKILL)
    foreign = sigmf.fromfile(tmp_path / "a.sigmf-meta")
    foreign.validate()
    assert foreign.sample_count == 30100
    reader = BasebandReader(tmp_path / "a")
    assert reader.samples == 30100
    assert reader.warning is None
    assert reader.annotations == (
        Annotation(0, 30100, "walking"),
        Annotation(15000, 15100, "clipped", fault=Fault.CLIPPED),
    )
    assert read(tmp_path / "a")[-1, 0] == 300 + 300j


def test_opens_while_it_is_being_written(tmp_path: Path, samples: Complex64Array) -> None:
    writer = writer_at(tmp_path / "a")
    writer.write(block_of(samples[:100]))
    np.testing.assert_array_equal(read(tmp_path / "a"), samples[:100])
    writer.write(block_of(samples[100:200], 100))
    assert BasebandReader(tmp_path / "a").samples == 200
    writer.close()
    writer.close()


DISK_FULL = """
import resource, sys
import numpy as np
from noctule.core.errors import NoctuleError
from noctule.core.frames import BasebandBlock
from noctule.dataset import BasebandWriter
writer = BasebandWriter(sys.argv[1], sample_rate_hz=6000.0, carrier_hz=40000.0, channels=2)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_003, 200_003))  # a file may not grow further: as a full disk
try:
    for n in range(100):
        writer.write(BasebandBlock(np.full((600, 2), n + 0j, np.complex64), 6000.0, 40000.0, 600 * n))
except NoctuleError as error:
    print(error)
"""


def test_a_full_disk_is_one_line_and_keeps_what_was_written(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(tmp_path / "a")], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith(str(tmp_path / "a.sigmf-data"))
    assert done.stdout.endswith("the first 2.0 s are saved\n")
    reader = BasebandReader(tmp_path / "a")
    assert reader.warning is None
    assert reader.samples == 12000  # 20 whole blocks of 9600 bytes below the limit
    assert sigmf.fromfile(tmp_path / "a.sigmf-meta").sample_count == 12000


def test_a_sample_cut_in_two_is_left_out_and_told(tmp_path: Path, samples: Complex64Array) -> None:
    save(tmp_path / "a", samples)
    data = tmp_path / "a.sigmf-data"
    data.write_bytes(data.read_bytes()[: 1234 * 16 + 5])
    reader = BasebandReader(tmp_path / "a")
    assert reader.warning is not None
    assert "checksum" in reader.warning
    np.testing.assert_array_equal(read(tmp_path / "a"), samples[:1234])


def test_metadata_is_not_written_over_and_over(tmp_path: Path) -> None:
    """A fault that flaps in every block for ten minutes must not make the disk write gigabytes of JSON."""
    few = np.zeros((120, 2), np.complex64)
    written = 0
    with writer_at(tmp_path / "a") as writer:
        before = writer._meta_due_sample
        for n in range(30000):
            writer.write(block_of(few, 120 * n, faults=Fault.CLIPPED if n % 2 else Fault(0)))
            if writer._meta_due_sample != before:
                written += (tmp_path / "a.sigmf-meta").stat().st_size
                before = writer._meta_due_sample
    assert written < 30 * (tmp_path / "a.sigmf-meta").stat().st_size
    assert len(BasebandReader(tmp_path / "a").annotations) == 15000


def test_does_not_overwrite_unless_told(tmp_path: Path, samples: Complex64Array) -> None:
    save(tmp_path / "a", samples)
    with pytest.raises(NoctuleError, match=r"exists already.*--force"):
        save(tmp_path / "a", samples[:10])
    np.testing.assert_array_equal(read(tmp_path / "a"), samples)
    save(tmp_path / "a", samples[:10], overwrite=True)
    np.testing.assert_array_equal(read(tmp_path / "a"), samples[:10])


def test_nothing_stays_of_an_empty_recording(tmp_path: Path) -> None:
    with writer_at(tmp_path / "a") as writer:
        writer.annotate("walking")
        writer.write(block_of(np.zeros((0, 2), np.complex64)))
        assert writer.meta_path.exists()
    assert list(tmp_path.iterdir()) == []


def test_refuses_places_it_cannot_write(tmp_path: Path, samples: Complex64Array) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "missing" / "a", tmp_path / "file" / "a"):
        with pytest.raises(NoctuleError, match="directory") as caught:
            save(place, samples)
        assert str(caught.value).startswith(str(place))
        assert "\n" not in str(caught.value)


def test_refuses_blocks_that_do_not_fit(tmp_path: Path, samples: Complex64Array) -> None:
    with writer_at(tmp_path / "a") as writer:
        with pytest.raises(NoctuleError, match="changed"):
            writer.write(block_of(samples[:, :1]))
        with pytest.raises(NoctuleError, match="changed"):
            writer.write(block_of(samples, sample_rate_hz=5000.0))


# Damaged and foreign files


def one_line(path: Path) -> str:
    with pytest.raises(NoctuleError) as caught:
        list(BasebandReader(path).blocks())
    message = str(caught.value)
    assert "\n" not in message
    assert str(path.with_suffix("")) in message
    return message


def change(meta: Path, section: str, **entries: object) -> None:
    tree = json.loads(meta.read_text())
    target = tree[section] if section == "global" else tree[section][0]
    for key, value in entries.items():
        target.pop(f"core:{key}", None)
        if value is not None:
            target[f"core:{key}"] = value
    meta.write_text(json.dumps(tree))


@pytest.mark.parametrize(
    ("section", "entries", "problem"),
    [
        ("global", {"datatype": "rf32_le"}, "real samples"),
        ("global", {"datatype": "ri16_le", "num_channels": 1}, "real samples"),
        ("global", {"datatype": "complex"}, "core:datatype"),
        ("global", {"datatype": None}, "core:datatype"),
        ("global", {"sample_rate": 999.0}, "999 Hz"),
        ("global", {"sample_rate": None}, "0 Hz"),
        ("global", {"sample_rate": float("nan")}, "nan Hz"),
        ("global", {"num_channels": 0}, "num_channels"),
        ("global", {"num_channels": 100}, "100 channels"),
        ("global", {"num_channels": 10**9}, "no samples"),
        ("global", {"dataset": "other.wav"}, "another format"),
        ("captures", {"frequency": None}, "does not say its carrier"),
        ("captures", {"frequency": 915e6}, "no sound"),
        ("captures", {"sample_start": -1}, "sample_start"),
    ],
)
def test_refuses_metadata_it_cannot_use(
    tmp_path: Path, samples: Complex64Array, section: str, entries: dict[str, Any], problem: str
) -> None:
    meta = save(tmp_path / "a", samples)
    change(meta, section, **entries)
    assert problem in one_line(meta)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"global": 3}', "\udcff", '{"global": {}, "captures": []}']
)
def test_refuses_what_is_no_metadata(tmp_path: Path, samples: Complex64Array, text: str) -> None:
    meta = save(tmp_path / "a", samples)
    meta.write_bytes(text.encode("utf-8", "surrogateescape"))
    one_line(meta)


def test_refuses_half_a_pair_and_empty_data(tmp_path: Path, samples: Complex64Array) -> None:
    meta = save(tmp_path / "a", samples)
    data = meta.with_suffix(".sigmf-data")
    data.write_bytes(b"")
    assert "no samples" in one_line(meta)
    data.unlink()
    assert "a.sigmf-data is missing" in one_line(meta)
    data.touch()
    meta.unlink()
    assert "a.sigmf-meta is missing" in one_line(data)
    assert "no such file" in one_line(tmp_path / "nothing.sigmf-meta")
    (tmp_path / "not.sigmf").write_text("no archive\n")
    one_line(tmp_path / "not.sigmf")


def test_captures_beyond_the_data_are_passed_over(tmp_path: Path, samples: Complex64Array) -> None:
    """The metadata of a recorder that crashed may know of more than reached the disk, and the reverse."""
    meta = save(tmp_path / "a", samples)
    tree = json.loads(meta.read_text())
    tree["captures"].append({"core:sample_start": 5000, "core:frequency": 40000.0})
    fault = {"core:sample_start": 2000, "core:sample_count": 9000, "noctule:kind": "fault"}
    tree["annotations"] = [fault | {"core:label": "clipped"}, fault | {"core:label": "from the future"}]
    meta.write_text(json.dumps(tree))
    np.testing.assert_array_equal(read(meta), samples)
    assert [block.faults for block in BasebandReader(meta, block_samples=2000).blocks()] == [
        Fault(0),
        Fault.CLIPPED,
    ]


# Memory

MEASURE = """
import resource, sys
import numpy as np
from noctule.core.frames import BasebandBlock
from noctule.dataset import BasebandReader, BasebandWriter
block = np.ones((6000, 4), np.complex64)
def peak_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = None
with BasebandWriter(sys.argv[1], sample_rate_hz=6000.0, carrier_hz=40000.0, channels=4) as writer:
    for second in range(600):
        writer.write(BasebandBlock(block, 6000.0, 40000.0, 6000 * second))
        before = before or peak_kb()
reader = BasebandReader(sys.argv[1])
assert reader.warning is None
print(sum(len(block.samples) for block in reader.blocks()), peak_kb() - before)
"""


@pytest.mark.slow
def test_long_recordings_are_written_and_read_in_flat_memory(tmp_path: Path) -> None:
    """Ten minutes of 4 microphones are 115 MB on disk; 15 MB of growth must do."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "a")], capture_output=True, text=True, check=True
    )
    count, grown_kb = map(int, done.stdout.split())
    assert count == 600 * 6000
    assert grown_kb < 15_000
