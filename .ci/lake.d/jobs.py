"""The jobs of `rollcall-lake run` over made-up organizations: what each engine makes must be, by hash, what is expected, and so what the others make.

What is expected is worked out here, in Python, without SQL: the JSON documents are made together with the rows that they are to become. DuckDB runs the very source
that the other dialects are made of, as `run --engine duckdb --print` prints it.
"""

import datetime
import hashlib
import json
import os
import pathlib
import random
import re
import time

import pyarrow
import pyarrow.parquet

import canonical
import engines

COLUMNS = canonical.USERS_COLUMNS
ORGANIZATIONS = ["acme", "Umbrella Corp", "zürich"]

# JSON text of a value, and the type and value that it is to become.
SCALARS = [
    *((n, "number", n) for n in ("0", "-0", "7", "-0.0", "1.50", "1e300", "1E+5", "123456789012345678901234567890", "0.1", "9007199254740993")),
    ("true", "boolean", "true"), ("false", "boolean", "false"), ("null", "null", None),
    ('""', "string", ""), ('"plain"', "string", "plain"), ('" blanks "', "string", " blanks "), ('"null"', "string", "null"), ('"12"', "string", "12"),
    (r'"q\"uo\\te"', "string", 'q"uo\\te'), (r'"\\"', "string", "\\"), (r'"\""', "string", '"'), (r'"\\\""', "string", '\\"'), ('"it\'s; --"', "string", "it's; --"),
    ('"a,b:{}[] \u0085\u00a0"', "string", "a,b:{}[] \u0085\u00a0"), ('"é😀漢\u2028\u202e"', "string", "é😀漢\u2028\u202e"), ('"İIıß"', "string", "İIıß"),
    (r'"\u00e9 \ud83d\ude00"', "string", "é 😀"), (r'"\uD83D\uDE00"', "string", "😀"), (r'"line\nbreak\t\/\b\f\r"', "string", "line\nbreak\t/\b\f\r"),
    (r'"\\ud800"', "string", r"\ud800"), (r'"\\\\u0000"', "string", r"\\u0000"), (r'"\u005c\u0022"', "string", '\\"'), (r'"\u0001\u0002"', "string", "\x01\x02"),
    *((s, "escaped", s) for s in (r'"\ud800 x"', r'"\u0000"', r'"\ude00\ud83d"', r'"\ud83d\ude00\ud83d"', r'"\\\ud800"')),
    ('"' + "long \\n" * 6000 + '"', "string", "long \n" * 6000),
]
KEYS = ["a", "_x1", "Zone", "two words", "dot.ted", "é", "1st", "", "$", "a,b:c", r"q\"q", r"b\\", r"\u0041", "null"]


def part(key):
    return "." + (key if re.fullmatch("[A-Za-z_][0-9A-Za-z_]*", key) else f'"{key}"')


def made_up(rng, path, depth=0):
    """JSON text, and the rows (path, type, value) that flatten is to make of it."""
    blank = lambda: rng.choice(["", "", "", " ", "\n\t"])
    kind = rng.random()
    if kind < 0.45 + 0.15 * depth and depth:
        text, is_a, value = rng.choice(SCALARS if rng.random() < 0.97 else SCALARS[-1:])
        return text, [(path, is_a, value)]
    many = rng.choice([0, 1, 1, 2, 3, 5, 12 if depth == 0 else 2])
    opens, closes, is_a = ("{", "}", "object") if kind > 0.3 else ("[", "]", "array")
    if not many:
        return opens + blank() + closes, [(path, is_a, None)]
    texts, rows = [], []
    for i in range(many):
        key = rng.choice(KEYS)  # one can be there twice
        text, below = made_up(rng, path + (part(key) if is_a == "object" else f"[{i}]"), depth + 1)
        texts.append(blank() + (f'"{key}"{blank()}:{blank()}' if is_a == "object" else "") + text + blank())
        rows += below
    return opens + ",".join(texts) + closes, rows


