"""The registry: where skills come from, and that a broken one never stops the others."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from pathlib import Path

import pytest

from otto import Call, UnknownSkill
from otto.errors import StoreError
from otto.registry import Registry
from otto.skill import SkillSpec

SIGNATURES = Path(__file__).parents[2] / "shared" / "data" / "skills"
HEAD = "from __future__ import annotations\nfrom typing import Literal\nfrom otto import skill, Context, Duration\n\n"


def write(folder: Path, name: str, body: str, *, head: str = HEAD) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(head + textwrap.dedent(body), encoding="utf-8")
    return path


def say(name: str = "say", description: str = "Say it.") -> str:
    return f'@skill\ndef {name}(words: str) -> str:\n    """{description}"""\n    return words\n'


def test_bundled_skills_load_without_a_problem() -> None:
    registry = Registry.load(entry_points=False)
    assert registry.problems == []
    ten = {"news", "math", "notes", "openai", "runapp", "story", "timecheck", "timer", "weather", "other"}
    assert ten <= set(registry.specs)
    assert all(spec.description for spec in registry)


def test_a_folder_of_skills(tmp_path: Path) -> None:
    write(tmp_path, "b.py", say("bark") + say("meow"))
    write(tmp_path, "a.py", say("quack"))
    write(tmp_path, "_hidden.py", "1 / 0\n")
    write(tmp_path, "test_a.py", "1 / 0\n")
    write(tmp_path, "notes.txt", "1 / 0\n")
    registry = Registry.from_folder(tmp_path)
    assert list(registry.specs) == ["quack", "bark", "meow"] and not registry.problems
    assert len(registry) == 3 and [spec.name for spec in registry] == list(registry.specs)
    assert registry.get("bark").file == tmp_path / "b.py" and registry.get("bark").where == "b.py:5"


def test_no_folder_is_no_skills(tmp_path: Path) -> None:
    registry = Registry.from_folder(tmp_path / "nowhere")
    assert len(registry) == 0 and not registry.problems


def test_an_unknown_skill() -> None:
    with pytest.raises(UnknownSkill, match="There is no skill sing; see `otto skills list`"):
        Registry.of([]).get("sing")


BROKEN = [
    ("x = (\n", "broken.py:5", "SyntaxError: '(' was never closed"),
    ("x = 1 / 0\n", "broken.py:5", "ZeroDivisionError: division by zero"),
    (
        "import no_such_module_anywhere\n",
        "broken.py:5",
        "ModuleNotFoundError: No module named 'no_such_module_anywhere'",
    ),
    ("import sys\nsys.exit(3)\n", "broken.py:6", "SystemExit: 3"),
    ("raise BaseException('rude')\n", "broken.py:5", "BaseException: rude"),
    ("def f():\n    return f()\nf()\n", "broken.py:6", "RecursionError"),
    ("x = 1\n", "broken.py:1", "no skill is declared here"),
    ("@skill\ndef f(x):\n    pass\n", "broken.py:5", "there is no docstring"),
    ('@skill(destructive=True)\ndef f(x: str) -> None:\n    """F."""\n', "broken.py:5", "f is destructive"),
    ('@skill(undo="g")\ndef f(x: str) -> None:\n    """F."""\n', "broken.py:5", "undo names g, which is not there"),
    ('@skill(examples={"hi": "g()"})\ndef f(x: str) -> None:\n    """F."""\n', "broken.py:5", "'hi' teaches g"),
]


@pytest.mark.parametrize(("body", "where", "what"), BROKEN)
def test_a_broken_skill_is_named_with_file_and_line_and_the_others_load(
    tmp_path: Path, body: str, where: str, what: str
) -> None:
    write(tmp_path, "a_good.py", say())
    write(tmp_path, "broken.py", body)
    write(tmp_path, "good.py", say("shout"))
    registry = Registry.from_folder(tmp_path)
    assert list(registry.specs) == ["say", "shout"]
    assert any(
        problem.where == where and problem.what.startswith(what) and problem.mend for problem in registry.problems
    )


def test_a_file_that_is_no_text_stops_nobody(tmp_path: Path) -> None:
    write(tmp_path, "good.py", say())
    (tmp_path / "noise.py").write_bytes(b"\xff\xfe\0\x01")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    registry = Registry.from_folder(tmp_path)
    assert list(registry.specs) == ["say"]
    assert sorted(problem.where.partition(":")[0] for problem in registry.problems) == ["gone.py", "noise.py"]


def test_one_broken_skill_of_a_file_names_every_fault(tmp_path: Path) -> None:
    write(tmp_path, "two.py", "@skill\ndef f(x, y: bytes):\n    pass\n")
    assert len(Registry.from_folder(tmp_path).problems) == 3


def test_two_skills_with_one_name_name_both_files(tmp_path: Path) -> None:
    write(tmp_path, "a.py", say())
    write(tmp_path, "b.py", say("say") + say("shout"))
    registry = Registry.from_folder(tmp_path)
    assert list(registry.specs) == ["say", "shout"] and registry.get("say").file == tmp_path / "a.py"
    (problem,) = registry.problems
    assert (
        str(tmp_path / "a.py") in str(problem) and str(tmp_path / "b.py") in str(problem) and problem.where == "b.py:5"
    )


def test_a_user_s_skill_with_a_bundled_name_is_a_problem_not_a_replacement(tmp_path: Path) -> None:
    mine = write(tmp_path, "mine.py", '@skill\ndef timer(minutes: int) -> None:\n    """Mine."""\n')
    registry = Registry.load(tmp_path, entry_points=False)
    assert registry.get("timer").signature == "timer(duration: Duration)"
    (problem,) = registry.problems
    assert str(mine) in str(problem) and "timer.py" in str(problem)


def test_a_skill_imported_from_another_file_is_not_declared_twice(tmp_path: Path) -> None:
    write(tmp_path, "declared.py", say())
    write(
        tmp_path,
        "imports.py",
        "import sys\nsay = [m for n, m in sys.modules.items() if n.startswith('otto_skill') and n.endswith('_declared')][-1].say\n"
        + say("shout"),
    )
    registry = Registry.from_folder(tmp_path)
    assert list(registry.specs) == ["say", "shout"] and not registry.problems


EXAMPLES = '#### Examples:\n\n### User: say hello\n### Assistant: say(words="hello")\n'


@pytest.mark.parametrize("place", ["skills/say_examples.txt", "examples/say_examples.txt"])
def test_examples_beside_the_file_or_in_the_room(tmp_path: Path, place: str) -> None:
    write(tmp_path / "skills", "say.py", say())
    write(tmp_path / Path(place).parent, Path(place).name, EXAMPLES, head="")
    (example,) = Registry.from_folder(tmp_path / "skills").get("say").examples
    assert (example.text, str(example.call), example.where) == ("say hello", 'say(words="hello")', "say_examples.txt:4")


BAD_EXAMPLES = [
    (EXAMPLES.replace("words=", "word="), ["say has no parameter word"]),
    (EXAMPLES.replace("say(", "shout("), ["'say hello' teaches shout"]),
    (
        EXAMPLES + EXAMPLES.replace("words=", "word=") + EXAMPLES.replace('"hello"', "5"),
        ["say has no parameter word", "words=5 does not fit"],
    ),
    (EXAMPLES + "### User: hi\n", ["there is no call for this"]),
]


@pytest.mark.parametrize(("text", "messages"), BAD_EXAMPLES)
def test_examples_that_do_not_fit_keep_the_skill_out(tmp_path: Path, text: str, messages: list[str]) -> None:
    write(tmp_path, "say.py", say())
    write(tmp_path, "shout.py", say("shout"))
    write(tmp_path, "say_examples.txt", text, head="")
    registry = Registry.from_folder(tmp_path)
    assert list(registry.specs) == ["shout"]
    assert [problem.what.startswith(message) for problem, message in zip(registry.problems, messages, strict=True)] == [
        True
    ] * len(messages)
    assert all(problem.where.startswith("say_examples.txt:") for problem in registry.problems)


def test_changed_files_are_picked_up(tmp_path: Path) -> None:
    path = write(tmp_path, "say.py", say())
    registry = Registry.from_folder(tmp_path)
    before = registry.version
    assert not registry.refresh() and registry.version == before

    write(tmp_path, "shout.py", say("shout"))
    assert registry.refresh() and list(registry.specs) == ["say", "shout"]
    assert registry.version != before and not registry.refresh()

    write(tmp_path, "say.py", say(description="Say it another way."))
    assert registry.refresh() and registry.get("say").description == "Say it another way."

    write(tmp_path, "say_examples.txt", EXAMPLES, head="")
    assert registry.refresh() and len(registry.get("say").examples) == 1

    path.write_text("1 / 0\n")
    assert registry.refresh() and list(registry.specs) == ["shout"] and registry.problems

    path.unlink()
    assert registry.refresh() and list(registry.specs) == ["shout"] and not registry.problems


def test_a_change_of_the_same_size_and_second_is_seen(tmp_path: Path) -> None:
    path = write(tmp_path, "say.py", say(description="One."))
    registry = Registry.from_folder(tmp_path)
    was = path.stat()
    write(tmp_path, "say.py", say(description="Two."))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns + 1_000_000))
    assert registry.refresh() and registry.get("say").description == "Two."


def test_a_folder_made_later_is_picked_up(tmp_path: Path) -> None:
    registry = Registry.from_folder(tmp_path / "skills")
    write(tmp_path / "skills", "say.py", say())
    assert registry.refresh() and list(registry.specs) == ["say"]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path with a distribution that has entry points of otto.skills."""
    site = tmp_path / "site"
    info = site / "otto_barking-1.0.dist-info"
    write(site, "otto_barking.py", say("bark") + say("howl") + "def plain() -> None: ...\n")
    write(site, "otto_barking_broken.py", "1 / 0\n")
    write(site, "otto_barking_rude.py", "import sys\nsys.exit('rude')\n")
    write(info, "METADATA", "Metadata-Version: 2.1\nName: otto-barking\nVersion: 1.0\n", head="")
    monkeypatch.syspath_prepend(str(site))
    yield info  # type: ignore[misc]
    for name in ("otto_barking", "otto_barking_broken", "otto_barking_rude"):
        sys.modules.pop(name, None)


