"""An MCP server of the official SDK in a process of its own: ``python mcp_sdk_server.py TRANSPORT PORT``."""

import base64
import sys
import time
from typing import Any

import anyio
from mcp.server.mcpserver import Audio, Context, Image, MCPServer
from mcp_types import CallToolResult, EmbeddedResource, TextContent, TextResourceContents

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)

server = MCPServer("sample")
calls = 0


@server.tool()
def add(a: int, b: int) -> str:
    """Adds two numbers."""
    return str(a + b)


@server.tool(structured_output=False)
def tell(ctx: Context) -> dict[str, Any]:
    """Tells what came along with the call."""
    headers = ctx.headers or {}
    return {
        "meta": dict(ctx.request_context.meta or {}),
        "key": headers.get("x-key"),
        "session": headers.get("mcp-session-id"),
        "protocol": ctx.protocol_version,
    }


@server.tool()
def count() -> str:
    """Counts calls of this process."""
    global calls
    calls += 1
    return str(calls)


@server.tool()
def picture() -> Image:
    """Draws."""
    return Image(data=PNG, format="png")


@server.tool()
def sound() -> Audio:
    """Plays."""
    return Audio(data=b"RIFF0000WAVE", format="wav")


@server.tool()
def document() -> CallToolResult:
    """Gives a resource."""
    inner = TextResourceContents(uri="file:///a.txt", text="inside")
    return CallToolResult(
        content=[TextContent(type="text", text="see"), EmbeddedResource(type="resource", resource=inner)]
    )


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("the printer is on fire")


@server.tool()
async def hang() -> str:
    """Does not end."""
    await anyio.sleep(3600)
    return "never"


@server.tool()
def flood() -> str:
    """Answers too much."""
    return "x" * 3_000_000


@server.tool(name="odd name!")
def odd() -> str:
    """Has a name that models do not take."""
    return "odd"


@server.tool()
async def replace(ctx: Context) -> str:
    """Takes one tool away and gives another."""
    server.remove_tool("add")
    server.add_tool(lambda: "new", name="multiply", description="Is new.")
    await ctx.session.send_tool_list_changed()
    return "replaced"


def main() -> None:
    transport, port = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    if len(sys.argv) > 3:
        time.sleep(float(sys.argv[3]))
    if transport == "stdio":
        server.run("stdio")
    elif transport == "sse":
        server.run("sse", host="127.0.0.1", port=port)
    else:
        server.run("streamable-http", host="127.0.0.1", port=port, stateless_http=transport == "stateless")


if __name__ == "__main__":
    main()
