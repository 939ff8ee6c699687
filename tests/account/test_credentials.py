"""Who we are to Vonage, and where that was found."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from vonage_sock.account.credentials import Credentials, Setting, find_credentials, masked
from vonage_sock.errors import UsageError
from vonage_sock.protocol.redaction import redact_text

APP, OTHER = "78d335fa-323d-0114-9c3d-d6f0d48968cf", "11111111-2222-4333-8444-555555555555"
PEM = "-----BEGIN PRIVATE KEY-----\nTUlJRXZB\n-----END PRIVATE KEY-----\n"

Find = Callable[..., Credentials]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    """Look in a directory and a home of one's own, with these files in them."""
    home, cwd = tmp_path / "home", tmp_path / "project"
    (home / ".vonage").mkdir(parents=True)
    cwd.mkdir()

    def find(
        options: Mapping[str, str | None] | None = None,
        environ: Mapping[str, str] | None = None,
        *,
        rc: Mapping[str, object] | str | None = None,
        shared: Mapping[str, object] | None = None,
        toml: str | None = None,
    ) -> Credentials:
        if rc is not None:
            (cwd / ".vonagerc").write_text(rc if isinstance(rc, str) else json.dumps(rc))
        if shared is not None:
            (home / ".vonage" / "config.json").write_text(json.dumps(shared))
        if toml is not None:
            (cwd / "pyproject.toml").write_text(toml)
        return find_credentials(options or {}, environ=environ or {}, cwd=cwd, home=home)

    return find


@pytest.mark.parametrize(
    ("away", "value", "source"),
    [
        (0, "of-options", "--api-key"),
        (1, "of-environ", "VONAGE_API_KEY"),
        (2, "of-rc", "./.vonagerc"),
        (3, "of-shared", "~/.vonage/config.json"),
        (4, "of-toml", "[tool.vsock] of ./pyproject.toml"),
    ],
)
def test_the_first_place_wins_in_the_order_that_is_documented(find: Find, away: int, value: str, source: str) -> None:
    """Options, environment, ./.vonagerc, ~/.vonage/config.json, [tool.vsock]; each taken away shows the next."""
    found = find(
        {"api_key": "of-options" if away < 1 else None},
        {"VONAGE_API_KEY": "of-environ" if away < 2 else ""},
        rc={"api-key": "of-rc"} if away < 3 else None,
        shared={"api-key": "of-shared"} if away < 4 else None,
        toml='[tool.vsock]\napi-key = "of-toml"\n',
    )

    assert Setting(value, source) == found.api_key


@pytest.mark.parametrize("names", ["{}-{}", "{}_{}", "camel"])
def test_the_official_clis_names_are_read_in_each_form(find: Find, names: str) -> None:
    """Its files say api-key; its code, and files made by hand, apiKey."""
    pairs = [("api", "key"), ("api", "secret"), ("app", "id"), ("private", "key")]
    keys = [first + second.title() if names == "camel" else names.format(first, second) for first, second in pairs]
    found = find(rc=dict(zip(keys, ["a1b2c3d4", "s3cr3t", APP.upper(), PEM], strict=True)))

    settings = (found.api_key, found.api_secret, found.application_id, found.private_key)
    assert ("a1b2c3d4", "s3cr3t", APP, PEM) == tuple(item and item.value for item in settings)


def test_a_secret_of_another_account_is_never_put_to_a_key(find: Find) -> None:
    """A key of the environment isn't sent with the secret that a file has for another key; the sentence says why."""
    found = find(environ={"VONAGE_API_KEY": "mine1234"}, rc={"api-key": "theirs99", "api-secret": "their-secret"})

    assert found.api_secret is None
    with pytest.raises(UsageError, match=r"VONAGE_API_KEY names: that of ./.vonagerc belongs to another API key"):
        found.require_account()


def test_a_private_key_of_another_application_is_never_taken(find: Find) -> None:
    """--app of another application than the file's needs its own key; the file's own id in capitals is the same."""
    rc = {"app-id": OTHER, "private-key": PEM}

    assert (None, PEM) == (
        find({"application_id": APP}, rc=rc).private_key,
        (find({"application_id": OTHER.upper()}, rc=rc).private_key or Setting("", "")).value,
    )


