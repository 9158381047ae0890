"""The page at / in a real browser: Debian's Chromium, driven by Playwright."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse
import urllib.request

import serving

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    sync_playwright = None
CHROMIUM = shutil.which("chromium")
SECTIONS = ("chat", "completion", "grammar", "model", "load")

# Each control and picture has a name, each number a label of its own, no id is there twice.
NAMELESS = """() => {
    const seen = (e) => e.checkVisibility({ visibilityProperty: true });
    const label = (e) => e.getAttribute("aria-label") || e.getAttribute("title") || e.textContent.trim()
        || [...(e.labels ?? [])].map((l) => l.textContent.trim()).join("")
        || (e.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent)
           .join("");
    const kinds = "button, a, select, input, textarea, summary, dialog, table, nav, aside, section, svg, [role]";
    const all = [...document.querySelectorAll(kinds)].filter(seen);
    const quiet = (e) => ["status", "alert"].includes(e.getAttribute("role")) || !e.closest("body > div, main, body")
        || (e.matches("section") && !e.id);
    const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    return [...all.filter((e) => !quiet(e) && !label(e)).map((e) => e.outerHTML.slice(0, 200)),
            ...ids.filter((id, i) => ids.indexOf(id) !== i)];
}"""

# Texts with too little contrast (WCAG AA: 4.5) against what lies behind them.
FAINT = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3])).concat(1);
    const light = (c) => {
        const [r, g, b] = c.map((x) => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (e) => {
        const color = rgba(getComputedStyle(e).backgroundColor);
        return color[3] === 1 ? color : over(color, e.parentElement ? behind(e.parentElement) : [255, 255, 255, 1]);
    };
    const bad = [];
    for (const e of document.querySelectorAll("body *")) {
        const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
        if (!own || !e.checkVisibility() || e.closest(".unseen, .skip, :disabled, pre[aria-hidden], svg")) continue;
        const back = behind(e), ink = over(rgba(getComputedStyle(e).color), back);
        const [low, high] = [light(ink), light(back)].sort((a, b) => a - b), ratio = (high + 0.05) / (low + 0.05);
        if (ratio < 4.5) bad.push(`${ratio.toFixed(2)}: ${e.outerHTML.slice(0, 120)}`);
    }
    return bad;
}"""


def post(url, path, body):
    ask = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(ask, timeout=60) as reply:
        return json.load(reply)


