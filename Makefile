# Short aliases; Meson and ninja do the work. `make run` and `make check` install what is missing first.
BUILD ?= build
MESON_FLAGS ?=
SIPRECD_FLAGS ?=
# What siprecd finds in its environment under this prefix are settings.
unexport SIPRECD_FLAGS
COMPILE = ninja -C $(BUILD)

.PHONY: all build programs run install check bench sim sim-matrix asan tsan fuzz lab lab-matrix tidy format clean deps deps-test

all: build

deps:
	@scripts/install-deps build

deps-test:
	@scripts/install-deps build test

$(BUILD)/build.ninja:
	meson setup $(BUILD) $(MESON_FLAGS)

build: deps
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	$(COMPILE)

# The programs alone: nobody who wants to see a call recorded need wait for the tests.
programs: deps
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	$(COMPILE) siprecd siprecd-render siprecctl siprec-call

run: programs
	$(BUILD)/siprecd --recordings.directory=./recordings $(SIPRECD_FLAGS)

install: programs
	meson install -C $(BUILD) --no-rebuild

check: deps-test
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	$(COMPILE)
	tests/run $(BUILD)

bench: build
	python3 tests/bench/bench.py $(BUILD)

# make sim: random networks against the oracle until one fails, and its seed; make sim SEED=n: that one again.
sim: build
	@tests/natsim/sim $(BUILD) $(SEED)

# make sim-matrix [SEEDS=1000] [SEED=1]: every cell of tests/sim/cells.tsv, expected beside measured, worst of so many seeds.
SEEDS ?= 1000
sim-matrix: build
	@$(BUILD)/tests/natsim/natsim_matrix $(SEEDS) $(or $(SEED),1)

asan: deps-test
	@[ -f build-asan/build.ninja ] || meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false
	ninja -C build-asan
	tests/run build-asan

tsan: deps-test
	@[ -f build-tsan/build.ninja ] || meson setup build-tsan -Db_sanitize=thread -Db_lundef=false
	ninja -C build-tsan
	TSAN_OPTIONS=suppressions=$(CURDIR)/tests/tsan.suppressions tests/run build-tsan

# make fuzz [FUZZ=target] [SECONDS=60]: each target for a while, from its corpus.
FUZZ ?=
SECONDS ?= 60
fuzz: deps-test
	@[ -f build-fuzz/build.ninja ] || CC=clang meson setup build-fuzz -Dfuzz=true \
	    -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link
	ninja -C build-fuzz
	tests/fuzz/run build-fuzz $(SECONDS) $(FUZZ)

lab: deps-test
	@$(MAKE) --no-print-directory build
	tests/run $(BUILD) --suite lab

# Every cell of tables B and B' between real hosts, and what was heard in it.
lab-matrix: deps-test
	@$(MAKE) --no-print-directory build
	python3 tests/lab/matrix.py $(BUILD)

# Each file by itself: of several in one run clang 14's analyzer takes the later ones' va_lists for uninitialised.
tidy: deps-test
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	git ls-files 'src/*.c' | xargs -n 1 -P "$$(nproc)" clang-tidy --quiet -p $(BUILD)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(BUILD) build-asan build-tsan build-fuzz
