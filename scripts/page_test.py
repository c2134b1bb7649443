"""Drives the sidecar's page in Debian's Chromium as a person would, with the mouse and without, and looks at what is there.

Run by `make test-page`, which installs what this needs. Leaves screenshots in target/page.
"""

import base64
import importlib.util
import json
import pathlib
import re
import shutil
import sys
import tempfile
import urllib.error
import urllib.request

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

import sidecar

SHOTS = sidecar.ROOT / "target" / "page"
QUESTION = "wheres my money its been over a week since u said yes"


def recorded_rewrites(folder):
    """The help centre's rewrites, recorded by the text of their questions: the file of them."""
    lines = lambda name: [json.loads(line) for line in (sidecar.HELP_CENTRE / name).read_text().splitlines()]
    texts = {query["_id"]: query["text"] for query in lines("queries.jsonl")}
    recorded = [{"question": texts[one["_id"]], "rewrites": one["rewrites"]} for one in lines("rewrites.jsonl")]
    file = pathlib.Path(folder) / "rewrites.jsonl"
    file.write_text("\n".join(map(json.dumps, recorded)))
    return file


def browser(width, height, dark=False):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync", f"--window-size={width},{height}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    return driver


def shoot(driver, name):
    """The whole page, as it is."""
    driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    size = driver.execute_script("return [document.documentElement.clientWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    (SHOTS / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def ask(driver, question):
    field = driver.find_element(By.ID, "question")
    field.clear()
    field.send_keys(question, Keys.ENTER)
    WebDriverWait(driver, 20).until(lambda driver: "found in" in driver.find_element(By.ID, "status").text)


def points(driver, ranking):
    items = driver.find_elements(By.CSS_SELECTOR, f"#{ranking} li[data-point]")
    return [item.get_attribute("data-point") for item in items]


def requests(driver):
    return driver.execute_script("return performance.getEntriesByType('resource').length")


def slide(driver, slider, value):
    driver.execute_script("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))", slider, value)


def check_answer(driver):
    """The answer and its account are there."""
    assert driver.title == "asktwice"
    fused = points(driver, "fused-ranking")
    assert len(fused) == 10, fused
    assert len(points(driver, "asked-ranking")) == 10 and len(points(driver, "rewrite-ranking")) == 10
    assert len(driver.find_elements(By.CSS_SELECTOR, "#variants li")) == 2
    steps = [row.text for row in driver.find_elements(By.CSS_SELECTOR, "#timeline tbody th")]
    assert "rewrite" in steps and any(step.startswith("embed") for step in steps), steps
    lines = driver.find_elements(By.CSS_SELECTOR, "#lines path")
    both = [set(points(driver, side)) & set(fused) for side in ("asked-ranking", "rewrite-ranking")]
    assert len(lines) == sum(map(len, both)) > 0, len(lines)


def check_fusing(driver):
    """The order changes at once, without a request, and as the formulas say."""
    before = requests(driver)
    own = points(driver, "fused-ranking")
    method = Select(driver.find_element(By.ID, "method"))
    names = [option.get_attribute("value") for option in method.options]
    assert {"rrf", "intersection", "intersection:strict", "min-max", "dbsf"} <= set(names), names
    orders = {}
    for name in names[1:]:
        method.select_by_value(name)
        orders[name] = points(driver, "fused-ranking")
    assert len({tuple(order) for order in orders.values()}) >= 3, orders
    strict, filled = orders["intersection:strict"], orders["intersection"]
    assert strict[: len(filled)] == filled[: len(strict)], orders
    method.select_by_value("rrf")
    slide(driver, driver.find_element(By.ID, "weight-1"), 0)
    assert points(driver, "fused-ranking") == points(driver, "asked-ranking")
    slide(driver, driver.find_element(By.ID, "weight-0"), 0)
    slide(driver, driver.find_element(By.ID, "weight-1"), 1)
    assert points(driver, "fused-ranking") == points(driver, "rewrite-ranking")
    assert "places changed" in driver.find_element(By.ID, "changed").text
    driver.find_element(By.ID, "reset").click()
    assert points(driver, "fused-ranking") == own
    assert requests(driver) == before


def check_against_the_library(driver, url):
    """What the page fuses is what the library fuses, method by method."""
    method = Select(driver.find_element(By.ID, "method"))
    for name in [option.get_attribute("value") for option in method.options][1:]:
        body = {"question": QUESTION, "limit": 10, "fusion": name, "explain": True}
        request = urllib.request.Request(f"{url}/v1/retrieve", json.dumps(body).encode(), {"content-type": "application/json"})
        try:
            reply = json.load(urllib.request.urlopen(request))
        except urllib.error.HTTPError as error:
            print(f"  {name}: the library does not know it: {json.load(error)['detail']}")
            continue
        point = {one["passage"]["id"]: one["point"] for one in reply["explanation"]["passages"]}
        expected = [point[hit["passage"]["id"]] for hit in reply["hits"]]
        method.select_by_value(name)
        assert points(driver, "fused-ranking") == expected, name
    driver.find_element(By.ID, "reset").click()


def check_reasons(driver):
    """A hit opens by keyboard, and what its legs add makes its score."""
    summary = driver.find_element(By.CSS_SELECTOR, "#fused-ranking li summary")
    summary.send_keys(Keys.ENTER)
    rows = driver.find_elements(By.CSS_SELECTOR, "#fused-ranking li:first-child .why tbody tr")
    cells = [float(row.find_elements(By.TAG_NAME, "td")[3].text) for row in rows]
    assert len(cells) >= 2 and abs(sum(cells[:-1]) - cells[-1]) < 2e-4, cells
    assert driver.find_element(By.CSS_SELECTOR, "#fused-ranking li:first-child .text").is_displayed()


def check_keyboard(driver):
    """Everything can be reached by the tabulator, and shows that it has been."""
    driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    body = driver.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    reached = set()
    for _ in range(40):
        active = driver.switch_to.active_element
        reached.add(active.get_attribute("id") or active.tag_name)
        if active.tag_name not in ("body", "html"):
            outline = active.value_of_css_property("outline-style")
            assert outline != "none", active.get_attribute("outerHTML")[:200]
        active.send_keys(Keys.TAB)
    assert {"question", "button", "method", "weight-0", "weight-1", "reset", "summary"} <= reached, reached


def check_accessibility(driver):
    """axe-core, the checker that browsers' own audits use, finds nothing."""
    package = pathlib.Path(importlib.util.find_spec("axe_playwright_python").origin).parent
    driver.execute_script((package / "axe.min.js").read_text())
    found = driver.execute_async_script("axe.run().then(arguments[0])")["violations"]
    told = [f"{one['id']}: {one['help']}: {[node['html'][:120] for node in one['nodes']]}" for one in found]
    assert not told, "\n".join(told)
    assert driver.find_element(By.ID, "status").get_attribute("aria-live") == "polite"


def check_settings(driver):
    driver.find_element(By.CSS_SELECTOR, "#settings summary").send_keys(Keys.ENTER)
    text = driver.find_element(By.ID, "settings").text
    assert "search.depth" in text and "fuse.method" in text and re.search(r"Collection passages: \d+ passages", text), text


def check_quiet(driver):
    """Nothing went wrong, and nothing was asked of another host."""
    problems = [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert not problems, problems
    hosts = driver.execute_script("return performance.getEntriesByType('resource').map(one => new URL(one.name).host)")
    assert set(hosts) == {driver.execute_script("return location.host")}, hosts


def check_width(driver):
    widths = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1], widths


def main():
    SHOTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "ASKTWICE__REWRITE__RECORDED_FILE": str(recorded_rewrites(folder)),
            "ASKTWICE__REWRITE__RECORDED_LATENCY_MS": "60",
        }
        sidecar.index(folder, sidecar.HELP_CENTRE / "corpus.jsonl", settings)
        with sidecar.serve(folder, settings) as url:
            looks = [("desktop", 1280, 900, False), ("dark", 1280, 900, True), ("phone", 390, 844, False), ("phone-dark", 390, 844, True)]
            for name, width, height, dark in looks:
                driver = browser(width, height, dark)
                try:
                    driver.get(url)
                    shoot(driver, f"{name}-empty")
                    ask(driver, QUESTION)
                    check_answer(driver) if width > 600 else None
                    check_width(driver)
                    check_accessibility(driver)
                    shoot(driver, name)
                    if name == "desktop":
                        check_fusing(driver)
                        check_against_the_library(driver, url)
                        check_keyboard(driver)
                    check_reasons(driver)
                    check_settings(driver)
                    check_width(driver)
                    shoot(driver, f"{name}-open")
                    ask(driver, "a question without a recorded rewrite")
                    assert "Lost" in driver.find_element(By.ID, "lost").text
                    shoot(driver, f"{name}-lost")
                    check_quiet(driver)
                finally:
                    driver.quit()
                print(f"{name}: well")


if __name__ == "__main__":
    sys.exit(main())
