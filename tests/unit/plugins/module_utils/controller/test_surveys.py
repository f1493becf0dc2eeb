# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Surveys: what a question must be, and what an answer must be."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.surveys import (
    read_answers,
    read_survey,
    secret_variables,
    variables,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

SECRET = "hunter22"  # noqa: S105


def question(kind: str = "text", **fields: Any) -> dict[str, Any]:
    wanted = {"question_name": "Which?", "variable": "answer", "type": kind, "required": True, **fields}
    return {name: value for name, value in wanted.items() if value is not None}


def survey(*questions: Any) -> dict[str, Any]:
    return {"name": "Survey", "description": "What we ask", "spec": list(questions)}


def refused(given: Any, previous: Any = None) -> str:
    with pytest.raises(Failure) as caught:
        read_survey(given, previous)
    assert caught.value.reason == "InvalidConfiguration"
    return caught.value.message


# -- questions --


def test_a_whole_survey() -> None:
    given = survey(
        question("text", question_description="Say it", min=2, max=8, default="some", choices=""),
        question("multiselect", variable="many", choices="a\n\nb\nc\n", default="a\nc"),
        question("multiplechoice", variable="one", choices=["a", "b"], default="b\n", new_question=True),
        question("float", variable="size", required=False, min=0.5, max=3, default=1),
        question("password", variable="word", min="", max=None, default=SECRET),
    )
    read = read_survey(given)
    assert read == {
        "name": "Survey",
        "description": "What we ask",
        "spec": [
            {
                "question_name": "Which?",
                "question_description": "Say it",
                "variable": "answer",
                "type": "text",
                "required": True,
                "min": 2,
                "max": 8,
                "choices": [],
                "default": "some",
            },
            {**normal("multiselect", "many"), "choices": ["a", "b", "c"], "default": ["a", "c"]},
            {**normal("multiplechoice", "one"), "choices": ["a", "b"], "default": "b"},
            {**normal("float", "size"), "required": False, "min": 0.5, "max": 3, "default": 1},
            {**normal("password", "word"), "default": SECRET},
        ],
    }
    assert read_survey(read) == read, "what was read is read again as it is"
    assert variables(read) == {"answer", "many", "one", "size", "word"}
    assert secret_variables(read) == {"word"}


def normal(kind: str, variable: str) -> dict[str, Any]:
    return {
        "question_name": "Which?",
        "question_description": "",
        "variable": variable,
        "type": kind,
        "required": True,
        "min": None,
        "max": None,
        "choices": [],
        "default": None,
    }


@pytest.mark.parametrize("given", [{}, None, ""], ids=["empty", "none", "text"])
def test_no_survey(given: Any) -> None:
    assert read_survey(given) == {}
    assert variables({}) == secret_variables({}) == frozenset()


def test_a_survey_needs_no_name() -> None:
    read = read_survey({"spec": [question()]})
    assert (read["name"], read["description"]) == ("", "")


PLACE = "survey_spec.spec[0] (Which?)"

