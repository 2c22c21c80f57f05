# Forwards to Meson and Ninja. `make demo` and `make check` install what is missing first.
BUILD := build
SHELL := /bin/bash

.PHONY: all deps build check demo lint fuzz vm bench bench-ledger bench-log bench-classify bench-gateway soak install clean asan clang

all: build

deps:
	@tools/install-deps build

$(BUILD)/build.ninja: | deps
	meson setup $(BUILD) --buildtype=debugoptimized

build: deps $(BUILD)/build.ninja
	ninja -C $(BUILD)

check: build
	@tools/install-deps check
	tools/run-tests $(BUILD)

demo: build
	$(BUILD)/custody demo

lint: build
	tools/lint $(BUILD)

# Sanitizer build and its unit tests.
asan: deps
	[ -d build-asan ] || meson setup build-asan --buildtype=debugoptimized -Db_sanitize=address,undefined -Dsystem_tests=false
	ninja -C build-asan && UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 meson test -C build-asan --suite unit --suite fuzz --timeout-multiplier 5

clang: deps
	[ -d build-clang ] || CC=clang meson setup build-clang --buildtype=debugoptimized -Dsystem_tests=false
	ninja -k 0 -C build-clang && meson test -C build-clang --suite unit

fuzz: deps
	tools/run-fuzz $(FUZZ_SECONDS)

# Control groups of version 2, in a virtual machine of Debian's kernel; about two minutes.
vm: build
	-@tools/install-deps vm
	CUSTODY_PROGRAM=$(BUILD)/custody CUSTODY_BUILD=$(BUILD) tests/vm/vm_test.py

bench: build
	@tools/install-deps bench
	bench/cell $(BUILD)

# The ledger beside the machine's limits, SQLite and PostgreSQL; TMPDIR says on which disk.
bench-ledger: build
	@tools/install-deps bench
	bench/ledger $(BUILD)

# custody log over many records; RECORDS says how many.
RECORDS := 2000000
bench-log: build
	@tools/install-deps bench
	bench/log $(BUILD) $(RECORDS)

# The classifier: how right, how quick, beside its peers. ARGUMENTS: --files 60000 --megabytes 500 --data FOLDER
bench-classify: build
	@tools/install-deps bench
	bench/classify/run $(BUILD) $(ARGUMENTS)

# The gateway beside nginx and Portkey's. ARGUMENTS: --rounds N --seconds S --quick
bench-gateway: build
	@tools/install-deps bench
	bench/gateway/run $(BUILD) $(ARGUMENTS)

soak: build
	@tools/install-deps check
	meson test -C $(BUILD) --suite soak --timeout-multiplier 10

install: build
	meson install -C $(BUILD)

clean:
	rm -rf build build-asan build-clang build-fuzz