ENTRY_POINTS = [
    ("all = otto_barking\n", ["bark", "howl"], []),
    ("one = otto_barking:howl\n", ["howl"], []),
    (
        "bad = otto_barking_broken\none = otto_barking:bark\n",
        ["bark"],
        ["entry point bad: ZeroDivisionError: division by zero"],
    ),
    ("bad = otto_barking_rude\none = otto_barking:bark\n", ["bark"], ["entry point bad: SystemExit: rude"]),
    (
        "gone = otto_nowhere\none = otto_barking:bark\n",
        ["bark"],
        ["entry point gone: ModuleNotFoundError: No module named 'otto_nowhere'"],
    ),
    (
        "gone = otto_barking:purr\n",
        [],
        ["entry point gone: AttributeError: module 'otto_barking' has no attribute 'purr'"],
    ),
    ("plain = otto_barking:plain\n", [], ["entry point plain: TypeError: otto_barking:plain is not a skill"]),
]


@pytest.mark.parametrize(("points", "names", "problems"), ENTRY_POINTS)
def test_entry_points(package: Path, points: str, names: list[str], problems: list[str]) -> None:
    write(package, "entry_points.txt", "[otto.skills]\n" + points, head="")
    registry = Registry.load(bundled=False)
    assert list(registry.specs) == names
    assert [str(problem).partition("; ")[0] for problem in registry.problems] == problems


