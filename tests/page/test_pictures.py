"""The page looks as its reference pictures; `make screenshots ARGS=--update` takes them anew."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser

from tests.page.pictures import PICTURES, Pixels, Servers, compare, file_of, palette_png, pixels, take

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
MAX_BYTES = 1_500_000


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(tmp_path_factory.mktemp("servers")) as started:
        yield started


@pytest.mark.parametrize("name", PICTURES)
async def test_the_page_looks_as_its_reference_picture(
    browser: Browser, servers: Servers, tmp_path: Path, name: str
) -> None:
    reader = await browser.new_page()
    try:
        reference = await pixels(reader, file_of(name).read_bytes())
        taken = await pixels(reader, await take(browser, PICTURES[name], servers))
    finally:
        await reader.close()
    difference = compare(reference, taken)
    if not difference.is_small:
        file_of(name, tmp_path).write_bytes(palette_png(taken))
        mask = np.repeat(np.where(difference.mask, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
        file_of(f"{name}-difference", tmp_path).write_bytes(palette_png(mask))
    assert difference.is_small, (
        f"{difference.share:.2%} of all pixels differ, {difference.block_share:.0%} of one block; look at "
        f"the pictures in {tmp_path}, and run `make screenshots ARGS=--update` where the change is intended"
    )


async def test_the_pictures_are_small_together_and_none_is_left_over() -> None:
    files = list(file_of("x").parent.glob("*.png"))
    assert {file.stem for file in files} == PICTURES.keys()
    assert sum(file.stat().st_size for file in files) <= MAX_BYTES


def _drawn(*, shift: int = 0, sign: bool = True) -> Pixels:
    """A window with lines of text-like strokes, and a sign of 40 x 40 pixels."""
    image = np.full((768, 1366, 3), 230, dtype=np.uint8)
    image[100:700:24, 40:1200:3] = 30
    if sign:
        image[300 + shift : 340 + shift, 600:640] = (200, 40, 40)
    return image


async def test_a_missing_sign_is_a_difference_and_another_rounding_of_edges_is_none() -> None:
    assert compare(_drawn(), _drawn()).share == 0
    assert not compare(_drawn(), _drawn(sign=False)).is_small
    assert not compare(_drawn(), _drawn(shift=20)).is_small
    softer = _drawn()
    softer[100:700:24, 40:1200:3] = 60
    assert compare(_drawn(), softer).is_small


async def test_a_palette_keeps_the_colours(browser: Browser) -> None:
    reader = await browser.new_page()
    image = _drawn()
    assert np.array_equal(await pixels(reader, palette_png(image)), image)
    await reader.close()
