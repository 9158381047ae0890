# One plain file, no configure step.  `make help` lists the targets.
BUILD ?= build
CC = gcc
PREFIX ?= /usr/local
DESTDIR ?=
PKGS = jansson yaml-0.1 libutf8proc libpcre2-8 libzstd zlib liblzma libxxhash gumbo
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Werror
# No -ffast-math and no contraction: the same source gives the same bits in every translation unit.
CFLAGS ?= -O2 -g
LT_CFLAGS = -std=c11 -D_GNU_SOURCE -fPIC -pthread -ffp-contract=off -fno-math-errno $(WARN) -Iinclude -Isrc \
            $(shell pkg-config --cflags $(PKGS)) $(CFLAGS) $(EXTRA_CFLAGS)
LT_LIBS = $(shell pkg-config --libs $(PKGS)) -lm -pthread $(EXTRA_LDFLAGS)

SRC = $(sort $(wildcard src/*.c src/*/*.c src/*/*/*.c))
CLI_SRC = $(filter src/cli/%,$(SRC))
LIB_SRC = $(filter-out src/cli/main.c,$(SRC))
OBJ = $(SRC:%.c=$(BUILD)/%.o)
LIB_OBJ = $(LIB_SRC:%.c=$(BUILD)/%.o)
TEST_SRC = $(sort $(wildcard test/unit/*.c test/conform/*.c test/diff/*.c))
TEST_BIN = $(TEST_SRC:%.c=$(BUILD)/%)

.DEFAULT_GOAL = all
.PHONY: all test clean help

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
isa = $(if $(findstring _avx512.c,$(1)),$(ISA_avx512),$(if $(findstring _avx2.c,$(1)),$(ISA_avx2)))

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(LT_CFLAGS) $(if $(filter src/math/%,$<),-O3) $(call isa,$<) -MMD -MP -c -o $@ $<

# A test is one file with one main (cmocka); test helpers live in test/test.h.
$(BUILD)/test/%: test/%.c $(BUILD)/liblathe.a
	@mkdir -p $(@D)
	@echo "  TEST $<"
	@$(CC) $(LT_CFLAGS) -Itest -MMD -MP -o $@ $< $(BUILD)/liblathe.a -lcmocka $(LT_LIBS)

test: $(BUILD)/lathe $(TEST_BIN)  ## build and run the unit, conformance and differential tests
	tools/run-tests $(TEST_BIN)

# Benches are built for the machine they run on and link peers that nothing else uses (bench/run installs them).
BENCH_BIN = $(BUILD)/bench/ceilings $(BUILD)/bench/gemm
BENCH_LIBS_gemm = -ldnnl -lopenblas
$(BUILD)/bench/%: bench/%.c bench/memory.c bench/bench.h $(BUILD)/liblathe.a
	@mkdir -p $(@D)
	@echo "  BENCH $<"
	@$(CC) $(LT_CFLAGS) -O3 -march=native -o $@ $< bench/memory.c $(BUILD)/liblathe.a $(BENCH_LIBS_$*) $(LT_LIBS)

.PHONY: bench bench-build
bench-build: $(BENCH_BIN)
bench: $(BUILD)/lathe  ## race the peers and compare with bench/baseline.tsv
	BUILD=$(BUILD) bench/run

clean:  ## remove what was built
	rm -rf $(BUILD)

help:  ## list the targets
	@grep -hE '^[a-z0-9_-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9_-]+):.*## */\1\t/' | expand -t 14

-include $(OBJ:.o=.d)
