#!/usr/bin/env python3
"""Opens HTML reports in headless Chromium and tries what a reader would.

    scripts/check-report.py REPORT.html… [--screenshots DIR] [--picture FILE.png]

Checks: nothing on the console, no request but for the file itself, nothing wider than a phone, every chart drawn, tables sort and
filter, figures follow the choice of a budget, all there without JavaScript. Ends with 0 (all is well), 1 (something is not; it says
what) or 77 (skipped: Python's `playwright`, or a Chromium, is not installed).
"""

import argparse
import pathlib
import shutil
import sys

SKIPPED = 77
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "chrome"]

failures = []


def check(claim, holds, detail=""):
    if not holds:
        failures.append(f"{claim}: {detail}" if detail else claim)


def open_page(browser, address, **options):
    """A page, with what it said on the console and what it asked for."""
    page = browser.new_context(**options).new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    return page, said, asked


def draw_all(page):
    """Scrolls through the page until every chart has been drawn."""
    for figure in page.locator("figure").all():
        figure.scroll_into_view_if_needed()
        figure.locator(".live svg").wait_for(timeout=20_000)
    page.evaluate("window.scrollTo(0, 0)")


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def column(table, at):
    """Texts of a column of the rows shown."""
    return table.evaluate(
        "(t, at) => [...t.tBodies[0].rows].filter(r => !r.hidden).map(r => r.cells[at].textContent)", at
    )


def check_sorting(page):
    for table in page.locator("table.sortable").all():
        if not table.is_visible():
            continue
        head = table.locator("thead th").nth(1)
        before = sorted(column(table, 1))
        table.locator("thead th button").nth(1).press("Enter")
        orders = [head.get_attribute("aria-sort")]
        first = column(table, 1)
        head.locator("button").click()
        orders.append(head.get_attribute("aria-sort"))
        check("sorting keeps every row", sorted(column(table, 1)) == before)
        check("sorting says its order", sorted(orders) == ["ascending", "descending"], orders)
        distinct = len(set(first)) > 1
        check("sorting turns round", not distinct or column(table, 1) != first, head.inner_text())


def check_filtering(page):
    table = page.locator("table.filterable")
    if table.count() == 0:
        return
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    bar = page.locator("#population .choices")
    everything = len(column(table, 0))
    family = column(table, 1)[0]
    bar.locator("select").nth(0).select_option(family)
    shown = column(table, 1)
    check("the family filter shows one family", set(shown) == {family}, set(shown))
    bar.locator("input").fill("no such model anywhere")
    check("the search hides what does not fit", column(table, 0) == [])
    check("the number of rows is told", bar.locator("output").inner_text().startswith("0 of "))
    bar.locator("input").fill("")
    bar.locator("select").nth(0).select_option("")
    check("all rows come back", len(column(table, 0)) == everything)


def check_budgets(page):
    menu = page.locator("#budget")
    if menu.count() == 0:
        return
    figure = page.locator("#figure-heatmap")
    texts = lambda: figure.locator(".live svg").evaluate("s => [...s.querySelectorAll('text')].map(t => t.textContent).join(' ')")
    before = texts()
    values = menu.evaluate("m => [...m.options].map(o => o.value)")
    other = next(value for value in values if value != menu.input_value())
    menu.select_option(other)
    page.wait_for_timeout(500)
    check("one menu sets the budget of every figure", figure.locator("select").input_value() == other)
    check("figures follow the budget", texts() != before)


def check_names(page):
    figure = page.locator("#figure-tsne")
    if figure.count() == 0:
        return
    figure.scroll_into_view_if_needed()
    point = figure.locator(".live svg .mark-symbol path").first
    point.hover(force=True)
    page.wait_for_timeout(300)
    tip = page.locator("#vg-tooltip-element.visible")
    check("a point names its model", tip.count() == 1 and "Model" in tip.inner_text())
    family = figure.locator("select").nth(1)
    before = figure.locator(".live svg .mark-symbol path").count()
    family.select_option(index=1)
    page.wait_for_timeout(500)
    check("the map filters by family", 0 < figure.locator(".live svg .mark-symbol path").count() < before)


def check_report(browser, path, screenshots):
    address = path.resolve().as_uri()
    size = path.stat().st_size
    check("the page is under 2 MB", size < 2_000_000, f"{size} bytes")

    page, said, asked = open_page(browser, address, viewport=DESK)
    page.wait_for_function("'ready' in document.documentElement.dataset")
    draw_all(page)
    check("nothing overflows on a desk", overflow(page) <= 0, f"{overflow(page)} pixels")
    missing = page.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.hash).filter(h => !document.querySelector(h))")
    check("links lead somewhere", missing == [], missing)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, select, input, [role]')]"
        ".filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.closest('svg'))).map(e => e.outerHTML.slice(0, 99))"
    )
    check("controls have names", unnamed == [], unnamed)
    check_budgets(page)
    check_sorting(page)
    check_filtering(page)
    check_names(page)
    check("the console is silent", said == [], said)
    check("no request but for the page", asked == [address] or asked == [address, "data:,"], asked)

    for theme, viewport, name in [("light", DESK, "light"), ("dark", DESK, "dark"), ("light", PHONE, "phone"), ("dark", PHONE, "phone-dark")]:
        page, said, _ = open_page(browser, address, viewport=viewport, color_scheme=theme)
        draw_all(page)
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        check(f"nothing overflows ({name})", overflow(page) <= 0, f"{overflow(page)} pixels")
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
        check(f"the console is silent ({name})", said == [], said)
        if screenshots:
            page.screenshot(path=screenshots / f"{path.stem}-{name}.png", full_page=True)

    page, said, _ = open_page(browser, address, viewport=DESK, java_script_enabled=False)
    for figure in page.locator("figure").all():
        check("figures show without JavaScript", figure.locator(".static svg").is_visible())
    check("controls that need JavaScript are hidden without it", page.locator("select, input, button").count() == 0)
    check("the answer stands without JavaScript", page.locator("#answer").inner_text() != "")
    if screenshots:
        page.screenshot(path=screenshots / f"{path.stem}-plain.png", full_page=True)
        page, _, _ = open_page(browser, address, viewport=DESK)
        page.wait_for_function("'ready' in document.documentElement.dataset")
        draw_all(page)
        page.pdf(path=screenshots / f"{path.stem}.pdf", format="A4")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("reports", nargs="+", type=pathlib.Path)
    arguments.add_argument("--screenshots", type=pathlib.Path, metavar="DIR")
    arguments.add_argument("--picture", type=pathlib.Path, metavar="FILE.png", help="the start of the first report")
    arguments = arguments.parse_args()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("skipped: Python has no `playwright` (pip install playwright)")
        return SKIPPED
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print("skipped: no Chromium here")
        return SKIPPED
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        if arguments.picture:
            page, _, _ = open_page(browser, arguments.reports[0].resolve().as_uri(), viewport={"width": 1000, "height": 1690}, device_scale_factor=0.65)
            page.wait_for_function("'ready' in document.documentElement.dataset")
            page.locator("#figure-budget .live svg").wait_for()
            page.screenshot(path=arguments.picture)
        for path in arguments.reports:
            check_report(browser, path, arguments.screenshots)
        browser.close()
    for failure in failures:
        print(f"failed: {failure}")
    if not failures:
        print(f"{len(arguments.reports)} reports work as they should")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
