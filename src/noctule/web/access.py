"""Who may come in: a password, sessions of browsers, tokens of programs, and patience with those who guess.

The secret that signs sessions, and the tokens' hashes, are files in the state folder; only the owner reads
them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from itsdangerous import BadData, URLSafeTimedSerializer

from noctule.core.errors import NoctuleError
from noctule.core.files import written_whole

#: A browser stays signed in for so long.
SESSION_S = 30 * 24 * 3600
#: Attempts that may fail without a wait, from one address and in all.
FREE_ATTEMPTS, FREE_IN_ALL = 5, 50
#: The longest wait, from one address and for everybody; forgotten after so long without an attempt.
LONGEST_WAIT_S, LONGEST_FOR_ALL_S, FORGET_S = 900.0, 30.0, 3600.0
#: Addresses remembered at most.
MOST_ADDRESSES = 1000
LEAST_CHARACTERS = 8
MOST_TOKENS = 50

_MARK = "noctule_"


def hash_password(password: str) -> str:
    """What `web.password_hash` holds (argon2id).

    Raises
    ------
    NoctuleError
        It is too short.
    """
    if len(password) < LEAST_CHARACTERS:
        raise NoctuleError(f"a password needs at least {LEAST_CHARACTERS} characters")
    return PasswordHasher().hash(password)


def password_fits(password: str, password_hash: str) -> bool:
    """Takes some 50 ms on purpose."""
    try:
        return PasswordHasher().verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@dataclass(frozen=True)
class Token:
    """A program's key; the key itself is shown once and not kept."""

    id: str
    name: str
    sha256: str
    made: str


class Tokens:
    """Kept in a file; what happens to it counts at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature: tuple[int, int, int] | None = None
        self._known: tuple[Token, ...] = ()

    @property
    def all(self) -> tuple[Token, ...]:
        """In the order in which they were made."""
        try:
            about = self._path.stat()
            signature = (about.st_mtime_ns, about.st_size, about.st_ino)
        except OSError:
            signature = None
        if signature != self._signature:
            self._signature, self._known = signature, self._read()
        return self._known

    def create(self, name: str) -> tuple[Token, str]:
        """A new one, and its key.

        Raises
        ------
        NoctuleError
            It cannot be kept.
        """
        name = name.strip()[:100]
        if not name:
            raise NoctuleError("a token needs a name")
        if len(self.all) >= MOST_TOKENS:
            raise NoctuleError(f"there are {MOST_TOKENS} tokens already")
        key = _MARK + secrets.token_urlsafe(32)
        token = Token(
            secrets.token_hex(4), name, _digest(key), datetime.now(UTC).isoformat(timespec="seconds")
        )
        self._write([*self.all, token])
        return token, key

    def revoke(self, id: str) -> None:
        """Whoever has it is not let in any more; raises as `create`."""
        self._write([token for token in self.all if token.id != id])

    def knows(self, key: str) -> bool:
        # the digest of something random and long tells nothing by how long a comparison takes
        return key.startswith(_MARK) and _digest(key) in {token.sha256 for token in self.all}

    def _read(self) -> tuple[Token, ...]:
        try:
            return tuple(Token(**entry) for entry in json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):  # nobody is let in by a file that cannot be read
            return ()

    def _write(self, tokens: list[Token]) -> None:
        _keep(self._path, json.dumps([asdict(token) for token in tokens], indent=1).encode())


class Sessions:
    """Signed cookies: nothing is kept but the secret. Another password or another secret ends them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            secret = path.read_bytes()
        except OSError:
            secret = b""
        if len(secret) < 32:
            self.end_all()
        else:
            self._secret = secret

    def end_all(self) -> None:
        """Every browser has to sign in again."""
        self._secret = secrets.token_bytes(32)
        # where it cannot be kept, a restart ends the sessions
        with contextlib.suppress(NoctuleError):
            _keep(self._path, self._secret)

    def begin(self, password_hash: str) -> str:
        """A cookie's value."""
        return self._signer.dumps(_digest(password_hash)[:16])

    def holds(self, cookie: str, password_hash: str) -> bool:
        try:
            return bool(self._signer.loads(cookie, max_age=SESSION_S) == _digest(password_hash)[:16])
        except BadData:
            return False

    @property
    def _signer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self._secret, salt="noctule-session")


@dataclass
class _Guesses:
    count: int = 0
    last_s: float = 0.0
    free_from_s: float = 0.0


class Patience:
    """Waits that double: from one address, and for everybody where guesses come from everywhere."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now = monotonic
        self._by: dict[str, _Guesses] = {}
        self._all = _Guesses()

    def attempt(self, address: str) -> float:
        """Count an attempt before it is looked at; seconds to wait, 0: it may be looked at."""
        now_s = self._now()
        one = self._by.setdefault(address, _Guesses())
        for guesses in (one, self._all):
            if now_s - guesses.last_s > FORGET_S:
                guesses.count = 0
        wait_s = max(one.free_from_s, self._all.free_from_s) - now_s
        if wait_s > 0.0:
            return wait_s
        for guesses in (one, self._all):
            guesses.count += 1
        self._wait(address)
        if len(self._by) > MOST_ADDRESSES:
            del self._by[min(self._by, key=lambda known: self._by[known].last_s)]
        return 0.0

    def wrong(self, address: str) -> None:
        """It was not the password: the wait begins now, however long it took to find out."""
        self._wait(address)

    def right(self, address: str) -> None:
        """It was the password: that attempt was no guess, nor were the ones before."""
        guesses = self._by.pop(address, _Guesses())
        self._all.count = max(0, self._all.count - guesses.count)
        self._all.free_from_s = 0.0

    def _wait(self, address: str) -> None:
        now_s = self._now()
        one = self._by.setdefault(address, _Guesses(1))
        for guesses, free, longest_s in (
            (one, FREE_ATTEMPTS, LONGEST_WAIT_S),
            (self._all, FREE_IN_ALL, LONGEST_FOR_ALL_S),
        ):
            guesses.last_s = now_s
            if guesses.count >= free:
                guesses.free_from_s = now_s + min(2.0 ** min(guesses.count - free, 30), longest_s)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _keep(path: Path, content: bytes) -> None:
    """Readable by the owner alone, from its first byte on."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with written_whole(path) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
    except OSError as error:
        raise NoctuleError(f"{path}: cannot be written ({(error.strerror or str(error)).lower()})") from None
