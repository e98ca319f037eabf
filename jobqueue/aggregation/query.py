"""SQL of users: read as Spark's, checked to be one SELECT over collections and nothing else, written for an engine."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from jobqueue.aggregation.functions import FUNCTIONS
from jobqueue.aggregation.parameters import fill_in
from jobqueue.collections.name import table_key, table_name
from jobqueue.errors import InvalidInput

_DIALECT = "spark"
_LONGEST = 1_000_000
#: Literals, quoted names and comments, which are left alone; or a name with hyphens.
_HYPHENS = re.compile(
    r"""(?P<skip>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|--[^\n]*|/\*.*?\*/)|(?<![\w-])[A-Za-z_]\w*(?:-\w+)+""",
    re.DOTALL,
)
_BEFORE_TABLE = re.compile(r"\b(?:from|join)\s*$", re.IGNORECASE)
#: What a query may not hold, wherever in it. Scripts of Hive's TRANSFORM would run on the host.
_REFUSED: Mapping[type, str] = {
    exp.DDL: "a definition",
    exp.DML: "a change of data",
    exp.Command: "a command",
    exp.Into: "INTO",
    exp.QueryTransform: "TRANSFORM",
    exp.Set: "SET",
    exp.Pragma: "PRAGMA",
    exp.Placeholder: "a placeholder",
    exp.Parameter: "a variable",
    exp.SessionParameter: "a variable",
    exp.ReadCSV: "read_csv",
    exp.ReadParquet: "read_parquet",
}
#: Functions that read the host, its settings or its files, wait, or run code; in DuckDB or in Spark.
_REFUSED_FUNCTIONS = re.compile(
    r"""(?ix) (?: read_\w+ | parquet_\w+ | pragma_\w+ | duckdb_\w+ | sniff_\w+ | \w*_scan | \w*_scan_\w+ | glob
    | query | query_table | json_execute_\w+ | which_secret | add_parquet_key | getenv | getvariable | set_?config
    | current_setting | \w*sleep\w* | nextval | currval | setval | write_log | current_query\w* | in_search_path
    | current_connection_id | \w+_external_resource\w* | \w*_privilege | copy_database | import_database | http_\w+
    | ai_\w+ | user_agent | platform | storage_info | enable_\w+ | disable_\w+ | stats
    | reflect | try_reflect | java_method | input_file_\w+ | identifier | xpath\w* )"""
)
#: What may stand where a table stands and is made from values alone.
_GENERATORS = {"explode", "explode_outer", "posexplode", "posexplode_outer", "inline", "unnest"}


@dataclass(frozen=True)
class Query:
    """A SELECT. ``text`` is what is shown: Spark's SQL, all filled in. ``tables`` are the keys of what it reads.

    ``columns``: key of a table -> the columns of it that the query surely means.
    """

    text: str
    tree: exp.Query
    tables: frozenset[str]
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def sql(self, dialect: str) -> str:
        """The SELECT for "duckdb" or "spark"; raises ``InvalidInput`` for what the engine cannot do."""
        try:
            return self.tree.sql(dialect, comments=False, unsupported_level=sqlglot.ErrorLevel.RAISE)
        except SqlglotError as error:
            raise InvalidInput(f"This cannot be run on {dialect}: {_one_line(error)}") from error

    @property
    def grouped_by(self) -> list[str]:
        """The names of the columns that the outermost SELECT groups by, sorted."""
        group = self.tree.args.get("group")
        columns = group.expressions if isinstance(group, exp.Group) else []
        return sorted({column.name for column in columns if isinstance(column, exp.Column)})


def prepare(text: str, values: Mapping[str, str], own: Collection[str], known: Collection[str], what: str) -> Query:
    """Make a query of what a user wrote.

    ``values`` are the parameters. ``own`` are the run's collections, whose names may have hyphens anywhere in the SQL;
    those of all ``known`` collections may have them behind FROM and JOIN. ``what`` names the SQL in errors. Raises
    ``InvalidInput``.
    """
    if len(text) > _LONGEST:
        raise InvalidInput(f"{what}: is longer than {_LONGEST} characters.")
    shown = _without_hyphens(fill_in(text, values), own, known)
    try:
        tree = _parse(shown)
        _check(tree)
        tables = _tables(tree, {table_key(name) for name in (*own, *known)})
        return Query(shown, _written_out(tree), tables, _columns(tree))
    except SqlglotError as error:
        raise InvalidInput(f"{what}: {_one_line(error)}") from error
    except InvalidInput as error:
        raise InvalidInput(f"{what}: {error.message}") from error
    except RecursionError:
        raise InvalidInput(f"{what}: is nested too deeply.") from None


def trusted(text: str) -> Query:
    """A query of our own, in Spark's SQL."""
    return Query(text, _parse(text), frozenset())


