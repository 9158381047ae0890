"""The openai package against `lathe serve`."""
import concurrent.futures
import json
import pathlib
import tempfile
import typing
import unittest

import openai
import pydantic
import serving

TOOLS = [
    {"type": "function", "function": {
        "name": "add", "description": "adds two numbers", "strict": True, "parameters": {
            "type": "object", "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"$ref": "#/$defs/n"}},
            "required": ["a", "b"], "additionalProperties": False,
            "$defs": {"n": {"type": "integer", "minimum": 0, "maximum": 99}}}}},
    {"type": "function", "function": {"name": "now", "parameters": {
        "type": "object", "properties": {}, "additionalProperties": False}}},
]
HELLO = [{"role": "user", "content": "What is it?"}]


class Step(pydantic.BaseModel):
    kind: typing.Literal["add", "drop"]
    count: int = pydantic.Field(ge=0, le=999)


class OpenaiTest(serving.ToolsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="none", max_retries=0)

    def chat(self, **fields):
        fields = {"model": "small", "messages": HELLO, "max_tokens": 24, "seed": 7, **fields}
        return self.client.chat.completions.create(**fields)

    def refused(self, **fields):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(**fields)
        return caught.exception

    # ---- replies ----

    def test_models_are_listed_and_shown(self):
        self.assertEqual([m.id for m in self.client.models.list()], ["small"])
        self.assertEqual(self.client.models.retrieve("small").id, "small")
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("large")

    def test_a_stream_has_the_text_of_the_whole_reply(self):
        whole = self.chat()
        parts = list(self.chat(stream=True, stream_options={"include_usage": True}))
        text = "".join(p.choices[0].delta.content or "" for p in parts if p.choices)
        self.assertTrue(text)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(parts[-2].choices[0].finish_reason, whole.choices[0].finish_reason)
        self.assertEqual(parts[-1].usage, whole.usage)
        self.assertEqual(parts[-1].system_fingerprint, whole.system_fingerprint)
        self.assertTrue(whole.system_fingerprint.startswith("fp_"))

    def test_the_same_seed_gives_the_same_replies_and_n_gives_n(self):
        one, other = self.chat(n=3), self.chat(n=3)
        self.assertEqual([c.message.content for c in one.choices], [c.message.content for c in other.choices])
        self.assertEqual(len({c.message.content for c in one.choices}), 3)

    def test_stop_ends_a_reply(self):
        text = self.chat(max_tokens=60).choices[0].message.content
        word = next(c for c in text[3:] if c.isascii() and c.isalpha())
        cut = self.chat(max_tokens=60, stop=[word]).choices[0]
        self.assertEqual(cut.message.content, text[:text.index(word)])
        self.assertEqual(cut.finish_reason, "stop")

    def test_log_probabilities_of_a_chat(self):
        found = self.chat(max_tokens=5, logprobs=True, top_logprobs=3).choices[0].logprobs.content
        self.assertEqual(len(found), 5)
        for place in found:
            self.assertEqual(len(place.top_logprobs), 3)
            self.assertLessEqual(place.logprob, place.top_logprobs[0].logprob)
            self.assertTrue(place.bytes is not None)
        streamed = [p.choices[0].logprobs for p in self.chat(max_tokens=5, logprobs=True, top_logprobs=3, stream=True)]
        self.assertEqual([c for s in streamed if s for c in s.content], found)

    def test_penalties_change_what_is_written(self):
        def greedy(**fields):
            return self.chat(temperature=0, max_tokens=60, **fields).choices[0].message.content
        self.assertNotEqual(greedy(), greedy(frequency_penalty=2, presence_penalty=1.5))

    def test_completions_echo_the_prompt_with_its_log_probabilities(self):
        found = self.client.completions.create(model="small", prompt="Once upon", echo=True, logprobs=2, max_tokens=0,
                                               temperature=0).choices[0]
        places = found.logprobs
        self.assertEqual(found.text, "Once upon")
        self.assertIsNone(places.token_logprobs[0])
        self.assertIsNone(places.top_logprobs[0])
        self.assertEqual("".join(places.tokens), found.text)
        self.assertEqual(places.text_offset, [len("".join(places.tokens[:i])) for i in range(len(places.tokens))])

    # ---- tools ----

    def test_a_required_tool_is_called_with_arguments_of_its_schema(self):
        for seed in range(3):
            choice = self.chat(tools=TOOLS, tool_choice="required", max_tokens=160, seed=seed).choices[0]
            self.assertEqual(choice.finish_reason, "tool_calls")
            self.assertIsNone(choice.message.content)
            call = choice.message.tool_calls[0].function
            arguments = json.loads(call.arguments)
            self.assertIn(call.name, ["add", "now"])
            self.assertEqual(sorted(arguments), ["a", "b"] if call.name == "add" else [])
            self.assertTrue(all(0 <= n <= 99 for n in arguments.values()))

    def test_a_named_tool_is_called_and_streamed_as_deltas(self):
        ask = dict(tools=TOOLS, tool_choice={"type": "function", "function": {"name": "add"}}, max_tokens=160)
        whole = self.chat(**ask).choices[0].message.tool_calls[0]
        deltas = [p.choices[0] for p in self.chat(**ask, stream=True) if p.choices]
        calls = [c for d in deltas for c in d.delta.tool_calls or []]
        self.assertEqual((calls[0].function.name, calls[0].index), ("add", 0))
        self.assertGreater(len(calls), 2)
        self.assertEqual("".join(c.function.arguments for c in calls), whole.function.arguments)
        self.assertEqual(deltas[-1].finish_reason, "tool_calls")

    def test_a_conversation_with_calls_and_results_goes_on(self):
        call = self.chat(tools=TOOLS, tool_choice="required", max_tokens=160).choices[0].message
        found = self.chat(tools=TOOLS, tool_choice="none", messages=[
            *HELLO, call, {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "7"}])
        self.assertTrue(found.choices[0].message.content)
        self.assertIsNone(found.choices[0].message.tool_calls)

    def test_tools_a_template_does_not_know_are_refused(self):
        with serving.Server(serving.model()) as plain:
            client = openai.OpenAI(base_url=plain.url + "/v1", api_key="none", max_retries=0)
            with self.assertRaisesRegex(openai.BadRequestError, "does not take any"):
                client.chat.completions.create(model="small", messages=HELLO, tools=TOOLS)

    # ---- forms ----

    def test_structured_output_is_parsed_into_its_class(self):
        for seed in range(3):
            found = self.client.chat.completions.parse(model="small", messages=HELLO, response_format=Step, seed=seed,
                                                       max_tokens=160)
            step = found.choices[0].message.parsed
            self.assertIsInstance(step, Step)

    def test_json_object_is_an_object(self):
        text = self.chat(response_format={"type": "json_object"}, max_tokens=200, temperature=0.3).choices[0]
        if text.finish_reason == "stop":
            self.assertIsInstance(json.loads(text.message.content), dict)
        self.assertTrue(text.message.content.startswith("{"))

    def test_a_keyword_no_grammar_can_keep_is_refused_by_its_place(self):
        texts = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
        schema = {"type": "object", "properties": {"x": texts}}
        fault = self.refused(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
        self.assertIn("/properties/x", str(fault))

    # ---- embeddings ----

    def test_embeddings_are_the_same_as_floats_and_base64_in_any_company(self):
        def embed(given, **fields):
            return self.client.embeddings.create(model="small", input=given, **fields)
        texts = ["Once upon a time", "another text", "Once upon a time"]
        many = embed(texts)                                         # the package asks for base64
        floats = embed(texts[0], encoding_format="float").data[0].embedding
        self.assertEqual(many.data[0].embedding, many.data[2].embedding)
        self.assertEqual(len(floats), 64)
        self.assertAlmostEqual(sum(x * x for x in floats), 1, places=5)
        for a, b in zip(floats, many.data[0].embedding):
            self.assertAlmostEqual(a, b, places=7)
        self.assertEqual(many.usage.prompt_tokens, 2 * embed(texts[0]).usage.prompt_tokens
                         + embed(texts[1]).usage.prompt_tokens)
        short = embed(texts[0], dimensions=8).data[0].embedding
        self.assertAlmostEqual(sum(x * x for x in short), 1, places=5)
        self.assertAlmostEqual(short[0] / short[1], floats[0] / floats[1], places=4)
        with self.assertRaisesRegex(openai.BadRequestError, "at most 64"):
            embed("a", dimensions=65)

    # ---- faults ----

    def test_faults_name_the_field_and_their_code(self):
        for fields, param, code in [
            (dict(extra_body={"temprature": 1}), "temprature", "unknown_field"),
            (dict(temperature=-1), "temperature", "invalid_value"),
            (dict(n=0), "n", "invalid_value"),
            (dict(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
             "messages[0].content", "invalid_value"),
            (dict(tool_choice="required"), "tool_choice", "invalid_value"),
            (dict(store=True), "store", "unsupported_value"),
            (dict(functions=[{"name": "f"}]), "functions", "unsupported_value"),
            (dict(top_logprobs=2), "top_logprobs", "invalid_value"),
            (dict(messages=[{"role": "user", "content": "long " * 3000}]), "messages", "context_length_exceeded"),
            (dict(max_tokens=400), "max_tokens", "context_length_exceeded"),
            (dict(max_tokens=openai.omit, max_completion_tokens=400), "max_completion_tokens",
             "context_length_exceeded"),
            (dict(logit_bias={"100000": 1}), "logit_bias", "invalid_value"),
        ]:
            fault = self.refused(**fields)
            self.assertEqual((fault.param, fault.code), (param, code))
        self.assertIn('did you mean "temperature"', str(self.refused(extra_body={"temprature": 1})))

    def test_fields_without_effect_are_taken(self):
        ask = dict(user="me", metadata={"a": "b"}, store=False, parallel_tool_calls=True, max_tokens=openai.omit,
                   max_completion_tokens=4, extra_body={"prompt_cache_key": "x"})
        self.assertEqual(self.chat(**ask).usage.completion_tokens, 4)

    def test_best_of_and_suffix_are_refused_with_a_sentence(self):
        for field, value in [("best_of", 3), ("suffix", "end")]:
            with self.assertRaisesRegex(openai.BadRequestError, "not supported"):
                self.client.completions.create(model="small", prompt="a", **{field: value})



class AdapterTest(unittest.TestCase):
    """A model and a LoRA adapter over it, by their names."""

    @classmethod
    def setUpClass(cls):
        scratch = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        small = serving.model()
        serving.lathe("train", small.parent / "shards", "--model", small, "--adapter", "lora", "--output",
                      scratch / "poet", "--adapter.target_modules", "all-linear", "--max_length", 64, "--batch_size",
                      4, "--max_steps", 20, "--learning_rate", 0.05)
        cls.server = serving.Server(small, "--adapter", f"poet={scratch / 'poet'}")
        cls.addClassCleanup(cls.server.stop)
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="none", max_retries=0)

    def chat(self, model):
        return self.client.chat.completions.create(model=model, messages=HELLO, max_tokens=24, seed=7, logprobs=True)

    def test_the_name_says_which(self):
        self.assertEqual([m.id for m in self.client.models.list()], ["small", "poet"])
        self.assertEqual(self.client.models.retrieve("poet").parent, "small")
        replies = {name: self.chat(name) for name in ["small", "poet"]}
        for name, reply in replies.items():
            self.assertEqual(reply.model, name)
        first = [r.choices[0].logprobs.content[0].logprob for r in replies.values()]
        self.assertNotEqual(*first)

    def test_asked_together_each_says_what_it_says_alone(self):
        names = ["small", "poet"] * 4
        alone = [self.chat(name).choices for name in names[:2]] * 4
        with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
            together = [reply.choices for reply in pool.map(self.chat, names)]
        self.assertEqual(together, alone)


if __name__ == "__main__":
    unittest.main()
