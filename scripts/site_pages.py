"""
What of the documentation's site is made while mkdocs builds it; a hook of mkdocs.yml.

Two rules keep everything in one place. What the code knows (commands, events, exit codes, rules, limits, findings, public
interface) has no page in ``docs``: it is generated here, and the navigation with it. And what the README or another file of
the project says is shown by a line in a page instead of being said again::

    <!-- readme: Scenarios -->      that section, without its heading
    <!-- file: CHANGELOG.md -->     a file, without its first heading
    <!-- inputs: action.yml -->     the inputs of the GitHub action

Links within what is shown lead to the page that shows their target; one that leads nowhere fails the build.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import readme  # noqa: E402
import yaml  # noqa: E402

import vonage_sock  # noqa: E402
from vonage_sock import testing  # noqa: E402
from vonage_sock.call.findings import CATALOGUE, Rule  # noqa: E402
from vonage_sock.cli import describe as described  # noqa: E402
from vonage_sock.cli.describe import Described, Parameter  # noqa: E402
from vonage_sock.protocol.ncco_lint import known_fields  # noqa: E402

SHOWN: Final = re.compile(r"^<!-- (?P<kind>readme|file|inputs): (?P<name>.+?) -->$", re.MULTILINE)
LINK: Final = re.compile(r"(?P<before>!?\[[^\]\n]*\]\()(?P<target>[^)\s]+)\)")
HEADING: Final = re.compile(r"(?P<signs>#+) (?P<title>.+)")
LOADED: Final = re.compile(
    r"<(script|img|iframe|source)\b[^>]* src=\"?(https?:)?//[^>]*>|<link\b[^>]* href=\"?(https?:)?//[^>]*>"
)
COMMENT: Final = re.compile(r"^<!-- .*? -->\n", re.MULTILINE)
KINDS: Final = {"VS1": "Audio", "VS2": "Pacing", "VS3": "Protocol", "VS4": "Webhooks and NCCO", "VS5": "Reachability"}
ELSEWHERE: Final = ("scripts/bench/README.md", "CONTRIBUTING.md", "LICENSE")
"""Files of the project that the site doesn't show: of a link to one the words are left."""

PICTURES: Final = ("scripts/bench/results/chart.svg",)
"""Of the README, beside those in ``docs/``."""

SHOWN_HERE: Final = {
    "docs/performance.md": "performance.md",
    "Exit codes": "reference/exit-codes.md",
    "Findings": "reference/findings/index.md",
    "JSON lines": "reference/events.md",
}

describe: Final = functools.cache(described.describe)

_shown_at: dict[str, str] = {}
"""By a section's title, or a file's name: the page that shows it."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the navigation."""
    for entry in config.nav or []:
        if "Reference" in entry:
            entry["Reference"] += navigation()
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the generated pages, and note which page shows what."""
    _shown_at.clear()
    _shown_at.update({command.name: command_path(command) for command in describe()})
    _shown_at.update(SHOWN_HERE)
    for file in files.documentation_pages():
        _shown_at.update({match["name"]: file.src_uri for match in SHOWN.finditer(file.content_string)})
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    for picture in PICTURES:
        files.append(File.generated(config, Path(picture).name, abs_src_path=str(ROOT / picture)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Put in what the page shows."""
    return SHOWN.sub(lambda match: shown(match["kind"], match["name"], page.file.src_uri), markdown)


def shown(kind: str, name: str, path: str) -> str:
    """
    A section of the README, or a file.

    Raises:
        PluginError: there is no such section.
    """
    text = (ROOT / ("README.md" if kind == "readme" else name)).read_text()
    if kind == "inputs":
        return inputs_table(yaml.safe_load(text)["inputs"])
    if name.startswith("vsock "):
        return linked(beside_help(name), path)
    lines = list(section(text, name)) if kind == "readme" else text.splitlines()[1:]
    if not lines:
        raise PluginError(f"{path}: README.md has no section {name!r}")
    return linked(COMMENT.sub("", "\n".join(lines) + "\n"), path)


def inputs_table(inputs: dict[str, dict[str, Any]]) -> str:
    """What a GitHub action takes."""
    rows = "".join(
        f"| `{name}` | {cell(about['description'])} | {'needed' if about.get('required') else cell(about['default'])} |\n"
        for name, about in inputs.items()
    )
    return f"| input | meaning | when left out |\n|---|---|---|\n{rows}"


