"""Reference pictures of the page: which there are, how one is taken, and how two are compared.

The data and all clocks stand still, and the fonts are those of `make servers`. The comparison is made at half
the size, so that another rounding of a glyph's edge is no difference.
"""

import base64
import struct
import zlib
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Browser, Page

from qilu.web.tokens import new_token, write_tokens
from tests.page.browser import PROJECT, WAIT_MS, serve

FOLDER = PROJECT / "tests" / "page" / "pictures"
AT = datetime(2026, 11, 30, 11, 47, tzinfo=UTC)
_AT_MS = int(AT.timestamp() * 1000)
MAX_SHARE = 0.005
"""Share of all pixels that may differ."""
MAX_BLOCK_SHARE = 0.15
"""Share of the pixels of one block of 32 x 32 that may differ: a sign that is missing fills more."""
_FONTS = (
    '*, *::before { font-family: "DejaVu Sans", "WenQuanYi Micro Hei" !important;'
    " caret-color: transparent !important; }"
)
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """One picture: the view, the window, and what the server is asked for."""

    view: str
    size: str = "1366x768"
    language: str = "zh"
    scheme: str = "light"
    served: tuple[str, ...] = ()
    selector: str = "#sentence[data-code]"
    """What is there once the view is whole."""
    silent: bool = False
    """Nothing comes over the socket."""


PICTURES: Mapping[str, Picture] = {
    "overview-wrong": Picture("overview", served=("--wrong",)),
    "overview-wide-en-dark": Picture("overview", "1920x1080", "en", "dark"),
    "overview-phone-dark": Picture("overview", "360x780", scheme="dark", served=("--wrong",)),
    "overview-empty": Picture("overview", served=("--devices", "0"), selector=".empty"),
    "overview-loading": Picture("overview", "360x780", silent=True, selector="[aria-busy=true]"),
    "devices-en": Picture("devices", language="en", served=("--wrong",), selector=".row-device"),
    "device": Picture("device/compressor-1", selector=".chart canvas"),
    "device-phone-en": Picture("device/compressor-1", "360x780", "en", selector=".chart canvas"),
    "registers-dark": Picture("device/pump-1/registers", scheme="dark", selector=".decodings td"),
    "delivery-dark": Picture("delivery", scheme="dark", served=("--wrong",), selector=".panels"),
    "events-phone-en": Picture("events", "360x780", "en", selector=".events li"),
    "factory-story": Picture("factory", served=("--story",), selector="#story"),
    "day-en": Picture("day/2026-11-30", language="en", selector=".day-table"),
    "wall-wrong": Picture("wall", "1920x1080", served=("--wrong",)),
    "wall-en-dark": Picture("wall", "1920x1080", "en", "dark"),
    "refused": Picture("overview", "360x780", served=("--tokens", "TOKENS"), selector="#token"),
}


class Servers:
    """One server for each set of arguments, with its data and its clock standing still."""

    def __init__(self, folder: Path) -> None:
        self._tokens = folder / "tokens.json"
        self._urls: dict[tuple[str, ...], str] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        write_tokens(self._tokens, [new_token("viewer", "2026-12-01T00:00:00Z")[1]])
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def url(self, arguments: tuple[str, ...]) -> str:
        """The address of the server with these arguments; TOKENS stands for a file of tokens."""
        if arguments not in self._urls:
            given = [str(self._tokens) if argument == "TOKENS" else argument for argument in arguments]
            self._urls[arguments] = self._stack.enter_context(serve("--frozen", str(_AT_MS), *given)).url
        return self._urls[arguments]


async def take(browser: Browser, picture: Picture, servers: Servers) -> bytes:
    """The picture as PNG."""
    width, height = map(int, picture.size.split("x"))
    context = await browser.new_context(
        locale="zh-CN" if picture.language == "zh" else "en-GB",
        color_scheme="dark" if picture.scheme == "dark" else "light",
        timezone_id="Asia/Shanghai",
        viewport={"width": width, "height": height},
        is_mobile=width < 700,
        has_touch=width < 700,
        bypass_csp=True,  # for the style that names the fonts
    )
    try:
        page = await context.new_page()
        page.set_default_timeout(WAIT_MS)
        await page.clock.set_fixed_time(AT)
        if picture.silent:
            await page.route_web_socket("**/live", lambda _: None)
        await page.goto(f"{servers.url(picture.served)}#/{picture.view}")
        await page.add_style_tag(content=_FONTS)
        await page.locator(picture.selector).first.wait_for()
        await page.evaluate("document.fonts.ready")
        return await _still(page)
    finally:
        await context.close()