def test_a_secret_without_a_key_beside_it_goes_with_any(find: Find) -> None:
    """The key in a project's file and the secret in the environment belong together."""
    found = find(environ={"VONAGE_API_SECRET": "s3cr3t"}, toml='[tool.vsock]\napi-key = "mine1234"\n')

    assert ("mine1234", "s3cr3t") == tuple(setting.value for setting in found.require_account())


@pytest.mark.parametrize("form", ["text", "one line", "path", "path of home"])
def test_a_private_key_is_given_as_a_path_or_as_text(
    find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Also on one line, as environments have it, and from ~."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "project" / "private.key").write_text(PEM)
    (tmp_path / "home" / "private.key").write_text(PEM)
    value = {"text": PEM, "one line": PEM.replace("\n", "\\n"), "path": "private.key", "path of home": "~/private.key"}

    found = find(environ={"VONAGE_PRIVATE_KEY": value[form], "VONAGE_APPLICATION_ID": APP})

    assert PEM == found.require_application()[1].value


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"VONAGE_PRIVATE_KEY": "missing.key"}, "VONAGE_PRIVATE_KEY names .*missing.key, which can't be read .No such"),
        ({"VONAGE_PRIVATE_KEY": "."}, "can't be read .Is a directory"),
        ({"VONAGE_PRIVATE_KEY": "-----BEGIN PUBLIC KEY-----"}, "VONAGE_PRIVATE_KEY isn't a private key in PEM form"),
        ({"VONAGE_PRIVATE_KEY": "-----BEGIN ENCRYPTED PRIVATE KEY-----"}, "encrypted key; decrypt it"),
        ({"VONAGE_APPLICATION_ID": "../v2/other"}, "VONAGE_APPLICATION_ID '../v2/other' isn't an application's id"),
        ({}, "no private key was found, .* give --private-key, or set VONAGE_PRIVATE_KEY, or put 'private-key' into"),
    ],
)
def test_what_lacks_is_said_when_it_is_needed(find: Find, environ: dict[str, str], said: str) -> None:
    """Naming the place, and where it may stand; nothing is raised before."""
    found = find(environ={"VONAGE_APPLICATION_ID": APP, **environ})

    with pytest.raises(UsageError, match=said):
        found.require_application()


def test_a_broken_file_hides_nothing_below_it(find: Find) -> None:
    """What a broken file may have said isn't taken from the next; what stands above it is."""
    found = find({"api_key": "mine1234"}, rc="{not json", shared={"api-key": "other999", "api-secret": "s3cr3t"})

    assert Setting("mine1234", "--api-key") == found.api_key
    with pytest.raises(UsageError, match="\\.vonagerc can't be used: it isn't JSON"):
        found.require_account()


def test_a_region_that_there_isnt_is_refused(find: Find) -> None:
    """Those there are stand in the sentence."""
    with pytest.raises(
        UsageError, match="--region 'moon' isn't a region of Vonage's; there are na-east, na-west, eu-west"
    ):
        find({"region": "moon"}).wanted_region()


def test_who_names_no_region_needs_none(find: Find) -> None:
    """Nor a file that can be read, in which there might be one."""
    assert (None, None, "eu-west") == (
        find({}).wanted_region(),
        find({}, rc="{not json").wanted_region(),
        find({"region": "EU-west"}).wanted_region(),
    )


def test_no_secret_is_shown(find: Find) -> None:
    """Neither by repr, nor masked, nor in any text that goes to a screen from then on."""
    found = find(rc={"api-key": "a1b2c3d4", "api-secret": "sup3rs3cret", "signature-secret": "s1gn4ture-secret"})
    shown = repr(found) + redact_text("sup3rs3cret s1gn4ture-secret a1b2c3d4")

    assert [] == [text for text in ("sup3rs3cret", "s1gn4ture-secret", "a1b2c3d4") if text in shown]
    assert ("a1b2…", "***", APP) == (
        masked("api_key", "a1b2c3d4"),
        masked("api_secret", "sup3rs3cret"),
        masked("application_id", APP),
    )
