"""Reads Swift as far as the checks need it: what is code and what is text, and where functions begin and end."""

import bisect
import dataclasses
import functools
import re

# What may hide code, or be mistaken for it. A name in backticks may be a whole sentence.
HIDING = re.compile(r'//|/\*|`|#*"""(?=[ \t]*\n)|#*"')
NESTED_COMMENT = re.compile(r"/\*|\*/")
CLOSING = {"(": ")", "[": "]", "{": "}"}
FUNCTION = re.compile(r"(?<![.\w`])(?:func\s+(?P<name>`[^`]*`|[^\s(<]+)|(?P<special>init|deinit|subscript)\b[?!]?(?=\s*[(<{]))")
PROPERTY = re.compile(r"\bvar\s+(?P<name>\w+)\s*:\s*[^={}\n]+(?=\{)")
# What follows a name: brackets, the body, or in a protocol the next requirement.
BRACKET_OR_NEXT = re.compile(
    r"[({\[}]|\n\s*\n|\b(?:func|init|var|let|subscript|associatedtype|struct|enum|class|actor|extension|typealias)\b"
)
PROTOCOL = re.compile(r"\bprotocol\s+\w+[^{]*(?=\{)")


@dataclasses.dataclass
class Function:
    """A function, initialiser or computed property. Lines count from 1. body is None, and last is first, for what a protocol asks for."""

    name: str
    first: int
    last: int
    signature: str
    body: str

    @property
    def effects(self):
        """What stands behind its parameters: `async`, `throws`."""
        return set(re.findall(r"\b(?:async|throws)\b", without_brackets(self.signature).split("->")[0]))


class Swift:
    """One file. bare is its text with comments, texts and names in backticks blanked: every place and line is the same in both."""

    def __init__(self, path):
        self.path = path
        self.text = path.read_text()
        self.bare = bare(self.text)
        self.lines = self.text.splitlines()
        self.bare_lines = self.bare.splitlines()
        self._line_ends = [found.start() for found in re.finditer("\n", self.text)]

    def line(self, place):
        """The number of the line that a place in the text is in."""
        return bisect.bisect_left(self._line_ends, place) + 1

    @functools.cached_property
    def functions(self):
        """In the order in which they begin, those within functions too."""
        found = [*FUNCTION.finditer(self.bare), *PROPERTY.finditer(self.bare)]
        return [self._function(match) for match in sorted(found, key=lambda match: match.start())]

    @functools.cached_property
    def protocols(self):
        """The bare text between the braces of each protocol."""
        found = [match.end() for match in PROTOCOL.finditer(self.bare)]
        return [self.bare[opening:closing(self.bare, opening)] for opening in found]

    def _function(self, match):
        group = match.lastgroup
        end = body = behind_signature(self.bare, match.end())
        if self.bare[body:body + 1] == "{":
            end = closing(self.bare, body)
        return Function(
            name=self.text[match.start(group):match.end(group)],
            first=self.line(match.start()),
            last=self.line(end) if end != body else self.line(match.start()),
            signature=self.bare[match.start():body],
            body=self.bare[body:end] if end != body else None,
        )


def bare(text):
    """The text with everything blanked that is not code; what is interpolated into a text is code."""
    parts, place = [], 0
    while found := HIDING.search(text, place):
        shown, end = hidden(text, found)
        parts += [text[place:found.start()], shown]
        place = end
    return "".join([*parts, text[place:]])


def hidden(text, found):
    """What stands in bare text for what begins with this match, and where that ends."""
    token = found.group()
    if token.endswith('"'):
        shown, end = string(text, found.end(), token)
        return token + shown, end
    if token == "`":
        end = text.index("`", found.end())
        return "`" + "_" * (end - found.end()) + "`", end + 1
    end = comment_end(text, found.end()) if token == "/*" else line_end(text, found.end())
    return blank(text[found.start():end]), end


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def line_end(text, place):
    end = text.find("\n", place)
    return end if end >= 0 else len(text)


def comment_end(text, place):
    depth = 1
    while depth:
        found = NESTED_COMMENT.search(text, place)
        depth += 1 if found.group() == "/*" else -1
        place = found.end()
    return place


def string(text, place, opening):
    """What stands for the rest of a text whose opening quotes, with the `#`s before them, end at a place; and where it ends."""
    hashes, quotes = "#" * opening.count("#"), opening.lstrip("#")
    escape_or_end = re.compile(rf"\\{hashes}(?P<escaped>.)|{quotes}{hashes}", re.S)
    parts = []
    while (found := escape_or_end.search(text, place)).group("escaped"):
        parts.append(blank(text[place:found.end() - 1]))
        place = found.end()
        if found.group("escaped") == "(":
            place = interpolation_end(text, found.end())
            parts.append("(" + bare(text[found.end():place]))
        else:
            parts.append(" ")
    return "".join(parts) + blank(text[place:found.start()]) + found.group(), found.end()


def interpolation_end(text, place):
    """Behind the parenthesis that closes the one before a place."""
    interesting = re.compile(HIDING.pattern + r"|[()]")
    depth = 1
    while depth:
        found = interesting.search(text, place)
        if found.group() in "()":
            depth += 1 if found.group() == "(" else -1
            place = found.end()
        else:
            _, place = hidden(text, found)
    return place


def closing(text, opening):
    """The place of the bracket that closes the one at a place of bare text."""
    bracket = text[opening]
    depth = 0
    for found in re.finditer(re.escape(bracket) + "|" + re.escape(CLOSING[bracket]), text[opening:]):
        depth += 1 if found.group() == bracket else -1
        if not depth:
            return opening + found.start()
    raise ValueError(f"nothing closes {bracket} at {opening}")


def behind_signature(text, place):
    """Where the signature ends whose name ends at a place of bare text: at the `{` of its body, if it has one."""
    while (found := BRACKET_OR_NEXT.search(text, place)) and found.group() in "([":
        place = closing(text, found.start()) + 1
    return found.start() if found else len(text)


def without_brackets(text):
    """Without parentheses and brackets, and what is in them."""
    before = None
    while before != text:
        before, text = text, re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", text)
    return text