def test_an_entry_point_with_a_taken_name_names_both_files(package: Path, tmp_path: Path) -> None:
    write(package, "entry_points.txt", "[otto.skills]\nall = otto_barking\n", head="")
    mine = write(tmp_path / "mine", "bark.py", say("bark"))
    registry = Registry.load(tmp_path / "mine", bundled=False)
    assert registry.get("bark").file == mine and list(registry.specs) == ["bark", "howl"]
    (problem,) = registry.problems
    assert str(mine) in str(problem) and "otto_barking.py" in str(problem)


@pytest.mark.parametrize("name", ["barista", "clinc", "hwu64", "sgd", "slurp", "snips"])
def test_signatures_of_the_shared_data(name: str) -> None:
    path = SIGNATURES / f"{name}.json"
    if not path.is_file():
        pytest.skip("the shared data is not here")
    rows = json.loads(path.read_text(encoding="utf-8"))["skills"]
    registry = Registry.from_json(path)
    assert [spec.name for spec in registry] == [row["name"] for row in rows] and not registry.problems
    for spec, row in zip(registry, rows, strict=True):
        assert spec.target is None and spec.description == row["description"]
        assert [(parameter.name, parameter.required) for parameter in spec.parameters] == [
            (item["name"], bool(item.get("required"))) for item in row.get("parameters", [])
        ]


