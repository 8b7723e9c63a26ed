"""Settings: where they come from, and what an error says."""

from __future__ import annotations

from pathlib import Path

import pytest

from noctule.core.errors import NoctuleError
from noctule.core.settings import FeatureSettings, load_settings


def _file(folder: Path, text: str) -> Path:
    path = folder / "noctule.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path) -> None:
    path = _file(tmp_path, "[presence]\noff_latency_s = 30.0\nhold_s = 7.0\non_latency_s = 0.5\n")
    environment = {"NOCTULE_PRESENCE__HOLD_S": "8", "NOCTULE_PRESENCE__ON_LATENCY_S": "0.6", "HOME": "/"}
    settings = load_settings(path, environment, {"presence": {"on_latency_s": 0.7, "hold_s": None}})
    assert settings.presence.off_latency_s == 30.0
    assert settings.presence.hold_s == 8.0
    assert settings.presence.on_latency_s == 0.7
    assert settings.presence.trigger_sensitivity == 0.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[presence]\nof_latency_s = 3\n", "did you mean 'presence.off_latency_s'"),
        ("[presense]\nhold_s = 3\n", "did you mean 'presence'"),
        ("[presence]\noff_latency_s = 4.9\n", "presence.off_latency_s = 4.9"),
        ("[emit]\nlevel_dbfs = 0.1\n", "emit.level_dbfs = 0.1"),
        ("[emit]\ncarrier_hz = 'loud'\n", "emit.carrier_hz"),
        ("audio = 3\n", "audio = 3"),
        ("[audio\n", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_one_line_that_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(NoctuleError) as error:
        load_settings(_file(tmp_path, text), {}, {"audio": {"sample_rate_hz": None}})
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_key_in_the_environment_is_an_error_too() -> None:
    with pytest.raises(NoctuleError, match=r"did you mean 'audio\.queue_s'"):
        load_settings(None, {"NOCTULE_AUDIO__QUEU_S": "1", "XDG_CONFIG_HOME": "/nowhere"})


def test_a_missing_file_that_was_named_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoctuleError, match="No such file"):
        load_settings(tmp_path / "no.toml", {})


def test_the_feature_digest_follows_every_feature_setting() -> None:
    digest = FeatureSettings().digest()
    assert digest == FeatureSettings().digest()
    for name, value in FeatureSettings().model_dump().items():
        assert FeatureSettings(**{name: value * 1.01}).digest() != digest, name
