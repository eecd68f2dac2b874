"""The readers: each gives the columns, the rows, the number of rows and the documented query of the tables of one lake, by its own means.

What an engine read in one step it must not know in the next: refresh makes it forget. at_once is how many questions it is asked at a time.
"""

import glob
import importlib
import os
import sqlite3
import time
import urllib.parse

import canonical


def wait(what, ready):
    deadline = time.monotonic() + 300
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} have not come up")
        time.sleep(0.5)


class Lake:
    """Where a lake is, as an analyst would say it: its catalog, its namespace and the S3-compatible server under it (environment, AWS_*)."""

    def __init__(self, name, kind, uri, location, namespace="rollcall"):
        self.name, self.kind, self.uri, self.location, self.namespace = name, kind, uri, location, namespace
        self.s3 = {"endpoint": os.environ["LAKE_S3"], "region": os.environ["AWS_REGION"],
                   "key": os.environ["AWS_ACCESS_KEY_ID"], "secret": os.environ["AWS_SECRET_ACCESS_KEY"]}

    def metadata(self, table):
        """The address of the table's present metadata, from the SQL catalog's own table."""
        asked = "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = {0} AND table_name = {0}"
        if self.uri.startswith("sqlite:"):
            db = sqlite3.connect(self.uri.removeprefix("sqlite:"))
            mark = "?"
        else:
            db = importlib.import_module("psycopg2").connect(self.uri)
            mark = "%s"
        try:
            cursor = db.cursor()
            cursor.execute(asked.format(mark), (self.namespace, table))
            (address,) = cursor.fetchone()
        finally:
            db.close()
        return address


class PyIceberg:
    """PyIceberg, whose rows are Arrow's. It has no SQL: Arrow sorts for the documented query."""

    name = "PyIceberg"
    at_once = 1

    def __init__(self, lake):
        self.lake = lake

    def about(self):
        return f"PyIceberg {importlib.import_module('pyiceberg').__version__}"

    def refresh(self):
        pass  # each question opens the catalog anew

    def catalog(self):
        from pyiceberg.catalog import load_catalog

        uri = self.lake.uri
        if self.lake.kind == "sql":
            uri = "sqlite:///" + uri.removeprefix("sqlite:") if uri.startswith("sqlite:") else uri.replace("postgres://", "postgresql+psycopg2://", 1)
        s3 = self.lake.s3
        return load_catalog("rollcall", type=self.lake.kind, uri=uri, **{
            "s3.endpoint": s3["endpoint"], "s3.region": s3["region"], "s3.access-key-id": s3["key"], "s3.secret-access-key": s3["secret"]})

    def table(self, table):
        return self.catalog().load_table((self.lake.namespace, table))

    def tables(self):
        return sorted(name for _, name in self.catalog().list_tables(self.lake.namespace))

    def run(self, table):
        """The run that the table says it shows."""
        return self.table(table).properties.get("rollcall.run-id")

    def columns(self, table):
        return [field.name for field in self.table(table).schema().fields]

    def rows(self, table, columns):
        read = self.table(table).scan(selected_fields=tuple(columns)).to_arrow().select(columns)
        return list(zip(*(column.to_pylist() for column in read.columns)))

    def count(self, table):
        return self.table(table).scan().count()

    def documented(self):
        read = self.table("users").scan(selected_fields=tuple(canonical.DOCUMENTED_COLUMNS)).to_arrow().select(canonical.DOCUMENTED_COLUMNS)
        return list(zip(*(column.to_pylist() for column in read.sort_by([("updated_at", "descending")]).columns)))


class SQL:
    """An engine that speaks SQL. It says how it names a table and a column, and how a query's rows are had."""

    def refresh(self):
        pass

    def rows(self, table, columns):
        return self.ask(f"SELECT {', '.join(map(self.quote, columns))} FROM {self.named(table)}")

    def count(self, table):
        return self.ask(f"SELECT count(*) FROM {self.named(table)}")[0][0]

    def documented(self):
        return self.ask(canonical.DOCUMENTED.replace("FROM users", "FROM " + self.named("users")))

    def quote(self, name):
        return '"' + name.replace('"', '""') + '"'


