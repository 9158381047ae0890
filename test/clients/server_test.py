"""The server itself, with nothing but Python's own HTTP client."""
import json
import unittest
import urllib.error
import urllib.request

import serving


def post(url, path, body):
    """Status and parsed body of a reply."""
    ask = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(ask, timeout=60) as reply:
            return reply.status, json.loads(reply.read().decode(errors="replace"))
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)


class ModelsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        gguf = serving.model().with_name("small.gguf")
        serving.lathe("convert", serving.model(), "--output", gguf)
        cls.server = serving.Server("folder=" + str(serving.model()), gguf, "fake:vocab=9")
        cls.addClassCleanup(cls.server.stop)

    def test_all_are_listed(self):
        names = [m["id"] for m in json.loads(self.server.get("/v1/models"))["data"]]
        self.assertEqual(names, ["folder", "small", "fake:vocab=9"])

    def test_a_request_gets_the_model_it_names_or_the_first(self):
        ask = {"prompt": [1, 2], "max_tokens": 4, "seed": 1}
        told = [post(self.server.url, "/v1/completions", {**ask, **name})[1]["model"]
                for name in ({}, {"model": None}, {"model": "fake:vocab=9"}, {"model": "small"})]
        self.assertEqual(told, ["folder", "folder", "fake:vocab=9", "small"])

    def test_an_unknown_name_is_told_those_there_are(self):
        for path, body in (("/v1/completions", {"prompt": "a"}), ("/tokenize", {"content": "a"}),
                           ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]})):
            status, reply = post(self.server.url, path, {**body, "model": "other"})
            self.assertEqual((status, reply["error"]["code"]), (404, "model_not_found"))
            self.assertIn('"folder", "small", "fake:vocab=9"', reply["error"]["message"])

    def test_a_gguf_file_says_its_template_and_what_ends_a_text(self):
        ask = {"messages": [{"role": "user", "content": "What is it?"}]}
        texts = [post(self.server.url, "/apply-template", {**ask, "model": m}) for m in ("folder", "small")]
        self.assertEqual(texts[0][0], 200)
        self.assertEqual(*texts)
        replies = [post(self.server.url, "/v1/chat/completions", {**ask, "model": m, "max_tokens": 40, "seed": 3})
                   for m in ("folder", "small")]
        self.assertEqual(replies[0][1]["choices"], replies[1][1]["choices"])

    def test_a_model_without_a_template_says_so(self):
        ask = {"model": "fake:vocab=9", "messages": [{"role": "user", "content": "a"}]}
        status, reply = post(self.server.url, "/v1/chat/completions", ask)
        self.assertEqual((status, reply["error"]["code"]), (400, "no_chat_template"))

    def test_names_are_unique(self):
        for words, said in ((("fake:", "fake:"), "both named"), (("a=fake:", "b=fake:", "--served_model_name", "x"),
                                                                 "NAME=PATH")):
            with self.assertRaises(RuntimeError) as e:
                serving.Server(*words)
            self.assertIn(said, str(e.exception))


if __name__ == "__main__":
    unittest.main()
