"""Tells a text that prescribes how to write or sound (style guide, tone of voice, editorial rules) from any other.

Such texts are what a search finds for "write like us", and what does not help there: they describe a voice, they do
not give it. The rules are few and precise rather than many: a telling title decides, and without one the text itself
has to lay down wording in several ways. ``corpora/evaluation/router/style_guide.jsonl`` holds labelled snippets.
"""

from __future__ import annotations

import re

__all__ = ["is_style_guide"]

# Guides of other things than language, and texts that only deal with guides.
_OTHER_TITLE = re.compile(
    r"(?i)\b(?:cod(?:e|ing)|css|sheets?|api|rest|python|rust|java(?:script)?|typescript|sql|git|commits?|hair\w*|fashion|"
    r"wedding|interior|spring|summer|autumn|winter|season\w*|maps?|charts?|minutes|meeting|interview|review|course|"
    r"workshop|contract|agreement|pric\w+|keywords?|leadership|learning|management|glossary|release notes)\b"
)
_TITLE = re.compile(
    r"(?i)\b(?:tone[- ]of[- ]voice|voice (?:and|&) tone|(?:brand|house|our|company|corporate) (?:voice|tone|language)|"
    r"brand (?:book|guide(?:lines?)?|personality)|voice (?:guide(?:lines?)?|playbook)|persona (?:and|&) tone|"
    r"(?:house|writing|editorial|email|letter|content) style|style ?(?:guide(?:lines?)?|book|manual)|"
    r"(?:editorial|writing|copy(?:writing)?|wording|microcopy|language) "
    r"(?:guide(?:lines?)?|rules?|standards?|principles)|"
    r"(?:plain|inclusive|gender-neutral) language|terminology and wording|words (?:that )?(?:we|to) avoid|"
    r"how we (?:\w+ )?(?:write|sound|talk|speak)|what we sound like|"
    r"tonalität|redaktionelle richtlinien|schreibregeln|stilrichtlinien?|sprachleitfaden|markensprache|"
    r"charte éditoriale|ton de voix|guía de estilo|tono de voz)\b"
)
_BRAND_FOLDER = re.compile(r"(?i)(?:^|[/\\])brand(?:ing|[-_ ]?(?:book|guide|guidelines|voice))?[/\\][^/\\]*$")
_RULE = re.compile(r"(?i)\b(?:do not|don't|never|avoid|always|must(?: not)?|at (?:most|least)|only|no more than)\b")

