"""The addresses of the way."""

from aiohttp import web

from campaign.console.drafts import (
    approvals,
    check_page,
    column_page,
    controls_page,
    list_page,
    message_page,
    send_page,
    test_page,
)

_DRAFT = "/drafts/{draft}"


def routes() -> list[web.RouteDef]:
    """Every page of the way."""
    return [
        web.get("/new", list_page.new),
        web.post("/new", list_page.begin),
        web.get("/approvals", approvals.show),
        web.get("/approvals/count", approvals.count),
        web.get(f"{_DRAFT}/list", list_page.show),
        web.post(f"{_DRAFT}/list", list_page.replace_list),
        web.post(f"{_DRAFT}/header", list_page.choose_header),
        web.post(f"{_DRAFT}/remove", list_page.remove),
        web.get(f"{_DRAFT}/column", column_page.show),
        web.post(f"{_DRAFT}/column", column_page.choose),
        web.get(f"{_DRAFT}/message", message_page.show),
        web.post(f"{_DRAFT}/message", message_page.save),
        web.post(f"{_DRAFT}/preview", message_page.look),
        web.get(f"{_DRAFT}/check", check_page.show),
        web.get(f"{_DRAFT}/problem-rows.csv", check_page.problem_rows),
        web.get(f"{_DRAFT}/controls", controls_page.show),
        web.post(f"{_DRAFT}/controls", controls_page.save),
        web.post(f"{_DRAFT}/exclude", controls_page.add_excludes),
        web.post(f"{_DRAFT}/exclude/remove", controls_page.remove_exclude),
        web.get(f"{_DRAFT}/test", test_page.show),
        web.post(f"{_DRAFT}/test", test_page.send),
        web.get(f"{_DRAFT}/send", send_page.show),
        web.post(f"{_DRAFT}/send", send_page.send),
        web.post(f"{_DRAFT}/ask", send_page.ask),
        web.post(f"{_DRAFT}/take-back", send_page.take_back),
        web.post(f"{_DRAFT}/send-back", send_page.send_back),
        web.post(f"{_DRAFT}/approve", send_page.approve),
    ]
