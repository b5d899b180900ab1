# make demo and make test need only Python 3.11 and make; the rest is installed into .venv.

VENV := .venv
PYTHON := $(VENV)/bin/python
# Each is a copy of the lock file that was installed, so that a changed lock is noticed.
RUNTIME := $(VENV)/requirements.txt
DEVELOPMENT := $(VENV)/requirements-dev.txt
INTEROP := $(VENV)/interop/requirements-interop.txt
ENGINES := $(VENV)/engines/requirements-engines.txt
SERVER := $(VENV)/server/requirements-server.txt
BEAM := $(VENV)/beam/requirements-beam.txt
BUCKETS := $(VENV)/buckets/requirements-buckets.txt
TPU_COMPILE := $(VENV)/tpu-compile/requirements-tpu-compile.txt
TPU_STACK := $(VENV)/tpu-stack/requirements-tpu.txt
TPU_STACK_TESTS := $(addprefix tests/,settings architecture io layers models text records training pretraining \
  runs presets interop conversion finetuning search serving experiments)
# The same for this package itself, of which the commands and the place are installed.
PACKAGE := $(VENV)/pyproject.toml

.PHONY: help install demo demo-search test test-interop test-engines test-server test-beam test-buckets \
  test-compiled test-tpu-stack lint format typecheck lock clean
.DEFAULT_GOAL := help

help:
	@echo "make install      install the pinned packages and the commands lvbert-* into .venv"
	@echo "make demo         pre-train a small LV-BERT on the State of the Union addresses (minutes)"
	@echo "make demo-search  search for a layer string on the same text (minutes)"
	@echo "make test         run the tests, the slow ones last; PYTEST_ARGS='-k tokenizer' selects some"
	@echo "make test-interop run the tests against Hugging Face's transformers, which needs PyTorch"
	@echo "make test-engines run exported models in OpenVINO and ONNX Runtime"
	@echo "make test-server  serve exported models with KServe's model server, by REST and gRPC"
	@echo "make test-beam    build records with Apache Beam, and compare them with the local engine's"
	@echo "make test-buckets run every program on S3 and Google Cloud Storage, as servers of this machine"
	@echo "make test-compiled compile training steps for a TPU, which needs none"
	@echo "make test-tpu-stack test TensorFlow's build for TPUs, and all else with its version (4.7 GB, not in CI)"
	@echo "make lint         check formatting and common mistakes; make format repairs them"
	@echo "make typecheck    check the type hints"
	@echo "make lock         pin the newest dependencies in requirements*.txt"
	@echo "make clean        remove .venv and what demo and tests left"

install: $(PACKAGE)
	@echo "installed: $(VENV)/bin/lvbert-pretrain --help, and import lvbert_tf from anywhere"

demo: $(PACKAGE)
	@$(PYTHON) demo.py

demo-search: $(PACKAGE)
	@$(PYTHON) demo.py --search

test: $(DEVELOPMENT)
	@$(PYTHON) -m pytest -p tests.costs -p tests.forked_files \
	  $(PYTEST_ARGS)

# Beside .venv, not in it: a PyTorch for GPUs, which pip takes where it finds no other, is 3 GB.
test-interop: $(DEVELOPMENT) $(INTEROP)
	@$(PYTHON) -m pytest tests/interop/live_transformers.py $(PYTEST_ARGS)

# Beside the packages of .venv as well, which they share: none of them may change what is pinned there.
test-engines: $(DEVELOPMENT) $(ENGINES)
	@$(PYTHON) -m pytest tests/serving/live_engines.py tests/serving/live_exports.py \
	  tests/serving/live_predictor.py tests/serving/live_int8.py $(PYTEST_ARGS)

# The server is in an environment of its own, without TensorFlow; KServe keeps an older protobuf.
test-server: $(DEVELOPMENT) $(ENGINES) $(SERVER)
	@$(PYTHON) -m pytest tests/serving/live_server.py $(PYTEST_ARGS)

# In an environment of its own: Beam keeps an older protobuf than the one that is pinned for the rest.
test-beam: $(DEVELOPMENT) $(BEAM)
	@PYTHONPATH=$(CURDIR) $(VENV)/beam/bin/python -m pytest tests/records/live_beam.py $(PYTEST_ARGS)

