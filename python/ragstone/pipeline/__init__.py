"""Where the parts meet: opening an index with its embedder, ingesting files into it, asking it questions."""

from ragstone.pipeline.index import Index, open

__all__ = ["Index", "open"]
