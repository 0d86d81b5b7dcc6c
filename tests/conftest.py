"""What every test shares: Hypothesis without deadlines, for the machine that runs the suite may be busy."""

import gc

from hypothesis import settings

from tests.places import place  # noqa: F401 a fixture
from tests.postgres import one, other, postgres, postgres_url, shared_url  # noqa: F401 fixtures
from tests.stores import store  # noqa: F401 a fixture

settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


def pytest_collection_finish() -> None:
    """Let the garbage collector pass by the thousands of tests themselves."""
    gc.collect()
    gc.freeze()
