"""Packages as an installer leaves them in a folder, without an installer."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def install(
    folder: Path, name: str, code: str, *, version: str = "1.0", point: str = "", attribute: str = "NODES"
) -> None:
    """Install a distribution of one module of its name, which brings the plugin `point` (else named like it)."""
    folder.mkdir(exist_ok=True)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(exist_ok=True)
    files = {
        folder / f"{name}.py": code,
        info / "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        info / "entry_points.txt": f"[catenary.nodes]\n{point or name} = {name}:{attribute}\n",
        info / "INSTALLER": "a test\n",
        info / "direct_url.json": json.dumps({"url": str(folder)}),
    }
    for path, content in files.items():
        path.write_text(content)
    record = [f"{path.relative_to(folder)},sha256={_hash(path)},{path.stat().st_size}" for path in files]
    (info / "RECORD").write_text("\n".join([*record, f"{info.name}/RECORD,,", ""]))


def _hash(path: Path) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")