def _without_hyphens(text: str, own: Collection[str], known: Collection[str]) -> str:
    def replace(match: re.Match[str]) -> str:
        name = match[0]
        if match["skip"] is not None:
            return name
        is_table = _BEFORE_TABLE.search(text, max(0, match.start() - 40), match.start()) is not None
        is_prefix = text[match.end() : match.end() + 1] == "."
        if name in own or (name in known and (is_table or is_prefix)):
            return table_name(name)
        return name

    return _HYPHENS.sub(replace, text)


def _parse(text: str) -> exp.Query:
    trees = [tree for tree in sqlglot.parse(text, read=_DIALECT) if tree is not None]
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise InvalidInput("must be one SELECT.")
    for hint in list(trees[0].find_all(exp.Hint)):  # advice for Spark's planner
        hint.pop()
    return trees[0]


def _check(tree: exp.Query) -> None:
    for node in tree.walk():
        for kind, name in _REFUSED.items():
            if isinstance(node, kind):
                raise InvalidInput(f"{name} is not allowed; it must be one SELECT over collections.")
        if isinstance(node, exp.Func):
            name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
            if _REFUSED_FUNCTIONS.fullmatch(name):
                raise InvalidInput(f"the function {name.lower()} is not allowed.")


def _tables(tree: exp.Query, known: Collection[str]) -> frozenset[str]:
    found = set()
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Func):
            name = table.this.name if isinstance(table.this, exp.Anonymous) else table.this.sql_name()
            if name.lower() not in _GENERATORS:
                raise InvalidInput(f"{name.lower()} cannot stand where a table does.")
            continue
        if table.args.get("db") or table.args.get("catalog") or not isinstance(table.this, exp.Identifier):
            raise InvalidInput(f"{table.sql(_DIALECT)[:200]} is not the name of a collection.")
        key = table_key(table.name)
        table.this.set("this", table_name(table.name))
        if key in known:
            found.add(key)
        elif not _is_of_the_query(table):
            raise InvalidInput(f"there is no collection {table.name[:200]!r}.")
    return frozenset(found)


def _is_of_the_query(table: exp.Table) -> bool:
    """Whether a WITH that holds where ``table`` stands gives this name: elsewhere it would be one of the engine's."""
    way = [table, *_ancestors(table)]
    for place in way:
        if not isinstance(place, exp.Query):
            continue
        for cte in place.ctes:
            is_same = cte.alias.lower() == table.name.lower()
            if any(cte is step for step in way):  # within its own definition: only what stands before it holds there
                if is_same and _is_recursive(cte):
                    return True
                break
            if is_same:
                return True
    return False


def _ancestors(node: exp.Expression) -> Iterator[exp.Expression]:
    parent = node.parent
    while isinstance(parent, exp.Expression):
        yield parent
        parent = parent.parent


def _is_recursive(cte: exp.Expression) -> bool:
    return isinstance(cte.parent, exp.With) and bool(cte.parent.args.get("recursive"))


def _columns(tree: exp.Query) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for scope in traverse_scope(tree):
        # a bare name is the only table's, unless this SELECT gives something that name
        only = next(iter(scope.sources.values())) if len(scope.sources) == 1 else None
        selects = scope.expression.selects if isinstance(scope.expression, exp.Query) else []
        given = {select.alias.lower() for select in selects if isinstance(select, exp.Alias)}
        for column in scope.columns:
            bare = only if column.name.lower() not in given else None
            source: exp.Expression | Scope | None = scope.sources.get(column.table) if column.table else bare
            if isinstance(source, exp.Table):
                found.setdefault(table_key(source.name), set()).add(column.name)
    return {key: frozenset(names) for key, names in found.items()}


def _written_out(tree: exp.Query) -> exp.Query:
    def one(node: exp.Expression) -> exp.Expression:
        function = FUNCTIONS.get(node.name.upper()) if isinstance(node, exp.Anonymous) else None
        return function(node) if function and isinstance(node, exp.Anonymous) else node

    written = tree.transform(one)
    if not isinstance(written, exp.Query):
        raise InvalidInput("must be one SELECT.")
    return written


def _one_line(error: SqlglotError) -> str:
    # sqlglot underlines the place in the SQL by the terminal's codes
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())[:1000]
