"""The product's own line icons, drawn inline so that they cost no request."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

PATHS = {
    "search": "M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM11 11l3.5 3.5",
    "user": "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14c.6-3 2.8-4.5 5.5-4.5s4.9 1.5 5.5 4.5",
    "plus": "M8 3v10M3 8h10",
    "check": "M3 8.5l3.5 3.5L13 4.5",
    "cross": "M4 4l8 8M12 4l-8 8",
    "stop": "M4 4h8v8H4z",
    "warning": "M8 2l6.5 11.5h-13zM8 6.5v3M8 11.5v.2",
    "info": "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.5V11M8 5v.2",
    "shield": "M8 1.8l5.2 2v4c0 3.2-2.2 5.3-5.2 6.5-3-1.2-5.2-3.3-5.2-6.5v-4z",
    "flask": "M6 2h4M6.5 2v4.5L3 13a.8.8 0 0 0 .7 1.2h8.6A.8.8 0 0 0 13 13L9.5 6.5V2M5 10h6",
    "arrow": "M3 8h10M9 4l4 4-4 4",
    "back": "M13 8H3M7 4L3 8l4 4",
    "question": "M6 6a2 2 0 1 1 2.8 1.8c-.6.3-.8.7-.8 1.4M8 11.8v.2M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z",
    "clock": "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.5V8l2.5 1.5",
    "key": "M9.5 9.5a3.5 3.5 0 1 0-3-3L2 11v3h3v-2h2v-2z",
    "out": "M6 14H3V2h3M10.5 11l3-3-3-3M13 8H6",
    "gear": "M8 10.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4zM8 1.5v2M8 12.5v2M1.5 8h2M12.5 8h2M3.4 3.4l1.4 1.4"
    "M11.2 11.2l1.4 1.4M12.6 3.4l-1.4 1.4M4.8 11.2l-1.4 1.4",
    "pause": "M5.5 3v10M10.5 3v10",
    "offline": "M2 2l12 12M4.5 10.5a5 5 0 0 1 5.8-.9M2 7a8 8 0 0 1 4-2.2M10 4.8A8 8 0 0 1 14 7M8 13.2v.1",
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Decorative always: the words beside it say what it means."""
    return format_html(
        '<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="{}"/></svg>',
        mark_safe(PATHS[name]),  # noqa: S308  (a constant of this file)
    )
