package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	for _, kind := range []string{"memory", "disk"} {
		var out bytes.Buffer
		if err := run(t.Context(), &out, kind, 2, 200); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		for _, line := range []string{"joins ", "view ", "leaves "} {
			if !strings.Contains(out.String(), "\n"+line) {
				t.Errorf("%s: no line %q in:\n%s", kind, line, out.String())
			}
		}
	}
	if err := run(t.Context(), &bytes.Buffer{}, "paper", 1, 1); err == nil {
		t.Error("a broker that there is not: want an error")
	}
}
