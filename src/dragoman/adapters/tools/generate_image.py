"""The tool that makes pictures for the person."""

from pydantic import Field

from dragoman.adapters.tools.function import Arguments, FunctionTool, function_tool
from dragoman.adapters.tools.images_api import ImagesApi, Picture, PictureWish, picture
from dragoman.domain.messages.parts import ImagePart
from dragoman.domain.tools.hosted.service import HostedFiles
from dragoman.domain.tools.model import ToolResult, ToolScope
from dragoman.domain.tools.pages import PageReader
from dragoman.domain.tools.spec import BuiltinToolOptions
from dragoman.kit.errors import InvalidInput

_MOST_REFERENCES = 4


class GenerateImageArguments(Arguments):
    """What the pictures show."""

    prompt: str = Field(
        min_length=1, max_length=8000, description="What the picture shows, in full sentences."
    )
    references: list[str] | None = Field(
        default=None,
        max_length=_MOST_REFERENCES,
        description="Addresses of pictures to work from, when the person gave some.",
    )
    count: int | None = Field(default=None, ge=1, le=4, description="How many pictures; as a rule one.")


def generate_image(
    api: ImagesApi, pages: PageReader, hosted: HostedFiles, scope: ToolScope
) -> FunctionTool[GenerateImageArguments]:
    """The tool for one run."""
    options = scope.tools.builtin_options or BuiltinToolOptions()

    async def run(given: GenerateImageArguments) -> ToolResult:
        wish = PictureWish(
            given.prompt,
            min(given.count or 1, options.image_results),
            options.image_quality,
            options.image_model,
            await _references(pages, hosted, given.references or [], allowed=options.image_references),
        )
        made = await api.make(wish)
        scope.charge("tools.image_generation", len(made), "pictures")
        links = [
            await hosted.store(
                scope.caller,
                one.data,
                kind="media",
                name=f"picture-{n}{one.suffix}",
                media_type=one.media_type,
            )
            for n, one in enumerate(made, 1)
        ]
        listed = "\n".join(links)
        return ToolResult(
            f"{len(made)} picture(s) were made and are shown to the person, not to you. Their addresses:\n{listed}",
            attachments=tuple(ImagePart(link) for link in links),
        )

    return function_tool("generate_image", _description(options), GenerateImageArguments, run, risk="outside")


def _description(options: BuiltinToolOptions) -> str:
    text = (
        "Makes a picture from a description and shows it to the person. Use it only when a picture is wanted."
    )
    if not options.image_mature_content:
        text += " Never ask for sexual, gory or otherwise adult content."
    return text


async def _references(
    pages: PageReader, hosted: HostedFiles, urls: list[str], *, allowed: bool
) -> tuple[Picture, ...]:
    if urls and not allowed:
        raise InvalidInput("Pictures to work from are switched off for this agent.", code="references_off")
    found: list[Picture] = []
    for url in urls:
        data = await hosted.content(url)
        if data is None:
            loaded = await pages.load(url)
            data = b"" if loaded.cut else loaded.file.data
        one = picture(data)
        if one is None:
            raise InvalidInput(f"{url} is no PNG, JPEG, WebP or GIF of a usual size.", code="no_picture")
        found.append(one)
    return tuple(found)
