"""Strings that a hostile or confused user might type as a filter."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIELDS = ["tenant", "year", "score", "open", "title", "document_id", "`odd name`", "tenants"]
VALUES = ['"a"', "'b'", "1990", "-1", "0.5", "true", "false", "null", "'it''s'", '"\\""', "1e400"]
SYMBOLS = ["=", "!=", "<", "<=", ">", ">=", "==", "<>", "in", "contains", "is", "not", "and", "or"]
PIECES = [*FIELDS, *VALUES, *SYMBOLS, "(", ")", ",", "`", "'", '"', "\\", ";", "--", "/*", "*/"]
ATTACKS = [
    "' or '1'='1",
    "1=1",
    "true",
    "x' OR 1=1 --",
    "year = 1990) or (tenant = 'b'",
    "year = 1990) or (year != 1990 or year is null",
    "year = 1990 or tenant = 'b'",
    "not tenant = 'a'",
    "not (tenant = 'a' and year = 1)",
    "tenant = 'b' -- ",
    "tenant = 'b' /* ",
    "title = '\\' or meta_tenant = \\'b'",
    "title = 'x\\\\' or tenant = 'b'",
    "title contains ''') OR (meta_tenant = ''b'",
    "`tenant` = 'b' or `meta_tenant` = 'b'",
    "meta_tenant = 'b'",
    "tenant in ('a', 'b')",
    "tenant not in ('a')",
    "year = 1; drop table passages",
    "year = 1 union select * from passages",
    "_rowid > 0",
    "year = (select 1)",
    "title = 'x' || 'y'",
    "tenant = 'b\0'",
    "tenant = 'ａ'",
    "TENANT = 'b'",
    "cast(tenant as int) = 1",
    "year = 1990 or not year = 1990",
    "document_id contains '' or title is null",
]


def hostile_filters(n: int, seed: int) -> Iterator[str]:
    """n strings: attacks, grammar with mutations, deep nesting, huge numbers, random Unicode."""
    rng = random.Random(seed)
    kinds = [_attack, _grammar, _mutated, _pieces, _unicode, _deep, _huge]
    for i in range(n):
        yield kinds[i % len(kinds)](rng)


def _attack(rng: random.Random) -> str:
    text = rng.choice(ATTACKS)
    for _ in range(rng.randrange(3)):
        other = rng.choice(ATTACKS)
        text = rng.choice([f"{text} or {other}", f"({text}) and not ({other})", f"{text}{other}"])
    return text


def _grammar(rng: random.Random, depth: int = 0) -> str:
    if depth < 4 and rng.random() < 0.5:
        joint = rng.choice([" or ", " and ", " OR ", "\tAnd\n"])
        inner = joint.join(_grammar(rng, depth + 1) for _ in range(rng.randint(1, 3)))
        return rng.choice([inner, f"({inner})", f"not ({inner})"])
    return rng.choice(
        [
            f"tenant {rng.choice(SYMBOLS[:8])} {rng.choice(VALUES[:2])}",
            f"year {rng.choice(SYMBOLS[:8])} {rng.randint(1985, 1995)}",
            f"score {rng.choice(SYMBOLS[:8])} {rng.uniform(-1, 1)}",
            f"open {rng.choice(SYMBOLS[:2])} {rng.choice(['true', 'false'])}",
            f"title {rng.choice(['', 'not '])}in ({', '.join(rng.choices(VALUES[:2], k=3))})",
            f"title contains {rng.choice(VALUES[:2])}",
            f"{rng.choice(FIELDS[:6])} is {rng.choice(['', 'not '])}null",
        ]
    )


def _mutated(rng: random.Random) -> str:
    text = list(_grammar(rng))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text) + 1)
        choice = rng.randrange(3)
        if choice == 0:
            text.insert(at, rng.choice(PIECES))
        elif choice == 1 and at < len(text):
            del text[at]
        elif at < len(text):
            text[at] = rng.choice("'\"`\\()=<>!;-/*%_ \0\n0aé")
    return "".join(text)


def _pieces(rng: random.Random) -> str:
    return " ".join(rng.choices(PIECES, k=rng.randint(0, 12)))


def _unicode(rng: random.Random) -> str:
    top = rng.choice([0x80, 0x3000, 0x110000])
    text = "".join(chr(rng.randrange(top)) for _ in range(rng.randint(0, 20)))
    return rng.choice([text, f"title = '{text}'", f'title contains "{text}"', f"`{text}` = 1"])


def _deep(rng: random.Random) -> str:
    n = rng.choice([3, 15, 16, 17, 40, 300, 3000])
    inner = _grammar(rng, depth=4)
    return rng.choice(["(" * n + inner + ")" * n, "not " * n + inner, "(" * n, "not(" * n + inner])


def _huge(rng: random.Random) -> str:
    number = rng.choice(
        [
            str(rng.getrandbits(rng.choice([31, 53, 63, 64, 65, 400]))),
            "9" * rng.choice([19, 400, 5000]),
            f"1e{rng.choice([18, 19, 308, 309, 99999])}",
            f"-{2**63}",
            "0" * 500 + "1",
            "." + "0" * 400 + "1",
        ]
    )
    field = rng.choice(["year", "score", "tenant", "title"])
    return rng.choice(
        [f"{field} {rng.choice(SYMBOLS[:8])} {number}", f"{field} in ({number}, 1990)"]
    )
