//go:build tools

// Package tools pins the Docker Compose plugin that the tests and benchmarks build where a machine has none.
package tools

import _ "github.com/docker/compose/v2/cmd"
