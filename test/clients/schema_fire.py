"""schemathesis against `lathe serve`: requests made from the server's own description, right and wrong ones.

Part of `make fire`, as its packages take longer to install than all others together."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import serving

# Without the phase "coverage": its generator fails in itself (a SystemError of Python's parser).
WORDS = ["--phases", "fuzzing", "--seed", "1", "--workers", "2", "--request-timeout", "30", "--checks",
         "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"]
EXAMPLES = 40


class SchemaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = serving.Server(serving.model(), "--log", "off", "--request_timeout", 20)
        cls.addClassCleanup(cls.server.stop)

    def test_every_endpoint_keeps_to_its_description(self):
        program = pathlib.Path(sys.executable).parent / "schemathesis"
        with tempfile.TemporaryDirectory() as scratch:          # it leaves a folder where it runs
            done = subprocess.run([program, "run", self.server.url + "/openapi.json", "--max-examples", str(EXAMPLES),
                                   *WORDS], capture_output=True, text=True, cwd=scratch)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])
        self.assertEqual(json.loads(self.server.get("/health")), {"status": "ok"})

    def test_the_description_is_one_that_readers_of_openapi_take(self):
        told = json.loads(self.server.get("/openapi.json"))
        self.assertEqual(told["openapi"], "3.1.0")
        self.assertIn("/v1/chat/completions", told["paths"])
        self.assertIn("tools", told["components"]["schemas"]["ChatCompletionRequest"]["properties"])


if __name__ == "__main__":
    unittest.main()
