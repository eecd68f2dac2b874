"""The nights of an organization, published to lakes and read back by every engine: each must say, of every table, what the warehouse says.

The tables are hashed as canonical.py writes them. What is compared with is the version that is current in the warehouse, read from users.duckdb, and
first of all its Parquet files are compared with that. Ends in "N checks, N differ"; the exit code is 1 where a check differs or a self-test fails.
"""

import argparse
import concurrent.futures
import datetime
import decimal
import json
import os
import pathlib
import random
import resource
import subprocess
import sys
import time

import duckdb
import pyarrow.dataset

import canonical
import engines
import jobs
import source


def comparable(table, columns, rows):
    """The rows as they are compared. users_flat has the version's run on every row; in a lake it is the run that last wrote the row (the package comment of
    rollcall-lake's internal/lake says why), and what is promised is whether that run saw the user: _last_seen_run = _run_id, which stands for both here."""
    if table != "users_flat":
        return rows
    run, seen = columns.index("_run_id"), columns.index("_last_seen_run")
    return [tuple(row[seen] == row[run] if i in (run, seen) else v for i, v in enumerate(row)) for row in rows]


class Version:
    """The warehouse's current version: its tables' columns, rows and hashes."""

    def __init__(self, warehouse):
        folder = (warehouse / "current").resolve()
        manifest = json.loads((folder / "manifest.json").read_text())
        self.run, self.names = manifest["run_id"], [t["name"] for t in manifest["tables"]]
        self.columns, self.rows, self.hashes, self.parquet = {}, {}, {}, {}
        with duckdb.connect(str(folder / "users.duckdb"), read_only=True) as con:
            for name in self.names:
                read = con.execute(f'SELECT * FROM "{name}"')
                columns = self.columns[name] = [column[0] for column in read.description]
                self.rows[name] = comparable(name, columns, read.fetchall())
                self.hashes[name] = canonical.table(columns, self.rows[name])
                read = pyarrow.dataset.dataset(folder / "parquet" / name, format="parquet").to_table()
                rows = comparable(name, read.column_names, list(zip(*(column.to_pylist() for column in read.columns))))
                self.parquet[name] = canonical.table(read.column_names, rows)
            self.documented_rows = con.execute(canonical.DOCUMENTED).fetchall()
        self.documented = canonical.documented(self.documented_rows)
        if self.columns["users"] != canonical.USERS_COLUMNS:
            raise RuntimeError("users has not the twelve documented columns")

    def all(self, hashes):
        return canonical.digest(self.names, [hashes[name].encode() for name in self.names])


