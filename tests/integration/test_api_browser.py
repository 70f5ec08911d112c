"""The page in a real headless Chromium: filled in, submitted, explained; by mouse, by keyboard, on a phone."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from api_process import Running, running
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from features.keys import keys
from model import bundle
from model.samples import samples
from schemas import hours
from store.apply import applier
from store.batch import Observation
from store.client import connect
from store.keyspace import Source
from store.settings import StoreSettings

pytestmark = pytest.mark.integration

COUNTED = 7
PATIENCE = 30
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Debian's Chromium with a fresh profile."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium and chromedriver are not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield made
    finally:
        made.quit()


@pytest.fixture
async def api(served_bundle: Path, redis_url: str, tmp_path: Path) -> Running:  # type: ignore[misc]
    """An API whose store has counted the first sample's device COUNTED times."""
    namespace = f"test-{uuid4()}"
    settings = StoreSettings(redis_url=redis_url, store_namespace=namespace)
    shown = samples(served_bundle, bundle.verify(served_bundle))[0].impression
    client = connect(settings)
    observations = [Observation(offset, hours.index(shown.hour), keys(shown)) for offset in range(COUNTED)]
    await applier(client, settings)(Source("impressions", 0), COUNTED - 1, observations, 0, 0)
    await client.aclose()
    with running(served_bundle, redis_url, tmp_path, STORE_NAMESPACE=namespace) as made:
        yield made


def show(browser: webdriver.Chrome, url: str, width: int, height: int) -> None:
    """Open the page in a window of this size and wait until a sample is filled in."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(url)
    until(browser, lambda: field(browser, "device_ip").get_attribute("value"))


def until(browser: webdriver.Chrome, holds: object) -> None:
    """Wait until it holds."""
    WebDriverWait(browser, PATIENCE, 0.05).until(lambda _: holds())  # type: ignore[operator]


def field(browser: webdriver.Chrome, name: str) -> WebElement:
    """The element with this id."""
    return browser.find_element(By.ID, name)


def predict(browser: webdriver.Chrome) -> float:
    """Press the button; the probability that is shown."""
    field(browser, "predict").click()
    until(browser, lambda: field(browser, "predict").is_enabled() and field(browser, "click-proba").text)
    return float(field(browser, "click-proba").text.removesuffix("%")) / 100


def faults_of_the_browser(browser: webdriver.Chrome) -> list[object]:
    """What the console complains of; that a request was refused is no fault of the page."""
    return [line for line in browser.get_log("browser") if "422" not in line["message"]]  # type: ignore[no-untyped-call]


async def test_a_person_sees_the_probability_and_why(browser: webdriver.Chrome, api: Running) -> None:
    """A sample is picked and submitted: probability, counts, each table's CTR, what moved the score, the model."""
    show(browser, api.url, 1280, 1500)
    assert 0 < predict(browser) < 1
    text = field(browser, "result").text
    assert "What moved the score most" in text
    assert len(browser.find_elements(By.CSS_SELECTOR, "#contributions tr")) == 11
    counts = field(browser, "counts").text.splitlines()
    assert f"device_ip {COUNTED} {COUNTED}" in counts
    assert "device_id 0 0" in counts  # nobody
    assert "site_id" in field(browser, "tables").text
    assert "trained on" in field(browser, "model").text
    assert field(browser, "ready").text.startswith("ready")
    assert not faults_of_the_browser(browser)


async def test_another_impression_gets_another_probability(browser: webdriver.Chrome, api: Running) -> None:
    """What is typed in is what is scored."""
    show(browser, api.url, 1280, 1500)
    before = predict(browser)
    field(browser, "sample").send_keys("Values that are clicked often")
    assert predict(browser) > before
    device_ip = field(browser, "device_ip")
    device_ip.clear()
    device_ip.send_keys("198.51.100.9")
    predict(browser)
    until(browser, lambda: "device_ip 0 0" in field(browser, "counts").text.splitlines())


async def test_a_bad_field_has_its_message_beside_it(browser: webdriver.Chrome, api: Running) -> None:
    """Each bad field is marked, described and the first one focused; a good submission clears them."""
    show(browser, api.url, 1280, 1500)
    for name, bad in (("hour", "14109999"), ("C14", "many")):
        field(browser, name).clear()
        field(browser, name).send_keys(bad)
    field(browser, "predict").click()
    until(browser, lambda: field(browser, "hour-fault").text)
    assert field(browser, "hour-fault").text == "expected YYMMDDHH of a real date and hour, got '14109999'"
    assert field(browser, "C14-fault").text == "expected an integer, got 'many'"
    for name in ("hour", "C14"):
        assert field(browser, name).get_attribute("aria-invalid") == "true"
        assert field(browser, name).get_attribute("aria-describedby") == f"{name}-fault"
    assert browser.switch_to.active_element.get_attribute("id") == "hour"
    field(browser, "sample").send_keys(Keys.ARROW_DOWN)
    predict(browser)
    assert not field(browser, "hour-fault").text
    assert field(browser, "hour").get_attribute("aria-invalid") is None


async def test_the_keyboard_is_enough(browser: webdriver.Chrome, api: Running) -> None:
    """Tab reaches the sample, every field in the order of the page, and the button; Enter submits."""
    show(browser, api.url, 1280, 1500)
    reached = []
    for _ in range(30):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.switch_to.active_element.get_attribute("id"))
        if reached[-1] == "predict":
            break
    names = [one.get_attribute("id") for one in browser.find_elements(By.CSS_SELECTOR, "#fields input")]
    assert reached[-len(names) - 2 :] == ["sample", *names, "predict"]
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    until(browser, lambda: field(browser, "click-proba").text)
    until(browser, lambda: browser.switch_to.active_element.get_attribute("id") == "result-title")


async def test_every_field_has_a_label(browser: webdriver.Chrome, api: Running) -> None:
    """What a screen reader says of each is its name."""
    show(browser, api.url, 1280, 1500)
    for one in browser.find_elements(By.CSS_SELECTOR, "input, select, button"):
        if one.is_displayed():
            assert one.accessible_name


@pytest.mark.parametrize("width", [320, 390])
async def test_it_is_readable_on_a_phone(browser: webdriver.Chrome, api: Running, width: int) -> None:
    """Nothing is wider than the screen, the text is not small, fields and button are big enough for a thumb."""
    show(browser, api.url, width, 844)
    predict(browser)
    root = "document.documentElement"
    assert browser.execute_script(f"return {root}.scrollWidth <= {root}.clientWidth")
    for one in browser.find_elements(By.CSS_SELECTOR, "input, select, button"):
        if one.is_displayed():
            assert one.size["height"] >= 40
    sizes = (
        "return [...document.querySelectorAll('td, th, label, p')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(browser.execute_script(sizes)) >= 12
    top = "return document.getElementById('result').getBoundingClientRect().top"
    until(browser, lambda: abs(browser.execute_script(top)) < 60)  # the answer is scrolled to


async def test_with_a_key_the_page_asks_for_it(
    browser: webdriver.Chrome, served_bundle: Path, redis_url: str, tmp_path: Path
) -> None:
    """A field for the key appears, with a message; with the right key all works."""
    with running(served_bundle, redis_url, tmp_path, API_KEY="right") as api:
        browser.get(api.url)
        until(browser, lambda: field(browser, "key").is_displayed())
        assert "key" in field(browser, "key-fault").text
        field(browser, "key").send_keys("right", Keys.TAB)
        until(browser, lambda: field(browser, "device_ip").get_attribute("value"))
        assert 0 < predict(browser) < 1