@unittest.skipUnless(sync_playwright and CHROMIUM, "Chromium is not installed")
class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        plain = serving.model().with_name("plain")
        shutil.copytree(serving.model(), plain, dirs_exist_ok=True)
        (plain / "chat_template.jinja").unlink()
        words = plain.with_name("words.arpa")
        serving.lathe("ngram-build", serving.model().parent / "text" / "README.txt", "--order", 3, "--output", words)
        cls.server = serving.Server(serving.model(), plain, words, "fake:vocab=9")
        cls.addClassCleanup(cls.server.stop)
        playwright = sync_playwright().start()
        cls.addClassCleanup(playwright.stop)
        cls.browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        cls.addClassCleanup(cls.browser.close)
        expect.set_options(timeout=10000)

    def setUp(self):
        self.refusals_expected = False

    def open_page(self, section="", url=None, **how):
        """A page that knows its models, in a browser that has never been here."""
        self.url = url or self.server.url
        self.said, self.asked = said, asked = [], []
        context = self.browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **how})
        self.addCleanup(context.close)
        self.page = page = context.new_page()
        page.set_default_timeout(10000)
        page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: said.append(str(e)))
        context.on("request", lambda r: asked.append(r))
        page.goto(f"{self.url}/{section and '#' + section}")
        if not url:
            expect(page.locator("#set-temperature")).to_be_attached()

    def tearDown(self):
        said = [s for s in self.said if not (self.refusals_expected and s.startswith("Failed to load resource"))]
        self.assertEqual(said, [])
        for request in self.asked:
            self.assertTrue(request.url.startswith((self.url, "data:", "blob:" + self.url)), request.url)

    def settings(self, **values):
        for name, value in values.items():
            self.page.evaluate("([n, v]) => { Settings.set({ ...Settings.given(), [n]: v }); }", [name, value])

    def chat(self, text="What is a model folder?", **settings):
        """Sends a message; the reply's element, when it is complete."""
        self.settings(**{"max_tokens": 24, "seed": 5, **settings})
        self.page.fill("#chat-text", text)
        self.page.press("#chat-text", "Enter")
        return self.replied()

    def replied(self, attempts=1):
        """The last message, when it is complete; attempts: how many replies there are then in its place."""
        reply = self.page.locator("#messages .message").last
        if attempts > 1:
            expect(reply.locator(".count")).to_have_text(f"{attempts} of {attempts}")
        expect(self.page.locator("#chat-send")).to_have_text("Send")
        expect(reply.locator("footer")).to_be_visible()
        return reply

    def tokens(self, where="#messages .message:last-child"):
        return [t.get_attribute("aria-label") for t in self.page.locator(f"{where} .token").all()]

    def last_body(self, path):
        return [r.post_data_json for r in self.asked if r.method == "POST" and r.url.endswith(path)][-1]

    # ---- chat ----

    def test_a_chat_streams_and_is_the_reply_of_the_api(self):
        self.open_page()
        self.page.evaluate("""() => {
            window.grew = [];
            new MutationObserver(() => grew.push(document.querySelector("#messages").textContent.length))
                .observe(document.querySelector("#messages"), { childList: true, subtree: true, characterData: true });
        }""")
        reply = self.chat(max_tokens=60)
        self.assertGreater(len(set(self.page.evaluate("grew"))), 5)
        whole = post(self.url, "/v1/chat/completions", {
            "model": "small", "messages": [{"role": "user", "content": "What is a model folder?"}], "max_tokens": 60,
            "seed": 5, "logprobs": True})["choices"][0]
        self.assertEqual(reply.locator(".tokens .unseen").text_content(), whole["message"]["content"])
        self.assertEqual(len(self.tokens()), len(whole["logprobs"]["content"]))

    def test_a_longest_reply_beyond_the_model_is_what_it_has_left(self):
        self.open_page()
        self.chat(max_tokens=1000)
        asked = post(self.url, "/tokenize", {"messages": [{"role": "user", "content": "What is a model folder?"}]})
        self.assertEqual(self.last_body("/v1/chat/completions")["max_tokens"], 256 - asked["count"])
        expect(self.page.locator("#notice")).to_be_hidden()

    def test_a_token_shows_its_probability_under_the_mouse(self):
        self.open_page()
        self.chat()
        reply = post(self.url, "/v1/chat/completions", {
            "model": "small", "messages": [{"role": "user", "content": "What is a model folder?"}], "max_tokens": 24,
            "seed": 5, "logprobs": True, "top_logprobs": 10})["choices"][0]["logprobs"]["content"]
        popup = self.page.locator("#popup")
        expect(popup).to_be_hidden()
        self.page.locator(".token").nth(3).hover()
        expect(popup).to_contain_text(f"log p {reply[3]['logprob']:.3f}")
        expect(popup).to_contain_text(re.compile(r"token \d+"))
        rows = popup.locator("li").all()
        self.assertIn(len(rows), (10, 11))                      # the token itself comes last when it is not among them
        shares = [float(r.locator(".number").text_content().split()[0]) for r in rows[:10]]
        self.assertEqual(shares, sorted(shares, reverse=True))
        self.page.mouse.move(5, 5)
        expect(popup).to_be_hidden()

    def test_the_reply_goes_on_from_an_alternative(self):
        self.open_page()
        self.chat()
        before = self.tokens()
        self.page.locator(".token").nth(4).click()
        rows = self.page.locator("#popup li:not(.taken) button")
        name = rows.nth(1).get_attribute("aria-label")
        rows.nth(1).click()
        reply = self.replied(2)
        after = self.tokens()
        self.assertEqual(after[:4], before[:4])
        self.assertEqual("Go on from " + after[4], name)
        prompt = self.last_body("/v1/completions")["prompt"]    # template, four tokens, the alternative: by number
        want = post(self.url, "/v1/completions", {"model": "small", "prompt": prompt, "max_tokens": 24, "seed": 5,
                                                  "logprobs": 0})["choices"][0]["logprobs"]["tokens"]
        self.assertEqual(len(after), 5 + len(want))
        begun = post(self.url, "/detokenize", {"model": "small", "tokens": prompt})["content"]
        asked = post(self.url, "/apply-template", {"model": "small", "messages": [
            {"role": "user", "content": "What is a model folder?"}]})["prompt"]
        self.assertTrue(begun.startswith(asked))
        whole = reply.locator(".tokens .unseen").text_content()
        self.assertTrue(whole.startswith(begun[len(asked):].rstrip("\ufffd")))
        self.page.get_by_role("button", name="The branch before").click()
        self.assertEqual(self.tokens(), before)

    def test_an_end_token_chosen_ends_the_reply(self):
        self.open_page()
        end = {"token": "<|endoftext|>", "bytes": None, "logprob": -2.5}
        places = [{"token": text, "bytes": None, "logprob": -1.5, "top_logprobs": [end]}
                  for text in ("bytes:\\xc3", "bytes:\\xa9", "b")]
        events = [{"choices": [{"delta": {"content": "\u00e9b"}, "finish_reason": None}]},
                  {"choices": [{"delta": {}, "logprobs": {"content": places}, "finish_reason": "length"}]}]
        stream = "".join(f"data: {json.dumps(e)}\n\n" for e in events) + "data: [DONE]\n\n"
        self.page.route("**/v1/chat/completions", lambda route: route.fulfill(
            body=stream, headers={"Content-Type": "text/event-stream"}))
        self.chat()
        self.assertEqual(self.page.locator("#messages .token").all_inner_texts(), ["", "\u00e9", "b"])
        self.page.locator(".token").nth(2).click()
        self.page.get_by_role("button", name="Go on from <|endoftext|>").click()
        expect(self.page.locator("#messages .count")).to_have_text("2 of 2")
        expect(self.page.locator("#messages .unseen")).to_have_text("\u00e9")
        self.assertEqual(len(self.tokens()), 3)
        self.assertFalse([r for r in self.asked if r.url.endswith("/v1/completions")])

    def test_regenerate_edit_and_branches(self):
        self.open_page()
        first = self.chat().locator(".tokens .unseen").text_content()
        self.settings(seed=6)
        self.page.get_by_role("button", name="Regenerate").click()
        second = self.replied().locator(".tokens .unseen").text_content()
        self.assertNotEqual(first, second)
        self.page.locator(".message").first.get_by_role("button", name="Edit").click()
        self.page.get_by_label("Changed message").fill("And a grammar?")
        self.page.get_by_role("button", name="Send as a new branch").click()
        self.replied()
        expect(self.page.locator(".message").first).to_contain_text("2 of 2")
        self.assertEqual(self.last_body("/v1/chat/completions")["messages"],
                         [{"role": "user", "content": "And a grammar?"}])
        self.page.get_by_role("button", name="The branch before").click()
        expect(self.page.locator(".message").last.locator(".count")).to_have_text("2 of 2")
        self.page.reload()                                      # nothing of it is lost
        expect(self.page.locator(".message").last.locator(".unseen")).to_have_text(second)

    def test_a_reply_cut_off_is_continued(self):
        self.open_page()
        reply = self.chat(max_tokens=5)
        expect(reply).to_contain_text("cut off")
        before = self.tokens()
        self.page.get_by_role("button", name="Continue").click()
        self.replied(2)
        self.assertEqual(self.tokens()[:5], before)
        self.assertGreater(len(self.tokens()), 5)

    def test_stop_keeps_what_there_is(self):
        self.open_page()
        held = []
        self.page.route("**/v1/chat/completions", lambda route: held.append(route))     # a slow server
        self.settings(max_tokens=24)
        self.page.fill("#chat-text", "Well?")
        self.page.press("#chat-text", "Enter")
        expect(self.page.locator("#chat-send")).to_have_text("Stop")
        self.page.click("#chat-send")
        expect(self.page.locator("#chat-send")).to_have_text("Send")
        expect(self.page.locator(".message").last).to_contain_text("stopped")
        held[0].abort()

    def test_a_conversation_is_saved_and_loaded(self):
        self.open_page()
        self.page.fill("#system", "Be brief.")
        self.chat()
        before = self.tokens()
        self.settings(seed=6)
        self.page.get_by_role("button", name="Regenerate").click()
        self.replied()
        self.page.get_by_role("button", name="The branch before").click()
        with self.page.expect_download() as download:
            self.page.click("#chat-save")
        with tempfile.TemporaryDirectory() as folder:
            path, again = (pathlib.Path(folder) / name for name in ("conversation.json", "again.json"))
            download.value.save_as(path)
            talk = subprocess.run([serving.LATHE, "chat", serving.model(), "--load", path], text=True, check=True,
                                  input=f"/set temperature 0.5\n/save {again}\n", capture_output=True)
            self.assertIn("1 turns read", talk.stderr)
            for file, temperature in ((path, ""), (again, "0.5")):          # the page's, and that of `lathe chat`
                self.open_page()
                self.page.set_input_files("#chat-file", file)
                expect(self.page.locator(".message")).to_have_count(2)
                self.assertEqual(self.tokens(), before)
                self.assertEqual(self.page.input_value("#system"), "Be brief.")
                self.assertEqual(self.page.input_value("#set-max_tokens"), "24")
                self.assertEqual(self.page.input_value("#set-temperature"), temperature)
                expect(self.page.locator("#messages .count")).to_have_text("1 of 2")
            path.write_text('[{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}]')
            self.page.set_input_files("#chat-file", path)
            expect(self.page.locator(".message").last).to_contain_text("Two")
            path.write_text('[{"role": "cat", "content": "One"}]')
            self.page.set_input_files("#chat-file", path)
            expect(self.page.locator("#notice")).to_contain_text("This is no conversation: a role is one of")
            path.write_text('{"messages": [{"role": "user", "content": "One"}], "options": {"greedy": true}}')
            self.page.set_input_files("#chat-file", path)
            expect(self.page.locator("#notice")).to_contain_text("without these options of it: greedy")
            asked = []
            self.page.on("dialog", lambda d: (asked.append(d.message), d.dismiss()))
            self.chat("More")
            self.page.click("#chat-new")
            self.assertEqual(asked, ["This conversation was not saved. Leave it all the same?"])
            expect(self.page.locator(".message")).to_have_count(3)

    def test_a_model_without_a_template_offers_completion(self):
        self.open_page()
        self.refusals_expected = True
        self.page.select_option("#models", "plain")
        expect(self.page.locator("#chat-none")).to_contain_text("There is no chat with this model")
        expect(self.page.locator("#chat-form")).to_be_hidden()
        self.page.click("#chat-none a")
        expect(self.page.locator("#completion-text")).to_be_visible()

    def test_an_ngram_model_writes_words(self):
        self.refusals_expected = True                           # no chat
        self.open_page("completion")
        self.page.select_option("#models", "words.arpa")
        self.settings(max_tokens=12, seed=3)
        self.page.fill("#completion-text", "The model")
        self.page.click("#completion-write")
        expect(self.page.locator("#completion-keep")).to_be_enabled()
        self.page.locator("#completion-view .token").nth(1).click()
        self.page.locator("#popup li:not(.taken) button").first.click()
        expect(self.page.locator("#completion-keep")).to_be_enabled()
        self.page.click("#completion-keep")
        self.assertRegex(self.page.input_value("#completion-text"), r"^The model \S+")
        self.page.click('nav a[href="#chat"]')
        expect(self.page.locator("#chat-none")).to_contain_text("There is no chat with this model")

    def test_what_the_server_refuses_is_said_as_it_says_it(self):
        self.open_page()
        self.refusals_expected = True
        self.page.fill("#chat-text", "word " * 400)
        self.page.press("#chat-text", "Enter")
        expect(self.page.locator("#notice")).to_contain_text("and the model holds 256 (n_ctx)")
        self.page.get_by_role("button", name="Close").click()
        expect(self.page.locator("#notice")).to_be_hidden()
        expect(self.page.get_by_role("button", name="Ask for a reply")).to_be_visible()
        self.page.evaluate("document.getElementById('set-top_p').value = '7'")
        self.page.get_by_role("button", name="Ask for a reply").click()
        expect(self.page.locator("#notice")).to_contain_text("top p: expected a number from")

    # ---- completion ----

    def test_a_text_is_scored(self):
        self.open_page("completion")
        text = "A grammar says which bytes may come."
        self.page.fill("#completion-text", text)
        self.page.click("#completion-score")
        expect(self.page.locator("#completion-sum")).not_to_be_empty()
        scored = post(self.url, "/v1/completions", {"prompt": text, "echo": True, "logprobs": 0, "max_tokens": 0})
        known = scored["choices"][0]["logprobs"]["token_logprobs"]
        self.assertEqual(len(self.tokens("#completion-view")), len(known))
        total = sum(p for p in known if p is not None)
        expect(self.page.locator("#completion-sum")).to_contain_text(f"log p {total:.3f}")
        expect(self.page.locator("#completion-view .unseen")).to_have_text(text)

    def test_the_model_writes_on_from_the_cursor(self):
        self.open_page("completion")
        self.settings(max_tokens=8, seed=2)
        self.page.fill("#completion-text", "The model THE END")
        self.page.evaluate("document.getElementById('completion-text').setSelectionRange(9, 9)")
        self.page.click("#completion-write")
        expect(self.page.locator("#completion-keep")).to_be_enabled()
        want = post(self.url, "/v1/completions", {"prompt": "The model", "max_tokens": 8, "seed": 2})
        expect(self.page.locator("#completion-view .unseen")).to_have_text(want["choices"][0]["text"])
        before = self.tokens("#completion-view")
        self.page.locator("#completion-view .token").nth(2).click()
        self.page.locator("#popup li:not(.taken) button").first.click()
        expect(self.page.locator("#completion-keep")).to_be_enabled()
        prompt = self.last_body("/v1/completions")["prompt"]
        want = post(self.url, "/v1/completions", {"prompt": prompt, "max_tokens": 8, "seed": 2, "logprobs": 0})
        expect(self.page.locator("#completion-view .token")).to_have_count(
            3 + len(want["choices"][0]["logprobs"]["tokens"]))
        self.assertEqual(self.tokens("#completion-view")[:2], before[:2])
        written = self.page.locator("#completion-view .unseen").text_content()
        self.page.click("#completion-keep")
        self.assertEqual(self.page.input_value("#completion-text"), f"The model{written} THE END")

    # ---- grammar ----

    def test_the_grammar_editor_shows_errors_and_the_mask(self):
        self.open_page("grammar")
        page = self.page
        expect(page.locator("#allowed-count")).to_contain_text("of 512")
        page.fill("#grammar-text", 'root ::= "yes" |\n  oops')
        expect(page.locator("#grammar-error")).to_contain_text('"oops" is called and not defined')
        expect(page.locator("#grammar-error")).to_contain_text("line 2, column 3")
        expect(page.locator("#grammar-editor mark")).to_have_text("oops")
        self.assertEqual(page.get_attribute("#grammar-text", "aria-invalid"), "true")
        page.get_by_role("button", name="Go there").click()
        self.assertEqual(page.evaluate("document.activeElement.selectionStart"), 19)
        page.fill("#grammar-text", 'root ::= "yes" | "no"')
        expect(page.locator("#allowed button").first).to_be_visible()
        expect(page.locator("#grammar-error")).to_be_empty()
        self.assertEqual(page.get_attribute("#grammar-text", "aria-invalid"), "false")
        self.assertLessEqual({"n", "y"}, set(page.locator("#allowed").all_inner_texts()[0].split("\n")))
        expect(page.locator("#likely tr.masked")).not_to_have_count(0)
        page.get_by_role("button", name="Add n", exact=True).click()
        expect(page.locator("#grammar-force")).to_have_text("Add what must come: o")
        page.click("#grammar-force")
        expect(page.locator("#grammar-says")).to_have_text("The text is complete: nothing may follow.")
        page.fill("#grammar-sofar", "nope")
        expect(page.locator("#grammar-says")).to_contain_text("takes the first 2 characters")
        expect(page.locator("#sofar-editor mark")).to_have_text("pe")

    def test_the_model_writes_under_the_grammar(self):
        self.open_page("grammar")
        self.settings(max_tokens=80, seed=4)
        self.page.fill("#grammar-text", 'root ::= "n = " [0-9]{3} "."')
        expect(self.page.locator("#grammar-force")).to_contain_text("n")
        self.page.click("#grammar-write")
        expect(self.page.locator("#grammar-says")).to_have_text("The text is complete: nothing may follow.")
        self.assertRegex(self.page.input_value("#grammar-sofar"), r"^n = [0-9]{3}\.$")
        self.page.select_option("#grammar-notation", "json_schema")
        self.page.fill("#grammar-text", '{"type": "object",')
        expect(self.page.locator("#grammar-error")).to_contain_text("not JSON")
        expect(self.page.locator("#grammar-error")).to_contain_text("line 1, column 18")

    # ---- the model and the load ----

    def test_the_card_tells_what_inspect_and_explain_tell(self):
        self.open_page("model")
        known = json.loads(serving.lathe("inspect", serving.model(), "--json"))
        story = json.loads(serving.lathe("explain", serving.model(), "--json"))
        card = self.page.locator("#card")
        expect(card).to_contain_text(f"{known['parameters']['total']:,}")
        expect(card).to_contain_text(known["tokenizer"]["hash"])
        expect(card.locator(".command").first).to_have_text(story["command"])
        expect(card).to_contain_text(f"build {story['build']}")
        self.page.select_option("#models", "fake:vocab=9")
        self.refusals_expected = True                           # it has no tokenizer and no chat template
        expect(card.locator(".note")).to_contain_text("no file or folder")

    def test_the_load_is_drawn(self):
        self.open_page()
        self.chat()
        self.page.goto(f"{self.url}/#load")
        expect(self.page.locator("#charts svg")).to_have_count(3)
        expect(self.page.get_by_role("img", name=re.compile("^Replies, now running 0, waiting 0"))).to_be_visible()
        self.page.wait_for_timeout(100)
        post(self.url, "/v1/completions", {"prompt": "Once", "max_tokens": 50})
        for name in (r"^Tokens a second, now written [1-9]", r"^Time to the first token, now mean 0\.\d+ s"):
            expect(self.page.get_by_role("img", name=re.compile(name))).to_be_visible()
        curve = self.page.get_by_role("img", name=re.compile("^Tokens a second")).locator("path").first
        expect(curve).to_have_attribute("d", re.compile("^M.*L"))
        expect(self.page.locator("#totals")).to_contain_text("written tokens, model small")

    # ---- for everybody ----

    def test_light_and_dark(self):
        for scheme in ("light", "dark"):
            self.open_page(color_scheme=scheme)
            self.chat()
            back = "getComputedStyle(document.body).backgroundColor"
            dark = sum(map(int, re.findall(r"\d+", self.page.evaluate(back))[:3])) < 3 * 128
            self.assertEqual(dark, scheme == "dark")
            self.page.locator(".token").nth(2).click()
            for section in SECTIONS:
                if section != "chat":
                    self.page.click(f'nav a[href="#{section}"]')
                expect(self.page.locator(f"#{section}")).to_be_visible()
                if section == "grammar":
                    self.page.fill("#grammar-text", "root ::= (")
                    expect(self.page.locator("#grammar-error")).not_to_be_empty()
                if section == "model":
                    expect(self.page.locator("#card table").first).to_be_visible()
                self.assertEqual(self.page.evaluate(FAINT), [], (scheme, section))
        for want in ("light", "dark", "system"):                # the button goes round, and a reload remembers
            self.page.click("#theme")
            self.assertEqual(self.page.evaluate("document.documentElement.dataset.theme"), want)
        self.page.click("#theme")
        self.page.reload()
        expect(self.page.locator("#theme")).to_have_text("Theme: light")

    def test_everything_has_a_name(self):
        self.open_page()
        self.chat()
        self.page.locator(".token").nth(2).click()
        for section in SECTIONS:
            if section != "chat":
                self.page.click(f'nav a[href="#{section}"]')
            expect(self.page.locator(f"#{section}")).to_be_visible()
            if section == "grammar":
                expect(self.page.locator("#likely")).to_be_visible()
            if section in ("model", "load"):
                expect(self.page.locator(f"#{section} table").first).to_be_visible()
            self.assertEqual(self.page.evaluate(NAMELESS), [], section)
            levels = self.page.evaluate("""[...document.querySelectorAll("h1, h2, h3")].filter((e) =>
                e.checkVisibility()).map((e) => Number(e.tagName[1]))""")
            self.assertEqual(levels[:2], [1, 2])
            self.assertEqual(self.page.evaluate("document.title"), f"{section.capitalize()} \u2013 Lathe")

    def test_with_the_keyboard_alone(self):
        self.open_page()
        keyboard, focused = self.page.keyboard, "document.activeElement.id || document.activeElement.className"
        self.settings(max_tokens=12, seed=5)
        keyboard.press("Tab")
        self.assertEqual(self.page.evaluate(focused), "skip")
        keyboard.press("Enter")
        self.assertEqual(self.page.evaluate(focused), "main")
        while self.page.evaluate(focused) != "chat-text":
            keyboard.press("Tab")
        keyboard.type("What is it?")
        keyboard.press("Enter")
        self.replied()
        before = self.tokens()
        while "token" not in self.page.evaluate(focused):
            keyboard.press("Shift+Tab")
        for key in ("Home", "ArrowRight", "ArrowRight"):
            keyboard.press(key)
        expect(self.page.locator("#popup")).to_be_visible()
        expect(self.page.locator(".token.open")).to_have_attribute("data-index", "2")
        keyboard.press("Enter")
        self.assertIn("Go on from", self.page.evaluate("document.activeElement.getAttribute('aria-label')"))
        keyboard.press("Escape")
        self.assertEqual(self.page.evaluate("document.activeElement.dataset.index"), "2")
        expect(self.page.locator("#popup")).to_be_hidden()
        keyboard.press("ArrowDown")
        keyboard.press("ArrowDown")
        keyboard.press("Enter")
        self.replied()
        expect(self.page.locator("#messages .count")).to_have_text("2 of 2")
        self.assertEqual(self.tokens()[:2], before[:2])
        expect(self.page.locator("#status")).to_contain_text("The reply is complete")

    def test_it_fits_a_phone(self):
        self.open_page(viewport={"width": 360, "height": 740}, has_touch=True)
        self.chat()
        self.page.locator(".token").nth(5).tap()
        box = self.page.locator("#popup").bounding_box()
        self.assertGreaterEqual(box["x"], 0)
        self.assertLessEqual(box["x"] + box["width"], 360)
        for section in SECTIONS:
            self.page.goto(f"{self.url}/#{section}")
            expect(self.page.locator(f"#{section}")).to_be_visible()
            self.assertLessEqual(self.page.evaluate("document.documentElement.scrollWidth"), 360, section)

    # ---- keys and strangers ----

    def test_a_server_with_a_key_asks_for_it(self):
        self.refusals_expected = True
        with serving.Server(serving.model(), "--api_key", "sesame") as server:
            self.open_page(url=server.url)
            page = self.page
            expect(page.locator("#key-dialog")).to_be_visible()
            page.fill("#key", "wrong")
            page.press("#key", "Enter")
            expect(page.locator("#key")).to_be_visible()
            expect(page.locator("#notice")).to_contain_text("Authorization: Bearer KEY")
            page.fill("#key", "sesame")
            page.click("text=Use this key")
            expect(page.locator("#models option")).to_have_text("small")
            expect(page.locator("#key-dialog")).to_be_hidden()
            self.chat()
            self.assertNotIn("sesame", page.evaluate("JSON.stringify(localStorage)"))
            page.reload()
            expect(page.locator("#models option")).to_have_text("small")

    def test_nothing_foreign_runs_or_is_fetched(self):
        self.open_page()
        inline = """() => new Promise((done) => {
            document.addEventListener("securitypolicyviolation", (e) => done(e.effectiveDirective), { once: true });
            setTimeout(() => done("ran"), 2000);
            %s
        })"""
        for does, directive in (
                ("const s = document.createElement('script'); s.textContent = '1'; document.body.append(s);",
                 "script-src-elem"),
                ("document.body.insertAdjacentHTML('beforeend', '<p onclick=\"1\">');", "script-src-attr"),
                ("fetch('http://127.0.0.1:9/').catch(() => 0);", "connect-src"),
                ("const i = new Image(); i.src = 'http://127.0.0.1:9/';", "img-src")):
            self.assertEqual(self.page.evaluate(inline % does), directive)
        self.assertTrue(all("violates" in s for s in self.said), self.said)
        self.said.clear()
        self.asked = [r for r in self.asked if urllib.parse.urlsplit(r.url).port != 9]
        page = urllib.request.urlopen(self.url).read().decode()
        self.assertNotRegex(page, r"(?i)<[^>]+\s(src|href)=[\"'](?!data:|#)")
        self.assertNotRegex(page, r"(?i)<[^>]+\son[a-z]+=")
        self.assertNotIn("://", page.replace("http://www.w3.org/2000/svg", ""))


if __name__ == "__main__":
    unittest.main()
