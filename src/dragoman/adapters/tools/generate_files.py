"""The tools that make documents and web pages out of HTML."""

import re

from pydantic import Field

from dragoman.adapters.tools.documents import DocumentPrinter
from dragoman.adapters.tools.function import Arguments, FunctionTool, function_tool
from dragoman.domain.messages.parts import FilePart
from dragoman.domain.tools.hosted.service import HostedFiles
from dragoman.domain.tools.model import ToolResult, ToolScope

_LONGEST_HTML = 2_000_000
_WHOLE = re.compile(r"<(!doctype|html)\b", re.IGNORECASE)
_UNWANTED = re.compile(r"[^\w .()+-]+")


class GenerateDocumentArguments(Arguments):
    """A document to print."""

    html: str = Field(
        min_length=1,
        max_length=_LONGEST_HTML,
        description="The document as HTML with CSS in it; @page sets paper and margins. Scripts do not run.",
    )
    filename: str = Field(
        default="document.pdf", max_length=200, description="The file's name, like report.pdf."
    )


class GenerateWebPageArguments(Arguments):
    """A page to publish."""

    html: str = Field(
        min_length=1,
        max_length=_LONGEST_HTML,
        description="The whole page as HTML, with styles and scripts in it. It cannot keep data or use cookies.",
    )
    title: str = Field(default="Page", max_length=200, description="The page's title.")


def generate_document(
    printer: DocumentPrinter, hosted: HostedFiles, scope: ToolScope
) -> FunctionTool[GenerateDocumentArguments]:
    """The tool for one run."""

    async def run(given: GenerateDocumentArguments) -> ToolResult:
        data = await printer.pdf(given.html)
        name = _file_name(given.filename)
        link = await hosted.store(scope.caller, data, kind="media", name=name, media_type="application/pdf")
        scope.charge("tools.document_generation", 1, "document")
        text = f"The document {name} ({len(data)} bytes) was made. Give the person this address:\n{link}"
        return ToolResult(text, attachments=(FilePart(link, name),))

    return function_tool(
        "generate_document",
        "Makes a PDF document out of HTML and gives the address at which the person can open it.",
        GenerateDocumentArguments,
        run,
        risk="write",
    )


def generate_web_page(hosted: HostedFiles, scope: ToolScope) -> FunctionTool[GenerateWebPageArguments]:
    """The tool for one run."""

    async def run(given: GenerateWebPageArguments) -> ToolResult:
        title = " ".join(given.title.split()) or "Page"
        data = _page(given.html, title).encode("utf-8", "replace")
        link = await hosted.store(scope.caller, data, kind="page", name=title, media_type="text/html")
        scope.charge("tools.web_page_generation", 1, "web page")
        return ToolResult(f"The page {title!r} is published. Give the person this address:\n{link}")

    return function_tool(
        "generate_web_page",
        "Publishes a web page and gives its address. Use it for reports, charts and small interactive pages.",
        GenerateWebPageArguments,
        run,
        risk="write",
    )


def _file_name(text: str) -> str:
    name = text.replace("\\", "/").rsplit("/", 1)[-1]
    stem = _UNWANTED.sub("-", re.sub(r"\.pdf\Z", "", name, flags=re.IGNORECASE)).strip(" .-")
    return f"{stem[:100] or 'document'}.pdf"


def _page(html: str, title: str) -> str:
    """The page whole: a fragment gets what surrounds it."""
    if _WHOLE.search(html[:1000]):
        return html
    escaped = title.replace("&", "&amp;").replace("<", "&lt;")
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return f'<!doctype html>\n<html lang="en">\n<head>{head}<title>{escaped}</title></head>\n<body>\n{html}\n</body>\n</html>\n'
