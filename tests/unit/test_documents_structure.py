"""What each parser must mark: headings with their paths, lists, tables, code, and the text of HTML."""

from __future__ import annotations

import time
from itertools import chain

import pytest

from ragstone.documents.formats import SUFFIXES, parser_of
from ragstone.documents.parsed import Parsed


def parse(text: str, suffix: str) -> Parsed:
    """The only place that touches the parsers; every text-like format must keep the text as it is."""
    parsed = SUFFIXES[suffix](text)
    assert parsed.text == text or suffix == ".html"
    return parsed


def outline(text: str, suffix: str) -> list[tuple[str, str, str]]:
    """(kind, heading path, text) of each section."""
    parsed = parse(text, suffix)
    return [(s.kind, "/".join(s.headings), parsed.text[s.start : s.end]) for s in parsed.sections]


MARKDOWN = """\
---
title: From front matter
---
Setext *title*
==============

Text with a # in it
and a second line.

```python
# not a heading

x = 1
```
## Options `--x` [link](http://y) ##

- one
  more

  still one
- two
1. three

after the list

| a | b |
|---|---|
| 1 | 2 |
no pipe, still a row

    indented code

    more code

### Deep
~~~~
```
~~~~
Second
------
* * *
#hashtag
"""


def test_markdown() -> None:
    """Catches structure inside code taken for headings, and lists, tables and code that lose their lines."""
    assert parse(MARKDOWN, ".md").title == "From front matter"
    top, options = "Setext title", "Setext title/Options --x link"
    second = "Setext title/Second"
    assert outline(MARKDOWN, ".md") == [
        ("metadata", "", "---\ntitle: From front matter\n---"),
        ("heading", top, "Setext *title*\n=============="),
        ("paragraph", top, "Text with a # in it\nand a second line."),
        ("code", top, "```python\n# not a heading\n\nx = 1\n```"),
        ("heading", options, "## Options `--x` [link](http://y) ##"),
        ("list", options, "- one\n  more\n\n  still one\n- two\n1. three"),
        ("paragraph", options, "after the list"),
        ("table", options, "| a | b |\n|---|---|\n| 1 | 2 |\nno pipe, still a row"),
        ("code", options, "    indented code\n\n    more code"),
        ("heading", f"{options}/Deep", "### Deep"),
        ("code", f"{options}/Deep", "~~~~\n```\n~~~~"),
        ("heading", second, "Second\n------"),
        ("paragraph", second, "* * *\n#hashtag"),
    ]


def test_markdown_with_windows_line_ends() -> None:
    """Catches fences and headings that are not recognised because of a carriage return."""
    kinds = [(kind, path) for kind, path, _ in outline("# A\r\n\r\n```\r\nx\r\n```\r\ntext\r\n", ".md")]
    assert kinds == [("heading", "A"), ("code", "A"), ("paragraph", "A")]


def test_markdown_unclosed_fence() -> None:
    """Catches an endless scan, or text lost behind a fence that never closes."""
    assert outline("a\n\n```\nx\n# y", ".md") == [("paragraph", "", "a"), ("code", "", "```\nx\n# y")]


RST = """\
=====
Title
=====

:Author: Jo
:Revised: 2026-01-02

Intro with ``code`` and a literal block::

    literal

    more
Part
----

* item
  goes on
* item

Text.

.. code-block:: python

   x = 1

.. note:: Not code.

====  ====
a     b
====  ====
1     2
====  ====

Sub ``x``
~~~~~~~~~
+---+---+
| 1 | 2 |
+---+---+

Other part
----------
1. one

::

  quoted
"""


def test_restructured_text() -> None:
    """Catches levels that do not follow the order of adornments, and literal blocks and tables taken for prose."""
    parsed = parse(RST, ".rst")
    assert parsed.title == "Title"
    assert sorted(parsed.metadata) == ["author", "revised"]
    assert [(kind, path) for kind, path, _ in outline(RST, ".rst")] == [
        ("heading", "Title"),
        ("metadata", "Title"),
        ("paragraph", "Title"),
        ("code", "Title"),
        ("heading", "Title/Part"),
        ("list", "Title/Part"),
        ("paragraph", "Title/Part"),
        ("code", "Title/Part"),
        ("paragraph", "Title/Part"),
        ("table", "Title/Part"),
        ("heading", "Title/Part/Sub x"),
        ("table", "Title/Part/Sub x"),
        ("heading", "Title/Other part"),
        ("list", "Title/Other part"),
        ("paragraph", "Title/Other part"),
        ("code", "Title/Other part"),
    ]
    texts = [text for _, _, text in outline(RST, ".rst")]
    assert texts[0] == "=====\nTitle\n====="
    assert texts[3] == "    literal\n\n    more"
    assert texts[9] == "====  ====\na     b\n====  ====\n1     2\n====  ===="