def section(text: str, title: str) -> Iterator[str]:
    """
    The lines of a section without its heading; the headings in it are as high as if it were the page.

    Commands in it are left out: each has a page of its own in the reference.
    """
    height = 0
    fenced = of_command = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        heading = None if fenced else HEADING.fullmatch(line)
        if heading is None:
            if height and not of_command:
                yield line
        elif height and len(heading["signs"]) > height:
            of_command = heading["title"].startswith("vsock ")
            if not of_command:
                yield f"{heading['signs'][height - 1 :]} {heading['title']}"
        else:
            of_command = False
            height = len(heading["signs"]) if heading["title"] == title else 0


def linked(text: str, path: str) -> str:
    """
    With its links as they are on the page ``path``.

    Raises:
        PluginError: nothing shows the target of one.
    """

    def of_page(match: re.Match[str]) -> str:
        target = match["target"]
        if target.startswith(("http://", "https://", "mailto:")):
            return match[0]
        if target in ELSEWHERE:
            return match["before"].strip("[](")
        if target.endswith(".svg"):
            return f"{match['before']}{get_relative_url(Path(target).name, path)})"
        known = {anchor_of(title): place for title, place in _shown_at.items()} | _shown_at
        place = known.get(target.removeprefix("#"))
        if place is None:
            raise PluginError(f"{path}: nothing in the site shows {target!r}")
        return f"{match['before']}{get_relative_url(place, path)})"

    return LINK.sub(of_page, text)


def anchor_of(title: str) -> str:
    """As a heading of the README is linked to."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def on_post_build(*, config: MkDocsConfig) -> None:
    """
    Whoever reads the site is seen by nobody else: it loads nothing from elsewhere.

    Raises:
        PluginError: a page does.
    """
    for page in Path(config.site_dir).rglob("*.html"):
        if found := LOADED.search(page.read_text(encoding="utf-8")):
            raise PluginError(f"{page.relative_to(config.site_dir)} loads something from elsewhere: {found[0]}")


def navigation() -> list[Any]:
    """What follows the reference's first page."""
    commands = [{command.name: command_path(command)} for command in describe() if command.path]
    findings = [{name: kind_path(kind)} for kind, name in KINDS.items()]
    return [
        {"Commands": ["reference/commands/index.md", *commands]},
        {"Python": [{"vonage_sock": "reference/python.md"}, {"vonage_sock.testing": "reference/testing.md"}]},
        {"Events and JSON lines": "reference/events.md"},
        {"Exit codes": "reference/exit-codes.md"},
        {"NCCO": "reference/ncco.md"},
        {"Words of scenarios": "reference/scenario-words.md"},
        {"Limits": "reference/limits.md"},
        {"Findings": ["reference/findings/index.md", *findings]},
    ]


def pages() -> dict[str, str]:
    """Every generated page by its path."""
    commands = describe()
    return {
        **{command_path(command): command_page(command, command.below(commands)) for command in commands},
        "reference/python.md": interface("vonage_sock", vonage_sock.__all__, vonage_sock._HOMES),
        "reference/testing.md": interface("vonage_sock.testing", testing.__all__, testing._HOMES),
        "reference/events.md": "# Events and JSON lines\n\n<!-- readme: JSON lines -->\n",
        "reference/exit-codes.md": "# Exit codes\n\n<!-- readme: Exit codes -->\n",
        "reference/ncco.md": ncco_page(),
        "reference/scenario-words.md": f"# Words of scenarios\n\nSee [Write scenarios](../how-to/scenarios.md).\n\n"
        f"{readme.scenario_words()}",
        "reference/limits.md": f"# Limits\n\n{readme.limits_table()}",
        "reference/findings/index.md": findings_page(),
        **{kind_path(kind): kind_page(kind) for kind in KINDS},
    }


def command_path(command: Described) -> str:
    """Where a command's page is."""
    return f"reference/commands/{'-'.join(command.path) or 'index'}.md"


def command_page(command: Described, below: list[Described]) -> str:
    """What a command's help says, with its options as tables."""
    parts = [f"# {command.name}", *(escaped(paragraph) for paragraph in command.paragraphs)]
    parts += ["```text\n" + " ".join((command.name, *command.usage)) + "\n```"]
    if command.examples:
        parts += ["## Examples", "```sh\n" + "\n".join(command.examples) + "\n```"]
    if below:
        parts += ["## Commands"]
    for heading, commands in groupby(below, key=lambda command: command.heading):
        rows = "".join(
            f"| [{other.name}]({Path(command_path(other)).name}) | {cell(other.summary)} |\n" for other in commands
        )
        parts += [f"### {heading}"] if heading else []
        parts += [f"| command | what it does |\n|---|---|\n{rows}"]
    if any(option.variables for option in command.options):
        parts += [
            "Each option may also stand in the environment, as `VSOCK_` and its long name; the command line comes first."
        ]
    for title, options in command.sections.items():
        parts += [f"## {title}", "| option | meaning |\n|---|---|\n" + "".join(map(option_row, options))]
    if more := beside_help(command.name):
        parts += ["## More", linked(more, command_path(command))]
    return "\n\n".join(parts) + "\n"


