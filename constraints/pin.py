"""Pins the newest versions anew: `make constraints`. Needs uv (pip install uv).

torch stands in a file of its own. PyPI's build for Linux brings 5 GB of CUDA libraries; those go to
cuda.txt, which `make` installs only where torch does not import without them. A folder that pip has
been told of (PIP_FIND_LINKS) is asked first, so the CPU build can be put there: its hash stands
beside PyPI's. hnswlib, which PyPI has as source alone, stands apart too: it wants a compiler.
"""

import re
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
TORCH_CPU_HASH = "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"
"""torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl"""
CUDA = re.compile(r"^(nvidia-|cuda-|triton==)")


def main() -> None:
    """Write base.txt, dev.txt, hnswlib.txt, torch.txt, cuda.txt and openvino.txt."""
    write("base.txt", compiled("base.in"))
    pins = compiled("dev.in")
    torch = [pin for pin in pins if pin.startswith("torch==")]
    cuda = [pin for pin in pins if CUDA.match(pin)]
    source = [pin for pin in pins if pin.startswith("hnswlib==")]
    write("dev.txt", [pin for pin in pins if pin not in torch + cuda + source])
    write("hnswlib.txt", source)
    write("torch.txt", [f"{pin} \\\n    --hash=sha256:{TORCH_CPU_HASH}" for pin in torch])
    write("cuda.txt", cuda)
    base = (HERE / "base.txt").read_text()
    write("openvino.txt", [pin for pin in compiled("openvino.in") if pin not in base])


def compiled(name: str) -> list[str]:
    """One pin a package, its hashes included."""
    command = "uv pip compile --quiet --universal --python-version 3.11 --generate-hashes"
    listing = subprocess.run(
        [*command.split(), "--no-annotate", "--no-header", name],
        cwd=HERE,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return re.split(r"\n(?=\S)", listing.strip())


def write(name: str, pins: list[str]) -> None:
    """The pins, one after the other."""
    (HERE / name).write_text("\n".join(pins) + "\n")


if __name__ == "__main__":
    main()
