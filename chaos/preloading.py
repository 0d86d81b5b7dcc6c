"""C that is preloaded into a process, to watch or to change what it asks of the system: found, compiled."""

import shutil
import subprocess
from pathlib import Path


def c_compiler() -> str | None:
    """A C compiler, if there is one."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def compiled(compiler: str, source: Path, folder: Path) -> Path:
    """The shared object made of `source`, in `folder`; its path is for LD_PRELOAD (ld.so(8))."""
    made = folder / f"{source.stem}.so"
    build = [compiler, "-shared", "-fPIC", "-O2", "-o", str(made), str(source), "-ldl", "-lpthread"]
    subprocess.run(build, check=True)  # noqa: S603 our own source, a compiler of this machine
    return made
