"""Clicks through the pages in headless Chromium, as a doctor and as a patient, in both languages.

Usage: check_pages.py DEMO_JSON PICTURES   (PICTURES is a folder for screenshots)
"""

import pathlib
import re
import shutil
import sys
import time

import requests
from demo import Demo, patient_of, same
from playwright.sync_api import expect, sync_playwright

EMR = "https://emr.example.cn"
# An order screen that embeds the page and keeps what it is told.
FRAME = """<!doctype html><title>EMR</title><script>window.told = [];
addEventListener('message', function (event) { window.told.push([event.origin, event.data]); });</script>
<iframe src="URL" style="width:1000px;height:720px"></iframe>"""
LANGUAGES = {"zh": ("zh-CN", "LANGUAGE_ZH"), "en": ("en-US", "LANGUAGE_EN")}


class Pages:
    """A browser, and the order screens' way to tickets."""

    def __init__(self, demo, browser, pictures):
        self.demo, self.browser, self.pictures = demo, browser, pathlib.Path(pictures)
        self.pictures.mkdir(parents=True, exist_ok=True)
        # No key of an earlier run is used again.
        self.run = str(time.time_ns())

    def open(self, language, width, height):
        """Opens a window whose console must stay clean of errors."""
        context = self.browser.new_context(
            ignore_https_errors=True, locale=LANGUAGES[language][0], viewport={"width": width, "height": height}
        )
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        return page

    def ticket(self, node, patient, code, language, **more):
        """Gets a ticket for an order of one line, as the hospital's order screen."""
        place = self.demo.nodes[node]
        client = next(c for c in self.demo.content["clients"] if c["org"] == place["org"] and c["role"] == "hospital")
        system, value = code
        order = {
            "patient": patient_of(self.demo.patients[patient]),
            "actor": {"practitioner": "D0002", "department": "内科门诊"},
            "visit": {"encounter": f"{self.run}-{value}-{language}-{len(more)}", "setting": "SETTING_OUTPATIENT"},
            "lines": [{"line_id": "1", "codes": [{"system": system, "code": value}]}],
            "language": LANGUAGES[language][1],
            **more,
        }
        for identifier in order["patient"]["identifiers"]:
            identifier.pop("authority", None)
        answer = requests.post(
            f"{place['https']}/prompt/tickets", json=order, timeout=20,
            verify=str(self.demo.folder / self.demo.content["ca"]),
            cert=(str(self.demo.folder / client["cert"]), str(self.demo.folder / client["key"])),
        )
        same(answer.status_code, 201, "a ticket")
        return answer.json()["url"]

    def prompted(self, page, *asked, **more):
        """Opens a page that prompts, and gives its address. A busy machine may miss the deadline: then once more."""
        for _ in range(20):
            url = self.ticket(*asked, **more)
            embedded = "origin" in more
            if embedded:
                page.unroute_all()
                page.route(f"{EMR}/**", fulfilling(FRAME.replace("URL", url)))
            page.goto(f"{EMR}/order" if embedded else url)
            lines = (page.frame_locator("iframe") if embedded else page).locator(".line")
            if lines.count() > 0:
                return url
            time.sleep(1)
        raise AssertionError("no page prompted")

    def picture(self, page, name):
        """Keeps what the window shows, and insists that no script failed."""
        page.screenshot(path=str(self.pictures / f"{name}.png"))
        same(page.errors, [], f"scripts of {name}")


def fulfilling(body):
    """Answers a request of the browser with a page."""
    return lambda route: route.fulfill(content_type="text/html", body=body)


def accept_with_one_key(pages, language):
    page = pages.open(language, 1024, 768)
    url = pages.prompted(page, 1, 0, ("catalogue", "L01001"), language)
    expect(page.locator("main, body").first).to_contain_text("4.1")
    expect(page.locator(".line.current")).to_be_visible()
    pages.picture(page, f"prompt-{language}")
    page.keyboard.press("a")
    expect(page.locator(".banner.good")).to_be_visible()
    pages.picture(page, f"accepted-{language}")
    same(page.goto(url).status, 410, "the ticket a second time")
    page.context.close()


