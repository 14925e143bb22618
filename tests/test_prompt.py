"""What a prompt asks for: the words that all networks share, what nobody knows, what contradicts itself."""

from __future__ import annotations

import pytest

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.prompt import check_understood, parse_prompt

WORDS = Attributes("male", "old", "light", "short", "grey", "no beard")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("with a beard", {"beard": "full beard"}),
        ("old", {"age": "old"}),
        ("bald", {"hair": "bald"}),
        ("blond long hair", {"hair": "long", "hair_colour": "blond"}),
        ("long and blonde hair, tanned", {"hair": "long", "hair_colour": "blond", "skin": "tan"}),
        ("dark skin", {"skin": "dark brown"}),
        ("very dark-skinned", {"skin": "very dark"}),
        ("An elderly WOMAN, grey hair!", {"age": "old", "sex": "female", "hair_colour": "grey"}),
        ("the man's head, bald", {"sex": "male", "hair": "bald"}),
    ],
)  # fmt: skip
def test_words_are_found_in_the_order_of_speech(text: str, words: dict[str, str]) -> None:
    prompt = parse_prompt(text)
    assert prompt is not None
    assert prompt.words == words
    assert prompt.unknown == ()
    check_understood(prompt)


@pytest.mark.parametrize(
    "text", ["without a beard", "clean-shaven", "no beard", "no facial hair", "without beard or stubble",
             "without a long beard", "beardless", "not bearded"],
)  # fmt: skip
def test_a_beard_is_denied_in_many_ways(text: str) -> None:
    prompt = parse_prompt(text)
    assert prompt is not None
    assert (prompt.words, prompt.unknown) == ({"beard": "no beard"}, ())


def test_every_word_of_every_group_is_understood_as_itself() -> None:
    nouns = {"skin": " skin", "hair_colour": " hair"}
    for group, words in Attributes.GROUPS.items():
        for word in words:
            noun = " hair" if word in ("short", "long") else nouns.get(group, "")
            prompt = parse_prompt(f"with {word}{noun}")
            assert prompt is not None
            assert (prompt.words, prompt.unknown) == ({group: word}, ()), word


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("bronze statue", ("bronze statue",)),
        ("an old man as a bronze statue, with glasses", ("bronze statue", "glasses")),
        ("not old", ("not old",)),
        ("without long hair", ("without long hair",)),
        ("without glasses", ("without glasses",)),
        ("bald with a brown beard", ("brown",)),
        ("älter", ("älter",)),
        ("!!", ()),
    ],
)
def test_what_no_group_has_a_word_for_is_named_with_what_is_understood(
    text: str, unknown: tuple[str, ...]
) -> None:
    prompt = parse_prompt(text)
    assert prompt is not None
    assert prompt.unknown == unknown
    with pytest.raises(UserError, match=r"in the prompt, expected words .*beard: no beard, stubble") as told:
        check_understood(prompt)
    assert all(phrase in str(told.value) for phrase in unknown)


def test_two_words_for_one_group_are_refused() -> None:
    with pytest.raises(UserError, match=r"Found both 'bald' and 'long' .* hair; keep one"):
        parse_prompt("bald with long hair")


def test_an_empty_prompt_is_none_and_a_long_one_is_refused() -> None:
    assert parse_prompt(" \n ") is None
    with pytest.raises(UserError, match="400 characters"):
        parse_prompt("a" * 400)


def test_asked_words_take_the_place_of_the_read_ones_and_nothing_else_moves() -> None:
    prompt = parse_prompt("bald, with a beard")
    assert prompt is not None
    replaced = Attributes.from_indices(prompt.replacing(WORDS.indices()))  # type: ignore[arg-type]
    assert replaced == Attributes("male", "old", "light", "bald", "grey", "full beard")
    assert prompt.replacing([-1] * 6) == [-1, -1, -1, 0, -1, 2]
