# What people run by hand. What a change must pass is .ci/run.

USERS ?= 10000,100000,1000000
ROUNDS ?= 1

.PHONY: build test bench

build:
	go build -o rollcall ./cmd/rollcall

test:
	go test ./...

# What rollcall costs, beside what its work costs at least: make bench USERS=200000 ROUNDS=3
bench: build
	go build -o rollcall-bench ./cmd/rollcall-bench
	./rollcall-bench --stages --users $(USERS) --rounds $(ROUNDS)
