# make help lists the targets.  Objects live in build/<config>/, one folder per set of flags.

CONFIG  ?= release
CC      ?= cc
PREFIX  ?= /usr/local
VERSION := $(shell sed -n 's/^.define DGAN_VERSION "\(.*\)"/\1/p' src/dgan/nn.h)
ABI     := $(shell sed -n 's/^.define DGAN_ABI //p' src/dgan/nn.h)
BUILD   := build/$(CONFIG)$(if $(filter-out cc gcc,$(notdir $(CC))),-$(notdir $(CC)))

# Library and Debian package, by pkg-config name.
LIBS    := libpng:libpng-dev libjpeg:libjpeg-dev zlib:zlib1g-dev jansson:libjansson-dev libcrypto:libssl-dev
PKGS    := $(foreach l,$(LIBS),$(firstword $(subst :, ,$l)))

WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wvla -Wstrict-prototypes -Wmissing-prototypes
ifdef WERROR
WARN    += -Werror
endif
# No -ffast-math (it deletes NaN checks), no contraction (the reference is IEEE), no -march (kernels are chosen at run time).
# The shared library is made of the same objects: position independent, and only what is marked DGAN_API can be seen from outside.
BASE    := -std=c11 -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -ffp-contract=off -fopenmp -fPIC -fvisibility=hidden -Isrc -I. $(WARN)
ifeq ($(CONFIG),debug)
OPT     := -O0 -g3
else ifeq ($(CONFIG),sanitize)
SANITIZERS := address,undefined
OPT      = -O1 -g -fsanitize=$(SANITIZERS) -fno-sanitize-recover=all -fno-omit-frame-pointer
else
OPT     := -O2 -g
endif

# Asked once, and only by targets that compile.
ifeq ($(filter help clean,$(MAKECMDGOALS)),)
PKG_CONFIG := $(shell command -v pkg-config)
ifeq ($(PKG_CONFIG),)
$(error pkg-config is missing: apt-get install pkg-config)
endif
$(foreach l,$(LIBS),$(if $(shell pkg-config --exists $(firstword $(subst :, ,$l)) && echo yes),,\
    $(error library $(firstword $(subst :, ,$l)) is missing: apt-get install $(lastword $(subst :, ,$l)))))
LIBCFLAGS := $(shell pkg-config --cflags $(PKGS))
LDLIBS  := $(shell pkg-config --libs $(PKGS)) -lm
endif

