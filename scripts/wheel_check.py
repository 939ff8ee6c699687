"""
Builds the distributions, judges them, installs the wheel into an empty environment, and makes a call with what is there.

What only works in a checkout, or with the development tools installed, fails here, as does a project of ``vsock init``; and
so does a file in a distribution that shouldn't be there, or one that lacks. The wheel is installed by the very lines of the
Dockerfile. Where there is a compiler it is the compiled one; the one in Python alone is made and judged, too.

    python scripts/wheel_check.py             all of it
    python scripts/wheel_check.py DIRECTORY   … and leave the two distributions there
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import template_check

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import hatch_build  # noqa: E402

STRAY: Final = re.compile(
    r"(^|/)(__pycache__|node_modules|\.venv[^/]*|build|dist|\.git)/|\.(pyc|so|part|orig|rej|swp|log)$|~$"
)
COMPILED: Final = hatch_build.BUILT.as_posix()
INSTALLED_AT: Final = "/opt/vsock"
"""Where the Dockerfile has its environment."""

WHICH: Final = "from vonage_sock.native import frames; print(frames and frames.__file__)"


def run(*command: str | Path, cwd: Path, quiet: bool = False, environ: dict[str, str] | None = None) -> str:
    """
    Run a program; what it prints.

    Raises:
        SystemExit: it failed.
    """
    words, env = list(map(str, command)), os.environ | (environ or {})
    result = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    if not quiet:
        print(result.stdout.strip())
    return result.stdout


def build(place: Path) -> tuple[Path, Path]:
    """
    The source distribution, and the wheel made of it.

    Raises:
        SystemExit: they aren't what they should be.
    """
    one, made, version = (sys.executable, "-m", "build", "--no-isolation"), place / "made", vonage_sock_version()
    orders: dict[Path, tuple[tuple[str, ...], dict[str, str]]] = {
        made: ((), {}),
        place / "direct": (("--wheel",), {}),
        place / "pure": (("--wheel",), {hatch_build.SWITCH: "1"}),
    }

    def make(folder: Path) -> set[str]:
        which, environ = orders[folder]
        run(*one, *which, "--outdir", folder, ROOT, cwd=place, quiet=True, environ=environ)
        return {path.name for path in folder.iterdir()}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        names = set().union(*pool.map(make, orders))
    sdist, wheel = made / f"vonage_sock-{version}.tar.gz", made / f"vonage_sock-{version}-{wheel_tag()}.whl"
    pure = place / "pure" / f"vonage_sock-{version}-{PURE_TAG}.whl"
    if odd := names ^ {sdist.name, wheel.name, pure.name}:
        sys.exit(f"not the names that were awaited: {', '.join(sorted(odd))}")
    if wheel.read_bytes() != (place / "direct" / wheel.name).read_bytes():
        sys.exit("the wheel made of the source distribution isn't the one that is made of the checkout")
    run(sys.executable, "-m", "twine", "--no-color", "check", "--strict", sdist, wheel, pure, cwd=place, quiet=True)
    for each in sorted({wheel.name: wheel, pure.name: pure}.values()):
        judge(sdist, each, version)
    return sdist, wheel


PURE_TAG: Final = "py3-none-any"
AT_ONCE: Final = 2


def vonage_sock_version() -> str:
    """As the program says it."""
    return run(sys.executable, "-m", "vonage_sock", "--version", cwd=ROOT, quiet=True).split()[-1]


def wheel_tag() -> str:
    """What the wheel's name ends with on this machine."""
    try:
        hatch_build.find_compiler(os.environ)
    except hatch_build.CannotCompileError as error:
        print(f"nothing is compiled: {error}")
        return PURE_TAG
    return f"{hatch_build.PYTHON_TAG}-{hatch_build.platform_tag()}"


