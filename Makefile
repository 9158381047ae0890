# One plain file, no configure step.  `make help` lists the targets.
BUILD ?= build
CC = gcc
CLANG = clang
PREFIX ?= /usr/local
DESTDIR ?=
PKGS = jansson yaml-0.1 libutf8proc libpcre2-8 libzstd zlib liblzma libxxhash gumbo libmicrohttpd libedit
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Werror
# No -ffast-math and no contraction: the same source gives the same bits in every translation unit.
CFLAGS ?= -O2 -g
MATH_CFLAGS = -O3
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS))
PKG_LIBS := $(shell pkg-config --libs $(PKGS))
LT_CFLAGS = -std=c11 -D_GNU_SOURCE -fPIC -pthread -ffp-contract=off -fno-math-errno -fno-trapping-math \
            $(WARN) -Iinclude -Isrc $(PKG_CFLAGS) $(CFLAGS) $(EXTRA_CFLAGS)
LT_LIBS = $(PKG_LIBS) -lm -pthread $(EXTRA_LDFLAGS)

SRC = $(sort $(wildcard src/*.c src/*/*.c src/*/*/*.c))
CLI_SRC = $(filter src/cli/%,$(SRC))
LIB_SRC = $(filter-out src/cli/main.c,$(SRC))
OBJ = $(SRC:%.c=$(BUILD)/%.o)
LIB_OBJ = $(LIB_SRC:%.c=$(BUILD)/%.o)
TEST_SRC = $(sort $(wildcard test/unit/*.c test/conform/*.c test/diff/*.c test/sim/*.c test/fault/*_test.c))
TEST_BIN = $(TEST_SRC:%.c=$(BUILD)/%)
FAULT_BIN = $(filter $(BUILD)/test/fault/%,$(TEST_BIN))
FUZZ_SRC = $(sort $(wildcard test/fuzz/fuzz_*.c))
FUZZ_NAME = $(FUZZ_SRC:test/fuzz/fuzz_%.c=%)
FUZZ_BIN = $(FUZZ_NAME:%=$(BUILD)/fuzz/fuzz_%)
REPLAY_BIN = $(FUZZ_NAME:%=$(BUILD)/fuzz/replay_%)
FUZZ_LIMIT ?= 60s

.DEFAULT_GOAL = all
.SECONDARY:
.PHONY: all test golden clients clients-lm-eval fire fire-asan fire-tsan asan ubsan tsan sanitized sanitized-test
.PHONY: fuzz fuzzers bench bench-build bench-own lab docs tidy install uninstall clean help

all: $(BUILD)/lathe  ## build the program and the library

$(BUILD)/lathe: $(BUILD)/src/cli/main.o $(BUILD)/liblathe.a
	@echo "  LINK $@"
	@$(CC) -o $@ $^ $(LT_LIBS)

$(BUILD)/liblathe.a: $(LIB_OBJ)
	@rm -f $@
	@echo "  AR   $@"
	@ar rcs $@ $^

# Kernel files name their instruction set: NAME_avx512.c, NAME_avx2.c; everything else is plain x86-64 (or any machine).
ISA_avx512 = -march=x86-64-v4 -mavx512bf16 -mavx512vnni -mavx512vbmi -mprefer-vector-width=512
ISA_avx2 = -march=x86-64-v3
isa = $(if $(findstring _avx512.c,$(1)),$(ISA_avx512) $(ISA_CFLAGS),\
        $(if $(findstring _avx2.c,$(1)),$(ISA_avx2) $(ISA_CFLAGS)))

# What run records call the build: a hash of the sources, the compiler and its flags, so that equal ids mean equal code
# wherever it was built.  Only one file sees it.
$(BUILD)/build-id: FORCE
	@mkdir -p $(@D)
	@{ cat $(SRC) $(PAGE_SRC) $(sort $(wildcard include/*.h src/*/*.h src/*/*/*.h)); $(CC) --version | head -n 1; \
	   echo '$(CFLAGS) $(EXTRA_CFLAGS)'; } | sha256sum | cut -c 1-12 >$@.new
	@cmp -s $@.new $@ || cp $@.new $@