def decline_with_two_keys(pages, language):
    """A panel that is covered in part; the order screen that embeds the page is told, and nobody else."""
    page = pages.open(language, 1024, 768)
    url = pages.prompted(page, 2, 0, ("panel", "ELECTROLYTES_7"), language, origin=EMR)
    frame = page.frame_locator("iframe")
    # The script has chosen the line, and takes keys.
    expect(frame.locator(".line.current")).to_be_visible()
    page.locator("iframe").focus()
    page.keyboard.press("d")
    reason = frame.locator("details.decline button.reason[data-reason]").first
    expect(reason).to_be_visible()
    pages.picture(page, f"reasons-{language}")
    page.keyboard.press(reason.get_attribute("data-reason").lower())
    expect(frame.locator(".line[data-open]")).to_have_count(0)
    pages.picture(page, f"declined-{language}")
    page.wait_for_function("window.told.some(function (it) { return it[1].outcome === 'decided'; })")
    told = page.evaluate("window.told")
    same({origin for origin, _ in told}, {re.match(r"https://[^/]+", url)[0]}, "who told the order screen")
    last = told[-1][1]
    same((last["type"], last["lines"][0]["outcome"]), ("concord.prompt", "declined"), "what it was told")
    page.context.close()


def scroll_through_images(pages, language):
    page = pages.open(language, 1024, 768)
    pages.prompted(page, 1, 4, ("catalogue", "E02003"), language)
    with page.context.expect_page() as opened:
        page.locator("a[data-original]").first.click()
    report = opened.value
    report.errors = []
    report.on("pageerror", lambda error: report.errors.append(str(error)))
    report.locator("a[href*='/images']").first.click()
    position = report.locator("#position")
    expect(position).to_have_text(re.compile(r"1\D+3"), timeout=20_000)
    report.locator("#stage").focus()
    report.keyboard.press("ArrowDown")
    expect(position).to_have_text(re.compile(r"2\D+3"))
    report.wait_for_function(
        """() => { var it = document.getElementById('picture'); if (!it.width) { return false; }
        var seen = it.getContext('2d').getImageData(0, 0, it.width, it.height).data;
        return Array.prototype.some.call(seen, function (value, place) { return place % 4 < 3 && value > 0; }); }"""
    )
    pages.picture(report, f"images-{language}")
    page.context.close()


def logged_in(pages, language):
    """Opens the patient's page on a telephone, and logs in with the demo's first patient."""
    page = pages.open(language, 390, 844)
    page.goto(pages.demo.content["issuer"]["patient_page"])
    page.locator("a[href^='/me/login']").click()
    subject = pages.demo.patients[0]["subject"]
    page.locator(f"button.strong[value='{subject}']").click()
    page.wait_for_url(re.compile(r"/me$"))
    return page


def act_for_a_child(pages, language):
    page = logged_in(pages, language)
    page.goto(page.url + "/sharing")
    page.locator("form.ward button[name='relation']").first.click()
    page.wait_for_url(re.compile(r"/me$"))
    expect(page.locator("body")).to_contain_text({"zh": "您正在代孩子操作", "en": "You are acting for a child"}[language])
    expect(page.locator("body")).not_to_contain_text("4.1")
    pages.picture(page, f"child-{language}")
    page.locator("form[action='/me/for'] button").first.click()
    expect(page.locator("body")).to_contain_text("4.1")
    page.context.close()


def share_and_take_back(pages, language):
    page = logged_in(pages, language)
    expect(page.locator("body")).to_contain_text("4.1")
    pages.picture(page, f"me-{language}")
    page.goto(page.url + "/share")
    page.locator("label[for='whom-link']").click()
    page.locator("#passcode").fill("314159")
    pages.picture(page, f"share-{language}")
    page.locator("form.steps button.primary").click()
    link = page.locator("#link")
    expect(page.locator(".qr .picture svg")).to_be_visible()
    same(link.input_value().startswith("shlink:/"), True, "a SMART Health Link")
    pages.picture(page, f"shared-{language}")
    page.locator("form[action$='/revoke'] button").first.click()
    page.wait_for_url(re.compile(r"/me/shares$"))
    pages.picture(page, f"taken-back-{language}")
    page.goto(page.url.replace("/shares", "/accesses"))
    expect(page.locator("body")).to_contain_text(pages.demo.nodes[1]["name_zh" if language == "zh" else "name_en"])
    pages.picture(page, f"who-looked-{language}")
    page.context.close()


STORIES = (accept_with_one_key, decline_with_two_keys, scroll_through_images, share_and_take_back, act_for_a_child)


def main(path, pictures):
    demo = Demo(path)
    # Machines that do something else meanwhile take longer.
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
                # The invented order screen seems to be on the Internet; nobody is there to let it reach this machine.
                "--disable-features=LocalNetworkAccessChecks",
            ],
        )
        pages = Pages(demo, browser, pictures)
        for language in LANGUAGES:
            for story in STORIES:
                print(f"-- {story.__name__} ({language})")
                story(pages, language)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
