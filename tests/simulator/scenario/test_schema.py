"""The schema that comes with the package."""

from __future__ import annotations

import json
from importlib import resources

import jsonschema
import pytest
import yaml

from vonage_sock.errors import UsageError
from vonage_sock.simulator.scenario.judging import JUDGES
from vonage_sock.simulator.scenario.schema import check, no_such, schema_text
from vonage_sock.simulator.scenario.yamltext import Document


def test_the_schema_is_a_schema() -> None:
    """By the rules of its own draft."""
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))

    assert "2020-12" in json.loads(schema_text())["$schema"]


def test_every_expectation_of_the_schema_can_be_judged() -> None:
    """And none else."""
    assert set(JUDGES) == set(json.loads(schema_text())["$defs"]["expectations"]["properties"])


def test_every_word_of_the_schema_is_described() -> None:
    """Editors show it."""
    definitions = json.loads(schema_text())["$defs"]
    words = definitions["step"]["else"]["properties"] | definitions["expectations"]["properties"]

    assert [] == [word for word, rule in words.items() if "description" not in rule]


def test_the_example_fits_the_schema_in_every_line() -> None:
    """Also in those that are commented out."""
    example = (resources.files("vonage_sock") / "data" / "scenario.yaml").read_text()
    lines = example.split("\n")[2:]
    commented = [line.replace("  # - ", "  - ", 1).replace("# caller", "caller", 1) for line in lines]
    documents = [yaml.safe_load("\n".join(text)) for text in (lines, commented)]

    for document in documents:
        jsonschema.validate(document, json.loads(schema_text()))
    assert len(documents[0]["steps"]) + 5 == len(documents[1]["steps"])
    assert len(documents[0]["expect"]) + 6 == len(documents[1]["expect"])


def test_a_document_is_checked() -> None:
    """A value that fits says nothing; another is refused."""
    check(Document("s.yaml", value={"steps": ["hang_up"]}))

    with pytest.raises(UsageError, match=r"s\.yaml"):
        check(Document("s.yaml", value={"steps": 3}))


def test_a_name_that_isn_t_known_is_answered_with_the_nearest() -> None:
    """Or with all that are."""
    assert "did you mean say?" in no_such("step", "sya", ["say", "play"])
    assert "there are say, play" in no_such("step", "xyz", ["say", "play"])
    assert "press needs a value" in no_such("step", "press", ["drop"], also=["press"])
