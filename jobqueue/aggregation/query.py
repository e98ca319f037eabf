"""User SQL: parsed as Spark's, checked to be a single SELECT over collections, written for an engine."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.tokens import TokenType

from jobqueue.aggregation.collections.name import is_name, table_key, table_name
from jobqueue.aggregation.functions import FUNCTIONS
from jobqueue.aggregation.parameters import fill_in
from jobqueue.aggregation.spark_sql.dialect import SparkAsWritten
from jobqueue.aggregation.spark_sql.relations import Relations
from jobqueue.aggregation.spark_sql.scope import Column
from jobqueue.errors import InvalidInput

_DIALECT = SparkAsWritten
_LONGEST = 1_000_000
#: Literals, quoted names and comments, which are left alone; or a name with hyphens.
_HYPHENS = re.compile(
    r"""(?P<skip>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|--[^\n]*|/\*.*?\*/)|(?<![\w-])[A-Za-z_]\w*(?:-\w+)+""",
    re.DOTALL,
)
_BEFORE_TABLE = re.compile(r"\b(?:from|join)\s*$", re.IGNORECASE)
#: A name with hyphens that stands where a table does.
_TABLE = re.compile(r"\b(?:from|join)\s+([A-Za-z_]\w*(?:-\w+)+)", re.IGNORECASE)


@dataclass(frozen=True)
class Query:
    """A SELECT. ``text`` is what is shown: Spark's SQL, all filled in. ``tables`` are the keys of what it reads.

    ``columns``: key of a table -> the columns of it that the query surely means.
    """

    text: str
    tree: exp.Query
    tables: frozenset[str]
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def for_spark(self) -> str:
        """The SELECT for Spark."""
        return self.tree.sql("spark", comments=False)

    def for_duckdb(self, tables: Mapping[str, Sequence[Column]]) -> tuple[str, Sequence[Column]]:
        """The SELECT for DuckDB, and its columns. ``tables``: key -> the columns of what it reads.

        Raises ``InvalidInput`` for SQL that is not proved to give the same result as in Spark.
        """
        try:
            sql, relation = Relations(tables).query(self.tree)
        except RecursionError:
            raise InvalidInput("is nested too deeply.") from None
        return sql, relation.columns

    @property
    def grouped_by(self) -> list[str]:
        """The names of the columns that the outermost SELECT groups by, sorted."""
        group = self.tree.args.get("group")
        columns = group.expressions if isinstance(group, exp.Group) else []
        return sorted({column.name for column in columns if isinstance(column, exp.Column)})


def prepare(
    text: str, values: Mapping[str, str], own: Collection[str], collections: Collection[str] | None, subject: str
) -> Query:
    """Make a query of what a user wrote.

    ``values`` are the parameters. ``own`` are the run's collections, whose names may have hyphens anywhere in the SQL;
    those of ``collections``, which are all, may have them after FROM and JOIN; None: which collections exist is
    unknown here, so that every name may be one. ``subject`` names the SQL in errors. Raises ``InvalidInput``.
    """
    if len(text) > _LONGEST:
        raise InvalidInput(f"{subject}: is longer than {_LONGEST} characters.")
    filled = fill_in(text, values)
    names = _TABLE.findall(filled) if collections is None else collections
    shown = _without_hyphens(filled, own, names)
    try:
        tree = _parse(shown)
        tables = _tables(tree, {*map(table_key, own)}, None if collections is None else {*map(table_key, collections)})
        written = _written_out(tree)
        Relations(None).query(written)
        return Query(shown, written, tables, _columns(tree))
    except SqlglotError as error:
        raise InvalidInput(f"{subject}: {_one_line(error)}") from error
    except InvalidInput as error:
        raise InvalidInput(f"{subject}: {error.message}") from error
    except RecursionError:
        raise InvalidInput(f"{subject}: is nested too deeply.") from None


def trusted(text: str) -> Query:
    """A query written by jobqueue, in Spark's SQL."""
    return Query(text, _parse(text), frozenset())


def _without_hyphens(text: str, own: Collection[str], collections: Collection[str]) -> str:
    def replace(match: re.Match[str]) -> str:
        name = match[0]
        if match["skip"] is not None:
            return name
        is_table = _BEFORE_TABLE.search(text, max(0, match.start() - 40), match.start()) is not None
        is_prefix = text[match.end() : match.end() + 1] == "."
        if name in own or (name in collections and (is_table or is_prefix)):
            return table_name(name)
        return name

    return _HYPHENS.sub(replace, text)


def _parse(text: str) -> exp.Query:
    dialect = _DIALECT()
    tokens = dialect.tokenize(text)
    if any(token.token_type == TokenType.PIPE_GT for token in tokens):
        raise InvalidInput("|> is not allowed; write the query as one SELECT.")
    trees = [tree for tree in dialect.parser().parse(tokens, text) if tree is not None]
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise InvalidInput("must be one SELECT.")
    for hint in list(trees[0].find_all(exp.Hint)):  # advice for Spark's planner
        hint.pop()
    for node in trees[0].find_all(exp.Alias, exp.TableAlias):
        alias = node.args.get("alias" if isinstance(node, exp.Alias) else "this")
        if alias is not None and not isinstance(alias, exp.Identifier):
            raise InvalidInput(f"{alias.sql(_DIALECT)[:80]!r} is not a name that AS can give.")
    return trees[0]


def _tables(tree: exp.Query, own: Collection[str], collections: Collection[str] | None) -> frozenset[str]:
    tables = set()
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Anonymous):
            continue  # ``Relations`` knows which functions may stand there
        if table.args.get("db") or table.args.get("catalog") or not isinstance(table.this, exp.Identifier):
            raise InvalidInput(f"{table.sql(_DIALECT)[:200]} is not the name of a collection.")
        key, name = table_key(table.name), table.name
        table.this.set("this", table_name(name))
        if collections is not None and (key in own or key in collections):
            tables.add(key)
        elif key in own or _is_of_the_query(table):
            continue
        elif collections is not None:
            raise InvalidInput(f"unknown collection {name[:200]!r}.")
        elif not is_name(name):
            raise InvalidInput(f"{name[:200]!r} is not the name of a collection.")
    return frozenset(tables)


def _is_of_the_query(table: exp.Table) -> bool:
    """Whether a WITH that holds where ``table`` stands gives this name: elsewhere it would be one of the engine's."""
    nodes = [table, *_ancestors(table)]
    for node in nodes:
        if not isinstance(node, exp.Query):
            continue
        for cte in node.ctes:
            is_same = cte.alias.lower() == table.name.lower()
            if any(cte is step for step in nodes):  # within its own definition: only what stands before it holds there
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
    columns: dict[str, set[str]] = {}
    for scope in traverse_scope(tree):
        # a bare name is the only table's, unless this SELECT gives something that name
        only = next(iter(scope.sources.values())) if len(scope.sources) == 1 else None
        selects = scope.expression.selects if isinstance(scope.expression, exp.Query) else []
        aliases = {select.alias.lower() for select in selects if isinstance(select, exp.Alias)}
        for column in scope.columns:
            bare = only if column.name.lower() not in aliases else None
            source: exp.Expression | Scope | None = scope.sources.get(column.table) if column.table else bare
            if isinstance(source, exp.Table):
                columns.setdefault(table_key(source.name), set()).add(column.name)
    return {key: frozenset(names) for key, names in columns.items()}


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
