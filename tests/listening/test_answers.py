"""Answers by voice, talk about the conversation, and what is asked where a word is in doubt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otto.call import Call
from otto.control import PHRASES, Asked, Control, read_control
from otto.fillers import LEADS, TAILS
from otto.jsgf import answer_grammar
from otto.listening.answers import NO, YES, choice_grammar, chosen, is_cancelled, yes_no, yes_no_grammar
from otto.listening.correction import corrected
from otto.listening.doubt import doubt_of
from otto.listening.patience import OPEN_END, UNFINISHED, WHOLE, Patience
from otto.messages import NotRecognized, Reading, Route, Transcript
from otto.phrases import PhraseBook
from otto.registry import Registry
from otto.router.phrases import PhraseRouter
from otto.stt.jsgf import read_jsgf


class TestYesNo:
    @pytest.mark.parametrize("text", ["yes", "Yes.", "yeah, please", "okay", "Yes, do it!", "sure thanks", "right"])
    def test_yes(self, text: str) -> None:
        assert yes_no(text) is True

    @pytest.mark.parametrize("text", ["no", "No!", "nope", "no thanks", "don't", "no please", "no that was not what I meant"])
    def test_no(self, text: str) -> None:
        assert yes_no(text) is False

    @pytest.mark.parametrize("text", ["", "maybe", "the yellow one", "what", "noon", "I said yes minister"])
    def test_neither(self, text: str) -> None:
        assert yes_no(text) is None

    @pytest.mark.parametrize("text", [*YES, *NO])
    def test_the_grammar_has_them_all(self, text: str) -> None:
        assert read_jsgf(yes_no_grammar().jsgf).accepts(text.split())

    def test_no_answer_is_both(self) -> None:
        assert not set(YES) & set(NO)


class TestChoice:
    @pytest.mark.parametrize(
        ("text", "index"),
        [
            ("fifty", 1), ("fifty minutes", 1), ("Fifteen.", 0), ("50", 1), ("15 minutes please", 0), ("I said fifty", 1),
            ("the first", 0), ("the second one", 1), ("the latter", 1),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("options", [("fifteen minutes", "fifty minutes"), ("15 minutes", "50 minutes")])
    def test_by_its_words_or_its_place(self, text: str, index: int, options: tuple[str, ...]) -> None:
        assert chosen(text, options) == index

    @pytest.mark.parametrize("text", ["", "minutes", "fifteen or fifty", "thirty", "the third", "yes"])
    def test_neither(self, text: str) -> None:
        assert chosen(text, ("fifteen minutes", "fifty minutes")) is None

    def test_the_grammar_has_options_words_and_places(self) -> None:
        graph = read_jsgf(choice_grammar(("fifteen minutes", "fifty minutes")).jsgf)
        for text in ("fifty minutes", "fifty", "the first one", "never mind", "um fifteen please"):
            assert graph.accepts(text.split()), text
        assert not graph.accepts(["sixty"])

    def test_digits_cannot_be_said(self) -> None:
        with pytest.raises(ValueError, match="plain words"):
            answer_grammar(["15", "50"])

    @given(st.lists(st.sampled_from("alpha bravo charlie delta echo".split()), min_size=2, max_size=4, unique=True), st.data())
    def test_an_option_chooses_itself(self, options: list[str], data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(options) - 1))
        assert chosen(f"the {options[index]} please", options) == index


class TestControl:
    @pytest.mark.parametrize(("control", "phrase"), [(control, phrase) for control, phrases in PHRASES.items() for phrase in phrases])
    def test_each_phrase(self, control: Control, phrase: str) -> None:
        assert read_control(phrase) == Asked(control)
        assert read_control(f"{phrase.capitalize()}.") == Asked(control)

    @given(st.sampled_from(LEADS), st.sampled_from(TAILS))
    def test_with_what_people_say_around(self, lead: tuple[str, ...], tail: tuple[str, ...]) -> None:
        assert read_control(" ".join([*lead, "undo that", *tail])) == Asked(Control.UNDO)

    @pytest.mark.parametrize(
        ("text", "value"),
        [("no, I said Lyon", "Lyon"), ("No I said fifty minutes.", "fifty minutes"), ("I meant tomorrow", "tomorrow"), ("Otto, no, I said New York!", "New York")],
    )
    def test_corrections(self, text: str, value: str) -> None:
        assert read_control(text) == Asked(Control.CORRECT, value)

    @pytest.mark.parametrize("text", ["", "stop the music", "undo the alarm", "cancel my timer", "repeat after me", "go to sleep mode settings", "I said", "she said no"])
    def test_commands_and_other_talk_are_none(self, text: str) -> None:
        assert read_control(text) is None

    def test_only_stop_and_never_mind_want_nothing(self) -> None:
        assert is_cancelled("never mind")
        assert is_cancelled("stop")
        assert not is_cancelled("undo that")
        assert not is_cancelled("buy milk")


@pytest.fixture(scope="module")
def router(registry: Registry) -> PhraseRouter:
    return PhraseRouter(registry)


class TestCorrected:
    @pytest.mark.parametrize(
        ("call", "value", "right"),
        [
            ('timecheck(location="Leon")', "Lyon", 'timecheck(location="Lyon")'),
            ('timer(duration="15 minutes")', "fifty minutes", 'timer(duration="50 minutes")'),
            ('timer(duration="15 minutes")', "what time is it in london", 'timecheck(location="London")'),
            ('notes(action="add", note="buy silk")', "buy milk", 'notes(action="add", note="buy milk")'),
        ],
    )
    def test_the_one_value_is_replaced(self, registry: Registry, router: PhraseRouter, call: str, value: str, right: str) -> None:
        assert corrected(Call.parse(call), value, registry, router.route) == Call.parse(right)

    @pytest.mark.parametrize(("call", "value"), [('timer(duration="15 minutes")', "banana"), ('timer(duration="15 minutes")', "fifteen minutes"), ("other()", "Lyon")])
    def test_what_fits_nowhere_is_none(self, registry: Registry, router: PhraseRouter, call: str, value: str) -> None:
        assert corrected(Call.parse(call), value, registry, router.route) is None


def reading(router: PhraseRouter, text: str, confidence: float = 1.0, alternatives: tuple[str, ...] = ()) -> Reading:
    return Reading(Transcript(text, "test", 1.0, confidence, alternatives), router.route(text))


class TestDoubt:
    def test_a_number_that_sounds_like_another(self, registry: Registry, book: PhraseBook, router: PhraseRouter) -> None:
        found = doubt_of(reading(router, "set a timer for fifteen minutes", 0.6), router.route, registry, book)
        assert found
        assert found.question == "Set a timer for fifteen or fifty minutes?"
        assert found.options == ("fifteen", "fifty")
        assert [route.calls for route in found.routes] == [(Call("timer", {"duration": f"{minutes} minutes"}),) for minutes in (15, 50)]

    def test_another_reading_of_the_engine(self, registry: Registry, book: PhraseBook, router: PhraseRouter) -> None:
        heard = reading(router, "set a timer for nine minutes", alternatives=("set a timer for five minutes", "what a day"))
        found = doubt_of(heard, router.route, registry, book)
        assert found
        assert found.question == "Set a timer for nine or five minutes?"

    def test_clear_words_are_not_asked_about(self, registry: Registry, book: PhraseBook, router: PhraseRouter) -> None:
        assert doubt_of(reading(router, "set a timer for fifteen minutes", 0.95), router.route, registry, book) is None

    def test_what_only_reads_is_not_asked_about(self, registry: Registry, book: PhraseBook, router: PhraseRouter) -> None:
        assert doubt_of(reading(router, "what is fifteen plus fifty", 0.4), router.route, registry, book) is None

    def test_a_command_that_may_have_been_meant(self, registry: Registry, book: PhraseBook) -> None:
        route = Route("timer five", (Call("other"),), 0.7, "test", 1.0, doubt=Call("timer", {"duration": "5 minutes"}))
        found = doubt_of(Reading(Transcript("timer five", "test", 1.0), route), lambda text: route, registry, book)
        assert found
        assert (found.question, found.options) == ("Did you mean: set a timer for 5 minutes?", ())
        assert found.routes[0].calls == (Call("timer", {"duration": "5 minutes"}),)


@pytest.fixture(scope="module")
def patience(registry: Registry, book: PhraseBook) -> Patience:
    return Patience(registry, book, 0.5)


class TestPatience:
    def test_nothing_known_is_the_usual(self, patience: Patience) -> None:
        assert patience(None) == 0.5

    @pytest.mark.parametrize("text", ["set a timer for five minutes", "what time is it in london", "undo that"])
    def test_a_whole_command_is_over_soon(self, patience: Patience, router: PhraseRouter, text: str) -> None:
        assert patience(reading(router, text)) == WHOLE

    @pytest.mark.parametrize("text", ["set a timer for", "what's the weather in", "remind me to", "open"])
    def test_a_beginning_is_waited_for(self, patience: Patience, router: PhraseRouter, text: str) -> None:
        assert patience(reading(router, text)) == UNFINISHED

    def test_a_beginning_that_the_grammar_refused(self, patience: Patience) -> None:
        assert patience(Reading(NotRecognized("outside the grammar", "test", 1.0, "set a timer for"), None)) == UNFINISHED

    def test_a_note_may_go_on(self, patience: Patience) -> None:
        call = Call("notes", {"action": "add", "note": "call the plumber"})
        assert patience(Reading(Transcript("note call the plumber", "test", 1.0), Route("", (call,), 0.9, "embedded", 1.0))) == OPEN_END

    @pytest.mark.parametrize("text", ["the train was late again", "bananas"])
    def test_other_talk_has_the_usual(self, patience: Patience, router: PhraseRouter, text: str) -> None:
        assert patience(reading(router, text)) == 0.5
