#!/usr/bin/env python3
"""Copies a control plane's data directory and changes one byte of one audit record in the copy.

usage: flip_byte.py DATA-DIRECTORY COPY
"""

import pathlib
import shutil
import sqlite3
import sys

STORE = "tidemark.sqlite"


def main():
    source, copy = (pathlib.Path(argument) for argument in sys.argv[1:3])
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns(STORE + "*"))
    copy.chmod(0o700)
    live, store = sqlite3.connect(source / STORE), sqlite3.connect(copy / STORE)
    with live, store:
        live.backup(store)
    # Out of the write-ahead log and into the file, where a byte can be changed.
    store.execute("PRAGMA journal_mode = DELETE")
    sequence, details = store.execute(
        "SELECT sequence, details FROM audit WHERE length(details) > 20 ORDER BY sequence LIMIT 1 OFFSET 2"
    ).fetchone()
    live.close()
    store.close()
    text = (copy / STORE).read_bytes()
    place = text.index(details.encode()) + len(details) // 2
    changed = text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :]
    (copy / STORE).write_bytes(changed)
    (copy / STORE).chmod(0o600)
    print(f"byte {place} of the copy's store changed, in record {sequence}")


if __name__ == "__main__":
    main()