class People:
    """The users of the organizations, and what is expected of the jobs."""

    def __init__(self, many):
        self.random, self.flat, self.history, self.gone = random.Random(10), {}, [], []
        self.users = {}
        for i in range(many):
            self.add(ORGANIZATIONS[i % 3], f"u{i // 3}")  # one id is in several organizations

    def document(self, org, user, column):
        if column == "preferences" and user == "u1" and org == "acme":  # every value there is, and once more as a whole document
            text = "[" + ",".join(s for s, *_ in SCALARS) + "]"
            rows = [(f"$.{column}[{i}]", is_a, value) for i, (_, is_a, value) in enumerate(SCALARS)]
        elif self.random.random() < 0.1:
            text, rows = None, []
        elif self.random.random() < 0.05:
            text, is_a, value = self.random.choice(SCALARS)
            rows = [(f"$.{column}", is_a, value)]
        else:
            text, rows = made_up(self.random, f"$.{column}")
        self.flat[org, user, column] = rows
        return text

    def add(self, org, user):
        rng = self.random
        number = rng.randrange(max(2, len(self.users)))
        email = rng.choice([f"Person.{number}@Example.com", f" person.{number}@example.com", f"PERSON.{number}@EXAMPLE.COM\t", f"pÄ{number}@x.org", f"pä{number}@x.org", "", " ", None])
        at = rng.choice([datetime.datetime(2026, 1, 1, 2, 3, 4, 5), datetime.datetime(2025, 11, 2, 6, 30, 0, 999999), datetime.datetime(1970, 1, 1), None])
        self.users[org, user] = {
            "_id": rng.choice([None, f"{number:024x}"]), "email": email, "first_name": rng.choice(["Ada", "Zoë", "", None]), "last_name": "O'Neil; --",
            "org_id": org, "region_name": "eu", "role": "r1", "updated_at": at, "user_id": user,
            **{c: self.document(org, user, c) for c in ("additional_context", "preferences", "user_models")}}

    def change(self, share):
        for org, user in self.some(max(1, round(share * len(self.users)))):
            row = self.users[org, user]
            row["role"] = (row["role"] or "") + "+"
            row["preferences"] = self.document(org, user, "preferences")

    def some(self, many):
        return self.random.sample(sorted(self.users), many)

    def remove(self, many):
        self.gone = [(k, self.users.pop(k)) for k in self.some(many)]

    def give_back(self):
        self.users |= dict(self.gone)

    def rows(self):
        return [tuple(row[c] for c in COLUMNS) for row in self.users.values()]

    # What is expected.

    def merge(self, run):
        at = instant(run)
        current = {(row[5], row[10]): row for row in self.rows()}
        for i, row in enumerate(self.history):
            if row[14] and current.pop((row[5], row[10]), None) != row[:12]:
                self.history[i] = row[:13] + (at, False) + row[15:]
                if (row[5], row[10]) in self.users:
                    current[row[5], row[10]] = tuple(self.users[row[5], row[10]][c] for c in COLUMNS)
        self.history += [row + (at, None, True, run) for row in current.values()]

    def lake_history(self, _):
        return COLUMNS + ["_valid_from", "_valid_to", "_is_current", "_run_id"], self.history

    def lake_people(self, run):
        groups = {}
        for row in self.rows():
            email = re.sub(r"[A-Z]", lambda m: m[0].lower(), (row[2] or "").strip(" \t\r\n")) or None
            groups.setdefault((email, None) if email else (None, row[5], row[10]), []).append(row)
        rows = []
        for (email, *_), users in groups.items():
            first = min(users, key=lambda r: (-((r[9] or datetime.datetime(1, 1, 1)) - datetime.datetime(1, 1, 1)), r[5].encode(), r[10].encode()))
            orgs = sorted({r[5] for r in users}, key=str.encode)
            rows.append((email, len(users), len(orgs), orgs, *first, run))
        return ["person_email", "num_users", "num_orgs", "org_ids"] + COLUMNS + ["_run_id"], rows

    def lake_values(self, run):
        rows = [(org, user, column, *row, run) for (org, user, column), found in self.flat.items() if (org, user) in self.users for row in found]
        return ["org_id", "user_id", "column_name", "path", "type", "value", "_run_id"], rows


def instant(run):
    return datetime.datetime.strptime(run, "%Y%m%d-%H%M%S-%f")