$(BUILD)/src/recipe/build.o: $(BUILD)/build-id
build_id = $(if $(filter %/recipe/build.c,$(1)),-DLT_BUILD_ID='"$(shell cat $(BUILD)/build-id)"')
.PHONY: FORCE

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(LT_CFLAGS) $(if $(filter src/math/% src/train/optim/%,$<),$(MATH_CFLAGS)) $(call isa,$<) $(call build_id,$<) \
	    $(call page_include,$<) \
	    -MMD -MP -c -o $@ $<

# The page of `lathe serve`: its files become one, and that an array (doc/decisions/page.md).
PAGE_SRC = $(sort $(wildcard src/serve/page/*))
$(BUILD)/src/serve/page.inc: tools/embed-page $(PAGE_SRC)
	@mkdir -p $(@D)
	@tools/embed-page src/serve/page/page.html >$@.new
	@mv $@.new $@
$(BUILD)/src/serve/web_page.o: $(BUILD)/src/serve/page.inc
page_include = $(if $(filter %/serve/web_page.c,$(1)),-I$(BUILD)/src/serve)

# A test is one file with one main (cmocka); test helpers live in test/test.h.
$(BUILD)/test/%: test/%.c $(BUILD)/liblathe.a
	@mkdir -p $(@D)
	@echo "  TEST $<"
	@$(CC) $(LT_CFLAGS) -Itest -MMD -MP -MF $@.d -MT $@ -o $@ $< $(BUILD)/liblathe.a -lcmocka $(LT_LIBS)

# Fault tests see these calls of theirs and of the library first, and let the Nth fail (test/fault/fault.h).
FAULT_CALLS = access fclose fdopen fflush fopen fseek fstat fsync ftruncate fwrite lstat mkdir mkstemp mmap open \
              opendir pread pwrite read readdir realpath remove rename renameat2 stat unlink vfprintf
$(FAULT_BIN): $(BUILD)/%: %.c $(BUILD)/test/fault/fault.o $(BUILD)/liblathe.a
	@mkdir -p $(@D)
	@echo "  TEST $<"
	@$(CC) $(LT_CFLAGS) -Itest -Itest/fault -MMD -MP -MF $@.d -MT $@ -o $@ $< $(BUILD)/test/fault/fault.o \
	    $(BUILD)/liblathe.a $(FAULT_CALLS:%=-Wl,--wrap=%) -lcmocka $(LT_LIBS)

test: $(BUILD)/lathe $(TEST_BIN) $(REPLAY_BIN)  ## build and run the tests, and replay the fuzz corpora
	tools/run-tests $(TEST_BIN) $(REPLAY_BIN)

golden: $(BUILD)/lathe  ## compare what the program prints with the transcripts of test/golden
	BUILD=$(BUILD) tools/golden

clients: $(BUILD)/lathe  ## talk to the server with real clients (test/clients)
	BUILD=$(BUILD) tools/client-tests

fire: $(BUILD)/lathe  ## set clients that are none upon the server (test/clients/fire_test.py)
	FIRE=1 BUILD=$(BUILD) python3 test/clients/run.py fire_test.py
	FIRE=1 BUILD=$(BUILD) tools/client-tests schema_fire.py

# The harness takes a minute to install; once it is there, `make clients` runs its test too.
clients-lm-eval: $(BUILD)/lathe  ## score ARC, HellaSwag and LAMBADA over HTTP with the LM evaluation harness
	BUILD=$(BUILD) VENV=$(BUILD)/clients-lm-eval REQUIREMENTS=test/clients/lm-eval-requirements.txt \
	    tools/client-tests test/clients/lm_eval_test.py

# ---- sanitizers: each in a build folder of its own ----
# Files of one instruction set stay plain and -O2 (clang 14 takes minutes over their loops at -O1 or instrumented); the
# tests compare them with plain C, which is instrumented.  There, loops that were asked to become vectors do not.
SLOW = CFLAGS="-O1 -gline-tables-only -fno-omit-frame-pointer -Wno-pass-failed" \
       MATH_CFLAGS= ISA_CFLAGS="-O2 -fno-sanitize=all"
sanitize = $(MAKE) BUILD=$(1) CC="$(CLANG)" $(SLOW) EXTRA_CFLAGS="$(2)" EXTRA_LDFLAGS="$(2)" test

asan:  ## the tests under AddressSanitizer
	$(call sanitize,build-asan,-fsanitize=address)

ubsan:  ## the tests under UndefinedBehaviorSanitizer
	$(call sanitize,build-ubsan,-fsanitize=undefined -fno-sanitize-recover=undefined)

tsan:  ## the tests under ThreadSanitizer
	$(call sanitize,build-tsan,-fsanitize=thread)

# The server under load, built with a sanitizer.
under_fire = $(MAKE) BUILD=$(1) CC="$(CLANG)" $(SLOW) EXTRA_CFLAGS="$(2)" EXTRA_LDFLAGS="$(2)" all && \
             SANITIZED=1 BUILD=$(1) python3 test/clients/run.py fire_test.py
fire-asan:  ## a short round of `make fire` under AddressSanitizer
	$(call under_fire,build-asan,-fsanitize=address)

fire-tsan:  ## a short round of `make fire` under ThreadSanitizer
	$(call under_fire,build-tsan,-fsanitize=thread)

# ---- fuzzing: test/fuzz/fuzz_NAME.c is one entry; the same file replays its corpus in `make test` ----
$(BUILD)/fuzz/replay_%: test/fuzz/fuzz_%.c $(BUILD)/test/fuzz/replay.o $(BUILD)/liblathe.a
	@mkdir -p $(@D)
	@echo "  TEST $<"
	@$(CC) $(LT_CFLAGS) -Itest -MMD -MP -MF $@.d -MT $@ -o $@ $< $(BUILD)/test/fuzz/replay.o $(BUILD)/liblathe.a \
	    $(LT_LIBS)

$(BUILD)/fuzz/fuzz_%: test/fuzz/fuzz_%.c $(BUILD)/liblathe.a
	@mkdir -p $(@D)
	@echo "  FUZZ $<"
	@$(CC) $(LT_CFLAGS) -Itest -MMD -MP -MF $@.d -MT $@ -fsanitize=fuzzer -o $@ $< $(BUILD)/liblathe.a $(LT_LIBS)

# One clang build serves the fuzzers and, in ./check, the tests under both sanitizers.
SANITIZED = BUILD=build-fuzz CC="$(CLANG)" $(SLOW) EXTRA_LDFLAGS="-fsanitize=address,undefined" \
            EXTRA_CFLAGS="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined"
fuzzers: $(FUZZ_BIN)
fuzz:  ## feed every parser random input for FUZZ_LIMIT (60s, or a number of inputs) each, sanitized
	@$(MAKE) $(SANITIZED) fuzzers
	tools/run-fuzz build-fuzz $(FUZZ_LIMIT) $(FUZZ_NAME)

sanitized:
	@$(MAKE) $(SANITIZED) all fuzzers

# The quick ones: ./check runs them each time, `make asan` and `make ubsan` run all.
SANITIZED_TESTS = $(filter test/unit/% test/fault/%,$(TEST_SRC)) test/conform/registry_test.c \
                  test/conform/tokenizer_stages_test.c test/conform/ops_test.c
sanitized-test:
	@$(MAKE) $(SANITIZED) TEST_SRC="$(SANITIZED_TESTS)" test

# Benches are built for the machine they run on and link peers that nothing else uses (bench/run installs them).
BENCH_BIN = $(patsubst %,$(BUILD)/bench/%,ceilings encode_text filter_masks gemm generate grammar_masks inference \
            optim start)
BENCH_LIBS_gemm = -ldnnl -lopenblas
$(BUILD)/bench/%: bench/%.c bench/memory.c bench/bench.h $(BUILD)/liblathe.a
	@mkdir -p $(@D)
	@echo "  BENCH $<"
	@$(CC) $(LT_CFLAGS) -O3 -march=native -o $@ $< bench/memory.c $(BUILD)/liblathe.a $(BENCH_LIBS_$*) $(LT_LIBS)

bench-build: $(BENCH_BIN)
bench-own: $(filter-out %/gemm,$(BENCH_BIN))    # those that need no peer to be built
bench: $(BUILD)/lathe  ## race the peers and compare with bench/baseline.tsv
	BUILD=$(BUILD) bench/run

lab: $(BUILD)/lathe  ## check the claims of papers again, small (lab/*.yaml)
	BUILD=$(BUILD) tools/run-lab

tidy:  ## check the house style
	tools/tidy

docs: $(BUILD)/lathe  ## write again the pages that are made from the option rows
	BUILD=$(BUILD) tools/generate-docs

# ---- install ----
COMPLETIONS = $(BUILD)/share/lathe.bash $(BUILD)/share/_lathe $(BUILD)/share/lathe.fish
$(BUILD)/share/lathe.1: $(BUILD)/lathe
	@mkdir -p $(@D)
	@$< help --format man >$@
$(BUILD)/share/lathe.bash: $(BUILD)/lathe
	@mkdir -p $(@D)
	@$< completion bash >$@
$(BUILD)/share/_lathe: $(BUILD)/lathe
	@mkdir -p $(@D)
	@$< completion zsh >$@
$(BUILD)/share/lathe.fish: $(BUILD)/lathe
	@mkdir -p $(@D)
	@$< completion fish >$@
.PHONY: $(BUILD)/share/lathe.pc                 # PREFIX may be another than last time
$(BUILD)/share/lathe.pc: tools/lathe.pc.in include/lathe.h
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|; s|@PKGS@|$(PKGS)|' \
	    -e "s|@VERSION@|$$(sed -n 's/^.define LATHE_VERSION "\(.*\)"/\1/p' include/lathe.h)|" $< >$@

ROOT = $(DESTDIR)$(PREFIX)
install: all $(COMPLETIONS) $(BUILD)/share/lathe.1 $(BUILD)/share/lathe.pc  ## copy to PREFIX, below DESTDIR if given
	install -D -s -m 755 $(BUILD)/lathe $(ROOT)/bin/lathe
	install -D -m 644 $(BUILD)/liblathe.a $(ROOT)/lib/liblathe.a
	install -D -m 644 include/lathe.h $(ROOT)/include/lathe.h
	install -D -m 644 $(BUILD)/share/lathe.pc $(ROOT)/lib/pkgconfig/lathe.pc
	install -D -m 644 $(BUILD)/share/lathe.1 $(ROOT)/share/man/man1/lathe.1
	install -D -m 644 $(BUILD)/share/lathe.bash $(ROOT)/share/bash-completion/completions/lathe
	install -D -m 644 $(BUILD)/share/_lathe $(ROOT)/share/zsh/site-functions/_lathe
	install -D -m 644 $(BUILD)/share/lathe.fish $(ROOT)/share/fish/vendor_completions.d/lathe.fish

uninstall:  ## remove what install copied
	rm -f $(ROOT)/bin/lathe $(ROOT)/lib/liblathe.a $(ROOT)/include/lathe.h $(ROOT)/lib/pkgconfig/lathe.pc \
	    $(ROOT)/share/man/man1/lathe.1 $(ROOT)/share/bash-completion/completions/lathe \
	    $(ROOT)/share/zsh/site-functions/_lathe $(ROOT)/share/fish/vendor_completions.d/lathe.fish

clean:  ## remove what was built
	rm -rf $(BUILD) build-asan build-ubsan build-tsan build-fuzz

help:  ## list the targets
	@grep -hE '^[a-z0-9_-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9_-]+):.*## */\1\t/' | expand -t 14

-include $(OBJ:.o=.d) $(TEST_BIN:=.d) $(REPLAY_BIN:=.d) $(FUZZ_BIN:=.d)
