"""Marks the definitions in source code and the tables of configuration files; the text stays as it is."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterable

from ragstone.documents.parsed import Outline, Parsed, lines

__all__ = ["parse_configuration", "parse_python", "parse_source_code"]

_MODIFIERS = (
    "abstract|async|const|constexpr|declare|default|export|extern|final|inline|internal|local|open|override|private|protected"
    r"|pub(?:\([\w:\s]{1,20}\))?|public|sealed|static|unsafe|virtual"
)
_KEYWORDS = (
    "class|data class|def|defmodule|enum|enum class|fn|fun|func|function|impl|interface|macro_rules!|message|mod|module"
    "|namespace|object|package|proc|record|service|sub|struct|trait|type|union"
    "|create(?: or replace)? (?:table|view|function|procedure)"
)
_DEFINITION = re.compile(
    rf"(?:(?:{_MODIFIERS})\s{{1,4}}){{0,5}}(?:{_KEYWORDS})\s{{0,4}}(?:<[^<>]{{0,60}}>)?\s{{1,4}}"
    r"[*&]?([A-Za-z_$][\w$.:<>]{0,100})",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    r"(?:export\s+)?(?:const|let|var)\s+([\w$]{1,100})\s{0,4}=\s{0,4}(?:async\s{0,4})?(?:function|\()"
)
_FUNCTION = re.compile(r"(?:[\w:*&<>,~\[\]]{1,80}[ \t]{1,4}){0,6}[*&]{0,3}([A-Za-z_~][\w:~]{0,100})[ \t]{0,4}\([^;]*")
_NO_FUNCTION = frozenset(
    ["if", "for", "while", "switch", "return", "else", "catch", "do", "case", "elif", "with", "assert"]
)
_TABLE = re.compile(r"\[{1,2}([^\[\]\r\n]{1,200})\]{1,2}\s*(?:[#;].*)?")
_YAML_KEY = re.compile(r"([A-Za-z_][\w.-]{0,100}):(?:\s|$)")
_LONGEST_PYTHON = 1_000_000  # characters: a syntax tree takes hundreds of times the memory of its text
_ATTACHED = ("#", "//", "/*", "*", "@", "--", '"""', "///", "template", ";")


def parse_source_code(text: str) -> Parsed:
    """Parse source code of a language known by its keywords: a section for each definition at the left margin."""
    return _by_margin(text, _definition_name)


def parse_configuration(text: str) -> Parsed:
    """Parse a configuration file: a section for each ``[table]`` or key at the left margin."""
    return _by_margin(text, _entry_name)


def parse_python(text: str) -> Parsed:
    """Parse Python: a section for each function and class, and for each method of a class.

    What is not valid Python 3, or longer than a million characters, is parsed by its keywords, as other languages are.
    """
    if len(text) > _LONGEST_PYTHON:
        return parse_source_code(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the file's escapes, of no concern here
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return parse_source_code(text)
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
    return _cut(text, [(starts[line - 1], level, name) for line, level, name in _python_definitions(tree)])


def _python_definitions(tree: ast.Module) -> Iterable[tuple[int, int, str]]:
    """(line, level, name) of definitions; an empty name is code at the margin after a definition."""
    inside = False
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield _first_line(node), 1, node.name
            inside = True
            for method in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield _first_line(method), 2, method.name
        elif inside:
            yield node.lineno, 0, ""
            inside = False


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _cut(text: str, definitions: list[tuple[int, int, str]]) -> Parsed:
    outline = Outline()
    position = 0
    for start, level, name in definitions:
        if start > position:
            outline.add("code", position, start)
            position = start
        if name:
            outline.enter(level, name)
        else:
            outline.leave()
    if position < len(text):
        outline.add("code", position, len(text))
    outline.close()
    return Parsed(text, "", outline.sections, {})


def _by_margin(text: str, name_of: Callable[[str], str]) -> Parsed:
    """Cut in front of each line at the margin that names something, comments and attributes above it included."""
    definitions: list[tuple[int, int, str]] = []
    attached = -1  # start of the comment lines that stand right above
    for start, _, line in lines(text):
        if not line or line[0] in " \t})]\r":
            attached = -1
            continue
        name = name_of(line[:400])
        if name:
            definitions.append((attached if attached >= 0 else start, 1, name))
            attached = -1
        elif line.startswith(_ATTACHED):
            attached = start if attached < 0 else attached
        else:
            attached = -1
    return _cut(text, definitions)


def _definition_name(line: str) -> str:
    match = _DEFINITION.match(line) or _ASSIGNED.match(line)
    if match is None and "(" in line and not line.rstrip().endswith((";", ",")):
        match = _FUNCTION.match(line)
        if match is not None and (match[1] in _NO_FUNCTION or line.split(None, 1)[0] in _NO_FUNCTION):
            match = None
    return match[1].partition("<")[0].rstrip(":") if match else ""


def _entry_name(line: str) -> str:
    match = _TABLE.fullmatch(line.rstrip()) or _YAML_KEY.match(line)
    return match[1].strip() if match else ""
