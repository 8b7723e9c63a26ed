"""Physical constants and conversions, each with its formula."""

from __future__ import annotations

import math

#: Speed of sound at 20 C, m/s. 331.3 * sqrt(1 + T/273.15).
SPEED_OF_SOUND_MPS = 343.2

#: Nothing below this may be recovered from a recording (promise to the people in the room).
PRIVACY_EDGE_HZ = 16000.0
#: Around a lower carrier the baseband would hold audible sound: replay may, recordings must not.
LOWEST_PRIVATE_CARRIER_HZ = 17000.0


def doppler_hz(radial_velocity_mps: float, carrier_hz: float) -> float:
    """Doppler shift of a reflector coming at `radial_velocity_mps`, exact: 2·v·f/(c−v)."""
    v = radial_velocity_mps
    return 2.0 * v * carrier_hz / (SPEED_OF_SOUND_MPS - v)


def hz_per_mps(carrier_hz: float) -> float:
    """Doppler shift per metre per second, 2·f/c to first order: out and back again."""
    return 2.0 * carrier_hz / SPEED_OF_SOUND_MPS


def db_to_amplitude(db: float) -> float:
    return float(10.0 ** (db / 20.0))


def amplitude_to_db(amplitude: float, floor_db: float = -200.0) -> float:
    """20·log10, with a floor instead of minus infinity."""
    return max(floor_db, 20.0 * math.log10(amplitude)) if amplitude > 0 else floor_db