def version(warehouse, run, rows):
    """A warehouse's current version with the table users, as manifests and folders are documented."""
    folder = warehouse / "versions" / run
    (folder / "parquet" / "users").mkdir(parents=True)
    part = folder / "parquet" / "users" / "part-00000.parquet"
    schema = pyarrow.schema([(c, pyarrow.timestamp("us") if c == "updated_at" else pyarrow.string()) for c in COLUMNS])
    pyarrow.parquet.write_table(pyarrow.table({c: [row[i] for row in rows] for i, c in enumerate(COLUMNS)}, schema), part)
    zeros, raw = "0" * 64, part.read_bytes()
    manifest = json.dumps({
        "format": 1, "run_id": run, "summary": {"certificate": {"certified": True, "proof": "count", "users_sha256": zeros[:-1] + "1"}},
        "tables": [{"name": "users", "rows": len(rows)}],
        "files": [{"path": "parquet/users/part-00000.parquet", "size": len(raw), "sha256": hashlib.sha256(raw).hexdigest(), "rows": len(rows)}],
        "manifest_sha256": zeros}, indent=2) + "\n"
    (folder / "manifest.json").write_text(manifest.replace(f'"{zeros}"', f'"{hashlib.sha256(manifest.encode()).hexdigest()}"'))
    link = warehouse / "next"
    link.symlink_to(f"versions/{run}")
    link.rename(warehouse / "current")


