# Langevin. `make` lists the targets.

COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LINKED  := -X main.version=$(VERSION) -X main.commit=$(COMMIT)
OUT     ?= out

# The ONNX Runtime library: the one that the environment names, or the pinned one, which `onnxruntime` downloads.
LOCK    := internal/onnxruntime/onnxruntime.lock
PINNED  := $(abspath .onnxruntime)/$(shell awk -v library="$$(go env GOOS)-$$(go env GOARCH).library" \
	'$$1 == "version" { version = $$3 } $$1 == library { print version "/" $$3 }' $(LOCK))
LANGEVIN_ONNXRUNTIME_LIBRARY ?= $(PINNED)
export LANGEVIN_ONNXRUNTIME_LIBRARY

# Packages that start goroutines, whose tests run with the race detector. It would only slow down the others, which are
# numerics.
CONCURRENT := /(client|cmd|internal|robustness|server|training)(/|$$)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: onnxruntime
onnxruntime: ## Download the pinned ONNX Runtime library (once; checked against onnxruntime.lock)
	@if [ "$$LANGEVIN_ONNXRUNTIME_LIBRARY" = "$(PINNED)" ]; then \
		[ -f "$(PINNED)" ] || go run ./internal/onnxruntime/fetch .onnxruntime >/dev/null; \
	elif [ ! -f "$$LANGEVIN_ONNXRUNTIME_LIBRARY" ]; then \
		echo "LANGEVIN_ONNXRUNTIME_LIBRARY names $$LANGEVIN_ONNXRUNTIME_LIBRARY, which is not there:" \
			"correct it, or unset it to download the library" >&2; exit 1; \
	fi

.PHONY: data
data: ## Download MNIST and Fashion-MNIST to data/ (once; checked against datasets.lock)
	@go run ./internal/datasets/fetch

.PHONY: onnxruntime-gpu
onnxruntime-gpu: ## Download the pinned ONNX Runtime with its CUDA provider (247 MB; needs Python with pip)
	@go run ./internal/onnxruntime/fetch -cuda .onnxruntime

.PHONY: build
build: ## Build bin/langevin
	go build -ldflags '$(LINKED)' -o bin/langevin ./cmd/langevin

# The image's program has no symbols and no paths of this machine.
.PHONY: image-program
image-program:
	@mkdir -p $(OUT)
	go build -trimpath -ldflags '-s -w $(LINKED)' -o $(OUT)/image/langevin ./cmd/langevin
	rm -rf $(OUT)/image/licences && tools/licences.sh $(OUT)/image/langevin $(OUT)/image/licences

IMAGE = cd deploy/image && go run . -program $(abspath $(OUT))/image/langevin \
	-licences $(abspath $(OUT))/image/licences -version $(VERSION)

.PHONY: image
image: onnxruntime image-program ## Write a container image to out/langevin-image.tar: make image VERSION=v1.2.3
	$(IMAGE) -library $(LANGEVIN_ONNXRUNTIME_LIBRARY) -tag langevin:$(VERSION) $(abspath $(OUT))/langevin-image.tar

.PHONY: test-image
test-image: image ## Run the image without privileges and compare its samples (as root)
	cd deploy/image && IMAGE_PROGRAM=$(abspath $(OUT))/image/langevin \
		IMAGE_LICENCES=$(abspath $(OUT))/image/licences go test -count=1 -v .

# ONNX Runtime with its CUDA provider, and the folders of NVIDIA's libraries. The default one is made from Python
# packages.
ONNXRUNTIME    := $(shell awk '$$1 == "version" { print $$3 }' $(LOCK))
CUDA_LIBRARY   := $(abspath .onnxruntime)/$(ONNXRUNTIME)-cuda/libonnxruntime.so.$(ONNXRUNTIME)
CUDA_PACKAGES  := deploy/image/.venv
CUDA_LIBRARIES ?= $(CUDA_PACKAGES)

