"""What every test shares: Hypothesis without deadlines, for the machine that runs the suite may be busy."""

import gc

from hypothesis import settings

from tests.places import either_url, place  # noqa: F401 fixtures
from tests.postgres import one, other, postgres, postgres_url, shared_url  # noqa: F401 fixtures
from tests.serving import session  # noqa: F401 a fixture
from tests.stores import store, writer  # noqa: F401 fixtures

settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


def pytest_collection_finish() -> None:
    """Let the garbage collector pass by the thousands of tests themselves."""
    gc.collect()
    gc.freeze()