SIGNATURE = {
    "skills": [
        {
            "name": "order",
            "description": "Order a drink.",
            "parameters": [
                {"name": "size", "type": "string", "enum": ["small", "large"], "required": True},
                {"name": "count", "type": "integer", "description": "How many.", "required": False},
                {"name": "note", "type": "string"},
            ],
            "examples": [
                {"text": "a large one", "call": 'order(size="large")'},
                {"text": "two", "call": {"name": "order", "arguments": {"size": "small", "count": 2}}},
            ],
        }
    ]
}


def test_a_signature(tmp_path: Path) -> None:
    path = tmp_path / "bar.json"
    path.write_text(json.dumps(SIGNATURE), encoding="utf-8")
    spec = Registry.from_json(path).get("order")
    assert spec.signature == 'order(size: Literal["small", "large"], count: int | None = None, note: str | None = None)'
    assert [str(example.call) for example in spec.examples] == ['order(size="large")', 'order(size="small", count=2)']
    assert str(spec.canonical(Call.parse('order(count="two", size="LARGE")'))) == 'order(size="large", count=2)'


BAD_SIGNATURES = [
    "",
    "[]",
    "{}",
    '{"skills": 5}',
    '{"skills": [5]}',
    '{"skills": [{"description": "nameless"}]}',
    '{"skills": [{"name": "two words"}]}',
    '{"skills": [{"name": "f", "parameters": [{"type": "string"}]}]}',
    '{"skills": [{"name": "f", "parameters": [{"name": "x", "type": "blob"}]}]}',
    '{"skills": [{"name": "f", "parameters": [{"name": "a b"}]}]}',
    '{"skills": [{"name": "f", "examples": [{"text": "hi", "call": "f("}]}]}',
]


@pytest.mark.parametrize("text", BAD_SIGNATURES)
def test_what_is_no_file_of_signatures(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match="bad.json is not a file of skill signatures"):
        Registry.from_json(path)


def test_no_file_of_signatures(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        Registry.from_json(tmp_path / "nowhere.json")


def test_two_signatures_with_one_name_are_a_problem() -> None:
    registry = Registry.of([SkillSpec("f", "One.", where="a.json"), SkillSpec("f", "Two.", where="b.json")])
    assert registry.get("f").description == "One."
    assert "a.json" in str(registry.problems[0]) and "b.json" in str(registry.problems[0])


def test_installed_normalisers_make_calls_equal() -> None:
    from otto.call import _resolver, set_resolver

    try:
        Registry.load(entry_points=False).install()
        assert Call("timer", {"duration": "an hour"}) == Call("timer", {"duration": "60 minutes"})
        Registry.of([]).install()
        assert Call("timer", {"duration": "an hour"}) != Call("timer", {"duration": "60 minutes"})
    finally:
        set_resolver(_resolver)
