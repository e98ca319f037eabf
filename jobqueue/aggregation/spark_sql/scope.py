"""Which columns a name may mean at a place of the SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobqueue.aggregation.collections.database import identifier
from jobqueue.aggregation.spark_sql.typed import Typed
from jobqueue.aggregation.spark_sql.types import ANY, SparkType
from jobqueue.errors import InvalidInput


@dataclass(frozen=True)
class Column:
    """A column of a table or of a SELECT."""

    name: str
    type: SparkType


@dataclass(frozen=True)
class Relation:
    """A relation of FROM. ``open``: its columns are not known yet, so that any name may be one.

    ``hidden``: columns that ``*`` leaves out, since USING has merged them into another's.
    """

    alias: str
    columns: tuple[Column, ...]
    open: bool = False
    hidden: frozenset[str] = frozenset()

    def find(self, name: str) -> Column | None:
        key = name.lower()
        for column in self.columns:
            if column.name.lower() == key:
                return column
        return Column(name, ANY) if self.open else None


@dataclass
class Scope:
    """The relations of one SELECT; ``parent`` is the SELECT around a subquery. ``aliases``: names given so far."""

    relations: list[Relation] = field(default_factory=list)
    parent: Scope | None = None
    aliases: dict[str, Typed] = field(default_factory=dict)

    def column(self, name: str, table: str) -> Typed | None:
        """A column by its name, with ``table`` if the SQL names it; None if it does not exist."""
        candidates = [
            (relation, column)
            for relation in self.relations
            if not table or relation.alias.lower() == table.lower()
            if (column := relation.find(name)) is not None and (table or column.name.lower() not in relation.hidden)
        ]
        closed = [pair for pair in candidates if not pair[0].open]
        if len(closed or candidates) > 1 and closed:
            raise InvalidInput(f"the column {name} is ambiguous: {', '.join(pair[0].alias for pair in closed)} have it")
        if candidates:
            relation, column = (closed or candidates)[0]
            return Typed(f"{identifier(relation.alias)}.{identifier(column.name)}", column.type, name=column.name)
        if self.parent is None:
            return None
        if table and any(not relation.open and relation.find(table) for relation in self.relations):
            raise InvalidInput(
                f"{table}.{name}: {table} is a column of the inner SELECT, in which Spark looks for a field {name}; "
                f"give the outer {table} another name with AS"
            )
        return self.parent.column(name, table)

    def names(self) -> Sequence[str]:
        """All names, for an error."""
        return sorted({column.name for relation in self.relations for column in relation.columns})
