"""Turns the source of a manual page (the man and mdoc macros of troff) into Markdown, without running troff."""

from __future__ import annotations

import re

__all__ = ["man_to_markdown"]


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_NAMED = _pairs(r"""
    aq ' dq " sq □ em — en – hy - bu • co © rg ® tm ™ lq “ rq ” oq ‘ cq ’ ti ~ ha ^ rs \ bv | ba | br | mu × di
    ÷ -> → <- ← >= ≥ <= ≤ != ≠ == ≡ +- ± fm ′ ga ` aa ´ la < ra > de ° ss ß :o ö :a ä :u ü :O Ö :A Ä :U Ü 'e é
    `e è 'a á 'o ó 'i í ^e ê ~n ñ ,c ç /o ø oa å oA Å AE Æ ae æ 12 ½ 14 ¼ sc § ps ¶ no ¬ if ∞ mc µ *a α *b β *m
    μ *p π *D Δ ct ¢ Po £ Eu € lB [ rB ] lC { rC } sh # at @ Do $ sl / pl + mi − eq = Fo « Fc » bq „ ul _ dg †
    dd ‡ r! ¡ r? ¿ ff ff fi fi fl fl Fi ffi Fl ffl ci ○
""")
_STRINGS = {
    "lq": "“",
    "rq": "”",
    "R": "®",
    "Tm": "™",
    'L"': "“",
    'R"': "”",
    "C+": "C++",
    "--": "—",
    "Aq": "'",
    "PI": "π",
    "S": "",
}

_ESCAPE = re.compile(
    r"""\\(?:
      (?P<drop> f(?:\(..|\[[^\]]*\]|.) | s[+-]?(?:\(\d\d|\[[^\]]*\]|'[^']*'|\d{1,2}) | [mMFY](?:\(..|\[[^\]]*\]|.)
              | [hvwobzlLDXxZSHBR]'[^']*' | n[+-]?(?:\(..|\[[^\]]*\]|.) | g(?:\(..|\[[^\]]*\]|.)
              | [&)/,|^:%cduprtak{}] )
    | \((?P<two>..) | \[(?P<long>[^\]]*)\]
    | \*(?:\((?P<string2>..)|\[(?P<string>[^\]\s]*)[^\]]*\]|(?P<string1>.))
    | N'(?P<code>\d+)' | (?P<plain>.) )""",
    re.VERBOSE,
)
_PLAIN = {
    "-": "-",
    "e": "\\",
    "\\": "\\",
    " ": "\xa0",
    "~": "\xa0",
    "0": "\xa0",
    "'": "'",
    "`": "`",
    ".": ".",
    "E": "\\",
    '"': "",
}
_COMMENT = re.compile(r"(?<!\\)\\[\"#].*")
_ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|(\S+)')


def man_to_markdown(source: str, title: str = "") -> tuple[str, str]:
    """The title (``open(2)``) and the Markdown of a manual page; two empty strings for a page without text.

    Without a `title` it is taken from the page, which often has it in capitals only.
    """
    page = _Page(title)
    for line in _logical_lines(source):
        page.feed(line)
    return page.finished()


def _unescape(text: str) -> str:
    def replacement(match: re.Match[str]) -> str:
        if match["drop"] is not None:
            return ""
        name = match["two"] or match["long"]
        if name is not None:
            unicode = re.fullmatch(r"u([0-9A-Fa-f]{4,5})", name)
            return chr(int(unicode[1], 16)) if unicode else _NAMED.get(name, "")
        for group in ("string2", "string", "string1"):
            if match[group] is not None:
                return _STRINGS.get(match[group], "")
        if match["code"] is not None:
            code = int(match["code"])
            return chr(code) if 32 <= code < 0xD800 else ""
        return _PLAIN.get(match["plain"] or "", match["plain"] or "")

    return _ESCAPE.sub(replacement, text)


def _arguments(text: str) -> list[str]:
    """Arguments of a macro: blanks separate, quotes group, a doubled quote inside quotes is one."""
    text = text.replace("\\ ", "\\~")
    return [(m[1].replace('""', '"') if m[2] is None else m[2]) for m in _ARGUMENT.finditer(text)]


def _logical_lines(source: str) -> list[str]:
    """Lines without comments, macro definitions, ignored blocks and the bodies of conditionals."""
    lines: list[str] = []
    closing: str | None = None
    depth = 0
    for line in re.sub(r"\\\n", "", source.replace("\r\n", "\n")).split("\n"):
        if closing is not None:
            if re.match(rf"[.']\s*{re.escape(closing)}\s*$", line):
                closing = None
            continue
        opened = depth > 0 or re.match(r"[.'][ \t]*(?:if|ie|el|while)\b", line)
        if opened:
            depth = max(0, depth + line.count("\\{") - line.count("\\}"))
            continue
        definition = re.match(r"[.'][ \t]*(?:de1?|am1?|ig)\b[ \t]*(\S*)[ \t]*(\S*)", line)
        if definition:
            ignored = line.lstrip(".' \t").startswith("ig")
            closing = (definition[1] if ignored else definition[2]) or "."
            continue
        if re.match(r"[.']\s*\\[\"#]|[.']\s*$|'''", line):
            continue
        lines.append(_COMMENT.sub("", line))
    return lines