# Beside the packages of .venv too, with the versions that are pinned there.
test-buckets: $(DEVELOPMENT) $(BUCKETS)
	@BUCKET_PACKAGES=$(abspath $(VENV))/buckets PYTHONPATH=$(abspath $(VENV))/buckets \
	  $(PYTHON) -m pytest tests/live_buckets.py $(PYTEST_ARGS)

# In an environment of its own: libtpu's compiler, which runs on any CPU, and JAX to drive it.
test-compiled: $(DEVELOPMENT) $(TPU_COMPILE)
	@$(PYTHON) -m pytest tests/benchmarks/live_launches.py tests/benchmarks/live_compiled_steps.py \
	  $(PYTEST_ARGS)

# The TPU's TensorFlow is installed as on a TPU, and tested as far as it works without one: it cannot
# compile for a CPU. So the tests of the package run with the plain TensorFlow of the same version.
# The variables: do not ask Google's cloud for a TPU, and load libtpu though another process has.
test-tpu-stack: export TPU_SKIP_MDS_QUERY := 1
test-tpu-stack: export ALLOW_MULTIPLE_LIBTPU_LOAD := 1
test-tpu-stack: $(DEVELOPMENT) $(TPU_STACK)
	@$(VENV)/tpu-stack/bin/python -m pytest tests/live_tpu_installation.py
	@PYTHONPATH=$(VENV)/tpu-stack/plain $(VENV)/tpu-stack/bin/python -m pytest -m "not slow" \
	  $(TPU_STACK_TESTS) $(PYTEST_ARGS)

lint: $(DEVELOPMENT)
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .

format: $(DEVELOPMENT)
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

typecheck: $(DEVELOPMENT)
	@$(PYTHON) -m mypy

# seqeval comes as source only, and without --use-pep517 a pip that finds wheel installed builds it in a
# way that fails.
$(RUNTIME): requirements.txt
	@if cmp -s $< $@; then touch $@; else \
	  for python in python3.11 python3 python ""; do \
	    if [ -z "$$python" ]; then \
	      echo "error: Python 3.11 not found; install it so that python3.11 or python3 starts it" >&2; \
	      exit 2; \
	    fi; \
	    $$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && break; \
	  done; \
	  echo "installing the pinned packages of $< into $(VENV) with $$python"; \
	  $$python -m venv --clear $(VENV) && \
	  $(PYTHON) -m pip install --use-pep517 --disable-pip-version-check -r $< && \
	  cp $< $@; \
	fi

# Editable: what is changed here is what runs. Its build needs setuptools, which is among the pinned
# packages, and nothing from the network.
$(PACKAGE): pyproject.toml $(RUNTIME)
	@if cmp -s $< $@; then touch $@; else \
	  $(PYTHON) -m pip install --disable-pip-version-check --quiet --no-deps --no-index \
	    --no-build-isolation --editable . && \
	  cp $< $@; \
	fi

$(DEVELOPMENT): requirements-dev.txt $(PACKAGE)
	@if cmp -s $< $@; then touch $@; else \
	  echo "installing the pinned packages of $< into $(VENV)"; \
	  $(PYTHON) -m pip install --use-pep517 --disable-pip-version-check --quiet -r $< && \
	  cp $< $@; \
	fi

$(INTEROP): requirements-interop.txt $(RUNTIME)
	@if cmp -s $< $@; then touch $@; else \
	  echo "installing the pinned packages of $< into $(VENV)/interop"; \
	  $(PYTHON) -m venv --clear $(VENV)/interop && \
	  $(VENV)/interop/bin/python -m pip install --disable-pip-version-check --quiet -r $< && \
	  cp $< $@; \
	fi

$(ENGINES): requirements-engines.txt $(RUNTIME)
	@if cmp -s $< $@; then touch $@; else \
	  echo "installing the pinned packages of $< into $(VENV)/engines"; \
	  rm -rf $(VENV)/engines && \
	  $(PYTHON) -m pip install --no-deps --target $(VENV)/engines --disable-pip-version-check --quiet -r $< && \
	  cp $< $@; \
	fi