class DuckDB(SQL):
    """DuckDB with its Iceberg extension: through the REST catalog, or, where the catalog is SQL, by the address of a table's metadata."""

    name = "DuckDB"
    at_once = 1

    def __init__(self, lake):
        self.lake = lake

    def about(self):
        return f"DuckDB {importlib.import_module('duckdb').__version__}"

    def refresh(self):
        import duckdb

        con = self.connection = duckdb.connect(config={"allow_unsigned_extensions": "false", "autoinstall_known_extensions": "false"})
        for extension in ("httpfs", "avro", "iceberg"):
            folder = os.path.dirname(importlib.import_module(f"duckdb_extension_{extension}").__file__)
            (path,) = glob.glob(f"{folder}/extensions/v{duckdb.__version__}/{extension}.duckdb_extension")
            con.execute(f"LOAD '{path}'")
        s3 = self.lake.s3
        con.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{s3['key']}', SECRET '{s3['secret']}', REGION '{s3['region']}', "
                    f"ENDPOINT '{s3['endpoint'].removeprefix('http://')}', URL_STYLE 'path', USE_SSL false)")
        if self.lake.kind == "rest":
            con.execute(f"ATTACH '' AS lake (TYPE iceberg, ENDPOINT '{self.lake.uri}', AUTHORIZATION_TYPE 'none')")

    def named(self, table):
        if self.lake.kind == "rest":
            return f"lake.{self.quote(self.lake.namespace)}.{self.quote(table)}"
        return f"iceberg_scan('{self.lake.metadata(table).removeprefix('file://')}')"

    def ask(self, sql):
        return self.connection.execute(sql).fetchall()

    def columns(self, table):
        return [column[0] for column in self.connection.execute(f"SELECT * FROM {self.named(table)} LIMIT 0").description]


class Spark(SQL):
    """Spark with two executors, each a process of its own."""

    name = "Spark"
    at_once = 4
    executors = 2

    def __init__(self, lake):
        from pyspark.sql import SparkSession

        self.lake = lake
        jars = os.environ["LAKE_JARS"]
        catalog = "spark.sql.catalog.lake"
        settings = {
            "spark.jars": ",".join(sorted(glob.glob(f"{jars}/iceberg-spark-runtime-*.jar") + glob.glob(f"{jars}/iceberg-aws-bundle-*.jar"))),
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            catalog: "org.apache.iceberg.spark.SparkCatalog", f"{catalog}.type": "rest", f"{catalog}.uri": lake.uri, f"{catalog}.cache-enabled": "false",
            f"{catalog}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO", f"{catalog}.s3.endpoint": lake.s3["endpoint"],
            f"{catalog}.s3.path-style-access": "true", f"{catalog}.client.region": lake.s3["region"],
            "spark.driver.memory": "768m", "spark.executor.memory": "768m", "spark.sql.shuffle.partitions": "4",
            "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false",
            "spark.local.dir": os.environ["LAKE_WORK"], "spark.sql.session.timeZone": os.environ["TZ"],
        }
        builder = SparkSession.builder.master(f"local-cluster[{self.executors},1,768]").appName("lake")
        for key, setting in settings.items():
            builder = builder.config(key, setting)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")
        status = self.session.sparkContext._jsc.sc().statusTracker()
        wait("Spark's executors", lambda: len(status.getExecutorInfos()) == self.executors + 1)  # the driver is one of them

    def about(self):
        return f"Spark {self.session.version}, {self.executors} executors"

    def quote(self, name):
        return "`" + name.replace("`", "``") + "`"

    def named(self, table):
        return f"lake.{self.quote(self.lake.namespace)}.{self.quote(table)}"

    def ask(self, sql):
        return [tuple(row) for row in self.session.sql(sql).collect()]

    def columns(self, table):
        return self.session.table(self.named(table)).columns

    def rewrite(self, table):
        """Spark's own compaction: data files with fewer deletes and of one size, and no position deletes that nothing needs."""
        whole = "map('rewrite-all', 'true', 'remove-dangling-deletes', 'true')"
        return self.ask(f"CALL lake.system.rewrite_data_files(table => '{self.lake.namespace}.{self.quote(table)}', options => {whole})")


class Trino(SQL):
    """Trino with a coordinator and a worker."""

    name = "Trino"
    at_once = 4
    nodes = 2

    def __init__(self, lake):
        self.lake = lake
        self.port = int(os.environ["LAKE_TRINO"].rsplit(":", 1)[1])
        wait("Trino's nodes", self.ready)

    def about(self):
        ((version,),) = self.ask("SELECT DISTINCT node_version FROM system.runtime.nodes")
        return f"Trino {version}, {self.nodes} nodes"

    def ready(self):
        import trino

        try:
            return self.ask("SELECT count(*) FROM system.runtime.nodes WHERE state = 'active'") == [(self.nodes,)]
        except (trino.exceptions.Error, trino.exceptions.TrinoConnectionError, OSError):
            return False

    def named(self, table):
        return f"lake.{self.quote(self.lake.namespace)}.{self.quote(table)}"

    def ask(self, sql):
        import trino

        with trino.dbapi.connect(host="127.0.0.1", port=self.port, user="lake", timezone=os.environ["TZ"]) as con:
            cursor = con.cursor()
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def columns(self, table):
        return [name for name, *_ in self.ask(f"SHOW COLUMNS FROM {self.named(table)}")]

    def rewrite(self, table):
        return self.ask(f"ALTER TABLE {self.named(table)} EXECUTE optimize")