.PHONY: image-cuda
image-cuda: onnxruntime-gpu image-program ## Write an image for CUDA (2 GB) to out/langevin-image-cuda.tar
	@[ "$(CUDA_LIBRARIES)" != $(CUDA_PACKAGES) ] || tools/venv.sh $(CUDA_PACKAGES) deploy/image/requirements.txt
	$(IMAGE) -library $(CUDA_LIBRARY) $(foreach folder,$(CUDA_LIBRARIES),-libraries $(abspath $(folder))) \
		-tag langevin:$(VERSION)-cuda $(abspath $(OUT))/langevin-image-cuda.tar

.PHONY: test-image-cuda
test-image-cuda: image-cuda ## Run the image for CUDA: only the driver may be missing (as root)
	cd deploy/image && IMAGE_PROGRAM=$(abspath $(OUT))/image/langevin \
		IMAGE_LICENCES=$(abspath $(OUT))/image/licences IMAGE_LIBRARIES="$(abspath $(CUDA_LIBRARIES))" \
		LANGEVIN_ONNXRUNTIME_LIBRARY=$(CUDA_LIBRARY) go test -count=1 -v -run CUDA .

.PHONY: release
release: onnxruntime ## Write the files of a release to out/release, for this machine: make release VERSION=v1.2.3
	tools/release.sh $(VERSION) $(LANGEVIN_ONNXRUNTIME_LIBRARY) $(OUT)/release

.PHONY: test-release
test-release: ## Try the files of make release where nothing else is (as root): make test-release VERSION=v1.2.3
	tools/release-test.sh $(VERSION) $(OUT)/release

.PHONY: demo
demo: onnxruntime build ## Serve the built-in models, sample them, draw out/ring.png and out/ring.gif
	bin/langevin demo --out $(OUT)

.PHONY: train-toy
train-toy: onnxruntime build ## Train 2gauss and ring from scratch, export them to out/models, draw the figures
	bin/langevin train toy-2gauss --overwrite --out $(OUT)
	bin/langevin train toy-ring --overwrite --out $(OUT)

.PHONY: classifiers
classifiers: onnxruntime build data ## Retrain the classifiers that judge images
	@for name in mnist fashion-mnist; do \
		bin/langevin eval classifier $$name --data data/$$name --out training/eval/classifiers/$$name.onnx || exit 1; \
	done

.PHONY: zoo
zoo: onnxruntime data build ## Train the models of pictures from scratch (11 h on two cores; resumes if stopped)
	@for preset in mnist mnist-class mnist-class-consistency fashion fashion-class fashion-class-consistency; do \
		resume=; [ ! -d $(OUT)/checkpoints/$$preset ] || resume=--resume; \
		bin/langevin train $$preset $$resume --out $(OUT) || exit 1; \
	done

.PHONY: reproduce
reproduce: onnxruntime build ## Repeat the papers' experiments; writes a page and its numbers to out/report
	bin/langevin reproduce --out $(OUT)/report $(REPRODUCEFLAGS)

# Python with PyTorch and onnx (Debian: python3-torch python3-onnx libopenblas0-openmp); "none" omits PyTorch.
TORCH ?= /usr/bin/python3

.PHONY: bench
bench: onnxruntime build bench/.venv/ready ## Compare Langevin with PyTorch and Python servers; writes bench/RESULTS.md
	go run ./bench/networks $(OUT)/bench
	go build -o bin/compare ./bench/compare
	bin/compare -networks $(OUT)/bench -torch $(TORCH) $(BENCHFLAGS)

bench/.venv/ready: bench/requirements.txt
	python3 -m venv bench/.venv
	bench/.venv/bin/pip install --quiet --disable-pip-version-check --requirement bench/requirements.txt
	@touch $@

# A program with the race detector sleeps for a second before it ends, unless told otherwise. The tests start hundreds.
.PHONY: test
test: export GORACE := atexit_sleep_ms=10
test: onnxruntime ## Run every test (with the race detector where goroutines run)
	@status=0; \
	go test -timeout 8m -race $$(go list ./... | grep -E '$(CONCURRENT)') || status=1; \
	go test -timeout 8m $$(go list ./... | grep -vE '$(CONCURRENT)') || status=1; \
	exit $$status

# The module of the chart's tests links Helm, so that nothing else does.
.PHONY: test-chart
test-chart: ## Render the Helm chart, compare it with testdata, check it against Kubernetes' schemas (UPDATE=-update)
	cd deploy/helm && go test $(UPDATE) .

