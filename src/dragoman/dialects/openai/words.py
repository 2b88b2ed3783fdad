"""Published words of requests and what the domain calls the same things."""

import re
from collections.abc import Mapping

from dragoman.domain.inference.multimodal import MediaKind

_BUILTIN = (
    "WebSearch",
    "Code",
    "OpenUrl",
    "Remember",
    "ImageGeneration",
    "XPostsSearch",
    "GenerateDocument",
    "GenerateWebPage",
    "AdvancedWebUsage",
    "Request",
    "Calendar",
)
# By their lower-case spelling: words are taken in any case.
BUILTIN_TOOLS: Mapping[str, str] = {
    word.lower(): re.sub(r"(?<!^)(?=[A-Z])", "_", word).lower() for word in _BUILTIN
}
BUILTIN_SPELLINGS = ", ".join(_BUILTIN)
MEDIA_KINDS: Mapping[str, MediaKind] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
    "file": "file",
    "otherfiles": "other",
    "all": "all",
}
MEDIA_SPELLINGS = "Image, Audio, Video, File, OtherFiles, All"
# Of what a domain's priced line is called to what clients know it by.
CHARGES: Mapping[str, str] = {
    "answer": "inference.chat_completions",
    "routing": "inference.resolving.routing_complexity",
    "rewrite": "inference.resolving.query_rewrite",
    "media": "inference.resolving.multimodal",
    "embedding": "rag.query.embedding",
}
