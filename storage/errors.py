"""What can go wrong in the store.

StorageError
├── VersionConflict   somebody else wrote the conversation in between; nothing of ours was kept
├── UnknownCodec      a stored row is of a kind or version this program does not know
├── DatabaseBusy      another program holds the database; nothing was written
└── DatabaseUnusable  the file is damaged, or newer than this program, or in use by another service
"""


class StorageError(Exception):
    """The store did not do what was asked; nothing was written."""


class VersionConflict(StorageError):
    """The conversation is not at the version that was read."""


class UnknownCodec(StorageError):
    """A stored kind that cannot be read back."""


class DatabaseBusy(StorageError):
    """The database could not be written in time."""


class DatabaseUnusable(StorageError):
    """The database cannot be served; the text says why and what to do."""