class Jobs:
    JOBS = {"history": "lake_history", "people": "lake_people", "flatten": "lake_values"}

    def __init__(self, check, lakes):
        """lakes: engine: the lake whose namespace it has for itself."""
        self.owner, self.lakes = check, lakes
        self.warehouse = check.work / "organizations"
        self.people = People(check.args.users)
        self.day = 0
        self.duckdb, self.kept, self.said = engines.DuckDB(lakes["DuckDB"]), {}, {}

    def lake(self, lake, *command, allowed=(0,)):
        settings = {"CATALOG": lake.kind, "URI": lake.uri, "LOCATION": lake.location, "NAMESPACE": lake.namespace, "BUCKETS": "2", "WAREHOUSE": str(self.warehouse),
                    "ENDPOINT": lake.s3["endpoint"], "REGION": lake.s3["region"], "PATH_STYLE": "true", "TRINO_URL": os.environ.get("LAKE_TRINO", "")}
        return self.owner.run([self.owner.args.lake, *command, "--warehouse", str(self.warehouse)],
                              {**os.environ, **{"ROLLCALL_LAKE_" + k: v for k, v in settings.items()}}, allowed)

    def publish(self):
        self.day += 1
        self.run = f"202601{self.day:02}-023000-{self.day:06}"
        version(self.warehouse, self.run, self.people.rows())
        for lake in self.lakes.values():
            self.lake(lake, "publish")

    def do(self, engine, lake, *jobs):
        """Jobs on one engine."""
        if engine == "DuckDB":
            for job in jobs:
                self.duck(lake, job)
            return
        extra = []
        if engine == "Spark":
            jars = sorted(str(jar) for name in ("runtime", "bundle") for jar in pathlib.Path(os.environ["LAKE_JARS"]).glob(f"iceberg-*-{name}-*.jar"))
            for setting in ("spark.master=local-cluster[2,1,768]", "spark.jars=" + ",".join(jars), "spark.driver.memory=768m", "spark.executor.memory=768m",
                            "spark.sql.shuffle.partitions=4", "spark.ui.enabled=false", "spark.local.dir=" + os.environ["LAKE_WORK"],
                            "spark.sql.session.timeZone=" + os.environ["TZ"]):
                extra += ["--spark-conf", setting]
        said = json.loads(self.lake(lake, "run", "--engine", engine.lower(), "--json", *extra, *jobs))
        self.said |= {(engine, s["job"]): s["rows"] for s in said["statements"]}

    def duck(self, lake, job):
        sql = self.lake(lake, "run", "--engine", "duckdb", "--print", job)
        if lake.kind == "sql":
            sql = re.sub(r'"lake"\."\w+"\."users" AT \(VERSION => \d+\)', f"iceberg_scan('{lake.metadata('users')}')", sql)
        self.duckdb.refresh()  # it knows nothing, but for the history that it made before
        con, table = self.duckdb.connection, self.JOBS[job]
        if table in self.kept:
            con.register("kept", self.kept[table])
            con.execute(f"CREATE TABLE {table} AS SELECT * FROM kept")
        con.execute(sql)
        self.kept[table] = con.execute(f"SELECT * FROM {table}").to_arrow_table()

    def made(self, engine, lake, job):
        """The columns and rows of what a job made: of an engine's, as PyIceberg reads it."""
        read = self.kept[self.JOBS[job]] if engine == "DuckDB" else engines.PyIceberg(lake).table(self.JOBS[job]).scan().to_arrow()
        rows = list(zip(*(column.to_pylist() for column in read.columns)))
        if engine != "DuckDB":
            said = self.said[engine, job]
            self.owner.check(said == len(rows), f"{engine}: {job}: it says {said} of {len(rows)} rows")
        return read.column_names, rows

    def step(self, name, *jobs, without=()):
        hashes, seconds = {}, []
        for engine, lake in self.lakes.items():
            if engine in without:
                continue
            began = time.monotonic()
            try:
                self.do(engine, lake, *jobs)
            except Exception as err:  # whatever an engine fails with, the others are still asked
                self.owner.check(False, f"{name}: {engine}: {type(err).__name__}: {err}"[:600])
            seconds.append(f"{engine} {time.monotonic() - began:.0f} s")
            for job in dict.fromkeys(job for job in jobs if job in self.JOBS):
                columns, wanted = getattr(self.people, self.JOBS[job])(self.run)
                try:
                    there, rows = self.made(engine, lake, job)
                    hashes[job, engine] = canonical.table(there, rows)
                    same = hashes[job, engine] == canonical.table(columns, wanted)
                    what = "" if same else f"columns {there}" if there != columns else difference(columns, wanted, rows)
                except Exception as err:
                    same, what, hashes[job, engine] = False, f"{type(err).__name__}: {err}"[:600], "-" * 64
                self.owner.check(same, f"{name}: {job} on {engine}: {what}")
        for job in dict.fromkeys(job for job, _ in hashes):
            columns, wanted = getattr(self.people, self.JOBS[job])(self.run)
            found = "".join(f"{engine + ' ' + hashes[job, engine][:12]:22}" for engine in self.lakes if (job, engine) in hashes)
            print(f"{name:34}{job:9}expected {canonical.table(columns, wanted)[:12]:14}{found}{len(wanted):7} rows  {', '.join(seconds)}", flush=True)
            name, seconds = "", []

    def everything(self):
        people = self.people
        self.publish()
        people.merge(self.run)
        self.step("jobs: first load, history twice", "history", "history", "people", "flatten")
        first = self.run
        people.change(0.01)
        self.publish()
        people.merge(self.run)
        self.step("jobs: 1 % changed", "history", "people", "flatten")
        people.remove(max(2, len(people.users) // 60))
        self.publish()
        people.merge(self.run)
        self.step("jobs: deletes", "history", "people", "flatten")
        people.give_back()
        people.add("fourth", "u0")
        self.publish()
        people.merge(self.run)
        self.step("jobs: returned, and a new one", "history", without=["Spark"])  # below
        latest = self.run
        for lake in self.lakes.values():
            self.lake(lake, "rollback", first)
        self.step("jobs: rolled back, nothing merged", "history", without=["Spark"])  # Spark takes a minute to begin
        for lake in self.lakes.values():
            self.lake(lake, "rollback", latest)
        self.step("jobs: compacted by the engine", "history", "compact", without=["DuckDB"])
        self.afterwards()

    def afterwards(self):
        """Publishing, status and maintenance after jobs and an engine's compaction, and an erasure that reaches what jobs made."""
        self.people.change(0.01)
        self.publish()
        for engine, lake in self.lakes.items():
            self.lake(lake, "maintain")
            named = [t["table"] for t in json.loads(self.lake(lake, "status", "--json"))["tables"]]
            self.owner.check(named == ["users"], f"jobs: {engine}: status names {named}")
            read = engines.PyIceberg(lake).table("users").scan().to_arrow().select(COLUMNS)
            rows = list(zip(*(column.to_pylist() for column in read.columns)))
            same = canonical.table(COLUMNS, rows) == canonical.table(COLUMNS, self.people.rows())
            self.owner.check(same, f"jobs: {engine}: users after compaction and publish: {difference(COLUMNS, self.people.rows(), rows)}")
            self.lake(lake, "erase")
            there = engines.PyIceberg(lake).tables()
            left = [str(f) for f in (self.owner.work / "s3").rglob("*") if f.is_file() and lake.namespace in f.parts and any(p.startswith("lake_") for p in f.parts)]
            self.owner.check(there == ["users"] and not left, f"jobs: {engine}: after erase there are {there} and {len(left)} files of jobs, as {left[:3]}")
        print("jobs: published, maintained and erased after it", flush=True)


def difference(columns, wanted, got):
    want, have = {canonical.row(row): row for row in wanted}, {canonical.row(row): row for row in got}
    missing, odd = [row for text, row in want.items() if text not in have], [row for text, row in have.items() if text not in want]
    return f"{len(got)} rows instead of {len(wanted)}, {len(missing)} missing, {len(odd)} others; {missing[:1]!r:.500} and {odd[:1]!r:.500}"
