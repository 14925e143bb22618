"""What a user asks of a head in words: "with a beard", "old, long blond hair", "without a beard".

The words that all networks share (`Attributes.GROUPS`) are found in the text; what else it says (a style such
as "bronze statue") only a denoiser with a text encoder can follow, which reads the prompt as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from idto3d.attributes import Attributes
from idto3d.errors import UserError

LONGEST = 300  # characters; a text encoder reads 77 tokens
# On validation person 8, with 80 steps of stage 2, the methods' reader finds a full beard and dark brown skin
# at 2; short hair reads bald at 3 with 200 steps, not at 2 with 80, and to the eye it keeps a fringe.
LOUDNESS = 2.0
Pairs = tuple[tuple[str, str], ...]  # of a group and its word


@dataclass(frozen=True)
class Prompt:
    """A prompt, taken apart.

    Attributes:
        text: as it was written, white space collapsed.
        words: group -> word of `Attributes.GROUPS` that it asks for.
        unknown: what no group has a word for.
        loudness: how far its words push away from those read from the photos, times the words' guidance
            scale; 0 tells them as quietly as the read ones (`idto3d.guidance.sample.guided_denoise`). None
            leaves it to the generator, and is `LOUDNESS` to a denoiser.
    """

    text: str
    words: Mapping[str, str]
    unknown: tuple[str, ...] = ()
    loudness: float | None = None

    def replacing(self, indices: Sequence[int]) -> list[int]:
        """Attribute indices (`Attributes.indices`, -1 = not told) with the asked words in place of theirs."""
        groups = Attributes.GROUPS.items()
        return [
            words.index(self.words[group]) if group in self.words else int(index)
            for (group, words), index in zip(groups, indices, strict=True)
        ]


def parse_prompt(text: str, loudness: float | None = None) -> Prompt | None:
    """The prompt that a text is; None where it says nothing.

    Raises:
        UserError: too long, or two words for one group.
    """
    plain = " ".join(text.split())
    if len(plain) > LONGEST:
        raise UserError(
            f"Found a prompt of {len(plain)} characters, expected at most {LONGEST}; say it shorter."
        )
    if not plain:
        return None
    words: dict[str, str] = {}
    unknown: list[str] = []
    for found in _phrases(_tokens(plain)):
        if isinstance(found, str):
            unknown.append(found)
            continue
        for group, word in found:
            if words.setdefault(group, word) != word:
                raise UserError(
                    f"Found both '{words[group]}' and '{word}' in the prompt '{plain}', expected one word "
                    f"for {group.replace('_', ' ')}; keep one."
                )
    return Prompt(plain, words, tuple(unknown), loudness)


def check_understood(prompt: Prompt) -> None:
    """Refuse what a denoiser without a text encoder cannot follow.

    Raises:
        UserError: names the words that it does not know, and lists those that it does.
    """
    if prompt.unknown or not prompt.words:
        named = ", ".join(f"'{phrase}'" for phrase in prompt.unknown or (prompt.text,))
        known = "; ".join(
            f"{group.replace('_', ' ')}: {', '.join(words)}" for group, words in Attributes.GROUPS.items()
        )
        raise UserError(
            f"Found {named} in the prompt, expected words that this model was trained on ({known}); leave it "
            "out, or use a model with a text encoder, such as Stable Diffusion."
        )


# What stands alone. Longer phrases are tried first.
_PHRASES: dict[str, Pairs] = {
    **dict.fromkeys(("young", "younger", "youthful"), (("age", "young"),)),
    **dict.fromkeys(("middle aged", "middle age"), (("age", "middle-aged"),)),
    **dict.fromkeys(("old", "older", "very old", "elderly", "aged"), (("age", "old"),)),
    **dict.fromkeys(("man", "male", "masculine"), (("sex", "male"),)),
    **dict.fromkeys(("woman", "female", "feminine"), (("sex", "female"),)),
    **dict.fromkeys(("bald", "bald head", "shaved head", "shaven head", "hairless"), (("hair", "bald"),)),
    **dict.fromkeys(("buzz cut", "buzzcut", "crew cut"), (("hair", "buzz-cut"),)),
    **dict.fromkeys(("blond", "blonde"), (("hair_colour", "blond"),)),
    "brunette": (("hair_colour", "brown"),),
    **dict.fromkeys(("redhead", "redheaded", "ginger"), (("hair_colour", "red"),)),
    **dict.fromkeys(("beard", "bearded"), (("beard", "full beard"),)),
    **dict.fromkeys(("stubble", "light stubble", "stubbly", "unshaven"), (("beard", "stubble"),)),
    **dict.fromkeys(("clean shaven", "cleanshaven", "beardless"), (("beard", "no beard"),)),
    **dict.fromkeys(("tan", "tanned"), (("skin", "tan"),)),
}
# What stands before a noun, in any order and number: "long blond hair", "dark skin".
_HAIR: dict[str, Pairs] = {
    "long": (("hair", "long"),),
    "short": (("hair", "short"),),
    **dict.fromkeys(("buzz cut", "cropped"), (("hair", "buzz-cut"),)),
    "black": (("hair_colour", "black"),),
    **dict.fromkeys(("brown", "light brown", "dark brown", "brunette"), (("hair_colour", "brown"),)),
    **dict.fromkeys(("blond", "blonde", "dark blond", "fair", "golden"), (("hair_colour", "blond"),)),
    **dict.fromkeys(("red", "ginger"), (("hair_colour", "red"),)),
    **dict.fromkeys(("grey", "gray", "silver", "white"), (("hair_colour", "grey"),)),
}
_SKIN: dict[str, Pairs] = {
    **dict.fromkeys(("very light", "very pale", "very fair", "pale"), (("skin", "very light"),)),
    **dict.fromkeys(("light", "fair"), (("skin", "light"),)),
    **dict.fromkeys(("tan", "tanned", "olive"), (("skin", "tan"),)),
    **dict.fromkeys(("brown", "light brown"), (("skin", "brown"),)),
    **dict.fromkeys(("dark", "dark brown"), (("skin", "dark brown"),)),
    **dict.fromkeys(("very dark", "black"), (("skin", "very dark"),)),
}
_BEARD: dict[str, Pairs] = {
    **dict.fromkeys(("full", "long", "big", "thick", "bushy"), (("beard", "full beard"),)),
    **dict.fromkeys(("short", "light"), (("beard", "stubble"),)),
}
_NOUNS = {
    **dict.fromkeys(("hair", "haired"), _HAIR),
    **dict.fromkeys(("skin", "skinned"), _SKIN),
    "beard": _BEARD,
}
_NEGATIONS = frozenset({"no", "without", "not"})
_DENIED: dict[str, Pairs] = {"hair": (("hair", "bald"),), "facial hair": (("beard", "no beard"),)}
_JOINS = frozenset({"and", "or", "nor", ","})
_FILLERS = frozenset(
    {"a", "an", "any", "the", "with", "as", "of", "in", "but", "who", "has", "have", "having", "is", "are"}
    | {
        "be",
        "being",
        "make",
        "made",
        "look",
        "looks",
        "looking",
        "like",
        "his",
        "her",
        "their",
        "him",
        "them",
    }
    | {
        "them",
        "it",
        "this",
        "that",
        "someone",
        "person",
        "people",
        "face",
        "head",
        "portrait",
        "photo",
        "picture",
    }
    | {".", ";", "!"}
)


def _tokens(text: str) -> list[str]:
    return re.findall(r"[^\W_]+|[,.;!]", re.sub(r"['’]s?\b", "", text.lower()))


def _phrases(tokens: list[str]) -> Iterator[Pairs | str]:
    """What each stretch of the text asks for, or the stretch itself where no group has a word for it."""
    at = 0
    strange: list[str] = []
    while at < len(tokens):
        length, found = _denied(tokens, at) if tokens[at] in _NEGATIONS else _asked(tokens, at)
        passed = tokens[at] in _FILLERS | _JOINS
        if strange and (found is not None or passed):
            yield " ".join(strange)
            strange = []
        if found is not None:
            yield found
        elif not passed:
            strange.append(tokens[at])
        at += length or 1
    if strange:
        yield " ".join(strange)


def _asked(tokens: list[str], at: int) -> tuple[int, Pairs | None]:
    """How many tokens from `at` on ask for something, and for what."""
    length, found = _before_noun(tokens, at)
    return (length, found) if found is not None else _longest(tokens, at, _PHRASES)


def _denied(tokens: list[str], start: int) -> tuple[int, Pairs | str | None]:
    """What a negation at `start` denies: hair, or a beard of any kind; the text itself where the words have
    no opposite ("not old")."""
    at = start + 1
    pairs: Pairs = ()
    while at < len(tokens):
        while at < len(tokens) and tokens[at] in _FILLERS:
            at += 1
        length, found = _longest(tokens, at, _DENIED)
        if found is None:
            length, found = _asked(tokens, at)
            if found is not None and {group for group, _ in found} != {"beard"}:
                return at + length - start, " ".join(tokens[start : at + length])
            found = found and (("beard", "no beard"),)
        if found is None:
            break
        at, pairs = at + length, found
        if at >= len(tokens) or tokens[at] not in ("or", "nor"):
            return at - start, pairs
        at += 1
    return (at - 1 - start, pairs) if pairs else (0, None)


def _before_noun(tokens: list[str], start: int) -> tuple[int, Pairs | None]:
    """Adjectives, joined or not, with the noun that they end in."""
    for adjectives, nouns in (
        (table, [n for n, t in _NOUNS.items() if t is table]) for table in (_HAIR, _SKIN, _BEARD)
    ):
        at = start
        pairs: Pairs = ()
        while at < len(tokens):
            length, found = _longest(tokens, at, adjectives)
            if found is None and not (pairs and tokens[at] in _JOINS):
                break
            at, pairs = at + (length or 1), pairs + (found or ())
        if pairs and at < len(tokens) and tokens[at] in nouns:
            return at + 1 - start, pairs
    return 0, None


def _longest(tokens: list[str], at: int, table: Mapping[str, Pairs]) -> tuple[int, Pairs | None]:
    """The longest phrase of a table that stands at `at`."""
    for length in (3, 2, 1):
        found = table.get(" ".join(tokens[at : at + length])) if at + length <= len(tokens) else None
        if found is not None:
            return length, found
    return 0, None
