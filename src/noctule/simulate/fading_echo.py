"""An echo of a live room that becomes another one: over other walls, or of a thing that was switched."""

from __future__ import annotations

import numpy as np

from noctule.simulate.echo import Complex64Array, Echo
from noctule.simulate.smooth import step

#: Samples at the band's rate: quick enough for whoever walks, far slower than a click.
FADE = 1200


class FadingEcho:
    """The old echo fades into the new one, so that nothing is heard of the change itself."""

    def __init__(self, echo: Echo) -> None:
        self._echo = echo
        self._before: Echo | None = None
        self._from = 0

    @property
    def fading(self) -> bool:
        return self._before is not None

    def become(self, echo: Echo, first_sample: int) -> None:
        """From this sample on, which nobody has heard yet."""
        self._echo, self._before, self._from = echo, self._echo, first_sample

    def pressure(self, first_sample: int, count: int) -> Complex64Array:
        out = self._echo.pressure(first_sample, count)
        if self._before is None:
            return out
        left = 1.0 - step((first_sample + np.arange(count) - self._from) / FADE)
        if not left.any():
            self._before = None
            return out
        before = self._before.pressure(first_sample, count)
        return np.asarray(out + left[:, None].astype(np.float32) * (before - out))
