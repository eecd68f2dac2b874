#!/usr/bin/env python3
"""Writes the run 20250301T020000Z beside this file, from the package comment's description of the format and nothing else: the journal's
tests read it, so that neither the format nor its description can change unnoticed. Needs the zstd command.

    python3 fixture.py
"""
import hashlib, json, pathlib, struct, subprocess

TABLE = []
for i in range(256):
    c = i
    for _ in range(8):
        c = (c >> 1) ^ (0x82F63B78 if c & 1 else 0)
    TABLE.append(c)


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c = TABLE[(c ^ b) & 0xFF] ^ (c >> 8)
    return c ^ 0xFFFFFFFF


PREAMBLE, ENTRIES, TRAILER = 1, 2, 3


def block(kind, entries, segment, number, raw):
    payload = subprocess.run(["zstd", "-q", "-19", "-c", f"--stream-size={len(raw)}"], input=raw, stdout=subprocess.PIPE, check=True).stdout
    head = struct.pack("<II3sBBBHQIIIII", 0x184D2A57, 40, b"RCJ", 1, kind, 0, entries, segment, number, len(payload), len(raw), crc32c(payload), 0)
    return head + struct.pack("<I", crc32c(head)) + payload


def line(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def answer(kind, path, at, body, request=b"", query=None, status=200, usable=True):
    head = {"type": "answer", "org": "acme", "kind": kind, "method": "POST" if request else "GET", "path": path}
    if query:
        head["query"] = query
    head |= {"status": status, "content_type": "application/json", "at": at}
    if usable:
        head["usable"] = True
    return line(head | {"request": len(request), "body": len(body)}) + request + body + b"\n"


def note(name, value):
    return line({"type": "note", "name": name, "request": 0, "body": len(value)}) + value + b"\n"


def segment(number, ident, sweeps_from, blocks, sealed):
    run = {"run": RUN, "started": "2025-03-01T02:00:00.123456Z", "config": {"source": "amigo"}, "segment": number, "sweeps_from": sweeps_from}
    out = block(PREAMBLE, 0, ident, 0, line(run))
    for i, entries in enumerate(blocks):
        out += block(ENTRIES, len(entries), ident, i + 1, b"".join(entries))
    end = {"blocks": len(blocks) + 1, "entries": sum(map(len, blocks)), "size": len(out), "sha256": hashlib.sha256(out).hexdigest(), "sealed": sealed}
    return out + block(TRAILER, 0, ident, len(blocks) + 1, line(end))


RUN = "20250301T020000Z"
IDS = (0x0123456789ABCDEF, 0xFEDCBA9876543210)
users = '{"users":[' + ",".join('{"user_id":"u%d","email":"ü%d@example.com"}' % (i, i) for i in range(20)) + '],"has_more":false}'
FILES = {
    "00001.rcj": segment(1, IDS[0], 1, [
        [answer("list", "/v1/acme/user/", "2025-03-01T02:00:01Z", b"old page", query="limit=100&sort_by=%2Bemail")],
        [answer("model", "/v1/acme/user/u%2F1/user_model", "2025-03-01T02:00:02.000001Z", b'{"user_models":[]}'),
         answer("model", "/v1/acme/user/u2/user_model", "2025-03-01T02:00:02.5Z", b"", status=404),
         answer("model", "/v1/acme/user/u3/user_model", "2025-03-01T02:00:03Z", b"<html>", usable=False)],
    ], False),
    "00002.rcj": segment(2, IDS[1], 2, [
        [answer("list", "/v1/acme/user/", "2025-03-01T10:00:00Z", users.encode(), query="limit=100&sort_by=%2Bemail")],
        [answer("sql", "/v1/acme/admin/sql_query", "2025-03-01T10:00:01Z", b'{"rows":[\n]}', request=b'{"sql":"SELECT 1"}'), note("published", b'{"version":1}')],
    ], True),
}
seal = {"version": 1, "run": RUN, "segments": [{"name": n, "id": f"{i:016x}"} for n, i in zip(FILES, IDS)], "sha256": ""}
seal["sha256"] = hashlib.sha256(line(seal)).hexdigest()
FILES["seal.json"] = line(seal)

folder = pathlib.Path(__file__).parent / RUN
folder.mkdir(exist_ok=True)
for name, data in FILES.items():
    (folder / name).write_bytes(data)
