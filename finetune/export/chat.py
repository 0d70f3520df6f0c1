"""The prompt as a chat template: a server that applies it to Otto's messages writes what the model was tuned on."""

from __future__ import annotations

import json

from otto.prompt import render
from otto.promptformat import PromptFormat

_SYSTEM, _USER = "\ue000", "\ue001"  # stand for the two texts; of Unicode's private use


def chat_template(prompt: PromptFormat, end: str) -> str:
    """The Jinja template of a prompt: the system message holds the instructions, each user message is one utterance.

    Args:
        prompt: the format that the weights were tuned with. Its hash is in the template, for who is asked through a server.
        end: the token that ends an answer.
    """
    before, rest = render(prompt.family, (), _USER, own=_SYSTEM).split(_SYSTEM)
    between, after = rest.split(_USER)
    space = "" if after[-1:].isspace() else " "
    lines = (
        f"{{#- {prompt.mark} -#}}",
        "{%- set said = namespace(system='') -%}",
        "{%- for message in messages -%}",
        "{%- if message['role'] == 'system' -%}",
        "{%- set said.system = message['content'] -%}",
        "{%- elif message['role'] == 'user' -%}",
        f"{{{{- {_text(before)} + said.system + {_text(between)} + message['content'] + {_text(after)} -}}}}",
        "{%- elif message['role'] == 'assistant' -%}",
        f"{{{{- {_text(space)} + message['content'] + {_text(end)} -}}}}",
        "{%- endif -%}",
        "{%- endfor -%}",
    )
    return "\n".join(lines)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
