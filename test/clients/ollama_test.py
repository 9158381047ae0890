"""Ollama's package against `lathe serve`."""
import json
import unittest

import ollama
import pydantic
import serving

HELLO = [{"role": "user", "content": "What is it?"}]
TOOL = {"type": "function", "function": {"name": "add", "parameters": {
    "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}}


class Answer(pydantic.BaseModel, extra="forbid"):
    good: bool
    count: int = pydantic.Field(ge=0, le=9)


class OllamaTest(serving.ToolsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = ollama.Client(host=cls.server.url)

    def test_models_are_listed_and_shown(self):
        listed = self.client.list().models[0]
        self.assertEqual(listed.model, "small")
        self.assertEqual(len(listed.digest), 64)
        shown = self.client.show("small:latest")
        self.assertEqual(shown.template, serving.TOOL_TEMPLATE)
        self.assertIn("tools", shown.capabilities)
        self.assertEqual(shown.modelinfo["transformer.context_length"], 256)
        self.assertEqual(self.client.ps().models[0].model, "small")

    def test_generate_streams_the_text_of_the_whole_reply(self):
        ask = dict(model="small", prompt="Once upon", options={"seed": 3, "num_predict": 20})
        whole = self.client.generate(**ask)
        parts = list(self.client.generate(**ask, stream=True))
        self.assertEqual("".join(p.response for p in parts), whole.response)
        self.assertTrue(whole.done and parts[-1].done)
        self.assertFalse(any(p.done for p in parts[:-1]))
        self.assertEqual((parts[-1].eval_count, parts[-1].done_reason), (whole.eval_count, whole.done_reason))
        self.assertGreater(whole.total_duration, 0)
        self.assertGreater(whole.prompt_eval_count, 10)

    def test_raw_is_the_same_as_a_completion(self):
        raw = self.client.generate(model="small", prompt="Once upon", raw=True,
                                   options={"temperature": 0, "num_predict": 12, "repeat_penalty": 1})
        body = json.dumps({"prompt": "Once upon", "max_tokens": 12, "temperature": 0}).encode()
        other = json.loads(serving.post(self.server.url + "/v1/completions", body))
        self.assertEqual(raw.response, other["choices"][0]["text"])
        self.assertLess(raw.prompt_eval_count, 10)

    def test_options_stand_for_the_controls_of_the_other_interface(self):
        options = {"seed": 5, "num_predict": 16, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "min_p": 0.02,
                   "repeat_penalty": 1.2, "repeat_last_n": -1, "stop": ["zzz"]}
        said = self.client.chat(model="small", messages=HELLO, options=options).message.content
        body = {"messages": HELLO, "max_tokens": 16, "seed": 5, "temperature": 0.7, "top_k": 20, "top_p": 0.8,
                "min_p": 0.02, "repetition_penalty": 1.2}
        other = json.loads(serving.post(self.server.url + "/v1/chat/completions", json.dumps(body).encode()))
        self.assertEqual(said, other["choices"][0]["message"]["content"])

    def test_chat_streams(self):
        ask = dict(model="small", messages=[{"role": "system", "content": "Short."}, *HELLO],
                   options={"seed": 1, "num_predict": 12})
        whole = self.client.chat(**ask)
        parts = list(self.client.chat(**ask, stream=True))
        self.assertEqual("".join(p.message.content for p in parts), whole.message.content)
        self.assertEqual(whole.message.role, "assistant")

    def test_a_format_is_kept(self):
        found = self.client.chat(model="small", messages=HELLO, format=Answer.model_json_schema(),
                                 options={"num_predict": 200, "seed": 2})
        self.assertIsInstance(Answer.model_validate_json(found.message.content), Answer)
        found = self.client.generate(model="small", prompt="a", format="json", options={"num_predict": 20})
        self.assertTrue(found.response.startswith("{"))

    def test_tools_are_told_and_their_results_taken(self):
        call = {"role": "assistant", "content": "",
                "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}]}
        found = self.client.chat(model="small", tools=[TOOL], options={"num_predict": 5}, messages=[
            *HELLO, call, {"role": "tool", "content": "2", "tool_name": "add"}])
        self.assertEqual(found.eval_count, 5)

    def test_embeddings(self):
        found = self.client.embed(model="small", input=["a text", "another", "a text"])
        self.assertEqual(found.embeddings[0], found.embeddings[2])
        self.assertAlmostEqual(sum(x * x for x in found.embeddings[1]), 1, places=5)
        self.assertEqual(list(self.client.embeddings(model="small", prompt="a text").embedding),
                         list(found.embeddings[0]))
        long = "word " * 1000
        with self.assertRaisesRegex(ollama.ResponseError, "holds 256"):
            self.client.embed(model="small", input=long)
        self.assertEqual(self.client.embed(model="small", input=long, truncate=True).prompt_eval_count, 256)

    def test_without_a_prompt_nothing_is_written(self):
        self.assertEqual(self.client.generate(model="small", keep_alive="5m").done_reason, "load")
        self.assertEqual(self.client.chat(model="small", messages=[]).done_reason, "load")

    def test_faults_are_sentences(self):
        for ask, status, part in [
            (lambda: self.client.generate(model="large", prompt="a"), 404, "there is no model"),
            (lambda: self.client.generate(model="small", prompt="a", options={"temprature": 1}), 400,
             'did you mean "options.temperature"'),
            (lambda: self.client.generate(model="small", prompt="a", suffix="b"), 400, "not supported"),
            (lambda: self.client.generate(model="small", prompt="a", context=[1]), 400, "messages"),
            (lambda: self.client.generate(model="small", prompt="a", images=[b"x"]), 400, "images"),
            (lambda: self.client.generate(model="small", prompt="a", options={"mirostat": 1}), 400, "Mirostat"),
        ]:
            with self.assertRaises(ollama.ResponseError) as caught:
                ask()
            self.assertEqual(caught.exception.status_code, status)
            self.assertIn(part, caught.exception.error)


if __name__ == "__main__":
    unittest.main()