class Check:
    def __init__(self, args):
        self.args, self.work = args, args.work
        self.warehouse = self.work / "warehouse"
        self.logs = open(self.work / "logs" / "commands.log", "w")
        self.source = None if args.jobs else source.Source(args.rollcall, args.users, self.logs)
        self.random = random.Random(1)
        self.checks, self.differ = 0, []
        self.lakes = []

    # What is run.

    def run(self, command, environment=None, allowed=(0,)):
        self.logs.write(f"$ {' '.join(command)}\n")
        self.logs.flush()
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=self.logs, text=True)
        self.logs.write(done.stdout)
        if done.returncode not in allowed:
            raise RuntimeError(f"{' '.join(command[:2])}: exit code {done.returncode}")
        return done.stdout

    def rollcall(self, *command, allowed=(0,)):
        return self.run([self.args.rollcall, *command, "--warehouse", str(self.warehouse), "--log-level", "warn"], self.source.environment(), allowed)

    def sync(self, allowed=(0,)):
        summary = json.loads(self.rollcall("sync", "--rpm", "none", "--json", allowed=allowed))
        if not summary["published"]:
            raise RuntimeError("the run published nothing")
        return summary

    def lake(self, lake, *command):
        settings = {"CATALOG": lake.kind, "URI": lake.uri, "LOCATION": lake.location, "NAMESPACE": lake.namespace, "BUCKETS": "4"}
        if lake.location.startswith("s3:"):
            settings |= {"ENDPOINT": lake.s3["endpoint"], "REGION": lake.s3["region"], "PATH_STYLE": "true"}
        environment = {**os.environ, **{"ROLLCALL_LAKE_" + key: setting for key, setting in settings.items()}}
        began = time.monotonic()
        out = self.run([self.args.lake, *command, "--warehouse", str(self.warehouse)], environment)
        self.spent += time.monotonic() - began
        return out

    # What is checked.

    def check(self, same, what):
        self.checks += 1
        if not same:
            self.differ.append(what)
            print(f"    DIFFERS: {what}", flush=True)

    def step(self, name, *commands, spoiled=()):
        """Runs commands of rollcall-lake on every lake and asks every engine for every table. spoiled: the tables that must not be as the warehouse's."""
        self.spent = 0.0
        for lake, _ in self.lakes:
            for command in commands:
                self.lake(lake, *command)
        version = self.version = Version(self.warehouse)
        began = time.monotonic()
        self.line(name, "warehouse: DuckDB", version, version.hashes, version.documented, f"{self.spent:.1f} s rollcall-lake")
        self.line("", "warehouse: Parquet", version, version.parquet, None)
        for table in version.names:
            self.check(version.parquet[table] == version.hashes[table], f"{name}: {table}: the warehouse's Parquet")
        for lake, readers in self.lakes:
            for reader in readers:
                self.read(name, version, lake, reader, spoiled)
        print(f"{'':34}{time.monotonic() - began:.1f} s reading", flush=True)
        return version

    def read(self, step, version, lake, reader, spoiled):
        began = time.monotonic()
        reader.refresh()
        with concurrent.futures.ThreadPoolExecutor(reader.at_once) as pool:
            asked = pool.submit(attempt, lambda: (canonical.documented(reader.documented()), []))
            read = list(pool.map(lambda table: attempt(lambda: self.read_table(version, reader, table, table in spoiled)), version.names))
            documented, failed = asked.result()
        where = f"{step}: {lake.name}, {reader.name}"
        for table, (_, found) in zip(version.names + ["documented query"], read + [(documented, failed)]):
            for same, what in found:
                self.check(same, f"{where}: {table}: {what}")
        self.check((documented == version.documented) != ("users" in spoiled), f"{where}: documented query")
        hashes = {table: digest for table, (digest, _) in zip(version.names, read)}
        self.line("", f"{lake.name}: {reader.name}", version, hashes, documented, f"{time.monotonic() - began:.1f} s")

    def read_table(self, version, reader, table, spoiled):
        """The table's hash as the engine has it, and what was found: whether it is as it should be, and what it is."""
        there, wanted = reader.columns(table), version.columns[table]
        found = [(there == wanted, f"columns {there} instead of {wanted}")]
        if there != wanted:
            return UNREAD, found
        if hasattr(reader, "run"):
            found.append((reader.run(table) == version.run, f"it says that it shows the run {reader.run(table)}, not {version.run}"))
        rows = comparable(table, wanted, reader.rows(table, wanted))
        digest = canonical.table(wanted, rows)
        if spoiled:
            return digest, found + [(digest != version.hashes[table], "a changed cell is not seen")]
        same, counted = digest == version.hashes[table], reader.count(table)
        return digest, found + [(same, "" if same else difference(wanted, version.rows[table], rows)),
                                (counted == len(rows), f"count(*) is {counted} of {len(rows)}")]

    def line(self, step, engine, version, hashes, documented, remark=""):
        rows = f"{len(version.rows['users']):7}{sum(map(len, version.rows.values())):8}" if step else ""
        print(f"{step:34}{engine:32}{hashes['users'][:12]:14}{(documented or '')[:12]:14}{version.all(hashes)[:12]:14}{rows:15}  {remark}".rstrip(), flush=True)

    def self_test(self, version):
        """A cell changed in any column of any table, a row lost or doubled, and two rows of the documented query in the wrong order must each be seen."""
        seen = 0
        for table, columns in version.columns.items():
            rows = version.rows[table]
            changed = [rows[:-1], rows + rows[:1]] if rows else []
            for i in range(len(columns) if rows else 0):
                k = next((k for k, row in enumerate(rows) if row[i] is not None), 0)
                changed.append(rows[:k] + [rows[k][:i] + (other(rows[k][i]),) + rows[k][i + 1:]] + rows[k + 1:])
            for spoiled in changed:
                if canonical.table(columns, spoiled) == version.hashes[table]:
                    raise SystemExit(f"self-test: a change in {table} is not seen")
                seen += 1
        rows = version.documented_rows
        k = next(k for k in range(len(rows) - 1) if rows[k][-1] != rows[k + 1][-1])
        if canonical.documented(rows[:k] + [rows[k + 1], rows[k]] + rows[k + 2:]) == version.documented:
            raise SystemExit("self-test: a wrong order is not seen")
        print(f"self-test: {seen + 1} of {seen + 1} changes of a cell, a row or the order are seen", flush=True)

    # What happens to the users.

    def ids(self, share=None, many=None):
        """Users of the version that was published last: a share of them, or so many."""
        there = sorted(row[canonical.USERS_COLUMNS.index("user_id")] for row in self.version.rows["users"])
        return self.random.sample(there, many or max(1, round(share * len(there))))

    def change(self, ids, **fields):
        for i, user in enumerate(ids):
            self.source.call("POST", "user/" + user, {"first_name": f"Changed {i}", **fields})

    def everything(self):
        first = self.first_load()
        self.schema_changes(first)
        self.deletes_and_maintenance()
        if self.args.whole:
            self.engines_write()
        self.forgotten()
        self.spoil()

    def first_load(self):
        self.sync()
        version = self.step("first load", ["publish"])
        self.self_test(version)
        self.step("the same run again", ["publish"])
        self.change(self.ids(0.01), timezone="Asia/Tokyo")
        self.sync()
        return self.step("1 % changed", ["publish"])

    def schema_changes(self, earlier):
        shelf = self.ids(0.02)
        self.source.preferences |= {user: f'"shelf":{i - 3},"grade":{i}' for i, user in enumerate(shelf)}
        self.source.stray = True
        self.sync(allowed=(0, 3))
        self.step("columns added, a row quarantined", ["publish"])
        self.source.stray = False
        self.source.preferences |= {shelf[0]: '"shelf":"top","grade":0.1', shelf[1]: '"shelf":"","grade":1e300'}
        self.sync()
        self.step("types widened", ["publish"])
        self.rollcall("rollback", earlier.run)
        self.step("rolled back before both", ["rollback", earlier.run])
        self.sync()
        self.step("a new run after it", ["publish"])

    def deletes_and_maintenance(self):
        for user in self.ids(many=self.args.users // 75):
            self.source.call("DELETE", "user/" + user)
        role = next(role["name"] for role in json.loads(self.source.call("GET", "role/"))["roles"] if "admin" not in role["name"].lower())
        for i in range(self.args.users // 200):
            self.source.call("POST", "user/", {"first_name": "New", "last_name": str(i), "email": f"new.{i}@example.com", "role_name": role})
        self.sync()
        self.step("1.3 % deleted, 0.5 % added", ["publish"])
        self.step("compaction", ["maintain"])
        self.source.preferences |= {user: '"season":"winter"' for user in self.ids(0.4)}
        self.sync()
        self.step("40 % changed", ["publish"])

    def engines_write(self):
        for reader in [reader for _, readers in self.lakes for reader in readers if hasattr(reader, "rewrite")]:
            for table in self.version.names:
                reader.rewrite(table)
            self.step(f"{reader.name} rewrote the files")
            self.change(self.ids(0.01))
            self.sync()
            self.step("1 % changed after it", ["publish"])

    def forgotten(self):
        self.rollcall("forget", "--suppress", *self.ids(many=3))
        self.step("users forgotten", ["erase"])

    def spoil(self):
        """Changes one cell of each lake's users by PyIceberg: every engine must see that, and in no other table."""
        os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"  # versitygw refuses the uploads in parts that Arrow makes with checksums
        for lake, _ in self.lakes:
            table = engines.PyIceberg(lake).table("users")
            row = table.scan(limit=1).to_arrow().slice(0, 1)
            (user,) = row["user_id"].to_pylist()
            place = row.schema.get_field_index("preferences")
            spoiled = row.set_column(place, row.schema.field(place), pyarrow.array([(row["preferences"][0].as_py() or "") + " "], row.schema.field(place).type))
            table.overwrite(spoiled, overwrite_filter=f"user_id = '{user}'")
        self.step("self-test: one cell spoiled", spoiled=("users",))


UNREAD = "-" * 64


def attempt(read):
    """A hash and what was found; of what cannot be read at all, that."""
    try:
        return read()
    except Exception as err:  # whatever an engine fails with, the others are still asked
        return UNREAD, [(False, f"{type(err).__name__}: {err}"[:400])]


def other(v):
    """Another value, as near as can be."""
    if v is None:
        return ""
    if isinstance(v, bool):
        return not v
    if isinstance(v, str):
        return v + " "
    if isinstance(v, datetime.datetime):
        return v + datetime.timedelta(microseconds=1)
    if isinstance(v, float):
        return -v if v == 0 else v * (1 + sys.float_info.epsilon)
    if isinstance(v, decimal.Decimal):
        return -v
    if isinstance(v, (bytes, bytearray)):
        return bytes(v) + b"\0"
    if isinstance(v, list):
        return v + [None]
    return v + 1


def difference(columns, wanted, got):
    """What is not alike in two tables' rows, in a few words. The users are made up, so values may be shown."""
    want, have = set(map(canonical.row, wanted)), {canonical.row(row): row for row in got}
    missing = [row for row in wanted if canonical.row(row) not in have]
    odd = [row for text, row in have.items() if text not in want]
    shown = ""
    if missing and odd:
        near = max(odd, key=lambda row: sum(a == b for a, b in zip(row, missing[0])))
        cells = [f"{c}: {b!r:.60} instead of {a!r:.60}" for c, a, b in zip(columns, missing[0], near) if canonical.value(a) != canonical.value(b)]
        shown = "; " + "; ".join(cells[:5])
    return f"{len(got)} rows instead of {len(wanted)}, {len(missing)} missing, {len(odd)} others{shown}"


def nights(check, args):
    places = [engines.Lake("SQLite, S3", "sql", f"sqlite:{args.work}/catalog.db", "s3://lake/sqlite"),
              engines.Lake("SQLite, files", "sql", f"sqlite:{args.work}/files.db", f"file://{args.work}/lake")]
    if args.whole:
        places.append(engines.Lake("Postgres, S3", "sql", os.environ["LAKE_POSTGRES"], "s3://lake/postgres"))
    check.lakes = [(lake, [engines.PyIceberg(lake), engines.DuckDB(lake)]) for lake in places]
    if args.whole:
        lake = engines.Lake("REST, S3", "rest", os.environ["LAKE_REST"], "s3://lake/rest")
        check.lakes.append((lake, [engines.PyIceberg(lake), engines.DuckDB(lake), engines.Spark(lake), engines.Trino(lake)]))
    print("; ".join({reader.about(): None for _, readers in check.lakes for reader in readers}))
    print(f"{'step':34}{'read by':32}{'users':14}{'documented':14}{'all tables':14}{'users':>7}{'rows':>8}")
    check.everything()
    for reader in [reader for _, readers in check.lakes for reader in readers if isinstance(reader, engines.Spark)]:
        reader.session.stop()  # the jobs start Spark anew, and there is memory for one


def organizations(check, args):
    """The jobs: each engine has a lake for itself, so that none finds what another made."""
    if not (args.whole or args.jobs):
        return jobs.Jobs(check, {"DuckDB": engines.Lake("SQLite, S3", "sql", f"sqlite:{args.work}/jobs.db", "s3://lake/jobs", "jobs_duckdb")}).everything()
    lakes = {name: engines.Lake("REST, S3", "rest", os.environ["LAKE_REST"], "s3://lake/rest", "jobs_" + name.lower()) for name in ("DuckDB", "Spark", "Trino")}
    engines.Trino(lakes["Trino"])  # its nodes are up
    return jobs.Jobs(check, lakes).everything()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rollcall", required=True)
    parser.add_argument("--lake", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--users", type=int, default=3000)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--jobs", action="store_true")
    args = parser.parse_args()
    check = Check(args)
    try:
        if not args.jobs:
            nights(check, args)
        organizations(check, args)
    finally:
        if check.source:
            check.source.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"peak memory: {peak[0]:.0f} MB here, {peak[1]:.0f} MB the largest process started here")
    print(f"{check.checks} checks, {len(check.differ)} differ")
    return 1 if check.differ else 0


if __name__ == "__main__":
    sys.exit(main())
