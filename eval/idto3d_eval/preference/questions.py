"""What raters are asked about two heads, and what they see meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from idto3d.errors import UserError

NEUTRAL = "neutral"


@dataclass(frozen=True)
class Question:
    """One thing to judge two heads by.

    Attributes:
        name: as studies and answers call it.
        text: what raters read; "{expression}" stands for the asked expression's name.
        look: how the viewer draws both heads.
        textured: whether the mesh reaches the browser with its maps; a shape is judged without any, since
            textured heads win against bare ones whatever their shape (3D Arena measured 144 Elo).
        photos: whether photographs of the person stand above.
        expressive: whether the heads show an expression, and not the neutral face.
    """

    name: str
    text: str
    look: str
    textured: bool = True
    photos: bool = False
    expressive: bool = False


QUESTIONS = {
    question.name: question
    for question in (
        Question("identity", "Which head looks more like this person?", "colour", photos=True),
        Question("geometry", "Which head has the better shape?", "clay", textured=False),
        Question("texture", "Which head has the better skin, hair and colours?", "colour"),
        Question(
            "expression",
            "Which head shows this expression more clearly: {expression}?",
            "colour",
            expressive=True,
        ),
    )
}


def questions_named(text: str) -> tuple[Question, ...]:
    """Questions from "identity,geometry".

    Raises:
        UserError: one is unknown or named twice, or none is named.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    unknown = sorted(set(names) - set(QUESTIONS))
    if unknown or not names or len(set(names)) != len(names):
        raise UserError(
            f"Found questions '{text}', expected some of {', '.join(QUESTIONS)}, each once; name these."
        )
    return tuple(QUESTIONS[name] for name in names)


def asked(question: Question, expression: str) -> str:
    """The question as a rater reads it."""
    return question.text.format(expression=expression.replace("_", " "))
