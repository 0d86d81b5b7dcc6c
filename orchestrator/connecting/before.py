"""The file that remembers how an account was before we set it, so that it can be put back to the letter.

It is written before the first change and only ever added to: what a resource was when we first met it stays, whatever
is set later, until it is restored and the file renamed. It has none of our credentials; URLs are kept as found.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from orchestrator.connecting.resources import Fields

VERSION = 1


class FileRefused(Exception):
    """The file cannot be used; a sentence says why and what to do."""


@dataclass(slots=True)
class Entry:
    """One resource. `before`: as it was, None if it did not exist; `ours`: everything we set it to since."""

    key: str
    before: Fields | None
    ours: list[Fields] = field(default_factory=list)


@dataclass(slots=True)
class Before:
    """What the file holds."""

    account_sid: str
    saved_at: str
    entries: list[Entry] = field(default_factory=list)

    def note(self, key: str, found: Fields | None, wanted: Fields) -> None:
        """Remember that a resource is about to be set; what it was is remembered the first time only."""
        entry = next((each for each in self.entries if each.key == key), None)
        if entry is None:
            entry = Entry(key, found)
            self.entries.append(entry)
        if wanted not in entry.ours:
            entry.ours.append(wanted)


def load(path: Path, account_sid: str) -> Before | None:
    """The file, None if there is none. Raises FileRefused for one that is another account's or cannot be read."""
    try:
        held = json.loads(path.read_text())
        entries = [Entry(each["key"], each["before"], list(each["ours"])) for each in held["entries"]]
        found = Before(str(held["account_sid"]), str(held["saved_at"]), entries)
        version = held["version"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise FileRefused(f"{path} cannot be read ({type(error).__name__}); move it away, or name another") from error
    if version != VERSION:
        raise FileRefused(f"{path} was written by another version of expert-hub; use that one to restore from it")
    if found.account_sid != account_sid:
        raise FileRefused(
            f"{path} is of account {found.account_sid} and not of {account_sid}; restore that one, or name another"
        )
    return found


def begin(account_sid: str) -> Before:
    """A file with nothing in it yet."""
    return Before(account_sid, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def save(path: Path, before: Before) -> None:
    """Write the file whole or not at all, for its owner alone. Raises FileRefused."""
    text = json.dumps({"version": VERSION} | asdict(before), indent=2, ensure_ascii=False) + "\n"
    temporary = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise FileRefused(f"{path} cannot be written ({error.strerror}); name another file") from error


def put_away(path: Path) -> Path:
    """Rename a file that was restored from; its new name."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (f"{path.stem}.restored-{now}{f'-{number}' if number else ''}{path.suffix}" for number in count())
    target = next(path.with_name(name) for name in names if not path.with_name(name).exists())
    path.rename(target)
    return target


def _sync(folder: Path) -> None:
    """A name in a folder is on disk when the folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