PLAIN = """\
REFUND POLICY
Valid from May.

1. Scope

All orders.

2.1 Exceptions

None. Call 555.

CONTACT
    Write to us.

Short line

1. not a heading, but a sentence.
"""


def test_plain_text() -> None:
    """Catches numbered sentences taken for headings, and headings of man pages taken for prose."""
    assert parse(PLAIN, ".txt").title == "REFUND POLICY"
    assert [(kind, path) for kind, path, _ in outline(PLAIN, ".txt")] == [
        ("paragraph", ""),
        ("heading", "Scope"),
        ("paragraph", "Scope"),
        ("heading", "Scope/Exceptions"),
        ("paragraph", "Scope/Exceptions"),
        ("heading", "CONTACT"),
        ("paragraph", "CONTACT"),
    ]


def test_plain_text_that_begins_with_a_sentence_has_no_title() -> None:
    """Catches a first sentence put in front of every chunk."""
    assert parse("This is a sentence.\nMore.", ".txt").title == ""


PYTHON = '''\
"""Module."""
import os

@decorated
def f():
    """Text that looks like code:

def not_a_function():
    """

class C:
    x = 1

    def m(self):
        pass

if True:
    f()
'''


def test_python() -> None:
    """Catches definitions found inside strings, decorators cut off, and methods without their class."""
    found = outline(PYTHON, ".py")
    assert [path for _, path, _ in found] == ["", "f", "C", "C/m", ""]
    assert found[1][2].startswith("@decorated") and "not_a_function" in found[1][2]
    assert "".join(text for _, _, text in found) == PYTHON


@pytest.mark.parametrize(
    "text", ["print 'two'\ndef f(): pass\n", "def f(\n", "\0", "(" * 100_000, "x = " + "-" * 100_000]
)
def test_python_that_does_not_parse(text: str) -> None:
    """Catches a crash on Python 2, on damage and on nesting."""
    assert "".join(text for _, _, text in outline(text, ".py")) == text


@pytest.mark.parametrize(
    ("suffix", "text", "names"),
    [
        (
            ".rs",
            "use x;\n\n/// Doc.\n#[inline]\npub fn f() -> u8 {\n    a\n}\npub(crate) struct S;\nimpl<T> S<T> {\n}\n",
            ["f", "S", "S"],
        ),
        (".c", "#include <x.h>\nint g;\nstatic int\nf(int a)\n{\n    if (a) {\n    }\n}\nvoid h(void);\n", ["f"]),
        (".js", "export default function f() {}\nconst g = async () => {}\nclass A {}\nif (x) {\n}\n", ["f", "g", "A"]),
        (".go", "package p\n\n// F does.\nfunc F() {}\ntype T struct {\n}\n", ["p", "F", "T"]),
        (".sql", "CREATE TABLE t (\n  a int\n);\ncreate or replace function f() returns int;\n", ["t", "f"]),
        (".sh", "x=1\nf() {\n  :\n}\nfunction g {\n}\n", ["f", "g"]),
        (".toml", "a = 1\n[x]\nb = 2\n# about y\n[[y.z]]\n", ["x", "y.z"]),
        (".yaml", "a: 1\nb:\n  - c: 2\n", ["a", "b"]),
    ],
)
def test_definitions(suffix: str, text: str, names: list[str]) -> None:
    """Catches definitions that are missed, and calls and statements taken for definitions."""
    found = outline(text, suffix)
    assert [path for _, path, _ in found if path] == names
    assert "".join(text for _, _, text in found) == text


def test_comments_stay_with_their_definition() -> None:
    """Catches a comment cut from what it explains."""
    assert outline("fn a() {}\n\n// about b\n#[inline]\nfn b() {}\n", ".rs")[1][2].startswith("// about b")


