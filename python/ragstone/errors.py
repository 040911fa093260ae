"""Every exception that Ragstone raises on purpose.

The tree, each leaf named after what happened, each inner node after what a caller can do about it::

    RagstoneError
    ├── InvalidInput (ValueError)        fix the call
    │   └── DimensionMismatch
    ├── NotFound (KeyError)              fix the name
    ├── StorageError                     look at the directory
    │   ├── IndexLocked                  wait, or open with read_only=True
    │   ├── IncompatibleIndex            upgrade ragstone, or rebuild
    │   └── CorruptIndex                 restore from a snapshot
    ├── ModelError                       look at the model folder
    │   └── EmbedderMismatch             open with the embedder that built the index
    ├── MissingDependency (ImportError)  run the pip command in the message
    └── SearchTimeout (TimeoutError)     allow more time, or ask for less
"""

__all__ = [
    "CorruptIndex",
    "DimensionMismatch",
    "EmbedderMismatch",
    "IncompatibleIndex",
    "IndexLocked",
    "InvalidInput",
    "MissingDependency",
    "ModelError",
    "NotFound",
    "RagstoneError",
    "SearchTimeout",
    "StorageError",
]


class RagstoneError(Exception):
    """Root of the tree: ``except RagstoneError`` catches all that Ragstone raises on purpose."""


class InvalidInput(RagstoneError, ValueError):
    """An argument cannot be used; the message names it, its value and what would do."""


class DimensionMismatch(InvalidInput):
    """A vector's dimension differs from the index's; the message has both numbers."""


class NotFound(RagstoneError, KeyError):
    """A named document, chunk or index does not exist."""

    def __str__(self) -> str:
        # KeyError would print the repr of the message.
        return str(self.args[0]) if self.args else ""


class StorageError(RagstoneError):
    """The index directory cannot be read or written (input/output error, disk full, poisoned writer)."""


class IndexLocked(StorageError):
    """Another writer holds the index; the message names its process id."""


class IncompatibleIndex(StorageError):
    """The files were written by a newer format or with other settings than this release reads."""


class CorruptIndex(StorageError):
    """A file is damaged; the message names the file and the offset."""


class ModelError(RagstoneError):
    """A model folder cannot be loaded, or a model gave an unusable result."""


class EmbedderMismatch(ModelError):
    """The index was built with another embedder; the message has both names."""


class MissingDependency(RagstoneError, ImportError):
    """An optional package is not installed; the message has the pip command that installs it."""


class SearchTimeout(RagstoneError, TimeoutError):
    """A search did not finish within ``timeout_s``."""
