"""Calls a tool of the weather server over one kept connection and prints what it took, as JSON.

usage: python http_load.py URL CALLS  (under whatever name makes it the process that is to be measured)
"""

import http.client
import json
import sys
import time
import urllib.parse

VERSION = "2026-07-28"
META = "io.modelcontextprotocol/"


def request(number):
    return json.dumps({
        "jsonrpc": "2.0", "id": number, "method": "tools/call",
        "params": {"name": "get_forecast", "arguments": {"city": "Oslo"}, "_meta": {
            META + "protocolVersion": VERSION, META + "clientInfo": {"name": "bench", "version": "1"},
            META + "clientCapabilities": {}}}})


def main(url, calls):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    headers = {
        "accept": "application/json, text/event-stream", "content-type": "application/json",
        "mcp-protocol-version": VERSION, "mcp-method": "tools/call", "mcp-name": "get_forecast"}
    times = []
    for number in range(calls + 20):
        begin = time.perf_counter()
        connection.request("POST", parts.path, request(number), headers)
        answer = connection.getresponse()
        body = answer.read()
        times.append(time.perf_counter() - begin)
        if answer.status != 200 or b"Oslo" not in body:
            sys.exit(f"call {number}: {answer.status} {body[:200]!r}")
    times = sorted(times[20:])
    print(json.dumps({
        "p50_us": round(times[len(times) // 2] * 1e6), "p99_us": round(times[len(times) * 99 // 100] * 1e6),
        "requests_per_s": round(calls / sum(times))}))


main(sys.argv[1], int(sys.argv[2]))
