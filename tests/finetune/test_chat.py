"""`otto finetune chat`: the answers are the models' own, they are shown as they grow, and a comparison says the same in Markdown."""

from __future__ import annotations

import io
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

torch = pytest.importorskip("torch", reason="the models run in it")
for package in ("transformers", "peft", "accelerate"):
    pytest.importorskip(package, reason="the models are loaded with it")

from rich.console import Console  # noqa: E402  after the skips
from typer.testing import CliRunner  # noqa: E402

from finetune.chat.pair import Exchange, Pair, Said  # noqa: E402
from finetune.chat.record import Record, code, markdown  # noqa: E402
from finetune.chat.screen import Screen, verdict  # noqa: E402
from finetune.cli import app  # noqa: E402
from otto import Call  # noqa: E402
from otto.errors import MissingExtra, ModelError, OttoError, StoreError, UsageError  # noqa: E402
from otto.registry import Registry  # noqa: E402
from tests.finetune import bases  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SHORT_PROMPT = "<s>[INST] $utterance [/INST]"  # as the small bases were trained with
WORDS = ["set a timer for five minutes", "weather in Rome", "that is a nice hat", "☃"]


@pytest.fixture(scope="module")
def base(tiny_bases: dict[str, Path]) -> Path:
    torch.set_num_threads(1)
    return tiny_bases["mistral"]


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_adapter(base, tmp_path_factory.mktemp("adapter"))


def random_adapter(base: Path, into: Path, seed: int = 1) -> Path:
    """A LoRA adapter with random weights, strong enough to change what is said."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(into)
    return into


@pytest.fixture
def skills(tmp_path: Path) -> Path:
    (tmp_path / "skills").mkdir()
    (tmp_path / "skills" / "toy.py").write_text(bases.SKILLS)
    return tmp_path / "skills"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "own.txt").write_text(SHORT_PROMPT)
    return tmp_path / "own.txt"


@pytest.fixture
def chat(base: Path, adapter: Path, skills: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`otto finetune chat` with lines from a pipe."""
    monkeypatch.setenv("OTTO_HOME", str(tmp_path / "home"))

    def run(*arguments: object, lines: str = "weather in Rome\n") -> Any:
        given = arguments or (base, "--adapter", adapter, "--skills", skills, "--prompt", own, "--max-tokens", 24)
        return CliRunner().invoke(app(), ["chat", *map(str, given)], input=lines)

    return run


# --- what is answered


