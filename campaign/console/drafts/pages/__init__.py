"""The wizard's pages, one module for one or two steps, and their routes."""

from aiohttp import web

from campaign.console.drafts.pages import controls_page, list_page, message_page, send_page, test_page

_DRAFT = "/drafts/{draft}"


def routes() -> list[web.RouteDef]:
    return [
        web.get("/new", list_page.new),
        web.post("/new", list_page.begin),
        web.get("/approvals", send_page.show_approvals),
        web.get("/approvals/count", send_page.count_approvals),
        web.get(f"{_DRAFT}/list", list_page.show),
        web.post(f"{_DRAFT}/list", list_page.replace_list),
        web.post(f"{_DRAFT}/header", list_page.choose_header),
        web.post(f"{_DRAFT}/remove", list_page.remove),
        web.get(f"{_DRAFT}/column", list_page.show_columns),
        web.post(f"{_DRAFT}/column", list_page.choose_column),
        web.get(f"{_DRAFT}/message", message_page.show),
        web.post(f"{_DRAFT}/message", message_page.save),
        web.post(f"{_DRAFT}/preview", message_page.look),
        web.get(f"{_DRAFT}/check", send_page.show_check),
        web.get(f"{_DRAFT}/problem-rows.csv", send_page.problem_rows),
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
