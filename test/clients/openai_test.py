"""The openai package against `lathe serve`."""
import unittest

import openai
import serving


class OpenaiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = serving.Server(serving.model())
        cls.addClassCleanup(cls.server.stop)
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="none", max_retries=0)

    def test_models_are_listed(self):
        self.assertEqual([m.id for m in self.client.models.list()], ["small"])

    def test_a_stream_has_the_text_of_the_whole_reply(self):
        ask = dict(model="small", messages=[{"role": "user", "content": "What is it?"}], max_tokens=24, seed=7)
        whole = self.client.chat.completions.create(**ask)
        parts = list(self.client.chat.completions.create(**ask, stream=True))
        text = "".join(p.choices[0].delta.content or "" for p in parts if p.choices)
        self.assertTrue(text)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(parts[-1].choices[0].finish_reason, whole.choices[0].finish_reason)


if __name__ == "__main__":
    unittest.main()
