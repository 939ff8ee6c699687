"""The documentation's site: what is generated for it, what it shows of other files, and that its own words are true."""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import click
import pytest
import yaml
from mkdocs.exceptions import PluginError

import vonage_sock
from vonage_sock import testing
from vonage_sock.call.findings import CATALOGUE
from vonage_sock.cli import cli
from vonage_sock.cli.describe import describe
from vonage_sock.testing import VonageCaller

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TUTORIAL = (DOCS / "tutorial.md").read_text()
README = """# vsock

## One

Text with [a link](#two-of-them), <!-- kept --> and [the web](https://example.com).

```sh
# no heading
```

### vsock x

Of its own page.

### Below

## Two of them
"""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The hook, as mkdocs loads it."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    module = importlib.import_module("site_pages")
    monkeypatch.setattr(module, "_shown_at", {"Two of them": "how-to/two.md", "One": "one.md"})
    yield module
    module.describe.cache_clear()


def test_a_section_is_shown_as_if_it_were_the_page(site: ModuleType) -> None:
    """Without its heading and commands, with those below it raised, and nothing of the next; a comment is no heading."""
    lines = list(site.section(README, "One"))

    assert ["", "```sh", "# no heading", "```", "", "## Below", ""] == lines[2:]
    assert [] == list(site.section(README, "no heading"))


def test_a_link_leads_to_the_page_that_shows_its_target_or_fails_the_build(site: ModuleType) -> None:
    """Relative to the page that it is on; of files that the site doesn't show the words are left."""
    told = site.linked("[a](#two-of-them) [b](https://example.com) [c](LICENSE) ![d](docs/x.svg)", "how-to/three.md")

    assert "[a](two.md) [b](https://example.com) c ![d](../x.svg)" == told
    with pytest.raises(PluginError, match=r"how-to/three\.md: nothing in the site shows '#nowhere'"):
        site.linked("[e](#nowhere)", "how-to/three.md")
    with pytest.raises(PluginError, match="has no section 'Nothing'"):
        site.shown("readme", "Nothing", "one.md")


def test_every_section_of_the_readme_is_shown(site: ModuleType) -> None:
    """But for what the tutorial says in its own way, and what is about the documentation itself."""
    text = re.sub(r"```.*?```", "", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    titles = [*re.findall(r"^## (.+)$", text, re.MULTILINE), "Real calls", "A Voice REST API beside the call"]
    shown = set(site.SHOWN_HERE) | {
        match["name"] for path in DOCS.rglob("*.md") for match in site.SHOWN.finditer(path.read_text())
    }

    assert {"In two terminals", "Commands", "Manual pages, a site, a container, a GitHub action", "More"} == {
        title for title in titles if title not in shown
    }


def test_text_is_never_taken_for_markup(site: ModuleType) -> None:
    """A bar would end a cell, a bracket begin a link."""
    assert r"\[a&#124;b\] \*x\* \<y\> \_z\_" == site.cell("[a|b] *x* <y> _z_")


def test_the_generated_pages_hold_all_there_is(site: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command and option, finding, public name, exit code and word of a scenario; and all are in the navigation."""
    monkeypatch.setattr(site, "linked", lambda text, _: text)
    pages = site.pages()
    listed = str(site.navigation())
    for command in describe():
        page = pages[site.command_path(command)]
        assert [] == [name for option in command.options for name in option.names if f"`{name}`" not in page]
        assert all(line in page for line in command.examples)
    found = "".join(pages[site.kind_path(kind)] for kind in site.KINDS)
    interface = pages["reference/python.md"] + pages["reference/testing.md"]
    names = set(vonage_sock.__all__) | set(testing.__all__)

    assert list(CATALOGUE) == re.findall(r"^## (VS\d+)$", found, re.MULTILINE)
    assert names - {"__version__"} == set(re.findall(r"^::: .*\.(\w+)$", interface, re.MULTILINE))
    assert [] == [path for path in pages if f"'{path}'" not in listed]
    assert "| `endpoint` | an array of exactly one object | yes |" in pages["reference/ncco.md"]


def test_nothing_is_loaded_from_elsewhere(site: ModuleType, tmp_path: Path) -> None:
    """A page that would be seen by a CDN fails the build; a link that a reader may follow doesn't."""
    page = tmp_path / "page.html"
    page.write_text('<a href="https://example.com">x</a><script src="local.js"></script>')
    site.on_post_build(config=SimpleNamespace(site_dir=tmp_path))
    page.write_text('<link rel="stylesheet" href="https://fonts.example.com/x.css">')

    with pytest.raises(PluginError, match=r"page\.html loads something from elsewhere: <link"):
        site.on_post_build(config=SimpleNamespace(site_dir=tmp_path))


async def test_the_server_of_the_tutorial_says_everything_back(vonage_call: VonageCaller, tmp_path: Path) -> None:
    """And its scenario passes against it."""
    code = re.search(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)
    scenario = re.search(r"```yaml\n(.*?)```", TUTORIAL, re.DOTALL)
    assert code is not None
    assert scenario is not None
    names: dict[str, object] = {"__name__": "bot"}
    exec(compile(code[1], "tutorial.md", "exec"), names)
    (tmp_path / "parrot.yaml").write_text(scenario[1])

    async with asyncio.timeout(30), vonage_sock.Server(names["parrot"], port=0) as server:  # type: ignore[arg-type]
        report = await vonage_call(server.addresses.answer_url, scenario=tmp_path / "parrot.yaml")

    assert (True, []) == (report.passed, report.failures)


def test_the_command_lines_of_the_pages_are_such(site: ModuleType) -> None:
    """Each command and each option in the site's own pages exists."""
    blocks = [
        block for path in DOCS.rglob("*.md") for block in re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL)
    ]
    lines = [line.split("#")[0] for block in blocks for line in block.splitlines()]
    calls = [line.split("vsock ", 1)[1].split() for line in lines if re.search(r"(^|\bvsock )vsock \w|^vsock ", line)]

    assert 8 < len(calls)
    for name, *arguments in calls:
        command = cli.get_command(click.Context(cli), name) if name != "--version" else cli
        assert command is not None, name
        known = {option for parameter in command.params for option in parameter.opts} | {"--version"}
        assert {argument for argument in arguments if argument.startswith("--")} <= known


def test_the_workflow_of_the_how_to_gives_the_action_what_it_takes() -> None:
    """Its inputs are the action's."""
    text = re.search(r"```yaml\n(.*?)```", (DOCS / "how-to" / "github.md").read_text(), re.DOTALL)
    assert text is not None
    given = yaml.safe_load(text[1])["jobs"]["calls"]["steps"][1]["with"]

    assert {"start", "url", "scenarios", "junit"} == given.keys()
    assert given.keys() <= yaml.safe_load((ROOT / "action.yml").read_text())["inputs"].keys()