# Kubernetes is built once, into a folder that outlives the checkout.
K8S_CACHE ?= $(HOME)/.cache/langevin/k8s

.PHONY: test-k8s
test-k8s: image ## Build Kubernetes (15 min, once), run the chart on two nodes: rolls, jobs, lost nodes (as root)
	deploy/cluster/build.sh $(K8S_CACHE)
	cd deploy/cluster && go test -count=1 -v -timeout 1h . -args -programs $(K8S_CACHE) -tag $(VERSION) \
		-image $(abspath $(OUT))/langevin-image.tar -langevin $(abspath $(OUT))/image/langevin

KILLS ?= 100

.PHONY: test-kills
test-kills: onnxruntime ## Kill a training KILLS times, 100 if not given, and compare what it ends with
	go test -count=1 -v -timeout 1h -run TestTrainSurvives ./cmd/langevin -kills $(KILLS)

# How long `fuzz` runs each target, and which targets.
FUZZTIME ?= 30s
FUZZ     ?= .

.PHONY: fuzz
fuzz: onnxruntime ## Give every reader of foreign bytes random ones, for FUZZTIME each (30s); FUZZ=NPY chooses some
	@tools/fuzz.sh $(FUZZTIME) '$(FUZZ)'

.PHONY: test-web
test-web: onnxruntime ## Test the page in headless Chromium; writes pictures to out/page
	@mkdir -p $(OUT)/page
	go test -count=1 -run TestPage ./server/web -browser -screenshots $(abspath $(OUT))/page

.PHONY: test-openapi
test-openapi: onnxruntime ## Make a TypeScript client of /openapi.json, compile it strictly, and call a server (npm)
	go test -count=1 -v -run 'TestOpenAPI|TestTypeScript' ./server/web -typescript

# The device of the GPU targets. DEVICE=cpu is a dry run of everything that a CPU can do.
DEVICE ?= cuda

.PHONY: test-gpu
test-gpu: ## Test on a GPU: scores compared with the CPU's, the service, SIGTERM (skips with a reason if there is none)
	go test -count=1 -v -run TestGPU ./server ./cmd/langevin -args -gpu $(DEVICE)

.PHONY: bench-gpu
bench-gpu: ## Compare a GPU with PyTorch on it; writes bench/RESULTS-GPU.md (dry run: DEVICE=cpu BENCHFLAGS=-quick)
	go run ./bench/networks $(OUT)/bench-gpu ncsnv2
	go build -o bin/compare ./bench/compare
	bin/compare -device $(DEVICE) -networks $(OUT)/bench-gpu -torch $(TORCH) $(BENCHFLAGS)

.PHONY: bench-train
bench-train: onnxruntime data ## Compare training with PyTorch (dry run: BENCHFLAGS="-quick -out FILE")
	go build -o bin/trainer ./bench/trainer
	go build -o bin/compare ./bench/compare
	bin/compare -trainer bin/trainer -networks $(OUT)/bench-train -torch $(TORCH) \
		-out bench/RESULTS-TRAIN.md $(BENCHFLAGS)

# Python with the packages of bench/requirements-quality.txt; "none" omits the samplers of diffusers.
DIFFUSERS ?= bench/.venv-quality/bin/python

.PHONY: bench-quality
bench-quality: onnxruntime data build bench/.venv/ready ## Compare quality over cost; writes bench/RESULTS-QUALITY.md
	@[ "$(DIFFUSERS)" != bench/.venv-quality/bin/python ] || \
		tools/venv.sh bench/.venv-quality bench/requirements-quality.txt
	go build -o bin/compare ./bench/compare
	bin/compare -quality -networks $(OUT)/bench-quality -diffusers $(DIFFUSERS) $(BENCHFLAGS)

.PHONY: bench-detect
bench-detect: onnxruntime data ## Measure detectors; writes bench/RESULTS-DETECT.md (dry run: BENCHFLAGS)
	go build -o bin/detect ./bench/detect
	bin/detect $(BENCHFLAGS)

.PHONY: bench-posterior
bench-posterior: onnxruntime data bench/.venv/ready ## Compare posterior samplers; writes bench/RESULTS-POSTERIOR.md
	go build -o bin/posterior ./bench/posterior
	bin/posterior $(BENCHFLAGS)

