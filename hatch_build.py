"""
Compiles the path of a frame (vonage_sock/native) while a wheel is made; hatchling calls its ``CustomBuildHook``.

A wheel gets what was compiled; an editable installation has it beside the sources. Where it can't be compiled, that is said
in a sentence, and the wheel is one for every machine, in Python alone: it does the same, and calls cost more.
``VSOCK_BUILD_PURE=1`` asks for that one.

    python hatch_build.py               compile what is here, and put it beside the sources
    python hatch_build.py FOLDER        compile FOLDER/src into FOLDER; that is how the hook does it
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

SWITCH: Final = "VSOCK_BUILD_PURE"
NATIVE: Final = Path("vonage_sock", "native")
BUILT: Final = NATIVE / f"_frames{sysconfig.get_config_var('EXT_SUFFIX')}"
"""For each version of Python one of its own: what is compiled with a newer one's headers can go wrong in an older one."""

PYTHON_TAG: Final = "cp{0}{1}-cp{0}{1}".format(*sys.version_info)

COMPILERS: Final = ("cc", "gcc", "clang")
COMPILED_WITH: Final = (
    *("-std=c11", "-O2", "-g0", "-fvisibility=hidden"),
    *("-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"),
)
LINKED_WITH: Final = ("-Wl,-z,relro,-z,now", "-Wl,--strip-all")
LONGEST_S: Final = 120
MAX_REASON: Final = 200


class CannotCompileError(Exception):
    """Its text is the reason, half a sentence."""


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling calls when it makes a wheel, or an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and have it packed or put it beside the sources."""
        root = Path(self.root)
        self._folder = tempfile.TemporaryDirectory(prefix="vsock-native-")
        place = root / BUILT if version == "editable" else None
        try:
            built = compiled(root, Path(self._folder.name))
            if place is not None:
                put(built, place)
        except (CannotCompileError, OSError) as error:
            self.app.display_warning(f"vsock's frame path stays in Python, where calls cost more: {error}")
            if place is not None and place.exists():
                place.unlink()  # it was built of other sources than these
        else:
            if place is None:
                build_data["force_include"][str(built)] = BUILT.as_posix()
                build_data["pure_python"] = False
                build_data["tag"] = f"{PYTHON_TAG}-{platform_tag()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """It is packed."""
        self._folder.cleanup()


def compiled(root: Path, folder: Path) -> Path:
    """
    Compile what is in this tree, in an empty folder; the file.

    It is done in a process of its own, so that nothing of setuptools stays in hatchling's.

    Raises:
        CannotCompileError: it can't be, or isn't wanted.
    """
    compiler = find_compiler(os.environ)
    (folder / "src" / NATIVE).mkdir(parents=True)
    for source in (root / NATIVE).glob("*.[ch]"):
        shutil.copy(source, folder / "src" / NATIVE)
    # LDSHARED as Python was linked names folders of the machine that did it.
    environment = {"LDSHARED": f"{compiler} -shared"} | os.environ | {"CC": compiler}
    command = [sys.executable, str(Path(__file__).resolve()), str(folder)]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", check=False, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        raise CannotCompileError(f"the compiler took more than {LONGEST_S} s") from None
    if done.returncode:
        raise CannotCompileError(reason(done.stderr))
    sys.stderr.write(done.stderr)  # the compiler's warnings
    return folder / BUILT


def find_compiler(environ: Mapping[str, str]) -> str:
    """
    The compiler's command: CC, else what Python was made with, else one that has a usual name.

    Raises:
        CannotCompileError: nothing can be compiled here, or it isn't wanted.
    """
    if environ.get(SWITCH, "0") not in {"", "0"}:
        raise CannotCompileError(f"{SWITCH} asks for that")
    if sys.platform != "linux" or platform.python_implementation() != "CPython":
        raise CannotCompileError("it is compiled for CPython on Linux alone")
    named = [environ["CC"]] if environ.get("CC") else [sysconfig.get_config_var("CC") or "", *COMPILERS]
    found = [name for name in named if name.split() and shutil.which(name.split()[0])]
    if not found:
        raise CannotCompileError(f"there is no C compiler ({' or '.join(COMPILERS) if len(named) > 1 else named[0]})")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        raise CannotCompileError("Python's headers (Python.h) aren't installed")
    return found[0]


def reason(said: str) -> str:
    """Why it failed, by what the compiler said: its first error, else its last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["the compiler failed, and didn't say why"]
    return next((line for line in lines if "error:" in line), lines[-1])[:MAX_REASON]


def put(built: Path, place: Path) -> None:
    """Put it there in one step: other environments have the same tree, and may be reading or writing it."""
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix="_frames-", suffix=".so", delete=False) as new:
        new.write(built.read_bytes())
    Path(new.name).chmod(0o755)
    Path(new.name).replace(place)


def platform_tag() -> str:
    """Of this system, whatever library it has; who publishes a wheel makes it a manylinux one (auditwheel)."""
    return next(tag for tag in platform_tags() if tag.startswith("linux_"))


def build(folder: Path) -> None:
    """Compile FOLDER/src into FOLDER; paths are relative, so that none gets into the file."""
    from setuptools import Distribution, Extension  # noqa: PLC0415  (who needs no compiler needs no setuptools)

    os.chdir(folder / "src")
    extension = Extension(
        ".".join(BUILT.with_name("_frames").parts),
        sorted(str(path) for path in NATIVE.glob("*.c")),
        extra_compile_args=list(COMPILED_WITH),
        extra_link_args=list(LINKED_WITH),
    )
    command = Distribution({"name": "vonage-sock", "ext_modules": [extension]}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(folder), str(folder / "objects")
    command.ensure_finalized()
    command.run()


def main() -> None:
    """Compile in a folder that is given, or here."""
    if len(sys.argv) > 1:
        build(Path(sys.argv[1]).resolve())
        return
    root = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory(prefix="vsock-native-") as folder:
        try:
            put(compiled(root, Path(folder)), root / BUILT)
        except (CannotCompileError, OSError) as error:
            sys.exit(f"Error: nothing was compiled: {error}")


if __name__ == "__main__":
    main()
