"""Two disks: the one that is here, and the same with a sync that takes longer, as those do that others share.

What a durable step costs depends on the disk first: whoever syncs once for each step waits for it each time, whoever
shares a sync among all that wait does not.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from chaos.preloading import c_compiler, compiled

SOURCE = Path(__file__).with_name("slow_sync.c")
LONGER_MS = 2


@dataclass(frozen=True, slots=True)
class Disk:
    """What a process runs over. `remark`: for a row's name; `variables`: of the process's environment."""

    remark: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)


@contextmanager
def disks() -> Iterator[list[Disk]]:
    """This one and, where there is a C compiler, the slower one."""
    with TemporaryDirectory(prefix="bench-") as folder:
        yield [Disk(), *_slower(Path(folder))]


def _slower(folder: Path) -> Iterator[Disk]:
    if compiler := c_compiler():
        preload = {"LD_PRELOAD": str(compiled(compiler, SOURCE, folder)), "SLOW_SYNC_US": str(LONGER_MS * 1000)}
        yield Disk(f", each sync {LONGER_MS} ms longer", preload)
