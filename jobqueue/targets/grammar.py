"""The grammar of the target language, for lark."""

from __future__ import annotations

#: Characters that make a word out of a keyword before them: ``and:x`` is a label, ``not-a-host`` a hostname.
_GOES_ON = r"(?![A-Za-z0-9._\/*?\[:=<>~!,-])"

GRAMMAR = rf"""
start: expression

?expression: sample | disjunction
sample: QUANTITY [PER WORD] OF expression
?disjunction: conjunction (OR conjunction)*
?conjunction: negation (AND negation)*
?negation: NOT negation -> negated
         | atom
?atom: OPEN expression ")" -> group
     | hosts
     | WORD OPERATOR value -> match
     | STORED -> stored
hosts: host (COMMA host)*
host: WORD | STRING
value: WORD | STRING

QUANTITY.3: /[0-9]+(\.[0-9]+)?%|[0-9]+(?=\s+(of|per)(?![A-Za-z0-9._:-]))/i
AND.2: /and{_GOES_ON}/i
OR.2: /or{_GOES_ON}/i
NOT.2: /not{_GOES_ON}/i
OF.2: /of{_GOES_ON}/i
PER.2: /per{_GOES_ON}/i
WORD: /([A-Za-z0-9._\/*?-]|\[[^\]\[\s]*\])+/
STRING: /"([^"\x00-\x1f\x7f]|"")*"|'([^'\x00-\x1f\x7f]|'')*'/
STORED: /@[A-Za-z0-9][A-Za-z0-9._-]*/
OPERATOR: /:|==?|!=|!~|~|<=?|>=?/
OPEN: "("
COMMA: ","

%ignore /[ \t\r\n]+/
"""

#: What the parser expects, in words; terminals that are not here are not named.
WORDS = {
    "WORD": "a hostname or key:value",
    "OPEN": "'('",
    "NOT": "'not'",
    "QUANTITY": "a sample such as '10% of'",
    "STORED": "a stored target such as @name",
    "AND": "'and'",
    "OR": "'or'",
    "OF": "'of'",
    "PER": "'per'",
    "COMMA": "','",
    "OPERATOR": "':' or a comparison",
    "RPAR": "')'",
    "$END": "the end",
}