.PHONY: test-torch
test-torch: onnxruntime ## Compare imported networks, and our own, with PyTorch and diffusers (Python in DIFFUSERS)
	@[ "$(DIFFUSERS)" != bench/.venv-quality/bin/python ] || \
		tools/venv.sh bench/.venv-quality bench/requirements-quality.txt
	go test -count=1 -v -run TestTorch ./cmd/langevin ./training/nn -torch $(abspath $(DIFFUSERS))

# Python with the packages of bench/requirements-sbi.txt.
SBI ?= bench/.venv-sbi/bin/python

.PHONY: test-sbi
test-sbi: onnxruntime ## Train and import posteriors of sbi, and compare samples with exact ones (Python in SBI)
	@[ "$(SBI)" != bench/.venv-sbi/bin/python ] || tools/venv.sh bench/.venv-sbi bench/requirements-sbi.txt
	go test -count=1 -v -timeout 2h -run TestSBI ./cmd/langevin -sbi $(abspath $(SBI)) -sbi-folder $(abspath $(OUT)/sbi)

.PHONY: test-triton
test-triton: onnxruntime build ## Drive the server with the Python clients of Triton and KServe (from PyPI)
	@bench/triton/run.sh bin/langevin

.PHONY: python
python: ## Build the Python client's wheel to out/python
	@rm -rf $(OUT)/python
	python3 -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(OUT)/python ./python
	@ls $(OUT)/python/*.whl

.PHONY: test-python
test-python: onnxruntime build python ## Test the Python client with a server (packages from PyPI)
	@python/test.sh bin/langevin $(OUT)/python/langevin-*.whl

# ROBUSTFLAGS="-seed 7" repeats a run, and ROBUSTFLAGS="-test.run TestOverload" chooses a test.
.PHONY: robustness
robustness: onnxruntime build ## Attack servers with traffic, faults, overload and scale; prints figures (10 min)
	go test -count=1 -timeout 1h -v ./robustness ./robustness/survival -long \
		-langevin $(abspath bin/langevin) $(ROBUSTFLAGS)

# How long the soak lasts.
SOAKTIME ?= 30m

.PHONY: soak
soak: onnxruntime build ## Use a server for SOAKTIME, with a reload every 5 s, and judge what it holds on to
	go test -count=1 -timeout 24h -v -run TestSoak ./robustness -soak $(SOAKTIME) -langevin $(abspath bin/langevin) \
		$(ROBUSTFLAGS)

.PHONY: test-docs
test-docs: onnxruntime ## Run every command in docs as it is, including trainings
	go test -count=1 -timeout 1h -run TestDocs . -docs-slow

CHECKS := check-format check-vet check-lint check-proto check-api check-generated check-modules check-shell \
	check-commits check-layout check-vulnerabilities

.PHONY: check
check: $(CHECKS) ## Check format, vet, lint, APIs, generated code, modules, scripts, commits, layout, vulnerabilities

.PHONY: check-format
check-format:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	@echo "ok  gofmt"

.PHONY: check-vet
check-vet:
	@go vet ./...
	@echo "ok  go vet"

.PHONY: check-lint
check-lint: .tools/golangci-lint
	@.tools/golangci-lint run ./...
	@echo "ok  golangci-lint"

# The API may grow, but what exists at BASE must keep working. Without BASE (a shallow clone) nothing is compared.
BASE ?= $(shell git rev-parse --quiet --verify origin/main >/dev/null && echo origin/main || echo main)

.PHONY: check-proto
check-proto: .tools/buf
	@.tools/buf lint
	@echo "ok  buf lint"
	@if git rev-parse --quiet --verify $(BASE):buf.yaml >/dev/null; then \
		git archive $(BASE) $$(git ls-tree --name-only $(BASE) buf.yaml proto third_party) | \
			.tools/buf breaking proto --against -#format=tar,subdir=proto && \
		echo "ok  buf breaking, against $(BASE)"; \
	else \
		echo "--  buf breaking: no API at $(BASE)"; \
	fi

.PHONY: check-api
check-api: .tools/apidiff
	@if git rev-parse --quiet --verify $(BASE):client >/dev/null; then \
		tools/api.sh $(BASE) && echo "ok  API of the Go packages, against $(BASE)"; \
	else \
		echo "--  API of the Go packages: no client at $(BASE)"; \
	fi

# The descriptors of the API from which the Python client makes its messages.
DESCRIPTORS = .tools/buf build proto --as-file-descriptor-set --exclude-source-info --output

GENERATORS := .tools/buf .tools/protoc-gen-go .tools/protoc-gen-go-grpc

.PHONY: check-generated
check-generated: $(GENERATORS)
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && .tools/buf generate --output "$$fresh" && \
	mkdir -p "$$fresh/python/langevin" && $(DESCRIPTORS) "$$fresh/python/langevin/api.binpb" && \
	generated() { find proto server docs client python/langevin -name '*.pb.go' -o -name '*.gen.go' \
		-o -name api.md -o -name samplers.md -o -name openapi.json -o -name api.binpb; } && \
	sums() { (cd "$$1" && generated | sort | xargs cksum); } && \
	[ "$$(sums "$$fresh")" = "$$(sums .)" ] || { echo "generated code is stale: run make generate"; exit 1; }
	@echo "ok  generated code"

.PHONY: check-modules
check-modules:
	@go mod tidy -diff >/dev/null || { echo "go.mod is not tidy: run go mod tidy"; exit 1; }
	@echo "ok  go mod tidy"

.PHONY: check-vulnerabilities
check-vulnerabilities: .tools/govulncheck
	@tools/vulnerabilities.sh

POSIX_SCRIPTS := $(wildcard tools/*.sh deploy/debian/*) deploy/cluster/build.sh
BASH_SCRIPTS  := .ci/run bench/triton/run.sh python/test.sh deploy/cluster/node.sh

.PHONY: check-shell
check-shell:
	@for script in $(POSIX_SCRIPTS); do sh -n $$script || exit 1; done
	@for script in $(BASH_SCRIPTS); do bash -n $$script || exit 1; done
	@if command -v shellcheck >/dev/null; then shellcheck $(POSIX_SCRIPTS) $(BASH_SCRIPTS); fi
	@echo "ok  shell scripts"

.PHONY: check-commits
check-commits:
	@if git rev-parse --quiet --verify "$(BASE)^{commit}" >/dev/null; then \
		tools/commits.sh $(BASE) && echo "ok  messages of commits, since $(BASE)"; \
	else \
		echo "--  messages of commits: no $(BASE) here"; \
	fi

.PHONY: check-layout
check-layout:
	@go test -count=1 -short .

.PHONY: generate
generate: $(GENERATORS) ## Generate code and openapi.json from proto/, and what describes the settings
	.tools/buf generate
	$(DESCRIPTORS) python/langevin/api.binpb
	go test -run '^Test(SettingsPage|ChartSettings)$$' . -args -update-settings

.PHONY: tools
tools: $(GENERATORS) .tools/golangci-lint .tools/apidiff .tools/grpcurl \
	.tools/govulncheck ## Build the pinned developer tools in .tools/

# protoc-gen-go comes from the protobuf module that Langevin links, so the generator always matches the runtime.
.tools/protoc-gen-go: go.mod
	go build -o $@ google.golang.org/protobuf/cmd/protoc-gen-go

.tools/buf: PACKAGE := github.com/bufbuild/buf/cmd/buf
.tools/grpcurl: PACKAGE := github.com/fullstorydev/grpcurl/cmd/grpcurl
.tools/protoc-gen-go-grpc: PACKAGE := google.golang.org/grpc/cmd/protoc-gen-go-grpc
.tools/apidiff: PACKAGE := golang.org/x/exp/cmd/apidiff
.tools/govulncheck: PACKAGE := golang.org/x/vuln/cmd/govulncheck
.tools/golangci-lint: PACKAGE := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
.tools/%: tools/go.mod tools/go.sum
	cd tools && go build -o ../$@ $(PACKAGE)
	@touch $@

.PHONY: clean
clean: ## Remove build outputs and pictures (the library and the tools stay)
	rm -rf bin $(OUT)