class _Page:
    """Collects blocks of Markdown while the lines of a page go by."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.blocks: list[str] = []
        self.words: list[str] = []
        self.code: list[str] | None = None
        self.tag_next = False
        self.prefix = ""
        self.heading_next = ""
        self.name = ""
        self.table = 0  # 1: format lines of a table, 2: its cells

    def finished(self) -> tuple[str, str]:
        self._end_code()
        self._end_paragraph()
        if not self.title or not any(not block.startswith("#") for block in self.blocks):
            return "", ""
        return self.title, "\n\n".join([f"# {self.title}", *self.blocks]).replace("\xa0", " ") + "\n"

    def feed(self, line: str) -> None:
        if self.table:
            self._table_line(line)
            return
        macro = re.match(r"[.'][ \t]*([^\s\\]{1,8})[ \t]*(.*)", line)
        if macro is None:
            self._text(_unescape(line))
        elif not self._structure(macro[1], _arguments(macro[2])):
            self._words_of(macro[1], _arguments(macro[2]))

    def _text(self, text: str) -> None:
        if self.code is not None:
            self.code.append(text.rstrip())
            return
        if self.heading_next:
            self._heading(self.heading_next, text)
            return
        if not text.strip():
            if not self.tag_next:
                self._end_paragraph()
            return
        if text[0] == " " and not self.tag_next:
            self._break()
        self.words.append(text.strip())
        if self.tag_next:
            self._end_tag()

    def _structure(self, macro: str, arguments: list[str]) -> bool:
        """Handle a macro that shapes the page; false for one that only carries words."""
        first = _unescape(arguments[0]) if arguments else ""
        if macro in ("TH", "Dt"):
            section = _unescape(arguments[1]) if len(arguments) > 1 else ""
            self.title = self.title or (f"{first.lower()}({section})" if section else first.lower())
        elif macro in ("SH", "Sh", "SS", "Ss"):
            level = "##" if macro in ("SH", "Sh") else "###"
            self._heading(level, _unescape(" ".join(arguments)))
        elif macro in ("PP", "LP", "P", "Pp", "sp", "HP", "El", "br", "RS", "RE", "D1", "Dl", "Lp"):
            self._leave_block(macro, arguments)
        elif macro in ("TP", "TQ"):
            self._end_paragraph()
            self.tag_next, self.prefix = True, "- "
        elif macro in ("IP", "It"):
            self._end_paragraph()
            self.prefix = "- "
            if first.strip("•*-–—o· ") and macro == "IP":
                self.words.append(first)
                self._end_tag()
            elif macro == "It" and arguments:
                self._words_of("", arguments)
                self._end_tag()
        elif macro in ("nf", "EX", "Bd", "Vb", "DS"):
            self._end_paragraph()
            if macro != "Bd" or {"-literal", "-unfilled"} & set(arguments):
                self.code = self.code if self.code is not None else []
        elif macro in ("fi", "EE", "Ed", "Ve", "DE"):
            self._end_code()
        elif macro == "TS":
            self._end_paragraph()
            self.table = 1
        else:
            return macro in _SILENT
        return True

    def _leave_block(self, macro: str, arguments: list[str]) -> None:
        if self.code is not None and macro not in ("D1", "Dl"):
            if macro in ("PP", "LP", "P", "Pp", "sp"):
                self.code.append("")
            return
        if macro == "br":
            self._break()
            return
        self._end_paragraph()
        if macro in ("D1", "Dl"):
            self._words_of("", arguments)
            self._end_paragraph()

    def _heading(self, level: str, text: str) -> None:
        self._end_code()
        self._end_paragraph()
        self.tag_next = False
        text = " ".join(text.split())
        self.heading_next = "" if text else level  # the text of an empty .SH is on the next line
        if text:
            self.blocks.append(f"{level} {text}")

    def _words_of(self, macro: str, arguments: list[str]) -> None:
        if macro in ("MT", "UR"):
            self.words += map(_unescape, arguments[:1])
            return
        if (len(macro) == 2 and macro[0] in "BIRS" and macro[1] in "BIRMS") or macro == "OP":
            text = _unescape((" " if macro == "OP" else "").join(arguments))
        elif macro in _FONTS:
            text = _unescape(" ".join(arguments))
        elif macro == "" or macro in _MDOC:
            text = self._mdoc([macro, *arguments] if macro else arguments)
        else:
            return  # a macro of the page's own, or of the typesetter
        if text.strip():
            self._text(text)

    def _mdoc(self, tokens: list[str]) -> str:
        """Words of a line of mdoc macros: flags get their dash, quotes their marks, punctuation no blank before it."""
        text, glue, closers, flag = "", True, "", False
        i = 0
        while i < len(tokens):
            token, i = tokens[i], i + 1
            if token == "Xr" and i < len(tokens):
                section = tokens[i + 1] if i + 1 < len(tokens) and len(tokens[i + 1]) <= 3 else ""
                word, i = (f"{tokens[i]}({section})", i + 2) if section else (tokens[i], i + 1)
            elif token in ("Nm", "Nd", "Ns", "Fl", "Pf") or token in _ENCLOSING:
                if token == "Ns":
                    glue = True
                    continue
                if token in _ENCLOSING:
                    opening, closing = _ENCLOSING[token]
                    text += ("" if glue else " ") + opening
                    closers, glue = closing + closers, True
                    continue
                follows = i < len(tokens) and tokens[i] not in _MDOC and tokens[i] not in _PUNCTUATION
                if token == "Fl":
                    flag = follows
                    if follows:
                        continue
                    word = "-"
                elif token == "Nm":
                    word = tokens[i] if follows else self.name
                    self.name, i = self.name or word, i + follows
                else:
                    word = "—" if token == "Nd" else ""
            elif token in _MDOC:
                continue
            else:
                word = ("-" if flag else "") + _unescape(token)
                flag = False
            if token in _PUNCTUATION and text:
                text += token
            elif word:
                text, glue = text + ("" if glue else " ") + word, token in ("(", "[")
        return text + closers

    def _table_line(self, line: str) -> None:
        if line.startswith((".TE", "'TE")):
            self.table = 0
            self._end_paragraph()
        elif self.table == 1 or line.startswith(".T&"):
            self.table = 2 if line.rstrip().endswith(".") and not line.startswith(".") else 1
        elif not line.startswith(".") and line.strip(" _=-"):
            cells = [_unescape(cell).strip() for cell in re.sub(r"T\{|T\}", "", line).split("\t")]
            text = " · ".join(cell for cell in cells if cell)
            if text:
                self.words.append(text)
                self._break()

    def _end_tag(self) -> None:
        self.tag_next = False
        self._break()

    def _break(self) -> None:
        if self.words and not self.words[-1].endswith("\n"):
            self.words[-1] += "\n"

    def _end_paragraph(self) -> None:
        text = " ".join(self.words)
        lines = [" ".join(line.split(" ")).strip() for line in text.split("\n")]
        indent = "\n  " if self.prefix else "\n"
        body = indent.join(line for line in lines if line)
        if body:
            self.blocks.append(self.prefix + body)
        self.words, self.prefix = [], ""

    def _end_code(self) -> None:
        if self.code is None:
            return
        code = "\n".join(self.code).strip("\n")
        if code.strip():
            fence = "````" if "```" in code else "```"
            self.blocks.append(f"{fence}\n{code}\n{fence}")
        self.code = None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FONTS = frozenset(["B", "I", "R", "SM", "SB", "CW", "C", "L", "U"])
_ENCLOSING = {
    **dict.fromkeys(("Op", "Oo", "Bq"), ("[", "]")),
    **dict.fromkeys(("Dq", "Do"), ("“", "”")),
    **dict.fromkeys(("Sq", "So", "Ql"), ("‘", "’")),
    **dict.fromkeys(("Pq", "Po"), ("(", ")")),
    **dict.fromkeys(("Qq", "Qo"), ('"', '"')),
    "Brq": ("{", "}"),
    "Aq": ("<", ">"),
}
_PUNCTUATION = frozenset([".", ",", ":", ";", ")", "]", "?", "!"])
_MDOC = _words("""
    Nm Nd Ns Fl Pf Xr Ar Cm Em Sy Pa Ev Dv Va Vt Fn Fa Ft In Li No Tn Bx Fx Nx Ox Ux At An Ad Er Ic Ms St Lb Cd
    Lk Mt Tg Fo Fc Fd %A %T %B %D %R %J %N %V %P %I %O %U %Q %C Oc Dc Sc Pc Qc Rv Ex Bsx Dx Eo Ec Xo Xc Sx
""") | frozenset(_ENCLOSING)
_SILENT = _words("""
    ad na hy nh ne ft ps ta in ti ll pl so ds rm nr rr tr ie el if ce ss cs lg fp fam mk rt po UE ME YS SY PD UC
    AT DT TE IX Dd Os Bl Rs Re Bk Ek Sm Bf Ef EQ EN PS PE BS BE AS AP CS CE VS VE SO SE OP_ B_
""")
