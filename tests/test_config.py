"""Settings: what a file and the environment may say, and every way in which they are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from otto.config import Settings, config_file, load_settings, set_value
from otto.errors import ConfigError, Problem, StoreError, UsageError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def load(file: Path, **environ: str) -> Settings:
    return load_settings(file, {"OTTO_HOME": str(file.parent), **environ})


def problems(file: Path, **environ: str) -> list[Problem]:
    with pytest.raises(ConfigError) as refused:
        load(file, **environ)
    return list(refused.value.problems)


def test_without_a_file_everything_has_a_default(file: Path) -> None:
    settings = load(file)
    assert (settings.stt.engine, settings.stt.model, settings.router.engine) == ("auto", "small.en", "embedded")
    assert settings.openai.base_url == "https://api.openai.com/v1"
    assert settings.audio.keep is False, "no sound is kept unless it is asked for"


def test_home_holds_everything(tmp_path: Path) -> None:
    environ = {"OTTO_HOME": str(tmp_path)}
    paths = load_settings(environ=environ).paths
    assert config_file(environ) == tmp_path / "config.toml"
    assert (paths.data, paths.cache, paths.models, paths.skills) == tuple(
        tmp_path / name for name in ("data", "cache", "models", "skills")
    )
    assert not list(tmp_path.iterdir()), "reading the settings makes no folder"


def test_otto_config_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[user]\nlocation = "Berlin"\n')
    environ = {"OTTO_HOME": str(tmp_path / "home"), "OTTO_CONFIG": str(file)}
    assert load_settings(environ=environ).user.location == "Berlin"


def test_the_environment_wins(file: Path) -> None:
    file.write_text('[stt]\nengine = "whisper"\nmodel = "base"\n[audio]\nkeep = false\nsilence_ms = 400\n')
    settings = load(
        file,
        OTTO_STT_ENGINE="closed-phrase",
        OTTO_AUDIO_KEEP="true",
        OTTO_AUDIO_SILENCE_MS="900",
        OTTO_OPENAI_API_KEY_ENV="MY_KEY",
    )
    assert (settings.stt.engine, settings.stt.model) == ("closed-phrase", "base")
    assert (settings.audio.keep, settings.audio.silence_ms, settings.openai.api_key_env) == (True, 900, "MY_KEY")


def test_a_relative_folder_is_meant_from_the_file(file: Path) -> None:
    file.write_text('[paths]\nskills = "mine"\ndata = "~/otto"\n')
    paths = load(file).paths
    assert paths.skills == file.parent / "mine"
    assert paths.data == Path.home() / "otto"


def test_a_skill_gets_its_own_table_and_the_user(file: Path) -> None:
    file.write_text(
        '[user]\nlocation = "Berlin"\n[openai]\nmodel = "m"\n'
        '[skills.weather]\nunits = "metric"\n[skills.story]\nmodel = "big"\n'
    )
    settings = load(file)
    assert settings.for_skill("weather") == {"location": "Berlin", "timezone": "", "units": "metric"}
    assert settings.for_skill("openai")["model"] == "m"
    assert settings.for_skill("story") == {**settings.for_skill("openai"), "model": "big"}
    assert "base_url" not in settings.for_skill("notes")


def test_three_mistakes_are_all_named_with_their_lines(file: Path) -> None:
    file.write_text(
        '# mine\n[stt]\nengin = "whisper"\n\n[audio]\nsilence_ms = "soon"\n\n[rooter]\nengine = "embedded"\n'
    )
    assert [str(problem) for problem in problems(file)] == [
        "config.toml:3: there is no setting stt.engin; did you mean stt.engine?",
        "config.toml:6: audio.silence_ms = 'soon' does not fit; it should be a whole number",
        "config.toml:8: there is no setting rooter; did you mean router?",
    ]


def test_broken_toml_hides_no_other_mistake(file: Path) -> None:
    file.write_text(
        '[stt\nengine = "x"\n[user]\nlocation = Berlin\ntimezone = "Mars/Base"\ntimezone = "UTC"\n'
        '[audio]\nkeep = "perhaps"\n'
    )
    assert [problem.where for problem in problems(file)] == [f"config.toml:{line}" for line in (1, 4, 5, 6, 8)]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('[router]\nengine = "gpt"\n', 2, "router.engine = 'gpt' does not fit"),
        ("[audio]\nsilence_ms = 5\n", 2, "audio.silence_ms = 5 does not fit"),
        ("[audio]\nsilence_ms = true\n[stt]\nmodel = 3\n", 4, "stt.model = 3 does not fit"),
        ("stt = 5\n", 1, "stt is a table"),
        ("[skills]\nweather = 5\n", 2, "skills.weather is a table"),
        ('stt.engin = "x"\n', 1, "there is no setting stt.engin"),
        ('stt = {engine = "auto", modl = "x"}\n', 1, "there is no setting stt.modl"),
        ('[openai]\nbase_url = "localhost"\n', 2, "openai.base_url is not an address"),
        ('[user]\ntimezone = "../etc/passwd"\n', 2, "user.timezone is not a time zone"),
        ("[stt]\n[stt]\n", 2, "this is not TOML"),
        ('x = """\nno end\n', 2, "this is not TOML"),
    ],
)
def test_refused(file: Path, text: str, where: int, what: str) -> None:
    file.write_text(text)
    found = problems(file)
    assert any(problem.where == f"config.toml:{where}" and problem.what.startswith(what) for problem in found), found


