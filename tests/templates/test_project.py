"""Projects as ``vsock init`` writes them; that they run, and pass their own tests, ``scripts/template_check.py`` tries."""

from __future__ import annotations

import errno
import importlib.metadata
import json
import os
import re
import stat
import tomllib
from pathlib import Path, PurePosixPath

import pytest
import yaml

import vonage_sock
from vonage_sock.errors import UsageError, VsockError
from vonage_sock.simulator.scenario.reading import load
from vonage_sock.templates import KINDS, project

FILES = {
    PurePosixPath(name): name.encode() for name in ("Makefile", "tests/test_a.py", "tests/deep/b.txt", "server.py")
}


def made_in(directory: Path) -> set[str]:
    """All files below a directory."""
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir()}


def names_in(directory: Path) -> list[str]:
    """What stands in a directory."""
    return sorted(path.name for path in directory.iterdir())


def files_of(kind: str) -> dict[str, str]:
    """A project's files as text."""
    files = project.project_files(kind, name="a-name", version="1.2.3")
    return {str(path): content.decode() for path, content in files.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_has_all_that_its_makefile_and_its_readme_name(kind: str) -> None:
    """Its files are those of all projects and its own; the two words are filled in; every scenario can be read."""
    files = files_of(kind)
    named = re.findall(r"^- `([a-z]+(?:\.py|/[a-z_]+\.py|/))`", files["README.md"], re.MULTILINE)

    assert {".env.example", ".gitignore", "Makefile", "README.md", "program.py", "server.py"} < files.keys()
    assert [] == [name for name in named if not any(path.startswith(name) for path in files)]
    assert [] == [path for path, text in files.items() if any(word in text for word in project.WORDS)]
    assert "a-name" == tomllib.loads(files["pyproject.toml"])["project"]["name"]
    assert "vonage-sock>=1.2.3" == files["requirements.txt"].splitlines()[0]
    assert {".env", ".venv/", "local.mk"} < set(files[".gitignore"].split())
    assert ("make scenario" in files["README.md"]) == any(path.endswith(".yaml") for path in files)


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_s_scenarios_can_be_played(kind: str, tmp_path: Path) -> None:
    """Their words are those of this version."""
    project.write_project(project.project_files(kind, name="a", version="1"), tmp_path)
    scenarios = [load(path) for path in tmp_path.glob("scenarios/*.yaml")]

    assert all(scenario.steps and scenario.expectations for scenario in scenarios)
    assert ("browser" == kind) == (not scenarios)


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_uses_the_public_interface_only(kind: str) -> None:
    """What it imports of ours stands in ``__all__`` of the package, or of ``vonage_sock.testing``."""
    code = "\n".join(text for path, text in files_of(kind).items() if path.endswith(".py"))
    public = {
        "vonage_sock": vonage_sock.__all__,
        "vonage_sock.testing": importlib.import_module("vonage_sock.testing").__all__,
    }
    imports = re.findall(r"^(?:from|import) (vonage_sock[\w.]*)(?: import (.*))?$", code, re.MULTILINE)

    assert imports
    assert [] == [(home, name) for home, names in imports for name in names.split(", ") if name not in public[home]]


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("/a/My Bot", "my-bot"),
        ("/a/Écho_2", "echo-2"),
        ("/a/..b--c.", "b-c"),
        ("/a/日本", "echo"),
        ("/", "echo"),
        ("/a/pytest", "pytest-echo"),
        (f"/a/{'x' * 59}-y", "x" * 59),
        ("/a/$(touch x)\n", "touch-x"),
    ],
)
def test_a_directory_gives_a_name_that_packaging_tools_take(directory: str, name: str) -> None:
    """Small letters, digits and single dashes; the kind where nothing is left."""
    assert name == project.project_name(Path(directory), kind="echo")


def test_a_new_directory_appears_whole(tmp_path: Path) -> None:
    """With those above it, as the person's own umask says, and nothing beside it."""
    os.umask(0o027)
    project.write_project(FILES, tmp_path / "a" / "b")
    mode = stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode)
    os.umask(0o022)

    assert {str(path) for path in FILES} == made_in(tmp_path / "a" / "b")
    assert 0o750 == mode
    assert ["b"] == names_in(tmp_path / "a")


