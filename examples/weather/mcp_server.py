"""A weather service for MCP clients, as anybody would write it with the official SDK.

Knows nothing of identities, certificates or tokens. Runs with mcp 2.x and 1.x.
"""

import argparse
import asyncio

try:
    from mcp.server.mcpserver import Context, MCPServer

    SDK = 2
except ImportError:
    from mcp.server.fastmcp import Context, FastMCP as MCPServer

    SDK = 1

SKIES = ["sunny", "cloudy", "rain", "snow", "fog"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=8000)
    return parser.parse_args()


def server(options):
    if SDK == 2:
        return MCPServer("weather", log_level="WARNING")
    return MCPServer("weather", log_level="WARNING", host=options.host, port=options.port)


def caller(ctx):
    """Who called, if whatever is in front of this server says so."""
    headers = ctx.headers if SDK == 2 else ctx.request_context.request.headers
    return headers.get("x-tidemark-peer", "somebody")


def forecast(city):
    number = sum(city.encode())
    return f"{city}: {SKIES[number % len(SKIES)]}, {number % 30} degrees"


def add_tools(app):
    @app.tool()
    def get_forecast(city: str, ctx: Context) -> str:
        """The weather of a city."""
        return f"{forecast(city)} (asked by {caller(ctx)})"

    @app.tool()
    async def watch_forecast(city: str, seconds: int, ctx: Context) -> str:
        """The weather of a city, reported each second on one stream."""
        for second in range(seconds):
            await ctx.report_progress(second, seconds, forecast(city))
            await asyncio.sleep(1)
        return f"{forecast(city)} (asked by {caller(ctx)})"


def main():
    options = arguments()
    app = server(options)
    add_tools(app)
    print(f"weather at http://{options.host}:{options.port}/mcp", flush=True)
    if SDK == 2:
        app.run("streamable-http", host=options.host, port=options.port)
    else:
        app.run("streamable-http")


if __name__ == "__main__":
    main()
