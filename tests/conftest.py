"""What every test shares: Hypothesis without deadlines, for the machine that runs the suite may be busy."""

from hypothesis import settings

settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")
