_default:
    @just --list --unsorted

# Everything CI runs
check:
    .ci/run

# Start it here, in the sandbox
run *ARGS:
    cargo run -- serve {{ARGS}}

# What the README says
test *ARGS:
    cargo test {{ARGS}}

lint:
    cargo fmt --all --check
    cargo clippy --all-targets --all-features --locked -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --locked

# Licences, banned crates, sources
deny:
    cargo deny --log-level error check bans licenses sources

# Known vulnerabilities; downloads their database
audit:
    cargo deny check advisories

# Measure every figure that is promised, beside what this machine allows: just bench --only intake
bench *ARGS:
    cargo bench --bench figures -- {{ARGS}}

# Try to make it lose an accepted request, in every way of tests/reliability/README.md: just reliability 7 1000
reliability SEED="" CYCLES="":
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --profile bench --locked
    cargo build --locked --features crash-points --target-dir target/crash-points
    target=$(cargo metadata --locked --no-deps --format-version 1 |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
    seed={{SEED}} cycles={{CYCLES}}
    python3 tests/reliability/campaign.py --full --binary "$target/release/umishop" \
        --crash-binary target/crash-points/debug/umishop ${seed:+--seed "$seed"} ${cycles:+--cycles "$cycles"}

# Write anew what is made from the code: docs/openapi.json, the kinds in docs/channels.md, all that kinds send
bless:
    UPDATE_SNAPSHOTS=1 cargo test --test it -- the_openapi_document the_documentation_says every_kind_sends

# Let a fuzzer look for broken promises: intake, addresses, mail or slack (needs a nightly compiler and cargo-fuzz)
fuzz TARGET SECONDS="60":
    mkdir -p fuzz/corpus/{{TARGET}}
    cargo +nightly fuzz run --sanitizer none {{TARGET}} fuzz/corpus/{{TARGET}} fuzz/seeds/{{TARGET}} -- -dict=fuzz/words.dict -max_len=4096 -max_total_time={{SECONDS}}

# Hold the program to its own description, /openapi.json (needs Python and a package index)
openapi EXAMPLES="30" SEED="1":
    cargo build --locked
    tests/openapi/run "$(cargo metadata --locked --no-deps --format-version 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/debug/umishop" {{EXAMPLES}} {{SEED}}

# Run CMD with a Chromium to drive (needs Debian's chromium-driver and npm): just browser cargo test --test it -- browser::
browser +CMD:
    #!/usr/bin/env bash
    set -euo pipefail
    directory=$(mktemp -d)
    trap 'tests/browser/driver stop "$directory"' EXIT
    eval "$(tests/browser/driver start "$directory")"
    {{CMD}}

# Run CMD against a real Matrix server of its own: just matrix cargo test --test it -- matrix_server
matrix +CMD:
    #!/usr/bin/env bash
    set -euo pipefail
    directory=$(mktemp -d)
    trap 'tests/peers/matrix/server stop "$directory"' EXIT
    eval "$(tests/peers/matrix/server start "$directory")"
    {{CMD}}

# Run CMD against a real SMTP server of its own (needs root): just smtp cargo test --test it -- smtp_server
smtp +CMD:
    #!/usr/bin/env bash
    set -euo pipefail
    directory=$(mktemp -d)
    trap 'tests/smtp/server stop "$directory"' EXIT
    eval "$(tests/smtp/server start "$directory")"
    {{CMD}}
