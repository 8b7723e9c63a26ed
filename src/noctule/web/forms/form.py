"""What is wrong, shown where it is wrong."""

from __future__ import annotations

from collections.abc import Callable

Show = Callable[[str | None], None]


class Form:
    """Inputs by their place (problems.py). A problem shows once its input was touched, or all were asked for.

    Parameters
    ----------
    check : what is wrong now, by place.
    on_change : after each change.
    """

    def __init__(self, check: Callable[[], dict[str, str]], on_change: Callable[[], None]) -> None:
        self._check, self._on_change = check, on_change
        self._spots: dict[str, Show] = {}
        self._looks: dict[str, Callable[[], None]] = {}
        self._touched: set[str] = set()
        self._all = False

    def place(self, place: str, show: Show) -> None:
        """Problems of this place, and of places below it that nothing stands for, are shown by `show`."""
        self._spots[place] = show

    def watch(self, place: str, look: Callable[[], None]) -> None:
        """Call it after each change; it belongs to something at this place."""
        self._looks[place] = look

    def forget(self, place: str) -> None:
        """Whatever stood at and below a place is gone: it is drawn anew."""
        for known in (self._spots, self._looks, self._touched):
            for one in [one for one in known if one == place or one.startswith(f"{place}.")]:
                known.pop(one) if isinstance(known, dict) else known.discard(one)

    def touch(self, place: str) -> None:
        """The input of this place has changed."""
        self._touched.add(place)
        self.show()
        self._on_change()

    def show_all(self) -> dict[str, str]:
        """Every problem, wherever it is; those that have no place of their own are given back under ""."""
        self._all = True
        return self.show()

    def show(self) -> dict[str, str]:
        """Problems, each shown at the nearest input that was touched."""
        problems = self._check()
        said: dict[str, str] = {}
        for place, words in problems.items():
            spot = self._nearest(place)
            if spot is not None and (self._all or spot in self._touched):
                said.setdefault(spot, words)
        for spot, show in self._spots.items():
            show(said.get(spot))
        for look in self._looks.values():
            look()
        return problems

    def _nearest(self, place: str) -> str | None:
        while place and place not in self._spots:
            place = place.rpartition(".")[0]
        return place or None
