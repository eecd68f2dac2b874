#!/usr/bin/env python3
"""Writes the runs 20250301T020000Z, of version 1, and 20250302T020000Z, of version 2, beside this file, from the package comment's description of the format and nothing else: the journal's
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


def block(version, kind, entries, segment, number, raw):
    payload = subprocess.run(["zstd", "-q", "-19", "-c", f"--stream-size={len(raw)}"], input=raw, stdout=subprocess.PIPE, check=True).stdout
    head = struct.pack("<II3sBBBHQIIIII", 0x184D2A57, 40, b"RCJ", version, kind, 0, entries, segment, number, len(payload), len(raw), crc32c(payload), 0)
    return head + struct.pack("<I", crc32c(head)) + payload


def line(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def answer(kind, path, at, body, request=b"", query=None, status=200, usable=True, same=None):
    head = {"type": "answer", "org": "acme", "kind": kind, "method": "POST" if request else "GET", "path": path}
    if query:
        head["query"] = query
    head |= {"status": status, "content_type": "application/json", "at": at}
    if usable:
        head["usable"] = True
    head |= {"request": len(request), "body": len(body)}
    if same:
        head["same"] = {"block": same[0], "entry": same[1]}
    return line(head) + request + (b"" if same else body) + b"\n"


def note(name, value):
    return line({"type": "note", "name": name, "request": 0, "body": len(value)}) + value + b"\n"


def segment(number, ident, sweeps_from, blocks, sealed, version=1, day=1):
    run = {"run": f"202503{day:02}T020000Z", "started": f"2025-03-{day:02}T02:00:00.123456Z", "config": {"source": "amigo"}, "segment": number, "sweeps_from": sweeps_from}
    out = block(version, PREAMBLE, 0, ident, 0, line(run))
    for i, entries in enumerate(blocks):
        out += block(version, ENTRIES, len(entries), ident, i + 1, b"".join(entries))
    end = {"blocks": len(blocks) + 1, "entries": sum(map(len, blocks)), "size": len(out), "sha256": hashlib.sha256(out).hexdigest(), "sealed": sealed}
    return out + block(version, TRAILER, 0, ident, len(blocks) + 1, line(end))


def write(run, files, idents):
    seal = {"version": 1, "run": run, "segments": [{"name": n, "id": f"{i:016x}"} for n, i in zip(files, idents)], "sha256": ""}
    seal["sha256"] = hashlib.sha256(line(seal)).hexdigest()
    folder = pathlib.Path(__file__).parent / run
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "seal.json").write_bytes(line(seal))


IDS = (0x0123456789ABCDEF, 0xFEDCBA9876543210)
users = '{"users":[' + ",".join('{"user_id":"u%d","email":"ü%d@example.com"}' % (i, i) for i in range(20)) + '],"has_more":false}'
write("20250301T020000Z", {
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
}, IDS)

# The list is asked for twice. The second page is too small to be referred to; the last model is in the block of the answer that has its body.
# The second process begins anew: a reference stays in its segment.
LIST = "/v1/acme/user/"
page = json.dumps([{"user_id": "u%d" % i, "email": "u%d@example.com" % i} for i in range(40)], separators=(",", ":")).encode()
write("20250302T020000Z", {
    "00001.rcj": segment(1, IDS[0], 1, [
        [note("begun", b"1"), answer("list", LIST, "2025-03-02T02:00:01Z", page, query="limit=100&offset=0"),
         answer("list", LIST, "2025-03-02T02:00:02Z", b"[]", query="limit=100&offset=100")],
        [answer("list", LIST, "2025-03-02T02:00:03Z", page, query="limit=100&offset=0", same=(1, 1))],
        [answer("list", LIST, "2025-03-02T02:00:04Z", b"[]", query="limit=100&offset=100"),
         answer("sql", "/v1/acme/admin/sql_query", "2025-03-02T02:00:05Z", page, request=b'{"sql":"SELECT 1"}', usable=False, same=(1, 1)),
         answer("model", "/v1/acme/user/u1/user_model", "2025-03-02T02:00:06Z", page[::-1]),
         answer("model", "/v1/acme/user/u2/user_model", "2025-03-02T02:00:07Z", page[::-1], same=(3, 2))],
    ], False, version=2, day=2),
    "00002.rcj": segment(2, IDS[1], 1, [
        [answer("list", LIST, "2025-03-02T02:00:08Z", page, query="limit=100&offset=0"),
         answer("list", LIST, "2025-03-02T02:00:09Z", page, query="limit=100&offset=0", same=(1, 0))],
    ], True, version=2, day=2),
}, IDS)
