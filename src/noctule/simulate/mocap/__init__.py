"""Motion capture files as joints over time.

Takes BVH, AMC (with the ASF skeleton beside it), CMU rows of exponential maps, DeepMimic's humanoid (.gz of
any) or CITI arrays. Gives a `Take`. Start at
take.py.
Never knows where in a room it is used."""

from __future__ import annotations

import zlib
from pathlib import Path
from zipfile import BadZipFile

from noctule.core.errors import NoctuleError
from noctule.simulate.mocap.take import Take

__all__ = ["Take", "read_take"]


def read_take(path: Path, sequence: str | None = None) -> Take:
    """Read a file by what its name ends in.

    Parameters
    ----------
    sequence : which one, of a file that holds several.

    Raises
    ------
    NoctuleError
        One line: the file, and what is wrong with it.
    """
    from noctule.simulate.mocap.acclaim import read_amc
    from noctule.simulate.mocap.bvh import read_bvh
    from noctule.simulate.mocap.citi import read_citi
    from noctule.simulate.mocap.deepmimic import read_deepmimic
    from noctule.simulate.mocap.expmap import read_expmap
    from noctule.simulate.mocap.take import text_lines

    ending = "".join(path.suffixes).lower().removesuffix(".gz")
    readers = {".bvh": read_bvh, ".amc": read_amc}
    try:
        if ending.endswith(".npz"):
            return read_citi(path, sequence)
        for one, reader in readers.items():
            if ending.endswith(one):
                return reader(path)
        if ending.endswith((".txt", ".json")):
            lines = text_lines(path)
            first = next((line.strip() for line in lines if line.strip()), "")
            return (read_deepmimic if first.startswith("{") else read_expmap)(path, lines)
    except OSError as error:
        raise NoctuleError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (IndexError, KeyError, ValueError, TypeError, EOFError, zlib.error, BadZipFile) as error:
        raise NoctuleError(f"{path}: damaged, or no such file after all: {error}") from None
    raise NoctuleError(
        f"{path}: motion capture comes as .bvh, .amc, .txt (CMU rows, DeepMimic) or .npz (CITI)"
    )
