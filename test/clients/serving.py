"""A small model, and `lathe serve` running over it, for the tests of clients."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import unittest
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
LATHE = pathlib.Path(os.environ.get("BUILD", TOP / "build")).resolve() / "lathe"
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
TOOL_TEMPLATE = """{% if tools %}<|im_start|>system
Tools:{% for t in tools %} {{ t.function.name }}{% endfor %}
Call them as <tool_call>{"name": ..., "arguments": ...}</tool_call>.<|im_end|>
{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content or "" }}{% for c in m.tool_calls or [] %}<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
_scratch = tempfile.TemporaryDirectory(prefix="lathe-clients-")
_model = None


def lathe(*words):
    """Runs the program; its standard output."""
    done = subprocess.run([LATHE, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"lathe {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def trained(at, vocabulary=512, context=256):
    """The folder, in `at`, of a model trained for a moment on this project's pages, with a chat template."""
    (at / "text").mkdir()
    for page in [TOP / "README.md", *sorted((TOP / "doc").rglob("*.md"))]:
        shutil.copy(page, at / "text" / f"{page.stem}.txt")
    lathe("tokenizer", "train", at / "text", "--output", at / "tokenizer",
          "--method", "bpe", "--method.vocab_size", vocabulary,
          "--special_tokens", "<|endoftext|>,<|im_start|>,<|im_end|>")
    lathe("pack", at / "text", "--tokenizer", at / "tokenizer", "--output", at / "shards", "--validation", 0)
    lathe("train", at / "shards", "--output", at / "small", "--arch", "llama", "--arch.hidden_size", 64,
          "--arch.intermediate_size", 128, "--arch.num_hidden_layers", 2, "--arch.num_attention_heads", 4,
          "--arch.max_position_embeddings", context, "--max_length", 256, "--batch_size", 4, "--max_steps", 40,
          "--learning_rate", 3e-3)
    (at / "small" / "chat_template.jinja").write_text(TEMPLATE)
    return at / "small"


def model():
    """Such a model, made once."""
    global _model
    if not _model:
        _model = trained(pathlib.Path(_scratch.name))
    return _model


def post(url, body):
    """The body of the reply to these bytes."""
    ask = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(ask, timeout=30) as reply:
        return reply.read().decode()


class Server:
    """with Server(MODEL, "--option", value) as s: s.url is its address, s.stop() what it said in the end."""

    def __init__(self, *words, env=None, port=0):
        self.process = subprocess.Popen([LATHE, "serve", *map(str, words), "--port", str(port)], stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, text=True, env={**os.environ, **(env or {})})
        self.said, self.url = [], None
        for line in self.process.stderr:
            self.said.append(line)
            found = re.search(r"http://\S+:\d+", line)
            if found:
                self.url = found.group()
                break
        else:
            raise RuntimeError("lathe serve: " + "".join(self.said))
        self.reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as reply:
            return reply.read().decode()

    def stop(self, patience=60):
        """Ends the server as Ctrl-C does; its exit status and everything it said."""
        if self.process.poll() is None:
            self.process.send_signal(2)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.reader.join()
        self.process.stderr.close()
        return self.process.returncode, "".join(self.said)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


class ToolsTest(unittest.TestCase):
    """With a server of the model whose template takes tools."""

    @classmethod
    def setUpClass(cls):
        scratch = cls.enterClassContext(tempfile.TemporaryDirectory())
        template = pathlib.Path(scratch) / "tools.jinja"
        template.write_text(TOOL_TEMPLATE)
        cls.server = Server(model(), "--chat_template", template)
        cls.addClassCleanup(cls.server.stop)
