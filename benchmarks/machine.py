"""The machine that measures."""

import platform
import re
from pathlib import Path


def processor() -> str:
    """The processor's name and the instructions that matter for matrix products."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    name = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {flag} " in text]
    cores = text.count("processor\t:") or "?"
    return f"{name[1] if name else platform.processor()}, {cores} cores, {' '.join(wide)}"