async def _still(page: Page) -> bytes:
    """The first picture that is the same as the one before: all requests are answered and drawn."""
    now = former = b""
    for _ in range(20):
        await page.wait_for_timeout(300)
        now = await page.screenshot(animations="disabled")
        if now == former:
            break
        former = now
    return now


async def pixels(page: Page, png: bytes) -> Pixels:
    """The colours of a PNG, decoded by the browser: rows x columns x 3."""
    code = """async text => {
        const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
        const image = await createImageBitmap(new Blob([bytes], {type: 'image/png'}));
        const canvas = new OffscreenCanvas(image.width, image.height);
        const context = canvas.getContext('2d');
        context.drawImage(image, 0, 0);
        const data = context.getImageData(0, 0, image.width, image.height).data;
        let letters = '';
        for (let at = 0; at < data.length; at += 32768)
            letters += String.fromCharCode(...data.subarray(at, at + 32768));
        return [image.width, image.height, btoa(letters)];
    }"""
    width, height, text = await page.evaluate(code, base64.b64encode(png).decode())
    rgba = np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(height, width, 4)
    return rgba[:, :, :3]


@dataclass(frozen=True)
class Difference:
    """Shares of pixels that differ: of all, and of the worst block. `mask` is at half the size."""

    share: float
    block_share: float
    mask: NDArray[np.bool_]

    @property
    def is_small(self) -> bool:
        """Whether a reader would see the same picture."""
        return self.share <= MAX_SHARE and self.block_share <= MAX_BLOCK_SHARE


def compare(reference: Pixels, taken: Pixels, threshold: int = 40) -> Difference:
    """How far two pictures differ; those of other sizes differ wholly."""
    if reference.shape != taken.shape:
        return Difference(1.0, 1.0, np.ones((1, 1), dtype=np.bool_))
    distance = np.abs(_half(reference) - _half(taken)).max(axis=2)
    mask = distance > threshold
    rows, columns = (mask.shape[0] // 32) * 32, (mask.shape[1] // 32) * 32
    blocks = mask[:rows, :columns].reshape(rows // 32, 32, columns // 32, 32).mean(axis=(1, 3))
    return Difference(float(mask.mean()), float(blocks.max(initial=0.0)), mask)


def _half(image: Pixels) -> NDArray[np.int16]:
    rows, columns = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    cut = image[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2, 3)
    half: NDArray[np.int16] = cut.mean(axis=(1, 3)).astype(np.int16)
    return half


def palette_png(image: Pixels, colors: int = 96) -> bytes:
    """A PNG with a palette of the most frequent colours; every other pixel has the nearest of them."""
    height, width, _ = image.shape
    packed = image.astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)
    found, inverse, counts = np.unique(packed.ravel(), return_inverse=True, return_counts=True)
    chosen = found[np.argsort(-counts, kind="stable")[:colors]]
    palette = np.stack([chosen >> 16, chosen >> 8 & 255, chosen & 255], axis=1).astype(np.int32)
    every = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.int32)
    nearest = np.concatenate(
        [
            ((part[:, None, :] - palette[None, :, :]) ** 2).sum(axis=2).argmin(axis=1)
            for part in np.array_split(every, max(1, len(every) // 4096))
        ]
    )
    indices = nearest[inverse].astype(np.uint8).reshape(height, width)
    rows = np.hstack([np.zeros((height, 1), dtype=np.uint8), indices])
    chunks: list[tuple[bytes, bytes]] = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", palette.astype(np.uint8).tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def file_of(name: str, folder: Path = FOLDER) -> Path:
    """Where the reference of a picture is."""
    return folder / f"{name}.png"


async def update(browser: Browser, folder: Path, names: Iterable[str] = PICTURES) -> None:
    """Take the reference pictures anew; those that have not changed for a reader stay as they are."""
    FOLDER.mkdir(exist_ok=True)
    blank = await browser.new_page()
    with Servers(folder) as servers:
        for name in names:
            taken = await pixels(blank, await take(browser, PICTURES[name], servers))
            file = file_of(name)
            if not file.exists() or not compare(await pixels(blank, file.read_bytes()), taken).is_small:
                file.write_bytes(palette_png(taken))
    await blank.close()
