"""Reads files into documents: finding them, decoding them, and marking their structure without changing their text.

For text-like formats (plain text, Markdown, reStructuredText, source code) ``Document.text`` is the decoded file,
character for character with its line ends, without a byte order mark: a span of the text is a span of the file. For
HTML it is the extracted text.
"""

from __future__ import annotations

from ragstone.documents.files import find_files
from ragstone.documents.reading import read_document, supported_suffixes

__all__ = ["find_files", "read_document", "supported_suffixes"]
