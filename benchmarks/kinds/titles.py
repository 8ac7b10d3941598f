"""The plainest likeness there is: words of titles in common, the rare ones above all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np
from scipy import sparse

ALIKE = "most words of the title in common"
_WORD = re.compile(r"[^\W\d_]{3,}")


def alike(keys: Collection[int], titles: Mapping[int, str], most: int = 30) -> dict[int, list[int]]:
    """Of each key the products that are not of `keys`, by the cosine of their titles (TF-IDF), best first."""
    products, rows = list(titles), _rows(list(titles.values()))
    place = {key: at for at, key in enumerate(products)}
    asked = set(keys)
    found = {}
    for key in keys:
        cosines = np.asarray((rows @ rows[place[key]].T).todense()).ravel()
        order = [products[at] for at in np.argsort(-cosines, kind="stable").tolist()]
        found[key] = [other for other in order if other not in asked][:most]
    return found


def _rows(titles: list[str]) -> sparse.csr_matrix:
    """(titles, words), rows of length 1."""
    words = [Counter(_WORD.findall(title.casefold())) for title in titles]
    known = {word: at for at, word in enumerate(dict.fromkeys(w for each in words for w in each))}
    many = Counter(word for each in words for word in each)
    idf = np.array([np.log(len(titles) / many[word]) for word in known])
    columns = [known[word] for each in words for word in each]
    starts = np.cumsum([0, *[len(each) for each in words]])
    shape = (len(titles), len(known))
    found = sparse.csr_matrix((idf[columns], columns, starts), shape=shape)
    length = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1 / np.maximum(length, 1e-12)) @ found)