def greedy(base: Path, words: list[str], adapter: Path | None = None, longest: int = 24) -> list[str]:
    """The answers of transformers itself, of the base or of the base with the adapter merged in."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base)
    if adapter:
        model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    found = []
    for said in words:
        ids = tokenizer(SHORT_PROMPT.replace("$utterance", said), add_special_tokens=False, return_tensors="pt")["input_ids"]
        made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=longest, do_sample=False)[0, ids.shape[1] :]
        found.append(tokenizer.decode([token for token in made.tolist() if token != tokenizer.eos_token_id]))
    return found


def test_the_answers_are_those_of_transformers(base: Path, adapter: Path, skills: Path, own: Path) -> None:
    pair = Pair(base, adapter, Registry.from_folder(skills), str(own), longest=24)
    said = []
    for words in (*WORDS, *WORDS):
        *_, exchange = pair.answer(words)
        assert exchange.ended and exchange.words == words
        said.append([answer.text for answer in exchange.answers])
    plain = greedy(base, WORDS)
    assert [first for first, _ in said] == [text.rstrip("\ufffd") for text in plain * 2]
    assert [second for _, second in said] == [text.rstrip("\ufffd") for text in greedy(base, WORDS, adapter) * 2]
    assert plain[:3] == [" timer duration 5 minutes", " weather location Rome", " other"]


def test_both_grow_a_token_at_a_time(base: Path, adapter: Path, skills: Path, own: Path) -> None:
    pair = Pair(base, adapter, Registry.from_folder(skills), str(own), longest=24)
    counts = [[(said.tokens, said.ended) for said in exchange.answers] for exchange in pair.answer(WORDS[0])]
    for now, later in pairwise(counts):
        for (tokens, ended), (more, _) in zip(now, later, strict=True):
            assert more - tokens <= 1 and (more == tokens if ended else True)
    assert max(tokens for tokens, _ in counts[-1]) + 1 >= len(counts)


def test_held_to_the_grammar_both_say_calls_alone(base: Path, adapter: Path, skills: Path, own: Path) -> None:
    registry = Registry.from_folder(skills)
    pair = Pair(base, adapter, registry, str(own), held=True)
    for words in WORDS:
        *_, exchange = pair.answer(words)
        for said in exchange.answers:
            assert said.calls is not None, said.text
            assert all(call.name == "other" or registry.get(call.name).validate(call) is not None for call in said.calls)


# --- the command


def test_lines_from_a_pipe(chat: Callable[..., Any], base: Path, adapter: Path) -> None:
    result = chat(lines="weather in Rome\n\n  that is a nice hat  \nset a timer for five minutes")
    assert result.exit_code == 0
    blocks = [block.splitlines() for block in result.stdout.strip().split("\n\n")]
    assert [block[0] for block in blocks] == ["> weather in Rome", "> that is a nice hat", "> set a timer for five minutes"]
    assert [block[1] for block in blocks] == ["base   weather location Rome", "base   other", "base   timer duration 5 minutes"]
    assert re.fullmatch(r"       no valid call · 3 tokens, \d+\.\d\d s", blocks[0][2])
    first = greedy(base, ["weather in Rome"], adapter)[0].strip().splitlines()[0]
    assert blocks[0][3].startswith("tuned") and first in blocks[0][3]
    assert "\x1b" not in result.output


def test_a_comparison_is_kept(chat: Callable[..., Any], base: Path, adapter: Path, skills: Path, own: Path, tmp_path: Path) -> None:
    file = tmp_path / "comparison.md"
    given = (base, "--adapter", adapter, "--skills", skills, "--prompt", own, "--max-tokens", 24, "--save", file)
    result = chat(*given, lines="weather in Rome\nthat is a nice hat\n")
    assert (result.exit_code, f"The comparison is in {file}" in result.stderr) == (0, True)
    tokens = MarkdownIt().parse(file.read_text())
    headings = [tokens[index + 1].children for index, token in enumerate(tokens) if token.type == "heading_open"]
    assert [[part.content for part in heading or []] for heading in headings[1:]] == [["weather in Rome"], ["that is a nice hat"]]
    answers = [token.content.removesuffix("\n") for token in tokens if token.type == "fence"]
    tuned = greedy(base, ["weather in Rome", "that is a nice hat"], adapter)
    assert [answers[0], answers[2]] == ["weather location Rome", "other"]
    assert [" ".join(answers[1].split()), " ".join(answers[3].split())] == [" ".join(text.split()) for text in tuned]
    assert f"- base: {base}" in file.read_text()
    again = chat(*given)
    assert isinstance(again.exception, UsageError)
    assert str(again.exception) == f"{file} is there already; name another with --save FILE.md."


def test_a_run_is_compared_with_its_base(tiny_bases: dict[str, Path], tmp_path: Path, chat: Callable[..., Any], own: Path) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("TRL needs Python 3.11")
    for name in ("trl", "datasets", "yaml"):
        pytest.importorskip(name, reason="the run is made with it")
    (tmp_path / "made").mkdir()
    made = bases.half_tuned(tmp_path / "made", tiny_bases["mistral"], steps=30)
    for named in (tmp_path / "made" / "sft", made["adapter"]):
        result = chat(named, "--prompt", own, lines="weather in Rome\nthat is a nice hat")
        assert result.exit_code == 0, result.exception
        assert "base   weather location Rome" in result.stdout
    assert isinstance(chat(tmp_path / "made" / "sft", "--adapter", made["adapter"]).exception, UsageError)


def test_nothing_to_answer(chat: Callable[..., Any]) -> None:
    result = chat(lines="\n \n")
    assert (result.exit_code, result.stdout) == (0, "")


# --- what cannot work


def test_a_base_alone_has_nothing_beside_it(chat: Callable[..., Any], base: Path) -> None:
    error = chat(base).exception
    assert isinstance(error, UsageError)
    assert str(error) == f"{base} is a model without an adapter; name one with --adapter FOLDER."


def test_an_adapter_of_another_base(chat: Callable[..., Any], base: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, MistralConfig, MistralForCausalLM

    other = tmp_path / base.name  # of the same name
    MistralForCausalLM(MistralConfig(vocab_size=600, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2)).save_pretrained(other)
    AutoTokenizer.from_pretrained(base).save_pretrained(other)
    foreign = random_adapter(other, tmp_path / "foreign")
    error = chat(base, "--adapter", foreign).exception
    assert isinstance(error, ModelError)
    assert "does not fit the model" in str(error) and "\n" not in str(error)


@pytest.mark.parametrize("missing", ["base", "adapter"])
def test_a_folder_that_is_not_there(missing: str, chat: Callable[..., Any], base: Path, adapter: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    error = chat(*((nowhere, "--adapter", adapter) if missing == "base" else (base, "--adapter", nowhere))).exception
    assert isinstance(error, OttoError)
    assert str(nowhere) in str(error)


def test_a_prompt_of_another_family(chat: Callable[..., Any], base: Path, adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("<|im_start|>$utterance<|im_end|>")
    error = chat(base, "--adapter", adapter, "--prompt", tmp_path / "other.txt").exception
    assert isinstance(error, UsageError)
    assert "written for chatml" in str(error)


def test_a_prompt_that_is_longer_than_the_model_reads(chat: Callable[..., Any], base: Path, adapter: Path, skills: Path, own: Path) -> None:
    error = chat(base, "--adapter", adapter, "--skills", skills, "--prompt", own, lines="word " * 3000).exception
    assert isinstance(error, ModelError)
    assert re.fullmatch(r"The skills and the answer need [\d,]+ tokens and tiny-mistral reads 2,048; name fewer skills with --skills, or give --max-tokens\.", str(error))


@pytest.mark.parametrize("package", ["torch", "transformers", "peft"])
def test_a_missing_package(package: str, chat: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from finetune.chat import pair

    monkeypatch.setattr(pair, "find_spec", lambda name: None if name == package else object())
    assert isinstance(chat().exception, MissingExtra)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        Record(tmp_path / "file" / "c.md", "x", [])


# --- what is shown


def said(who: str, text: str, calls: str | None = None, ended: bool = True) -> Said:
    return Said(who, text, 3, 0.5, ended, None if calls is None else Call.parse_all(calls))


TWO = Exchange("set a timer", [said("base", "I cannot do that."), said("tuned", 'timer(duration="5 minutes")', 'timer(duration="5 minutes")')])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (said("base", "sorry"), "no valid call · 3 tokens, 0.50 s"),
        (said("base", " other()", "other()"), "valid · 3 tokens, 0.50 s"),
        (said("base", "<thinking>a</thinking><output>other()</output>", "other()"), "other() · 3 tokens, 0.50 s"),
        (said("base", "oth", ended=False), "3 tokens, 0.50 s"),
        (Said("base", "x", 1, 0.0, True), "no valid call · 1 token, 0.00 s"),
    ],
)
def test_verdicts(answer: Said, expected: str) -> None:
    assert verdict(answer) == expected


def shown(width: int, exchange: Exchange, terminal: bool = True) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, height=20, force_terminal=terminal, color_system=None, highlight=False)
    console.print(Screen(console).drawn(exchange))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_two_columns() -> None:
    assert shown(80, TWO) == [
        "base                                    tuned",
        'I cannot do that.                       timer(duration="5 minutes")',
        "no valid call · 3 tokens, 0.50 s        valid · 3 tokens, 0.50 s",
    ]


def test_a_narrow_terminal_has_one_below_the_other() -> None:
    assert shown(40, TWO) == [
        "base", "I cannot do that.", "no valid call · 3 tokens, 0.50 s",
        "tuned", 'timer(duration="5 minutes")', "valid · 3 tokens, 0.50 s",
    ]  # fmt: skip


@given(st.integers(1, 200), st.text(), st.text())
def test_whatever_is_said_stays_within_its_column(width: int, one: str, two: str) -> None:
    exchange = Exchange("x", [said("base", one), said("tuned", two, ended=False)])
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    from rich.cells import cell_len

    lines = console.render_lines(Screen(console).drawn(exchange), pad=False)
    text = ["".join(segment.text for segment in line) for line in lines]
    assert all(cell_len(line) <= max(width, 2) for line in text)
    assert not any(character in "".join(text) for character in "\x1b\x07\x9b\u202e")


def test_ctrl_c_keeps_what_was_said() -> None:
    def growing() -> Iterator[Exchange]:
        yield Exchange("x", [said("base", "I", ended=False), said("tuned", "t", ended=False)])
        raise KeyboardInterrupt

    for terminal in (True, False):
        console = Console(file=io.StringIO(), width=80, force_terminal=terminal)
        exchange = Screen(console).show(growing())
        assert (exchange.ended, [answer.text for answer in exchange.answers]) == (False, ["I", "t"])
    with pytest.raises(KeyboardInterrupt):
        Screen(console).show(interrupted())


def interrupted() -> Iterator[Exchange]:
    raise KeyboardInterrupt
    yield


# --- Markdown


@given(st.text())
def test_any_text_is_one_code_span(text: str) -> None:
    wanted = " ".join(re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "", text).split())
    paragraph = MarkdownIt().parse(f"x {code(text.encode('utf-8', 'replace').decode())} y")[1]
    children = paragraph.children or []
    assert [part.type for part in children] == ["text", "code_inline", "text"]
    assert children[1].content.strip(" ") == wanted.strip(" ")


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=4))
def test_any_answer_is_one_block_of_code(rows: list[tuple[str, str, str]]) -> None:
    exchanges = [Exchange(words, [said("base", one), said("tuned", two, "other()")]) for words, one, two in rows]
    tokens = MarkdownIt().parse(markdown("title", ["about"], exchanges).encode("utf-8", "replace").decode())
    assert sum(token.type == "fence" for token in tokens) == 2 * len(rows)
    assert sum(token.type == "heading_open" for token in tokens) == 1 + len(rows)
    assert not any(token.type.startswith("html") for token in tokens)


def test_the_comparison_counts() -> None:
    assert markdown("tiny", ["base: a"], [TWO, TWO]).splitlines()[:6] == [
        "# tiny", "", "- base: a", "- base: valid calls in 0 of 2 answers", "- tuned: valid calls in 2 of 2 answers", "",
    ]  # fmt: skip


# --- at a terminal


@pytest.fixture
def endless(base: Path, tmp_path: Path) -> Path:
    """An adapter that goes on and on about the weather in Rome."""
    for seed in range(30):
        found = random_adapter(base, tmp_path / f"endless{seed}", seed)
        if len(greedy(base, ["weather in Rome"], found, longest=200)[0]) > 400:
            return found
    raise AssertionError("no adapter is endless")


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
def test_at_a_terminal(base: Path, endless: Path, skills: Path, own: Path, tmp_path: Path) -> None:
    """Two columns, an answer that Ctrl-C stops, the next line, and Ctrl-D, which ends it."""
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    environ = {**os.environ, "OTTO_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "TERM": "xterm", "OMP_NUM_THREADS": "1"}
    for size in ("COLUMNS", "LINES"):  # the terminal's own counts
        environ.pop(size, None)
    command = command_line(base, endless, skills, own, tmp_path, 1500)
    program = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True)
    os.close(slave)
    try:
        read_until(master, "> ")
        os.write(master, b"weather in Rome\n")
        growing = read_until(master, "weather location Rome", "no valid call")
        assert re.search(r"base {40,50}\S*tuned", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", growing))
        program.send_signal(signal.SIGINT)
        read_until(master, "> ")
        os.write(master, b"\x04")
        assert program.wait(300) == 0
    finally:
        program.kill()
        os.close(master)
    kept = (tmp_path / "c.md").read_text()
    assert "## `weather in Rome`" in kept
    assert re.search(r"\*\*base\*\*: no valid call, 3 tokens, [\d.]+ s\n", kept)
    assert re.search(r"\*\*tuned\*\*: no valid call, \d+ tokens, [\d.]+ s, stopped\n", kept)


def command_line(base: Path, adapter: Path, skills: Path, own: Path, folder: Path, longest: int) -> list[str]:
    given = {"adapter": adapter, "skills": skills, "prompt": own, "save": folder / "c.md", "max-tokens": longest}
    return [sys.executable, "-m", "finetune", "chat", str(base), *(word for name, value in given.items() for word in (f"--{name}", str(value)))]


def read_until(master: int, *wanted: str) -> str:
    """What the program wrote, up to where all of these stood in it, in order."""
    read, text, left = b"", "", list(wanted)
    end = time.monotonic() + 600  # a machine may be busy
    seen = 0
    while left and time.monotonic() < end:
        if select.select([master], [], [], 0.5)[0]:
            read += os.read(master, 4096)
            text = read.decode("utf-8", "replace")
        while left and (found := text.find(left[0], seen)) >= 0:
            seen = found + len(left.pop(0))
    assert not left, text
    return text


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
def test_ctrl_c_with_a_pipe_ends_it_and_loses_nothing(base: Path, adapter: Path, skills: Path, own: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "OTTO_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    program = subprocess.Popen(command_line(base, adapter, skills, own, tmp_path, 24), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, text=True, bufsize=1)
    assert program.stdin is not None and program.stdout is not None
    program.stdin.write("weather in Rome\n")
    program.stdin.flush()
    for line in program.stdout:
        if line.startswith("tuned"):
            break
    program.send_signal(signal.SIGINT)
    assert program.wait(300) == 130
    assert "## `weather in Rome`" in (tmp_path / "c.md").read_text()
    program.stdin.close()
    program.stdout.close()
