"""Asks the weather service, as anybody would write it with the official SDK.

Knows nothing of identities, certificates or tokens. Runs with mcp 2.x and 1.x.
Exit code 0: the forecast came; 1: it did not.
"""

import argparse
import asyncio
import contextlib
import datetime
import os
import sys
import time

import mcp

try:
    from mcp import Client
except ImportError:
    Client = None
    from mcp.client.streamable_http import streamablehttp_client


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default=os.environ.get("WEATHER_URL", "http://127.0.0.1:8000/mcp"))
    parser.add_argument("--city", default="Oslo")
    parser.add_argument("--every", type=float, help="ask again each so many seconds, until it fails")
    parser.add_argument("--count", type=int, help="with --every: ask so many times")
    parser.add_argument("--watch", type=int, help="hold one stream open for so many seconds")
    parser.add_argument("--delay", type=float, default=0, help="wait so many seconds before the first call")
    parser.add_argument("--timing", action="store_true", help="print milliseconds for each answer")
    parser.add_argument("--timeout", type=float, default=15)
    return parser.parse_args()


@contextlib.asynccontextmanager
async def session(options):
    """Something with call_tool, by either SDK."""
    if Client is not None:
        async with Client(options.url, read_timeout_seconds=options.timeout) as client:
            yield client
        return
    timeout = datetime.timedelta(seconds=options.timeout)
    async with streamablehttp_client(options.url, timeout=options.timeout) as (reader, writer, _):
        async with mcp.ClientSession(reader, writer, read_timeout_seconds=timeout) as client:
            await client.initialize()
            yield client


async def ask(client, options):
    started = time.perf_counter()
    if options.watch:

        async def progress(done, total, message=None):
            print(f"{done:g} of {total:g}", flush=True)

        patience = options.watch + options.timeout
        if Client is None:
            patience = datetime.timedelta(seconds=patience)
        wanted = {"city": options.city, "seconds": options.watch}
        result = await client.call_tool(
            "watch_forecast", wanted, read_timeout_seconds=patience, progress_callback=progress
        )
    else:
        result = await client.call_tool("get_forecast", {"city": options.city})
    text = " ".join(part.text for part in result.content)
    if getattr(result, "is_error", getattr(result, "isError", False)):
        raise RuntimeError(text)
    spent = (time.perf_counter() - started) * 1000
    print(f"{spent:.3f} {text}" if options.timing else text, flush=True)


async def run(options):
    async with session(options) as client:
        await ask(client, options)
        asked = 1
        while options.every is not None and asked != options.count:
            await asyncio.sleep(options.every)
            await ask(client, options)
            asked += 1


def leaves(error):
    """What is inside an exception group."""
    inner = getattr(error, "exceptions", None)
    if inner is None:
        return [error]
    return [leaf for one in inner for leaf in leaves(one)]


def main():
    options = arguments()
    try:
        time.sleep(options.delay)
        asyncio.run(run(options))
    except KeyboardInterrupt:
        return 0
    except BaseException as error:
        for leaf in leaves(error):
            print(f"no forecast: {type(leaf).__name__}: {leaf}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