$(SERVER): requirements-server.txt $(RUNTIME)
	@if cmp -s $< $@; then touch $@; else \
	  echo "installing the pinned packages of $< into $(VENV)/server"; \
	  $(PYTHON) -m venv --clear $(VENV)/server && \
	  $(VENV)/server/bin/python -m pip install --disable-pip-version-check --quiet -r $< && \
	  cp $< $@; \
	fi

$(BEAM): requirements-beam.txt $(RUNTIME)
	@if cmp -s $< $@; then touch $@; else \
	  echo "installing the pinned packages of $< into $(VENV)/beam"; \
	  $(PYTHON) -m venv --clear $(VENV)/beam && \
	  $(VENV)/beam/bin/python -m pip install --use-pep517 --disable-pip-version-check --quiet -r $< && \
	  cp $< $@; \
	fi

$(BUCKETS): requirements-buckets.txt $(RUNTIME)
	@if cmp -s $< $@; then touch $@; else \
	  echo "installing the pinned packages of $< into $(VENV)/buckets"; \
	  rm -rf $(VENV)/buckets && \
	  $(PYTHON) -m pip install --no-deps --target $(VENV)/buckets --disable-pip-version-check --quiet -r $< && \
	  cp $< $@; \
	fi

$(TPU_COMPILE): requirements-tpu-compile.txt $(RUNTIME)
	@if cmp -s $< $@; then touch $@; else \
	  echo "installing the pinned packages of $< into $(VENV)/tpu-compile"; \
	  $(PYTHON) -m venv --clear $(VENV)/tpu-compile && \
	  $(VENV)/tpu-compile/bin/python -m pip install --disable-pip-version-check --quiet -r $< && \
	  cp $< $@; \
	fi

# The tools of the tests need no TensorFlow, so that pip resolves them as usual.
$(TPU_STACK): requirements-tpu.txt $(RUNTIME)
	@if cmp -s $< $@; then touch $@; else \
	  echo "installing the pinned packages of $< into $(VENV)/tpu-stack"; \
	  $(PYTHON) -m venv --clear $(VENV)/tpu-stack && \
	  pip="$(VENV)/tpu-stack/bin/python -m pip install --disable-pip-version-check --quiet" && \
	  $$pip --use-pep517 --no-deps -r $< && \
	  version=$$(sed -n 's/^tensorflow-tpu==//p' $<) && \
	  $$pip --no-deps --target $(VENV)/tpu-stack/plain "tensorflow==$$version" && \
	  $$pip --constraint requirements-dev.txt hypothesis mlflow-skinny pandas \
	    'psycopg[binary]' pytest && \
	  cp $< $@; \
	fi

# libtpu has no build for manylinux_2_28. uv resolves; what it writes is installed with plain pip.
lock: $(DEVELOPMENT)
	@$(PYTHON) -m venv $(VENV)/lock
	@$(VENV)/lock/bin/pip install --disable-pip-version-check --quiet uv
	@echo tensorflow > $(VENV)/lock/excluded
	@for name in requirements requirements-dev requirements-interop requirements-engines \
	    requirements-server requirements-beam requirements-buckets requirements-tpu requirements-tpu-compile; do \
	  grep -v '^python-dateutil' requirements-dev.txt > $(VENV)/lock/constraints; \
	  case $$name in *-interop|*-engines) deps=--no-deps;; \
	    *-buckets) deps="--constraint $(VENV)/lock/constraints";; *-tpu) deps="--excludes $(VENV)/lock/excluded";; \
	    *) deps=;; esac; \
	  case $$name in *-tpu*) platform=manylinux_2_31;; *) platform=manylinux_2_28;; esac; \
	  $(VENV)/lock/bin/uv pip compile --quiet --upgrade $$deps --python-version 3.11 \
	    --python-platform x86_64-$$platform --no-emit-index-url \
	    --custom-compile-command "make lock" $$name.in --output-file $$name.txt || exit 1; \
	done

clean:
	rm -rf $(VENV) build demo_output lvbert_tf.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