HTML = """<!DOCTYPE html><html lang=en><head><title>The &amp; title</title>
<meta name="Version" content="2026-07"><meta name=viewport content="x"><meta name="revised" content="2026-07-01">
<style>p > a {}</style><script>if (a < b) { "</p>" }</script></head>
<body><nav>Menu</nav><div role="navigation"><div>Menu</div> two</div>
<h1>Head <em>ing</em></h1>
<p>One&nbsp;two
 three<br>four <b>bold</b>text.</p><p title="a > b">Next &lt;tag&gt; &copy; &unknown; a < b
<ul><li>first<li>second <a href=x>link</a><ul><li>nested</ul></ul>
<table><tr><th>A</th><th>B</th></tr><tr><td><p>1</p></td><td>2<br>3</td></tr></table>
<!-- no <p>comment --> <pre>  keep
   this</pre>
<h2>Second<p>Unclosed</h2> heading
<svg><title>no</title></svg><footer>Foot</footer></body></html>"""


def test_html() -> None:
    """Catches scripts, menus and comments in the text, words run together or apart, and cells without their row."""
    parsed = parse(HTML, ".html")
    assert parsed.title == "The & title"
    assert {key: str(value) for key, value in parsed.metadata.items()} == {
        "version": "2026-07",
        "revised": "2026-07-01",
    }
    assert outline(HTML, ".html") == [
        ("heading", "Head ing", "Head ing"),
        ("paragraph", "Head ing", "One two three\nfour boldtext.\n\nNext <tag> © &unknown; a < b"),
        ("list", "Head ing", "- first\n- second link\n- nested"),
        ("table", "Head ing", "A | B\n1 | 2 3"),
        ("code", "Head ing", "  keep\n   this"),
        ("heading", "Head ing/Second", "Second"),
        ("paragraph", "Head ing/Second", "Unclosed\n\nheading"),
    ]


def test_html_main() -> None:
    """Catches menus kept although the page says what its main text is."""
    assert parse("<div>menu</div><main><p>text</main><div>foot</div>", ".html").text == "text"
    assert parse('<div>menu</div><div role="main"><div>a</div><div>b</div></div>foot', ".html").text == "a\n\nb"
    assert parse("no element <script>role=main</script>", ".html").text == "no element"


def test_html_loses_nothing_to_an_unclosed_element() -> None:
    """Catches a page that is lost behind a <nav> without end."""
    assert parse("<p>before<nav><p>after", ".html").text == "before\n\nafter"


@pytest.mark.parametrize(
    "text", ["", "<", "<!", "</", "<a", "<!--", "<p", "<title>", "<script>", "&#xD800; &#0; &", "<p\0>"]
)
def test_html_fragments(text: str) -> None:
    """Catches crashes on input that stops anywhere, and lone surrogates from character references."""
    parse(text, ".html").text.encode("utf-8")


HOSTILE = (
    [
        "<!--",
        "<![CDATA[",
        "<a ",
        "<",
        "</",
        '<a "',
        "<a>",
        "<ul><li>",
        "<nav>",
        "<h1>",
        "<pre>",
        "<table>",
        "&",
        "&#",
        "<script>",
    ],
    [
        "# ",
        "#\n",
        "[",
        "* ",
        "- \n",
        "|",
        "|-\n",
        "```\n",
        "=\n",
        "==\n\n",
        "1. \n",
        "\n",
        "a\n",
        "    ",
        "\t\n",
        "*",
        "`",
        "{#",
    ],
    [":a:\n", ".. \n", "::\n", "a::\n", ":a:`", "---\n", "'", '"', "+-\n", "== ==\n"],
    ["fn ", "def ", "class\n", "(", "a(", "[a]\n", "a:\n", "pub ", "@\n", "a b", "\r"],
)


@pytest.mark.parametrize("suffix", [".md", ".rst", ".html", ".txt", ".js", ".yaml", ".py"])
def test_hostile_text_takes_linear_time(suffix: str) -> None:
    """Catches quadratic scanning in any parser: 200 kB each, on one line and on many."""
    for seed in chain.from_iterable(HOSTILE):
        text = seed * (200_000 // len(seed))
        started = time.process_time()
        parsed = parser_of("a" + suffix)(text)
        assert time.process_time() - started < 10, repr(seed)
        assert len(parsed.text) <= 2 * len(text) + 10