WRONG = {
    "no mapping": (["x"], "survey_spec must be a mapping"),
    "unknown key": ({**survey(question()), "questions": []}, "survey_spec has 'questions'"),
    "name is no text": (
        {**survey(question()), "name": 3},
        "survey_spec.name must be text, but it is a",
    ),
    "no spec": ({"name": "x"}, "survey_spec.spec must be a list with at least one question"),
    "empty spec": (survey(), "survey_spec.spec must be a list with at least one question"),
    "spec is text": ({"spec": "Which?"}, "survey_spec.spec must be a list"),
    "question is text": (survey("Which?"), "survey_spec.spec[0] must be a mapping"),
    "unknown field": (survey(question(defalt=1)), f"{PLACE} has 'defalt'; a question has question_name,"),
    "no type": (survey(question(type=None)), f"{PLACE}: type is missing; it must be one of text, textarea,"),
    "wrong type": (survey(question("date")), f"{PLACE}: type is 'date'"),
    "required missing": (survey(question(required=None)), f"{PLACE}: required is missing; it must be"),
    "required is text": (survey(question(required="yes")), f"{PLACE}: required is 'yes'; it must be"),
    "no name": (survey(question(question_name=None)), "spec[0] (answer): question_name is missing"),
    "empty name": (survey(question(question_name=" ")), "question_name is missing"),
    "no variable": (survey(question(variable=None)), f"{PLACE}: variable is missing"),
    "variable is no text": (survey(question(variable=5)), f"{PLACE}: variable is missing; it must be a text"),
    "description is no text": (
        survey(question(question_description=["x"])),
        f"{PLACE}: question_description must be text, but it is a list",
    ),
    "variable twice": (
        survey(question(), question(question_name="Again?")),
        "survey_spec.spec[1] (Again?): variable 'answer' is another question's already",
    ),
    "min is text": (survey(question(min="5")), f"{PLACE}: min is '5'; it must be a whole number"),
    "max is a part": (survey(question("integer", max=1.5)), f"{PLACE}: max is 1.5; it must be a whole"),
    "min is a truth": (survey(question(min=True)), f"{PLACE}: min is True"),
    "min above max": (survey(question(min=9, max=8)), f"{PLACE}: min (9) is greater than max (8)"),
    "choices missing": (survey(question("multiselect")), f"{PLACE}: choices must be a list"),
    "choices empty": (survey(question("multiplechoice", choices="\n \n")), f"{PLACE}: choices must be"),
    "choices of choices": (survey(question("multiplechoice", choices=[["a"]])), f"{PLACE}: choices must"),
    "choices is a mapping": (survey(question("multiselect", choices={"a": 1})), f"{PLACE}: choices must"),
    "default is no text": (survey(question(default=5)), f"{PLACE}: default must be text, but it is a number"),
    "default is no number": (
        survey(question("integer", default="5")),
        f"{PLACE}: default must be a whole number, but it is '5'",
    ),
    "default is a truth": (survey(question("integer", default=True)), "default must be a whole number"),
    "default is no float": (survey(question("float", default="1.5")), "default must be a number"),
    "default too short": (survey(question(min=9, default="short")), "it has 5 characters, and must have at"),
    "default too large": (survey(question("integer", max=4, default=5)), "must be no more than 4"),
    "default is no choice": (
        survey(question("multiplechoice", choices=["a", "b"], default="c")),
        f"{PLACE}: default must be one of 'a', 'b', but it is 'c'",
    ),
    "two defaults for one choice": (
        survey(question("multiplechoice", choices=["a", "b"], default="a\nb")),
        "default must be one of 'a', 'b'",
    ),
    "defaults are no choices": (
        survey(question("multiselect", choices=["a", "b"], default="a\nc\nd")),
        f"{PLACE}: default must be some of 'a', 'b', but it has 'c', 'd'",
    ),
    "defaults are no list": (
        survey(question("multiselect", choices=["a"], default=7)),
        "default must be a list, but it is 7",
    ),
    "kept default of no password": (
        survey(question(default="$encrypted$")),
        f"{PLACE}: $encrypted$ is reserved for the defaults of passwords",
    ),
    "kept default of a new password": (
        survey(question("password", default="$encrypted$")),
        f"{PLACE}: default is $encrypted$, which stands for the password that is stored; there is none",
    ),
}


@pytest.mark.parametrize(("given", "message"), WRONG.values(), ids=WRONG)
def test_wrong_surveys(given: Any, message: str) -> None:
    assert message in refused(given)


def test_a_password_is_kept() -> None:
    stored = read_survey(survey(question("password", default=SECRET)))
    again = read_survey(survey(question("password", default="$encrypted$", min=3)), stored)
    assert again["spec"][0]["default"] == SECRET
    text = read_survey(survey(question("text", default=SECRET)))
    assert "there is none" in refused(survey(question("password", default="$encrypted$")), text)


def test_no_message_shows_a_password() -> None:
    message = refused(survey(question("password", default=SECRET, min=20)))
    assert "must have at least 20" in message
    assert SECRET not in message


# -- answers --

RIGHT = {
    "text": (question(), "yes", "yes"),
    "empty text": (question(), "", ""),
    "text of the least length": (question(min=3), "yes", "yes"),
    "text of the greatest length": (question("textarea", max=3), "yes", "yes"),
    "integer": (question("integer", min=1, max=5), 5, 5),
    "float": (question("float", min=1, max=5), 4.5, 4.5),
    "whole float": (question("float"), 4, 4),
    "choice": (question("multiplechoice", choices="a\nb"), "b", "b"),
    "choice of a number": (question("multiplechoice", choices=[8, 9]), 9, 9),
    "choices": (question("multiselect", choices=["a", "b"]), ["b", "a"], ["b", "a"]),
    "none of the choices": (question("multiselect", choices=["a", "b"]), [], []),
    "default": (question(default="some"), None, "some"),
    "default that is not needed": (question(required=False, default="some"), None, "some"),
    "default instead": (question(default="some"), "yes", "yes"),
    "default of choices": (question("multiselect", choices="a\nb", default="a"), None, ["a"]),
    "default zero": (question("integer", default=0), None, 0),
    "password": (question("password"), SECRET, SECRET),
    "password that is known": (question("password", default=SECRET), "$encrypted$", SECRET),
    "empty password of AWX's forms": (question("password", required=False, default=""), None, ""),
}