_QUOTE = "[\"'*_‘“„«]"
_PART_OF_SPEECH = (
    r"(?:the words?\b|words? (?:like|such)|phrases?|jargon|slang|buzzwords?|clich\w+|superlatives?|adjectives?|"
    r"adverbs?|exclamation marks?|(?:the )?passive|abbreviations?|acronyms?|contractions?|emojis?|memes?|hashtags?|"
    r"puns?|sarcasm|euphemisms?|rhetorical questions?|capitals|anglicisms|(?:literal )?idioms?|modern slang|"
    r"stock phrases?|synonyms|metaphors?|subordinate clauses|floskeln|anglizismen|behördendeutsch|[\w-]+ jargon)"
)
_TONES = (
    "calm|warm|friendly|playful|cheeky|witty|dry|formal|informal|sober|gentle|respectful|restrained|upbeat|confident|"
    "conversational|curious|generous|concise|brief|exact|plain|direct|honest|humble|boastful|chummy|curt|pedantic|"
    "sarcastic|lecturing|weary|ironic|patient|precise|absurd|cute|rude|freundlich|sachlich|locker|förmlich"
)
# Ways of laying down wording, in lower case. The first three prescribe; the others may as well describe.
_PRESCRIBES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:avoid|(?:do not|don't|never) use|no|without|vermeiden sie|keine)\s+(?:\w+, )*{_PART_OF_SPEECH}",
        rf"\b(?:(?:do not|don't|never|we)?\s?(?:say|write)|avoid|prefer|forbidden|words (?:to|that we) avoid)[\s:]+"
        rf"{_QUOTE}?[^.\n]{{1,40}}(?:\bnot |\bnever |instead of |rather than ){_QUOTE}|"
        rf"\b(?:never say|do not say|avoid|prefer|write) {_QUOTE}\w|"
        rf"\bwords? (?:to|that we|we) (?:avoid|like)\b|\bnever (?:write|say) {_QUOTE}",
        r"\b(?:our|the|its|her|his) (?:brand )?(?:tone|voice|language) (?:is|stays|should|prefers)\b|\btone: |"
        r"\bder ton ist\b|\b(?:keep|use) (?:the |a |an )?[\w, ]{0,30}\b(?:tone|voice)\b",
        r"\baddress (?:the )?\w+ (?:as|by)\b|\b(?:write|speak|writing) (?:in|like|for) (?:the |a )?"
        r"(?:active|present|ear|\w+ person|plain|short|language)\b|\bsprechen sie .{1,30} direkt an|"
        r"\bschreiben sie aktiv|\bspell out\b|\bschreiben wir aus\b|\bwe address\b|\brefer to \w+ by\b|"
        r"\bread your text\b",
    )
)
_DESCRIBES = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bactive voice\b|\bpresent tense\b|\bsentence case\b|\b(?:first|second|third) person\b|\bimperative mood\b|"
        r"\b(?:british|american) spelling\b|\b(?:oxford|serial) comma\b|\btitle case\b|\ben dash\b|\bcontractions\b",
        r"\bshort(?:er)? sentences\b|\bsentences? (?:should|under|over|below|stays?|of at most)\b|"
        r"\b(?:one|a single) (?:idea|thought) (?:per|each)|\b(?:under|below|over|at most|no more than|to) \w+ "
        r"(?:words|sentences)\b|\bsentences? (?:short|under)\b|\bkurze(?:n)? sätzen?\b|"
        r"\bstrong verbs\b|\bverbs to nouns\b",
        r"\b(?:exclamation marks?|emojis?|hashtags?|jargon|slang|buzzwords?|adjectives?|euphemisms?|puns)\b",
        r"\b(?:tone of voice|brand voice|our (?:voice|tone)|house style|writing style|"
        r"plain (?:words|english|language))\b",
    )
)
_TONE = re.compile(rf"\b(?:{_TONES})\b")
_ENOUGH = 3
# Of these a text that lays down wording has two at least; most texts do not, and are done with here.
_STEMS = (
    *("avoid", "write", "writing", "say", "tone", "voice", "word", "sentence", "spell", "address", "reader", "tense"),
    *("exclamation", "abbreviat", "jargon", "language", "vermeid", "schreib", "sätze", "capital"),
)
# So much of a text is read: a guide says what it is before that.
_READ = 20_000


def is_style_guide(source: str, title: str, text: str) -> bool:
    """Whether a document, or one of its chunks, prescribes how to write or sound.

    Args:
        source: Where it came from, such as a path; its last folder counts where it is called after the brand.
        title: The document's title, for a chunk best with its headings; may be empty.
        text: The text; may be empty.

    >>> is_style_guide("", "Tone of voice", "We are calm, exact, warm and brief.")
    True
    >>> is_style_guide("api/errors.md", "Error messages", "401 unauthorized: the token is missing.")
    False
    """
    title = title[:_READ]
    other = _OTHER_TITLE.search(title) is not None
    if not other and _TITLE.search(title):
        return True
    if _BRAND_FOLDER.search(source) and _RULE.search(text[:_READ]):
        return True
    text = text[:_READ].lower()
    if sum(stem in text for stem in _STEMS) < 2:
        return False
    prescribes = sum(pattern.search(text) is not None for pattern in _PRESCRIBES)
    if not prescribes:
        return False
    describes = sum(pattern.search(text) is not None for pattern in _DESCRIBES)
    tones = len(set(_TONE.findall(text))) > 1
    return prescribes + describes + tones >= _ENOUGH + other
