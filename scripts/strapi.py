"""Try the Strapi adapter and the import against a real Strapi 5: install it, start it, ask it, stop it.

It needs Node 20 or newer with npm, the npm registry the first time, and 800 MB in .strapi/, which `make clean` removes.
The installation takes some two minutes, everything after it some twenty seconds. tests/strapi/app is the whole of it:
a collection of customers, an SQLite file, and a token of its own that it makes when it starts.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trying import Trial, free_port

ROOT = Path(__file__).parents[1]
SOURCE, PLACE = ROOT / "tests" / "strapi", ROOT / ".strapi"
APP, INSTALLED = PLACE / "app", PLACE / "installed.json"
NODE_MIN = 20
TRIAL = Trial("strapi", start_limit_s=120.0, ask_every_s=0.2)


def main() -> None:
    """Run it all; the exit code is that of the tests."""
    began = time.monotonic()
    prepare()
    TRIAL.tell(f"installed after {time.monotonic() - began:.0f} s")
    with running() as (url, token):
        TRIAL.tell(f"Strapi answers at {url} after {time.monotonic() - began:.0f} s")
        code = ask(url, token)
    TRIAL.tell(f"done after {time.monotonic() - began:.0f} s")
    sys.exit(code)


def prepare() -> None:
    """Copy the application, and install what it names unless that was done."""
    check_node()
    shutil.copytree(SOURCE / "app", APP, dirs_exist_ok=True)
    wanted = (SOURCE / "app" / "package.json").read_text()
    if INSTALLED.exists() and INSTALLED.read_text() == wanted:
        return
    TRIAL.tell("installing Strapi from the npm registry (some two minutes)")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=APP, check=True)  # noqa: S607
    INSTALLED.write_text(wanted)


def check_node() -> None:
    """Leave with a sentence where there is no Node that will do."""
    node = shutil.which("node")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout if node else ""  # noqa: S603
    if not shutil.which("npm") or not said or int(said.lstrip("v").split(".")[0]) < NODE_MIN:
        sys.exit(f"strapi: found {said.strip() or 'no node'}, expected Node {NODE_MIN} or newer with npm")


@contextmanager
def running() -> Iterator[tuple[str, str]]:
    """A Strapi with the demo customers in a fresh database, its address, and the token that it made."""
    state = APP / ".tmp"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    port, token, log = free_port(), state / "token", PLACE / "strapi.log"
    env = {
        **os.environ,
        "NODE_ENV": "production",
        "STRAPI_TELEMETRY_DISABLED": "true",
        "CUSTOMERS": str(SOURCE / "customers.json"),
        "TOKEN_FILE": str(token),
        "PORT": str(port),
    }
    with log.open("wb") as output:
        command = ["node", "node_modules/@strapi/strapi/bin/strapi.js", "start"]
        process = subprocess.Popen(command, cwd=APP, env=env, stdout=output, stderr=output)  # noqa: S603
    try:
        TRIAL.wait_for(f"http://127.0.0.1:{port}/_health", process, log)
        yield f"http://127.0.0.1:{port}", token.read_text()
    finally:
        process.terminate()
        process.wait()


def ask(url: str, token: str) -> int:
    """The import first, which wants the demo customers, then the contract of the port, which wants nobody."""
    env = {**os.environ, "LIVE_STRAPI_URL": url, "LIVE_STRAPI_TOKEN": token}
    for tests in (["tests/strapi/live.py"], ["tests/contract/test_crm.py", "-k", "live"]):
        code = subprocess.run([sys.executable, "-m", "pytest", "-v", *tests], cwd=ROOT, env=env, check=False).returncode  # noqa: S603
        if code:
            return code
    return 0


if __name__ == "__main__":
    main()