def test_a_directory_that_is_there_keeps_what_it_has(tmp_path: Path) -> None:
    """Files are added to it, beside others and in folders that are there."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "mine.py").write_text("mine")

    project.write_project(FILES, tmp_path)

    assert {*map(str, FILES), "tests/mine.py"} == made_in(tmp_path)
    assert {*map(str, FILES.values())} == {str((tmp_path / path).read_bytes()) for path in FILES}


@pytest.mark.parametrize("there", ["file", "link to nowhere", "directory", "file for a folder"])
def test_nothing_is_replaced_and_nothing_half_written(there: str, tmp_path: Path) -> None:
    """Whatever has a name that is needed is listed, and nothing is made."""
    taken = tmp_path / ("tests" if there == "file for a folder" else "server.py")
    if there == "directory":
        taken.mkdir()
    elif there == "link to nowhere":
        taken.symlink_to("nowhere")
    else:
        taken.write_text("mine")

    with pytest.raises(
        UsageError, match=r"tests/deep/b\.txt, tests/test_a\.py" if there == "file for a folder" else "server.py"
    ):
        project.write_project(FILES, tmp_path)

    assert [taken.name] == names_in(tmp_path)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("failing", ["write", "link"])
def test_a_disk_that_fails_leaves_nothing_behind(
    failing: str, new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far it came, and whether the directory was there or not; the sentence says why."""
    directory = tmp_path / "new" if new else tmp_path
    own, left = (os.fsync, 2) if failing == "write" else (os.link if not new else os.rename, 2 if not new else 0)

    def fail(*arguments: object, **options: object) -> None:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left -= 1
        own(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, own.__name__, fail)

    with pytest.raises(VsockError, match=r"nothing is written.*No space left"):
        project.write_project(FILES, directory)

    assert [] == names_in(tmp_path)


def test_a_file_that_comes_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the making: what is somebody else's isn't replaced, and ours is taken back."""
    monkeypatch.setattr(project, "_is_taken", lambda *_: False)
    (tmp_path / "server.py").write_text("mine")

    with pytest.raises(UsageError, match=r"server\.py is there already"):
        project.write_project(FILES, tmp_path)

    assert [("server.py", "mine")] == [(path.name, path.read_text()) for path in tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "file/below"])
def test_a_directory_that_can_not_be_is_one_sentence(name: str, tmp_path: Path) -> None:
    """And no traceback."""
    (tmp_path / "file").write_text("")

    with pytest.raises(VsockError, match="nothing is written"):
        project.write_project(FILES, tmp_path / name)


class Distribution:
    """What pip has noted of a package."""

    def __init__(self, noted: object) -> None:
        self._noted = noted if isinstance(noted, str) or noted is None else json.dumps(noted)

    def read_text(self, name: str) -> str | None:
        """Of its metadata."""
        return self._noted if name == "direct_url.json" else None


@pytest.mark.parametrize(
    ("noted", "source"),
    [
        (None, None),
        ({"url": "file:///", "dir_info": {"editable": True}}, "-e file:///"),
        ({"url": "file:///", "dir_info": {}}, "file:///"),
        ({"url": "file:///nowhere/a.whl", "archive_info": {}}, None),
        (
            {"url": "https://example.com/a.git", "vcs_info": {"vcs": "git", "commit_id": "ab"}},
            "git+https://example.com/a.git@ab",
        ),
        ({"url": "https://example.com/$(shell touch x)"}, None),
        ({"url": "https://example.com/a\nall:"}, None),
        ("[]", None),
        ("{", None),
    ],
)
def test_make_is_told_where_this_package_came_from(
    noted: object, source: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pip noted it, where that wasn't an index, is still there, and means nothing to make or a shell."""
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Distribution(noted))
    lines = project.local_file().decode().splitlines()

    assert ([f"VSOCK ?= {source}"] if source else []) == [line for line in lines if line.startswith("VSOCK")]
    assert all(line.startswith(("#", "PYTHON ?= ", "VSOCK ?= ")) for line in lines)


def test_every_project_s_common_files_are_of_one_kind() -> None:
    """What a project has in place of a common file holds all that the common one says."""
    for kind in KINDS:
        files = files_of(kind)
        for name in ("requirements.txt", ".gitignore", ".env.example"):
            assert set(files_of("echo")[name].split()) <= set(files[name].split()), (kind, name)

    assert yaml.safe_load(files_of("echo")["scenarios/echo.yaml"])["name"] == "echo"