def beside_help(name: str) -> str:
    """What the README says of a command beside its help."""
    text = "\n".join(section((ROOT / "README.md").read_text(), name))
    return COMMENT.sub("", readme.PART.sub("", text.partition("\n##")[0] + "\n")).strip()


def option_row(option: Parameter) -> str:
    """An option in a row of its table; of the environment only what the rule doesn't say."""
    names = ", ".join(f"`{name}`" for name in option.names) + (f" `{cell(option.metavar)}`" if option.metavar else "")
    others = [
        name for name in option.variables if name not in option.help and name not in map(variable_of, option.names)
    ]
    variables = f" In the environment: {', '.join(f'`{name}`' for name in others)}." if others else ""
    return f"| {names} | {cell(option.help)}{variables} |\n"


def variable_of(name: str) -> str:
    """Where an option stands in the environment, as a rule."""
    return "VSOCK_" + name.lstrip("-").replace("-", "_").upper()


def interface(module: str, names: list[str], homes: dict[str, str]) -> str:
    """The public names of a module, each with what its docstring says."""
    parts = [f"# {module}", f"`from {module} import …`; every name here is part of the public interface."]
    parts += [
        f"::: {('vonage_sock' if module == 'vonage_sock' else module)}.{homes[name]}.{name}"
        for name in names
        if name in homes
    ]
    return "\n\n".join(parts) + "\n"


def ncco_page() -> str:
    """What the fields of each action may hold."""
    parts = [
        "# NCCO",
        "What `vsock lint`, `vsock call` and `vsock serve --ncco` know of each action and endpoint.",
        "A value that differs is one of the [findings](findings/webhooks-and-ncco.md) VS401 to VS423.",
    ]
    for place, fields in known_fields().items():
        rows = "".join(
            f"| `{item.name}` | {cell(item.holds)} | {'yes' if item.required else ''} |\n" for item in fields
        )
        parts += [f"## {place}", f"| field | holds | needed |\n|---|---|---|\n{rows}"]
    return "\n\n".join(parts) + "\n"


def findings_page() -> str:
    """All findings in tables by their kind."""
    before = "\n".join(section((ROOT / "README.md").read_text(), "Findings")).partition("<!-- begin findings -->")[0]
    parts = ["# Findings", linked(before.strip(), "reference/findings/index.md")]
    for kind, name in KINDS.items():
        page = Path(kind_path(kind)).name
        rows = "".join(
            f"| [{rule.code}]({page}#{rule.code.lower()}) | {level_of(rule)} | {cell(rule.message)} |\n"
            for rule in of_kind(kind)
        )
        parts += [f"## {name}", f"| code | level | what is said |\n|---|---|---|\n{rows}"]
    return "\n\n".join(parts) + "\n"


def level_of(rule: Rule) -> str:
    """With a star where it is our reading, as in the README."""
    return rule.level.value if rule.promised else f"{rule.level.value} \\*"


def of_kind(kind: str) -> list[Rule]:
    """The findings whose codes begin so."""
    return [rule for rule in CATALOGUE.values() if rule.code.startswith(kind)]


def kind_path(kind: str) -> str:
    """Where the findings of a kind are, each with its code in small letters as anchor."""
    return f"reference/findings/{anchor_of(KINDS[kind])}.md"


def kind_page(kind: str) -> str:
    """The findings of a kind."""
    return "\n\n".join([f"# {KINDS[kind]}", *map(finding, of_kind(kind))]) + "\n"


def finding(rule: Rule) -> str:
    """One finding, as ``vsock explain`` says it."""
    source = "Vonage documents this." if rule.promised else "Vonage documents nothing about this: it is our reading."
    shade = {"error": "danger", "warning": "warning", "note": "info"}[rule.level.value]
    snippets = [
        f'=== "{name}"\n\n' + "\n".join(f"    {line}" for line in (f"```{lexer}", *code.splitlines(), "```"))
        for name, lexer, code in (("Python", "python", rule.python), ("Node", "js", rule.node))
    ]
    return "\n\n".join(
        [
            f"## {rule.code}",
            f'!!! {shade} "{rule.level.value}"\n\n    {escaped(rule.message)}',
            f"**Cause.** {escaped(rule.cause)}",
            f"**Cure.** {escaped(rule.cure)} *{source}*",
            *snippets,
        ]
    )


def escaped(text: str) -> str:
    """Plain text, so that it is no Markdown."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", text)


def cell(text: str) -> str:
    """Plain text in a cell of a table."""
    return escaped(text).replace("|", "&#124;")