def judge(sdist: Path, wheel: Path, version: str) -> None:
    """
    Is in them what should be, and nothing else?

    Raises:
        SystemExit: no.
    """
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as zipped:
        installed = set(zipped.namelist())
    about = f"vonage_sock-{version}.dist-info/"
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "vonage_sock").rglob("*") if path.is_file()}
    package = {name for name in package if not STRAY.search(name)}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    built = set() if PURE_TAG in wheel.name else {COMPILED}
    wanted = {name for name in package if not any(fnmatch(name, left_out) for left_out in settings["exclude"])} | built
    problems = [
        f"{wheel.name} lacks, or has one too many of: {name}" for name in sorted(_own(installed, about) ^ wanted)
    ]
    problems += [f"the source distribution lacks {name}" for name in sorted((package | PACKED | pages()) - packed)]
    problems += [f"stray: {name}" for name in sorted(packed | installed - built) if STRAY.search(name)]
    problems += [f"nobody keeps {name}" for name in sorted(packed - tracked() - pages() - {"PKG-INFO"})]
    if problems:
        sys.exit("\n".join(problems))
    print(
        f"{sdist.name}: {len(packed)} files, of them {len(pages())} manual pages; {wheel.name}: {len(installed)} files"
    )


PACKED: Final = {
    *("README.md", "LICENSE", "CHANGELOG.md", "Makefile", "mkdocs.yml"),
    *("pyproject.toml", "hatch_build.py", "scripts/man.py"),
}


def _own(names: set[str], about: str) -> set[str]:
    return {name for name in names if not name.startswith(about)}


def pages() -> set[str]:
    """The manual pages that there are to be."""
    from man import page_name  # noqa: PLC0415  (it loads every command)

    from vonage_sock.cli.describe import describe  # noqa: PLC0415

    return {f"man/{page_name(command)}.1" for command in describe()}


def tracked() -> set[str]:
    """What belongs to the project: by git, or in an unpacked source distribution what is in it."""
    if (ROOT / ".git").exists():
        listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT, quiet=True)
        return set(listed.splitlines())
    return {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*")}


def install(wheel: Path, place: Path) -> None:
    """
    As the Dockerfile does it, into another directory.

    Raises:
        SystemExit: it can't be.
    """
    folder = place / "dist"
    folder.mkdir()
    shutil.copy(wheel, folder)
    for line in image_lines():
        there = line.replace(INSTALLED_AT, str(place / "venv")).replace("/dist/", f"{folder}/")
        run("sh", "-ec", re.sub(r"(?<![\w/-])python -m", f"{sys.executable} -m", there), cwd=place, quiet=True)


def image_lines() -> list[str]:
    """The Dockerfile's commands that make its environment."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in re.findall(r"^RUN (.*)$", text, re.MULTILINE) if INSTALLED_AT in line]


def main() -> None:
    """Build, judge, install, call."""
    os.environ.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory(prefix="vsock-wheel-") as name:
        place = Path(name)
        sdist, wheel = build(place)
        install(wheel, place)
        vsock = place / "venv" / "bin" / "vsock"
        loaded = run(place / "venv/bin/python", "-c", WHICH, cwd=place, quiet=True).strip()
        if (PURE_TAG not in wheel.name) != loaded.endswith(COMPILED):
            sys.exit(f"{wheel.name} is installed, and what is in use of {COMPILED} is: {loaded}")
        run(vsock, "--version", cwd=place)
        run(vsock, "completion", "bash", cwd=place, quiet=True)
        run(vsock, "demo", "--quiet", "--record", "demo.flac", cwd=place)
        if not (place / "demo.flac").stat().st_size:
            sys.exit("the demo's recording is empty")
        into = (sys.executable, "-m", "pip", "--python", place / "venv/bin/python", "install", "--quiet")
        run(*into, *template_check.REQUIREMENTS, cwd=place, quiet=True)
        template_check.check(place / "venv", place)
        for path in (sdist, wheel) if len(sys.argv) > 1 else ():
            shutil.copy(path, sys.argv[1])


if __name__ == "__main__":
    main()
