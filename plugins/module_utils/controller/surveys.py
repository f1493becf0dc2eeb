# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Surveys: the questions of a template, and the answers that somebody gives at launch, as in AWX."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, kind_of

OPTION = "survey_spec"
KEPT = "$encrypted$"
"""In place of a password: the one that is known already, as in AWX."""
TEXTS = ("text", "textarea", "password")
NUMBERS = ("integer", "float")
CHOICES = ("multiplechoice", "multiselect")
TYPES = (*TEXTS, *NUMBERS, *CHOICES)
FIELDS = (
    "question_name",
    "question_description",
    "variable",
    "type",
    "required",
    "default",
    "min",
    "max",
    "choices",
)
IGNORED = ("new_question", "formattedChoices")
"""What AWX's own forms leave in a question, and nobody reads."""

Question = dict[str, Any]
Survey = dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """What a survey makes of the variables of a launch.

    Attributes:
        values: the answers, and the defaults of what was not answered; no other variables.
        secret: names of the variables whose values are never shown.
    """

    values: dict[str, Any] = field(repr=False)
    secret: frozenset[str]


# -- questions --


def read_survey(given: object, previous: Mapping[str, Any] | None = None) -> Survey:
    """The survey of a template, checked, and each question with all of its fields.

    Args:
        given: `{name, description, spec: [question, ...]}`; empty for none.
        previous: the one that the template has, from which passwords that are not shown are taken.

    Raises:
        Failure: `InvalidConfiguration`; it names the question and the field, and shows no password.
    """
    if not given:
        return {}
    if not isinstance(given, Mapping):
        raise _invalid(f"{OPTION} must be a mapping with name, description and spec.")
    for key in given:
        if key not in ("name", "description", "spec"):
            raise _invalid(f"{OPTION} has {key!r}; it has name, description and spec.")
    questions = given.get("spec")
    if not isinstance(questions, Sequence) or isinstance(questions, str) or not questions:
        raise _invalid(f"{OPTION}.spec must be a list with at least one question.")
    known = {question["variable"]: question for question in _questions(previous or {})}
    read: list[Question] = []
    for index, question in enumerate(questions):
        read.append(_read_question(question, f"{OPTION}.spec[{index}]", known))
        if read[-1]["variable"] in [other["variable"] for other in read[:-1]]:
            where = _where(f"{OPTION}.spec[{index}]", read[-1])
            raise _invalid(f"{where}: variable {read[-1]['variable']!r} is another question's already.")
    texts = {name: _text(given.get(name) or "", f"{OPTION}.{name}") for name in ("name", "description")}
    return {**texts, "spec": read}


def secret_variables(survey: Mapping[str, Any]) -> frozenset[str]:
    """The variables of a survey whose answers are never shown."""
    return frozenset(
        question["variable"] for question in _questions(survey) if question["type"] == "password"
    )


def variables(survey: Mapping[str, Any]) -> frozenset[str]:
    """The variables that a survey asks for."""
    return frozenset(question["variable"] for question in _questions(survey))


def _questions(survey: Mapping[str, Any]) -> Iterator[Question]:
    yield from survey.get("spec") or ()


def _read_question(given: object, place: str, known: Mapping[str, Question]) -> Question:
    if not isinstance(given, Mapping):
        raise _invalid(f"{place} must be a mapping with {', '.join(FIELDS)}.")
    where = _where(place, given)
    for key in given:
        if key not in (*FIELDS, *IGNORED):
            raise _invalid(f"{where} has {key!r}; a question has {', '.join(FIELDS)}.")
    kind = given.get("type")
    if kind not in TYPES:
        what = "missing" if kind is None else repr(kind)
        raise _invalid(f"{where}: type is {what}; it must be one of {', '.join(TYPES)}.")
    if not isinstance(given.get("required"), bool):
        what = "missing" if given.get("required") is None else repr(given["required"])
        raise _invalid(f"{where}: required is {what}; it must be true or false.")
    question: Question = {
        "question_name": _needed(given, "question_name", where),
        "question_description": _text(
            given.get("question_description") or "", f"{where}: question_description"
        ),
        "variable": _needed(given, "variable", where),
        "type": kind,
        "required": given["required"],
        "min": _limit(given, "min", where),
        "max": _limit(given, "max", where),
        "choices": _choices(given, where),
    }
    low, high = question["min"], question["max"]
    if low is not None and high is not None and low > high:
        raise _invalid(f"{where}: min ({low}) is greater than max ({high}).")
    question["default"] = _default(given.get("default"), question, known.get(question["variable"]), where)
    return question


def _where(place: str, question: Mapping[str, Any]) -> str:
    name = question.get("question_name") or question.get("variable")
    return f"{place} ({name})" if isinstance(name, str) else place


