"""What the tests of chaos share."""

from tests.e2e.conftest import bare_house, database_url  # noqa: F401 fixtures
from tests.process.conftest import place  # noqa: F401 a fixture
from tests.tools import lacking

__all__ = ["lacking"]