@pytest.mark.parametrize(("asked", "answer", "expected"), RIGHT.values(), ids=RIGHT)
def test_right_answers(asked: dict[str, Any], answer: Any, expected: Any) -> None:
    given = {"other": 1} if answer is None else {"other": 1, "answer": answer}
    answers = read_answers(read_survey(survey(asked)), given)
    assert answers.values == {"answer": expected}, "and no variable that is not asked for"
    assert answers.secret == ({"answer"} if asked["type"] == "password" else set())


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        pytest.param(question(required=False), {}, id="not answered"),
        pytest.param(question(required=False, default=""), {}, id="empty default"),
        pytest.param(question("integer", required=False, default=""), {}, id="empty default of a number"),
        pytest.param(question(required=False), {"answer": None}, id="null"),
        pytest.param(question("password", required=False), {"answer": "$encrypted$"}, id="no password"),
    ],
)
def test_no_answer_is_needed(asked: dict[str, Any], given: dict[str, Any]) -> None:
    assert read_answers(read_survey(survey(asked)), given).values == {}


REFUSED = {
    "missing": (question(), None, "'answer' value missing (Which?)"),
    "missing in spite of an empty default": (question(default=""), None, "'answer' value missing"),
    "password that is not known": (question("password"), "$encrypted$", "'answer' value missing"),
    "required password with an empty default": (question("password", default=""), None, "value missing"),
    "text is a number": (question(), 5, "'answer' value must be text, but it is a number (Which?)"),
    "text is too short": (
        question(min=4),
        "yes",
        "'answer' value is too small: it has 3 characters, and must have at least 4",
    ),
    "text is too long": (question("textarea", max=2), "yes", "value is too large: it has 3 characters"),
    "integer is text": (question("integer"), "5", "value must be a whole number, but it is '5'"),
    "integer is a truth": (question("integer"), True, "value must be a whole number, but it is True"),
    "integer is a part": (question("integer"), 1.5, "value must be a whole number, but it is 1.5"),
    "integer is too small": (question("integer", min=3), 2, "is too small: it is 2, and must be at least 3"),
    "integer is too large": (question("integer", max=3), 4, "is too large: it is 4, and must be no more"),
    "float is text": (question("float"), "1.5", "value must be a number, but it is '1.5'"),
    "float is too small": (question("float", min=0.5), 0.4, "it is 0.4, and must be at least 0.5"),
    "no choice": (question("multiplechoice", choices="a\nb"), "c", "must be one of 'a', 'b', but it is 'c'"),
    "choices are text": (question("multiselect", choices="a\nb"), "a", "must be a list, but it is 'a'"),
    "no choices": (question("multiselect", choices=["a"]), ["a", "x"], "some of 'a', but it has 'x'"),
}


@pytest.mark.parametrize(("asked", "answer", "message"), REFUSED.values(), ids=REFUSED)
def test_wrong_answers(asked: dict[str, Any], answer: Any, message: str) -> None:
    with pytest.raises(Failure) as caught:
        read_answers(read_survey(survey(asked)), {} if answer is None else {"answer": answer})
    assert caught.value.reason == "InvalidConfiguration"
    assert caught.value.message.startswith("extra_vars, asked for by the survey: ")
    assert message in caught.value.message


def test_all_that_is_wrong_is_told_and_no_password() -> None:
    asked = read_survey(
        survey(question(), question("password", variable="word", min=20), question("integer", variable="n"))
    )
    with pytest.raises(Failure) as caught:
        read_answers(asked, {"word": SECRET, "n": "x"})
    assert "'answer' value missing" in caught.value.message
    assert "'word' value is too small: it has 8 characters" in caught.value.message
    assert "'n' value must be a whole number" in caught.value.message
    assert SECRET not in caught.value.message


def test_no_questions_no_answers() -> None:
    answers = read_answers({}, {"other": 1})
    assert (answers.values, answers.secret) == ({}, frozenset())
