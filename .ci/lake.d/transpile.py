"""What the dialects of the jobs' SQL are made with: sqlglot, from the one source that is DuckDB's.

    transpile.py FOLDER           writes JOB.spark.sql and JOB.trino.sql beside each JOB.sql
    transpile.py FOLDER --check   only says which are not what it would write
"""

import pathlib
import sys

import sqlglot

DIALECTS = ("spark", "trino")


def made(source, dialect):
    statements = sqlglot.transpile(source, read="duckdb", write=dialect, pretty=True, identify=True, comments=False,
                                   unsupported_level=sqlglot.ErrorLevel.RAISE)
    return "-- Made by .ci/lake.d/transpile.py. Change the source beside it.\n" + "".join(f"{statement};\n" for statement in statements)


def main():
    stale = []
    for source in sorted(pathlib.Path(sys.argv[1]).glob("*.sql")):
        if source.stem.endswith(DIALECTS):
            continue
        for dialect in DIALECTS:
            target = source.with_suffix(f".{dialect}.sql")
            text = made(source.read_text(), dialect)
            if not target.exists() or target.read_text() != text:
                stale.append(target.name)
                if "--check" not in sys.argv:
                    target.write_text(text)
    if "--check" in sys.argv and stale:
        sys.exit(f"not what sqlglot {sqlglot.__version__} makes of their sources: {', '.join(stale)}; .ci/lake.d/transpile.py writes them")


if __name__ == "__main__":
    main()
