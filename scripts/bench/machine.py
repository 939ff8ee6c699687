"""What the figures were measured on: the processor, its cores, the kernel and the versions; never a name or a path."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from peers import Peer
from running import HERE, Tools


def machine(given: Tools) -> str:
    """One sentence about the machine."""
    release = ".".join(platform.release().split("-")[0].split(".")[:2])
    node = version_of(given.node, "--version").lstrip("v")
    return (
        f"{processor()}, {os.cpu_count()} cores, {platform.system()} {release}, Python {platform.python_version()}"
        + (f", Node {node}" if node else "")
    )


def processor() -> str:
    """The model as the kernel tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def version_of(*command: str) -> str:
    """What a program says of its version; empty where it isn't there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def version(given: Tools, peer: Peer) -> str:
    """The version of a peer's library."""
    if not peer.package:
        return ""
    if peer.package == "vonage-sock":
        return version_of(given.vsock, "--version").split(" ")[-1]
    if peer.package.startswith("npm:"):
        path = HERE / "node_modules" / peer.package[4:] / "package.json"
        return str(json.loads(path.read_text())["version"]) if path.exists() else ""
    try:
        return metadata.version(peer.package)
    except metadata.PackageNotFoundError:
        return ""
