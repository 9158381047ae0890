/* lathe serve: language models over HTTP. */
#include <lathe.h>
#include "serve/serve.h"

#define AT(f) offsetof(struct lt_serve_options, f)
static const struct lt_opt rows[] = {
    { .key = "model", .help = "model folders or files, each PATH or NAME=PATH", .type = LT_LIST, .at = AT(model),
      .flags = LT_NEED | LT_ARG | LT_TEXTS },
    { .key = "host", .help = "address to listen at", .type = LT_STR, .at = AT(host), .text = "127.0.0.1" },
    { .key = "port", .help = "to listen at; 0: any that is free", .type = LT_INT, .at = AT(port), .dflt = 8080,
      .min = 0, .max = 65535 },
    { .key = "served_model_name", .help = "name of the one model in requests and replies; none: of its folder or file",
      .type = LT_STR, .at = AT(served_model_name), .alias = "alias" },
    { .key = "chat_template", .help = "Jinja file instead of the models' own", .type = LT_STR, .at = AT(chat_template),
      .flags = LT_IN },
    { .key = "pooling", .help = "embeddings: the mean of the hidden states, or the last of them", .type = LT_STR,
      .at = AT(pooling), .text = "mean|last", .flags = LT_ENUM },
    { .key = "api_key", .help = "keys of which clients must send one; none: no key", .type = LT_LIST,
      .at = AT(api_key), .flags = LT_FREE },
    { .key = "api_key_file", .help = "file of further keys, a line each; what is on a command line others can read",
      .type = LT_STR, .at = AT(api_key_file), .flags = LT_FREE },
    { .key = "allow_origin", .help = "origins whose pages may use the server from a browser, http://HOST:PORT; *: all",
      .type = LT_LIST, .at = AT(allow_origin), .flags = LT_FREE },
    { .key = "batch_size", .help = "replies written at once; changes no text", .type = LT_INT, .at = AT(batch_size),
      .dflt = 8, .min = 1, .max = 4096, .flags = LT_FREE, .alias = "parallel" },
    { .key = "queue", .help = "replies that may wait for a place; more are refused", .type = LT_INT, .at = AT(queue),
      .dflt = 256, .min = 0, .max = 1e6, .flags = LT_FREE },
    { .key = "connections", .help = "open at once", .type = LT_INT, .at = AT(connections), .dflt = 512, .min = 1,
      .max = 65536, .flags = LT_FREE },
    { .key = "max_body", .help = "bytes of a request", .type = LT_INT, .at = AT(max_body), .dflt = 4 << 20, .min = 1,
      .max = 1 << 30, .flags = LT_FREE },
    { .key = "max_prompt_tokens", .help = "of all prompts of a request; 0: what the model holds", .type = LT_INT,
      .at = AT(max_prompt_tokens), .min = 0, .max = 1e9, .flags = LT_FREE },
    { .key = "timeout", .help = "seconds a client has to send a request or to take a part of a reply", .type = LT_INT,
      .at = AT(timeout), .dflt = 60, .min = 1, .max = 1e6, .flags = LT_FREE },
    { .key = "request_timeout",
      .help = "seconds a reply may take, waiting included; then it ends with what is written; 0: any",
      .type = LT_REAL, .at = AT(request_timeout), .min = 0, .max = 1e9, .flags = LT_FREE },
    { .key = "grace", .help = "seconds that running replies have when the server is stopped", .type = LT_INT,
      .at = AT(grace), .dflt = 10, .min = 0, .max = 1e6, .flags = LT_FREE },
    { .key = "log", .help = "a line on standard error for each request", .type = LT_STR, .at = AT(log),
      .text = "text|json|off", .flags = LT_ENUM | LT_FREE },
    LT_HOW_ROWS(AT(how)),
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_serve_run(o, c);
}

const struct lt_verb lt_verb_serve = {
    .m = { .name = "serve", .brief = "answers OpenAI's HTTP interface with language models",
           .size = sizeof(struct lt_serve_options), .opts = rows,
           .doc = "OpenAI's, Ollama's and the token endpoints of vLLM and llama-server: doc/formats/http.md, or\n"
                  "/openapi.json of a running server.  A reply has the text of `lathe generate` with the same seed\n"
                  "and controls, whatever else is written beside it.  Requests name a model, or get the first.  The\n"
                  "first interruption lets running replies finish.\n"
                  "Each --adapter is served under its own name beside the model it changes, all in one batch:\n"
                  "a PEFT folder, NAME=FOLDER, or where there are several models MODEL/NAME=FOLDER.\n"
                  "example: lathe serve MODEL --port 8080\n"
                  "example: lathe serve small=MODEL large.gguf\n"
                  "example: lathe serve MODEL --adapter poet=FOLDER --adapter cook=FOLDER\n"
                  "example: curl -d '{\"prompt\":\"Once\",\"max_tokens\":20}' http://127.0.0.1:8080/v1/completions" },
    .run = run,
};
