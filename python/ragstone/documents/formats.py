"""Which parser reads which file, by suffix or name."""

from __future__ import annotations

from collections.abc import Callable

from ragstone.documents.html_text import parse_html
from ragstone.documents.markdown import parse_markdown
from ragstone.documents.parsed import Parsed
from ragstone.documents.plain_text import parse_plain_text
from ragstone.documents.restructured_text import parse_restructured_text
from ragstone.documents.source_code import parse_configuration, parse_python, parse_source_code

__all__ = ["NAMES", "SUFFIXES", "parser_of"]

Parser = Callable[[str], Parsed]

_GROUPS: tuple[tuple[Parser, str], ...] = (
    (parse_plain_text, "text txt log"),
    (parse_markdown, "markdown md mdown mdx mkd qmd rmd"),
    (parse_restructured_text, "rest rst"),
    (parse_html, "htm html xhtml"),
    (parse_python, "py pyi"),
    (parse_configuration, "cfg cmake conf env gradle hcl ini json mk properties tf toml xml yaml yml"),
    (
        parse_source_code,
        "awk bash bat c cc clj cpp cs css cxx d dart el erl ex exs f90 fish go graphql groovy h hh hpp hs hxx java jl"
        " js jsx kt kts less lisp lua m mjs ml mli nim pas php pl pm proto ps1 r rb rs scala scm scss sh sql sv swift"
        " tcl thrift ts tsx v vb vhd vim vue zig zsh",
    ),
)
SUFFIXES: dict[str, Parser] = {f".{suffix}": parser for parser, group in _GROUPS for suffix in group.split()}
NAMES: dict[str, Parser] = {
    **dict.fromkeys(
        ["AUTHORS", "CHANGELOG", "CONTRIBUTING", "COPYING", "INSTALL", "LICENSE", "NEWS", "NOTICE", "README", "TODO"],
        parse_plain_text,
    ),
    **dict.fromkeys(["CMakeLists.txt", "Dockerfile", "Jenkinsfile", "Makefile", "Vagrantfile"], parse_configuration),
}


def parser_of(name: str) -> Parser:
    """The parser for a file's name; plain text where the name is not known."""
    dot = name.rfind(".")
    return NAMES.get(name) or SUFFIXES.get(name[dot:].lower() if dot > 0 else "", parse_plain_text)
