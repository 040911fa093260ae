"""The codes in files of vectors, computed again with NumPy from the f32 rows and FORMAT.md, value by value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from formats.reader import Codes, File, codes
from ragstone import _core

Floats = NDArray[np.float64]

MASK = 2**64 - 1


def mixed(index: int) -> int:
    """The mixer m of section 6.1."""
    state = 0x52414753544F4E45 + (index + 1) * 0x9E3779B97F4A7C15 & MASK
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
    state = (state ^ state >> 27) * 0x94D049BB133111EB & MASK
    return state ^ state >> 31


def rotation(size: int) -> Floats:
    """R as a matrix whose transpose is applied to rows from the right, in float64."""
    window = 1 << size.bit_length() - 1
    hadamard = np.ones((1, 1))
    while len(hadamard) < window:
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    matrix = np.eye(size)
    for rounds in range(4):
        signs = np.array([1 - 2 * (mixed(rounds * window + index) & 1) for index in range(window)])
        rows = slice(0, window) if rounds % 2 == 0 else slice(size - window, size)
        matrix[rows] = hadamard @ (matrix[rows] * signs[:, np.newaxis] / np.sqrt(window))
    assert np.allclose(matrix @ matrix.T, np.eye(size), atol=1e-12)
    return matrix


def lumpy(random: np.random.Generator, count: int, size: int) -> Floats:
    """Vectors around a common centre, with a few dimensions that are much larger than the others."""
    spread = np.where(random.random(size) < 0.05, 5.0, 1.0)
    rows = random.standard_normal((count, size)) * spread + 0.5 * random.standard_normal(size)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def saved(path: Path, rows: Floats) -> tuple[File, Floats]:
    """A file of these vectors, and what it holds of them."""
    index = _core.DenseIndex(rows.shape[1])
    index.add(rows.astype(np.float32), None)
    index.save(path)
    file = File(path, "DIDX")
    stored = np.array(file.column("vec.f32", "f")).reshape(len(rows), -1)[:, : rows.shape[1]]
    assert np.allclose(stored, rows, atol=1e-6)
    return file, stored


@pytest.fixture(scope="module", params=[16, 17, 24, 64, 100, 256, 384])
def coded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Codes, Floats, Floats]:
    """Codes, the stored vectors, and those centred and rotated; the last block is not full."""
    size: int = request.param
    random = np.random.default_rng(size)
    file, stored = saved(tmp_path_factory.mktemp("codes") / "vectors", lumpy(random, 601, size))
    found = codes(file)
    assert found is not None
    return found, stored, (stored - np.array(found.center)) @ rotation(size).T


def test_the_centre_is_the_mean_of_the_sample(tmp_path: Path) -> None:
    """Catches a centre of other rows than the page says."""
    random = np.random.default_rng(1)
    for count, every in ((300, 1), (20_000, 2), (33_000, 3)):
        rows = random.standard_normal((count, 16))
        rows[::every, 0] += 2  # so that no other sample has this mean
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        file, stored = saved(tmp_path / "vectors", rows)
        assert np.allclose(file.column("vec.center", "f"), stored[::every].mean(axis=0), atol=1e-7)


def test_bits_are_the_signs(coded: tuple[Codes, Floats, Floats]) -> None:
    """Catches another rotation, another order of bits, and rows or bytes in other places."""
    found, _, rotated = coded
    clear = np.abs(rotated) > 1e-6
    assert clear.mean() > 0.999
    assert np.array_equal(np.array(found.bits)[clear], (rotated > 0)[clear])


def test_factors_and_offsets(coded: tuple[Codes, Floats, Floats]) -> None:
    """Catches other formulas, swapped halves, and rounding that cuts."""
    found, stored, rotated = coded
    factors = (rotated**2).sum(axis=1) / np.abs(rotated).sum(axis=1)
    center = np.array(found.center)
    offsets = (stored - center) @ center
    for values, right in ((found.factors, factors), (found.offsets, offsets)):
        off = np.array(values) - right
        assert np.all(np.abs(off) <= np.abs(right) * 2**-8 + 1e-7)
        assert abs((off / np.abs(right)).mean()) < 2**-10, "on average rounding changes nothing"


def test_integers_are_the_nearest_steps(coded: tuple[Codes, Floats, Floats]) -> None:
    """Catches integers of other values, and steps that waste range."""
    found, _, rotated = coded
    integers, steps = np.array(found.integers), np.array(found.steps)[:, np.newaxis]
    assert np.allclose(steps[:, 0], np.abs(rotated).max(axis=1) / 127, rtol=1e-5)
    assert np.all(np.abs(integers).max(axis=1) == 127)
    assert np.all(np.abs(rotated - integers * steps) <= 0.501 * steps + 1e-6)


def test_residuals_bound_what_rounding_took_away(coded: tuple[Codes, Floats, Floats]) -> None:
    """Catches a bound that could exclude a row from its own answer, and one that is needlessly wide."""
    found, _, rotated = coded
    lost = np.linalg.norm(rotated - np.array(found.integers) * np.array(found.steps)[:, np.newaxis], axis=1)
    assert np.all(np.array(found.residuals) >= lost)
    assert np.all(np.array(found.residuals) <= lost * 1.001 + 1e-5)


def test_cosines_lie_within_the_bound_of_the_integers(coded: tuple[Codes, Floats, Floats]) -> None:
    """Catches a formula of the page that does not give what it promises."""
    found, stored, _ = coded
    queries = np.concatenate([lumpy(np.random.default_rng(2), 40, stored.shape[1]), stored[:10]])
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    products = np.array(found.integers) @ (queries @ rotation(stored.shape[1]).T).T
    told = np.array(found.steps)[:, np.newaxis] * products + np.array(found.center) @ queries.T
    off = np.abs(told - stored @ queries.T) / np.array(found.residuals)[:, np.newaxis]
    assert np.all(off <= 1)
    assert off.max() > 0.05


def test_estimates_are_right_on_average(coded: tuple[Codes, Floats, Floats]) -> None:
    """Catches a bias, and errors larger than the page says."""
    found, stored, rotated = coded
    size = stored.shape[1]
    center = np.array(found.center)
    # Queries that have nothing to do with the rows: what an estimate gets wrong is then its noise alone.
    queries = np.random.default_rng(3).standard_normal((300, size))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    turned = (queries - center) @ rotation(size).T
    signs = 2 * np.array(found.bits) - 1
    told = np.array(found.factors)[:, np.newaxis] * (signs @ turned.T) + center @ queries.T
    off = told + np.array(found.offsets)[:, np.newaxis] - stored @ queries.T
    lengths = np.linalg.norm(rotated, axis=1)[:, np.newaxis] * np.linalg.norm(turned, axis=1)
    off /= lengths / np.sqrt(size)
    assert abs(off.mean()) < 0.03
    # The part of a query along the row adds no noise: in few dimensions that is noticeable.
    assert off.std() == pytest.approx(np.sqrt(np.pi / 2 - 1), rel=0.1 if size < 64 else 0.03)


@pytest.mark.parametrize("count", [1, 64, 65, 1000])
def test_equal_vectors_have_codes_that_say_nothing_wrong(count: int, tmp_path: Path) -> None:
    """Catches a division by nothing, and a residual that is smaller than what the codes leave out."""
    rows = np.repeat(lumpy(np.random.default_rng(4), 1, 40), count, axis=0)
    file, stored = saved(tmp_path / "vectors", rows)
    found = codes(file)
    assert found is not None
    rotated = (stored - np.array(found.center)) @ rotation(40).T
    told = np.array(found.integers) * np.array(found.steps)[:, np.newaxis]
    assert np.all(np.isfinite(found.factors))
    assert np.all(np.array(found.residuals) >= np.linalg.norm(rotated - told, axis=1))


@pytest.mark.parametrize(("size", "has_codes"), [(15, False), (16, True), (6553, True), (6554, False)])
def test_which_dimensions_have_codes(size: int, has_codes: bool, tmp_path: Path) -> None:
    """Catches codes of a dimension that has none by the page, or none where it has some."""
    file, _ = saved(tmp_path / "vectors", lumpy(np.random.default_rng(5), 3, size))
    assert (codes(file) is not None) == has_codes