def test_a_pasted_key_is_not_repeated(file: Path) -> None:
    file.write_text('[openai]\napi_key_env = "sk-secret-1"\napi_key = "sk-secret-2"\n')
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert "secret" not in str(refused.value)
    assert "did you mean openai.api_key_env?" in str(refused.value)


def test_a_misspelt_variable_is_named(file: Path) -> None:
    assert [str(problem) for problem in problems(file, OTTO_STT_MODLE="x", OTTO_AUDIO_KEEP="perhaps")] == [
        "OTTO_AUDIO_KEEP: audio.keep = 'perhaps' does not fit; it should be true or false",
        "OTTO_STT_MODLE: there is no such setting; did you mean OTTO_STT_MODEL?",
    ]


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin").write_bytes('[user]\nlocation = "Köln"\n'.encode("latin-1"))
    with pytest.raises(StoreError, match="cannot be read"):
        load(tmp_path / "folder")
    with pytest.raises(StoreError, match="UTF-8"):
        load(tmp_path / "latin")


@given(st.text(max_size=200))
def test_any_text_is_settings_or_config_errors(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(text.encode("utf-8", "replace"))
    try:
        load(file)
    except (ConfigError, StoreError) as error:
        assert str(error)


def test_setting_keeps_the_rest(file: Path) -> None:
    file.write_text('# my settings\n[stt]\nengine = "auto"  # for now\n\n[skills.weather]\nunits = "metric"\n')
    set_value(file, "stt.engine", "whisper")
    set_value(file, "audio.silence_ms", "600")
    set_value(file, "skills.weather.days", "3")
    text = file.read_text()
    assert text.startswith('# my settings\n[stt]\nengine = "whisper"  # for now\n')
    assert tomlkit.parse(text).unwrap() == {
        "stt": {"engine": "whisper"},
        "skills": {"weather": {"units": "metric", "days": 3}},
        "audio": {"silence_ms": 600},
    }


@pytest.mark.parametrize(
    ("key", "value", "written"),
    [
        ("audio.keep", "yes", True),
        ("user.location", "São Paulo", "São Paulo"),
        ("skills.x.y", "a b", "a b"),
        ("skills.x.y", "[1, 2]", [1, 2]),
    ],
)
def test_set_makes_the_file(tmp_path: Path, key: str, value: str, written: object) -> None:
    file = tmp_path / "new" / "config.toml"
    assert set_value(file, key, value) == written
    *tables, name = key.split(".")
    found = tomlkit.parse(file.read_text()).unwrap()
    for table in tables:
        found = found[table]
    assert found == {name: written}
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("key", "value", "mend"),
    [
        ("stt.engin", "x", "did you mean stt.engine?"),
        ("silence_ms", "x", "did you mean audio.silence_ms?"),
        ("stt", "x", "see `otto config show`"),
        ("skills.weather", "x", "see `otto config show`"),
        ("", "", "see `otto config show`"),
        ("audio.silence_ms", "soon", "a whole number"),
        ("router.engine", "gpt", "'embedded'"),
        ("stt.engine", "ears", "'closed-phrase'"),
        ("user.timezone", "Berlin", "Europe/Berlin"),
    ],
)
def test_set_refuses(file: Path, key: str, value: str, mend: str) -> None:
    with pytest.raises(UsageError, match=".*") as refused:
        set_value(file, key, value)
    assert mend in str(refused.value)
    assert not file.exists()


def test_set_mends_one_of_several_mistakes(file: Path) -> None:
    file.write_text('[stt]\nengin = "x"\n[audio]\nsilence_ms = "soon"\n')
    set_value(file, "audio.silence_ms", "500")
    assert [problem.where for problem in problems(file)] == ["config.toml:2"]


def test_set_leaves_a_broken_file_alone(file: Path) -> None:
    file.write_text("[stt\n")
    with pytest.raises(ConfigError, match="before it is mended"):
        set_value(file, "stt.engine", "auto")
    assert file.read_text() == "[stt\n"


def test_set_writes_through_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "otto.toml"
    real.parent.mkdir()
    real.write_text("")
    link = tmp_path / "config.toml"
    try:
        os.symlink(real, link)
    except OSError:
        pytest.skip("this system makes no links")
    set_value(link, "stt.engine", "auto")
    assert link.is_symlink()
    assert 'engine = "auto"' in real.read_text()


def test_set_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        set_value(tmp_path / "occupied" / "config.toml", "stt.engine", "auto")
