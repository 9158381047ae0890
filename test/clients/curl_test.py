"""curl, with the examples of doc/formats/http.md: what comes back has the shape the page shows."""
import json
import os
import re
import subprocess
import unittest

import serving

PAGE = serving.TOP / "doc" / "formats" / "http.md"
EXAMPLE = re.compile(r"```sh\n(curl .*?)```\n```(json|text)\n(.*?)```", re.S)


def shape(v):
    """Keys and types, without values; of a list the first."""
    if isinstance(v, dict):
        return {k: shape(x) for k, x in v.items()}
    if isinstance(v, list):
        return [shape(v[0])] if v else []
    return "number" if isinstance(v, (int, float)) and not isinstance(v, bool) else type(v).__name__


def lines(text):
    """The shapes of what a stream's lines hold."""
    found = [line.removeprefix("data: ") for line in text.splitlines() if line.strip()]
    return [line if line == "[DONE]" else shape(json.loads(line)) for line in found]


class CurlTest(serving.ToolsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.page = PAGE.read_text()

    def curl(self, command):
        done = subprocess.run(["bash", "-c", command], env={**os.environ, "URL": self.server.url}, text=True,
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_examples_of_the_page_run_and_have_its_shapes(self):
        found = EXAMPLE.findall(self.page)
        self.assertGreater(len(found), 12)
        for command, form, shown in found:
            with self.subTest(command):
                said = self.curl(command)
                if form == "json":
                    self.assertEqual(shape(json.loads(said)), shape(json.loads(shown)))
                else:
                    self.assertEqual(lines(said)[0], lines(shown)[0])
                    self.assertEqual(lines(said)[-1], lines(shown)[-1])

    def test_the_page_names_every_path_and_every_field(self):
        told = json.loads(self.server.get("/openapi.json"))
        controls = {c["name"] for c in json.loads(self.server.get("/controls"))["data"]}
        for path in told["paths"]:
            self.assertIn(path.replace("{id}", "NAME"), self.page)
        for name, schema in told["components"]["schemas"].items():
            for field in schema["properties"]:
                if field not in controls:
                    self.assertRegex(self.page, rf'[`"]{field}["`]', f"{name}: {field}")

    def test_what_is_no_request_is_answered_as_such(self):
        for words, status in [("-d nothing /v1/completions", 400), ("/v1/completions", 405), ("/none", 404),
                              ("-X DELETE /v1/models", 405), ("-I /health", 200)]:
            options, path = words.rsplit(" ", 1) if " " in words else ("", words)
            said = self.curl(f'curl -s -o /dev/null -w "%{{http_code}}" {options} $URL{path}')
            self.assertEqual(said, str(status), words)


if __name__ == "__main__":
    unittest.main()