def _needed(given: Mapping[str, Any], name: str, where: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _invalid(f"{where}: {name} is missing; it must be a text.")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise _invalid(f"{where} must be text, but it is {kind_of(value)}.")
    return value


def _limit(given: Mapping[str, Any], name: str, where: str) -> int | float | None:
    """The least or the most of a number, or of a text's characters."""
    value = given.get(name)
    if value in (None, "") or given["type"] in CHOICES:
        return None
    if _is_integer(value) or (given["type"] == "float" and isinstance(value, float)):
        number: int | float = value
        return number
    raise _invalid(f"{where}: {name} is {value!r}; it must be a whole number.")


def _choices(given: Mapping[str, Any], where: str) -> list[Any]:
    if given["type"] not in CHOICES:
        return []
    found = _lines(given.get("choices"))
    if not found or not all(isinstance(choice, (str, int, float)) for choice in found):
        raise _invalid(
            f"{where}: choices must be a list of texts or numbers, or a text with one on each line."
        )
    return found


def _lines(value: object) -> list[Any] | None:
    """A list, also from a text with an item on each line; None where it is neither."""
    if isinstance(value, str):
        return [line for line in value.splitlines() if line.strip()]
    return list(value) if isinstance(value, (list, tuple)) else None


def _default(value: Any, question: Question, known: Question | None, where: str) -> Any:
    """The default of a question; None where it has none."""
    if question["type"] == "password" and value == KEPT:
        if known is None or known["type"] != "password":
            raise _invalid(
                f"{where}: default is {KEPT}, which stands for the password that is stored; there is none."
            )
        return known["default"]
    if value == KEPT:
        raise _invalid(f"{where}: {KEPT} is reserved for the defaults of passwords.")
    if question["type"] == "multiselect":
        lines = _lines(value)
        value = value if lines is None else lines
    elif question["type"] == "multiplechoice" and isinstance(value, str):
        value = value.strip("\r\n")
    if value == "" and question["type"] == "password" and not question["required"] and not question["min"]:
        return value  # AWX's forms leave it there, and AWX sets the variable to it
    if value in (None, "", []):
        return None
    trouble = _trouble(value, question)
    if trouble:
        raise _invalid(f"{where}: default {trouble}.")
    return value


# -- answers --


def read_answers(survey: Mapping[str, Any], given: Mapping[str, Any]) -> Answers:
    """The answers to a survey.

    Where a question is not answered, its default counts; `$encrypted$` does not answer one for a password.

    Args:
        survey: as `read_survey` returned it; empty for none.
        given: the variables of a launch, others than the survey's, too.

    Raises:
        Failure: `InvalidConfiguration`, with all that is wrong; it shows no password.
    """
    values: dict[str, Any] = {}
    troubles: list[str] = []
    for question in _questions(survey):
        name = question["variable"]
        answer = given.get(name)
        if answer is None or (question["type"] == "password" and answer == KEPT):
            answer = question["default"]
        if answer is None:
            if question["required"]:
                troubles.append(f"'{name}' value missing ({question['question_name']})")
            continue
        trouble = _trouble(answer, question)
        if trouble:
            troubles.append(f"'{name}' value {trouble} ({question['question_name']})")
        values[name] = answer
    if troubles:
        raise _invalid(f"extra_vars, asked for by the survey: {'; '.join(troubles)}.")
    return Answers(values, secret_variables(survey))


def _trouble(value: Any, question: Question) -> str:
    """What is wrong with an answer, as the rest of a sentence; empty where nothing is."""
    checks: dict[str, Callable[[Any, Question], str]] = {
        **dict.fromkeys(TEXTS, _text_trouble),
        "integer": _integer_trouble,
        "float": _float_trouble,
        "multiplechoice": _choice_trouble,
        "multiselect": _choices_trouble,
    }
    return checks[question["type"]](value, question)


def _text_trouble(value: Any, question: Question) -> str:
    if not isinstance(value, str):
        return f"must be text, but it is {kind_of(value)}"
    low, high = question["min"], question["max"]
    if low is not None and len(value) < low:
        return f"is too small: it has {len(value)} characters, and must have at least {low}"
    if high is not None and len(value) > high:
        return f"is too large: it has {len(value)} characters, and must have no more than {high}"
    return ""


def _integer_trouble(value: Any, question: Question) -> str:
    if not _is_integer(value):
        return f"must be a whole number, but it is {value!r}"
    return _range_trouble(value, question)


def _float_trouble(value: Any, question: Question) -> str:
    if not _is_integer(value) and not isinstance(value, float):
        return f"must be a number, but it is {value!r}"
    return _range_trouble(value, question)


def _range_trouble(value: float, question: Question) -> str:
    low, high = question["min"], question["max"]
    if low is not None and value < low:
        return f"is too small: it is {value}, and must be at least {low}"
    if high is not None and value > high:
        return f"is too large: it is {value}, and must be no more than {high}"
    return ""


def _choice_trouble(value: Any, question: Question) -> str:
    if value in question["choices"]:
        return ""
    return f"must be one of {_listed(question['choices'])}, but it is {value!r}"


def _choices_trouble(value: Any, question: Question) -> str:
    if not isinstance(value, list):
        return f"must be a list, but it is {value!r}"
    wrong = [choice for choice in value if choice not in question["choices"]]
    if wrong:
        return f"must be some of {_listed(question['choices'])}, but it has {_listed(wrong)}"
    return ""


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(repr, values))


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
