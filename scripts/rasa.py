"""Try the Rasa adapter against a real Rasa 3.6: install it, train it, start it, ask it, stop it.

It needs a Python 3.10 (RASA_PYTHON, or `python3.10`), PyPI the first time, and 3 GB in .rasa/, which `make clean`
removes. The installation takes some minutes, everything after it about one. tests/rasa is the whole of it: keywords,
rules and responses, without a neural network.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trying import Trial, free_port

ROOT = Path(__file__).parents[1]
SOURCE, PLACE = ROOT / "tests" / "rasa", ROOT / ".rasa"
VENV, MODELS, LOG = PLACE / "venv", PLACE / "models", PLACE / "rasa.log"
RASA = "rasa==3.6.21"
TOKEN = "live-rasa-token"  # noqa: S105
TRIAL = Trial("rasa", start_limit_s=240.0, ask_every_s=0.5)


def main() -> None:
    """Run it all; the exit code is that of the tests."""
    PLACE.mkdir(exist_ok=True)
    install()
    rasa("train", "--data", "data", "--out", str(MODELS), "--fixed-model-name", "model")
    with running() as url:
        TRIAL.tell(f"Rasa answers at {url}")
        env = {**os.environ, "LIVE_RASA_URL": url, "LIVE_RASA_TOKEN": TOKEN}
        command = [sys.executable, "-m", "pytest", "-v", "tests/rasa/live.py"]
        code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode  # noqa: S603
    sys.exit(code)


def install() -> None:
    """Make a place of its own for Rasa, which wants a Python that nothing else here does."""
    if (VENV / "bin" / "rasa").exists():
        return
    python = os.environ.get("RASA_PYTHON") or shutil.which("python3.10")
    if python is None:
        sys.exit("rasa: found no Python 3.10, which Rasa 3.6 needs; set RASA_PYTHON")
    TRIAL.tell("installing Rasa from PyPI (some minutes)")
    subprocess.run([python, "-m", "venv", str(VENV)], check=True)  # noqa: S603
    pip = [str(VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    # What Rasa brings imports pkg_resources, which later versions of setuptools lack.
    subprocess.run([*pip, "setuptools<70", RASA], check=True)  # noqa: S603


def rasa(*arguments: str) -> None:
    """Run a command of Rasa's to its end."""
    TRIAL.tell(" ".join(arguments[:1]))
    command = [str(VENV / "bin" / "rasa"), *arguments]
    with LOG.open("ab") as log:
        subprocess.run(command, cwd=SOURCE, env=quietly(), stdout=log, stderr=log, check=True)  # noqa: S603


@contextmanager
def running() -> Iterator[str]:
    """A Rasa that serves the model, and its address."""
    port = free_port()
    where = ["--model", str(MODELS / "model.tar.gz"), "--port", str(port), "--interface", "127.0.0.1"]
    command = [str(VENV / "bin" / "rasa"), "run", *where, "--enable-api", "--auth-token", TOKEN]
    with LOG.open("ab") as log:
        process = subprocess.Popen(command, cwd=SOURCE, env=quietly(), stdout=log, stderr=log)  # noqa: S603
    try:
        TRIAL.wait_for(f"http://127.0.0.1:{port}/", process, LOG)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def quietly() -> dict[str, str]:
    """The environment, with Rasa's telemetry off."""
    return {**os.environ, "RASA_TELEMETRY_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ""}


if __name__ == "__main__":
    main()
