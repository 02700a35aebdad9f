"""The pages point at things that exist."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("deploy/**/*.md")])
OURS = (
    "qilu",
    "simulator",
    "gateway",
    "cloud",
    "configs",
    "tests",
    "benchmarks",
    "scripts",
    "deploy",
    "docs",
)
PATH = re.compile(rf"`((?:{'|'.join(OURS)})(?:/[\w-]+)*/[\w-]+(?:\.[\w.]+|/))`")


def page_id(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_path_of_ours_exists(page: Path) -> None:
    paths = PATH.findall(page.read_text(encoding="utf-8"))
    assert [path for path in paths if not (PROJECT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_benchmark_that_is_named_exists(page: Path) -> None:
    names = re.findall(r"benchmarks\.(?!md\b)(\w+)", page.read_text(encoding="utf-8"))
    assert [name for name in names if not (PROJECT / "benchmarks" / f"{name}.py").is_file()] == []


def test_every_decision_is_listed() -> None:
    folder = PROJECT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(file.name for file in folder.glob("[0-9]*.md"))


CHINESE = [page for page in PAGES if page.name.endswith(".zh-CN.md")]
OTHER_WORDS = {
    "写入服务": "入库服务",
    "入库程序": "入库服务",
    "代理": "消息服务器",
    "描述文件": "设备模板",
    "测点": "点位",
}


@pytest.mark.parametrize("page", CHINESE, ids=page_id)
def test_a_thing_has_one_name_in_chinese(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert {word: right for word, right in OTHER_WORDS.items() if word in text} == {}