CFLAGS  ?=
CPPFLAGS ?=
LDFLAGS ?=
COMPILE  = $(CC) $(BASE) $(OPT) $(LIBCFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
LINK     = $(CC) $(OPT) -fopenmp $(CFLAGS) $(LDFLAGS)

LIB_SRC  := $(wildcard src/nn/*.c src/stylegan/*.c src/datasetgan/*.c src/deeplab/*.c src/dgan/*.c)
CLI_SRC  := $(wildcard src/cli/*.c)
TEST_SRC := $(wildcard tests/test_*.c)
BENCH_SRC := $(filter-out bench/levels.c bench/bench_step.c,$(wildcard bench/*.c))
HELP_SRC := $(filter-out $(TEST_SRC) tests/sys_faulty.c,$(wildcard tests/*.c)) $(wildcard tests/f64/*.c)
obj       = $(patsubst %.c,$(BUILD)/obj/%.o,$1)
LIB      := $(BUILD)/libdatasetgan.a
BIN      := $(BUILD)/datasetgan
SONAME   := libdatasetgan.so.$(ABI)
SHARED   := $(BUILD)/lib/libdatasetgan.so.$(VERSION)
STATIC   := $(BUILD)/lib/libdatasetgan.a
PUBLIC   := src/dgan/nn.h src/dgan/stylegan.h src/dgan/datasetgan.h src/dgan/deeplab.h
HELP     := $(BUILD)/libtests.a
REPRODUCE := $(BIN) $(BUILD)/pictures $(BUILD)/report
FAULTY   := $(BUILD)/datasetgan-faulty
TESTS    := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TEST_SRC))

all: $(BIN)  ## build the program

help:  ## this list
	@sed -n 's/^\([a-z0-9_ -]*\):.*##/\1 #/p' Makefile | awk -F' # *' '{ printf "  %-14s %s\n", $$1, $$2 }'

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE)
# clang takes minutes for both sanitizers of a row of kernels; gcc's build has both.
ifneq ($(and $(filter sanitize,$(CONFIG)),$(filter clang,$(CC))),)
$(BUILD)/obj/src/nn/kernels_%.o: SANITIZERS := address
endif

$(LIB): $(call obj,$(LIB_SRC))
	@rm -f $@
	$(AR) rcs $@ $^

lib: $(SHARED) $(STATIC)  ## the library, static and shared, as make install puts it in place

# Only what it needs of LDLIBS is recorded in it (tests/test_install.sh looks).
$(SHARED): $(call obj,$(LIB_SRC))
	@mkdir -p $(@D)
	$(LINK) -shared -Wl,-soname,$(SONAME) -Wl,--as-needed $^ $(LDLIBS) -o $@
	@ln -sf $(notdir $@) $(@D)/$(SONAME)
	@ln -sf $(notdir $@) $(@D)/libdatasetgan.so

# The static library for others is one object in which internal names are local: theirs may be the same.
$(STATIC): $(call obj,$(LIB_SRC))
	@mkdir -p $(@D)
	@rm -f $@
	$(LD) -r $^ -o $(@D)/datasetgan.o
	objcopy --localize-hidden $(@D)/datasetgan.o
	$(AR) rcs $@ $(@D)/datasetgan.o

# What tests share, and the judge: the reference sources once more, in double, under other names (tests/f64/names.h).
$(HELP): $(call obj,$(HELP_SRC))
	@rm -f $@
	$(AR) rcs $@ $^

$(BIN): $(call obj,$(CLI_SRC)) $(LIB)
	$(LINK) $^ $(LDLIBS) -o $@

# The same program with the door to the operating system exchanged for one that fails on request (tests only).
$(FAULTY): $(call obj,$(CLI_SRC) tests/sys_faulty.c) $(LIB)
	$(LINK) $^ $(LDLIBS) -o $@

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(HELP) $(LIB)
	@mkdir -p $(@D)
	$(LINK) $(filter-out %.a,$^) $(filter %.a,$^) $(LDLIBS) -o $@

$(BUILD)/tests/test_options: $(call obj,src/cli/options.c src/cli/report.c src/cli/setup.c)

test: $(REPRODUCE) $(BUILD)/bench $(FAULTY) $(TESTS) $(SHARED) $(STATIC)  ## run the tests (about 2 minutes, no Python)
	@tests/run.sh $(BUILD)

debug sanitize:  ## build and test with -O0 -g / AddressSanitizer and UndefinedBehaviorSanitizer
	$(MAKE) CONFIG=$@ test

# The readers of untrusted files under libFuzzer and both sanitizers; a finding is written to build/fuzz/ and fails the target.
FUZZ_SECONDS ?= 60
FUZZERS  := $(patsubst tests/fuzz/fuzz_%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SRC := $(patsubst %,src/nn/%.c,base sys file hash json half safetensors image lines jpeg npy zip)
FUZZ_CC  := clang $(filter-out -fopenmp,$(BASE)) -O1 -g -fno-sanitize-recover=all
build/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.h $(FUZZ_SRC)
	@mkdir -p $(@D)
	$(FUZZ_CC) -fsanitize=fuzzer,address,undefined $(LIBCFLAGS) $(filter %.c,$^) $(LDLIBS) -lz -o $@
# The importers of labels want the whole library, built once for them; the kernels, which see no bytes of a file, without the sanitizers: minutes otherwise.
FUZZ_IMPORT := $(patsubst %,build/fuzz/%,labelme coco cvat labelmap)
FUZZ_OBJ    := $(patsubst %.c,build/fuzz/obj/%.o,$(LIB_SRC))
build/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) -fopenmp $(if $(findstring nn/kernels_,$@),,-fsanitize=fuzzer-no-link,address,undefined) $(LIBCFLAGS) -c $< -o $@
$(FUZZ_IMPORT): build/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.h tests/fuzz/import.h $(FUZZ_OBJ)
	$(FUZZ_CC) -fopenmp -fsanitize=fuzzer,address,undefined $(LIBCFLAGS) $(filter %.c %.o,$^) $(LDLIBS) -o $@
build/fuzz/seeds: tests/fuzz/seeds.c $(FUZZ_SRC)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(LIBCFLAGS) $^ $(LDLIBS) -o $@
fuzz: $(FUZZERS) build/fuzz/seeds  ## fuzz the readers of files, FUZZ_SECONDS=60 each (needs clang)
	build/fuzz/seeds build/fuzz/corpus
	@for f in $(FUZZERS); do \
	    echo "$$f"; $$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=4096 -print_final_stats=1 -verbosity=0 \
	        -artifact_prefix=$$f- build/fuzz/corpus/$${f##*/} || exit 1; \
	done

demo: $(BIN)  ## train on the bundled annotations, score, draw 200 labelled samples
	@tools/demo.sh $(BIN) out/demo

exports: $(BIN)  ## exports and imports against their consumers' own libraries (Python; PYTHON= HEAVY=--heavy: mmsegmentation, Ultralytics, Datumaro too)
	@tests/exports.sh $(BIN) out/exports $(HEAVY)

pace: $(BIN)  ## samples per second for 1 and 2 threads, memory at 100 to COUNT=10000 samples (quiet machine: 12 minutes)
	@tools/pace.sh $(BIN) out/pace $(COUNT)

score: $(BIN)  ## five seeds of training: mean and sd of the held-out mIoU
	@tools/score.sh $(BIN) out/score

# DATA: real/ (photographs with label maps) and train_128/ (mosaics of unlabelled ones).  Settings: tools/reproduce.conf.
DATA    ?= $(firstword $(wildcard ../shared/data/blood))
reproduce: $(REPRODUCE)  ## everything from 16 annotated pictures to scores on real ones, baselines, report (DATA= PROFILE=quick|default|paper)
	@tools/reproduce.sh $(BUILD) $(if $(filter quick paper,$(PROFILE)),out/reproduce-$(PROFILE),out/reproduce) "$(DATA)" $(PROFILE)

sweeps: $(REPRODUCE)  ## the paper's tables 3 to 6 and figure 6 on the bundle (hours; resumable; DATA=)
	@tools/sweeps.sh $(BUILD) out/sweeps "$(DATA)"

# The test run has a short version of all three parts.
faults: $(BIN) $(FAULTY) $(BUILD)/tests/test_replay  ## every call and allocation fails once, 100 kills, power cuts after every call: a table
	@tools/faults.sh $(BUILD)

mutants:  ## plant bugs in a copy and require red tests
	@tests/mutants.sh

# Rows chosen by name: ONLY=conv,picture; fewer of all: QUICK=1 (under a minute); THREADS=1,2 ROWS=amx,avx2; CPU=1: processor time, for a busy machine.
RANDOM_GENERATORS := build/random256.safetensors build/half256.safetensors build/random512.safetensors build/random1024.safetensors build/stylegan1-1024.safetensors
build/random%.safetensors: bench/random_generator.py
	-@mkdir -p build && python3 $< $@ $*
build/half256.safetensors: bench/random_generator.py
	-@mkdir -p build && python3 $< $@ 256 --fmaps 0.5
build/stylegan1-1024.safetensors: bench/random_generator.py
	-@mkdir -p build && python3 $< $@ 1024 --network stylegan1
bench: $(BUILD)/bench $(if $(QUICK),build/random256.safetensors,$(RANDOM_GENERATORS))  ## this machine's limits, every layer, picture, label, training: table and build/bench.csv (QUICK=1 ONLY=names)
	@BENCH_COMMIT=$$(git describe --always --dirty 2>/dev/null) $(BUILD)/bench $(if $(QUICK),--quick) $(if $(CPU),--cpu) $(if $(ONLY),--only '$(ONLY)') \
	    $(if $(THREADS),--threads $(THREADS)) $(if $(ROWS),--rows $(ROWS)) --csv $(if $(QUICK)$(ONLY)$(ROWS),build/bench-part.csv,build/bench.csv)

bench-compare: $(BUILD)/bench  ## PyTorch, ONNX Runtime, OpenVINO, MNN, ncnn on the same work in turn with ours (own Python environment; ADA=checkout)
	@bench/compare.sh $(BUILD)/bench

bench-step: $(BUILD)/bench_step  ## a training step against PyTorch's, alternating (PYTHON= with torch and torchvision)
	@$(PYTHON) bench/bench_step.py $(BUILD)/bench_step

nightly: $(BIN) $(BUILD)/levels $(BUILD)/tests/test_segnet  ## the converter's long checks, exports in mmsegmentation and Ultralytics, full-width networks with random weights: time, memory, agreement; AArch64 (minutes)
	@tools/nightly.sh $(BUILD)
	@if command -v $(CROSS)-gcc >/dev/null; then $(MAKE) arm64; else echo "no $(CROSS)-gcc: AArch64 skipped"; fi

# ARM_TESTS: arithmetic first, then the readers of bytes; others spend minutes of the emulator on what no processor changes.
CROSS      ?= aarch64-linux-gnu
ARM_TESTS  ?= $(patsubst %,test_%,kernels ops maps net stylegan label metrics rng image jpeg npy json safetensors zip rle raster)
ARM_BUILD  := build/release-$(CROSS)-gcc
arm64: $(BIN) $(BUILD)/levels  ## cross compile for AArch64 and test under qemu-user (needs gcc-aarch64-linux-gnu, qemu-user, arm64 libraries: README)
	PKG_CONFIG_LIBDIR=/usr/lib/$(CROSS)/pkgconfig:/usr/share/pkgconfig \
	    $(MAKE) CC=$(CROSS)-gcc AR=$(CROSS)-ar $(ARM_BUILD)/datasetgan $(ARM_BUILD)/bench $(ARM_TESTS:%=$(ARM_BUILD)/tests/%)
	@tools/arm64.sh $(ARM_BUILD) $(BUILD) $(ARM_TESTS)

DIALECT ?= all
PYTHON  ?= python3
agree: $(BIN)  ## full-width pictures of a dialect's own code and ours: levels, units, time, memory (PYTHON= with PyTorch, DIALECT=tf1 ..., CODE=checkouts, ORIGIN=where to clone)
	$(PYTHON) tools/agree.py --program $(BIN) $(if $(CODE),--code $(CODE)) $(if $(ORIGIN),--origin $(ORIGIN)) $(DIALECT)

$(BUILD)/levels: $(call obj,bench/levels.c) $(LIB)
	$(LINK) $^ $(LDLIBS) -o $@

$(BUILD)/pictures: $(call obj,tools/pictures.c)
$(BUILD)/report: $(call obj,$(wildcard tools/report*.c))
$(BUILD)/pictures $(BUILD)/report: $(LIB)
	$(LINK) $(filter %.o,$^) $(LIB) $(LDLIBS) -o $@

$(BUILD)/bench_%: $(BUILD)/obj/bench/bench_%.o $(BUILD)/obj/bench/clock.o $(LIB)
	$(LINK) $^ $(LDLIBS) -o $@

$(BUILD)/bench: $(call obj,$(BENCH_SRC)) $(LIB)
	$(LINK) $^ $(LDLIBS) -o $@

weights:  ## make weights/ again from ../shared/data/blood
	@convert/make_bundle.sh ../shared/data/blood weights

# The program, the library, its headers, Python module and pkg-config file, man pages, the bundle, and a generator with the numbers
# that PyTorch got from it (tests/golden/make_stylegan2.py), for tests of other people's programs.
TO       := $(DESTDIR)$(PREFIX)
install: $(BIN) $(SHARED) $(STATIC) python/datasetgan.py  ## PREFIX= DESTDIR=
	install -d $(TO)/bin $(TO)/lib/pkgconfig $(TO)/include/dgan $(TO)/share/man/man1 $(TO)/share/datasetgan/python $(TO)/share/datasetgan/golden
	install -m 755 $(BIN) $(TO)/bin/datasetgan
	install -m 755 $(SHARED) $(TO)/lib
	ln -sf $(notdir $(SHARED)) $(TO)/lib/$(SONAME)
	ln -sf $(notdir $(SHARED)) $(TO)/lib/libdatasetgan.so
	install -m 644 $(STATIC) $(TO)/lib
	install -m 644 $(PUBLIC) $(TO)/include/dgan
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@PKGS@|$(PKGS)|' tools/datasetgan.pc.in >$(TO)/lib/pkgconfig/datasetgan.pc
	tools/man.sh $(BIN) $(TO)/share/man/man1
	install -m 644 python/datasetgan.py $(TO)/share/datasetgan/python
	cp -r weights/. tasks $(TO)/share/datasetgan/
	install -m 644 tests/golden/stylegan2_rgb.safetensors tests/golden/stylegan2_rgb_want.safetensors $(TO)/share/datasetgan/golden

# Needs nothing of the machine it is unpacked on.  The linker warns of getaddrinfo in libcrypto, which is never called.
tarball:  ## build/datasetgan.tar.gz: program and bundle, linked statically, runs where it is unpacked
	$(MAKE) BUILD=build/static LDFLAGS="-static $(LDFLAGS)" build/static/datasetgan
	rm -rf build/stage
	install -d build/stage/datasetgan/bin build/stage/datasetgan/share/datasetgan
	install -m 755 build/static/datasetgan build/stage/datasetgan/bin
	cp -r weights/. tasks build/stage/datasetgan/share/datasetgan/
	tar -C build/stage --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - datasetgan | gzip -n >build/datasetgan.tar.gz

uninstall:  ## remove what install put there
	rm -f $(TO)/bin/datasetgan $(TO)/lib/libdatasetgan.* $(TO)/lib/pkgconfig/datasetgan.pc $(TO)/share/man/man1/datasetgan*.1
	rm -rf $(TO)/share/datasetgan $(TO)/include/dgan

analyze: $(BIN) $(BUILD)/tests/test_json $(BUILD)/tests/test_safetensors $(BUILD)/tests/test_rng $(BUILD)/tests/test_api  ## five tools look for mistakes
	@tools/analyze.sh $(BUILD)

deps:  ## fail when an include points against the arrows
	@tests/deps.sh

clean:  ## remove build/
	rm -rf build

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(LIB_SRC) $(CLI_SRC) $(TEST_SRC) $(HELP_SRC) $(BENCH_SRC) $(wildcard tools/*.c) tests/sys_faulty.c)
.PHONY: all help lib nightly arm64 agree test exports pace faults mutants bench bench-compare bench-step fuzz debug sanitize demo score reproduce sweeps weights install tarball uninstall analyze deps clean
.SECONDARY:
